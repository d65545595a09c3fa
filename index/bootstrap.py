"""95 % percentile intervals by a bootstrap clustered by vendor, vectorised and the same on every machine.

Every seller is one cluster: its listings come and go together, so they are drawn together. Clusters get Poisson(1)
weights (Hanley & MacGibbon 2006, Comput. Methods Programs Biomed. 83; Chamandy et al. 2012): for means and quantiles
this equals drawing sellers with replacement as their number grows, and for totals it also lets the number of sellers
vary, which drawing a fixed number never does. The weight of a seller in a replicate is a hash of (seed, seller,
replicate): no state, no order, so that a series has the same interval whatever else the question asks for, on both
stores.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

REPLICATES = 500
FEWEST_VENDORS = 10
"""Below this number of sellers there is no interval: a percentile bootstrap of so few clusters is far too narrow."""
LEVEL = (0.025, 0.975)
_MOST_AT_ONCE = 4_000_000
"""Numbers held at once (32 MB of float64)."""
_BLOCK, _MOST_BLOCKS = 64, 400
"""Values in a block of a sorted series at least; blocks at most."""

_POISSON = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(12)])
"""P(weight <= k) for Poisson(1); above 11 the probability is 1e-9 and the weight is capped."""
# The lowest hash value of each weight: comparing integers keeps the weights free of rounding.
_THRESHOLDS = np.array([int(float(p) * 2**32) for p in _POISSON[:-1]], dtype=np.uint64)

Interval = tuple[float | None, float | None]


def vendor_weights(vendors: Sequence[str], *, seed: int, replicates: int = REPLICATES) -> NDArray[np.uint8]:
    """Poisson(1) weights, shape (vendors, replicates); a function of seed, vendor and replicate alone."""
    salt = str(seed).encode() + b"\0"
    digests = (hashlib.blake2b(salt + name.encode("utf-8", "surrogatepass"), digest_size=8) for name in vendors)
    keys = np.array([int.from_bytes(digest.digest(), "big") for digest in digests], dtype=np.uint64)
    steps = np.arange(1, replicates + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    found = np.empty((len(keys), replicates), dtype=np.uint8)
    for rows in _chunks(len(keys), replicates):
        hashes = _mix(keys[rows, None] + steps[None, :]) >> np.uint64(32)
        found[rows] = np.searchsorted(_THRESHOLDS, hashes, side="right")
    return found


def _mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014); wraps around at 2**64 as it should."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _chunks(count: int, width: int) -> Iterator[slice]:
    step = max(1, _MOST_AT_ONCE // max(width, 1))
    for start in range(0, count, step):
        yield slice(start, min(count, start + step))


def replicate_totals(
    cell: NDArray[np.int64], cells: int, vendor: NDArray[np.int64], amount: NDArray[np.float64], weights: NDArray[Any]
) -> NDArray[np.float64]:
    """Weighted totals per cell and replicate, shape (cells, replicates).

    `cell`, `vendor` (a row of `weights`) and `amount` are equal-length; entries may stand in any order.
    """
    replicates = weights.shape[1]
    totals = np.zeros((cells, replicates))
    order = np.argsort(cell, kind="stable")
    cell, vendor, amount = cell[order], vendor[order], amount[order]
    for rows in _chunks(len(cell), replicates):
        part = weights[vendor[rows]] * amount[rows, None]
        starts = np.flatnonzero(np.diff(cell[rows], prepend=-1))
        # a cell may go on in the next chunk: add, do not assign
        totals[cell[rows][starts]] += np.add.reduceat(part, starts, axis=0)
    return totals


def percentile_interval(replicates: NDArray[np.float64], level: tuple[float, float] = LEVEL) -> tuple[float, float]:
    """Percentiles (linear, type 7) of finite replicates."""
    low, high = np.quantile(replicates[np.isfinite(replicates)], level)
    return float(low), float(high)


def total_intervals(
    cell: NDArray[np.int64], cells: int, vendor: NDArray[np.int64], amount: NDArray[np.float64], weights: NDArray[Any],
    *, known: NDArray[np.bool_],
) -> list[Interval]:
    """Intervals of the total of each cell; (None, None) below 10 sellers.

    `known` says for each row of `weights` whether it is a seller (False: the cluster of rows without one, which is
    drawn but not counted). Each seller may have many entries in a cell.
    """
    enough = count_vendors(cell, cells, vendor, known) >= FEWEST_VENDORS
    wanted = enough[cell] if len(cell) else np.zeros(0, dtype=bool)
    numbers = np.cumsum(enough) - 1
    totals = replicate_totals(numbers[cell[wanted]], int(enough.sum()), vendor[wanted], amount[wanted], weights)
    if not len(totals):
        return [(None, None)] * cells
    found: list[Interval] = [(None, None)] * cells
    bounds = np.quantile(totals, LEVEL, axis=1).tolist()
    for at, low, high in zip(np.flatnonzero(enough).tolist(), *bounds, strict=True):
        found[at] = (low, high)
    return found


def count_vendors(
    cell: NDArray[np.int64], cells: int, vendor: NDArray[np.int64], known: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Distinct known sellers per cell."""
    if not len(cell):
        return np.zeros(cells, dtype=np.int64)
    width = len(known)
    pairs = np.unique(cell * width + vendor)
    return np.bincount(pairs[known[pairs % width]] // width, minlength=cells)


def median_interval(values: NDArray[Any], vendor: NDArray[np.int64], weights: NDArray[Any]) -> tuple[float, float]:
    """Interval of the median (linear, type 7) of one cell's values, each with its seller's row of `weights`.

    The median of a replicate is that of the sample in which every value stands as often as its seller was drawn.
    Replicates in which nobody was drawn are left out.
    """
    order = np.argsort(values, kind="stable")
    values = values[order]
    sellers, vendor = np.unique(vendor[order], return_inverse=True)
    weights = weights[sellers]
    # how much weight each block of values has in each replicate; then the ranks are looked for in one block alone
    size = max(_BLOCK, -(-len(values) // _MOST_BLOCKS))
    blocks = -(-len(values) // size)
    held = np.bincount(np.arange(len(values)) // size * len(sellers) + vendor, minlength=blocks * len(sellers))
    # whole numbers far below 2**53: exact
    running = np.cumsum(held.reshape(blocks, -1).astype(np.float64) @ weights.astype(np.float64), axis=0)
    totals = running[-1].astype(np.int64)
    drawn = np.flatnonzero(totals)
    medians = np.full(weights.shape[1], np.nan)
    for part in _chunks(len(drawn), size):
        chosen = drawn[part]
        # 0-based ranks around the middle; the value of rank k is the first whose running weight exceeds k
        lower, upper = (
            _at_rank(rank, values, vendor, weights[:, chosen], running[:, chosen], size)
            for rank in ((totals[chosen] - 1) // 2, totals[chosen] // 2))
        medians[chosen] = (lower + upper) / 2
    return percentile_interval(medians)


def _at_rank(
    rank: NDArray[np.int64], values: NDArray[Any], vendor: NDArray[np.int64], weights: NDArray[Any],
    running: NDArray[np.float64], size: int,
) -> NDArray[Any]:
    """The value of a rank in each replicate (a column of `weights`), by the running weights of blocks of `size`."""
    block = (running <= rank).sum(axis=0)
    before = np.where(block > 0, running[np.maximum(block - 1, 0), np.arange(len(rank))], 0).astype(np.int64)
    place = block[None, :] * size + np.arange(size)[:, None]
    inside = np.minimum(place, len(values) - 1)
    weight = np.where(place < len(values), weights[vendor[inside], np.arange(len(rank))[None, :]], 0)
    within = (np.cumsum(weight, axis=0, dtype=np.int64) + before <= rank).sum(axis=0)
    found: NDArray[Any] = values[block * size + within]
    return found
