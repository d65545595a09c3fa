"""Surges of counts: EARS by hand, the negative binomial by scipy, gaps and differing exposure."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as h_settings
from hypothesis import strategies as st
from scipy import stats

from index.detect.exposure import effective_exposure
from index.detect.series import Series
from index.detect.surge import SurgeSettings, judge

START = date(2024, 1, 1)


def series(values: list[float], exposure: list[float] | None = None, step: int = 7) -> Series:
    counts = np.array(values, dtype=float)
    return Series(
        tuple(START + timedelta(days=step * number) for number in range(len(values))),
        counts,
        np.nan_to_num(counts).astype(np.int64),
        np.where(np.isnan(counts), 0.0, 1.0) if exposure is None else np.array(exposure, dtype=float),
    )


def quiet(count: int, mean: float = 6.0, seed: int = 1) -> list[float]:
    return [float(number) for number in np.random.default_rng(seed).poisson(mean, count)]


def test_ears_c2_by_hand() -> None:
    """Baseline 4 6 5 7 3 5 5: mean 5, standard deviation sqrt(10 / 6); two days of lag; 3 deviations as published."""
    published = SurgeSettings(
        method="ears-c2", threshold=3.0, poisson_floor=False, min_ratio=1.0, min_count=0.0, min_baseline=7, carry=False
    )
    rows = judge(series([4, 6, 5, 7, 3, 5, 5, 20, 30, 9], step=1), published)
    assert [row.skipped for row in rows[:9]] == ["no baseline yet"] * 9
    last = rows[9]
    deviation = (10 / 6) ** 0.5
    assert last.baseline == pytest.approx(5.0)
    assert last.notes["deviation"] == pytest.approx(deviation)
    assert last.high == pytest.approx(5 + 3 * deviation)
    assert last.score == pytest.approx(4 / deviation)
    assert last.fired  # 9 > 8.87, the outbreak of the two days before left out of the baseline
    assert not judge(series([4, 6, 5, 7, 3, 5, 5, 20, 30, 8], step=1), published)[9].fired


def test_ears_default_limit_is_students() -> None:
    settings = SurgeSettings(method="ears-c2", probability=0.002, min_ratio=1.0, min_count=0.0)
    row = judge(series([10, 20, 10, 20, 10, 20, 15, 15, 15, 16], step=1), settings)[9]
    assert row.high == pytest.approx(
        row.baseline + stats.t.ppf(0.998, 6) * np.sqrt(1 + 1 / 7) * float(row.notes["deviation"])
    )


def test_negative_binomial_bound_is_scipys_quantile() -> None:
    values = [4.0, 9, 2, 14, 7, 3, 11, 6, 5, 12, 2, 8, 4, 15, 6, 3]
    settings = SurgeSettings(
        spans=(1,), probability=0.01, min_ratio=1.0, min_count=0.0, min_dispersion=0.0, baseline=15, lag=0, carry=False
    )
    row = judge(series([*values[:15], 40.0]), settings)[15]
    assert row.fired
    # No count of this baseline is out of place, so the fit is that of the plain moments.
    counts = np.array(values[:15])
    mean = (counts.sum() + 0.5) / 15
    dispersion = (np.sum((counts - mean) ** 2) * 15 / 14 - 15 * mean) / (15 * mean**2)
    spread = dispersion + (mean + dispersion * mean**2) / (15 * mean**2)
    law = stats.nbinom(1 / spread, 1 / (1 + spread * mean))
    assert row.baseline == pytest.approx(mean)
    assert row.high == law.ppf(0.99)
    assert row.notes["probability"] == pytest.approx(law.sf(39), rel=1e-5)
    assert row.score == pytest.approx(-np.log10(law.sf(39)), rel=1e-5)


def test_high_is_the_greatest_value_that_does_not_fire() -> None:
    for last in range(40):
        row = judge(series([*quiet(40), 9.0, float(last)]), SurgeSettings())[-1]
        assert row.fired == (last > row.high), last


def test_a_surge_of_what_is_rare_shows_in_the_sum() -> None:
    values = [1.0, 0, 0, 1, 0, 0, 0] * 12
    surge = [1.0, 2, 1, 1, 2, 1, 2, 1, 1, 2, 1, 2, 2]
    one = judge(series(values + surge, step=1), SurgeSettings(spans=(1,)))
    sums = judge(series(values + surge, step=1), SurgeSettings())
    assert not any(row.fired for row in one)
    assert any(row.fired for row in sums[-13:])
    assert not any(row.fired for row in sums[:-13])


def test_more_crawls_are_no_surge() -> None:
    values = quiet(30) + quiet(10, 12.0, seed=2)
    same = judge(series(values), SurgeSettings())
    twice = judge(series(values, [1.0] * 30 + [2.0] * 10), SurgeSettings())
    assert any(row.fired for row in same[30:])
    assert not any(row.fired for row in twice)


def test_what_came_up_in_a_gap_is_no_surge() -> None:
    values = [*quiet(30), float("nan"), float("nan"), 19.0, 6.0]
    rows = judge(series(values), SurgeSettings())
    assert [row.skipped for row in rows[30:32]] == ["gap: no crawl complete enough"] * 2
    assert not rows[32].fired
    assert rows[32].notes["exposure"] == 3.0
    assert judge(series(values), SurgeSettings(carry=False))[32].fired  # the same count without a gap behind it


def test_a_gap_does_not_hide_a_surge_that_is_greater() -> None:
    assert judge(series([*quiet(30), float("nan"), 45.0]), SurgeSettings())[-1].fired


def test_owed_exposure() -> None:
    exposure = np.array([7.0, 7, 7, 0, 7, 7, 2, 7, 7, 0, 0, 0, 7])
    assert list(effective_exposure(exposure, True, 2)) == [7, 7, 7, 0, 14, 7, 7, 12, 7, 0, 0, 0, 21]
    assert list(effective_exposure(exposure, False, 2)) == list(exposure)


def settled(values: list[float], counts: list[float], days: list[float], crawls: list[float] | None = None) -> Series:
    plain = series(values, crawls, step=1)
    return replace(plain, settled=np.array(counts), settled_days=np.array(days))


def test_settled_counts_are_held_against_the_days_they_came_up_in() -> None:
    """A gap of eight days of which broken-off crawls saw 27 new listings, 8 more on the day after: 35 in nine days."""
    past = quiet(60, 4.0)
    gap = [float("nan")] * 8
    rows = judge(settled([*past, *gap, 8.0], [*past, *[0.0] * 8, 35.0], [*[1.0] * 60, *[0.0] * 8, 9.0]), SurgeSettings())
    assert not rows[-1].fired
    assert rows[-1].notes["exposure"] == 9.0
    assert rows[-1].notes["total"] >= 35
    many = judge(settled([*past, *gap, 8.0], [*past, *[0.0] * 8, 95.0], [*[1.0] * 60, *[0.0] * 8, 9.0]), SurgeSettings())
    assert many[-1].fired  # a surge while the crawls broke off: what was seen of it is not lost
    assert many[-1].value == 8.0
    assert many[-1].value > many[-1].high


def test_the_first_days_of_a_week_are_no_test_of_their_own() -> None:
    """Of a week two days were seen whole, with the births of a whole week; it is judged as a week."""
    weeks = quiet(40, 10.0)
    plain = series([*weeks, 9.0], [7.0] * 40 + [2.0])
    known = replace(plain, settled=np.array([*weeks, 9.0]), settled_days=np.array([7.0] * 40 + [2.0]))
    assert not judge(known, SurgeSettings())[-1].fired
    assert judge(known, SurgeSettings())[-1].baseline == pytest.approx(judge(known, SurgeSettings())[-2].baseline, rel=0.1)


def test_where_crawls_were_lost_more_evidence_is_asked() -> None:
    """The same counts with and without four failed days before them: the bound is higher after the loss."""
    past = quiet(90, 1.0)
    whole = settled([*past, *[1.0] * 10], [*past, *[1.0] * 10], [1.0] * 100)
    values, days, counts = [*past, *[1.0] * 10], [1.0] * 100, [*past, *[1.0] * 10]
    for at in (93, 94, 95, 96):
        values[at], days[at], counts[at] = float("nan"), 0.0, 0.0
    days[97], counts[97] = 5.0, 5.0
    lost = settled(values, counts, days)
    calm, strict = judge(whole, SurgeSettings(spans=(21,)))[-1], judge(lost, SurgeSettings(spans=(21,)))[-1]
    assert strict.notes["total"] == calm.notes["total"]
    assert strict.high > calm.high
    assert judge(lost, SurgeSettings(spans=(21,), after_loss=1.0))[-1].high == pytest.approx(calm.high, abs=1)


def missing(lost: list[int], count: int = 300, pace: float = 1.0) -> Series:
    """Days of `pace` new listings, and what came up in the lost ones on the first day seen after them."""
    gone = np.isin(np.arange(count), lost)
    days, waiting = np.zeros(count), 0.0
    for day in range(count):
        waiting += 1.0
        if not gone[day]:
            days[day], waiting = waiting, 0.0
    return settled(list(np.where(gone, np.nan, pace)), list(days * pace), list(days))


def is_strict(one: Series) -> bool:
    """Whether less than the usual chance is allowed in the last bucket."""
    usual = judge(one, SurgeSettings(spans=(21,), after_loss=1.0), one.buckets[-1])[0].high
    found = judge(one, SurgeSettings(spans=(21,)), one.buckets[-1])[0].high
    assert usual is not None
    assert found is not None
    return found > usual


@pytest.mark.parametrize("recent", [[], [280, 285, 290], [275, 280, 285, 290], [285, 286, 287, 288]])
def test_earlier_faults_do_not_say_what_is_lost_now(recent: list[int]) -> None:
    """Four of the newest five weeks' days are too many, whatever failed in the half year before them."""
    for earlier in ([], list(range(60, 260, 20)), list(range(150, 164)), list(range(100, 160, 2))):
        assert is_strict(missing(earlier + recent)) == (len(recent) >= 4), earlier


