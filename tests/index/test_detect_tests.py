"""Every kind of test: what it fires on, what it leaves alone, and that it knows nothing later than its bucket."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from index.detect.baseline import Baseline, Window
from index.detect.change import ChangeSettings
from index.detect.down import DownSettings
from index.detect.drift import DriftSettings, limit_variance, smoothing_weights
from index.detect.kinds import SETTINGS, SeriesSettings, judge, parse_settings
from index.detect.noise import Noise, estimate_noise
from index.detect.quality import QualitySettings
from index.detect.series import Judgement, Series
from index.detect.surge import SurgeSettings
from index.detect.threshold import ThresholdSettings

START = date(2024, 1, 1)
GAP = float("nan")


def series(values: Any, step: int = 7, n: int = 40, exposure: Any = None) -> Series:
    known = np.array(values, dtype=float)
    seen = np.where(np.isnan(known), 0.0, 1.0) if exposure is None else np.array(exposure, dtype=float)
    return Series(
        tuple(START + timedelta(days=step * number) for number in range(len(known))),
        known, np.where(np.isnan(known), 0, n), seen,
    )  # fmt: skip


def prices(count: int, sigma: float = 0.03, seed: int = 1) -> np.ndarray:
    return 50 * np.exp(np.random.default_rng(seed).normal(0, sigma, count))


def fired(rows: list[Judgement]) -> list[int]:
    return [number for number, row in enumerate(rows) if row.fired]


ALL: list[SeriesSettings] = [
    ThresholdSettings(above=30, buckets=2), ChangeSettings(), ChangeSettings(average="mean", scale="linear"),
    SurgeSettings(), SurgeSettings(method="ears-c2"), SurgeSettings(dispersion="ml", carry=False),
    DriftSettings(), DriftSettings(scale="linear", span=6), DownSettings(), QualitySettings(most=0.5),
]  # fmt: skip


@pytest.mark.parametrize("chosen", ALL, ids=lambda one: f"{one.kind}-{ALL.index(one)}")
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_nothing_later_is_known(chosen: SeriesSettings, data: st.DataObject) -> None:
    step = data.draw(st.sampled_from([1, 7, 30]))
    seed = data.draw(st.integers(0, 10_000))
    dice = np.random.default_rng(seed)
    values = dice.poisson(dice.uniform(0.5, 40), 110).astype(float)
    values[dice.random(110) < 0.1] = np.nan
    if chosen.kind == "quality":
        values = np.clip(values / 50, 0, 1)
    whole = series(values, step=step, n=30, exposure=np.where(np.isnan(values), 0, dice.integers(1, 8, 110)))
    cut = data.draw(st.integers(2, 109))
    part = Series(whole.buckets[:cut], whole.values[:cut], whole.n[:cut], whole.exposure[:cut])
    rows = judge(whole, chosen)
    assert len(rows) == 110
    assert judge(part, chosen) == rows[:cut]
    assert judge(whole, chosen, since=whole.buckets[cut]) == rows[cut:]


@pytest.mark.parametrize("chosen", [*ALL[:7], ALL[9]], ids=lambda one: f"{one.kind}-{ALL.index(one)}")
def test_a_gap_is_neither_a_fall_nor_quiet(chosen: SeriesSettings) -> None:
    values = prices(80) / 100 if chosen.kind == "quality" else prices(80)
    values[60:63] = np.nan
    rows = judge(series(values), chosen)
    assert [row.skipped for row in rows[60:63]] == ["gap: no crawl complete enough"] * 3
    assert all(row.value is None and not row.fired for row in rows[60:63])


def test_settings_are_closed_and_described() -> None:
    for kind, model in SETTINGS.items():
        assert all(field.description for name, field in model.model_fields.items() if name != "kind"), kind
    with pytest.raises(ValidationError, match="pervent"):
        parse_settings({"kind": "change", "pervent": 10})
    assert parse_settings({"kind": "change", "percent": 10}) == ChangeSettings(percent=10)
    with pytest.raises(ValidationError, match="needs 'above' or 'below'"):
        ThresholdSettings()
    with pytest.raises(ValidationError, match="every value would fire"):
        QualitySettings(least=0.9, most=0.1)


def test_threshold_counts_known_buckets_in_a_row() -> None:
    values = [1, 9, 1, 9, GAP, 9, 9, 1]
    assert fired(judge(series(values), ThresholdSettings(above=5, buckets=3))) == [6]
    assert fired(judge(series(values), ThresholdSettings(above=5, buckets=3, gap_breaks=True))) == []
    assert fired(judge(series(values), ThresholdSettings(below=5))) == [0, 2, 7]
    assert fired(judge(series([9, 1, 9]), ThresholdSettings(above=5, below=2, buckets=2))) == []  # two sides, no run


def test_a_long_gap_ends_a_run() -> None:
    """One low day before a spell of broken-off crawls and one after it are no two days in a row."""
    chosen = ThresholdSettings(below=5, buckets=2)
    assert fired(judge(series([9, 1, GAP, GAP, 1, 9], step=1), chosen)) == [4]
    assert fired(judge(series([9, 1, GAP, GAP, GAP, 1, 9], step=1), chosen)) == []
    assert fired(judge(series([9, 1, GAP, GAP, GAP, 1, 1], step=1), chosen)) == [6]


def test_days_not_seen_could_undo_it() -> None:
    """Weeks of 20 listings, then one of which two days of seven were seen: five days of 20 more make it (2 * 4 + 5 * 20) / 7."""
    exposure = [7.0] * 8 + [2.0, 7.0]
    rows = judge(series([20.0] * 8 + [4.0, 4.0], exposure=exposure), ThresholdSettings(below=10))
    assert fired(rows) == [9]
    assert rows[8].skipped == "seen in part: the days not seen could undo it"
    assert fired(judge(series([20.0] * 8 + [4.0, 4.0], exposure=exposure), ThresholdSettings(below=16))) == [8, 9]
    assert fired(judge(series([20.0] * 8 + [40.0, 40.0], exposure=exposure), ThresholdSettings(above=30))) == [9]
    # seen in part like every week: that is what the market's weeks are
    assert fired(judge(series([20.0] * 8 + [4.0], exposure=[2.0] * 9), ThresholdSettings(below=10))) == [8]


def test_a_market_that_falls_within_the_week_is_low_at_its_end() -> None:
    """Weeks of 20 listings, one whose mean is 14 and whose last crawl saw 4, and one that came back before its end."""
    weeks = [20.0] * 8 + [14.0, 20.0, 8.0]
    plain = series(weeks, exposure=[7.0] * 11)
    known = replace(plain, latest=np.array([20.0] * 8 + [4.0, 20.0, 20.0]))
    rows = judge(known, ThresholdSettings(below=10))
    assert fired(rows) == [8, 10]  # the mean of the last is low enough, whatever its last crawl saw
    assert (rows[8].value, rows[8].notes) == (4.0, {"side": "below", "crawl": "last"})
    assert (rows[10].value, rows[10].notes) == (8.0, {"side": "below"})
    assert fired(judge(plain, ThresholdSettings(below=10))) == [10]


@pytest.mark.parametrize(("days", "fires"), [(7.0, True), (5.0, True), (4.0, False)])
def test_the_last_crawl_does_not_speak_for_a_week_half_seen(days: float, fires: bool) -> None:
    weeks = series([20.0] * 8 + [14.0], exposure=[7.0] * 8 + [days])
    rows = judge(replace(weeks, latest=np.array([20.0] * 8 + [4.0])), ThresholdSettings(below=10))
    assert rows[8].fired is fires
    assert rows[8].skipped == (None if fires else "seen in part: the days not seen could undo it")


def test_after_lost_crawls_a_count_must_be_beyond_by_more_than_chance() -> None:
    """9 is below 10, but not 9 + 3; five weeks after the loss it is enough again, as 5 is at once."""
    lost = [7.0] * 8 + [1.0, 7.0, 7.0, 7.0, 7.0, 7.0]
    for value, fires in ((9.0, [13]), (5.0, [9, 10, 11, 12, 13])):
        weeks = series([20.0] * 9 + [value] * 5, exposure=lost)
        known = replace(weeks, latest=weeks.values)
        assert fired(judge(known, ThresholdSettings(below=10))) == fires
        assert fired(judge(weeks, ThresholdSettings(below=10))) == [9, 10, 11, 12, 13]  # no count that stands


def test_the_days_not_seen_may_have_been_as_the_best_of_the_weeks_before() -> None:
    exposure = [7.0] * 8 + [5.0]
    near = [20.0] * 5 + [20.0, 9.0, 11.0, 7.0]
    # (5 * 7 + 2 * 20) / 7 is not below 10, though (5 * 7 + 2 * 11) / 7 would be
    assert fired(judge(series(near, exposure=exposure), ThresholdSettings(below=10))) == [6]


def test_sums_lack_what_was_not_seen_and_show_it_later() -> None:
    weeks = series([20.0] * 8 + [6.0, 34.0, 41.0, 8.0], exposure=[7.0] * 8 + [2.0, 5.0, 7.0, 7.0])
    known = replace(
        weeks, settled=np.array([20.0] * 8 + [6.0, 34.0, 41.0, 8.0]),
        settled_days=np.array([7.0] * 8 + [2.0, 12.0, 7.0, 7.0]),
    )
    assert fired(judge(known, ThresholdSettings(below=10))) == [11]  # 6 in two days are many
    assert fired(judge(known, ThresholdSettings(above=30))) == [10]  # 34 in twelve days are not


def test_change_finds_a_step_and_says_how_far() -> None:
    values = prices(60)
    values[40:] *= 1.5
    rows = judge(series(values), ChangeSettings())
    assert fired(rows)[0] == 40
    assert rows[40].baseline == pytest.approx(np.median(values[29:39]))  # ten weeks that end one week before
    assert float(rows[40].notes["percent"]) == pytest.approx(100 * (values[40] / rows[40].baseline - 1))
    assert not fired(judge(series(values), ChangeSettings(direction="down")))
    assert fired(judge(series(values), ChangeSettings(percent=80))) == []


@pytest.mark.parametrize(("noise", "walk"), [(0.04, 0.01), (0.01, 0.04), (0.09, 0.0)])
def test_the_level_just_before_is_statsmodels_forecast(noise: float, walk: float) -> None:
    """The local level model with known variances and a diffuse start, two gaps in it."""
    structural = pytest.importorskip("statsmodels.tsa.statespace.structural")
    dice = np.random.default_rng(5)
    values = 3 + np.cumsum(dice.normal(0, math.sqrt(walk), 12)) + dice.normal(0, math.sqrt(noise), 12)
    values[[4, 10]] = np.nan
    model = structural.UnobservedComponents(values[:11], "local level")
    model.ssm.initialize_approximate_diffuse(1e9)
    forecast = model.filter([noise, walk]).get_forecast(1)
    baseline = Baseline(values, np.full(12, 40), Window(10, 1, 40, 5), "week", 0.0, 0.0)
    level = baseline.level(11, Noise(noise, walk))
    assert level is not None
    assert level.middle == pytest.approx(float(forecast.predicted_mean[0]), rel=1e-5)
    assert level.deviation == pytest.approx(float(forecast.se_mean[0]), rel=1e-5)
    assert baseline.level(3, Noise(noise, walk)) is None  # three values are no level


def test_without_wandering_the_level_is_the_mean() -> None:
    values = np.array([1.0, 2.0, 6.0, 3.0, 9.0])
    level = Baseline(values, np.full(5, 40), Window(10, 1, 40, 5), "week", 0.0, 0.0).level(4, Noise(0.5, 0.0))
    assert level is not None
    assert (level.middle, level.deviation) == (pytest.approx(3.0), pytest.approx(math.sqrt(0.5 * (1 + 1 / 4))))


def test_a_step_shows_against_the_level_just_before() -> None:
    """A price that has risen by half in a year and jumps by a quarter down to what it was ten weeks ago."""
    rise = 50 * np.exp(np.linspace(0, 0.5, 60)) * prices(60, sigma=0.015) / 50
    values = np.append(rise, rise[-1] * 0.78)
    row = judge(series(values), ChangeSettings())[-1]
    assert row.fired
    assert row.baseline == pytest.approx(rise[-1], rel=0.04)
    assert float(row.notes["percent"]) == pytest.approx(-22, abs=3)
    assert row.low is not None
    assert values[-1] < row.low
    assert not judge(series(values), ChangeSettings(jump=1e9))[-1].fired
    assert not judge(series(values), ChangeSettings(direction="up"))[-1].fired
    assert not judge(series(values), ChangeSettings(percent=30))[-1].fired
    after_gap = values.copy()
    after_gap[-2] = np.nan
    assert not judge(series(after_gap), ChangeSettings())[-1].fired  # nobody knows the level just before
    for last in ([2.0, 7.0], [7.0, 2.0]):
        assert not judge(series(values, exposure=[7.0] * 59 + last), ChangeSettings())[-1].fired
    assert judge(series(values, exposure=[7.0] * 59 + [5.0, 7.0]), ChangeSettings())[-1].fired
    assert not judge(series(values, step=1), ChangeSettings(baseline=10, gap=1, z=9))[-1].fired  # by day by choice only
    assert judge(series(values, step=1), ChangeSettings(baseline=10, gap=1, z=9, jump=3))[-1].fired


def test_change_by_percent_is_exact_both_ways() -> None:
    for off, direction in ((1.2, "up"), (0.8, "down")):
        for slack, fires in ((1.001, True), (0.999, False)):
            values = np.full(30, 100.0)
            values[29] = 100 * (off ** slack if off > 1 else 1 - 0.2 * slack)
            chosen = ChangeSettings(percent=20, z=0, direction=direction)
            assert (fired(judge(series(values), chosen)) == [29]) is fires


def test_a_restless_series_needs_more() -> None:
    values = prices(60, sigma=0.25, seed=3)
    values[59] = np.median(values) * 1.3
    assert 59 not in fired(judge(series(values), ChangeSettings()))
    assert 59 in fired(judge(series(values), ChangeSettings(z=0)))


def test_few_offers_are_not_judged() -> None:
    values = prices(40)
    values[39] *= 3
    row = judge(series(values, n=3), ChangeSettings())[39]
    assert not row.fired
    assert row.skipped == "fewer than 5 offers"


def test_a_count_that_falls_to_nought_fires() -> None:
    assert judge(series([*prices(40), 0.0]), ChangeSettings())[40].fired


def counts(values: list[float], latest: list[float] | None = None, exposure: Any = None) -> Series:
    """Listings by week: means over the crawls of a week, and what its last crawl saw."""
    made = series(values, n=2, exposure=[7.0] * len(values) if exposure is None else exposure)
    return replace(made, latest=np.array(values if latest is None else latest, dtype=float))


def test_a_count_strays_by_its_root() -> None:
    # (sqrt(25) - 2.7 / 2) ** 2 = 13.3 and (sqrt(25) + 2.7 / 2) ** 2 = 40.3; the count itself may be few offers
    usual = [25.0, 24.0, 26.0] * 8
    for newest, fires in ((14.0, False), (13.0, True), (40.0, False), (41.0, True), (1.0, True)):
        rows = judge(counts([*usual, newest]), ChangeSettings(min_n=5))
        assert fired(rows) == ([24] if fires else []), newest
    assert (rows[-1].low, rows[-1].high) == (pytest.approx(13.3, abs=0.1), pytest.approx(40.3, abs=0.1))
    few = [4.0, 3.0, 5.0] * 8
    assert judge(counts([*few, 0.5]), ChangeSettings(min_n=5))[-1].skipped == "fewer than 5 offers"


def test_the_last_crawl_of_a_week_tells_of_a_count() -> None:
    usual = [25.0, 24.0, 26.0] * 8
    [row] = [row for row in judge(counts([*usual, 20.0], [*usual, 8.0]), ChangeSettings()) if row.fired]
    assert (row.value, row.notes["crawl"]) == (8.0, "last")


def test_what_was_not_seen_of_a_week_may_have_been_as_usual() -> None:
    usual, whole = [25.0, 24.0, 26.0] * 8, [7.0] * 24
    assert fired(judge(counts([*usual, 8.0], exposure=[*whole, 7.0]), ChangeSettings())) == [24]
    assert fired(judge(counts([*usual, 8.0], exposure=[*whole, 3.0]), ChangeSettings())) == []
    # lost crawls of late: by a standard deviation more
    lost = [*whole[:-3], 2.0, 7.0, 7.0]
    assert fired(judge(counts([*usual, 12.0], exposure=[*whole, 7.0]), ChangeSettings())) == [24]
    assert fired(judge(counts([*usual, 12.0], exposure=[*lost, 7.0]), ChangeSettings())) == []


def test_ewma_limits_are_the_textbooks() -> None:
    """sigma^2 lambda / (2 - lambda) (1 - (1 - lambda)^(2 k)): Montgomery, Statistical Quality Control, 9.2."""
    for weight in (0.1, 0.2, 0.5):
        for k in (1, 2, 5, 30):
            weights = smoothing_weights(np.ones(k, dtype=bool), weight)
            closed = 4.0 * weight / (2 - weight) * (1 - (1 - weight) ** (2 * k))
            assert limit_variance(Noise(4.0, 0.0), weights) == pytest.approx(closed)


def test_ewma_weights_are_the_recursion() -> None:
    values, z = np.random.default_rng(1).normal(size=12), 0.0
    for value in values:
        z = 0.8 * z + 0.2 * value
    assert float(smoothing_weights(np.ones(12, dtype=bool), 0.2) @ values) == pytest.approx(z)


def test_variance_of_a_wandering_series_by_matrix() -> None:
    weights = np.array([-0.25, -0.25, -0.25, -0.25, 0.0, 0.3, 0.7])
    steps = np.arange(7)
    covariance = 0.5 * np.minimum.outer(steps, steps) + 2.0 * np.eye(7)
    assert Noise(2.0, 0.5).variance(weights) == pytest.approx(weights @ covariance @ weights)


def test_noise_is_told_from_wandering() -> None:
    dice = np.random.default_rng(2)
    white = estimate_noise(dice.normal(0, 0.05, 4000), (1, 2, 4, 8))
    assert white.noise == pytest.approx(0.05**2, rel=0.1)
    assert white.walk < 0.02 * white.noise
    walk = estimate_noise(np.cumsum(dice.normal(0, 0.02, 4000)), (1, 2, 4, 8))
    assert walk.walk == pytest.approx(0.02**2, rel=0.2)
    assert walk.noise < 0.5 * walk.walk


def test_drift_finds_a_slow_rise_that_change_against_last_week_does_not() -> None:
    values = prices(90, sigma=0.02, seed=5)
    values[50:60] *= np.exp(np.linspace(0, 0.35, 10))
    values[60:] *= math.exp(0.35)
    rows = judge(series(values), DriftSettings())
    assert 52 <= fired(rows)[0] <= 58
    assert float(rows[60].notes["percent"]) > 15


def test_drift_knows_that_prices_wander() -> None:
    walk = 50 * np.exp(np.cumsum(np.random.default_rng(6).normal(0, 0.02, 400)))
    aware = len(fired(judge(series(walk), DriftSettings(min_percent=0, min_sigma=0, spread=0))))
    assert aware / 380 < 0.1


def test_market_down_after_three_missed_days() -> None:
    rows = judge(series([100.0] * 30 + [GAP] * 5 + [100.0] * 3, step=1), DownSettings())
    assert fired(rows) == [32, 33, 34]
    assert rows[32].notes["cause"] == "no complete crawl"
    assert "too few" in str(rows[31].skipped)


def test_a_week_of_seven_crawls_is_enough() -> None:
    assert fired(judge(series([100.0] * 9 + [GAP], exposure=[7.0] * 9 + [0]), DownSettings())) == [9]
    assert fired(judge(series([100.0] * 9 + [GAP], exposure=[1.0] * 9 + [0]), DownSettings())) == []


def test_a_market_partly_seen_is_not_down() -> None:
    seen = series([100.0] * 30 + [GAP] * 9, step=1)
    partly = Series(seen.buckets, seen.values, np.where(np.isnan(seen.values), 30, 100), seen.exposure)
    assert fired(judge(partly, DownSettings())) == []


def test_where_crawls_fail_often_it_waits_longer() -> None:
    shaky = [100.0, GAP, 100.0, 100.0, GAP, 100.0] * 12
    assert fired(judge(series([*shaky, GAP, GAP, GAP], step=1), DownSettings())) == []
    assert fired(judge(series([*shaky, *[GAP] * 12], step=1), DownSettings()))


def test_next_to_no_listings_is_down_and_stays_down() -> None:
    rows = judge(series([100.0] * 20 + [2.0] * 60, step=1), DownSettings())
    assert fired(rows) == list(range(21, 80))
    assert rows[21].notes["cause"] == "next to no listings"
    assert not fired(judge(series([4.0] * 20 + [0.0] * 9, step=1), DownSettings()))  # too small to tell


def test_quality_bounds_and_jump() -> None:
    shares = [0.03] * 20 + [0.3, 0.03, 0.3, 0.3]
    assert fired(judge(series(shares, step=1, n=100), QualitySettings())) == [23]
    assert fired(judge(series([0.95] * 9 + [0.6, 0.6], n=100), QualitySettings(least=0.9, jump=None))) == [9, 10]
    small = QualitySettings(most=0.1, jump=None, min_n=1)
    assert fired(judge(series([0.2] * 5, n=5), small)) == []  # one in five: chance explains it
    assert fired(judge(series([0.2] * 5, n=5), small.retuned(chance=False))) == [0, 1, 2, 3, 4]
