"""Steps from one schema of the file to the next. Each runs in the one transaction of an opening: all of it, or none."""

from __future__ import annotations

import sqlite3

from index.sqlite.crawl_packs import note_unpacked
from index.sqlite.price_packs import note_unpriced

PACKS = """
CREATE TABLE facts_packs (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE crawl_packs (
    id INTEGER PRIMARY KEY, crawl INTEGER NOT NULL, version TEXT NOT NULL, market TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, facts BLOB NOT NULL, days BLOB, UNIQUE (crawl, version, market));
CREATE TABLE crawl_counts (
    version TEXT NOT NULL, fields TEXT NOT NULL, "values" TEXT NOT NULL, crawl INTEGER NOT NULL, market TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    listings INTEGER NOT NULL, offers INTEGER NOT NULL, vendors INTEGER NOT NULL,
    PRIMARY KEY (version, fields, "values", crawl, market)) WITHOUT ROWID;
CREATE INDEX crawl_counts_by_crawl ON crawl_counts (crawl);
CREATE TABLE unpacked (crawl INTEGER PRIMARY KEY);
CREATE TABLE price_packs (
    id INTEGER PRIMARY KEY, version TEXT NOT NULL, market TEXT NOT NULL, week INTEGER NOT NULL, substance TEXT,
    region TEXT, kind TEXT NOT NULL, unit TEXT NOT NULL, currency TEXT, flagged INTEGER NOT NULL,
    usd BLOB NOT NULL, usd_days BLOB NOT NULL, quoted BLOB NOT NULL, quoted_days BLOB NOT NULL);
CREATE INDEX price_packs_by_market ON price_packs (version, market, week);
CREATE INDEX price_packs_by_substance ON price_packs (version, substance, week);
CREATE TABLE unpriced (
    version TEXT NOT NULL, market TEXT NOT NULL, week INTEGER NOT NULL,
    PRIMARY KEY (version, market, week)) WITHOUT ROWID;
"""
"""What schema 2 has beside schema 1: all of it derived from the other tables."""


def run(connection: sqlite3.Connection, statements: str) -> None:
    """Executes statements one by one, inside the caller's transaction (`executescript` would commit it)."""
    for statement in statements.split(";\n"):
        if statement.strip():
            connection.execute(statement)


def add_packs(connection: sqlite3.Connection) -> None:
    """1 -> 2: the packs' tables, with everything noted as to be packed; answers are right from the first moment on."""
    run(connection, PACKS)
    note_unpacked(connection)
    note_unpriced(connection)
