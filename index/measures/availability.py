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
from index.measures.table import Whole, read_table

DEFAULT = ("region", "substance", "stash")


def availability(ask: Ask) -> list[TrendRow]:
    """Rows of `availability` in [0, 1], split by region, substance and stash unless split otherwise: `days` that count,
    `days_ready`, `days_listed` (offers seen, ready or not), `ready` and `listed` (offers, averaged over the days),
    `packages` (mean stock at the day's end). `n`: offers that were ready. No interval: days hang together.
    """
    ask = ask if ask.splits else replace(ask, splits=DEFAULT)
    where = ask.offers_only().model_copy(update={"first": ask.buckets.first, "last": ask.buckets.last})
    table = read_table(ask, where, numbers=("first_ready", "last_ready"))
    day = table.days.astype("datetime64[D]").astype(np.int64)
    positions = ask.buckets.positions(table.days)
    first, last = table.numbers["first_ready"], table.numbers["last_ready"]
    ready, stated = (first > 0) | (last > 0), np.isfinite(first) | np.isfinite(last)
    order = np.lexsort((positions, table.series))
    bounds = table.series[order] * len(ask.buckets) + positions[order]
    # the scan holds only days asked, so that every row has a bucket
    codes = {key: code for code, key in enumerate(table.series_labels)}
    series = ask.series(table.series_labels[code] for code in np.unique(table.series))
    ever_stated = set(table.series[stated].tolist())
    counted: dict[tuple[int, str | None, tuple[str, ...]], Whole] = {}
    rows = []
    for _, position, _, key in ask.cells(series):
        status = ask.status(position, key)
        scope = (position, ask.market_of(key), ask.regions_of(key))
        if scope not in counted:
            counted[scope] = _covered_days(ask, position, key)
        days = counted[scope]
        code = codes.get(key, -1)
        cell = code * len(ask.buckets) + position
        start, end = np.searchsorted(bounds, (cell, cell + 1))
        here = order[start:end]
        here = here[np.isin(day[here], days)]
        bought = here[ready[here]]
        reason = None
        if not len(days):
            reason = "no day with a complete-enough crawl of every market"
        elif code >= 0 and code not in ever_stated:
            reason = "no stock is stated: what is listed may not be ready"
        told = status.reason is None and len(days) > 0
        known = told and reason is None
        rows.append(ask.row(
            position, key, status, len(np.unique(day[bought])) / len(days) if known else None, reason=reason,
            n=_offers(table.offer, bought) if known else 0,
            days=len(days) if told else None, days_ready=len(np.unique(day[bought])) if known else None,
            days_listed=len(np.unique(day[here])) if told else None,
            ready=_pairs(table.offer, day, bought) / len(days) if known else None,
            listed=_pairs(table.offer, day, here) / len(days) if told else None,
            packages=_stock(table.offer, day, last, here) / len(days) if known else None))
    return rows


def _covered_days(ask: Ask, position: int, key: Series) -> Whole:
    """Days of a bucket on which every market of its panel has a complete-enough crawl."""
    first, last = ask.buckets.span(position)
    common: set[int] | None = None
    for market in ask.status(position, key).used:
        days = ask.panel.complete_days(market, ask.regions_of(key))
        found = {int(np.datetime64(day).astype(np.int64)) for day in days if first <= day <= last}
        common = found if common is None else common & found
    return np.array(sorted(common or ()), dtype=np.int64)


def _offers(offer: Whole, rows: Whole) -> int:
    return len(np.unique(offer[rows]))


def _pairs(offer: Whole, day: Whole, rows: Whole) -> int:
    """Distinct (offer, day): a row of a split list repeats its offer."""
    return len(np.unique(np.stack([offer[rows], day[rows]], axis=1), axis=0))


def _stock(offer: Whole, day: Whole, ready: NDArray[np.float64], rows: Whole) -> float:
    """Packages at the end of each (offer, day), added up."""
    once = np.unique(np.stack([offer[rows], day[rows]], axis=1), axis=0, return_index=True)[1]
    return float(np.nansum(ready[rows[once]]))
