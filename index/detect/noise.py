"""How far a quiet series strays: a level that wanders plus noise, both estimated robustly from a trailing baseline.

The model is the local level model (Muth 1960; Harvey 1989, 2.3): value = level + noise, the level a random walk. Of a
series of log prices the noise is who happens to be listed this week, the walk what the market does by itself. A lag-h
difference has the variance h * walk + 2 * noise, so two numbers follow from differences at several lags. With a walk of
nought it is the usual model of control charts, and the limits are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.detect.base import Floats

_WINSOR = 2.5
"""Differences beyond so many robust deviations count as that many: a past shock must not hide the next one."""
_TAIL = 0.9
"""But nothing within this share of the smallest is cut: the median price of a thin series stands still for days and
then jumps, and the jumps are its noise."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Variances per bucket, in squared units of the series."""

    noise: float
    walk: float

    def variance(self, weights: Floats) -> float:
        """Variance of sum(weights * values) of a quiet stretch, weights in the order of time and adding up to 0."""
        late = np.cumsum(weights[::-1])[::-1][1:]
        return float(self.noise * np.sum(weights**2) + self.walk * np.sum(late**2))


def robust_variance(differences: Floats) -> float:
    """Mean square about zero, large ones cut at 2.5 robust deviations or the 90 % quantile, whichever is greater."""
    if not len(differences):
        return 0.0
    size = np.sort(np.abs(differences))
    deviation = 1.4826 * float(size[len(size) // 2])
    cut = max(_WINSOR * deviation, float(size[int(_TAIL * (len(size) - 1))]))
    # 0.9775: what the cut takes from the variance of a normal distribution.
    return float(np.mean(np.minimum(size, cut) ** 2)) / 0.9775


class NoiseHistory:
    """The differences of a series at several lags, taken once; `at` estimates the model from a stretch of it."""

    def __init__(self, values: Floats, lags: tuple[int, ...]) -> None:
        self._lags = lags
        self._differences = [values[lag:] - values[:-lag] if lag < len(values) else values[:0] for lag in lags]

    def at(self, begin: int, end: int, floor: float = 0.0) -> Noise:
        """The model of buckets begin to end - 1; `floor` is the least standard deviation of the noise."""
        found: list[tuple[int, float, int]] = []
        for lag, differences in zip(self._lags, self._differences, strict=True):
            chosen = differences[begin : max(begin, end - lag)]
            chosen = chosen[~np.isnan(chosen)]
            if len(chosen) >= 4:
                found.append((lag, robust_variance(chosen), len(chosen)))
        if not found:
            return Noise(floor**2, 0.0)
        steps = np.array([row[0] for row in found], dtype=np.float64)
        variance = np.array([row[1] for row in found])
        # Few independent differences at long lags: weigh by how many there are, and relative to their size.
        weight = np.array([row[2] / row[0] for row in found]) / (variance + 1e-12) ** 2
        walk, noise = _fit(steps, variance, weight)
        return Noise(max(noise, floor**2), walk)


def estimate_noise(values: Floats, lags: tuple[int, ...], floor: float = 0.0) -> Noise:
    """The model of a whole stretch of values, oldest first, NaN in gaps."""
    return NoiseHistory(values, lags).at(0, len(values), floor)


def _fit(lag: Floats, variance: Floats, weight: Floats) -> tuple[float, float]:
    """Weighted least squares of variance = walk * lag + 2 * noise with neither below nought."""
    share = weight / weight.sum()
    mean_lag, mean_variance = float(share @ lag), float(share @ variance)
    spread = float(share @ (lag - mean_lag) ** 2)
    slope = float(share @ ((lag - mean_lag) * (variance - mean_variance))) / spread if spread else 0.0
    level = mean_variance - slope * mean_lag
    if slope < 0:
        return 0.0, mean_variance / 2
    if level < 0:
        return float(share @ (lag * variance)) / float(share @ lag**2), 0.0
    return slope, level / 2
