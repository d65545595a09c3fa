"""Sales by feedback, as rows of a table: every new feedback of a listing is one sale at the listing's price.

Two ways to price it. `soska-christin` (Soska & Christin 2015, USENIX Security): the advertised price seen nearest in
time, after prices that hold a listing without selling it have been taken out. `kruithof` (Kruithof et al. 2016, RAND):
one price a listing; the papers' single snapshot has one, here the median over all days stands for it. A listing with
several quantities sells its cheapest in the first, its median one in the second: both papers knew listings with one.

We see counts, not dated feedback: a rise is booked on the day it was seen, what stood there at the first sighting is
no sale, and a count that falls says nothing but that feedback was taken away (`reversed`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from index.measures.ask import Ask
from index.measures.sales import currencies, package_prices, price_column
from index.measures.table import Coder, Coders, Table, Whole, iter_markets, read_table

VARIANTS = ("soska-christin", "kruithof")
DEAREST_USD = 10_000
TIMES_MEDIAN = 5.0
PART_OF_MEDIAN = 0.25
_OF_THE_OFFER = ("region", "stash", "form")
"""What offers of one listing differ in. Feedback is about the listing, so all its offers must be read."""


def iter_feedback_sales(ask: Ask, variant: str) -> Iterator[Table]:
    """Offer-days up to the last day asked, market by market, with `packages` (feedback gained, spread evenly over the
    offers that the listing had that day), `money`, `unpriced`, `reversed` (feedback lost), `stated` (1 where a count is
    known). `offer` holds codes of listings."""
    coders, listings = Coders(), Coder()
    for where in iter_markets(ask):
        yield _read(replace(ask, where=where), variant, coders, listings)


def _read(ask: Ask, variant: str, coders: Coders, listings: Coder) -> Table:
    lifted = {field: getattr(ask.where, field) for field in _OF_THE_OFFER if getattr(ask.where, field)}
    where = ask.offers_only().model_copy(update={"first": None, "last": ask.buckets.last, **dict.fromkeys(lifted, ())})
    column = price_column(ask)
    labels = ("listing", "currency", "flags", *lifted)
    table = read_table(ask, where, numbers=(column, "feedback"), labels=labels, coders=coders)
    price = package_prices(ask, table, column)
    _, kind = currencies(ask, table)
    listing = listings.encode(zip(table.market.tolist(), table.labels["listing"].tolist(), strict=True))
    day = table.days.astype("datetime64[D]").astype(np.int64)
    feedback = table.numbers.pop("feedback")
    if not np.isfinite(feedback).any():  # a market without counts: nothing was sold that this method can see
        blank = {name: np.zeros(len(table)) for name in ("packages", "money", "unpriced", "reversed", "stated")}
        return _kept(replace(table, offer=listing, numbers=blank), _fits(table, lifted))
    moments = _Moments.build(listing, day)
    gained, lost, known = moments.changes(feedback)
    # a row of a split list (ships-from) repeats its offer: each offer of the day counts once
    pairs = moments.of_row * (int(table.offer.max(initial=0)) + 1) + table.offer
    once = np.unique(pairs, return_index=True)[1]
    del pairs
    offers = np.bincount(moments.of_row[once], minlength=len(moments.day))
    share = 1.0 / offers[moments.of_row] if len(table) else np.zeros(0)
    fits = _fits(table, lifted)
    sold = np.flatnonzero(fits & (gained[moments.of_row] > 0))
    # a listing that quotes two currencies has a price in each
    good = listing * (int(kind.max(initial=0)) + 1) + kind
    asked = _prices(variant, good[once], day[once], price[once], in_dollars=ask.currency == "usd")
    paid = asked.at(good[sold], day[sold])
    numbers = {name: np.zeros(len(table)) for name in ("packages", "money", "unpriced", "reversed")}
    numbers["packages"][sold] = gained[moments.of_row[sold]] * share[sold]
    numbers["money"][sold] = np.nan_to_num(paid) * numbers["packages"][sold]
    numbers["unpriced"][sold] = np.where(np.isfinite(paid), 0.0, numbers["packages"][sold])
    numbers["reversed"] = lost[moments.of_row] * share * fits
    numbers["stated"] = known[moments.of_row].astype(np.float64)
    return _kept(replace(table, offer=listing, numbers=numbers), fits)


def _kept(table: Table, fits: NDArray[np.bool_]) -> Table:
    """The rows that fit; no copy where all do."""
    return table if fits.all() else table.take(fits)


@dataclass(frozen=True)
class _Moments:
    """The (listing, day) pairs of a table, by listing and day, and the pair of each of its rows."""

    listing: Whole
    day: Whole
    of_row: Whole

    @classmethod
    def build(cls, listing: Whole, day: Whole) -> _Moments:
        if not len(day):
            return cls(listing, day, day)
        base = int(day.min())
        width = int(day.max()) - base + 1
        pairs, of_row = np.unique(listing * width + (day - base), return_inverse=True)
        return cls(pairs // width, pairs % width + base, of_row.astype(np.int64))

    def changes(self, count: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Feedback gained and lost at each moment against the one before that stated a count, and where one is stated.
        All offers of a listing show the same count: the highest of the day stands."""
        highest = np.full(len(self.day), -np.inf)
        np.maximum.at(highest, self.of_row, np.where(np.isfinite(count), count, -np.inf))
        stated = np.flatnonzero(np.isfinite(highest))
        step = np.zeros(len(self.day))
        same = self.listing[stated][1:] == self.listing[stated][:-1]
        step[stated[1:]] = np.where(same, np.diff(highest[stated]), 0.0)
        return np.maximum(step, 0.0), np.maximum(-step, 0.0), np.isfinite(highest)


