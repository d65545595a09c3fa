"""Change: the bucket against the median of a trailing window, by percent and by robust z, both at once."""

from __future__ import annotations

import math
from datetime import date
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from index.detect.base import GAP, Step, TestSettings, first_index, known_value, skip, step_of
from index.detect.baseline import Baseline, Window, bounds, to_scale
from index.detect.series import Judgement, Series

_WINDOWS: dict[Step, Window] = {
    "day": Window(42, 7, 150, 14), "week": Window(10, 1, 40, 5), "month": Window(6, 0, 24, 4),
}  # fmt: skip


class ChangeSettings(TestSettings):
    """Fires where the value is off the baseline by `percent` and by `z`, in the direction asked for."""

    kind: Literal["change"] = "change"
    direction: Literal["both", "up", "down"] = Field("both", description="Which changes are of interest.")
    percent: float = Field(
        18.0, gt=0, description="Least change in per cent of the baseline."
    )
    z: float = Field(
        2.5, ge=0, description="Least change in standard deviations of what the series does by itself (see noise)."
    )
    baseline: int | None = Field(
        None, ge=3, description="Buckets in the trailing window. None: 42 days, 10 weeks or 6 months."
    )
    gap: int | None = Field(
        None, ge=0, description="Buckets between window and bucket, left out. None: 7 days, 1 week, no month."
    )
    average: Literal["median", "mean"] = Field("median", description="The middle of the window.")
    min_baseline: int | None = Field(
        None, ge=3, description="Known buckets the window must have. None: 14 days, 5 weeks or 4 months."
    )
    min_n: int = Field(5, ge=1, description="Least contributing offers in the bucket; below it, it is not judged.")
    scale: Literal["log", "linear"] = Field(
        "log", description="Ratios (prices, counts) or differences (shares, indexes) are compared."
    )
    min_sigma: float = Field(
        0.02, ge=0, description="Least standard deviation of the noise: of logs (0.02 is 2 %), or in the unit."
    )
    spread: float = Field(
        0.15, ge=0,
        description="Standard deviation between single offers (of log prices): a bucket of few offers strays by it.",
    )  # fmt: skip

    tuned: ClassVar[str] = "percent"
    grid: ClassVar[tuple[float, float]] = (1.0, 1000.0)


def window_of(settings: ChangeSettings, step: Step) -> Window:
    """The window of the settings, with what they leave open filled in for days, weeks or months."""
    usual = _WINDOWS[step]
    length = settings.baseline or usual.length
    least = settings.min_baseline or min(usual.least, length)
    return Window(length, usual.gap if settings.gap is None else settings.gap, max(usual.history, length), least)


def judge(series: Series, settings: ChangeSettings, since: date | None = None) -> list[Judgement]:
    """One judgement a bucket from `since` on. `score`: robust z, signed; `baseline`, `low`, `high` in the unit of the
    measure; notes: percent (signed)."""
    step = step_of(series)
    window = window_of(settings, step)
    logarithmic = settings.scale == "log"
    values = to_scale(series.values, logarithmic)
    baseline = Baseline(values, series.n, window, step, settings.min_sigma, settings.spread if logarithmic else 0.0)
    rows: list[Judgement] = []
    for index in range(first_index(series, since), len(series.buckets)):
        value = known_value(series, index)
        if value is None:
            rows.append(skip(series, index, GAP))
            continue
        if series.n[index] < settings.min_n and not (value == 0 and logarithmic):
            rows.append(skip(series, index, f"fewer than {settings.min_n} offers"))
            continue
        expected = baseline.expect(index)
        if expected is None:
            rows.append(skip(series, index, "no baseline yet"))
            continue
        middle = expected.middle
        if settings.average == "mean":
            end = index - window.gap
            middle = float(np.nanmean(values[max(0, end - window.length) : end]))
        sigma = max(expected.deviation(np.ones(1)), 1e-12)
        if logarithmic:
            # A fall to nought has no logarithm: it is off by more than any bound.
            off = math.log(value) - middle if value > 0 else -20.0
            usual = math.exp(middle)
        else:
            off, usual = value - middle, middle
        down, up = (max(least, settings.z * sigma) for least in bounds(settings.percent, logarithmic, middle))
        fired = (off >= up and settings.direction != "down") or (off <= -down and settings.direction != "up")
        low = math.exp(middle - down) if logarithmic else middle - down
        high = math.exp(middle + up) if logarithmic else middle + up
        rows.append(
            Judgement(
                bucket=series.buckets[index], fired=fired, value=value, baseline=usual,
                low=None if settings.direction == "up" else low, high=None if settings.direction == "down" else high,
                score=off / sigma, n=int(series.n[index]),
                notes={"percent": 100 * (value / usual - 1) if usual else math.inf},
            )
        )
    return rows
