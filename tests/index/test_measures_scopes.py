"""Which coverage decides for which place, and which markets a bucket waits for."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from config.errors import StoreError
from extract.observation import Coverage, CoverageBasis, Crawl, CrawlKind, CrawlOutcome
from index.buckets import Buckets
from index.coverage import Panel, crawl_day, scope_coverage

TOTAL = CoverageBasis.SITE_TOTAL


def place(region: str | None, seen: int, expected: float | None, value: float | None, name: str = "") -> Coverage:
    return Coverage(
        scope="place", name=name or str(region), region=region, seen=seen, expected=expected, value=value, basis=TOTAL)


def a_crawl(*scopes: Coverage, market: str = "m", started: datetime | None = None, tz: str = "UTC") -> Crawl:
    moment = started or datetime(2024, 1, 1, 12, tzinfo=UTC)
    return Crawl(id=f"{market}-{moment:%d%H}", market=market, kind=CrawlKind.FULL, started=moment,
                 outcome=CrawlOutcome.COMPLETE, coverage=scopes, tz=tz)


MARKET = Coverage(seen=90, expected=100, value=0.9, basis=TOTAL)


def test_the_scope_nearest_to_the_question_decides() -> None:
    crawl = a_crawl(
        MARKET, place("RU-MOW", 50, 50, 1.0), place("RU-SPE", 20, 40, 0.5), place("RU-SPE", 30, 30, 1.0, "suburb"),
        place("KZ", 10, 10, 1.0), place(None, 1, 10, 0.1))
    assert scope_coverage(crawl).value == 0.9
    assert scope_coverage(crawl, ("RU-MOW",)).value == 1.0
    assert scope_coverage(crawl, ("RU-SPE",)).value == pytest.approx(50 / 70)
    assert scope_coverage(crawl, ("RU",)).value == pytest.approx(100 / 120)
    assert scope_coverage(crawl, ("KZ-75",)).value == 1.0  # only crawled as a whole
    assert scope_coverage(crawl, ("GE-TB",)).value == 0.9  # not crawled apart: the market's
    assert scope_coverage(crawl, ("RU-MOW", "RU-SPE")).value == pytest.approx(100 / 120)


def test_too_much_seen_in_one_place_does_not_make_up_for_another() -> None:
    crawl = a_crawl(place("GE-TB", 200, 100, 1.0), place("GE-AJ", 0, 100, 0.0))
    assert scope_coverage(crawl, ("GE",)).value == 0.5


def test_without_expected_numbers_the_lowest_value_stands() -> None:
    crawl = a_crawl(place("GE-TB", 10, None, 1.0), place("GE-AJ", 5, 10, 0.5))
    assert scope_coverage(crawl, ("GE",)).value == 0.5


def test_an_unknown_basis_is_never_complete_enough() -> None:
    unknown = Coverage(seen=100, expected=100, value=1.0, basis=CoverageBasis.UNKNOWN)
    assert not scope_coverage(a_crawl(unknown)).complete_enough
    assert not scope_coverage(a_crawl()).complete_enough
    assert scope_coverage(a_crawl(MARKET)).complete_enough
    barely = Coverage(seen=899, expected=1000, value=0.899, basis=TOTAL)
    panel = Panel([a_crawl(barely)], Buckets.build(date(2024, 1, 1), date(2024, 1, 1), "day"))
    assert panel.status(0).reason == "1 crawl, none complete enough (best 0.89)"


def test_a_crawl_counts_on_its_local_day() -> None:
    late = datetime(2024, 1, 1, 21, tzinfo=UTC)
    assert crawl_day(a_crawl(started=late, tz="Asia/Tbilisi")) == date(2024, 1, 2)
    with pytest.raises(StoreError, match="IANA"):
        crawl_day(a_crawl(tz="Mars/Olympus"))


def test_a_market_is_waited_for_between_its_first_and_last_attempt() -> None:
    def at(market: str, day: int) -> Crawl:
        return a_crawl(MARKET, market=market, started=datetime(2024, 1, day, 12, tzinfo=UTC))

    crawls = [at("a", 1), at("a", 5), at("b", 2), at("b", 4)]
    panel = Panel(crawls, Buckets.build(date(2024, 1, 1), date(2024, 1, 5), "day"))
    assert [panel.status(day).reason for day in range(5)] == [
        None, "a: no crawl", "a: no crawl; b: no crawl", "a: no crawl", None]
    assert [panel.status(day, every=False).reason for day in range(5)] == [
        None, None, "a: no crawl; b: no crawl", None, None]
    assert panel.status(0).used == {"a": ("a-0112",)}
