"""A threshold for a wanted number of false alarms a year, from the history a rule would have run on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from config.errors import UsageError
from index.detect.base import TestSettings
from index.detect.kinds import SeriesSettings, judge
from index.detect.scoring import AlarmRate, Period, false_alarm_rate, rate_of
from index.detect.series import Judgement, Series
from index.detect.threshold import ThresholdSettings

S = TypeVar("S", bound=TestSettings)
_STEPS = 14
"""Halvings of the range: finer than a history can tell."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What `tune` found. `rate` is of the history with the new settings, `before` with the old ones: per series and
    year, or what was asked of `tune_by`."""

    settings: TestSettings
    field: str
    value: float
    rate: AlarmRate
    before: AlarmRate
    reached: bool
    """False: even the strictest value tried gives more than was wanted, or no history was judged."""
    advice: str
    """One plain sentence."""


def pooled_rate(
    runs: Sequence[Sequence[Judgement]], events: Sequence[Sequence[Period]] | None = None,
    draw: np.random.Generator | None = None,
) -> AlarmRate:  # fmt: skip
    """Alarms a year over several series. Interval: Poisson; with `draw` and 8 series or more the wider of it and a
    bootstrap over series (2,000 draws), since one restless series may raise most alarms."""
    each = [
        false_alarm_rate(run, () if events is None else events[number]) for number, run in enumerate(runs)
    ]
    count, years = sum(row.alarms for row in each), sum(row.years for row in each)
    rate = rate_of(count, years)
    if draw is None or len(each) < 8 or years <= 0:
        return rate
    picks = draw.integers(0, len(each), size=(2000, len(each)))
    counts = np.array([row.alarms for row in each])[picks].sum(axis=1)
    spans = np.array([row.years for row in each])[picks].sum(axis=1)
    low, high = np.quantile(counts[spans > 0] / spans[spans > 0], [0.025, 0.975])
    return AlarmRate(count, years, rate.per_year, min(rate.low, float(low)), max(rate.high, float(high)))


def tune(
    series_list: Sequence[Series], settings: SeriesSettings, per_year: float = 1.0,
    events: Sequence[Sequence[Period]] | None = None, draw: np.random.Generator | None = None,
) -> Tuning:  # fmt: skip
    """The most sensitive value of the kind's main field with at most `per_year` false alarms per series and year.

    Judges the history again for each value tried (about 16 times). What happened in it counts as false alarm unless
    `events` (one list a series) says that it was real. Fields by kind: threshold above (or below), change percent,
    surge per_year, drift min_percent, down missed_crawls, quality jump. UsageError for a `per_year` not above nought.
    """
    return tune_by(lambda chosen: pooled_rate([judge(series, chosen) for series in series_list], events, draw),
                   settings, per_year, [series.values for series in series_list])  # fmt: skip


def tune_by(
    run: Callable[[S], AlarmRate], settings: S, per_year: float, levels: Sequence[np.ndarray] = ()
) -> Tuning:
    """`tune` for any test and any rate: `run` gives that of the history under settings."""
    if not per_year > 0:
        raise UsageError(f"A wanted rate of {per_year} false alarms a year cannot be reached.", remedy="Give 0.5, say.")
    field, (weak, strict), whole = _field_of(settings, levels)
    before = run(settings)
    low, high = 0.0, 1.0  # 0 the most sensitive, 1 the strictest

    def value_at(place: float) -> float:
        value = weak + (strict - weak) * place if weak <= 0 or strict <= 0 else weak * (strict / weak) ** place
        return float(round(value)) if whole else float(f"{value:.4g}")

    def rate_at(place: float) -> tuple[S, AlarmRate]:
        chosen = settings.retuned(**{field: int(value_at(place)) if whole else value_at(place)})
        assert isinstance(chosen, type(settings))
        return chosen, run(chosen)

    best, rate = rate_at(1.0)
    place, reached = 1.0, rate.per_year <= per_year
    if reached:
        for _ in range(_STEPS):
            middle = (low + high) / 2
            chosen, found = rate_at(middle)
            if found.per_year <= per_year:
                high, place, best, rate = middle, middle, chosen, found
            else:
                low = middle
            if value_at(low) == value_at(high):
                break
    value = value_at(place)
    advice = (
        f"{field}: {value:g} gives {rate.per_year:.2g} alarms a year on this history "
        f"(95 % interval {rate.low:.2g} to {rate.high:.2g}, from {rate.years:.1f} years)."
    )
    if math.isnan(rate.per_year):
        advice = "Nothing in this history could be judged: it is shorter than the baseline, or all gaps."
    elif not reached:
        advice += " Stricter values were not tried: the history may hold real events; name them, or watch longer."
    return Tuning(best, field, value, rate, before, reached, advice)


def _field_of(settings: TestSettings, levels: Sequence[np.ndarray]) -> tuple[str, tuple[float, float], bool]:
    """Name of the field to move, its most sensitive and strictest value, and whether it is a whole number."""
    if isinstance(settings, ThresholdSettings):
        known = np.concatenate([np.asarray(row, dtype=np.float64) for row in levels]) if levels else np.array([0.0])
        known = known[~np.isnan(known)]
        if not len(known):
            known = np.array([0.0])
        least, most = float(known.min()), float(known.max())
        if settings.above is not None:
            return "above", (least, most), False
        return "below", (most, least), False
    low, high = settings.grid
    whole = settings.tuned in ("missed_crawls", "confirm_buckets")
    return settings.tuned, ((low, high) if settings.stricter == "greater" else (high, low)), whole

