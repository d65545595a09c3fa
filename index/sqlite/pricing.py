"""Quantiles of prices from the packs: sorted runs, put together where several markets or kinds meet in one bucket."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from index.buckets import By, bucket_of
from index.quantiles import Cell, PriceField, Quantiles, answer
from index.sqlite.price_packs import PriceCells, iter_rows, waiting
from index.sqlite.sql import where_prices
from index.store import Filter

PACKED = frozenset({"substance", "region", "market", "kind"})
"""Fields that the packs tell apart."""
_ASKED = ("group", "form", "ships_from", "ships_to", "stash", "vendor", "crawl", "listing")
"""Fields of a filter that they do not."""


def is_packed(where: Filter, split: Sequence[str]) -> bool:
    """Whether the packs can answer."""
    return PACKED.issuperset(split) and not any(getattr(where, name) for name in _ASKED)


def quantiles(
    connection: sqlite3.Connection, where: Filter, by: By, split: Sequence[str], field: PriceField,
    at: Sequence[float], version: str, *, with_flagged: bool,
) -> list[Quantiles]:
    """As `Store.quantiles`, inside the caller's transaction; the question is one that `is_packed`."""
    runs: dict[Cell, list[NDArray[np.int64]]] = defaultdict(list)
    first = where.first.toordinal() if where.first else 0
    last = where.last.toordinal() if where.last else 4_000_000
    whole_weeks = by == "week"
    place = {"substance": 1, "region": 2, "market": 3, "kind": 4}
    names = [place[name] for name in split]
    column = "usd" if field == "unit_price_usd" else "quoted"
    prices = {False: column, True: f"{column}, {column}_days"}
    condition, values = where_prices(where, version)
    flagged = "" if with_flagged else "AND d.flagged = 0"
    buckets: dict[int, str] = {}

    def add(row: Sequence[object], run: NDArray[np.int64], days: NDArray[np.int8] | None) -> None:
        if not len(run):
            return
        week = int(row[0])  # type: ignore[call-overload]
        series = tuple([row[each] for each in names])
        rest = (series, row[5], row[6] if column == "quoted" else None)
        if days is None:
            runs[_bucket(week, by, buckets), *rest].append(run)  # type: ignore[index]
            return
        here = [week + weekday for weekday in range(7) if first <= week + weekday <= last]
        for bucket in dict.fromkeys(_bucket(day, by, buckets) for day in here):
            among = [day - week for day in here if _bucket(day, by, buckets) == bucket]
            part = run[np.isin(days, among)]
            if len(part):
                runs[bucket, *rest].append(part)  # type: ignore[index]

    for apart in (False, True):
        # weeks that the dates asked cut, and buckets other than weeks, need to know the day of each price
        inside = "(d.week >= ? AND d.week + 6 <= ?)"
        if apart and whole_weeks:
            inside = f"NOT {inside} AND d.week + 6 >= ? AND d.week <= ?"
        elif apart:
            inside = "d.week + 6 >= ? AND d.week <= ?"
        elif not whole_weeks:
            continue
        bounds = [first, last] * (2 if apart and whole_weeks else 1)
        for row in connection.execute(
            f"SELECT d.week, d.substance, d.region, d.market, d.kind, d.unit, d.currency, {prices[apart]} "  # noqa: S608
            f"FROM price_packs d WHERE {condition} {flagged} AND {inside}", [*values, *bounds],
        ):
            add(row, np.frombuffer(row[7], dtype="<i8"), np.frombuffer(row[8], dtype=np.int8) if apart else None)
    for (_, market), weeks in waiting(connection, version).items():
        if where.market and market not in where.market:
            continue
        cells = PriceCells()
        cells.add(iter_rows(connection, version, market, weeks))
        for (week, substance, region, kind, unit, currency, doubtful), cell in cells.cells.items():
            if (with_flagged or not doubtful) and _fits(where, substance, region, kind):
                run, days = (cell.usd, cell.usd_days) if column == "usd" else (cell.quoted, cell.quoted_days)
                whole = np.frombuffer(run, dtype=np.int64)
                order = np.argsort(whole, kind="stable")
                row_ = (week, substance, region, market, kind, unit, currency)
                add(row_, whole[order], np.frombuffer(days, dtype=np.int8)[order])
    return answer({cell: _joined(parts) for cell, parts in runs.items()}, at)


def _bucket(ordinal: int, by: By, known: dict[int, str]) -> str:
    found = known.get(ordinal)
    if found is None:
        found = known[ordinal] = bucket_of(date.fromordinal(ordinal), by).isoformat()
    return found


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))


def _fits(where: Filter, substance: str | None, region: str | None, kind: str) -> bool:
    if where.substance and (substance or "unknown") not in where.substance:
        return False
    if where.kind and kind not in where.kind:
        return False
    return not where.region or (region is not None and any(
        region == code or region.startswith(f"{code}-") for code in where.region))
