"""`turnover --sensitivity`: what fewer crawls would have shown.

The falls of the stock are counted again from every second, fourth, … crawl of each market alone. Refills between two
sightings hide sales, so that fewer crawls see fewer; where the curve still rises at all crawls, sales are being missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import UsageError
from index.measures.ask import Ask, Series
from index.measures.row import TrendRow
from index.measures.sales import NOT_REAL
from index.measures.table import Table, Whole, iter_tables

STEPS = (1, 2, 4, 8, 16)
MOST_PHASES = 4
"""Every eighth crawl can begin at eight places; four of them will do."""
LOOK_BACK_DAYS = 60
_PRICES = ("amount_usd", "amount", "unit_price", "unit_price_usd")


def sensitivity(ask: Ask) -> list[TrendRow]:
    """Rows of turnover in USD, one for each of `every` 1, 2, 4, 8, 16 (every how many crawls): the mean over the places
    to begin, with `least` and `most`, `packages`, `kept` (crawls), `ratio` to all crawls. `every` 1 is `turnover`, but
    for offers that were away for more than 60 days. No interval.

    Raises UsageError for quoted currencies.
    """
    if ask.currency != "usd":
        raise UsageError("--sensitivity is in US dollars.", remedy="Leave --currency out.")
    first = date.fromordinal(max(1, ask.buckets.first.toordinal() - LOOK_BACK_DAYS))
    where = ask.offers_only().model_copy(update={"first": first, "last": ask.buckets.last})
    size, ranks = len(ask.buckets), _ranks(ask)
    phases = {
        every: np.unique(np.linspace(0, every - 1, min(every, MOST_PHASES)).round().astype(np.int64)).tolist()
        for every in STEPS}
    thinned: dict[int, list[_Sums]] = {every: [(_NOTHING,) * 3 for _ in phases[every]] for every in STEPS}
    stated, inside, labels = _NOTHING, np.zeros(0, dtype=np.int64), list[Series]()
    # some offers at a time: a fall is between two sightings of one offer
    for table in iter_tables(
        ask, where, record="observation", numbers=("observed_at", "ready", *_PRICES), labels=("crawl", "flags")
    ):
        sightings = _Sightings.build(ask, table, ranks)
        cells, labels = max(len(table.series_labels), 1) * size, table.series_labels
        for every, sums in thinned.items():
            for number, phase in enumerate(phases[every]):
                made = sightings.turnover(every, phase, size, cells)
                old = sums[number]
                sums[number] = (_added(old[0], made[0]), _added(old[1], made[1]), _added(old[2], made[2]))
        here = sightings.cell >= 0
        stated = _added(stated, np.bincount(sightings.cell[np.isfinite(sightings.ready) & here], minlength=cells))
        inside = np.union1d(inside, sightings.cell[here])
    codes = {key: code for code, key in enumerate(labels)}
    series = ask.series(labels[code] for code in np.unique(inside // size))
    found = []
    for _, position, _, key in ask.cells(series):
        status = ask.status(position, key)
        cell = codes[key] * size + position if key in codes else -1
        reason = None
        if cell >= 0 and not stated[cell] and cell in inside:
            reason = "no stock is stated: this method cannot see sales there"
        told = status.reason is None and reason is None
        crawls = sum(len(used) for used in status.used.values())
        whole = 0.0 if cell < 0 else float(thinned[1][0][0][cell]) / 100
        for every in STEPS:
            money = [0.0 if cell < 0 else float(part[0][cell]) / 100 for part in thinned[every]]
            packages = [0.0 if cell < 0 else float(part[1][cell]) for part in thinned[every]]
            value = sum(money) / len(money)
            found.append(ask.row(
                position, key, status, round(value, 8) if told else None, reason=reason,
                n=0 if cell < 0 else int(thinned[every][0][2][cell]), method="stock", every=every,
                kept=crawls / every if told else None, packages=sum(packages) / len(packages) if told else None,
                least=min(money) if told else None, most=max(money) if told else None,
                ratio=value / whole if told and whole > 0 else None, currency="USD"))
    return found


_Sums = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Money in cents, packages and offers sold by cell."""
_NOTHING = np.zeros(0)


def _added(total: NDArray[np.float64], more: NDArray[Any]) -> NDArray[np.float64]:
    """The sum of two, where later tables know more series."""
    found = np.zeros(max(len(total), len(more)))
    found[: len(total)] += total
    found[: len(more)] += more
    return found


