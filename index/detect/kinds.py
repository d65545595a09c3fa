"""All tests on a series by name: the settings as one closed union, and one call that runs whichever it is."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, TypeAdapter

from index.detect import change, down, drift, quality, surge, threshold
from index.detect.base import TestSettings
from index.detect.change import ChangeSettings
from index.detect.down import DownSettings
from index.detect.drift import DriftSettings
from index.detect.first import FirstSettings
from index.detect.quality import QualitySettings
from index.detect.series import Judgement, Series
from index.detect.surge import SurgeSettings
from index.detect.threshold import ThresholdSettings

SeriesSettings = (
    ThresholdSettings | ChangeSettings | SurgeSettings | DriftSettings | DownSettings | QualitySettings
)
"""Settings of the tests that read a Series."""
AnySettings = Annotated[
    ThresholdSettings | ChangeSettings | SurgeSettings | DriftSettings | DownSettings | QualitySettings | FirstSettings,
    Field(discriminator="kind"),
]
"""A field of a rule: `kind` says which test, unknown fields fail."""
SETTINGS: dict[str, type[TestSettings]] = {
    "threshold": ThresholdSettings, "change": ChangeSettings, "surge": SurgeSettings, "drift": DriftSettings,
    "first": FirstSettings, "down": DownSettings, "quality": QualitySettings,
}  # fmt: skip
"""Settings by kind."""
COUNT_KINDS = ("threshold", "change", "surge")
"""Kinds that, on counts, must never fire because a crawl failed."""

_ADAPTER: TypeAdapter[
    ThresholdSettings | ChangeSettings | SurgeSettings | DriftSettings | DownSettings | QualitySettings | FirstSettings
] = TypeAdapter(AnySettings)


def parse_settings(data: object) -> SeriesSettings | FirstSettings:
    """Settings from a mapping with `kind`. pydantic.ValidationError says which field is wrong."""
    return _ADAPTER.validate_python(data)


def judge(series: Series, settings: SeriesSettings, since: date | None = None) -> list[Judgement]:
    """Judgements of every bucket from `since` on (None: all), each from that bucket and earlier ones alone.

    First appearance has sets of values instead of numbers: see `first.judge`.
    """
    match settings:
        case ThresholdSettings():
            return threshold.judge(series, settings, since)
        case ChangeSettings():
            return change.judge(series, settings, since)
        case SurgeSettings():
            return surge.judge(series, settings, since)
        case DriftSettings():
            return drift.judge(series, settings, since)
        case DownSettings():
            return down.judge(series, settings, since)
        case QualitySettings():
            return quality.judge(series, settings, since)
