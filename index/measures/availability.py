"""`availability`: on what part of the days one could have bought, by region, substance and hiding type.

A day counts only where the crawls of that day were complete enough for the region, in every market of the bucket: a day
without one says nothing. An offer is ready on a day if its first or last sighting shows a package.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from index.measures.ask import Ask, Series
from index.measures.row import TrendRow
from index.measures.table import Whole, iter_tables

DEFAULT = ("region", "substance", "stash")


def availability(ask: Ask) -> list[TrendRow]:
    """Rows of `availability` in [0, 1], split by region, substance and stash unless split otherwise: `days` that count,
    `days_ready`, `days_listed` (offers seen, ready or not), `ready` and `listed` (offers, averaged over the days),
    `packages` (mean stock at the day's end). `n`: offers that were ready. No interval: days hang together.
    """
    ask = ask if ask.splits else replace(ask, splits=DEFAULT)
    where = ask.offers_only().model_copy(update={"first": ask.buckets.first, "last": ask.buckets.last})
    size = len(ask.buckets)
    seen: set[int] = set()
    ever_stated: set[int] = set()
    sums: dict[str, list[tuple[Whole, NDArray[np.float64]]]] = {name: [] for name in _SUMMED}
    days_of: dict[str, Whole] = {"listed": _NONE, "bought": _NONE}
    counted: dict[tuple[int, str | None, tuple[str, ...]], Whole] = {}
    labels: list[Series] = []
    # some offers at a time: what is asked of several offers together are only days and sums
    for table in iter_tables(ask, where, numbers=("first_ready", "last_ready")):
        labels = table.series_labels
        day = table.days.astype("datetime64[D]").astype(np.int64)
        # the scan holds only days asked, so that every row has a bucket
        cell = table.series * size + ask.buckets.positions(table.days)
        first, last = table.numbers["first_ready"], table.numbers["last_ready"]
        ready, stated = (first > 0) | (last > 0), np.isfinite(first) | np.isfinite(last)
        seen |= set(np.unique(table.series).tolist())
        ever_stated |= set(np.unique(table.series[stated]).tolist())
        here = np.flatnonzero(_on_counted_days(ask, cell, day, labels, counted))
        # a row of a split list repeats its offer
        keys = np.stack([cell[here], table.offer[here], day[here]], axis=1)
        once = here[np.unique(keys, axis=0, return_index=True)[1]]
        bought = once[ready[once]]
        _collect(sums["listed"], cell[once], np.ones(len(once)))
        _collect(sums["ready"], cell[bought], np.ones(len(bought)))
        _collect(sums["packages"], cell[once], np.nan_to_num(last[once]))
        offers = np.unique(np.stack([cell[bought], table.offer[bought]], axis=1), axis=0)[:, 0]
        _collect(sums["offers"], offers, np.ones(len(offers)))
        for name, rows_of in (("listed", once), ("bought", bought)):
            days_of[name] = np.union1d(days_of[name], cell[rows_of] * _MOST_DAYS + day[rows_of])
    total = {name: _totals(parts) for name, parts in sums.items()}
    days_in = {name: _totals([(pairs // _MOST_DAYS, np.ones(len(pairs)))]) for name, pairs in days_of.items()}
    codes = {key: code for code, key in enumerate(labels)}
    series = ask.series(labels[code] for code in seen)
    rows = []
    for _, position, _, key in ask.cells(series):
        status = ask.status(position, key)
        days = _counted(ask, position, key, counted)
        code = codes.get(key, -1)
        cell_ = code * size + position
        reason = None
        if not len(days):
            reason = "no day with a complete-enough crawl of every market"
        elif code >= 0 and code not in ever_stated:
            reason = "no stock is stated: what is listed may not be ready"
        told = status.reason is None and len(days) > 0
        known = told and reason is None
        many = max(len(days), 1)
        rows.append(ask.row(
            position, key, status, days_in["bought"].get(cell_, 0.0) / many if known else None, reason=reason,
            n=int(total["offers"].get(cell_, 0)) if known else 0,
            days=len(days) if told else None, days_ready=int(days_in["bought"].get(cell_, 0)) if known else None,
            days_listed=int(days_in["listed"].get(cell_, 0)) if told else None,
            ready=total["ready"].get(cell_, 0.0) / many if known else None,
            listed=total["listed"].get(cell_, 0.0) / many if told else None,
            packages=total["packages"].get(cell_, 0.0) / many if known else None))
    return rows


_NONE = np.zeros(0, dtype=np.int64)
_SUMMED = ("listed", "ready", "packages", "offers")
_MOST_DAYS = 4_000_000
"""More than there are days in the calendar."""


def _collect(parts: list[tuple[Whole, NDArray[np.float64]]], cell: Whole, amount: NDArray[np.float64]) -> None:
    """Sums of a table by cell."""
    cells, where = np.unique(cell, return_inverse=True)
    parts.append((cells, np.bincount(where, amount, len(cells)).astype(np.float64)))


def _totals(parts: list[tuple[Whole, NDArray[np.float64]]]) -> dict[int, float]:
    if not parts:
        return {}
    cells, where = np.unique(np.concatenate([cell for cell, _ in parts]), return_inverse=True)
    amounts = np.bincount(where, np.concatenate([amount for _, amount in parts]), len(cells))
    return dict(zip(cells.tolist(), amounts.tolist(), strict=True))


_Counted = dict[tuple[int, str | None, tuple[str, ...]], Whole]


def _counted(ask: Ask, position: int, key: Series, counted: _Counted) -> Whole:
    """`_covered_days`, remembered."""
    scope = (position, ask.market_of(key), ask.regions_of(key))
    if scope not in counted:
        counted[scope] = _covered_days(ask, position, key)
    return counted[scope]


def _on_counted_days(
    ask: Ask, cell: Whole, day: Whole, labels: list[Series], counted: _Counted
) -> NDArray[np.bool_]:
    """Which rows lie on days that count for their cell."""
    size = len(ask.buckets)
    fits = [
        code * _MOST_DAYS + _counted(ask, code % size, labels[code // size], counted)
        for code in np.unique(cell).tolist()]
    wanted = np.concatenate(fits) if fits else _NONE
    found: NDArray[np.bool_] = np.isin(cell * _MOST_DAYS + day, wanted)
    return found


def _covered_days(ask: Ask, position: int, key: Series) -> Whole:
    """Days of a bucket on which every market of its panel has a complete-enough crawl."""
    first, last = ask.buckets.span(position)
    common: set[int] | None = None
    for market in ask.status(position, key).used:
        days = ask.panel.complete_days(market, ask.regions_of(key))
        found = {int(np.datetime64(day).astype(np.int64)) for day in days if first <= day <= last}
        common = found if common is None else common & found
    return np.array(sorted(common or ()), dtype=np.int64)
