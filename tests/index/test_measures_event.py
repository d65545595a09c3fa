"""Interrupted series against statsmodels, and worlds in which the change is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measure_world import START, a_day, crawl, fill, offer_day, seen

from config.errors import UsageError
from extract.observation import Observation
from index.measures import TrendRow, trends
from index.store import Filter, Store


@contextmanager
def world(path: Path, *contents: Any) -> Iterator[Store]:
    store = fill(path / "w.db", *contents)
    try:
        yield store
    finally:
        store.close()


def counted(sizes: list[int | None], *, market: str = "m", **fields: Any) -> tuple[list[Any], list[Observation]]:
    """A crawl a day that sees that many listings; None: no crawl."""
    crawls = [(crawl(day, market=market), size) for day, size in enumerate(sizes) if size is not None]
    seen_by = [seen(each, f"o{i}", market=market, **fields) for each, size in crawls for i in range(size)]
    return [each for each, _ in crawls], seen_by


def pick(rows: list[TrendRow], term: str, role: str = "event") -> TrendRow:
    (row,) = [row for row in rows if (row.extras["term"], row.extras["role"]) == (term, role)]
    return row


def test_level_and_slope_equal_statsmodels(tmp_path: Path) -> None:
    api = pytest.importorskip("statsmodels.api")
    dice = np.random.default_rng(4)
    sizes = [int(20 + day / 4 + (8 + (day - 25) / 2 if day >= 25 else 0) + dice.normal() * 2) for day in range(45)]
    with world(tmp_path, *counted(list(sizes))) as store:
        rows = trends(store, "event", Filter(), by="day", at=a_day(25))
    y = np.array(sizes) / np.mean(sizes[:25]) * 100
    time = np.arange(45) - 25.0
    later = (time >= 0).astype(float)
    x = np.column_stack([np.ones(45), time, later, time * later])
    fitted = api.OLS(y, x).fit(cov_type="HAC", cov_kwds={"maxlags": 3, "use_correction": True}, use_t=True)
    for term, at in (("level", 2), ("slope", 3)):
        row = pick(rows, term)
        assert row.bucket == a_day(25)
        assert row.value == pytest.approx(fitted.params[at])
        assert [row.low, row.high] == pytest.approx(fitted.conf_int()[at].tolist())
        assert row.extras["p"] == pytest.approx(fitted.pvalues[at], abs=1e-12)
        assert (row.n, row.crawls, row.extras["lags"], row.extras["before"], row.extras["after"]) == (45, 45, 3, 25, 20)
        assert row.extras["mean_before"] == pytest.approx(np.mean(sizes[:25]))
        assert (row.extras["placebos"], row.extras["of"]) == (16, "listings")
    # a placebo date knows nothing of what came after the event
    placebo = next(row for row in rows if row.bucket == a_day(12) and row.extras["term"] == "level")
    early = np.column_stack([np.ones(25), time[:25] + 13, time[:25] >= -13, (time[:25] + 13) * (time[:25] >= -13)])
    other = api.OLS(np.array(sizes[:25]) / np.mean(sizes[:12]) * 100, early.astype(float)).fit()
    assert placebo.value == pytest.approx(other.params[2])
    assert pick(rows, "level").extras["placebo_share"] == 0.0


def test_gaps_keep_their_length_and_the_bucket_of_the_event_is_left_out(tmp_path: Path) -> None:
    api = pytest.importorskip("statsmodels.api")
    dice = np.random.default_rng(9)
    sizes: list[int | None] = [int(30 + dice.normal() * 3 - (10 if day >= 7 * 9 else 0)) for day in range(7 * 18)]
    for day in (*range(14, 21), *range(84, 98)):
        sizes[day] = None
    with world(tmp_path, *counted(sizes)) as store:
        weeks = trends(store, "listings", Filter(), by="week")
        rows = trends(store, "event", Filter(), by="week", at=a_day(7 * 9 + 2))
        assert len(trends(store, "event", Filter(), by="week", at=a_day(7 * 9))) >= 2
    values = np.array([np.nan if row.value is None else row.value for row in weeks])
    assert np.isnan(values).sum() == 3
    relative = 100 * values / np.nanmean(values[:9])
    time = np.arange(18) - 10.0
    later = (time >= 0).astype(float)
    x = np.column_stack([np.ones(18), time, later, time * later])
    missing = np.isnan(relative) | (np.arange(18) == 9)
    # rows of zeros: the same coefficients, and lags that are counted in weeks, not in rows
    x[missing], relative[missing] = 0.0, 0.0
    fitted = api.OLS(relative, x).fit()
    robust = fitted.get_robustcov_results("HAC", maxlags=2, use_correction=False)
    row = pick(rows, "level")
    assert row.n == 14
    assert row.value == pytest.approx(fitted.params[2])
    from scipy import stats

    reach = stats.t.ppf(0.975, 10) * np.sqrt(robust.cov_params()[2, 2] * 14 / 10)
    assert (row.value - (row.low or 0)) == pytest.approx(reach)  # type: ignore[operator]


def test_a_control_series_takes_out_what_befell_all(tmp_path: Path) -> None:
    """Both markets lose a third on the day; only one of them loses a quarter more."""
    dice = np.random.default_rng(1)
    shock = [1.0 if day < 15 else 2 / 3 for day in range(30)]
    own = [round(40 * each * (1.0 if day < 15 else 0.75) + dice.integers(-1, 2)) for day, each in enumerate(shock)]
    other = [round(80 * each + dice.integers(-1, 2)) for each in shock]
    crawls, observations = counted(list(own))
    more = counted(list(other), market="x")
    with world(tmp_path, crawls + more[0], observations + more[1]) as store:
        here = Filter(market=("m",))
        alone = pick(trends(store, "event", here, by="day", at=a_day(15)), "level")
        held = pick(trends(store, "event", here, by="day", at=a_day(15), control=Filter(market=("x",))), "level")
        nobody = trends(store, "event", here, by="day", at=a_day(15), control=Filter(market=("gone",)))
    assert alone.value == pytest.approx(-50, abs=4)
    assert held.value == pytest.approx(-50 + 100 / 3, abs=4)
    assert held.high is not None
    assert held.high < 0
    assert {row.reason for row in nobody} == {"the control series is zero or unknown before the date"}


def test_price_and_turnover_have_events_too(tmp_path: Path) -> None:
    days = [
        offer_day(day, f"{unit}-{i}", unit=unit, falls=i % 3, last_ready=5,
                  unit_price_usd=(200_000 + i * 100 + day * 10) * (2 if day >= 10 and unit == "g" else 1))
        for day in range(20) for i in range(4) for unit in ("g", "unit") if i < 3 or unit == "g"
    ]
    with world(tmp_path, [crawl(day) for day in range(20)], [], days) as store:
        prices = trends(store, "event", Filter(), by="day", at=a_day(10), of="price")
        levels = {row.extras["unit"]: row.value for row in prices
                  if (row.extras["role"], row.extras["term"]) == ("event", "level")}
        assert levels == {"g": pytest.approx(100, abs=0.5), "unit": pytest.approx(0, abs=0.5)}
        money = pick(trends(store, "event", Filter(), by="day", at=a_day(10), of="turnover"), "level")
        assert money.value == pytest.approx(0.0, abs=1e-6)
        assert money.extras["method"] == "stock"


def test_too_short_a_series_and_wrong_dates_are_told(tmp_path: Path) -> None:
    with world(tmp_path, *counted([5] * 22)) as store:
        rows = trends(store, "event", Filter(), by="day", at=a_day(3))
        assert [(row.value, row.low, row.n) for row in rows] == [(None, None, 0)] * 2
        assert rows[0].reason == "3 buckets with a value before and 19 after; 5 are needed on each side"
        flat = trends(store, "event", Filter(), by="day", at=a_day(12))
        assert pick(flat, "level").value == pytest.approx(0.0, abs=1e-9)
        assert (pick(flat, "level").extras["p"], pick(flat, "level").extras["placebo_share"]) == (1.0, 1.0)
        for at in (None, START, a_day(22)):
            with pytest.raises(UsageError, match=r"--at|after the first day"):
                trends(store, "event", Filter(), by="day", at=at)
        with pytest.raises(UsageError, match="--at"):
            trends(store, "listings", Filter(), by="day", at=a_day(6))
        with pytest.raises(UsageError, match="price"):
            trends(store, "event", Filter(), by="day", at=a_day(6), of="prices")  # type: ignore[arg-type]
