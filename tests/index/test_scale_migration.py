"""A file of the first schema is moved forward, whole or not at all."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from config.errors import StoreError
from index.derive import derive_offer_days
from index.sqlite.store import SqliteStore
from index.store import Filter

SCHEMA_1 = """
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
"""The layout as it was before files had packs."""

ROWS = """
INSERT INTO meta VALUES ('current_version', 'v1');
INSERT INTO crawls VALUES ('lark-1', 'lark', '2031-03-01', '2031-03-01T10:00:00+00:00',
    '{"id":"lark-1","market":"lark","kind":"full","started":"2031-03-01T10:00:00Z","outcome":"complete"}');
INSERT INTO names VALUES (1, 'lark' || char(0) || 'L1' || char(0) || 'o1' || char(0) || 'v1'),
    (2, 'lark' || char(0) || 'L1'), (3, 'lark' || char(0) || 'o1' || char(0)), (4, 'lark-1'),
    (5, 'lark' || char(0) || 'k:x' || char(0) || 'v'), (6, 'lark' || char(0) || 'L2' || char(0) || 'o2' || char(0) || 'v1'),
    (7, 'lark' || char(0) || 'L2'), (8, 'lark' || char(0) || 'o2' || char(0)), (9, '["outlier"]');
INSERT INTO quotes VALUES (1, x'01', 'USD', 1.0, '2031-03-01', 'made up');
INSERT INTO texts VALUES (1, x'01', 'Item one', ''), (2, x'02', 'Item two', '');
INSERT INTO texts_fts (rowid, stems) VALUES (1, 'item one'), (2, 'item two');
INSERT INTO facts VALUES
    (1, x'01', 1, 2, 3, 5, 'lark', 'L1', 'o1', 'v1', 'k:x', NULL, 'offer', 'mdma', '["mdma"]', NULL, NULL, NULL, 1.0, 'g',
     NULL, NULL, NULL, NULL, NULL, NULL, 'GE-TB', NULL, NULL, 1.0, 1),
    (2, x'02', 2, 7, 8, NULL, 'lark', 'L2', 'o2', 'v1', NULL, NULL, 'offer', 'mdma', '["mdma"]', NULL, NULL, NULL, 2.0, 'g',
     NULL, NULL, NULL, NULL, NULL, NULL, 'GE-AJ', NULL, NULL, 1.0, 6);
INSERT INTO observations VALUES
    (4, 1, 1, 1930125600000000, 741502, 1, NULL, 3000, 300000, 300000, 3000, NULL, 4, NULL, NULL),
    (4, 6, 2, 1930125660000000, 741502, 1, NULL, 9000, 450000, 450000, 9000, 9, 1, NULL, NULL);
INSERT INTO offer_days (version, market, offer, day, listing, vendor, kind, substance, quantity, unit, region, sightings,
    first_seen, last_seen, falls, reversed, long_falls, exposure_hours, open_fall, currency, unit_price, unit_price_usd,
    flags) VALUES
    ('v1', 'lark', 'o1', '2031-03-01', 'L1', 'k:x', 'offer', 'mdma', 1.0, 'g', 'GE-TB', 1, 1930125600000000,
     1930125600000000, 0, 0, 0, 0.0, 0, 'USD', 300000, 300000, NULL),
    ('v1', 'lark', 'o2', '2031-03-01', 'L2', NULL, 'offer', 'mdma', 2.0, 'g', 'GE-AJ', 1, 1930125660000000,
     1930125660000000, 0, 0, 0, 0.0, 0, 'USD', 450000, 450000, '["outlier"]');
PRAGMA application_id = 1146244174;
PRAGMA user_version = 1;
"""

KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from index.sqlite import schema
from index.sqlite.store import SqliteStore
step = schema.MIGRATIONS[1]
def killed(connection):
    connection.execute("PRAGMA cache_size = 1")
    step(connection)
    connection.execute("CREATE TABLE spilled AS WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n "
                       "LIMIT 20000) SELECT x, randomblob(50) FROM n")
    os.kill(os.getpid(), signal.SIGKILL)
schema.MIGRATIONS[1] = killed
SqliteStore(Path(sys.argv[1])).current_version()
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(SCHEMA_1 + ROWS)
    connection.close()
    return path


def schema_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return int(found)


def check(path: Path) -> None:
    """All that stood there is there, and new things can be written."""
    store = SqliteStore(path)
    assert store.current_version() == "v1"
    assert [crawl.id for crawl in store.crawls()] == ["lark-1"]
    assert store.count_distinct(Filter(), ("crawl", "region"), "offer") == [
        (("lark-1", "GE-AJ"), 1), (("lark-1", "GE-TB"), 1)]
    assert store.count_distinct(Filter(), ("day",), "vendor") == [(("2031-03-01",), 1)]
    rows = store.quantiles(Filter(), "week", (), "unit_price_usd", (0.5,), with_flagged=True)
    assert [(row.bucket, row.n, row.values) for row in rows] == [(date(2031, 2, 24), 2, (375000.0,))]
    assert [hit.listing for hit in store.search("items", Filter())] == ["L1", "L2"]
    assert store.versions() == ["v1"]
    made = store.rebuild()
    assert made == {"crawls": 1, "prices": 2}
    assert len(store.quantiles(Filter(), "week", ("region",), "unit_price_usd", (0.5,))) == 1
    store.close()
    assert schema_of(path) == 2


def test_forward(old: Path) -> None:
    assert schema_of(old) == 1
    check(old)


def test_the_content_is_the_same(old: Path) -> None:
    first = SqliteStore(old)
    before = first.digest()  # reading moves the file forward
    first.close()
    assert schema_of(old) == 2
    store = SqliteStore(old)
    crawl = store.crawls()[0]
    store.write_crawl(crawl)
    derive_offer_days(store, "lark", "v1", date(2032, 1, 1))
    assert store.digest() == before
    store.close()


def test_killed_half_way(old: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(old)], capture_output=True, check=False,
                          cwd=Path(__file__).parents[2], env=os.environ)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert schema_of(old) == 1
    check(old)
    connection = sqlite3.connect(old)
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert "crawl_packs" in names
    assert "spilled" not in names


def test_newer_than_we_know(old: Path) -> None:
    SqliteStore(old).current_version()
    connection = sqlite3.connect(old)
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    content = old.read_bytes()
    store = SqliteStore(old)
    with pytest.raises(StoreError, match="schema 3") as caught:
        store.current_version()
    assert caught.value.remedy == "Update dropline."
    store.close()
    assert old.read_bytes() == content
