"""`DATA/state.db`: what the monitor itself has to remember, a small SQLite file whichever Store holds the data.

One table a concern, each with a version of its own in `schema_version`, so that concerns change apart. `STEPS` holds,
per concern, the statements that lead from each version to the next: append, never edit. Times are UTC, ISO 8601.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from config.closing import Closing
from config.errors import StoreError, UsageError
from config.remedies import of_sqlite

STEPS: dict[str, tuple[str, ...]] = {
    "alerts": (
        "CREATE TABLE alert (id TEXT PRIMARY KEY, rule TEXT NOT NULL, series TEXT NOT NULL, first_bucket TEXT NOT NULL,"
        " bucket TEXT NOT NULL, state TEXT NOT NULL, verdict TEXT, fired_at TEXT NOT NULL, body TEXT NOT NULL)"
        " WITHOUT ROWID",
        "CREATE INDEX alert_by_rule ON alert (rule, bucket)",
        "CREATE TABLE alert_history (seq INTEGER PRIMARY KEY, alert TEXT NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL,"
        " event TEXT NOT NULL, bucket TEXT, verdict TEXT, note TEXT NOT NULL DEFAULT '')",
        "CREATE INDEX alert_history_by_alert ON alert_history (alert, seq)",
        "CREATE TABLE alert_rule (rule TEXT NOT NULL, version TEXT NOT NULL, first_seen TEXT NOT NULL, body TEXT NOT"
        " NULL, PRIMARY KEY (rule, version)) WITHOUT ROWID",
        "CREATE TABLE alert_run (rule TEXT PRIMARY KEY, version TEXT NOT NULL, content TEXT NOT NULL, began TEXT NOT"
        " NULL, start_bucket TEXT NOT NULL, hold INTEGER NOT NULL, last_bucket TEXT NOT NULL, ran TEXT NOT NULL)"
        " WITHOUT ROWID",
        "CREATE TABLE alert_cache (question TEXT NOT NULL, bucket TEXT NOT NULL, content TEXT NOT NULL, body BLOB NOT"
        " NULL, PRIMARY KEY (question, bucket)) WITHOUT ROWID",
    ),
    "outbox": (
        "CREATE TABLE outbox (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, channel TEXT NOT NULL, alert TEXT NOT"
        " NULL, event TEXT NOT NULL, notice TEXT NOT NULL, created TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER"
        " NOT NULL DEFAULT 0, busy INTEGER NOT NULL DEFAULT 0, due TEXT, owed TEXT NOT NULL DEFAULT '[]', refused TEXT"
        " NOT NULL DEFAULT '[]', error TEXT, changed TEXT)",
        "CREATE INDEX outbox_waiting ON outbox (channel, state, alert, seq)",
        "CREATE TABLE outbox_channel (channel TEXT PRIMARY KEY, failures INTEGER NOT NULL DEFAULT 0, failing_since"
        " TEXT, error TEXT, due TEXT, last_sent TEXT, lease TEXT, lease_until TEXT) WITHOUT ROWID",
        "CREATE INDEX outbox_next ON outbox (channel, state, seq)",
        "ALTER TABLE outbox ADD COLUMN digest TEXT",
    ),
    "pause": (
        "CREATE TABLE pause (market TEXT PRIMARY KEY, reason TEXT NOT NULL, since TEXT NOT NULL, crawl TEXT NOT NULL)"
        " WITHOUT ROWID",
    ),
    "reextract": (
        "CREATE TABLE reextraction (store TEXT NOT NULL, version TEXT NOT NULL, base TEXT NOT NULL, begun TEXT NOT"
        " NULL, finished TEXT, PRIMARY KEY (store, version)) WITHOUT ROWID",
        "CREATE TABLE reextracted (store TEXT NOT NULL, version TEXT NOT NULL, crawl TEXT NOT NULL, size INTEGER"
        " NOT NULL, offers INTEGER NOT NULL, PRIMARY KEY (store, version, crawl)) WITHOUT ROWID",
    ),
    "schedule": (
        "CREATE TABLE schedule_run (job TEXT NOT NULL, due TEXT NOT NULL, not_before TEXT NOT NULL, state TEXT NOT"
        " NULL, coalesced INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL"
        " DEFAULT 0, started TEXT, finished TEXT, exit INTEGER, ending TEXT, reason TEXT, result TEXT,"
        " PRIMARY KEY (job, due)) WITHOUT ROWID",
        "CREATE INDEX schedule_run_state ON schedule_run (state, due)",
        "CREATE TABLE schedule_pruned (job TEXT NOT NULL, state TEXT NOT NULL, runs INTEGER NOT NULL, coalesced INTEGER"
        " NOT NULL, PRIMARY KEY (job, state)) WITHOUT ROWID",
        "CREATE TABLE schedule_service (one INTEGER PRIMARY KEY, pid INTEGER NOT NULL, beat TEXT NOT NULL, problem"
        " TEXT, page TEXT)",
    ),
    "review": (
        "CREATE TABLE review_term (term TEXT PRIMARY KEY, rule TEXT NOT NULL, status TEXT NOT NULL, substance TEXT,"
        " decided TEXT) WITHOUT ROWID",
        "CREATE TABLE review_listing (term TEXT NOT NULL, market TEXT NOT NULL, listing TEXT NOT NULL, vendor TEXT,"
        " title TEXT NOT NULL, first_seen TEXT NOT NULL, last_seen TEXT NOT NULL, first_crawl TEXT NOT NULL,"
        " last_crawl TEXT NOT NULL, PRIMARY KEY (term, market, listing)) WITHOUT ROWID",
    ),
}
"""By concern: the statement of each step, from version 0 on."""


class MarketPaused(UsageError):
    """A crawl of a market that waits for its operator."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a market is not crawled. `crawl` is the one that ran into it ("" where a person paused it)."""

    market: str
    reason: str
    since: datetime
    crawl: str = ""


