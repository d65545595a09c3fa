"""Surge: more counts than the trailing baseline lets expect, given the exposure.

Two methods. `nb`: a negative binomial with the baseline's rate and dispersion; the bound is the quantile of the next
count (and of the sum of the last few: a surge of what is rare shows in no single day), with what is not known of the
rate added to its variance. Past surges are weighted down as in Noufaily et al. 2013 (Statistics in Medicine 32:
1206-1222), there is no trend (Farrington et al. 1996 test for one; ours is off). `ears-c2`: mean and standard
deviation of 7 buckets with a lag of 2 (Hutwagner, Thompson, Seeman & Treadwell 2003, Journal of Urban Health 80:
i89-i96).
"""

from __future__ import annotations

import math
from datetime import date
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from index.detect.base import GAP, Floats, Step, TestSettings, chance_of, first_index, known_value, skip, step_of
from index.detect.dispersion import Rate, fit_rate
from index.detect.distributions import count_bound, count_tail, student_quantile
from index.detect.exposure import baseline_exposure, effective_exposure
from index.detect.series import Judgement, Series

_BASELINES: dict[Step, tuple[int, int, int]] = {"day": (70, 7, 28), "week": (26, 1, 8), "month": (18, 1, 8)}
"""Length, lag and least known buckets."""
_SPANS: dict[Step, tuple[int, ...]] = {"day": (1, 7, 14), "week": (1, 2, 3), "month": (1,)}
_MEMORY: dict[Step, int] = {"day": 45, "week": 8, "month": 2}
"""What came up in a longer gap has mostly gone again before anybody looks."""


class SurgeSettings(TestSettings):
    """Fires where a count is above the upper prediction bound and at least `min_count`."""

    kind: Literal["surge"] = "surge"
    method: Literal["nb", "ears-c2"] = Field("nb", description="Negative binomial, or EARS C2.")
    per_year: float = Field(
        1.0, gt=0, description="False alarms a year to allow: sets the probability where that is not given."
    )
    probability: float | None = Field(
        None, gt=0, lt=0.5, description="Chance of a false alarm in one bucket. None: from per_year and bucket length."
    )
    baseline: int | None = Field(
        None, ge=4, description="Buckets of the baseline. None: 70 days, 26 weeks, 18 months; 7 for ears-c2."
    )
    spans: tuple[int, ...] | None = Field(
        None, min_length=1, max_length=4,
        description="So many newest buckets are added up and judged, each sum with its part of the probability (nb). "
        "None: 1, 7 and 14 days, 1 to 3 weeks, 1 month.",
    )  # fmt: skip
    lag: int | None = Field(
        None, ge=0, description="Buckets between baseline and bucket. None: 7 days, 1 week, 1 month; 2 for ears-c2."
    )
    min_baseline: int | None = Field(
        None, ge=3, description="Known baseline buckets needed. None: 28 days, 8 weeks, 8 months; 5 for ears-c2."
    )
    min_count: float = Field(4.0, ge=0, description="Least count that may fire.")
    min_ratio: float = Field(1.3, ge=1, description="Least count over what was expected: smaller surges do not fire.")
    dispersion: Literal["moment", "ml"] = Field("moment", description="How the dispersion is estimated (nb).")
    min_dispersion: float = Field(
        0.02, ge=0, description="Least dispersion (nb): vendors post in batches, and few buckets show it too late."
    )
    weekday: bool = Field(True, description="Daily buckets: expect each day of the week by itself (nb).")
    carry: bool = Field(
        True, description="What came up in a gap is first seen after it. Off for counts that do not pile up."
    )
    threshold: float | None = Field(
        None, gt=0, description="ears-c2: standard deviations (3 as published). None: Student's quantile for per_year."
    )
    poisson_floor: bool = Field(
        True, description="ears-c2: standard deviation at least that of a Poisson count. Off as published."
    )

    tuned: ClassVar[str] = "per_year"
    stricter: ClassVar[Literal["greater", "less"]] = "less"
    grid: ClassVar[tuple[float, float]] = (1e-6, 50.0)


