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
from index.measures.price import SCALE, group_votes, read_votes
from index.measures.standard import find_standard
from index.measures.table import read_table

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


def iter_figures(ask: Ask, measure: str, column: str) -> Iterator[Figure]:
    """What was seen, in buckets of which the crawls allow a value; what is not given was not seen there."""
    if measure in COUNTS:
        yield from _counts(ask, measure)
    elif measure in CHURN:
        yield from _churn(ask, measure)
    elif measure == "price":
        yield from _prices(ask, column)
    else:
        place = {bucket: position for position, bucket in enumerate(ask.buckets.starts)}
        for row in MEASURES[measure](ask):
            if row.value is not None or row.n:
                names = tuple(None if row.extras.get(name) is None else str(row.extras[name]) for name in VARIANTS)
                yield Figure(place[row.bucket], tuple(row.splits.values()), names, row.value, row.n)


def _counts(ask: Ask, measure: str) -> Iterator[Figure]:
    for one in count_buckets(ask, COUNTS[measure], intervals=False):
        if one.status.reason is None and (one.value or one.n):
            yield Figure(one.position, one.series, (None, None), one.value, one.n)


def unsaid(ask: Ask, measure: str, position: int, series: Series) -> bool:
    """Whether a bucket of a count says nothing for a series: the crawls do not allow it, or it is too early."""
    status = ask.status(position, series)
    if status.reason is not None:
        return True
    if measure in ("new", "returned"):
        return burning_in(ask, status, position, series) is not None
    return measure == "withdrawn" and undecided(ask, status, position, series) is not None


def _churn(ask: Ask, measure: str) -> Iterator[Figure]:
    table = read_table(ask, ask.narrowed(first=None, last=None), identity="listing")
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
    size = len(ask.buckets)
    cell = table.series[seen.rows[events]] * size + positions[events]
    cells = len(table.series_labels) * size
    value = np.bincount(cell, minlength=cells)
    offers = np.bincount(cell, weights=seen.offers[events], minlength=cells)
    for at in np.flatnonzero(value).tolist():
        code, position = divmod(at, size)
        series = table.series_labels[code]
        if not unsaid(ask, measure, position, series):
            yield Figure(position, series, (None, None), float(value[at]), int(offers[at]))


def _prices(ask: Ask, column: str) -> Iterator[Figure]:
    table, kinds, kind_of = read_votes(ask)
    amounts = table.numbers["price"]
    standard = find_standard(table, ask.buckets) if column == "standard" else None
    quantile = {"value": 0.5, "q25": 0.25, "q75": 0.75, "standard": 0.5}[column]
    for (code, kind, position), votes in group_votes(ask, table, kind_of).items():
        series = table.series_labels[code]
        if ask.status(position, series, every=False).reason is not None:
            continue
        chosen = votes
        if standard is not None:
            fits, _ = standard.at(position, votes)
            chosen = votes[fits]
        value = float(np.quantile(amounts[chosen], quantile)) / SCALE if len(chosen) else None
        yield Figure(position, series, kinds[kind], value, len(np.unique(table.offer[chosen])))
