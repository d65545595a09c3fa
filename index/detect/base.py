"""What all tests share: closed settings, the length of a bucket, the chance that a budget of false alarms leaves."""

from __future__ import annotations

import math
from datetime import date
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from index.detect.series import Judgement, Series

Step = Literal["day", "week", "month"]
DAYS: dict[Step, float] = {"day": 1.0, "week": 7.0, "month": 30.4375}
YEAR = 365.25
Floats = NDArray[np.float64]


class TestSettings(BaseModel):
    """Settings of one test: frozen and closed, so that a rule's digest covers them and a slip of the pen is an error.

    `tuned` names the fields `tune` may move, `stricter` whether a greater value means fewer alarms.
    """

    __test__ = False  # not a test case, whatever pytest thinks of the name
    model_config = ConfigDict(frozen=True, extra="forbid")
    tuned: ClassVar[str] = ""
    stricter: ClassVar[Literal["greater", "less"]] = "greater"
    grid: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Least and greatest value `tune` tries."""

    def retuned(self, **changes: Any) -> TestSettings:
        """The same settings with those fields changed, checked anew."""
        return type(self).model_validate({**self.model_dump(), **changes})


def step_of(series: Series) -> Step:
    """Whether buckets are days, weeks or months: by the first two, so that later ones cannot change the answer."""
    if len(series.buckets) < 2:
        return "day"
    days = (series.buckets[1] - series.buckets[0]).days
    return "day" if days < 5 else "week" if days < 21 else "month"


def chance_of(per_year: float, step: Step) -> float:
    """Probability of a false alarm in one bucket that gives `per_year` of them in a year of such buckets."""
    return min(0.5, per_year * DAYS[step] / YEAR)


def first_index(series: Series, since: date | None) -> int:
    """Index of the first bucket to be judged; buckets before it serve as baseline only."""
    if since is None:
        return 0
    return next((i for i, bucket in enumerate(series.buckets) if bucket >= since), len(series.buckets))


def known_value(series: Series, index: int) -> float | None:
    """The value of a bucket, None in a gap."""
    value = float(series.values[index])
    return None if math.isnan(value) else value


def skip(series: Series, index: int, why: str, **fields: Any) -> Judgement:
    """A bucket of which nothing can be said."""
    return Judgement(
        bucket=series.buckets[index], fired=False, value=known_value(series, index), n=int(series.n[index]),
        skipped=why, **fields,
    )  # fmt: skip


GAP = "gap: no crawl complete enough"
"""Reason given for a bucket without a value."""
