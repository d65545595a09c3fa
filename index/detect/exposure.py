"""How much of the births a bucket may hold, where crawls differ in number or fail.

A listing that came into being while nobody looked is first seen later: what a gap lacks, the bucket after it has on
top. Where the series says which counts the complete crawls bear out and in how many days (`settled`), this is exact;
else it is estimated from the number of crawls in each bucket.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.detect.base import Floats
from index.detect.series import Series


@dataclass(frozen=True, slots=True)
class Births:
    """Counts with the exposure they are in proportion to. All arrays are as long as the series; 0 in a gap."""

    counts: Floats
    judged: Floats
    """Exposure of a bucket that is judged: the most that it may hold."""
    past: Floats
    """Exposure of a bucket as part of a baseline; 0: left out."""
    crawls: Floats
    """Complete-enough crawls, as the series has them."""
    settled: bool

    def unit(self, begin: int, end: int) -> float:
        """Exposure of a usual bucket among those."""
        chosen = self.judged[begin:end]
        return float(np.median(chosen[chosen > 0]))

    def lost(self, recent: int, window: int, index: int) -> float:
        """Share of their crawls that the newest `recent` buckets up to `index` lack, for the days that came up in them.
        Usual is the median of `window` buckets: neither earlier faults nor another plan or market make it another."""
        judged, crawls = self.judged[: index + 1], self.crawls[: index + 1]
        known = judged[-window:] > 0
        usual = float(np.median(crawls[-window:][known] / judged[-window:][known]))
        expected = usual * float(judged[-recent:].sum())
        return 1.0 - float(crawls[-recent:].sum()) / expected if expected > 0 else 0.0

    def baseline(self, begin: int, end: int, least: int, longest: int) -> tuple[NDArray[np.intp], Floats]:
        """Places and exposures of a baseline: buckets of at most `longest` usual ones; rather a restless baseline than
        one of fewer than `least` buckets."""
        past = self.past[begin:end]
        fit = past > 0
        if self.settled and fit.any():
            fit &= past <= longest * float(np.median(past[fit]))
        if fit.sum() < least and not self.settled:
            fit = self.crawls[begin:end] > 0
            past = np.where(past > 0, past, self.crawls[begin:end])
        chosen = np.flatnonzero(fit)
        return begin + chosen, past[chosen]


def count_births(series: Series, carry: bool, memory: int, *, settled: bool = True) -> Births:
    """The births of a series; `settled`: by what it says of complete crawls, if it does. `memory`: see
    `effective_exposure`."""
    gap = np.isnan(series.values)
    crawls = np.where(gap, 0.0, series.exposure)
    if settled and carry and series.settled is not None and series.settled_days is not None:
        days = np.where(gap, 0.0, series.settled_days)
        return Births(np.where(days > 0, series.settled, 0.0), days, days, crawls, settled=True)
    judged = effective_exposure(crawls, carry, memory)
    past = baseline_exposure(crawls, judged) if carry else crawls
    return Births(np.where(gap, 0.0, series.values), judged, past, crawls, settled=False)


def usual_amount(series: Series, index: int, amounts: Floats) -> float:
    """Median of the newest buckets up to `index` that were crawled; 0: none was."""
    known = np.flatnonzero(series.exposure[: index + 1] > 0)[-_USUAL:]
    return float(np.median(amounts[known])) if len(known) else 0.0


def missing_share(series: Series, index: int) -> float:
    """Share of its usual exposure that a bucket lacks; 1 in a gap."""
    usual = usual_amount(series, index, series.exposure)
    return max(0.0, 1.0 - float(series.exposure[index]) / usual) if usual > 0 else 0.0


HARMLESS = 0.3
"""Share of a bucket that may be missing for it, or its last crawl, to be taken for whole: two days of a week."""
_USUAL = 30
"""Known buckets of which the usual exposure is the median."""


def lost_share(crawls: Floats, index: int, span: int, window: int) -> float:
    """Share of its crawls that the `span` buckets up to `index` lack, against what nine in ten spans of the `window`
    buckets before them had at most. 0: nothing is missing, or nothing is known of before."""
    sums = np.convolve(crawls[max(0, index + 1 - window - span) : index + 1], np.ones(span), mode="valid")
    if not len(sums):
        return 0.0
    usual = float(np.quantile(sums, 0.9))
    return max(0.0, 1.0 - float(sums[-1]) / usual) if usual > 0 else 0.0


def baseline_exposure(exposure: Floats, judged: Floats) -> Floats:
    """Exposure of each bucket as part of a baseline; 0: left out, since its count may belong to other days.

    `judged` is its effective exposure. Where the two differ by much (a short bucket, or one after a gap), nobody knows
    how much of the births it holds: read either way, such buckets make a quiet market look restless.
    """
    own = np.nan_to_num(np.asarray(exposure, dtype=np.float64))
    return np.where(own >= 0.7 * judged, (own + judged) / 2, 0.0)


def effective_exposure(exposure: Floats, carry: bool, memory: int, window: int = 30) -> Floats:
    """Exposure of each bucket for counts of what is first seen; 0 stays 0. Uses earlier buckets alone.

    With `carry`, a bucket counts for the usual exposure at least (the median of the last `window` known ones: a week in
    which but the last crawl worked shows the whole week's births), and for what was missing in the buckets just
    before it, up to `memory` of them: after a full bucket nothing is owed.
    """
    exposure = np.nan_to_num(np.asarray(exposure, dtype=np.float64))
    if not carry:
        return exposure
    result = np.zeros_like(exposure)
    usual_values: list[float] = []
    owed = 0.0
    for index, own in enumerate(exposure):
        usual = float(np.median(usual_values[-window:])) if usual_values else 0.0
        if own <= 0:
            owed = min(owed + usual, memory * usual)
            continue
        usual_values.append(float(own))
        result[index] = max(own, usual) + owed
        owed = max(0.0, usual - own)
    return result


def slack(series: Series, index: int, count: float) -> float:
    """By how much more a count that stands must be beyond a bound where crawls were lost in the newest five buckets of
    several: its own standard deviation (the root of a count), since it is about other days than was meant."""
    if series.latest is None or usual_amount(series, index, series.exposure) < _SEVERAL:
        return 0.0
    lost = missing_share(series, index) > 0 or lost_share(series.exposure, index, _RECENT, _USUAL) >= _LOST
    return math.sqrt(max(count, 1.0)) if lost else 0.0


_SEVERAL, _RECENT = 2, 5
_LOST = 0.11
"""Four days of five weeks."""
