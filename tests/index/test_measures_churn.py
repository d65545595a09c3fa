"""Coming and going, shares and coverage: small histories with known answers, and a brute-force model of absence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_world import a_day, crawl, days_of, fill, offer_day, seen

from config.errors import UsageError
from index.measures import TrendRow, trends
from index.store import Filter, Store


@contextmanager
def world(path: Path, *contents: Any) -> Iterator[Store]:
    store = fill(path / "w.db", *contents)
    try:
        yield store
    finally:
        store.close()


def values(rows: list[TrendRow]) -> list[float | None]:
    return [row.value for row in rows]


def test_new_leaves_out_the_burn_in(tmp_path: Path) -> None:
    days = [*days_of(range(40), "old"), *days_of(range(10, 40), "early"), *days_of(range(15, 40), "a"),
            *days_of(range(16, 18), "b", listing="l-a"), offer_day(20, "c")]
    with world(tmp_path, [crawl(day) for day in range(40)], [], days) as store:
        rows = trends(store, "new", Filter(), by="day")
        assert values(rows)[:14] == [None] * 14
        assert rows[0].reason == "burn-in of m until 2024-01-14"
        found = {row.bucket: row.value for row in rows[14:]}
        assert {day: value for day, value in found.items() if value} == {a_day(15): 1.0, a_day(20): 1.0}
        later = trends(store, "new", Filter(first=a_day(16), last=a_day(20)), by="day")
        assert values(later) == [0.0, 0.0, 0.0, 0.0, 1.0]
        assert values(trends(store, "new", Filter(), by="month")) == [None, 0.0]


def test_withdrawn_and_returned_are_dated_at_the_sightings(tmp_path: Path) -> None:
    days = [*days_of(range(60), "stays"), *days_of([15, 16, 36, 37], "back"), *days_of(range(20), "gone"),
            *days_of([17, 30], "pause"), *days_of([30], "last", listing="l-stays")]
    with world(tmp_path, [crawl(day) for day in range(60)], [], days) as store:
        rows = trends(store, "withdrawn", Filter(), by="day")
        assert {row.bucket: row.value for row in rows if row.value} == {
            a_day(16): 1.0, a_day(19): 1.0, a_day(37): 1.0, a_day(30): 1.0}
        assert values(rows)[46:] == [None] * 14
        assert "provisional" in (rows[-1].reason or "")
        back = trends(store, "returned", Filter(), by="day")
        assert {row.bucket: row.value for row in back if row.value} == {a_day(36): 1.0}


def test_an_absence_nobody_looked_at_is_no_withdrawal(tmp_path: Path) -> None:
    """The market was not crawled (or only in part) between the sightings."""
    crawls = [crawl(day, 1.0 if day < 20 or day >= 40 else 0.5) for day in range(60)]
    days = [*days_of([*range(20), *range(40, 60)], "stays"), *days_of(range(19), "gone")]
    with world(tmp_path, crawls, [], days) as store:
        rows = trends(store, "withdrawn", Filter(), by="day")
        assert {row.bucket: row.value for row in rows if row.value} == {a_day(18): 1.0}


PRESENCE = st.lists(st.sets(st.integers(0, 69), min_size=1), min_size=1, max_size=4)


@given(presence=PRESENCE, complete=st.sets(st.integers(0, 69)))
@settings(max_examples=10, deadline=None)
def test_departures_equal_a_brute_force_reading(
    tmp_path_factory: pytest.TempPathFactory, presence: list[set[int]], complete: set[int]
) -> None:
    crawls = [crawl(day, 1.0 if day in complete else 0.2) for day in range(70)]
    days = [day for number, when in enumerate(presence) for day in days_of(sorted(when), f"o{number}")]
    expected: dict[int, int] = {}
    for when in presence:
        for day in when:
            later = [other for other in when if other > day]
            proofs = [c for c in complete if c >= day + 14 and (not later or c < min(later))]
            if proofs:
                expected[day] = expected.get(day, 0) + 1
    with world(tmp_path_factory.mktemp("gone"), crawls, [], days) as store:
        rows = trends(store, "withdrawn", Filter(), by="day")
    for number, row in enumerate(rows):
        if row.value is not None:
            assert row.value == expected.get(number, 0)
        else:
            assert number not in complete or not any(c >= number + 14 for c in complete)


def test_shares_are_of_the_known_substances(tmp_path: Path) -> None:
    first = crawl(0)
    observations = [
        *(seen(first, f"a{i}", region="GE-TB") for i in range(6)),
        *(seen(first, f"b{i}", substance="lsd") for i in range(2)),
        *(seen(first, f"u{i}", substance=None) for i in range(4)),
    ]
    with world(tmp_path, [first, crawl(1)], observations) as store:
        rows = trends(store, "share", Filter(), by="day")
        found = {row.splits["substance"]: row for row in rows if row.bucket == a_day(0)}
        assert found["mephedrone"].value == pytest.approx(0.75)
        assert found["lsd"].value == pytest.approx(0.25)
        assert found["unknown"].value is None
        assert found["unknown"].extras == {"amount": 4.0, "total": 8.0, "unknown": 4.0, "of": "listings"}
        assert all(row.value is None for row in rows if row.bucket == a_day(1))
        (only,) = trends(store, "share", Filter(substance=("lsd",), last=a_day(0)), by="day")
        assert (only.value, only.n) == (0.25, 2)
        by_region = trends(store, "share", Filter(last=a_day(0)), by="day", split=["region"])
        assert {row.splits["region"]: row.value for row in by_region} == {"GE-TB": 0.75, None: 0.25}
        nested = trends(store, "share", Filter(last=a_day(0)), by="day", split=["substance", "region"])
        got = {(row.splits["substance"], row.splits["region"]): row.value for row in nested}
        assert (got["mephedrone", "GE-TB"], got["lsd", None]) == (1.0, 1.0)


def test_shares_of_turnover(tmp_path: Path) -> None:
    days = [offer_day(0, "a", falls=3), offer_day(0, "b", falls=1, substance="lsd"),
            offer_day(0, "c", falls=5, substance=None)]
    with world(tmp_path, [crawl(0)], [], days) as store:
        rows = trends(store, "share", Filter(), by="day", of="turnover")
    assert {row.splits["substance"]: row.value for row in rows} == {"mephedrone": 0.75, "lsd": 0.25, "unknown": None}


def test_coverage_shows_what_the_crawls_saw(tmp_path: Path) -> None:
    places = {"GE-TB": 1.0, "GE-AJ": 0.4}
    crawls = [crawl(0, 0.8, places=places), crawl(0, 1.0, hour=18, places={"GE-TB": 1.0, "GE-AJ": 1.0}), crawl(1, None),
              crawl(3, market="x")]
    with world(tmp_path, crawls) as store:
        rows = trends(store, "coverage", Filter(), by="day")
        assert values(rows) == [pytest.approx(0.9), None, None, 1.0]
        assert [row.reason for row in rows] == [
            None, "1 crawl, none complete enough (coverage unknown; complete)", "no crawl", None]
        assert [(row.n, row.crawls, row.extras["attempts"]) for row in rows] == [
            (2, 1, 2), (0, 0, 1), (0, 0, 0), (1, 1, 1)]
        assert rows[0].extras["best"] == 1.0
        assert rows[0].extras["worst"] == 0.8
        assert rows[0].extras["basis"] == "site-total"
        split = trends(store, "coverage", Filter(market=("m",), last=a_day(0)), by="day", split=["region"])
        assert {row.splits["region"]: row.value for row in split} == {"GE-TB": 1.0, "GE-AJ": pytest.approx(0.7)}
        below = trends(store, "coverage", Filter(region=("GE",), last=a_day(0)), by="day")
        assert values(below) == [pytest.approx((0.7 + 1.0) / 2)]
        with pytest.raises(UsageError, match="Split by market or region"):
            trends(store, "coverage", Filter(), by="day", split=["substance"])
