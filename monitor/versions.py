"""What `state.db` remembers of re-extractions: from which version to which, and the crawls that are done.

Rows are kept per store: one data folder may fill several. Times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from config.settings import Settings
from monitor.state import State

DEFAULT_STORE = "default"


@dataclass(frozen=True, slots=True)
class Reextraction:
    """One reading of all logs into `version`, begun while readers saw `base`. `finished` None: not all done yet."""

    version: str
    base: str
    begun: datetime
    finished: datetime | None = None


UNSETTLED = -1


@dataclass(frozen=True, slots=True)
class Mark:
    """A crawl that is wholly in a version: the size of its log then (bytes), and how many offers came of it
    (`UNSETTLED`: it is being read, or its offer-days are still to be made)."""

    size: int
    offers: int


def store_name(settings: Settings) -> str:
    """What tells one store of this data folder from another: its address without credentials. The folder's own store
    keeps its name when the folder is moved."""
    if settings.store is None:
        return DEFAULT_STORE
    parts = urlsplit(settings.store)
    if parts.scheme == "sqlite":
        path = Path(parts.path.removeprefix("/"))
        own = settings.data_dir / "dropline.sqlite"
        return DEFAULT_STORE if path.absolute() == own.absolute() else f"sqlite:///{path.absolute()}"
    host = parts.hostname or ""
    return urlunsplit((parts.scheme, f"{host}:{parts.port}" if parts.port else host, parts.path.rstrip("/"), "", ""))


class Versions:
    """The re-extractions of one store."""

    def __init__(self, state: State, store: str) -> None:
        self.state, self.store = state, store

    def begin(self, version: str, base: str, now: datetime) -> Reextraction:
        """Notes that a re-extraction is under way. One that was cut off goes on; against another base it starts anew
        (its crawls stay done). One that is finished stays so."""
        with self.state.writing() as db:
            db.execute(
                "INSERT INTO reextraction VALUES (?, ?, ?, ?, NULL) ON CONFLICT (store, version) DO UPDATE SET"
                " base = excluded.base, begun = excluded.begun, finished = NULL WHERE base <> excluded.base",
                (self.store, version, base, now.isoformat()),
            )
        found = self.find(version)
        assert found is not None
        return found

    def finish(self, version: str, now: datetime) -> None:
        with self.state.writing() as db:
            db.execute(
                "UPDATE reextraction SET finished = ? WHERE store = ? AND version = ?",
                (now.isoformat(), self.store, version),
            )

    def reopen(self, version: str) -> None:
        """There is more to do, after all."""
        with self.state.writing() as db:
            db.execute(
                "UPDATE reextraction SET finished = NULL WHERE store = ? AND version = ?", (self.store, version)
            )

    def find(self, version: str) -> Reextraction | None:
        return next((one for one in self.all() if one.version == version), None)

    def all(self) -> list[Reextraction]:
        """Re-extractions of this store, the oldest first."""
        rows = self.state.db.execute(
            "SELECT version, base, begun, finished FROM reextraction WHERE store = ? ORDER BY begun, version",
            (self.store,),
        ).fetchall()
        return [
            Reextraction(version, base, _moment(begun), None if finished is None else _moment(finished))
            for version, base, begun, finished in rows
        ]

    def mark(self, version: str, crawl: str, mark: Mark) -> None:
        with self.state.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO reextracted VALUES (?, ?, ?, ?, ?)",
                (self.store, version, crawl, mark.size, mark.offers),
            )

    def unmark(self, version: str, crawls: Iterable[str]) -> None:
        """Crawls that are there no longer."""
        with self.state.writing() as db:
            db.executemany(
                "DELETE FROM reextracted WHERE store = ? AND version = ? AND crawl = ?",
                [(self.store, version, crawl) for crawl in crawls],
            )

    def forget(self, version: str) -> None:
        """That version is gone: nothing is done in it, and nobody can go back to it."""
        with self.state.writing() as db:
            db.execute("DELETE FROM reextracted WHERE store = ? AND version = ?", (self.store, version))
            db.execute(
                "DELETE FROM reextraction WHERE store = ? AND (version = ? OR base = ?)", (self.store, version, version)
            )

    def marks(self, version: str) -> dict[str, Mark]:
        """By crawl id what is done in that version."""
        rows = self.state.db.execute(
            "SELECT crawl, size, offers FROM reextracted WHERE store = ? AND version = ?", (self.store, version)
        )
        return {crawl: Mark(size, offers) for crawl, size, offers in rows}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
