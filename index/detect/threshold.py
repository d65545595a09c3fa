"""Threshold: above or below a fixed value for some buckets in a row."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from index.detect.base import GAP, TestSettings, first_index, known_value, skip
from index.detect.series import Judgement, Series


class ThresholdSettings(TestSettings):
    """Fires in every bucket that ends a run of `buckets` known values outside of the bounds."""

    kind: Literal["threshold"] = "threshold"
    above: float | None = Field(None, description="Fires above this value, in the unit of the measure.")
    below: float | None = Field(None, description="Fires below this value, in the unit of the measure.")
    buckets: int = Field(1, ge=1, le=60, description="So many known buckets in a row must be outside.")
    gap_breaks: bool = Field(
        False, description="A gap ends the run. Otherwise it is stepped over: it says neither yes nor no."
    )

    @model_validator(mode="after")
    def _has_a_bound(self) -> ThresholdSettings:
        if self.above is None and self.below is None:
            raise ValueError("a threshold needs 'above' or 'below'")
        if self.above is not None and self.below is not None and self.below > self.above:
            raise ValueError("'below' must not be greater than 'above': every value would fire")
        return self

    tuned: ClassVar[str] = "above"


def judge(series: Series, settings: ThresholdSettings, since: date | None = None) -> list[Judgement]:
    """One judgement a bucket from `since` on. `score`: how many known buckets in a row have been outside."""
    start = first_index(series, since)
    rows: list[Judgement] = []
    run, side = 0, ""
    for index, bucket in enumerate(series.buckets):
        value = known_value(series, index)
        if value is None:
            run = 0 if settings.gap_breaks else run
            if index >= start:
                rows.append(skip(series, index, GAP))
            continue
        high = settings.above is not None and value > settings.above
        low = settings.below is not None and value < settings.below
        now = "above" if high else "below" if low else ""
        run, side = (run + 1 if now == side else 1) if now else 0, now
        if index >= start:
            fired = run >= settings.buckets
            rows.append(
                Judgement(
                    bucket=bucket, fired=fired, value=value, low=settings.below, high=settings.above, score=float(run),
                    n=int(series.n[index]), notes={"side": side} if side else {},
                )
            )
    return rows
