"""The last detailed reading of each listing (masked), and what a market was asked for per day: one small SQLite file.

Presence is counted from index pages, details come from the last reading: `carry` joins the two.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

from config.closing import Closing
from config.errors import StoreError
from config.remedies import of_sqlite
from crawler.items import Crawl, Listing, Offer
from crawler.sightings import SCHEMA, Sightings

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reading (listing TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mirror (address TEXT PRIMARY KEY, failed INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spent (day TEXT PRIMARY KEY, pages INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
"""
_CHUNK = 500


class Readings(Closing):
    """`DATA/readings/<market>.sqlite`. Use as a context manager; raises StoreError if the file cannot be used."""

    def __init__(self, data_dir: Path, market: str) -> None:
        self.path = data_dir / "readings" / f"{market}.sqlite"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._depth, self._unwritten = 0, dict[str, tuple[int, int]]()
        self._db = sqlite3.connect(self.path, timeout=30)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA + SCHEMA)
        except sqlite3.Error as error:
            self._db.close()
            raise self._failed(error) from error
        self.sightings = Sightings(self._db, self.together)

    def _failed(self, error: sqlite3.Error) -> StoreError:
        remedy = of_sqlite(error, "Remove the file: details are then read anew.")
        return StoreError(f"The readings cannot be used ({error}).", file=self.path, remedy=remedy)

    def close(self) -> None:
        if self._unwritten:
            with self.together():
                pass
        self._db.close()

    def last(self, listings: Iterable[str]) -> dict[str, Listing]:
        """Last detailed readings by (masked) listing id, of those that have one. `observed_at` says from when."""
        ids = list(listings)
        found: dict[str, Listing] = {}
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            marks = ",".join("?" * len(part))
            rows = self._db.execute(f"SELECT listing, body FROM reading WHERE listing IN ({marks})", part)  # noqa: S608
            found.update((ident, Listing.model_validate_json(body)) for ident, body in rows)
        return found

    def has_any(self) -> bool:
        """Whether any listing's own page was ever read."""
        return self._db.execute("SELECT 1 FROM reading LIMIT 1").fetchone() is not None

    def save(self, listings: Iterable[Listing]) -> None:
        """Keeps detailed readings; the newest of a listing stays."""
        read = list(listings)
        with self.together():
            self._db.executemany(
                "INSERT INTO reading VALUES (?, ?) ON CONFLICT (listing) DO UPDATE SET body = excluded.body",
                [(item.listing, item.model_dump_json(exclude_defaults=True).encode()) for item in read],
            )
        self.sightings.add_visits(read)

    def forget(self, vendor: str) -> int:
        """Removes the readings of one vendor pseudonym; how many there were."""
        gone = [i for i, body in self._db.execute("SELECT listing, body FROM reading")
                if Listing.model_validate_json(body).vendor == vendor]
        with self.together():
            self._db.executemany("DELETE FROM reading WHERE listing = ?", [(ident,) for ident in gone])
        self.sightings.forget(vendor=vendor)
        return len(gone)

    def forget_crawl(self, crawl: Crawl) -> int:
        """Removes what a crawl read and saw first: none of it is to be carried forward. How many readings."""
        gone = [i for i, body in self._db.execute("SELECT listing, body FROM reading")
                if Listing.model_validate_json(body).crawl == crawl.id]  # fmt: skip
        with self.together():
            self._db.executemany("DELETE FROM reading WHERE listing = ?", [(ident,) for ident in gone])
        self.sightings.forget(crawl=crawl.started)
        return len(gone)

    def since(self, moment: datetime) -> list[Listing]:
        """All readings made at or after `moment`."""
        found = [Listing.model_validate_json(body) for (body,) in self._db.execute("SELECT body FROM reading")]
        return [listing for listing in found if listing.observed_at >= moment]

    def by_health(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """The mirrors, those that failed in their last crawl after the others, else in the order given."""
        failed = {address for (address,) in self._db.execute("SELECT address FROM mirror WHERE failed")}
        return tuple(sorted(addresses, key=lambda address: address in failed))

    def note_mirror(self, address: str, *, failed: bool) -> None:
        """Keeps how a mirror did in this crawl."""
        with self.together():
            self._db.execute("INSERT OR REPLACE INTO mirror VALUES (?, ?)", (address, failed))

    def spend(self, moment: datetime, pages: int, size: int) -> None:
        """Counts pages and bytes asked of the market on that (UTC) day; written with what is written next."""
        day = moment.date().isoformat()
        before = self._unwritten.get(day, (0, 0))
        self._unwritten[day] = before[0] + pages, before[1] + size

    def spent(self, moment: datetime) -> tuple[int, int]:
        """(pages, bytes) asked of the market on that (UTC) day so far."""
        day = moment.date().isoformat()
        row = self._db.execute("SELECT pages, bytes FROM spent WHERE day = ?", (day,)).fetchone() or (0, 0)
        more = self._unwritten.get(day, (0, 0))
        return int(row[0]) + more[0], int(row[1]) + more[1]

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside becomes durable at once, at the end of the outermost block; nothing of it after an
        error. StoreError where the file cannot be written."""
        self._depth += 1
        try:
            yield
            if self._depth == 1:
                self._write_spent()
                self._db.commit()
        except BaseException as error:
            if self._depth == 1:
                self._db.rollback()
            if isinstance(error, sqlite3.OperationalError):
                raise self._failed(error) from error
            raise
        finally:
            self._depth -= 1

    def _write_spent(self) -> None:
        self._db.executemany(
            "INSERT INTO spent VALUES (?, ?, ?) ON CONFLICT (day) DO UPDATE"
            " SET pages = pages + excluded.pages, bytes = bytes + excluded.bytes",
            [(day, *counts) for day, counts in self._unwritten.items()],
        )
        self._unwritten.clear()


_INDEX_FIRST = ("title", "vendor", "ships_from", "ships_to", "ships_except", "shipping", "feedback", "sold", "rating")
_DETAIL_FIRST = ("description", "category")


def carry(seen: Listing, reading: Listing, index_offers: Literal["full", "first", "none"]) -> Listing:
    """What an index page showed, with the details of the last reading. `seen_on` and the time stay those of `seen`."""
    update: dict[str, object] = {}
    for name in _INDEX_FIRST:
        if getattr(seen, name) in (None, (), ""):
            update[name] = getattr(reading, name)
    for name in _DETAIL_FIRST:
        if getattr(reading, name):
            update[name] = getattr(reading, name)
    update["offers"] = merge_offers(seen.offers, reading.offers, index_offers)
    return seen.model_copy(update=update)


def fill(detail: Listing, shown: Listing) -> Listing:
    """What a detail page showed, with what only the index page of the same crawl stated."""
    names = (*_INDEX_FIRST, *_DETAIL_FIRST, "offers")
    update = {name: getattr(shown, name) for name in names if getattr(detail, name) in (None, (), "")}
    return detail.model_copy(update=update) if update else detail


def merge_offers(
    shown: tuple[Offer, ...], remembered: tuple[Offer, ...], index_offers: Literal["full", "first", "none"]
) -> tuple[Offer, ...]:
    """The offers of a listing seen on an index page.

    full: what the index shows wins. first: the remembered ones stay, and the first of them takes over what the index
    states. none: the remembered ones.
    """
    if not remembered or (shown and index_offers == "full"):
        return shown
    if not shown or index_offers == "none":
        return remembered
    stated = {name: value for name, value in shown[0].model_dump().items() if value is not None}
    return (remembered[0].model_copy(update=stated), *remembered[1:])
