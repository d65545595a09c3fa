"""`listings`, `offers`, `vendors`: distinct in each single crawl, averaged over the complete-enough crawls of a bucket.

Pooling the crawls of a bucket would count churn: a market of 100 listings of which 5 change a day would have 130 a
week. Several markets: the sum of their averages.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from index.bootstrap import Interval, total_intervals, vendor_weights
from index.coverage import Status, local_day
from index.measures.ask import Ask, Series
from index.measures.row import TrendRow
from index.measures.table import Whole, name_labels
from index.store import Distinct, Filter

MEASURES: Mapping[str, Distinct] = {"listings": "listing", "offers": "offer", "vendors": "vendor"}
AT_ONCE = 100
"""Crawls of one question about sellers, or more where a bucket has more."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The count of one bucket of one series; `value` is 0 where the crawls saw nothing."""

    position: int
    series: Series
    status: Status
    value: float
    n: int
    interval: Interval
    latest: int = 0
    """The count of the last complete-enough crawl of the bucket, of several markets the sum of theirs."""


def counts(ask: Ask, measure: str) -> list[TrendRow]:
    """Rows of `listings`, `offers` or `vendors`."""
    return [
        ask.row(row.position, row.series, row.status, row.value, n=row.n, interval=row.interval)
        for row in count_buckets(ask, MEASURES[measure])
    ]


def count_buckets(ask: Ask, of: Distinct, *, intervals: bool = True) -> list[Counted]:
    """Every bucket of every series, by bucket and then series. Where `status.reason` is set the value means nothing."""
    offers = count_offers(ask)  # before the counts by crawl are held
    position_of, names = ask.panel.position_of, SeriesNames(ask)
    by_cell: dict[Series, dict[int, list[tuple[str, int]]]] = defaultdict(dict)
    for (crawl, *values), count in ask.store.count_distinct(crawled(ask), ("crawl", *ask.fields), of):
        position = position_of.get(str(crawl))
        if position is not None:
            by_cell[names.of(tuple(values))].setdefault(position, []).append((str(crawl), count))
    series = ask.series(by_cell)
    statuses = {cell: ask.status(position, key) for cell, position, _, key in ask.cells(series)}
    bounds = _intervals(ask, of, series, statuses) if intervals else None
    owners = Owners()
    found = []
    for cell, position, _, key in ask.cells(series):
        status, value, latest = statuses[cell], 0.0, 0
        seen = by_cell[key].get(position) if key in by_cell else None
        if seen:
            owner = owners.of(status)
            totals: dict[str, int] = defaultdict(int)
            for crawl, count in seen:
                if crawl in owner:
                    totals[owner[crawl]] += count
            last = {used[-1] for used in status.used.values() if used}
            latest = sum(count for crawl, count in seen if crawl in last)
            # summed as integers and divided once a market: the same figure whatever order a store answers in
            value = sum((totals[market] / len(used) for market, used in status.used.items() if market in totals), 0.0)
        n = offers.get((position, key), 0) if status.reason is None else 0
        found.append(Counted(position, key, status, value, n, bounds[cell] if bounds else (None, None), latest))
    return found


def crawled(ask: Ask) -> Filter:
    """The filter over the days of all crawls begun on the days asked: one begun before midnight ends on a later day."""
    last = ask.buckets.last
    for position in range(len(ask.buckets)):
        for crawl in ask.panel.attempts(position):
            last = max(last, local_day(crawl.finished or crawl.started + timedelta(days=1), crawl.tz))
    return ask.narrowed(first=ask.buckets.first, last=last)


def series_of(ask: Ask, key: tuple[str | None, ...]) -> Series:
    """The split values of a group, a missing substance called by its name."""
    return tuple(name_labels(field, [value])[0] for field, value in zip(ask.fields, key, strict=True))


