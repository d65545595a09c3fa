"""Rate and dispersion of a baseline of counts (negative binomial, NB2: variance = mean + dispersion * mean^2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from index.detect.base import Floats

_OUTLYING = 2.58
"""Standardised residuals above this lose weight (Noufaily et al. 2013), here as 1 / residual^4: a past surge of three
weeks is a ninth of a baseline of 180 days."""
_WANDER = 0.04
"""Dispersion of runs of weeks: what wanders for longer than a bucket does not average out in them."""
_BELIEVED = 0.3
_BLOCK = 1.45
"""Of more usual buckets than this a count is a block: it tells the rate, not how single buckets scatter."""
_SHRINK = 12.0
"""Counts each weekday is given at the common rate before its own are looked at."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a baseline says of the next count."""

    rate: float
    """Counts per unit of exposure."""
    dispersion: float
    uncertainty: float
    """Variance of the estimated mean over its square: adds to the dispersion of a prediction."""
    factors: tuple[float, ...] = (1.0,) * 7
    """Of Monday to Sunday; 1 where the day of the week is not looked at."""

    def mean(self, exposure: float, weekday: int) -> float:
        return self.rate * exposure * self.factors[weekday]


def fit_rate(
    counts: Floats, exposure: Floats, how: Literal["moment", "ml"] = "moment", least_dispersion: float = 0.0,
    weekdays: NDArray[np.int64] | None = None, spans: tuple[int, ...] = (),
) -> Rate:  # fmt: skip
    """Rate of a baseline: all arrays of the same length, exposure (in usual buckets) above nought, counts known.

    Buckets that hold more than the others let expect lose weight, and so do all of a run (of one of the lengths
    `spans`) that does: a past surge of what is rare stands out in no single day.
    """
    factors = np.ones(7)
    exposed = exposure
    single = exposure < _BLOCK
    if not single.any():
        single = np.ones_like(single)
    size = np.maximum(exposure, 1.0)
    total = float(counts.sum())
    if weekdays is not None and total > 0:
        flat = total / float(exposure.sum())
        # Each day's sum is held down to what one outlying day may add, so that a past surge on a Tuesday does not
        # teach that Tuesdays are busy.
        capped = np.minimum(counts, 3 * flat * exposure + 3)
        for day in range(7):
            mine = (weekdays == day) & single
            factors[day] = (float(capped[mine].sum()) + _SHRINK) / (flat * float(exposure[mine].sum()) + _SHRINK)
        exposed = np.where(single, exposure * factors[weekdays], exposure)
    weights = np.ones_like(counts)
    rate, dispersion = _moments(counts, exposed, weights, how, single)
    # The first round finds what does not belong, the others what the rest says. One surge in the baseline makes the
    # dispersion so great that nothing looks out of place: the first round does not believe more than 0.3.
    dispersion = min(dispersion, _BELIEVED)
    for _ in range(3):
        mean = rate * exposed
        residual = _residuals(counts, mean, mean + dispersion / size * mean**2, spans)
        weights = np.where(residual > _OUTLYING, (_OUTLYING / np.maximum(residual, _OUTLYING)) ** 4, 1.0)
        rate, dispersion = _moments(counts, exposed, weights, how, single)
    dispersion = max(dispersion, least_dispersion)
    mean = rate * exposed
    uncertainty = float(np.sum(weights**2 * (mean + dispersion / size * mean**2)) / np.sum(weights * mean) ** 2)
    return Rate(rate, dispersion, uncertainty, tuple(float(factor) for factor in factors))


def _residuals(counts: Floats, mean: Floats, variance: Floats, spans: tuple[int, ...]) -> Floats:
    """Of each bucket the greatest standardised residual: its own, or that of a run of buckets that it belongs to."""
    greatest = (counts - mean) / np.sqrt(variance)
    for span in spans:
        if not 1 < span <= len(counts) // 2:
            continue
        over, usual, spread = (
            np.convolve(each, np.ones(span), mode="valid") for each in (counts - mean, mean, variance)
        )
        most = np.full(len(counts) + span - 1, -np.inf)
        most[span - 1 : len(counts)] = over / np.sqrt(spread + _WANDER * usual**2)
        width = 1
        while width < span:  # the greatest of `span` neighbours, by doubling
            step = min(width, span - width)
            most, width = np.maximum(most[:-step], most[step:]), width + step
        greatest = np.maximum(greatest, most)
    return greatest


def _moments(
    counts: Floats, exposure: Floats, weights: Floats, how: Literal["moment", "ml"], single: NDArray[np.bool_]
) -> tuple[float, float]:
    # Half a count more than seen (Jeffreys): a baseline of noughts does not make the first listing a miracle.
    rate = (float(weights @ counts) + 0.5) / float(weights @ exposure)
    mean = rate * exposure
    weights = weights * single
    if how == "ml":
        return rate, ml_dispersion(counts, mean, weights)
    size = float(weights.sum())
    excess = float(weights @ ((counts - mean) ** 2 * (size / max(size - 1, 1)) - mean))
    return rate, max(0.0, excess / float(weights @ mean**2))


def ml_dispersion(counts: Floats, mean: Floats, weights: Floats | None = None, greatest: float = 10.0) -> float:
    """Dispersion of greatest likelihood for given means, by golden section on its logarithm; 0 if none fits better."""
    use = np.ones_like(counts) if weights is None else weights

    def log_likelihood(dispersion: float) -> float:
        size = 1 / dispersion
        gammas = np.array([math.lgamma(count + size) for count in counts]) - math.lgamma(size)
        return float(
            np.sum(use * (gammas + size * np.log(size / (size + mean)) + counts * np.log(mean / (size + mean))))
        )

    low, high = math.log(1e-5), math.log(greatest)
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    value_left, value_right = log_likelihood(math.exp(left)), log_likelihood(math.exp(right))
    for _ in range(40):
        if value_left < value_right:
            low, left, value_left = left, right, value_right
            right = low + ratio * (high - low)
            value_right = log_likelihood(math.exp(right))
        else:
            high, right, value_right = right, left, value_left
            left = high - ratio * (high - low)
            value_left = log_likelihood(math.exp(left))
    best = math.exp((low + high) / 2)
    return 0.0 if best < 2e-5 else best
