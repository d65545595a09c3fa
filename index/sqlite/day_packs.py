"""Packs of offer-days (`index.packed_days`) in the file: what measures read of them, without reading a row.

A row of `day_packs` is one column of one (version, market, period). Derived from `offer_days`. Triggers of the file
itself note every period whose offer-days change in `stale_days`, whoever writes; its packs are gone when that write
ends, and readers then go by the rows until it is packed anew: an answer never rests on a stale pack.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from index.packed_days import COLUMNS, MOST_HELD, Bodies, Packing, is_packed, wanted_columns
from index.store import Filter

PERIODS_AT_ONCE = 6
"""Periods whose columns are held at once while packing."""
HEALED = 4
"""Periods of other markets packed besides a market's own: an unpacked file heals by itself."""
_FETCH = 20_000

TABLES = """
CREATE TABLE IF NOT EXISTS day_packs (
    id INTEGER PRIMARY KEY, version TEXT NOT NULL, market TEXT NOT NULL, period TEXT NOT NULL, field TEXT NOT NULL,
    body BLOB NOT NULL, UNIQUE (version, market, period, field));
CREATE TABLE IF NOT EXISTS stale_days (
    version TEXT NOT NULL, market TEXT NOT NULL, period TEXT NOT NULL,
    PRIMARY KEY (version, market, period)) WITHOUT ROWID;
"""
_TRIGGER = """CREATE TRIGGER IF NOT EXISTS stale_days_{event} AFTER {event} ON offer_days
WHEN ({row}.version, {row}.market, substr({row}.day, 1, 9)) NOT IN stale_days BEGIN
INSERT INTO stale_days VALUES ({row}.version, {row}.market, substr({row}.day, 1, 9));
END"""
"""The condition is asked before the body is entered: half of what a written row took was a body that did nothing."""


def ensure(connection: sqlite3.Connection) -> None:
    """The tables and triggers, inside the caller's transaction; offer-days that were there before are noted as to be
    packed. Files of before have none: their readers go by the rows."""
    if exists(connection):
        return
    for statement in TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    for event, row in (("insert", "NEW"), ("update", "NEW"), ("delete", "OLD")):
        connection.execute(_TRIGGER.format(event=event, row=row))
    connection.execute(
        "INSERT INTO stale_days SELECT DISTINCT version, market, substr(day, 1, 9) FROM offer_days")


def exists(connection: sqlite3.Connection) -> bool:
    """Whether the file has packs of offer-days at all."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'stale_days'").fetchone() is not None


def drop_stale(connection: sqlite3.Connection) -> None:
    """Takes away the packs of what is noted as stale; at the end of every write."""
    connection.execute(
        "DELETE FROM day_packs WHERE id IN (SELECT p.id FROM stale_days s CROSS JOIN day_packs p "
        "ON p.version = s.version AND p.market = s.market AND p.period = s.period)")


class Packed:
    """A market's offer-days from a day on while they are written: what they change is packed without being read again.
    Given up where they are too many."""

    def __init__(self, connection: sqlite3.Connection, version: str, market: str, first: date) -> None:
        """Before the first of them is written."""
        self._version, self._market = version, market
        self._packing: Packing | None = Packing()
        self._from_rows = ""
        """A period with days before `first` that are not packed."""
        period = first.isoformat()[:9]
        if period in _stale(connection, version, market):
            self._from_rows = period
            return
        bodies: Bodies = dict(connection.execute(
            "SELECT field, body FROM day_packs WHERE version = ? AND market = ? AND period = ?",
            (version, market, period)).fetchall())
        if bodies:
            self._packing.add_pack(period, bodies, first.isoformat())

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Offer-days as the table holds them, by column."""
        if self._packing is not None:
            self._packing.add(columns)
            if self._packing.rows > MOST_HELD:
                self._packing = None

    def pack(self, connection: sqlite3.Connection) -> None:
        """Packs the periods that they changed, inside the caller's transaction."""
        if self._packing is not None:
            for period in _stale(connection, self._version, self._market):
                if period in self._packing and period != self._from_rows:
                    _store(connection, self._version, self._market, period, self._packing.build(period))


def pack_market(connection: sqlite3.Connection, version: str, market: str) -> int:
    """Packs the stale periods of a market, inside the caller's transaction; returns how many."""
    periods = _stale(connection, version, market)
    for start in range(0, len(periods), PERIODS_AT_ONCE):
        _pack(connection, version, market, periods[start : start + PERIODS_AT_ONCE])
    return len(periods)


