"""The survival of listings against statsmodels and against lives that are known."""

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
from measure_world import START, a_day, crawl, days_of, fill

from index.measures import trends
from index.measures.survival import GRID, Curve
from index.store import Filter, Store


@contextmanager
def world(path: Path, *contents: Any) -> Iterator[Store]:
    store = fill(path / "w.db", *contents)
    try:
        yield store
    finally:
        store.close()


@given(lives=st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=1, max_size=60))
@settings(max_examples=30, deadline=None)
def test_the_curve_equals_statsmodels(lives: list[tuple[int, bool]]) -> None:
    duration = pytest.importorskip("statsmodels.duration.survfunc")
    days, left = np.array([life for life, _ in lives]), np.array([ended for _, ended in lives])
    curve = Curve.estimate(days.astype(np.int64), left)
    if not left.any():
        assert curve.at(int(days.max())) == 1.0
        assert curve.median() is None
        return
    # theirs wants positive times
    with np.errstate(divide="ignore", invalid="ignore"):
        other = duration.SurvfuncRight(days + 1.0, left.astype(int))
    for at in range(int(days.max()) + 1):
        known = other.surv_times <= at + 1
        expected = float(other.surv_prob[known][-1]) if known.any() else 1.0
        assert curve.at(at) == pytest.approx(expected, abs=1e-12)
        if 0 < expected < 1 and known.any():
            low, high = curve.interval(at)
            spread = float(other.surv_prob_se[known][-1]) / expected / abs(math.log(expected))
            assert low == pytest.approx(expected ** math.exp(1.959964 * spread))
            assert high == pytest.approx(expected ** math.exp(-1.959964 * spread))
    below = other.surv_times[other.surv_prob <= 0.5 + 1e-12]
    assert curve.median() == (int(below[0]) - 1 if len(below) else None)


def test_lives_run_from_the_first_sighting_to_the_last_before_an_absence(tmp_path: Path) -> None:
    crawls = [crawl(day) for day in range(80)]
    days = [
        *days_of(range(40), "old"),  # stood there at first: no known birth
        *days_of(range(20, 24), "three"),  # stays 3 days
        *days_of([20, 25, 28], "eight"), *days_of([60, 61], "eight"),  # comes back after it has left
        *days_of(range(21, 80), "stays"),  # censored at 58 days
        *days_of(range(70, 75), "late"),  # not yet known to have left: censored at 4 days
        *days_of(range(30, 34), "lsd", substance="lsd"),
    ]
    with world(tmp_path, crawls, [], days) as store:
        where = Filter(substance=("mephedrone",), first=a_day(15))
        rows = {row.extras["days"]: row for row in trends(store, "survival", where, by="month")
                if row.bucket == START}
        assert list(rows) == list(GRID)
        assert [row.value for row in rows.values()][:6] == pytest.approx([1, 2 / 3, 2 / 3, 1 / 3, 1 / 3, 1 / 3])
        assert (rows[91].value, rows[91].reason) == (None, "no listing was followed so long")
        assert (rows[3].n, rows[3].extras["at_risk"], rows[3].extras["left"], rows[3].extras["censored"]) == (3, 2, 1, 0)
        assert rows[3].extras["median"] == 8
        march = [row for row in trends(store, "survival", where, by="month") if row.bucket == a_day(60)]
        assert [(row.value, row.n) for row in march[:2]] == [(1.0, 1), (1.0, 1)]
        assert march[3].reason == "no listing was followed so long"
        february = [row for row in trends(store, "survival", where, by="month") if row.bucket == a_day(31)]
        assert {row.reason for row in february} == {"no listing was first seen here"}
        # the first fortnight is burn-in
        whole = trends(store, "survival", Filter(), by="week")
        assert {row.reason for row in whole[: 2 * len(GRID)]} == {"burn-in of m until 2024-01-14"}
        by_substance = trends(store, "survival", Filter(first=a_day(30), last=a_day(31)), by="month", split=["substance"])
        assert {row.splits["substance"]: row.value for row in by_substance if row.extras["days"] == 3 and row.n} == {
            "lsd": 0.0}


def test_an_interval_needs_ten_sellers(tmp_path: Path) -> None:
    crawls = [crawl(day) for day in range(70)]
    days = [row for i in range(12) for row in days_of(range(20, 22 + i), f"o{i}")]
    with world(tmp_path, crawls, [], days) as store:
        rows = {row.extras["days"]: row for row in trends(store, "survival", Filter(first=a_day(20), last=a_day(20)), by="day")}
        assert rows[7].value == pytest.approx(5 / 12)
        assert rows[7].low is not None
        assert rows[7].high is not None
        assert rows[7].low < 5 / 12 < rows[7].high
        few = trends(store, "survival", Filter(first=a_day(20), last=a_day(20), vendor=("t:o1", "t:o5")), by="day")
        assert all(row.low is None for row in few)
