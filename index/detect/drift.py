"""Drift: an EWMA chart on (log) values against a trailing baseline, with limits that know how the series wanders.

The chart starts anew in every bucket: baseline, then `span` buckets over which
z_k = (1 - lambda) z_(k-1) + lambda (x_k - middle), z_0 = 0 (Roberts 1959; Lucas & Saccucci 1990). The variance of z_k
is that of a weighted sum under the local level model of `noise`; for a series without wandering and a baseline known
without error it is the textbook's sigma^2 lambda / (2 - lambda) (1 - (1 - lambda)^(2k)). Autocorrelation is in it:
EWMA limits for independent values alarm for ever on prices that wander.
"""

from __future__ import annotations

import math
from datetime import date
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from index.detect.base import GAP, Floats, Step, TestSettings, first_index, known_value, skip, step_of
from index.detect.baseline import Baseline, Window, bounds, to_scale
from index.detect.noise import Noise
from index.detect.series import Judgement, Series

_WINDOWS: dict[Step, Window] = {
    "day": Window(70, 56, 240, 21), "week": Window(12, 10, 52, 6), "month": Window(8, 4, 36, 5),
}  # fmt: skip
_WEIGHTS: dict[Step, float] = {"day": 0.15, "week": 0.4, "month": 0.6}


class DriftSettings(TestSettings):
    """Fires where the smoothed value has left the limits and is off the baseline by `min_percent` at least."""

    kind: Literal["drift"] = "drift"
    direction: Literal["both", "up", "down"] = Field("both", description="Which drifts are of interest.")
    weight: float | None = Field(
        None, gt=0, le=1, description="Lambda, the weight of the newest. None: 0.15 a day, 0.4 a week, 0.6 a month."
    )
    limit: float = Field(2.0, gt=0, description="Width of the limits in standard deviations of the smoothed value.")
    min_percent: float = Field(
        10.0, ge=0, description="Least drift of the smoothed value in per cent: smaller ones are of no interest."
    )
    span: int | None = Field(
        None, ge=2, description="Buckets that are smoothed, after the baseline. None: 56 days, 10 weeks or 4 months."
    )
    baseline: int | None = Field(
        None, ge=3, description="Buckets of the baseline before them. None: 70 days, 12 weeks or 8 months."
    )
    min_baseline: int | None = Field(
        None, ge=3, description="Known buckets the baseline must have. None: 21 days, 6 weeks or 5 months."
    )
    min_n: int = Field(5, ge=1, description="Least contributing offers in the bucket; below it, it is not judged.")
    scale: Literal["log", "linear"] = Field("log", description="Ratios (prices) or differences (shares, indexes).")
    min_sigma: float = Field(
        0.02, ge=0, description="Least standard deviation of the noise: of logs (0.02 is 2 %), or in the unit."
    )
    spread: float = Field(
        0.15, ge=0,
        description="Standard deviation between single offers (of log prices): a bucket of few offers strays by it.",
    )  # fmt: skip

    tuned: ClassVar[str] = "min_percent"
    grid: ClassVar[tuple[float, float]] = (0.5, 1000.0)


def smoothing_weights(known: np.ndarray, weight: float) -> Floats:
    """Weights of x_1 .. x_k in z_k, oldest first, 0 in gaps (the chart stands still there); they add up to
    1 - (1 - lambda)^m for m known buckets."""
    order = np.cumsum(known[::-1])[::-1] - 1
    return np.where(known, weight * (1 - weight) ** order, 0.0)


def limit_variance(noise: Noise, weights: Floats) -> float:
    """Variance of the EWMA itself for a level known without error: the textbook's where the level does not wander."""
    return float(noise.noise * np.sum(weights**2) + noise.walk * np.sum(np.cumsum(weights[::-1]) ** 2))


def judge(series: Series, settings: DriftSettings, since: date | None = None) -> list[Judgement]:
    """One judgement a bucket from `since` on. `score`: smoothed deviation in its standard deviations, signed;
    `low`, `high`: where the smoothed value would not have fired; notes: smoothed (in the unit), percent (signed)."""
    step = step_of(series)
    usual = _WINDOWS[step]
    span = settings.span or usual.gap
    length = settings.baseline or usual.length
    least = settings.min_baseline or min(usual.least, length)
    window = Window(length, span - 1, max(usual.history, length), least)
    weight = settings.weight or _WEIGHTS[step]
    logarithmic = settings.scale == "log"
    values = to_scale(series.values, logarithmic)
    # A bucket of too few offers is as good as none to the smoothing.
    values = np.where(series.n >= settings.min_n, values, np.nan)
    baseline = Baseline(values, series.n, window, step, settings.min_sigma, settings.spread if logarithmic else 0.0)
    rows: list[Judgement] = []
    for index in range(first_index(series, since), len(series.buckets)):
        value = known_value(series, index)
        if value is None or math.isnan(values[index]):
            rows.append(skip(series, index, GAP if value is None else f"fewer than {settings.min_n} offers"))
            continue
        expected = baseline.expect(index)
        if expected is None:
            rows.append(skip(series, index, "no baseline yet"))
            continue
        newest = values[index - span + 1 : index + 1]
        weights = smoothing_weights(~np.isnan(newest), weight)
        total = float(weights.sum())
        # Divided by the sum of the weights the chart starts at the mean of what is known, not at the baseline: the
        # same statistic over its own deviation.
        smoothed = float(np.nansum(weights * newest)) / total - expected.middle
        sigma = max(expected.deviation(weights / total), 1e-12)
        middle = expected.middle
        least_off = bounds(settings.min_percent, logarithmic, middle)
        down, up = (max(off, settings.limit * sigma) for off in least_off)
        rise, fall = smoothed >= up, smoothed <= -down
        fired = (rise and settings.direction != "down") or (fall and settings.direction != "up")

        def plain(x: float) -> float:
            return math.exp(x) if logarithmic else x

        rows.append(
            Judgement(
                bucket=series.buckets[index], fired=fired, value=value, baseline=plain(middle),
                low=None if settings.direction == "up" else plain(middle - down),
                high=None if settings.direction == "down" else plain(middle + up),
                score=smoothed / sigma, n=int(series.n[index]),
                notes={
                    "smoothed": plain(middle + smoothed),
                    "percent": 100 * (math.exp(smoothed) - 1) if logarithmic
                    else 100 * smoothed / abs(middle) if middle else math.inf,
                },
            )
        )
    return rows
