"""Threshold: above or below a fixed value for some buckets in a row.

The mean of a week in which a market collapses is half of before, and is known to be low a week late. So of what stands
(`Series.latest`) a bucket is beyond a bound too if its last complete crawl is.

A week of which two days were seen may be beyond a bound where the whole week is not. So a bucket with less exposure
than usual is beyond only if it would still be with the rest as the buckets before it were at most; and by its last
crawl only if no more than three tenths of it were missed; of what stands, either by more than chance. Else nothing is
said of it.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from index.detect.base import GAP, TestSettings, first_index, known_value, skip
from index.detect.exposure import HARMLESS, missing_share, slack, usual_amount
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
    """One judgement a bucket from `since` on. `score`: how many known buckets in a row have been outside. `value`: the
    one that is outside, where it is the last crawl's; notes: side, and crawl ("last") then."""
    start = first_index(series, since)
    rows: list[Judgement] = []
    run, side, gap = 0, "", 0
    for index, bucket in enumerate(series.buckets):
        value = known_value(series, index)
        why = GAP
        now, notes = "", {}
        if value is not None:
            now = _side(settings, value)
            sure = bool(now) and _stays(series, index, settings, now)
            if not sure and series.latest is not None and (end := _side(settings, float(series.latest[index]))):
                value, notes = float(series.latest[index]), {"crawl": "last"}
                now, sure = end, _lasts(series, index, settings, end)
            if now and not sure:
                why, now = SHORT, "unknown"
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
                    n=int(series.n[index]), notes={"side": side, **notes} if side else {},
                )
            )
    return rows


SHORT = "seen in part: the days not seen could undo it"
"""Reason given for a bucket beyond a bound of which too little was seen."""
_BEFORE = 4
"""Known buckets before a bucket seen in part that say what the days not seen may have been like."""


def _side(settings: ThresholdSettings, value: float) -> str:
    if settings.above is not None and value > settings.above:
        return "above"
    return "below" if settings.below is not None and value < settings.below else ""


def _lasts(series: Series, index: int, settings: ThresholdSettings, side: str) -> bool:
    """Whether the count of the last crawl stands for a bucket's end: of days not seen it may not be the last."""
    assert series.latest is not None
    count = float(series.latest[index])
    strays = slack(series, index, count)
    return missing_share(series, index) <= HARMLESS and (
        _side(settings, count + strays if side == "below" else count - strays) == side
    )


def _stays(series: Series, index: int, settings: ThresholdSettings, side: str) -> bool:
    """Whether a bucket would be beyond the bound if all of it had been seen, the days not seen being as the buckets
    before it were at most (at least, above a bound). Sums (counts that gather, known by `settled`) lack what was not
    seen; means do not."""
    value, missing = float(series.values[index]), missing_share(series, index)
    earlier = series.values[:index][~np.isnan(series.values[:index])][-_BEFORE:]
    if series.settled is None or series.settled_days is None:
        strays = slack(series, index, value)
        value = value + strays if side == "below" else value - strays
        rest = value if not len(earlier) else float(earlier.min() if side == "above" else earlier.max())
        return _side(settings, value * (1 - missing) + rest * missing) == side
    if side == "below":
        return _side(settings, value + max([value, *earlier.tolist()]) * missing) == side
    # What came up in a gap stands in the bucket after it.
    days, unit = float(series.settled_days[index]), usual_amount(series, index, series.settled_days)
    return _side(settings, float(series.settled[index]) * unit / days if days > unit else value) == side