@dataclass(frozen=True)
class _Asked:
    """Prices that count, by good and day."""

    good: Whole
    day: Whole
    price: NDArray[np.float64]

    def at(self, good: Whole, day: Whole) -> NDArray[np.float64]:
        """The price of a good on the nearest day that has one (the earlier of two as near); NaN where there is none."""
        found = np.full(len(good), np.nan)
        if not len(self.good) or not len(good):
            return found
        base = min(int(self.day.min()), int(day.min()))
        width = max(int(self.day.max()), int(day.max())) - base + 1
        keys, wanted = self.good * width + (self.day - base), good * width + (day - base)
        right = np.searchsorted(keys, wanted)
        far = np.iinfo(np.int64).max
        distance = []
        for place in (right - 1, right):
            inside = (place >= 0) & (place < len(keys))
            at = np.clip(place, 0, len(keys) - 1)
            distance.append(np.where(inside & (self.good[at] == good), np.abs(self.day[at] - day), far))
        chosen = np.where(distance[0] <= distance[1], right - 1, right)
        some = np.minimum(*distance) < far
        found[some] = self.price[chosen[some]]
        return found


def _prices(
    variant: str, good: Whole, day: Whole, price: NDArray[np.float64], *, in_dollars: bool
) -> _Asked:
    """One price a good and day: the cheapest offer's without holding prices, or the good's median everywhere."""
    some = np.flatnonzero(np.isfinite(price) & (price > 0))
    good, day, price = good[some], day[some], price[some]
    order = np.lexsort((price, day, good))
    good, day, price = good[order], day[order], price[order]
    starts = np.flatnonzero((np.diff(good, prepend=-1) != 0) | (np.diff(day, prepend=np.iinfo(np.int64).min) != 0))
    if variant == "kruithof":
        price = _middle(price, starts)
        good, day = good[starts], day[starts]
        again = np.lexsort((price, good))
        firsts = np.flatnonzero(np.diff(good, prepend=-1) != 0)
        middle = _middle(price[again], firsts)
        return _Asked(good, day, np.repeat(middle, np.diff(firsts, append=len(good))))
    good, day, price = good[starts], day[starts], price[starts]
    return _without_holding(_Asked(good, day, price), in_dollars=in_dollars)


def _without_holding(asked: _Asked, *, in_dollars: bool) -> _Asked:
    """Takes out prices that nobody is meant to pay: above 10,000 USD where the listing was also seen for less; then
    those above five times, or below a quarter of, the median of what remains of the listing."""
    keep = np.ones(len(asked.good), dtype=bool)
    if in_dollars and len(keep):
        firsts = np.flatnonzero(np.diff(asked.good, prepend=-1) != 0)
        least = np.repeat(np.minimum.reduceat(asked.price, firsts), np.diff(firsts, append=len(keep)))
        keep = (asked.price <= DEAREST_USD) | (least > DEAREST_USD)
    good, day, price = asked.good[keep], asked.day[keep], asked.price[keep]
    order = np.lexsort((price, good))
    firsts = np.flatnonzero(np.diff(good, prepend=-1) != 0)
    middle = np.repeat(_middle(price[order], firsts), np.diff(firsts, append=len(good)))
    fits = (price <= TIMES_MEDIAN * middle) & (price >= PART_OF_MEDIAN * middle)
    return _Asked(good[fits], day[fits], price[fits])


def _middle(ranked: NDArray[np.float64], starts: Whole) -> NDArray[np.float64]:
    """Medians of runs of ascending numbers that begin at `starts`."""
    sizes = np.diff(starts, append=len(ranked))
    middle: NDArray[np.float64] = (ranked[starts + (sizes - 1) // 2] + ranked[starts + sizes // 2]) / 2
    return middle


def _fits(table: Table, lifted: dict[str, Sequence[str]]) -> NDArray[np.bool_]:
    """Rows that match the parts of the filter that were lifted."""
    fits = np.ones(len(table), dtype=bool)
    for field, values in lifted.items():
        cells = table.labels[field].tolist()
        if field == "region":
            below = tuple(f"{value}-" for value in values)
            match = [cell is not None and (cell in values or cell.startswith(below)) for cell in cells]
        else:
            match = [cell in values for cell in cells]
        fits &= np.array(match, dtype=bool)
    return fits
