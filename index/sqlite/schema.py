"""The file's layout, its version and its opening.

Layout: `names` holds every repeated string once; `facts` what an offer says (all that rarely changes between crawls),
`texts` the distinct titles and descriptions with their stems in `texts_fts`; `observations` one narrow row of integers
per offer and crawl. The key starts with the crawl, so that a new crawl is appended and the load stays local. What is
derived from these for quick answers (`facts_packs`, `crawl_packs`, `price_packs`) stands in `migrations.PACKS`;
`day_packs` is no part of the schema: a file may lack it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from config.errors import StoreError
from config.remedies import of_sqlite
from index.sqlite import day_packs
from index.sqlite.migrations import PACKS, add_packs, run

APPLICATION_ID = 0x44524C4E
SCHEMA_VERSION = 2

DDL = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE crawls (
    id TEXT PRIMARY KEY, market TEXT NOT NULL, day TEXT NOT NULL, started TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX crawls_by_day ON crawls (day, market);
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE quotes (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, currency TEXT, fx_rate REAL, fx_date TEXT, fx_source TEXT);
CREATE TABLE texts (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, title TEXT NOT NULL, description TEXT NOT NULL);
CREATE VIRTUAL TABLE texts_fts USING fts5(stems, content='', tokenize="unicode61 remove_diacritics 0");
CREATE TABLE facts (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, text INTEGER NOT NULL,
    listing_key INTEGER NOT NULL, offer_key INTEGER NOT NULL, vendor_key INTEGER,
    market TEXT NOT NULL, listing TEXT NOT NULL, offer TEXT NOT NULL, version TEXT NOT NULL, vendor TEXT,
    category TEXT, kind TEXT NOT NULL, substance TEXT, substances TEXT, "group" TEXT, form TEXT,
    quantity_text TEXT, quantity REAL, unit TEXT, dose_mg REAL, purity REAL,
    ships_from TEXT, ships_to TEXT, ships_except TEXT, place TEXT, region TEXT, stash TEXT, spans TEXT,
    confidence REAL NOT NULL, key INTEGER NOT NULL);
CREATE INDEX facts_by_text ON facts (text);
CREATE TABLE observations (
    crawl INTEGER NOT NULL, key INTEGER NOT NULL, facts INTEGER NOT NULL, observed_at INTEGER NOT NULL,
    day INTEGER NOT NULL, quote INTEGER NOT NULL, price_text INTEGER, amount INTEGER, unit_price INTEGER,
    unit_price_usd INTEGER, amount_usd INTEGER, flags INTEGER, ready INTEGER, preorder INTEGER, feedback INTEGER,
    PRIMARY KEY (crawl, key)) WITHOUT ROWID;
CREATE INDEX observations_by_facts ON observations (facts, day, observed_at);
CREATE TABLE offer_days (
    version TEXT NOT NULL, market TEXT NOT NULL, offer TEXT NOT NULL, day TEXT NOT NULL, listing TEXT NOT NULL,
    vendor TEXT, kind TEXT NOT NULL, substance TEXT, "group" TEXT, form TEXT, quantity REAL, unit TEXT, region TEXT,
    stash TEXT, ships_from TEXT, ships_to TEXT, sightings INTEGER NOT NULL, first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL, first_ready INTEGER, last_ready INTEGER, lowest_ready INTEGER, falls INTEGER NOT NULL,
    reversed INTEGER NOT NULL, long_falls INTEGER NOT NULL, exposure_hours REAL NOT NULL, open_fall INTEGER NOT NULL,
    currency TEXT, unit_price INTEGER, unit_price_usd INTEGER, price_low INTEGER, price_low_usd INTEGER, flags TEXT,
    feedback INTEGER,
    PRIMARY KEY (version, market, offer, day)) WITHOUT ROWID;
"""

MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: add_packs}
"""Schema version -> the step from it to the next. Steps run in one transaction and only go forward."""

_REMEDIES = {
    sqlite3.SQLITE_CORRUPT: "The file is damaged: restore a backup, or rebuild it from the crawl logs.",
    sqlite3.SQLITE_NOTADB: "Give a file made by dropline with --store sqlite:///PATH, or a new path.",
    sqlite3.SQLITE_TOOBIG: "One text is over SQLite's limit of 1 GB.",
}


@contextmanager
def guard(path: Path) -> Iterator[None]:
    """Turns sqlite3's errors into StoreError with what to do next."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        remedy = of_sqlite(error, _REMEDIES.get(code, "Run `dropline doctor`."))
        raise StoreError(f"the store failed: {error}.", file=path, remedy=remedy) from error


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _check(connection: sqlite3.Connection, path: Path) -> bool:
    """True: a dropline file of the present schema. False: an empty file. Else StoreError."""
    version, application = _pragma(connection, "user_version"), _pragma(connection, "application_id")
    if application == 0 and version == 0 and not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        return False
    if application != APPLICATION_ID:
        raise StoreError("this SQLite file is not a dropline store.", file=path, remedy="Give another path.")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the store has schema {version}, this dropline knows up to {SCHEMA_VERSION}.", file=path,
            remedy="Update dropline.")
    if version < SCHEMA_VERSION and any(step not in MIGRATIONS for step in range(version, SCHEMA_VERSION)):
        raise StoreError(
            f"the store has schema {version} and no way leads from it to {SCHEMA_VERSION}.", file=path,
            remedy="Rebuild it from the crawl logs with `dropline reextract`.")
    return version == SCHEMA_VERSION


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _check(connection, path):  # again, now that nobody else can be at it
            version = _pragma(connection, "user_version")
            if version == 0:
                run(connection, DDL)
                run(connection, PACKS)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            else:
                for step in range(version, SCHEMA_VERSION):
                    MIGRATIONS[step](connection)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _add_day_packs(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        day_packs.ensure(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _connect(path: Path, mode: str, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=timeout, isolation_level=None,
        check_same_thread=False, cached_statements=256)
    try:
        connection.execute("PRAGMA temp_store = FILE")
        connection.execute("PRAGMA cache_size = -65536")
    except BaseException:
        connection.close()
        raise
    return connection


def open_writer(path: Path, timeout: float = 30.0) -> sqlite3.Connection:
    """A connection that writes; makes the file and its folder, or migrates it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the store's folder cannot be made: {error.strerror}.", file=path,
            remedy="Give another path with --store sqlite:///PATH.") from error
    connection = _connect(path, "rwc", timeout)
    try:
        current = _check(connection, path)
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        if not current:
            _migrate(connection, path)
        if not day_packs.exists(connection):
            _add_day_packs(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path, timeout: float = 30.0) -> sqlite3.Connection | None:
    """A connection that only reads. None: the file does not exist or is still empty. StoreError where it cannot be
    opened."""
    if not path.exists():
        return None
    if path.is_dir():
        raise StoreError("the store is a folder, not a file.", file=path, remedy="Give a file: sqlite:///PATH.")
    with guard(path):
        connection = _connect(path, "ro", timeout)
        try:
            if _check(connection, path):
                connection.execute("PRAGMA query_only = ON")
                return connection
            version = _pragma(connection, "user_version")
        except BaseException:
            connection.close()
            raise
    connection.close()
    if version == 0:
        return None
    with guard(path):
        open_writer(path, timeout).close()  # an older schema: migrate first
    return open_reader(path, timeout)
