"""Threshold: above or below a fixed value for some buckets in a row.

A week of which two days were seen may be beyond a bound where the whole week is not. So a bucket with less exposure
than usual is beyond only if it would still be with the rest as the known bucket before it; else nothing is said of it.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal

import numpy as np
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
        False, description="Any gap ends the run. Otherwise one of up to `buckets` buckets is stepped over: it says "
        "neither yes nor no; a longer one ends the run."
    )  # fmt: skip

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
    run, side, gap = 0, "", 0
    before: float | None = None
    crawled = series.exposure > 0
    for index, bucket in enumerate(series.buckets):
        value = known_value(series, index)
        why = GAP
        now = ""
        if value is not None:
            high = settings.above is not None and value > settings.above
            low = settings.below is not None and value < settings.below
            now = "above" if high else "below" if low else ""
            if now:
                least, most = _whole(series, index, value, value if before is None else before, crawled)
                if not ((high and least > (settings.above or 0.0)) or (low and most < (settings.below or 0.0))):
                    why, now = SHORT, "unknown"
            before = value
        if value is None or now == "unknown":
            gap += 1
            if settings.gap_breaks or gap > settings.buckets:
                run, side = 0, ""
            if index >= start:
                rows.append(skip(series, index, why))
            continue
        gap = 0
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


SHORT = "seen in part: the days not seen could undo it"
"""Reason given for a bucket beyond a bound of which too little was seen."""
_USUAL = 30
"""Known buckets of which the usual exposure is the median."""


def _whole(
    series: Series, index: int, value: float, before: float, crawled: np.ndarray
) -> tuple[float, float]:
    """The least and most that the bucket would have shown if all of it had been seen, the days not seen being as the
    bucket before. Sums (counts that gather, known by `settled`) lack what was not seen; means do not."""
    known = np.flatnonzero(crawled[: index + 1])[-_USUAL:]
    usual = float(np.median(series.exposure[known])) if len(known) else 0.0
    missing = max(0.0, 1.0 - float(series.exposure[index]) / usual) if usual > 0 else 0.0
    if series.settled is None or series.settled_days is None:
        rest = value * (1 - missing)
        return min(value, rest + before * missing), max(value, rest + before * missing)
    days, unit = float(series.settled_days[index]), float(np.median(series.settled_days[known])) if len(known) else 0.0
    # What came up in a gap stands in the bucket after it.
    share = float(series.settled[index]) * unit / days if days > unit else value
    return min(value, share), value + max(value, before) * missing
