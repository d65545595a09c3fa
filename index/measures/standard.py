"""The standard quantity of a substance: the commonest in the last 90 days, so that prices can be compared at it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.buckets import Buckets
from index.measures.table import Coder, Table, Whole

WINDOW_DAYS = 90
TOLERANCE = 0.1
"""A quantity within 10 % of the standard one counts as it."""


@dataclass(frozen=True)
class Standard:
    """`quantities`: the standard quantity by bucket and good, shape (buckets, goods), NaN where the 90 days up to the
    bucket's end have none. `good` and `amount`: the good (substance and unit) and the quantity of each code that
    `Quantities.add` gave."""

    quantities: NDArray[np.float64]
    good: Whole
    amount: NDArray[np.float64]

    def at(self, position: int, codes: NDArray[Any]) -> tuple[NDArray[np.bool_], float | None]:
        """Which codes have their good's standard quantity in a bucket, and that quantity if they share one good."""
        goods = self.good[codes]
        wanted = self.quantities[position, goods]
        fits = np.abs(self.amount[codes] - wanted) <= TOLERANCE * wanted
        single = len(np.unique(goods)) == 1 and np.isfinite(wanted[0])
        return fits, float(wanted[0]) if single else None


class Quantities:
    """Counts the quantities of goods day by day, table by table; of what it counted comes the standard quantity.

    Quantities are counted by offer-days; of equals the smaller one stands. The window slides over sorted days, so that
    the cost does not grow with the number of buckets times the rows.
    """

    def __init__(self) -> None:
        self._goods, self._pairs = Coder(), Coder()
        self._counts: list[tuple[Whole, Whole, Whole]] = []

    def add(self, table: Table) -> Whole:
        """Takes in a table with numbers `quantity` and labels `substance`, `unit`, of which no offer stands in another;
        gives the code of each row's good and quantity."""
        labels = table.labels
        good = self._goods.encode(zip(labels["substance"].tolist(), labels["unit"].tolist(), strict=True))
        amounts, which = np.unique(table.numbers["quantity"], return_inverse=True)
        joint, place = np.unique(good * (len(amounts) + 1) + which, return_inverse=True)
        # a quantity that is not known is one code a good: NaN is not equal to itself
        known = [None if math.isnan(amount) else amount for amount in amounts.tolist()]
        codes = self._pairs.encode(
            (code // (len(amounts) + 1), known[code % (len(amounts) + 1)]) for code in joint.tolist())
        pair: Whole = codes[place] if len(codes) else np.zeros(0, dtype=np.int64)
        day = table.days.astype("datetime64[D]").astype(np.int64)
        # an offer-day stands several times in the table where it is split by several places
        low, width = (int(day.min()), int(np.ptp(day)) + 1) if len(table) else (0, 1)
        single = np.unique(table.offer * width + (day - low), return_index=True)[1]
        keys, counts = np.unique(pair[single] * width + (day[single] - low), return_counts=True)
        self._counts.append((keys // width, keys % width + low, counts))
        return pair

    def build(self, buckets: Buckets) -> Standard:
        """The standard quantities of all that was taken in, over all series together."""
        goods = np.array([good for good, _ in self._pairs.codes], dtype=np.int64)
        amount = np.array([np.nan if size is None else size for _, size in self._pairs.codes], dtype=np.float64)
        found = np.full((len(buckets), max(len(self._goods.labels), 1)), np.nan)
        # from small to large within a good
        order = np.lexsort((amount, goods))
        order = order[np.isfinite(amount[order])]
        rank = np.full(len(amount), -1, dtype=np.int64)
        rank[order] = np.arange(len(order))
        pair, day, times = (
            np.concatenate([part[place] for part in self._counts]) if self._counts else np.zeros(0, dtype=np.int64)
            for place in range(3))
        rows = np.flatnonzero(rank[pair] >= 0)
        if not len(rows):
            return Standard(found, goods, amount)
        rows = rows[np.argsort(day[rows], kind="stable")]
        pair, days, times = rank[pair[rows]], day[rows], times[rows]
        owners_of, sizes = goods[order], amount[order]
        starts = np.flatnonzero(np.diff(owners_of, prepend=-1))
        counts = np.zeros(len(order))
        entered, left = 0, 0
        for position in range(len(buckets)):
            end = np.datetime64(buckets.span(position)[1]).astype(np.int64)
            enter, leave = (int(at) for at in np.searchsorted(days, (end + 1, end - WINDOW_DAYS + 1)))
            # whole numbers: exact
            counts += np.bincount(pair[entered:enter], times[entered:enter], len(order))
            counts -= np.bincount(pair[left:leave], times[left:leave], len(order))
            entered, left = enter, leave
            most = np.maximum.reduceat(counts, starts)
            best = np.flatnonzero((counts == np.repeat(most, np.diff(starts, append=len(order)))) & (counts > 0))
            owners, first = np.unique(owners_of[best], return_index=True)
            found[position, owners] = sizes[best[first]]
        return Standard(found, goods, amount)
