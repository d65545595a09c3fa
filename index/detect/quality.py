"""Data quality: a share (coverage, unknown terms, prices without a rate) beyond its bounds or off its usual value."""

from __future__ import annotations

import math
from datetime import date
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from index.detect.base import GAP, TestSettings, first_index, known_value, skip, step_of
from index.detect.distributions import wilson_interval
from index.detect.series import Judgement, Series


class QualitySettings(TestSettings):
    """Fires where a share has been beyond a bound for `buckets` known buckets in a row, by more than chance."""

    kind: Literal["quality"] = "quality"
    least: float | None = Field(None, ge=0, le=1, description="The share should not be below this (coverage: 0.9).")
    most: float | None = Field(None, ge=0, le=1, description="The share should not be above this (unknown: 0.1).")
    jump: float | None = Field(
        0.08, gt=0, le=1, description="Distance from the trailing median that fires too. None: bounds alone."
    )
    buckets: int | None = Field(
        None, ge=1, le=60, description="So many known buckets in a row must be beyond. None: 2 days, 1 week or month."
    )
    baseline: int = Field(28, ge=3, description="Known buckets of the trailing median.")
    min_baseline: int = Field(7, ge=3, description="Known buckets needed for jump.")
    min_n: int = Field(10, ge=1, description="Least n in the bucket; below it, it is not judged.")
    chance: bool = Field(
        True, description="Beyond only if the share's one-sided 95 % bound (Wilson, by n) is. Off where n is no sample."
    )

    tuned: ClassVar[str] = "jump"
    grid: ClassVar[tuple[float, float]] = (0.005, 1.0)

    @model_validator(mode="after")
    def _has_a_bound(self) -> QualitySettings:
        if self.least is None and self.most is None and self.jump is None:
            raise ValueError("a quality test needs 'least', 'most' or 'jump'")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError("'least' must not be greater than 'most': every value would fire")
        return self


def judge(series: Series, settings: QualitySettings, since: date | None = None) -> list[Judgement]:
    """One judgement a bucket from `since` on; values are shares in [0, 1]. `score`: buckets beyond in a row; notes:
    cause (below, above, jump)."""
    start = first_index(series, since)
    needed = settings.buckets or (2 if step_of(series) == "day" else 1)
    past: list[float] = []
    run = 0
    rows: list[Judgement] = []
    for index, bucket in enumerate(series.buckets):
        value, n = known_value(series, index), int(series.n[index])
        if value is None or n < settings.min_n:
            if index >= start:
                rows.append(skip(series, index, GAP if value is None else f"n below {settings.min_n}"))
            continue
        typical = float(np.median(past[-settings.baseline :])) if len(past) >= settings.min_baseline else None
        low, high = settings.least, settings.most
        if settings.jump is not None and typical is not None:
            low = max(typical - settings.jump, -math.inf if low is None else low)
            high = min(typical + settings.jump, math.inf if high is None else high)
        under, over = wilson_interval(value, n, 1.645) if settings.chance else (value, value)
        below, above = low is not None and over < low, high is not None and under > high
        run = run + 1 if below or above else 0
        if index >= start:
            fired = run >= needed
            cause = "below" if below else "above"
            rows.append(
                Judgement(
                    bucket=bucket, fired=fired, value=value, baseline=typical, low=low, high=high,
                    score=float(run), n=n, notes={"cause": cause} if below or above else {},
                )
            )
        past.append(value)
    return rows
