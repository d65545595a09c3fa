"""The trailing baseline of change and drift: its middle, and how far a quiet series would stray from it by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.detect.base import Floats, Step
from index.detect.noise import Noise, NoiseHistory

LAGS: dict[Step, tuple[int, ...]] = {"day": (1, 3, 7, 14, 28), "week": (1, 2, 4, 8), "month": (1, 2, 4)}
"""Lags at which differences are taken to tell noise from wandering."""


@dataclass(frozen=True, slots=True)
class Window:
    """Baseline of `length` buckets that ends `gap` buckets before the one judged (the one judged not counted).

    `history` buckets before the gap estimate the noise: more than the baseline, since a spread takes more values to
    know than a middle does.
    """

    length: int
    gap: int
    history: int
    least: int
    """Known baseline buckets needed."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a quiet series would show: `middle` in the unit given (log or plain), `noise` per bucket."""

    middle: float
    noise: Noise
    weights: Floats
    """Minus one over the number of known baseline buckets, at each of them; 0 elsewhere; from the first baseline bucket
    to the one judged."""

    def deviation(self, newest: Floats) -> float:
        """Standard deviation of (weighted newest buckets - middle) when nothing happens. `newest` adds up to 1 and ends
        with the bucket judged."""
        weights = self.weights.copy()
        weights[-len(newest) :] += newest
        return math.sqrt(self.noise.variance(weights))


@dataclass(frozen=True, slots=True)
class Level:
    """Where a quiet series would be next, from all that was known the bucket before."""

    middle: float
    deviation: float
    """Standard deviation of the next value about it: noise, wandering, and what is not known of the level."""


class Baseline:
    """The expectation of every bucket of one series, from the values before it alone.

    `n` are the offers of each bucket: the noise is at least `floor`, and at least what a median of so many offers with
    a standard deviation of `spread` has (pi / 2 times the variance of a mean).
    """

    def __init__(
        self, values: Floats, n: NDArray[np.int64], window: Window, step: Step, floor: float, spread: float
    ) -> None:
        self._values, self._n, self._window = values, n, window
        self._known = ~np.isnan(values)
        self._noise = NoiseHistory(values, LAGS[step])
        self._floor, self._spread = floor, spread

    def expect(self, index: int) -> Expected | None:
        """What bucket `index` would show if nothing happened; None where too few buckets before it are known."""
        window = self._window
        end = index - window.gap
        begin = max(end - window.length, 0)
        if end - begin < window.least:
            return None
        known = self._known[begin:end]
        count = int(known.sum())
        if count < window.least:
            return None
        weights = np.zeros(index + 1 - begin)
        weights[: end - begin][known] = -1.0 / count
        sampled = self._spread**2 * math.pi / 2 / max(1.0, float(np.median(self._n[begin:end][known])))
        noise = self._noise.at(max(0, end - window.history), end, math.sqrt(self._floor**2 + sampled))
        return Expected(float(np.median(self._values[begin:end][known])), noise, weights)


    def level(self, index: int, noise: Noise) -> Level | None:
        """The forecast of bucket `index` under the local level model with those variances: the Kalman filter over the
        known buckets of window and gap, started at the first of them (Harvey 1989, 3.2; without wandering it is their
        mean). None where there are fewer than four."""
        begin = max(0, index - self._window.length - self._window.gap)
        known = begin + np.flatnonzero(self._known[begin:index])
        if len(known) < _LEAST_LEVEL:
            return None
        middle, spread, before = float(self._values[known[0]]), noise.noise, int(known[0])
        for place in known[1:].tolist():
            spread += noise.walk * (place - before)
            gain = spread / (spread + noise.noise) if spread > 0 else 1.0
            middle += gain * (float(self._values[place]) - middle)
            spread *= 1 - gain
            before = place
        return Level(middle, math.sqrt(spread + noise.walk * (index - before) + noise.noise))


_LEAST_LEVEL = 4


def bounds(percent: float, logarithmic: bool, middle: float) -> tuple[float, float]:
    """How far a value must be off for a change by that percentage, downwards and upwards (both positive).

    Of logs, a fall by 20 % is further than a rise by 20 %; a fall by 100 % or more cannot be.
    """
    if not logarithmic:
        return percent / 100 * abs(middle), percent / 100 * abs(middle)
    return (-math.log1p(-percent / 100) if percent < 100 else math.inf), math.log1p(percent / 100)


def to_scale(values: Floats, logarithmic: bool) -> Floats:
    """Logs, or the values themselves. What is not above nought has no logarithm and counts as not known."""
    if not logarithmic:
        return values.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, np.log(values), np.nan)
