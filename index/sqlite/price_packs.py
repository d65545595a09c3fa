"""Prices of offer-days, sorted and packed: one row a week and combination of what prices are asked by.

`price_packs` holds for each (version, market, week, substance, region, kind, unit, currency, flagged or not) the prices
per base unit ascending, in US dollars and as quoted, and the weekday of each beside it. Derived from `offer_days`. A
week whose offer-days changed since stands in `unpriced` and has no packs: it is read from the rows.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Combination = tuple[int, str | None, str | None, str, str, str | None, int]
"""Ordinal of the week's Monday, substance, region, kind, unit, currency, flagged."""
PRICED = ("day", "substance", "region", "kind", "unit", "currency", "flags", "unit_price_usd", "unit_price")
Priced = tuple[str, str | None, str | None, str, str | None, str | None, str | None, int | None, int | None]
"""`PRICED` of an offer-day, as the table holds it."""
Prices = tuple[NDArray[np.int64], NDArray[np.int8]]
"""Ascending, and the weekday of each (0: Monday)."""


_WEEK = "CAST(julianday(day, 'weekday 0', '-6 days') - 1721424.5 AS INTEGER)"
"""The same as `week_of`, in SQL: the Julian day of ordinal 0 is 1721424.5."""


@lru_cache(maxsize=4096)
def week_of(iso: str) -> tuple[int, int]:
    """Ordinal of the Monday of an ISO date's week, and its weekday."""
    day = date.fromisoformat(iso)
    return day.toordinal() - day.weekday(), day.weekday()


@dataclass
class _Cell:
    usd: array[int] = field(default_factory=lambda: array("q"))
    usd_days: array[int] = field(default_factory=lambda: array("b"))
    quoted: array[int] = field(default_factory=lambda: array("q"))
    quoted_days: array[int] = field(default_factory=lambda: array("b"))


class PriceCells:
    """Prices on their way into packs; about 20 bytes a price."""

    def __init__(self) -> None:
        self.cells: dict[Combination, _Cell] = defaultdict(_Cell)

    def add(self, days: Iterable[Priced]) -> None:
        """Takes offer-days; those without a unit or a price are passed over."""
        for iso, substance, region, kind, unit, currency, flags, usd, quoted in days:
            if unit is None or (usd is None and quoted is None):
                continue
            week, weekday = week_of(iso)
            cell = self.cells[week, substance, region, kind, unit, currency, int(flags is not None)]
            if usd is not None:
                cell.usd.append(usd)
                cell.usd_days.append(weekday)
            if quoted is not None:
                cell.quoted.append(quoted)
                cell.quoted_days.append(weekday)

    def drop_week(self, week: int) -> None:
        for combination in [each for each in self.cells if each[0] == week]:
            del self.cells[combination]


def _sorted(prices: array[int], days: array[int]) -> tuple[bytes, bytes]:
    values, of = np.frombuffer(prices, dtype=np.int64), np.frombuffer(days, dtype=np.int8)
    order = np.argsort(values, kind="stable")
    return values[order].astype("<i8").tobytes(), of[order].tobytes()


def _store(connection: sqlite3.Connection, version: str, market: str, cells: PriceCells) -> None:
    connection.executemany(
        "INSERT INTO price_packs (version, market, week, substance, region, kind, unit, currency, flagged, usd, "
        "usd_days, quoted, quoted_days) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        ((version, market, *combination, *_sorted(cell.usd, cell.usd_days), *_sorted(cell.quoted, cell.quoted_days))
         for combination, cell in sorted(cells.cells.items(), key=lambda each: each[0][0])))


def put_since(connection: sqlite3.Connection, version: str, market: str, first: date, cells: PriceCells) -> None:
    """Packs of all offer-days from `first` on, given as cells, in the place of those there; inside the caller's
    transaction. Then packs what else of that market has no packs."""
    monday = first.toordinal() - first.weekday()
    if first.weekday():
        if _is_waiting(connection, version, market, monday):
            cells.drop_week(monday)
        else:
            _keep_before(connection, version, market, monday, first.weekday(), cells)
            connection.execute(
                "DELETE FROM unpriced WHERE version = ? AND market = ? AND week = ?", (version, market, monday))
    connection.execute(
        "DELETE FROM price_packs WHERE version = ? AND market = ? AND week >= ?", (version, market, monday))
    connection.execute(
        "DELETE FROM unpriced WHERE version = ? AND market = ? AND week >= ?",
        (version, market, monday + 7 if first.weekday() else monday))
    _store(connection, version, market, cells)
    pack_waiting(connection, version, market)


def _is_waiting(connection: sqlite3.Connection, version: str, market: str, week: int) -> bool:
    return connection.execute(
        "SELECT 1 FROM unpriced WHERE version = ? AND market = ? AND week = ?", (version, market, week)
    ).fetchone() is not None