class SeriesNames:
    """`series_of`, remembered: a question has few series and many cells."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.known: dict[tuple[str | None, ...], Series] = {}

    def of(self, key: tuple[str | None, ...]) -> Series:
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = series_of(self.ask, key)
        return found


def count_offers(ask: Ask) -> dict[tuple[int, Series], int]:
    """Distinct offers in the complete-enough crawls of each bucket and series.

    Where a market has one crawl in the bucket, its count by crawl will do. A union over several cannot be had from
    those: each set of crawls is counted by itself (places that are crawled apart differ in the crawls they use).
    """
    by_region = "region" in ask.splits
    place = ask.splits.index("region") if by_region else 0
    # by crawl: stores keep such counts, while one over all crawls has to go through everything
    kept = ask.store.count_distinct(crawled(ask), ("crawl", "region"), "offer") if by_region else []
    seen = {key[1] for key, _ in kept} if by_region else {None}
    sets: dict[tuple[int, tuple[str, ...]], set[str | None]] = defaultdict(set)
    pooled: set[tuple[str, ...]] = set()
    for position in range(len(ask.buckets)):
        for region in seen:
            status = ask.panel.status(position, None, ask.where.region if region is None else (region,), every=False)
            crawls = tuple(sorted(crawl for used in status.used.values() for crawl in used))
            if crawls:
                sets[position, crawls].add(region)
            if any(len(used) > 1 for used in status.used.values()):
                pooled.add(crawls)
    names = SeriesNames(ask)
    apart: dict[str, list[tuple[Series, int]]] = defaultdict(list)
    if any(crawls not in pooled for _, crawls in sets):
        for key, count in ask.store.count_distinct(crawled(ask), ("crawl", *ask.fields), "offer"):
            apart[str(key[0])].append((names.of(key[1:]), count))
    found: dict[tuple[int, Series], int] = defaultdict(int)

    def put(crawls: tuple[str, ...], counted: list[tuple[Series, int]]) -> None:
        for position, regions in used[crawls]:
            for series, count in counted:
                if not by_region or series[place] in regions:
                    found[position, series] += count

    used: dict[tuple[str, ...], list[tuple[int, set[str | None]]]] = defaultdict(list)
    for (position, crawls), regions in sets.items():
        used[crawls].append((position, regions))
    asked = [crawls for crawls in used if crawls in pooled]
    several = ask.store.count_each(ask.narrowed(crawl=(), first=None, last=None), asked, ask.fields, "offer")
    for crawls, counted in zip(asked, several, strict=True):
        put(crawls, [(names.of(key), n) for key, n in counted])
    for crawls in used:
        if crawls not in pooled:
            put(crawls, [entry for crawl in crawls for entry in apart[crawl]])
    return found


@dataclass(frozen=True)
class SellerCounts:
    """Average counts by cell and seller; equal-length arrays, `vendor` points into `keys` and `known`."""

    cell: Whole
    vendor: Whole
    amount: NDArray[np.float64]
    keys: list[str]
    known: NDArray[np.bool_]


def count_sellers(
    ask: Ask, of: Distinct, series: Sequence[Series], statuses: Mapping[int, Status]
) -> SellerCounts:
    """What each seller adds to the counts of `count_buckets`: a count is the sum over its sellers.

    Asked some buckets at a time: memory grows with the answer, not with the crawls behind it.
    """
    numbers, names = {key: number for number, key in enumerate(series)}, SeriesNames(ask)
    size, position_of, owners = len(ask.buckets), ask.panel.position_of, Owners()
    vendors: dict[tuple[str, str | None], int] = {}
    cells, rows, amounts = array("q"), array("q"), array("d")

    def place(crawl: str, values: tuple[str | None, ...]) -> tuple[int, str, int] | None:
        """The cell that a crawl counts for, its market and the number of crawls that the cell averages over."""
        number = numbers.get(names.of(values))
        if number is None:
            return None
        cell = number * size + position_of[crawl]
        status = statuses[cell]
        market = owners.of(status).get(crawl) if status.reason is None else None
        return None if market is None else (cell, market, len(status.used[market]))

    for crawls in _pieces(ask, statuses):
        where = ask.narrowed(crawl=crawls, first=None, last=None)
        sums: dict[tuple[int, int, int], int] = defaultdict(int)
        before, found = None, None
        for (*head, vendor), count in ask.store.count_distinct(where, ("crawl", *ask.fields, "vendor"), of):
            if head != before:  # all sellers of a crawl and series come one after the other
                before, found = head, place(str(head[0]), tuple(head[1:]))
            if found is not None and count:
                cell, market, averaged = found
                sums[cell, vendors.setdefault((market, vendor), len(vendors)), averaged] += count
        for (cell, seller, averaged), count in sums.items():
            cells.append(cell)
            rows.append(seller)
            amounts.append(count / averaged)
    return SellerCounts(
        np.array(cells, dtype=np.int64), np.array(rows, dtype=np.int64), np.array(amounts, dtype=np.float64),
        [f"{market}\0{vendor or ''}" for market, vendor in vendors],
        np.array([vendor is not None for _, vendor in vendors], dtype=bool),
    )


class Owners:
    """The market of each crawl that a status uses. Statuses are kept by the panel: many cells share one."""

    def __init__(self) -> None:
        self._known: dict[int, dict[str, str]] = {}

    def of(self, status: Status) -> dict[str, str]:
        found = self._known.get(id(status))
        if found is None:
            found = self._known[id(status)] = {
                crawl: market for market, used in status.used.items() for crawl in used}
        return found


def _pieces(ask: Ask, statuses: Mapping[int, Status]) -> Iterator[tuple[str, ...]]:
    """The crawls that cells use, those of some whole buckets at a time."""
    used: dict[int, set[str]] = defaultdict(set)
    for cell, status in statuses.items():
        if status.reason is None:
            used[cell % len(ask.buckets)].update(*status.used.values())
    piece: set[str] = set()
    for position in sorted(used):
        piece |= used[position]
        if len(piece) >= AT_ONCE:
            yield tuple(sorted(piece))
            piece = set()
    if piece:
        yield tuple(sorted(piece))


def _intervals(ask: Ask, of: Distinct, series: Sequence[Series], statuses: Mapping[int, Status]) -> list[Interval]:
    """Bootstrap intervals by cell: sellers are drawn, each with its average counts."""
    found = count_sellers(ask, of, series, statuses)
    weights = vendor_weights(found.keys, seed=ask.seed)
    return total_intervals(
        found.cell, len(series) * len(ask.buckets), found.vendor, found.amount, weights, known=found.known)
