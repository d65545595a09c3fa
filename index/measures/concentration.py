"""`concentration`: how unevenly sales (or listings) are spread over sellers: Herfindahl-Hirschman index and Gini.

HHI x 10^4 = sum of squared shares x 10^4: 10,000 is one seller alone, 10,000 / k is k equal ones. Only sellers with
sales (or listings) count. Rhoades 1993, Fed. Reserve Bull. 79; Gini 1912.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from config.errors import UsageError
from index.bootstrap import FEWEST_VENDORS, Interval, percentile_interval, vendor_weights
from index.measures.ask import Ask, Series
from index.measures.counts import count_offers, count_sellers, crawled, series_of
from index.measures.row import TrendRow
from index.measures.table import Whole
from index.measures.turnover import iter_sales


def hhi(amounts: NDArray[np.float64]) -> float:
    """Sum of squared shares x 10^4."""
    return float(np.sum((amounts / amounts.sum()) ** 2) * 10_000)


def gini(amounts: NDArray[np.float64]) -> float:
    """Gini coefficient of positive amounts: 0 for equal ones, (k - 1) / k for k sellers of whom one has it all."""
    ordered, count = np.sort(amounts), len(amounts)
    ranks = np.arange(1, count + 1)
    return float(2 * np.sum(ranks * ordered) / (count * ordered.sum()) - (count + 1) / count)


def concentration(ask: Ask) -> list[TrendRow]:
    """Rows of `concentration`: HHI x 10^4, with `gini`, `vendors`, `of`. Offers without a stated seller are left out.

    Raises UsageError for a split by vendor.
    """
    if "vendor" in ask.splits:
        raise UsageError(
            "Concentration is about sellers and cannot be split by them.", remedy="Leave --split vendor out."
        )
    of = ask.of or "turnover"
    found = _sales(ask) if of == "turnover" else _listings(ask)
    weights = vendor_weights(found.keys, seed=ask.seed)
    rows = []
    for cell, position, _, key in ask.cells(found.series):
        status = ask.status(position, key)
        start, end = np.searchsorted(found.cell, (cell, cell + 1))
        amounts = found.amount[start:end]
        told = len(amounts) > 0 and status.reason is None
        interval: Interval = (None, None)
        if told and len(amounts) >= FEWEST_VENDORS:
            drawn = weights[found.vendor[start:end]].astype(np.float64).T
            # a seller drawn twice is two sellers
            totals = drawn @ amounts
            some = totals > 0  # in a replicate of few sellers nobody may have been drawn
            interval = percentile_interval((drawn[some] @ amounts**2) / totals[some] ** 2 * 10_000)
        rows.append(ask.row(
            position, key, status, hhi(amounts) if told else None, interval=interval,
            n=found.offers.get((position, key), 0) if told else 0,
            reason=None if told else f"no seller with {'sales' if of == 'turnover' else 'listings'}",
            gini=gini(amounts) if told else None, vendors=len(amounts) if told else None, of=of))
    return rows


@dataclass(frozen=True)
class _Sellers:
    """Positive amounts by cell and seller, sorted by cell; `vendor` points into `keys`."""

    series: list[Series]
    cell: Whole
    vendor: Whole
    amount: NDArray[np.float64]
    keys: list[str]
    offers: dict[tuple[int, Series], int]


def _sellers(
    series: list[Series], cell: Whole, vendor: Whole, amount: NDArray[np.float64], *, keys: list[str],
    known: NDArray[np.bool_], offers: dict[tuple[int, Series], int],
) -> _Sellers:
    """Sum amounts by (cell, seller), leaving out rows without a seller."""
    fits = known[vendor] & (amount > 0)
    # by key, so that sums and draws have the same order on both stores
    rank = np.argsort(np.argsort(np.array(keys, dtype=object), kind="stable")) if keys else np.zeros(0, dtype=np.int64)
    pairs, where = np.unique(cell[fits] * max(len(keys), 1) + rank[vendor[fits]], return_inverse=True)
    totals = np.bincount(where, weights=amount[fits], minlength=len(pairs)).astype(np.float64)
    cells, ranks = pairs // max(len(keys), 1), pairs % max(len(keys), 1)
    return _Sellers(series, cells, ranks, totals, sorted(keys), offers)


def _sales(ask: Ask) -> _Sellers:
    size = len(ask.buckets)
    seen: set[int] = set()
    parts: list[tuple[Whole, Whole, NDArray[np.float64]]] = []
    counted: dict[int, int] = defaultdict(int)
    table = None
    for table in iter_sales(replace(ask, currency="usd")):
        positions = ask.buckets.positions(table.days)
        inside = np.flatnonzero((positions >= 0) & (table.numbers["money"] > 0) & table.vendor_known()[table.vendor])
        seen |= set(np.unique(table.series[positions >= 0]).tolist())
        at = table.series[inside] * size + positions[inside]
        parts.append((at, table.vendor[inside], table.numbers["money"][inside]))
        for cell in np.unique(np.stack([at, table.offer[inside]], axis=1), axis=0)[:, 0].tolist():
            counted[cell] += 1
    assert table is not None  # there is always one, if only an empty one
    at, vendor, money = (np.concatenate(column) for column in zip(*parts, strict=True))
    series = ask.series(table.series_labels[code] for code in seen)
    number = {key: place for place, key in enumerate(series)}
    places = np.array([number.get(key, -1) for key in table.series_labels], dtype=np.int64)
    offers = {(cell % size, table.series_labels[cell // size]): count for cell, count in counted.items()}
    return _sellers(
        series, places[at // size] * size + at % size, vendor, money, keys=table.vendor_keys(),
        known=table.vendor_known(), offers=offers)


def _listings(ask: Ask) -> _Sellers:
    rows = ask.store.count_distinct(crawled(ask), ask.fields, "listing")
    series = ask.series(series_of(ask, key) for key, _ in rows)
    statuses = {cell: ask.status(position, key) for cell, position, _, key in ask.cells(series)}
    found = count_sellers(ask, "listing", series, statuses)
    offers: dict[tuple[int, Series], int] = defaultdict(int)
    for (position, key), count in count_offers(replace(ask, splits=(*ask.splits, "vendor"))).items():
        offers[position, key[:-1]] += count if key[-1] is not None else 0
    return _sellers(
        series, found.cell, found.vendor, found.amount, keys=found.keys, known=found.known, offers=offers)