def test_another_plan_or_market_is_no_loss() -> None:
    assert not is_strict(missing(list(range(1, 299, 2))))  # crawled every second day
    one = missing([])
    assert one.settled is not None
    assert one.settled_days is not None
    grown = np.where(np.arange(300) < 280, 4.0, 5.0)  # a fifth market from day 280 on
    assert not is_strict(replace(one, settled=grown, settled_days=grown, exposure=grown))


@given(st.integers(0, 1000))
@h_settings(max_examples=20, deadline=None)
def test_settled_judgements_know_nothing_later(seed: int) -> None:
    dice = np.random.default_rng(seed)
    counts = dice.poisson(3.0, 90).astype(float)
    gone = dice.random(90) < 0.15
    days = np.where(gone, 0.0, dice.integers(1, 5, 90))
    whole = settled(list(np.where(gone, np.nan, counts)), list(np.where(gone, 0, counts)), list(days))
    cut = int(dice.integers(30, 89))
    assert whole.settled is not None
    assert whole.settled_days is not None
    part = Series(whole.buckets[:cut], whole.values[:cut], whole.n[:cut], whole.exposure[:cut],
                  whole.settled[:cut], whole.settled_days[:cut])  # fmt: skip
    assert judge(part, SurgeSettings()) == judge(whole, SurgeSettings())[:cut]
    assert judge(whole, SurgeSettings(), whole.buckets[cut]) == judge(whole, SurgeSettings())[cut:]


