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
from index.detect.exposure import Births, count_births
from index.detect.series import Judgement, Series

_BASELINES: dict[Step, tuple[int, int, int]] = {"day": (180, 21, 28), "week": (40, 3, 8), "month": (18, 1, 8)}
"""Length, lag and least known buckets. The lag keeps a surge of the longest span out of its own baseline."""
_SPANS: dict[Step, tuple[int, ...]] = {"day": (1, 7, 14, 21), "week": (1, 2, 3), "month": (1,)}
_WORTH: dict[Step, float] = {"day": 3.0, "week": 1.5, "month": 1.0}
"""Tests that so many overlapping sums are worth, as simulated: the chance is divided by it."""
_MEMORY: dict[Step, int] = {"day": 45, "week": 8, "month": 2}
"""What came up in a longer gap has mostly gone again before anybody looks."""
_LONGEST: dict[Step, int] = {"day": 14, "week": 3, "month": 2}
"""What came up in a longer gap is no part of a baseline."""
_RECENT: dict[Step, int] = {"day": 35, "week": 5, "month": 1}
"""Newest buckets in which lost crawls make what is known coarser: the longest span and two weeks more."""
_LOST = 0.11
"""Share of the crawls of those buckets: four days of five weeks."""


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
        None, ge=4, description="Buckets of the baseline. None: 180 days, 40 weeks, 18 months; 7 for ears-c2."
    )
    spans: tuple[int, ...] | None = Field(
        None, min_length=1, max_length=4,
        description="So many newest buckets are added up and judged, each sum with its part of the probability (nb). "
        "None: 1, 7, 14 and 21 days, 1 to 3 weeks, 1 month.",
    )  # fmt: skip
    lag: int | None = Field(
        None, ge=0, description="Buckets between baseline and bucket. None: 21 days, 3 weeks, 1 month; 2 for ears-c2."
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
    after_loss: float = Field(
        0.1, gt=0, le=1,
        description="Chance of a false alarm, in parts of the usual one, where crawls that failed or broke off lost a "
        "ninth or more of the newest five weeks: what is known is coarser then (nb, with carry).",
    )  # fmt: skip
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
    births = count_births(series, settings.carry, _MEMORY[step], settled=not ears)
    weekdays = np.array([bucket.weekday() for bucket in series.buckets])
    by_weekday = settings.weekday and step == "day" and not ears
    spans = settings.spans or _SPANS[step]
    # The sums overlap, so several of them are worth fewer than so many tests.
    share = chance / (math.sqrt(len(spans)) if settings.spans else _WORTH[step])
    rows: list[Judgement] = []
    for index in range(first_index(series, since), len(series.buckets)):
        value = known_value(series, index)
        if value is None or births.judged[index] <= 0:
            rows.append(skip(series, index, GAP))
            continue
        end = max(0, index - lag)
        begin = max(0, end - length)
        chosen, seen = births.baseline(begin, end, least, _LONGEST[step])
        if len(chosen) < least:
            rows.append(skip(series, index, "no baseline yet"))
            continue
        counts = births.counts[chosen]
        if ears:
            exposure = float(births.judged[index])
            rows.append(_judge_ears(series, settings, index, counts / seen * exposure, chance, exposure))
            continue
        unit = births.unit(begin, end)
        rate = fit_rate(
            counts, seen / unit, settings.dispersion, settings.min_dispersion,
            weekdays[chosen] if by_weekday else None, spans,
        )  # fmt: skip
        strict = settings.carry and births.lost(max(*spans, _RECENT[step]), length, index) >= _LOST
        allowed = share * settings.after_loss if strict else share
        rows.append(_judge_nb(series, settings, index, rate, allowed, births, unit, weekdays, spans, _MEMORY[step]))
    return rows


def _judge_nb(
    series: Series, settings: SurgeSettings, index: int, rate: Rate, chance: float, births: Births, unit: float,
    weekdays: NDArray[np.int64], spans: tuple[int, ...], memory: int,
) -> Judgement:  # fmt: skip
    """`chance`: of each sum. `unit`: exposure of a usual bucket. `memory`: so many of them a bucket may hold."""
    value = float(series.values[index])
    longest = max(spans)
    start = max(0, index + 1 - longest)
    exposure = np.minimum(births.judged[start : index + 1] / unit, memory)
    # A block of several days has no day of the week.
    means = np.array([
        rate.mean(amount, int(day)) if amount < 1.45 else rate.rate * amount
        for amount, day in zip(exposure, weekdays[start : index + 1], strict=True)
    ])  # fmt: skip
    blocks = np.maximum(exposure, 1.0)
    # Of a bucket seen in part the rest is still to come. It is judged as if it were whole, or the first days of a week
    # would be a test of their own, to which whole weeks are never put.
    rest = rate.rate * max(0.0, 1.0 - float(exposure[-1])) if births.settled else 0.0
    expected = float(means[-1]) + rest
    high, best = math.inf, (2.0, 1, 0.0, 0.0)
    for span in spans:
        total = float(births.counts[start : index + 1][-span:].sum())
        chosen = means[-span:]
        mean = float(chosen.sum()) + rest
        # Independent buckets: dispersion * sum(m^2) is the excess variance of a sum. What wanders for longer than a
        # bucket does not average out: hence the least dispersion.
        squares = float(np.sum(chosen * chosen / blocks[-span:])) + rest * rest
        spread = max(rate.dispersion * squares / (mean * mean), settings.min_dispersion) + rate.uncertainty
        tail = count_tail(total, mean, spread)
        bound = max(
            float(count_bound(chance, mean, spread)), settings.min_ratio * mean, settings.min_count - 1e-9
        )
        high = min(high, bound - (total - value))
        best = min(best, (tail, span, total, mean))
    return Judgement(
        bucket=series.buckets[index], fired=value > high, value=value, baseline=expected, low=0.0, high=max(high, 0.0),
        score=-math.log10(max(best[0], 1e-300)), n=int(series.n[index]),
        notes={
            "probability": best[0], "span": float(best[1]), "total": best[2], "expected": best[3],
            "exposure": float(births.judged[index]), "dispersion": rate.dispersion,
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
