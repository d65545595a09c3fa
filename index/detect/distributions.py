"""Tails and quantiles of the few distributions the tests need, on the standard library and numpy.

scipy would do the same; importing it costs an idle service more memory than all tests together. The test suite holds
every figure against scipy and statsmodels.
"""

from __future__ import annotations

import math

import numpy as np


def count_tail(value: float, mean: float, dispersion: float) -> float:
    """P(Y >= value) of a negative binomial of that mean and variance mean + dispersion * mean^2 (NB2).

    `dispersion` 0 is the Poisson distribution. `value` is rounded up to a whole count.
    """
    least = math.ceil(value - 1e-9)
    if least <= 0:
        return 1.0
    if mean <= 0:
        return 0.0
    first = _log_of_nought(mean, dispersion)
    if first > _LEAST_LOG:
        term = math.exp(first)
        below = term
        for count in range(1, least):
            term *= _ratio(count, mean, dispersion)
            below += term
    else:
        counts = np.arange(1, least, dtype=np.float64)
        steps = np.log(mean / counts) if dispersion < _POISSON else np.log(
            (1 + dispersion * (counts - 1)) * mean / (counts * (1 + dispersion * mean))
        )  # fmt: skip
        below = float(np.exp(first + np.concatenate(([0.0], np.cumsum(steps)))).sum())
    if below < 0.999_999:
        return 1.0 - below
    return min(_far_tail(least, mean, dispersion), 1e-6)


_POISSON = 1e-9
"""Below this dispersion the distribution is the Poisson one."""
_LEAST_LOG = -600.0


def _log_of_nought(mean: float, dispersion: float) -> float:
    return -mean if dispersion < _POISSON else -math.log1p(dispersion * mean) / dispersion


def _ratio(count: int, mean: float, dispersion: float) -> float:
    """P(Y = count) over P(Y = count - 1)."""
    return (1.0 + dispersion * (count - 1)) * mean / (count * (1.0 + dispersion * mean))


def _far_tail(least: int, mean: float, dispersion: float) -> float:
    """The same tail summed from its own end, where one minus the rest would be lost to rounding."""
    if dispersion < _POISSON:
        log = least * math.log(mean) - mean - math.lgamma(least + 1)
    else:
        size = 1.0 / dispersion
        log = (
            math.lgamma(least + size) - math.lgamma(size) - math.lgamma(least + 1)
            + size * math.log(size / (size + mean)) + least * math.log(mean / (size + mean))
        )  # fmt: skip
    term, total, count = math.exp(log) if log > -700 else 0.0, 0.0, least
    while term > total * 1e-12 and term > 0:
        total += term
        count += 1
        term *= _ratio(count, mean, dispersion)
    return total


def count_bound(probability: float, mean: float, dispersion: float) -> int:
    """The greatest count that is not surprising: the least u with P(Y > u) <= probability."""
    if mean <= 0:
        return 0
    first = _log_of_nought(mean, dispersion)
    if first > _LEAST_LOG and probability > 1e-9:
        term, count = math.exp(first), 0
        above = 1.0 - term
        while above > probability:
            count += 1
            term *= _ratio(count, mean, dispersion)
            above -= term
        return count
    spread = math.sqrt(mean + dispersion * mean * mean)
    low, high = -1, max(1, math.ceil(mean + 3 * spread))
    while count_tail(high + 1, mean, dispersion) > probability:
        low, high = high, high + max(1, math.ceil(spread))
    while high - low > 1:
        middle = (low + high) // 2
        if count_tail(middle + 1, mean, dispersion) > probability:
            low = middle
        else:
            high = middle
    return high


def student_cdf(value: float, degrees: int) -> float:
    """P(T <= value) for whole degrees of freedom (Abramowitz & Stegun 1964, 26.7.3 and 26.7.4)."""
    angle = math.atan2(value, math.sqrt(degrees))
    cosine2 = math.cos(angle) ** 2
    term = math.cos(angle) if degrees % 2 else 1.0
    total, first = 0.0, 2 if degrees % 2 else 1
    for k in range(first, degrees, 2):
        total += term
        term *= cosine2 * k / (k + 1)
    inner = math.sin(angle) * total
    return 0.5 + ((angle + inner) / math.pi if degrees % 2 else inner / 2.0)


def student_quantile(probability: float, degrees: int) -> float:
    """The value that a Student's t of whole degrees of freedom exceeds with 1 - probability."""
    if probability < 0.5:
        return -student_quantile(1.0 - probability, degrees)
    low, high = 0.0, 1.0
    while student_cdf(high, degrees) < probability:
        low, high = high, high * 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, degrees) < probability else (low, middle)
    return (low + high) / 2


def poisson_interval(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a Poisson mean of which `count` were seen (Garwood 1936)."""
    half = (1.0 - confidence) / 2

    def solve(tail: float, at_least: int) -> float:
        low, high = 0.0, count + 10.0 * math.sqrt(count + 1.0) + 10.0
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if count_tail(at_least, middle, 0.0) < tail else (low, middle)
        return (low + high) / 2

    return (0.0 if count == 0 else solve(half, count)), solve(1.0 - half, count + 1)


def wilson_interval(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share seen in n cases (Wilson 1927)."""
    if n <= 0:
        return 0.0, 1.0
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(max(0.0, share * (1 - share)) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