@pytest.mark.parametrize("step", [1, 7])
def test_a_past_surge_does_not_hide_the_next(step: int) -> None:
    """A substance of two listings a week that surged fourfold for three weeks in its baseline, seen day by day or week by
    week: rate and dispersion are about those of the same life without that surge."""
    dice, length = np.random.default_rng(11), 160 * 7
    found = []
    for _ in range(12):
        days = dice.poisson(2 / 7, length).astype(float)
        surged = days.copy()
        surged[-100:-79] += dice.poisson(6 / 7, 21)
        both = [series(list(one.reshape(-1, step).sum(axis=1)), step=step) for one in (days, surged)]
        rows = [judge(one, SurgeSettings(), one.buckets[-1])[0] for one in both]
        found.append([(float(row.notes["dispersion"]), float(row.notes["expected"])) for row in rows])
    (without, _), (with_one, _) = np.median(found, axis=0)
    assert without <= with_one < without + 0.1
    expected = np.array(found)[:, :, 1]
    assert np.median(expected[:, 1] / expected[:, 0]) < 1.15


def test_few_are_no_surge() -> None:
    rows = judge(series([0.0] * 20 + [3.0]), SurgeSettings())
    assert not rows[-1].fired
    assert judge(series([0.0] * 20 + [6.0]), SurgeSettings())[-1].fired


def test_friday_is_no_surge() -> None:
    dice = np.random.default_rng(4)
    means = np.where(np.arange(140) % 7 == 4, 14.0, 4.0)
    values = [float(number) for number in dice.poisson(means)]
    settings = SurgeSettings(spans=(1,), per_year=4.0)
    assert sum(row.fired for row in judge(series(values, step=1), settings)) <= 2
    assert sum(row.fired for row in judge(series(values, step=1), settings.retuned(weekday=False))) >= 2


def test_false_alarms_are_about_what_was_allowed() -> None:
    """Quiet overdispersed weeks, 400 years of them: single buckets fire at most as often as per_year says."""
    dice = np.random.default_rng(8)
    fired = judged = 0
    for _ in range(60):
        values = dice.negative_binomial(1 / 0.1, 1 / (1 + 0.1 * 8), size=160).astype(float)
        rows = judge(series(list(values)), SurgeSettings(per_year=1.0, spans=(1,)))
        fired += sum(row.fired for row in rows)
        judged += sum(row.skipped is None for row in rows)
    rate = fired / (judged * 7 / 365.25)
    assert 0.3 < rate < 1.5
