"""What every test is given and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Series:
    """One measure over successive buckets, oldest first. All arrays have the same length.

    `values` is NaN where the bucket is not known (a gap is not zero): no test may read a gap as a fall.
    """

    buckets: tuple[date, ...]
    values: NDArray[np.float64]
    n: NDArray[np.int64]
    """Contributing offers of each bucket."""
    exposure: NDArray[np.float64]
    """What a count is in proportion to (complete-enough crawls, or days observed); 1 where nothing else is known, 0 in
    a gap."""
    settled: NDArray[np.float64] | None = None
    """Counts of what gathers (new listings) as complete crawls bear them out: what came up after the last complete
    crawl of an earlier bucket and up to the last one of this bucket, seen by broken-off crawls in between or not. 0 in
    a gap. None: not known; tests then make do with `values` and `exposure`."""
    settled_days: NDArray[np.float64] | None = None
    """Days in which that came up: between those two crawls, of all markets together. 0 in a gap."""
    latest: NDArray[np.float64] | None = None
    """Of what stands (listings, offers, vendors; `values` are means over a bucket's crawls): the count of the last
    complete crawl in each bucket, of several markets the sum of theirs. Means nothing in a gap. None: not known."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a test says of one bucket, knowing nothing later than it."""

    bucket: date
    fired: bool
    value: float | None
    """None: a gap."""
    baseline: float | None = None
    """What was expected."""
    low: float | None = None
    high: float | None = None
    """The range that would not have fired, where the test has one."""
    score: float | None = None
    """The statistic that was held against the threshold."""
    n: int = 0
    skipped: str | None = None
    """Why nothing could be said (gap, too few, no baseline yet): never counted as quiet."""
    notes: dict[str, float | str] = field(default_factory=dict)