def _ranks(ask: Ask) -> dict[str, int]:
    """Number of each crawl within its market."""
    ranks: dict[str, int] = {}
    counts: dict[str, int] = {}
    for crawl in ask.store.crawls(ask.where.market):
        ranks[crawl.id] = counts[crawl.market] = counts.get(crawl.market, -1) + 1
    return ranks


@dataclass(frozen=True)
class _Sightings:
    """Sightings by series, offer and time. `rank`: number of the crawl within its market."""

    table: Table
    series: Whole
    offer: Whole
    day: Whole
    ready: NDArray[np.float64]
    rank: Whole
    cell: Whole
    """-1: before the days asked."""
    price: NDArray[np.float64]
    """In cents: whole numbers, whose sums are the same in whatever pieces a store hands out its rows."""
    trusted: NDArray[np.bool_]
    """An unflagged price."""
    real: NDArray[np.bool_]
    """Flagged, but not as a price that nobody pays (or those are asked for)."""
    priced: NDArray[np.bool_]

    @classmethod
    def build(cls, ask: Ask, table: Table, ranks: dict[str, int]) -> _Sightings:
        numbers = table.numbers
        order = np.lexsort((numbers["observed_at"], table.offer, table.series))
        rank = np.array([ranks.get(crawl, 0) for crawl in table.labels["crawl"][order]], dtype=np.int64)
        flags = table.labels["flags"][order].tolist()
        positions = ask.buckets.positions(table.days)[order]
        series = table.series[order]
        priced = np.any([np.isfinite(numbers[name][order]) for name in _PRICES], axis=0)
        clean = np.array([not each for each in flags], dtype=bool)
        real = np.array([ask.with_flagged or NOT_REAL.isdisjoint(each) for each in flags], dtype=bool)
        return cls(
            table, series, table.offer[order], table.days[order].astype("datetime64[D]").astype(np.int64),
            numbers["ready"][order], rank, np.where(positions >= 0, series * len(ask.buckets) + positions, -1),
            numbers["amount_usd"][order], clean & priced, real, priced)

    def turnover(
        self, every: int, phase: int, size: int, cells: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], Whole]:
        """Money in cents, packages and offers sold by cell, from the crawls whose number leaves `phase` over."""
        rows = np.flatnonzero(self.rank % every == phase)
        offer, day, series = self.offer[rows], self.day[rows], self.series[rows]
        new_offer = (np.diff(offer, prepend=-1) != 0) | (np.diff(series, prepend=-1) != 0)
        ready = self.ready[rows]
        before = np.where(new_offer, np.nan, np.concatenate([[np.nan], ready[:-1]]) if len(rows) else ready)
        falls = np.nan_to_num(np.maximum(before - ready, 0.0))
        # one offer-day after the other, as `index.derive` prices them
        starts = np.flatnonzero(new_offer | (np.diff(day, prepend=np.iinfo(np.int64).min) != 0))
        lengths = np.diff(starts, append=len(rows))
        price = self._daily_price(rows, starts, lengths)
        inside = np.flatnonzero((self.cell[rows] >= 0) & (falls > 0))
        at = self.cell[rows[inside]]
        money = np.bincount(at, falls[inside] * np.nan_to_num(price[inside]), cells).astype(np.float64)
        packages = np.bincount(at, falls[inside], cells).astype(np.float64)
        sold = np.unique(np.stack([at, offer[inside]], axis=1), axis=0)[:, 0]
        return money, packages, np.bincount(sold, minlength=cells).astype(np.int64)

    def _daily_price(self, rows: Whole, starts: Whole, lengths: Whole) -> NDArray[np.float64]:
        """The lowest unflagged price of the offer-day; of the flagged ones where it has no other and all are real."""
        if not len(rows):
            return np.zeros(0)
        price = np.where(np.isfinite(self.price[rows]), self.price[rows], np.inf)
        trusted, priced = self.trusted[rows], self.priced[rows]
        some = np.repeat(np.logical_or.reduceat(trusted, starts), lengths)
        fake = np.repeat(np.logical_or.reduceat(priced & ~self.real[rows], starts), lengths)
        used = np.where(np.where(some, trusted, priced & ~fake), price, np.inf)
        lowest = np.repeat(np.minimum.reduceat(used, starts), lengths)
        return np.where(np.isfinite(lowest), lowest, np.nan)
