"""The regressions and the price index against statsmodels, scipy and numbers built to be known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_world import a_day, crawl, fill, offer_day

from index.measures import TrendRow, trends
from index.measures.regression import demean, fit, hac_covariance, influence, newey_west_lags, t_quantile
from index.store import Filter, Store


@contextmanager
def world(path: Path, *contents: Any) -> Iterator[Store]:
    store = fill(path / "w.db", *contents)
    try:
        yield store
    finally:
        store.close()


@given(seed=st.integers(0, 10**6), rows=st.integers(12, 60))
@settings(max_examples=10, deadline=None)
def test_regressions_equal_statsmodels(seed: int, rows: int) -> None:
    api = pytest.importorskip("statsmodels.api")
    dice = np.random.default_rng(seed)
    x = np.column_stack([np.ones(rows), dice.normal(size=(rows, 3)) * (1, 100, 0.01)])
    y = dice.normal(size=rows)
    cluster = np.concatenate([np.arange(4), dice.integers(0, 4, size=rows - 4)])
    found = fit(x, y)
    plain = api.OLS(y, x).fit()
    assert found.coefficients == pytest.approx(plain.params, rel=1e-6, abs=1e-9)
    assert found.rank == 4
    assert found.known.all()
    added = influence(found, cluster, 4)
    robust = plain.get_robustcov_results("cluster", groups=cluster, use_correction=False)
    assert added.T @ added == pytest.approx(robust.cov_params(), rel=1e-6, abs=1e-9)
    hac = plain.get_robustcov_results("HAC", maxlags=3, use_correction=True)
    assert hac_covariance(found, np.arange(rows) + 7, 3) == pytest.approx(hac.cov_params(), rel=1e-6, abs=1e-9)


def test_an_undetermined_coefficient_is_known_to_be_so() -> None:
    one = np.array([1.0, 2.0, 3.0, 4.0])
    found = fit(np.column_stack([one, one * 2, [1.0, 0, 0, 1], np.zeros(4)]), np.array([1.0, 2, 3, 5]))
    assert found.known.tolist() == [False, False, True, False]
    assert found.rank == 2


def test_demeaning_equals_a_dummy_for_each_group() -> None:
    dice = np.random.default_rng(3)
    group = dice.integers(0, 5, 40) * 11
    x, y = dice.normal(size=(40, 2)), dice.normal(size=40)
    dummies = np.stack([group == each for each in np.unique(group)], axis=1).astype(float)
    whole = np.linalg.lstsq(np.column_stack([x, dummies]), y, rcond=None)[0]
    within = demean(np.column_stack([x, y]), group, np.ones(40))
    assert fit(within[:, :2], within[:, 2]).coefficients == pytest.approx(whole[:2])
    # weights: as often as they say
    count = dice.integers(1, 4, 40)
    often = demean(np.repeat(np.column_stack([x, y]), count, axis=0), np.repeat(group, count), np.ones(count.sum()))
    assert np.repeat(demean(np.column_stack([x, y]), group, count * 1.0), count, axis=0) == pytest.approx(often)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 29, 30, 31, 200, 5000])
def test_t_quantiles_equal_scipy(freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    for probability in (0.025, 0.5, 0.9, 0.975, 0.995):
        assert t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), abs=1e-6)


def test_lags_follow_the_rule_of_newey_and_west() -> None:
    assert [newey_west_lags(rows) for rows in (10, 50, 100, 400)] == [2, 3, 4, 5]


def noisy(prices: list[float], *, sellers: int, seed: int) -> list[dict[str, Any]]:
    """Offer-days of a market with seller and region effects and a discount of -0.15; a price level a week. Sellers
    come and go, the dear ones late, and packages grow."""
    dice = np.random.default_rng(seed)
    days = []
    for vendor in range(sellers):
        dear = vendor / sellers
        for week, level in enumerate(prices):
            if (vendor + week) % 4 == 0:
                continue
            for region, effect in (("GE-TB", 0.0), ("GE-AJ", 0.2)):
                if region == "GE-AJ" and vendor % 3:
                    continue
                quantity = float(dice.choice([0.5, 1.0, 2.0 + week]))
                for day in range(vendor % 7, 7, 2):
                    log = math.log(level) + dear + effect - 0.15 * math.log(quantity) + dice.normal() * 0.05
                    days.append({"day": 7 * week + day, "offer": f"{vendor}-{week}-{region}", "vendor": f"t:{vendor}",
                                 "region": region, "quantity": quantity, "unit_price": round(math.exp(log) * 10_000),
                                 "unit_price_usd": 1, "currency": "RUB"})
    return days


def test_the_index_equals_a_stacked_regression_of_statsmodels(tmp_path: Path) -> None:
    api = pytest.importorskip("statsmodels.api")
    levels = [20.0, 22.0, 19.0]
    made = noisy(levels, sellers=16, seed=1)
    with world(tmp_path, [crawl(day) for day in range(21)], [], [offer_day(**day) for day in made]) as store:
        rows = trends(store, "price-index", Filter(), by="week")
        assert [row.value for row in trends(store, "price-index", Filter(), by="week", currency="usd")] == [
            100.0, pytest.approx(100.0), pytest.approx(100.0)]  # one cent everywhere
    assert (rows[0].value, rows[0].low, rows[0].extras["linked"]) == (100.0, None, None)
    assert rows[0].extras["currency"] == "RUB"
    # every pair of weeks as a block of one regression, with a dummy for each seller in it
    blocks, y, groups = [], [], []
    for block in (0, 1):
        part = [day for day in made if day["day"] // 7 in (block, block + 1)]
        within = [[float(day["day"] // 7 == block + 1), math.log(day["quantity"]), float(day["region"] == "GE-TB")]
                  for day in part]
        dummies = [[float(day["vendor"] == f"t:{v}") for v in range(16)] for day in part]
        logs = np.array([math.log(day["unit_price"] / 10_000) for day in part])
        full = np.column_stack([within, dummies])
        # the same with the dummies partialled out, so that K counts what lies across sellers
        hat = np.array(dummies) @ np.linalg.pinv(np.array(dummies))
        blocks.append(np.array(within) - hat @ np.array(within))
        y.append(logs - hat @ logs)
        groups += [int(day["vendor"][2:]) for day in part]
        assert np.linalg.lstsq(full, logs, rcond=None)[0][1] == pytest.approx(rows[block + 1].extras["slope"])
    first, second = (len(block) for block in blocks)
    x = np.block([[blocks[0], np.zeros((first, 3))], [np.zeros((second, 3)), blocks[1]]])
    alone = api.OLS(y[0], blocks[0]).fit(cov_type="cluster", cov_kwds={"groups": groups[:first]}, use_t=True)
    both = api.OLS(np.concatenate(y), x).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    chained = both.t_test(np.array([1.0, 0, 0, 1.0, 0, 0]))
    for row, effect, (low, high) in (
        (rows[1], alone.params[0], alone.conf_int()[0]), (rows[2], chained.effect[0], chained.conf_int()[0]),
    ):
        assert row.value == pytest.approx(100 * math.exp(effect))
        assert (row.low, row.high) == (pytest.approx(100 * math.exp(low)), pytest.approx(100 * math.exp(high)))
    assert (rows[1].extras["slope_low"], rows[1].extras["slope_high"]) == pytest.approx(alone.conf_int()[1].tolist())
    for row, level in zip(rows[1:], levels[1:], strict=True):
        assert row.low < 100 * level / levels[0] < row.high  # type: ignore[operator]


def test_the_index_follows_prices_where_the_median_follows_the_mixture(tmp_path: Path) -> None:
    levels = [20.0, 20.0, 30.0, 15.0, 15.0, 18.0]
    made = noisy(levels, sellers=40, seed=2)
    with world(tmp_path, [crawl(day) for day in range(42)], [], [offer_day(**day) for day in made]) as store:
        rows = trends(store, "price-index", Filter(), by="week")
    assert [row.value for row in rows] == pytest.approx([5 * level for level in levels], rel=0.06)
    assert [row.extras["slope"] for row in rows[1:]] == pytest.approx([-0.15] * 5, abs=0.03)


def exact(day: int, vendor: int, price: float, quantity: float = 1.0, **fields: Any) -> Any:
    return offer_day(day, f"{vendor}-{quantity}", vendor=f"t:{vendor}", quantity=quantity, unit_price=round(price * 1e4),
                     **fields)


def test_gaps_are_bridged_and_breaks_are_told(tmp_path: Path) -> None:
    days = [
        exact(0, 1, 10.0), exact(0, 1, 9.0, 2.0), exact(0, 2, 50.0),
        # week 1: crawled in part only; week 2: nothing
        exact(7, 1, 99.0),
        exact(21, 1, 20.0), exact(21, 1, 18.0, 2.0), exact(21, 3, 1_000.0),
        # week 4: only a seller never seen before; week 5 joins week 3 again
        exact(28, 9, 5.0), exact(35, 1, 10.0), exact(35, 1, 9.0, 2.0),
        exact(35, 1, 1.0, 3.0, flags=("outlier",)),
    ]
    crawls = [crawl(0), crawl(7, 0.3), crawl(14), crawl(21), crawl(28), crawl(35)]
    with world(tmp_path, crawls, [], days) as store:
        rows = trends(store, "price-index", Filter(), by="week")
    assert [row.value for row in rows] == [100.0, None, None, pytest.approx(200.0), None, pytest.approx(100.0)]
    assert [row.extras["linked"] for row in rows] == [None, None, None, "2024-01-01", "2024-01-22", "2024-01-22"]
    assert [row.reason for row in rows] == [
        None, "1 crawl, none complete enough (best 0.30)", "no offer with a price and a quantity that count", None,
        "no seller offers the same in this bucket and in that of 2024-01-22", None]
    assert rows[3].extras["slope"] == pytest.approx(math.log(0.9) / math.log(2))
    assert [row.n for row in rows] == [3, 0, 0, 3, 0, 2]
    assert all(row.low is None for row in rows)


def test_units_have_their_own_index(tmp_path: Path) -> None:
    days = [
        *(exact(day, 1, 10.0 + day) for day in (0, 1)), *(exact(day, 1, 3.0, 2.0) for day in (0, 1)),
        *(exact(day, 2, 8.0 / (1 + day), unit="unit") for day in (0, 1)),
    ]
    with world(tmp_path, [crawl(0), crawl(1)], [], days) as store:
        rows: list[TrendRow] = trends(store, "price-index", Filter(), by="day")
    assert [(row.bucket, row.extras["unit"], row.value) for row in rows] == [
        (a_day(0), "g", 100.0), (a_day(0), "unit", 100.0), (a_day(1), "g", pytest.approx(100 * 1.1**0.5)),
        (a_day(1), "unit", pytest.approx(50.0))]