def _keep_before(
    connection: sqlite3.Connection, version: str, market: str, week: int, weekday: int, cells: PriceCells
) -> None:
    for row in connection.execute(
        "SELECT week, substance, region, kind, unit, currency, flagged, usd, usd_days, quoted, quoted_days "
        "FROM price_packs WHERE version = ? AND market = ? AND week = ?", (version, market, week)
    ):
        cell = cells.cells[row[:7]]
        for prices, days, (values, of) in (
            (cell.usd, cell.usd_days, row[7:9]), (cell.quoted, cell.quoted_days, row[9:11])
        ):
            early = np.frombuffer(of, dtype=np.int8) < weekday
            prices.frombytes(np.frombuffer(values, dtype="<i8")[early].tobytes())
            days.frombytes(np.frombuffer(of, dtype=np.int8)[early].tobytes())


def drop_weeks(connection: sqlite3.Connection, weeks: Iterable[tuple[str, str, int]]) -> None:
    """Packs of (version, market, week) whose offer-days changed: gone, and noted as to be made."""
    rows = list(weeks)
    connection.executemany("DELETE FROM price_packs WHERE version = ? AND market = ? AND week = ?", rows)
    connection.executemany("INSERT OR IGNORE INTO unpriced VALUES (?, ?, ?)", rows)


def drop_range(connection: sqlite3.Connection, version: str, market: str, first: date, last: date | None) -> None:
    """The same for every week with a day from `first` to `last`."""
    low, high = first.toordinal() - first.weekday(), last.toordinal() if last else 4_000_000
    connection.execute(
        "INSERT OR IGNORE INTO unpriced SELECT DISTINCT version, market, week FROM price_packs "
        "WHERE version = ? AND market = ? AND week >= ? AND week <= ?", (version, market, low, high))
    connection.execute(
        "DELETE FROM price_packs WHERE version = ? AND market = ? AND week >= ? AND week <= ?",
        (version, market, low, high))


def waiting(connection: sqlite3.Connection, version: str | None = None) -> dict[tuple[str, str], set[int]]:
    """Weeks without packs by (version, market)."""
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for of, market, week in connection.execute(
        "SELECT version, market, week FROM unpriced WHERE version = COALESCE(?, version)", (version,)
    ):
        found[of, market].add(week)
    return dict(found)


def iter_rows(connection: sqlite3.Connection, version: str, market: str, weeks: set[int]) -> Iterator[Priced]:
    """What `PriceCells.add` takes, of the offer-days of some weeks of a market."""
    first, last = date.fromordinal(min(weeks)), date.fromordinal(max(weeks) + 6)
    for row in connection.execute(
        f"SELECT {', '.join(PRICED)} FROM offer_days "  # noqa: S608 - our own words
        "WHERE version = ? AND market = ? AND day >= ? AND day <= ? AND unit IS NOT NULL",
        (version, market, first.isoformat(), last.isoformat()),
    ):
        if week_of(row[0])[0] in weeks:
            yield row


def pack_waiting(connection: sqlite3.Connection, version: str, market: str) -> int:
    """Packs the weeks of a market that have no packs; returns how many."""
    weeks = waiting(connection, version).get((version, market), set())
    if not weeks:
        return 0
    cells = PriceCells()
    cells.add(iter_rows(connection, version, market, weeks))
    _store(connection, version, market, cells)
    connection.execute("DELETE FROM unpriced WHERE version = ? AND market = ?", (version, market))
    return len(weeks)


def repack(connection: sqlite3.Connection, version: str, market: str) -> int:
    """Makes all packs of a market anew; returns how many."""
    for table in ("price_packs", "unpriced"):
        connection.execute(f"DELETE FROM {table} WHERE version = ? AND market = ?", (version, market))  # noqa: S608
    connection.execute(
        f"INSERT INTO unpriced SELECT version, market, {_WEEK} AS week FROM offer_days "  # noqa: S608 - our own words
        "WHERE version = ? AND market = ? GROUP BY week", (version, market))
    pack_waiting(connection, version, market)
    row = connection.execute(
        "SELECT COUNT(*) FROM price_packs WHERE version = ? AND market = ?", (version, market)).fetchone()
    return int(row[0])


def markets(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Every (version, market) that has offer-days or packs."""
    return sorted(connection.execute(
        "SELECT version, market FROM offer_days GROUP BY version, market "
        "UNION SELECT version, market FROM price_packs UNION SELECT version, market FROM unpriced"))


def note_unpriced(connection: sqlite3.Connection) -> None:
    """Notes every week of the file as to be packed."""
    connection.execute(
        f"INSERT OR IGNORE INTO unpriced SELECT version, market, {_WEEK} AS week FROM offer_days "  # noqa: S608
        "GROUP BY version, market, week")
