"""`price-index`: the price of the same goods over time, 100 in the first bucket, from a time-dummy regression.

For each pair of neighbouring buckets, over the offer-days of both: log(price per unit) = effect of the seller and
substance + effect of the region + slope x log(quantity) + link x [later bucket]. The index is chained: each bucket is
the one before times exp(link). A seller who is dear in both buckets, a shift to bigger packages or to another town, and
sellers seen in one bucket only, do not move it. The slope is the quantity discount: -0.1 means that ten times the
amount costs 10^-0.1 = 0.79 of the price per unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from index.bootstrap import FEWEST_VENDORS, Interval
from index.measures.ask import Ask
from index.measures.regression import demean, fit, influence, t_quantile
from index.measures.row import TrendRow
from index.measures.table import Whole
from index.measures.votes import Goods, read_goods

BASE = 100.0
LEVEL = 0.975


@dataclass
class _Chain:
    """An index in the making: log level, and what each seller adds to its error."""

    position: int
    """Bucket of the last link; the next one joins it."""
    rows: Whole
    level: float = 0.0
    error: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    sellers: set[int] = field(default_factory=set)
    votes: int = 0
    terms: int = 0


def price_index(ask: Ask) -> list[TrendRow]:
    """Rows of `price-index`: value (100 in the first bucket with prices), `slope`, `slope_low`, `slope_high`, `linked`
    (the bucket it is chained to), `sellers` (in both buckets), `currency`, `unit`. The first bucket has no interval."""
    goods = read_goods(ask)
    common = goods.commonest()
    series = ask.series(goods.series_labels[code] for code in common)
    codes = {key: code for code, key in enumerate(goods.series_labels)}
    chains: dict[tuple[int, int], _Chain] = {}
    found = []
    for _, position, _, key in ask.cells(series):
        status = ask.status(position, key, every=False)
        code = codes.get(key, -1)
        for kind in common.get(code) or (None,):
            unit, currency = (None, "USD" if ask.currency == "usd" else None) if kind is None else goods.kinds[kind]
            cell, offers = _NOTHING if kind is None else goods.cells.get((code, kind, position), _NOTHING)
            rows = np.arange(cell.start, cell.stop)
            value, interval, extras, reason = None, _NONE, dict(_BLANK), None
            if status.reason is None and not len(rows):
                reason = "no offer with a price and a quantity that count"
            elif status.reason is None and kind is not None:
                value, interval, extras, reason = _step(ask, goods, chains, (code, kind), position, rows)
            found.append(ask.row(
                position, key, status, value, interval=interval, reason=reason,
                n=offers if value is not None else 0, **extras, currency=currency, unit=unit,
            ))
    return found


_NOTHING = (slice(0, 0), 0)
_NONE: Interval = (None, None)
_BLANK: dict[str, float | int | str | None] = {
    "slope": None, "slope_low": None, "slope_high": None, "linked": None, "sellers": None}
_Step = tuple[float | None, Interval, dict[str, float | int | str | None], str | None]


def _step(
    ask: Ask, goods: Goods, chains: dict[tuple[int, int], _Chain], which: tuple[int, int], position: int, rows: Whole
) -> _Step:
    """Join a bucket to its chain: value, interval, extras, reason."""
    chain = chains.get(which)
    if chain is None:
        chains[which] = _Chain(position, rows, error=np.zeros(len(goods.known)))
        slope = _regress(goods, rows, np.zeros(len(rows)))
        return BASE, _NONE, {**_BLANK, **slope.fields()}, None
    both = np.concatenate([chain.rows, rows])
    later = np.repeat((0.0, 1.0), (len(chain.rows), len(rows)))
    link = _regress(goods, both, later)
    linked = ask.buckets.starts[chain.position].isoformat()
    shared = np.intersect1d(goods.vendor[chain.rows], goods.vendor[rows])
    extras = {**_BLANK, **link.fields(), "linked": linked, "sellers": int(goods.known[shared].sum())}
    if link.level is None:
        return None, _NONE, extras, f"no seller offers the same in this bucket and in that of {linked}"
    chain.level += link.level
    chain.error = chain.error + link.error
    chain.sellers |= set(goods.vendor[both].tolist())
    chain.votes += int(goods.count[both].sum())
    chain.terms += link.terms
    chain.position, chain.rows = position, rows
    interval = _NONE
    named = sum(1 for seller in chain.sellers if goods.known[seller])
    if named >= FEWEST_VENDORS and chain.votes > chain.terms:
        # errors of neighbouring links hang together: each seller's share is added up over the links, then squared
        error = math.sqrt(float((chain.error**2).sum()) * _correction(len(chain.sellers), chain.votes, chain.terms))
        reach = t_quantile(LEVEL, len(chain.sellers) - 1) * error
        interval = (BASE * math.exp(chain.level - reach), BASE * math.exp(chain.level + reach))
    return BASE * math.exp(chain.level), interval, extras, None


def _correction(clusters: int, rows: int, terms: int) -> float:
    """G / (G - 1) x (N - 1) / (N - K); effects of sellers lie within the clusters and are not counted in K (Cameron &
    Miller 2015, J. Human Resources 50, III.B)."""
    return clusters / (clusters - 1) * (rows - 1) / (rows - terms)


@dataclass(frozen=True)
class _Link:
    level: float | None
    error: NDArray[np.float64]
    slope: float | None
    slope_interval: Interval
    terms: int

    def fields(self) -> dict[str, float | None]:
        return {"slope": self.slope, "slope_low": self.slope_interval[0], "slope_high": self.slope_interval[1]}


def _regress(goods: Goods, rows: Whole, later: NDArray[np.float64]) -> _Link:
    """One regression with the sellers' effects taken out; terms are link, slope, and a region each but the first."""
    count = goods.count[rows]
    regions = np.unique(goods.region[rows])[1:]
    columns = [later, goods.log_quantity[rows], *(np.equal(goods.region[rows], region) for region in regions)]
    table = np.stack([*(column.astype(np.float64) for column in columns), goods.log_price[rows]], axis=1)
    good = goods.vendor[rows].astype(np.int64) * (int(goods.substance.max(initial=0)) + 1) + goods.substance[rows]
    within = demean(table, good, count) * np.sqrt(count)[:, None]
    found = fit(within[:, :-1], within[:, -1])
    clusters, cluster = np.unique(goods.vendor[rows], return_inverse=True)
    added = influence(found, cluster.astype(np.int64), len(clusters))
    error = np.zeros(len(goods.known))
    error[clusters] = added[:, 0]
    slope, interval = None, _NONE
    if found.known[1]:
        slope = float(found.coefficients[1])
        if int(goods.known[clusters].sum()) >= FEWEST_VENDORS and int(count.sum()) > found.rank:
            spread = float((added[:, 1] ** 2).sum()) * _correction(len(clusters), int(count.sum()), found.rank)
            reach = t_quantile(LEVEL, len(clusters) - 1) * math.sqrt(spread)
            interval = (slope - reach, slope + reach)
    return _Link(
        float(found.coefficients[0]) if found.known[0] else None, error, slope, interval, found.rank)