def _stale(connection: sqlite3.Connection, version: str, market: str, most: int = -1) -> list[str]:
    return [period for (period,) in connection.execute(
        "SELECT period FROM stale_days WHERE version = ? AND market = ? ORDER BY period LIMIT ?",
        (version, market, most))]


def pack_some(connection: sqlite3.Connection, most: int = HEALED) -> int:
    """Packs up to so many stale periods of one market, whichever; returns how many there were."""
    first = connection.execute("SELECT version, market FROM stale_days LIMIT 1").fetchone()
    if first is None:
        return 0
    version, market = first
    periods = _stale(connection, version, market, most)
    _pack(connection, version, market, periods)
    return len(periods)


def drop_all(connection: sqlite3.Connection) -> None:
    """Every pack anew: all periods are noted as stale."""
    connection.execute("INSERT OR IGNORE INTO stale_days SELECT DISTINCT version, market, period FROM day_packs")
    connection.execute("DELETE FROM day_packs")


def _pack(connection: sqlite3.Connection, version: str, market: str, periods: Sequence[str]) -> None:
    cursor = connection.execute(
        f"SELECT {', '.join(f'd.{chr(34)}{name}{chr(34)}' for name in COLUMNS)} FROM offer_days d "  # noqa: S608
        f"WHERE d.version = ? AND d.market = ? AND d.day >= ? AND d.day <= ? "
        f"AND substr(d.day, 1, 9) IN ({', '.join('?' * len(periods))}) ORDER BY d.offer, d.day",
        (version, market, min(periods), max(periods) + "~", *periods))
    packing = Packing()
    while rows := cursor.fetchmany(_FETCH):
        packing.add(dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)))
    for period in periods:
        _store(connection, version, market, period, packing.build(period) if period in packing else {})


def _store(connection: sqlite3.Connection, version: str, market: str, period: str, bodies: Bodies) -> None:
    """The pack of a period as it is now (no columns: none), which is no longer stale."""
    connection.execute(
        "DELETE FROM day_packs WHERE version = ? AND market = ? AND period = ?", (version, market, period))
    connection.executemany(
        "INSERT INTO day_packs (version, market, period, field, body) VALUES (?, ?, ?, ?, ?)",
        [(version, market, period, name, body) for name, body in bodies.items()])
    connection.execute(
        "DELETE FROM stale_days WHERE version = ? AND market = ? AND period = ?", (version, market, period))


# reading


def read_packs(
    connection: sqlite3.Connection, where: Filter, fields: Sequence[str], version: str
) -> dict[str, list[Bodies]] | None:
    """The packed columns that answer a scan of offer-days, by market; None where packs cannot: a field or part of the
    filter they do not know, or days that are not packed. Inside the caller's transaction."""
    if not is_packed(where, fields) or not exists(connection):
        return None
    low = where.first.isoformat()[:9] if where.first else ""
    high = where.last.isoformat()[:9] if where.last else "~"
    bounds = (version, low, high)
    for (market,) in connection.execute(
        "SELECT DISTINCT market FROM stale_days WHERE version = ? AND period >= ? AND period <= ?", bounds
    ):
        if not where.market or market in where.market:
            return None
    markets = [market for (market,) in connection.execute(
        "SELECT DISTINCT market FROM day_packs WHERE version = ? ORDER BY market", (version,))]
    wanted = wanted_columns(where, fields)
    found: dict[str, list[Bodies]] = {}
    for market in markets:
        if where.market and market not in where.market:
            continue
        periods: dict[str, Bodies] = defaultdict(dict)
        for period, field, body in connection.execute(
            f"SELECT period, field, body FROM day_packs WHERE version = ? AND market = ? AND period >= ? "  # noqa: S608
            f"AND period <= ? AND field IN ({', '.join('?' * len(wanted))}) ORDER BY period",
            (version, market, low, high, *wanted),
        ):
            periods[period][field] = body
        found[market] = list(periods.values())
    return found


def iter_markets(packs: dict[str, list[Bodies]]) -> Iterator[tuple[str, list[Bodies]]]:
    """Market by market; what was given is let go."""
    while packs:
        market = next(iter(packs))
        yield market, packs.pop(market)
