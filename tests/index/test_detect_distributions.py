"""Tails, quantiles and intervals against scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from index.detect.dispersion import fit_rate, ml_dispersion
from index.detect.distributions import (
    count_bound,
    count_tail,
    poisson_interval,
    student_cdf,
    student_quantile,
    wilson_interval,
)


def law(mean: float, dispersion: float) -> object:
    return stats.poisson(mean) if dispersion == 0 else stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))


dispersions = st.one_of(st.just(0.0), st.floats(1e-3, 8.0))


@settings(max_examples=200, deadline=None)
@given(mean=st.floats(0.01, 1500.0), dispersion=dispersions, share=st.floats(1e-7, 0.4))
def test_bound_is_the_quantile_and_tail_is_its_probability(mean: float, dispersion: float, share: float) -> None:
    known = law(mean, dispersion)
    bound = count_bound(share, mean, dispersion)
    # scipy's own quantile may be off by one at an exact tie: ask for the property itself.
    assert known.sf(bound) <= share * (1 + 1e-6)
    assert bound == 0 or known.sf(bound - 1) > share * (1 - 1e-6)
    assert count_tail(bound, mean, dispersion) == pytest.approx(known.sf(bound - 1), rel=1e-4)


@pytest.mark.parametrize(("value", "mean", "dispersion"), [(60, 5.0, 0.0), (200, 20.0, 0.05), (4000, 1500.0, 0.01)])
def test_far_tail_keeps_its_digits(value: int, mean: float, dispersion: float) -> None:
    assert count_tail(value, mean, dispersion) == pytest.approx(law(mean, dispersion).sf(value - 1), rel=1e-6)


def test_tail_at_the_edges() -> None:
    assert count_tail(0, 3.0, 0.1) == 1.0
    assert count_tail(1, 0.0, 0.1) == 0.0
    assert count_tail(2.5, 3.0, 0.0) == pytest.approx(stats.poisson(3.0).sf(2))  # rounded up to 3


@settings(max_examples=100, deadline=None)
@given(value=st.floats(-40, 40), degrees=st.integers(1, 60))
def test_student(value: float, degrees: int) -> None:
    assert student_cdf(value, degrees) == pytest.approx(stats.t.cdf(value, degrees), abs=1e-10)


@pytest.mark.parametrize("degrees", [1, 2, 6, 9, 30])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.95, 0.9986])
def test_student_quantile(degrees: int, share: float) -> None:
    assert student_quantile(share, degrees) == pytest.approx(stats.t.ppf(share, degrees), rel=1e-8)


@pytest.mark.parametrize("count", [0, 1, 4, 37])
def test_poisson_interval_is_garwoods(count: int) -> None:
    low, high = poisson_interval(count)
    assert high == pytest.approx(stats.chi2.ppf(0.975, 2 * count + 2) / 2, rel=1e-8)
    assert low == pytest.approx(0.0 if count == 0 else stats.chi2.ppf(0.025, 2 * count) / 2, rel=1e-8)


def test_wilson_against_statsmodels() -> None:
    from statsmodels.stats.proportion import proportion_confint

    assert wilson_interval(18 / 100, 100, 1.959963984540054) == pytest.approx(proportion_confint(18, 100, 0.05, "wilson"))
    assert wilson_interval(0.0, 0) == (0.0, 1.0)


def test_ml_dispersion_against_statsmodels() -> None:
    from statsmodels.discrete.discrete_model import NegativeBinomial

    counts = np.random.default_rng(5).negative_binomial(1 / 0.3, 1 / (1 + 0.3 * 9), size=80).astype(float)
    fitted = NegativeBinomial(counts, np.ones((80, 1))).fit(disp=0)
    assert ml_dispersion(counts, np.full(80, counts.mean())) == pytest.approx(fitted.params[1], rel=1e-3)


def test_ml_dispersion_is_nought_for_counts_that_hardly_vary() -> None:
    counts = np.array([5.0, 6, 5, 4, 5, 6, 5, 5])
    assert ml_dispersion(counts, np.full(8, counts.mean())) == 0.0


def test_moment_dispersion_by_hand() -> None:
    counts = np.array([2.0, 4, 6, 8, 10, 12])
    rate = fit_rate(counts, np.ones(6))
    mean = (42 + 0.5) / 6
    sample = float(np.sum((counts - mean) ** 2)) * 6 / 5
    assert rate.rate == pytest.approx(mean)
    assert rate.dispersion == pytest.approx((sample - 6 * mean) / (6 * mean**2))
    assert rate.uncertainty == pytest.approx((6 * mean + 6 * rate.dispersion * mean**2) / (6 * mean) ** 2)


def test_rate_follows_the_exposure() -> None:
    exposure = np.array([1.0, 2, 4, 1, 2, 4, 1, 2, 4])
    rate = fit_rate(6 * exposure, exposure)
    assert rate.rate == pytest.approx(6, rel=0.01)
    assert rate.dispersion == 0.0


def test_a_past_surge_is_weighted_down() -> None:
    quiet = np.array([5.0, 4, 6, 5, 7, 3, 5, 6, 4, 5, 6, 4])
    shaken = quiet.copy()
    shaken[4] = 60
    assert fit_rate(shaken, np.ones(12)).rate < 1.35 * fit_rate(quiet, np.ones(12)).rate


def test_weekday_factors() -> None:
    weekdays = np.arange(70) % 7
    counts = np.where(weekdays == 4, 30.0, 10.0)
    rate = fit_rate(counts, np.ones(70), weekdays=weekdays)
    assert rate.mean(1.0, 4) == pytest.approx(30, rel=0.1)
    assert rate.mean(1.0, 0) == pytest.approx(10, rel=0.1)