class State(Closing):
    """The file, opened. Use as a context manager. Raises StoreError where it cannot be used, or where a newer Dropline
    wrote it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.db = sqlite3.connect(path, timeout=30, isolation_level=None)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        try:
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA synchronous = FULL")
            self._migrate()
        except sqlite3.Error as error:
            self.db.close()
            raise self._failed(error) from error
        except StoreError:
            self.db.close()
            raise

    def close(self) -> None:
        self.db.close()

    def _failed(self, error: sqlite3.Error) -> StoreError:
        remedy = of_sqlite(error, "Restore it from a backup.")
        return StoreError(f"The state cannot be used ({error}).", file=self.path, remedy=remedy)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if isinstance(error, sqlite3.Error):
            raise self._failed(error) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, begun for writing: all of it or nothing. StoreError where the file cannot be written."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:  # on a full disk SQLite has rolled it back by itself
                    self.db.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise self._failed(error) from error

    def _migrate(self) -> None:
        made = self.db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'").fetchone()[0]
        known = dict(self.db.execute("SELECT concern, version FROM schema_version")) if made else {}
        if all(known.get(concern) == len(steps) for concern, steps in STEPS.items()):
            return  # opening to read waits for no writer
        with self.writing() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS schema_version (concern TEXT PRIMARY KEY, version INTEGER NOT NULL)"
                " WITHOUT ROWID"
            )
            known = dict(db.execute("SELECT concern, version FROM schema_version"))
            for concern, steps in STEPS.items():
                version = int(known.get(concern, 0))
                if version > len(steps):
                    raise StoreError(
                        f"Its part {concern!r} has version {version}; this Dropline knows {len(steps)}.",
                        file=self.path,
                        remedy="Use the newer Dropline that wrote it.",
                    )
                for step in steps[version:]:
                    db.execute(step)
                db.execute("INSERT OR REPLACE INTO schema_version VALUES (?, ?)", (concern, len(steps)))

    # pauses ------------------------------------------------------------------------------------------------------

    def pause(self, market: str, reason: str, since: datetime, crawl: str = "") -> None:
        """Pauses a market. One that is paused already keeps the time of its first pause."""
        with self.writing() as db:
            db.execute(
                "INSERT INTO pause VALUES (?, ?, ?, ?) ON CONFLICT (market) DO UPDATE SET reason = excluded.reason",
                (market, reason, since.isoformat(), crawl),
            )

    def resume(self, market: str) -> bool:
        """Lifts the pause; whether there was one."""
        with self.writing() as db:
            return db.execute("DELETE FROM pause WHERE market = ?", (market,)).rowcount > 0

    def pauses(self) -> list[Pause]:
        """All pauses, by market."""
        rows = self.db.execute("SELECT market, reason, since, crawl FROM pause ORDER BY market").fetchall()
        return [Pause(market, reason, datetime.fromisoformat(since), crawl) for market, reason, since, crawl in rows]

    def check_not_paused(self, market: str) -> None:
        """Raises MarketPaused, saying what to do."""
        for pause in self.pauses():
            if pause.market == market:
                raise MarketPaused(
                    f"{market} is paused since {pause.since:%Y-%m-%d %H:%M} UTC: {pause.reason}.",
                    remedy="Open it in Tor Browser, do what it asks, then give Dropline the new session: "
                    f"dropline session set {market} --file cookies.txt (or --resume to go on without one).",
                )


def state_path(data_dir: Path) -> Path:
    """Where the state of that data folder stands."""
    return data_dir / "state.db"
