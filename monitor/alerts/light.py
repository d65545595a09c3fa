"""The figures of the measures without their intervals, which cost most and which no test looks at.

Values, n and the buckets they stand in are those of `index.measures.trends`; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from index.measures import MEASURES
from index.measures.ask import Ask, Series
from index.measures.churn import burning_in, find_departures, find_sightings, in_burn_in, undecided
from index.measures.counts import MEASURES as COUNTS
from index.measures.counts import count_buckets
from index.measures.table import Coders, iter_markets, read_table
from index.measures.votes import SCALE, read_cells
from index.quantiles import of_sorted
from monitor.alerts.settled import settle
from monitor.alerts.unread import UNREAD, iter_unread

VARIANTS = ("unit", "currency")
Variant = tuple[str | None, ...]
"""What else tells rows of one series apart: unit and currency."""
CHURN = ("new", "withdrawn", "returned")


@dataclass(frozen=True, slots=True)
class Figure:
    """One bucket of one series. `value` None: nothing can be said though the crawls would allow it."""

    position: int
    series: Series
    variant: Variant
    value: float | None
    n: int
    settled: int = 0
    """What the last complete crawls of the bucket bear out. Of `new`: `index.detect.series.Series.settled` (a figure
    may have nothing but this); of listings, offers and vendors: `latest` there."""


def iter_figures(ask: Ask, measure: str, column: str) -> Iterator[Figure]:
    """What was seen, in buckets of which the crawls allow a value; what is not given was not seen there."""
    if measure in COUNTS:
        yield from _counts(ask, measure)
    elif measure in CHURN:
        yield from _churn(ask, measure)
    elif measure == "price":
        yield from _prices(ask, column)
    elif measure in UNREAD:
        for position, series, value, n in iter_unread(ask, measure):
            yield Figure(position, series, (None, None), value, n)
    else:
        place = {bucket: position for position, bucket in enumerate(ask.buckets.starts)}
        for row in MEASURES[measure](ask):
            if row.value is not None or row.n:
                names = tuple(None if row.extras.get(name) is None else str(row.extras[name]) for name in VARIANTS)
                yield Figure(place[row.bucket], tuple(row.splits.values()), names, row.value, row.n)


def _counts(ask: Ask, measure: str) -> Iterator[Figure]:
    for one in count_buckets(ask, COUNTS[measure], intervals=False):
        if one.status.reason is None and (one.value or one.n):
            yield Figure(one.position, one.series, (None, None), one.value, one.n, one.latest)


def unsaid(ask: Ask, measure: str, position: int, series: Series) -> bool:
    """Whether a bucket of a count says nothing for a series: the crawls do not allow it, or it is too early."""
    status = ask.status(position, series)
    if status.reason is not None:
        return True
    if measure in ("new", "returned"):
        return burning_in(ask, status, position, series) is not None
    return measure == "withdrawn" and undecided(ask, status, position, series) is not None


def _churn(ask: Ask, measure: str) -> Iterator[Figure]:
    size, coders = len(ask.buckets), Coders()
    cells_of, offers_of, settled_of = [], [], []
    table = None
    for where in iter_markets(ask):
        # one market at a time: nothing that is followed lies in two of them
        table = read_table(
            ask, where.model_copy(update={"first": None, "last": None}), identity="listing", coders=coders)
        seen = find_sightings(table)
        if measure == "new":
            chosen = seen.is_first & ~in_burn_in(ask, table, seen)
        else:
            chosen = find_departures(ask, table, seen)
            if measure == "returned":
                back = np.flatnonzero(chosen & (seen.following != np.iinfo(np.int64).max)) + 1
                chosen = np.zeros(len(chosen), dtype=bool)
                chosen[back] = True
        positions = ask.buckets.positions(seen.day.astype("datetime64[D]"))
        events = np.flatnonzero(chosen & (positions >= 0))
        cells_of.append(table.series[seen.rows[events]] * size + positions[events])
        offers_of.append(seen.offers[events])
        if measure == "new":
            found, positions = settle(ask, table, seen, np.flatnonzero(chosen))
            settled_of.append(table.series[seen.rows[found]] * size + positions)
    assert table is not None  # there is always one, if only an empty one
    cell = np.concatenate(cells_of)
    cells = len(table.series_labels) * size
    value = np.bincount(cell, minlength=cells)
    offers = np.bincount(cell, weights=np.concatenate(offers_of), minlength=cells)
    settled = np.bincount(np.concatenate(settled_of), minlength=cells) if settled_of else np.zeros_like(value)
    for at in np.flatnonzero(value + settled).tolist():
        code, position = divmod(at, size)
        series = table.series_labels[code]
        if not unsaid(ask, measure, position, series):
            seen_there = float(value[at]) if value[at] else None
            yield Figure(position, series, (None, None), seen_there, int(offers[at]), int(settled[at]))


def _prices(ask: Ask, column: str) -> Iterator[Figure]:
    votes = read_cells(ask, ("offer", "standard") if column == "standard" else ())
    quantile = {"value": 0.5, "q25": 0.25, "q75": 0.75, "standard": 0.5}[column]
    for (code, kind, position), (rows, offers) in votes.cells.items():
        series = votes.series_labels[code]
        if ask.status(position, series, every=False).reason is not None:
            continue
        price, n = votes.price[rows], offers
        if votes.standard is not None:
            fits, _ = votes.standard.at(position, votes.columns["standard"][rows])
            price, n = price[fits], len(np.unique(votes.columns["offer"][rows][fits]))
        value = of_sorted(np.sort(price), (quantile,))[0] / SCALE if len(price) else None
        yield Figure(position, series, votes.kinds[kind], value, n)
