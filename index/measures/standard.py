"""The standard quantity of a substance: the commonest in the last 90 days, so that prices can be compared at it."""

from __future__ import annotations

from dataclasses import dataclass

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
    bucket's end have none. `good`: the column (substance and unit) of each row of the table."""

    quantities: NDArray[np.float64]
    good: Whole
    amount: NDArray[np.float64]

    def at(self, position: int, rows: Whole) -> tuple[NDArray[np.bool_], float | None]:
        """Which rows have their good's standard quantity in a bucket, and that quantity if they share one good."""
        wanted = self.quantities[position, self.good[rows]]
        fits = np.abs(self.amount[rows] - wanted) <= TOLERANCE * wanted
        goods = np.unique(self.good[rows])
        single = len(goods) == 1 and np.isfinite(wanted[0])
        return fits, float(wanted[0]) if single else None


def find_standard(table: Table, buckets: Buckets) -> Standard:
    """Standard quantities from rows with numbers `quantity` and labels `substance`, `unit`, over all series together.

    Quantities are counted by offer-days; of equals the smaller one stands. The window slides over sorted days, so that
    the cost does not grow with the number of buckets times the rows.
    """
    coder = Coder()
    good = coder.encode(zip(table.labels["substance"].tolist(), table.labels["unit"].tolist(), strict=True))
    amount = table.numbers["quantity"]
    found = np.full((len(buckets), max(len(coder.labels), 1)), np.nan)
    day = table.days.astype("datetime64[D]").astype(np.int64)
    # an offer-day stands several times in the table where it is split by several places
    single = np.unique(np.stack([table.offer, day], axis=1), axis=0, return_index=True)[1] if len(table) else day
    rows = single[np.isfinite(amount[single])]
    rows = rows[np.argsort(day[rows], kind="stable")]
    if not len(rows):
        return Standard(found, good, amount)
    sizes, rank = np.unique(amount[rows], return_inverse=True)
    # pairs of good and quantity, by good and then from small to large
    pairs, pair = np.unique(good[rows] * len(sizes) + rank, return_inverse=True)
    goods, quantity = pairs // len(sizes), sizes[pairs % len(sizes)]
    starts = np.flatnonzero(np.diff(goods, prepend=-1))
    counts = np.zeros(len(pairs), dtype=np.int64)
    days, entered, left = day[rows], 0, 0
    for position in range(len(buckets)):
        end = np.datetime64(buckets.span(position)[1]).astype(np.int64)
        enter, leave = np.searchsorted(days, (end + 1, end - WINDOW_DAYS + 1))
        counts += np.bincount(pair[entered:enter], minlength=len(pairs))
        counts -= np.bincount(pair[left:leave], minlength=len(pairs))
        entered, left = int(enter), int(leave)
        most = np.maximum.reduceat(counts, starts)
        best = np.flatnonzero((counts == np.repeat(most, np.diff(starts, append=len(pairs)))) & (counts > 0))
        owners, first = np.unique(goods[best], return_index=True)
        found[position, owners] = quantity[best[first]]
    return Standard(found, good, amount)
