"""Buckets: every day in exactly one, none missing between two."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import UsageError
from index.buckets import Buckets, By, bucket_end, bucket_of, iter_buckets

DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))
BY = st.sampled_from(["day", "week", "month"])


@given(first=DAYS, length=st.integers(0, 900), by=BY)
def test_buckets_follow_each_other_without_a_gap(first: date, length: int, by: By) -> None:
    last = first + timedelta(days=length)
    buckets = Buckets.build(first, last, by)
    assert buckets.starts[0] == bucket_of(first, by)
    assert bucket_end(buckets.starts[-1], by) >= last
    assert all(bucket_end(a, by) + timedelta(days=1) == b for a, b in pairwise(buckets.starts))
    assert all(start == bucket_of(start, by) for start in buckets.starts)
    spans = [buckets.span(position) for position in range(len(buckets))]
    assert sum((end - start).days + 1 for start, end in spans) == length + 1


@given(first=DAYS, length=st.integers(0, 900), by=BY, offsets=st.lists(st.integers(-40, 940), max_size=20))
def test_positions_of_arrays_and_of_single_days_agree(first: date, length: int, by: By, offsets: list[int]) -> None:
    buckets = Buckets.build(first, first + timedelta(days=length), by)
    days = [first + timedelta(days=offset) for offset in offsets]
    expected = [
        buckets.starts.index(bucket_of(day, by)) if buckets.first <= day <= buckets.last else -1 for day in days
    ]
    assert [buckets.position(day) for day in days] == expected
    iso = np.array([day.isoformat() for day in days], dtype=object)
    assert buckets.positions(iso).tolist() == expected


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    assert bucket_of(date(2024, 3, 3), "week") == date(2024, 2, 26)
    assert bucket_of(date(2024, 2, 29), "month") == date(2024, 2, 1)
    assert bucket_end(date(2024, 2, 1), "month") == date(2024, 2, 29)
    assert bucket_end(date(2023, 12, 1), "month") == date(2023, 12, 31)


def test_ends_of_the_calendar_do_not_break() -> None:
    assert iter_buckets(date(9999, 12, 30), date.max, "week") == [date(9999, 12, 27)]
    assert iter_buckets(date(9999, 11, 30), date.max, "month") == [date(9999, 11, 1), date(9999, 12, 1)]
    assert iter_buckets(date.min, date.min, "week") == [date.min]


def test_wrong_buckets_are_refused_with_a_remedy() -> None:
    with pytest.raises(UsageError, match="Swap"):
        iter_buckets(date(2024, 1, 2), date(2024, 1, 1), "day")
    with pytest.raises(UsageError, match="wider buckets"):
        iter_buckets(date.min, date.max, "day")
    with pytest.raises(UsageError, match="day, week, month"):
        iter_buckets(date(2024, 1, 1), date(2024, 1, 2), "hour")  # type: ignore[arg-type]