def judge(series: Series, settings: SurgeSettings, since: date | None = None) -> list[Judgement]:
    """One judgement a bucket from `since` on; `values` are counts.

    `baseline`, `high`: what this bucket was expected to hold, and the most it could have held without firing, the
    buckets before it being what they were. `score`: -log10 of the least tail probability (nb) or standard deviations
    above the mean (ears-c2). Notes: exposure; span, total and expected (of the sum that is most surprising),
    probability, dispersion (nb); deviation (ears-c2).
    """
    step = step_of(series)
    ears = settings.method == "ears-c2"
    usual = (7, 2, 5) if ears else _BASELINES[step]
    length = settings.baseline or usual[0]
    lag = usual[1] if settings.lag is None else settings.lag
    least = settings.min_baseline or min(usual[2], length)
    chance = settings.probability or chance_of(settings.per_year, step)
    values = series.values
    own = np.where(np.isnan(values), 0.0, series.exposure)
    exposure = effective_exposure(own, settings.carry, _MEMORY[step])
    past = baseline_exposure(own, exposure) if settings.carry else own
    weekdays = np.array([bucket.weekday() for bucket in series.buckets])
    by_weekday = settings.weekday and step == "day" and not ears
    spans = settings.spans or _SPANS[step]
    rows: list[Judgement] = []
    for index in range(first_index(series, since), len(series.buckets)):
        value = known_value(series, index)
        if value is None or exposure[index] <= 0:
            rows.append(skip(series, index, GAP))
            continue
        end = max(0, index - lag)
        begin = max(0, end - length)
        chosen = begin + np.flatnonzero(past[begin:end] > 0)
        if len(chosen) < least:  # rather a restless baseline than none
            chosen = begin + np.flatnonzero(own[begin:end] > 0)
        if len(chosen) < least:
            rows.append(skip(series, index, "no baseline yet"))
            continue
        counts, seen = values[chosen], np.where(past[chosen] > 0, past[chosen], own[chosen])
        if ears:
            rows.append(_judge_ears(series, settings, index, counts / seen * exposure[index], chance, exposure[index]))
            continue
        rate = fit_rate(
            counts, seen, settings.dispersion, settings.min_dispersion, weekdays[chosen] if by_weekday else None
        )
        rows.append(_judge_nb(series, settings, index, rate, chance, exposure, weekdays, spans))
    return rows


def _judge_nb(
    series: Series, settings: SurgeSettings, index: int, rate: Rate, chance: float, exposure: Floats,
    weekdays: NDArray[np.int64], spans: tuple[int, ...],
) -> Judgement:  # fmt: skip
    value = float(series.values[index])
    expected = rate.mean(exposure[index], int(weekdays[index]))
    high, best = math.inf, (2.0, 1, 0.0, 0.0)
    # The sums overlap, so three of them are worth fewer than three tests.
    share = chance / math.sqrt(len(spans))
    for span in spans:
        places = [place for place in range(max(0, index + 1 - span), index + 1) if exposure[place] > 0]
        total = float(series.values[places].sum())
        means = [rate.mean(exposure[place], int(weekdays[place])) for place in places]
        mean = sum(means)
        # Independent buckets: dispersion * sum(m^2) is the excess variance of a sum. What wanders for longer than a
        # bucket does not average out: hence the least dispersion.
        dispersion = max(rate.dispersion * sum(m * m for m in means) / (mean * mean), settings.min_dispersion)
        spread = dispersion + rate.uncertainty
        tail = count_tail(total, mean, spread)
        bound = max(
            float(count_bound(share, mean, spread)), settings.min_ratio * mean, settings.min_count - 1e-9
        )
        high = min(high, bound - (total - value))
        best = min(best, (tail, span, total, mean))
    return Judgement(
        bucket=series.buckets[index], fired=value > high, value=value, baseline=expected, low=0.0, high=max(high, 0.0),
        score=-math.log10(max(best[0], 1e-300)), n=int(series.n[index]),
        notes={
            "probability": best[0], "span": float(best[1]), "total": best[2], "expected": best[3],
            "exposure": exposure[index], "dispersion": rate.dispersion,
        },
    )  # fmt: skip


def _judge_ears(
    series: Series, settings: SurgeSettings, index: int, scaled: Floats, chance: float, exposure: float
) -> Judgement:
    """`scaled`: the baseline's counts brought to the exposure of the bucket judged."""
    value, count = float(series.values[index]), len(scaled)
    mean, deviation = float(np.mean(scaled)), float(np.std(scaled, ddof=1))
    if settings.poisson_floor:
        deviation = max(deviation, math.sqrt(max(mean, 0.25)))
    limit = settings.threshold
    if limit is None:  # the mean of few buckets is uncertain too
        limit = student_quantile(1 - chance, count - 1) * math.sqrt(1 + 1 / count)
    high = max(mean + limit * deviation, settings.min_ratio * mean, settings.min_count - 1e-9)
    score = (value - mean) / deviation if deviation > 0 else math.inf if value > mean else 0.0
    return Judgement(
        bucket=series.buckets[index], fired=value > high, value=value, baseline=mean, low=0.0, high=high, score=score,
        n=int(series.n[index]),
        notes={"deviation": deviation, "exposure": exposure},
    )  # fmt: skip
