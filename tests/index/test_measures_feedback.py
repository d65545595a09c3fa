"""Turnover by feedback, and by all methods side by side, against sums made by hand and by a plain loop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_world import VERSION, a_day, crawl, fill, offer_day, on, seen

from config.errors import UsageError
from extract.observation import Flag
from index.derive import derive_offer_days
from index.measures import trends
from index.store import Filter, Store

SC, KR = {"method": "soska-christin"}, {"method": "kruithof"}


@contextmanager
def world(path: Path, *contents: Any) -> Iterator[Store]:
    store = fill(path / "w.db", *contents)
    try:
        yield store
    finally:
        store.close()


def one(day: int, feedback: int | None, price: int = 2_000, *, offer: str = "a", listing: str = "l", **fields: Any) -> Any:
    return offer_day(day, offer, listing=listing, vendor="t:v", feedback=feedback, price_low_usd=price, price_low=price,
                     **fields)


def test_each_new_feedback_is_a_sale_at_the_price_seen(tmp_path: Path) -> None:
    days = [one(0, 10), one(1, 13, 2_500), one(2, None), one(3, 12), one(4, 14, 2_400)]
    with world(tmp_path, [crawl(day) for day in range(6)], [], days) as store:
        rows = trends(store, "turnover", Filter(), by="day", **SC)
        # the feedback there at first is no sale; 3 at 25 $; one taken away; then 2 at 24 $
        assert [row.value for row in rows] == [0.0, 75.0, None, 0.0, 48.0, 0.0]
        assert rows[2].reason == "no feedback count is stated: this method cannot see sales there"
        assert [row.extras["packages"] for row in rows] == [0, 3, None, 0, 2, 0]
        assert [row.extras["reversed"] for row in rows] == [0, 0, None, 1, 0, 0]
        assert [row.n for row in rows] == [0, 1, 0, 0, 1, 0]
        assert {row.extras["method"] for row in rows} == {"soska-christin"}
        assert rows[1].extras["vanished"] is rows[1].extras["exposure_hours"] is rows[1].extras["long_falls"] is None
        # the median of all five days is 20 $
        assert [row.value for row in trends(store, "turnover", Filter(), by="day", **KR)][1::3] == [60.0, 40.0]
        # only the days asked, though the count before them is needed
        (late,) = trends(store, "turnover", Filter(first=a_day(1), last=a_day(1)), by="day", **SC)
        assert late.value == 75.0


def test_a_listing_with_several_offers_is_not_counted_twice(tmp_path: Path) -> None:
    sizes = {"small": 1_000, "middle": 3_000, "big": 8_000}
    days = [
        one(day, 5 + 3 * day, price, offer=offer, region="GE-TB" if offer == "big" else "GE-AJ", ships_to=("DE", "NL"))
        for day in (0, 1) for offer, price in sizes.items()
    ]
    with world(tmp_path, [crawl(0), crawl(1)], [], days) as store:
        ask: Any = {"by": "week"}
        (row,) = trends(store, "turnover", Filter(), **ask, **SC)
        assert (row.value, row.extras["packages"], row.n) == (pytest.approx(30.0), 3, 1)  # the cheapest
        (row,) = trends(store, "turnover", Filter(), **ask, **KR)
        assert row.value == pytest.approx(90.0)  # the median offer
        # feedback does not say which offer sold: it is spread over all three, also where only one is asked for
        parts = {row.splits["region"]: row for row in trends(store, "turnover", Filter(), split=["region"], **ask, **SC)}
        assert {name: row.extras["packages"] for name, row in parts.items()} == {"GE-TB": 1, "GE-AJ": 2}
        (only,) = trends(store, "turnover", Filter(region=("GE-TB",)), **ask, **SC)
        assert (only.value, only.extras["packages"]) == (pytest.approx(10.0), 1)
        both = trends(store, "turnover", Filter(), split=["ships-to"], **ask, **SC)
        assert [(row.splits["ships-to"], row.value) for row in both] == [
            ("DE", pytest.approx(30.0)), ("NL", pytest.approx(30.0))]


def test_prices_that_hold_a_listing_are_no_prices(tmp_path: Path) -> None:
    days = [
        one(0, 0, 2_000), one(1, 1, 2_200), one(2, 2, 99_900_000), one(3, 3, 99_900_000), one(4, 4, 2_100),
        one(5, 5, 11_000), one(6, 6, 400), one(7, 7, 2_100, flags=(Flag.HOLDING,)), one(9, 8, 2_600),
        # always dear: not a holding price
        *(one(day, day, 1_500_000, offer="kilo", listing="kilo") for day in (0, 1)),
    ]
    with world(tmp_path, [crawl(day) for day in range(10)], [], days) as store:
        rows = trends(store, "turnover", Filter(listing=("l",)), by="day", **SC)
        # days 2 and 3 take the price nearest in time (day 1; day 4), 5 to 7 likewise: above five times the median, below
        # a quarter of it, flagged; day 6 is two days from day 4 and three from day 9
        assert [row.value for row in rows] == [0, 22, 22, 21, 21, 21, 21, 26, 0, 26]
        kilo = trends(store, "turnover", Filter(listing=("kilo",)), by="month", **SC)
        assert kilo[0].value == 15_000.0
        flagged = trends(store, "turnover", Filter(listing=("l",)), by="day", with_flagged=True, **SC)
        assert flagged[7].value == 21.0


def test_sales_without_any_price_are_unknown_not_zero(tmp_path: Path) -> None:
    days = [offer_day(day, "a", feedback=day, price_low=None, price_low_usd=None, currency=None) for day in (0, 1)]
    with world(tmp_path, [crawl(0), crawl(1)], [], days) as store:
        first, second = trends(store, "turnover", Filter(), by="day", **SC)
    assert (first.value, second.value) == (0.0, None)
    assert second.reason == "none of the packages that left has a price"
    assert second.extras["unpriced"] == 1


def test_all_methods_stand_side_by_side(tmp_path: Path) -> None:
    days = [one(0, 10), one(1, 13, falls=4, last_ready=6), one(1, None, offer="b", listing="k", falls=1, last_ready=2)]
    with world(tmp_path, [crawl(0), crawl(1)], [], days) as store:
        rows = trends(store, "turnover", Filter(), by="week", method="all")
        assert [(row.extras["method"], row.value) for row in rows] == [
            ("stock", 100.0), ("soska-christin", 60.0), ("kruithof", 60.0)]
        assert len({tuple(row.extras) for row in rows}) == 1
        both = trends(store, "turnover", Filter(), by="day", method="feedback", split=["market"])
        assert [(row.bucket, row.extras["method"]) for row in both] == [
            (a_day(day), method) for day in (0, 1) for method in ("soska-christin", "kruithof")]
        (share,) = trends(store, "share", Filter(), by="week", of="turnover", **KR)
        assert (share.value, share.extras["amount"]) == (1.0, 60.0)
        (sellers,) = trends(store, "concentration", Filter(), by="week", **SC)
        assert (sellers.value, sellers.extras["vendors"]) == (10_000.0, 1)
        for measure in ("share", "concentration"):
            with pytest.raises(UsageError, match="several"):
                trends(store, measure, Filter(), by="week", of="turnover", method="all")
        with pytest.raises(UsageError, match="soska-christin"):
            trends(store, "turnover", Filter(), by="week", method="soska")


def test_quoted_currencies_are_kept_apart(tmp_path: Path) -> None:
    days = [
        *(one(day, day * 2, 100_000, offer="r", currency="RUB") for day in (0, 1)),
        *(one(day, day * 2, 1_000, offer="e", currency="EUR") for day in (0, 1)),
    ]
    with world(tmp_path, [crawl(0), crawl(1)], [], days) as store:
        rows = trends(store, "turnover", Filter(), by="week", currency="quoted", **SC)
    assert {row.extras["currency"]: row.value for row in rows} == {"RUB": 1_000.0, "EUR": 10.0}


SEEN = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 30), st.integers(1_000, 4_000)),
    max_size=40, unique_by=lambda entry: entry[:2],
)


@given(entries=SEEN)
@settings(max_examples=15, deadline=None)
def test_feedback_methods_equal_a_plain_loop(tmp_path_factory: pytest.TempPathFactory, entries: list[Any]) -> None:
    """Prices within a factor of four: none is a holding price, so that each sale has the price of its own day."""
    by_listing: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for listing, day, feedback, price in entries:
        by_listing[listing].append((day, feedback, price))
    nearest = kruithof = 0.0
    for history in by_listing.values():
        history.sort()
        usual = median(price for _, _, price in history) / 100
        for (_, before, _), (_, after, price) in pairwise(history):
            nearest += max(after - before, 0) * price / 100
            kruithof += max(after - before, 0) * usual
    days = [one(day, feedback, price, offer=str(listing), listing=str(listing)) for listing, day, feedback, price in entries]
    with world(tmp_path_factory.mktemp("feedback"), [crawl(day) for day in range(13)], [], days) as store:
        for by in ("day", "week", "month"):
            for method, expected in (("soska-christin", nearest), ("kruithof", kruithof)):
                rows = trends(store, "turnover", Filter(), by=by, method=method)  # type: ignore[arg-type]
                assert sum(row.value or 0.0 for row in rows) == pytest.approx(expected)


def test_sensitivity_shows_what_fewer_crawls_would_have_seen(tmp_path: Path) -> None:
    """A shelf of ten is sold out through the day and filled up at night: seen once a day, nothing is ever sold."""
    crawls = [crawl(day, hour=hour) for day in range(8) for hour in (2, 8, 14, 20)]
    ready = {2: 10, 8: 7, 14: 5, 20: 1}
    seen_by = [seen(each, "a", ready=ready[each.started.hour], amount_usd=1_000, amount=1_000, currency="USD",
                    observed_at=on(each.started.day - 1, each.started.hour)) for each in crawls]
    with world(tmp_path, crawls, seen_by) as store:
        derive_offer_days(store, "m", VERSION, a_day(0))
        rows = trends(store, "turnover", Filter(), by="month", sensitivity=True)
        (whole,) = trends(store, "turnover", Filter(), by="month")
    assert [row.extras["every"] for row in rows] == [1, 2, 4, 8, 16]
    assert rows[0].value == whole.value == 8 * 9 * 10.0
    assert (rows[0].n, rows[0].extras["packages"], rows[0].extras["ratio"]) == (1, 72.0, 1.0)
    # 2 and 14 h: five a day; 8 and 20 h: six a day
    assert (rows[1].extras["least"], rows[1].extras["most"], rows[1].value) == (400.0, 480.0, 440.0)
    assert [row.value for row in rows[2:]] == [0.0, 0.0, 0.0]
    assert [row.extras["kept"] for row in rows] == [32, 16, 8, 4, 2]


def test_sensitivity_at_all_crawls_is_the_turnover(tmp_path: Path) -> None:
    """With flags, gaps, several offers and split lists."""
    import random

    dice = random.Random(3)
    crawls = [crawl(day, hour=hour) for day in range(20) for hour in (3, 15) if dice.random() < 0.9]
    observations = [
        seen(each, f"o{number}", ready=dice.choice([None, *range(9)]), substance=("mdma", None)[number % 2],
             ships_to=("DE", "NL")[: number % 3], currency="USD",
             amount_usd=dice.choice([None, 500, 900]), flags=dice.choice([(), (), ("holding",), ("outlier",)]))
        for each in crawls for number in range(12) if dice.random() < 0.8
    ]
    with world(tmp_path, crawls, observations) as store:
        derive_offer_days(store, "m", VERSION, a_day(0))
        for more in ({}, {"split": ["substance"]}, {"split": ["ships-to", "vendor"], "with_flagged": True}):
            thinned = trends(store, "turnover", Filter(), by="day", sensitivity=True, **more)  # type: ignore[arg-type]
            rows = trends(store, "turnover", Filter(), by="day", **more)  # type: ignore[arg-type]
            expected = {(row.bucket, *row.splits.values()): row for row in rows}
            found = {(row.bucket, *row.splits.values()): row for row in thinned if row.extras["every"] == 1}
            assert found.keys() == expected.keys()
            for key, row in found.items():
                if expected[key].value is not None and row.value is not None:
                    assert row.value == pytest.approx(expected[key].value), key
                    assert row.extras["packages"] == expected[key].extras["packages"]
            assert sum(row.value or 0 for row in found.values()) > 100
        with pytest.raises(UsageError, match="dollars"):
            trends(store, "turnover", Filter(), by="day", sensitivity=True, currency="quoted")
        with pytest.raises(UsageError, match="stock"):
            trends(store, "turnover", Filter(), by="day", sensitivity=True, method="feedback")
