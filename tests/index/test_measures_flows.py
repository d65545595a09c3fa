"""Flows between countries and availability of goods, against counts made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from measure_world import START, a_day, crawl, days_of, fill, offer_day, seen

from config.errors import UsageError
from index.measures import to_json, trends
from index.store import Filter, Store


@contextmanager
def world(path: Path, *contents: Any) -> Iterator[Store]:
    store = fill(path / "w.db", *contents)
    try:
        yield store
    finally:
        store.close()


def test_flows_are_listings_from_country_to_country(tmp_path: Path) -> None:
    crawls = [crawl(0), crawl(1), crawl(8, 0.2)]
    observations = [
        *(seen(each, f"nl{i}", ships_from=("NL",), ships_to=("EU", "US")) for each in crawls[:2] for i in range(3)),
        # two offers of one listing
        *(seen(crawls[0], f"de{i}", listing="de", ships_from=("DE",), ships_to=("EU",)) for i in range(2)),
        seen(crawls[0], "silent", substance="lsd"),
    ]
    with world(tmp_path, crawls, observations) as store:
        rows = [row for row in trends(store, "flows", Filter(), by="week") if row.bucket == START]
        found = {(row.splits["ships-from"], row.splits["ships-to"]): row for row in rows}
        assert {key: row.value for key, row in found.items()} == {
            ("NL", "EU"): 3.0, ("NL", "US"): 3.0, ("DE", "EU"): 0.5, (None, None): 0.5}
        # each listing once in the whole: (5 + 3) / 2
        assert {row.extras["total"] for row in rows} == {4.0}
        assert found["NL", "EU"].extras["share"] == pytest.approx(0.75)
        assert found["DE", "EU"].n == 2
        assert list(to_json(rows[0]))[:3] == ["bucket", "ships-from", "ships-to"]
        gap = [row for row in trends(store, "flows", Filter(), by="week") if row.bucket == a_day(7)]
        assert {(row.value, row.extras["share"], row.reason) for row in gap} == {
            (None, None, "1 crawl, none complete enough (best 0.20)")}
        offers = trends(store, "flows", Filter(ships_from=("DE",), last=a_day(0)), by="day", of="offers")
        assert [(row.splits["ships-to"], row.value, row.extras["of"]) for row in offers] == [("EU", 2.0, "offers")]
        apart = trends(store, "flows", Filter(last=a_day(0)), by="day", split=["substance"])
        assert {(*row.splits.values(), row.value, row.extras["share"]) for row in apart} == {
            (None, None, "lsd", 1.0, 1.0), ("DE", "EU", "mephedrone", 1.0, 0.25), ("NL", "EU", "mephedrone", 3.0, 0.75),
            ("NL", "US", "mephedrone", 3.0, 0.75)}
        with pytest.raises(UsageError, match="Did you mean 'listings'"):
            trends(store, "flows", Filter(), by="week", of="listing")  # type: ignore[arg-type]


def test_availability_is_the_part_of_covered_days_with_something_ready(tmp_path: Path) -> None:
    crawls = [crawl(0), crawl(1), crawl(2), crawl(3, 0.1), crawl(5), crawl(6)]
    place: Any = {"region": "GE-TB", "stash": "magnet"}
    days = [
        offer_day(0, "a", first_ready=0, last_ready=4, **place), offer_day(1, "a", first_ready=2, last_ready=0, **place),
        offer_day(2, "a", first_ready=0, last_ready=0, **place),
        # a day that no complete crawl covers does not count, whatever was seen
        *(offer_day(3, f"more{i}", first_ready=9, last_ready=9, **place) for i in range(5)),
        offer_day(5, "a", first_ready=0, last_ready=0, **place), offer_day(5, "b", first_ready=1, last_ready=1, **place),
        *days_of([0, 1], "unsaid", region="GE-AJ"),
    ]
    with world(tmp_path, crawls, [], days) as store:
        rows = {row.splits["region"]: row for row in trends(store, "availability", Filter(), by="week")}
        here = rows["GE-TB"]
        assert here.splits == {"region": "GE-TB", "substance": "mephedrone", "stash": "magnet"}
        assert here.value == pytest.approx(3 / 5)  # days 0, 1 and 5 of 0, 1, 2, 5, 6
        assert (here.n, here.low) == (2, None)
        assert {name: here.extras[name] for name in ("days", "days_ready", "days_listed")} == {
            "days": 5, "days_ready": 3, "days_listed": 4}
        assert here.extras["ready"] == pytest.approx(3 / 5)
        assert here.extras["listed"] == pytest.approx(5 / 5)
        assert here.extras["packages"] == pytest.approx((4 + 0 + 0 + 0 + 1) / 5)
        unsaid = rows["GE-AJ"]
        assert (unsaid.value, unsaid.extras["listed"]) == (None, pytest.approx(2 / 5))
        assert unsaid.reason == "no stock is stated: what is listed may not be ready"
        daily = trends(store, "availability", Filter(), by="day", split=["stash"])
        assert [row.value for row in daily if row.splits["stash"] == "magnet"] == [1, 1, 0, None, None, 1, 0]


def test_availability_over_markets_needs_a_day_covered_in_all(tmp_path: Path) -> None:
    crawls = [crawl(0), crawl(1), crawl(1, market="x"), crawl(2, market="x")]
    days = [*days_of([0, 1], "a", first_ready=1, last_ready=1),
            *days_of([1, 2], "b", first_ready=0, last_ready=0, market="x")]
    with world(tmp_path, crawls, [], days) as store:
        (row,) = trends(store, "availability", Filter(), by="week", split=["substance"])
        assert (row.value, row.extras["days"]) == (1.0, 1)
        apart = trends(store, "availability", Filter(), by="week", split=["market"])
        assert [(row.splits["market"], row.value, row.extras["days"]) for row in apart] == [("m", 1.0, 2), ("x", 0.0, 2)]
    with world(tmp_path / "b", [crawl(0), crawl(1, market="x"), crawl(3), crawl(3, market="x")], [], days) as store:
        first = trends(store, "availability", Filter(last=a_day(1)), by="week", split=["substance"])[0]
        assert first.value is None
        assert first.reason == "no day with a complete-enough crawl of every market"
