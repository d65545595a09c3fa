"""Discovery routes: told apart by address, sampled for good, and what two of them say, against the world's truth."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from routes_lab import serve_site, silent_market

from crawler.frontier import Step
from crawler.items import CoverageBasis, Crawl, CrawlOutcome, PageOutcome
from crawler.log import iter_log, log_path
from crawler.market import Market, load_market
from crawler.privacy import Masker
from crawler.routes import MIN_OVERLAP, Chapman, Routes, estimate_total
from crawler.run import crawl
from crawler.tally import MAX_BARREN, Tally
from crawler.transport import Loopback
from index.measures import trends
from index.open import open_store
from index.store import Filter
from monitor.demo.world import World
from monitor.demo.world.records import MarketId
from monitor.demo.world.site import Site

MASKER = Masker("0badcafe", b"1" * 32)
NOON = datetime(2025, 1, 6, 12, tzinfo=UTC)


def market_with(*routes: Mapping[str, object]) -> Market:
    return Market.model_validate({"id": "lab", "name": "Lab", "languages": ["en"], "routes": list(routes)})


ALL, TOPICS = {"name": "all", "path": "^/list"}, {"name": "topics", "path": r"^/t/(\d+)", "share": 0.3}


def test_pages_belong_to_the_first_route_whose_pattern_is_found() -> None:
    routes = Routes(market_with(ALL, TOPICS, {"name": "rest", "path": "^/", "start": ["/search?q=tea"]}))
    paths = ("/list?p=3", "/t/7?p=2", "/search?q=tea")
    assert [routes.of(path) for path in paths] == ["all", "topics", "rest"]
    assert routes.start == ("/search?q=tea",)
    assert Routes(load_market("empire")).of("/home") is None


def test_a_sample_is_drawn_by_group_and_stays() -> None:
    routes = Routes(market_with(ALL, TOPICS))
    followed = [number for number in range(2_000) if routes.follows(f"/t/{number}")]
    assert 0.26 < len(followed) / 2_000 < 0.34
    again = Routes(market_with(ALL, TOPICS))
    assert all(again.follows(f"/t/{number}?p=9") for number in followed)  # all pages of a topic share its lot
    assert all(routes.follows(f"/list?p={number}") for number in range(100))
    assert all(routes.follows(f"/elsewhere/{number}") for number in range(100))


@pytest.mark.parametrize("routes", [[ALL], [ALL, ALL], [ALL, {**TOPICS, "share": 0}], [ALL, {**TOPICS, "path": "("}],
                                    [ALL, {**TOPICS, "start": ["//else.where/"]}], [ALL, {**TOPICS, "name": "a+b"}]])  # fmt: skip
def test_what_is_no_pair_of_routes_is_refused(routes: list[dict[str, object]]) -> None:
    with pytest.raises(ValidationError):
        market_with(*routes)


def capture_histories(found: dict[str, set[str]]) -> dict[str, int]:
    """As a crawl counts them: a page a route."""
    tally = Tally()
    for name, seen in found.items():
        tally.apply(Step(path=f"/{name}", outcome=PageOutcome.INDEX, seen=tuple(seen), route=name))
    return tally.histories()


def test_histories_and_the_worked_example() -> None:
    found = {"b": {"1", "2", "3"}, "a": {"2", "3", "4", "5"}, "c": {"5"}}
    assert capture_histories(found) == {"a": 1, "a+b": 2, "a+c": 1, "b": 1}
    # 100 tagged, 80 caught again, 20 of them with a tag
    assert Chapman(100, 80, 20).total == pytest.approx(101 * 81 / 21 - 1)
    assert Chapman(100, 80, 20).deviation == pytest.approx((101 * 81 * 80 * 60 / (21**2 * 22)) ** 0.5)


def test_too_little_in_common_says_nothing() -> None:
    assert estimate_total({"a": 50, "b": 50, "a+b": MIN_OVERLAP - 1}) is None
    assert estimate_total({"a": 50, "b": 50, "a+b": MIN_OVERLAP}) is not None
    assert estimate_total({"a": 50}) is None
    assert estimate_total({}) is None


def test_of_several_routes_the_most_pessimistic_split_counts() -> None:
    # b and c follow one another; a is on its own
    histories = {"a": 20, "a+b+c": 20, "b+c": 20}
    made = estimate_total(histories)
    assert made == Chapman(40, 40, 20)


@given(st.sets(st.integers(0, 300)), st.sets(st.integers(0, 300)))
def test_an_estimate_is_never_less_than_what_was_found(one: set[int], other: set[int]) -> None:
    histories = capture_histories({"a": set(map(str, one)), "b": set(map(str, other))})
    split = {"a": len(one - other), "a+b": len(one & other), "b": len(other - one)}
    assert histories == {name: count for name, count in split.items() if count}
    made = estimate_total(histories)
    if made is None:
        assert len(one & other) < MIN_OVERLAP
    else:
        assert made.total >= len(one | other) - 1e-9
        if one <= other or other <= one:  # one of them saw all the other did: nothing speaks for more
            assert made.total == pytest.approx(max(len(one), len(other)))


def test_the_estimate_is_right_on_average() -> None:
    dice, size, made = random.Random(7), 500, []
    for _ in range(300):
        one = {n for n in range(size) if dice.random() < 0.6}
        other = {n for n in range(size) if dice.random() < 0.3}
        made.append(Chapman(len(one), len(other), len(one & other)))
    assert fmean(one.total for one in made) == pytest.approx(size, rel=0.01)
    inside = [abs(one.total - size) <= 1.96 * one.deviation for one in made]
    assert 0.9 < fmean(inside) <= 1


def test_what_another_route_knows_is_no_trap() -> None:
    """A second route shows nothing new by its nature: it is judged by what it found itself."""
    tally = Tally()
    tally.apply(Step(index=("/list", "/t/1")))
    ids = tuple(str(number) for number in range(50))
    tally.apply(Step(path="/list", outcome=PageOutcome.INDEX, seen=ids, route="all"))
    assert tally.has_news(list(ids[:5]), "topics")
    assert not tally.has_news(list(ids[:5]), "all")
    assert not tally.has_news(list(ids[:5]))
    tally.apply(Step(path="/t/1", outcome=PageOutcome.INDEX, seen=ids[:5], route="topics"))
    assert not tally.has_news(list(ids[:5]), "topics")
    assert tally.may_follow(MAX_BARREN + 1, 3) == 0


def test_routes_survive_the_journal() -> None:
    steps = [
        Step(index=("/list", "/t/1")),
        Step(path="/list", outcome=PageOutcome.INDEX, seen=tuple("abcdefghij"), route="all"),
        Step(path="/t/1", outcome=PageOutcome.INDEX, seen=tuple("abcdefgxyz"), route="topics"),
    ]
    one, other = Tally(), Tally()
    for step in steps:
        one.apply(step)
        other.apply(Step.model_validate_json(step.model_dump_json(exclude_defaults=True)))
    assert one.histories() == other.histories() == {"all": 3, "all+topics": 7, "topics": 3}
    # found by both routes: 7 of 10 and 10; the frontier knows of no page that was not read
    market, second = one.coverage()
    assert (market.basis, second.basis) == (CoverageBasis.ROUTES, CoverageBasis.FRONTIER)
    assert market.expected == pytest.approx(11 * 11 / 8 - 1)
    assert market.value == pytest.approx(13 / (11 * 11 / 8 - 1))


def test_pages_not_had_keep_two_routes_from_claiming_all() -> None:
    tally = Tally()
    tally.apply(Step(index=("/list", "/list?p=2", "/t/1")))
    for path, route in (("/list", "all"), ("/t/1", "topics")):
        tally.apply(Step(path=path, outcome=PageOutcome.INDEX, seen=tuple("abcdefghij"), route=route))
    tally.apply(Step(path="/list?p=2", outcome=PageOutcome.SERVER_ERROR))
    market, second = tally.coverage()
    assert market.basis is CoverageBasis.FRONTIER
    assert market.value == pytest.approx(2 / 3)
    assert (second.basis, second.value) == (CoverageBasis.ROUTES, 1.0)


def run(market: Market, address: str, folder: Path, moment: datetime) -> Crawl:
    return asyncio.run(
        crawl(market, started=moment, transport=Loopback(address, demo=True), masker=MASKER, data_dir=folder,
              clock=lambda: moment)
    )  # fmt: skip


@pytest.mark.parametrize("name", ["stash", "postal"])
def test_a_market_that_shows_only_its_newest_pages(name: MarketId, tmp_path: Path) -> None:
    """Every page there is was read, and still a fifth was not seen: only the second route knows. The estimate agrees with
    the world's truth, and `trends coverage` shows it."""
    world, market = World(11, 100), silent_market(name, share=0.5)
    site, ratios = Site(world, name), []
    with serve_site(site) as server, closing(open_store(f"sqlite:///{tmp_path / 's.db'}")) as store:
        server.depth = 2
        days = [day for day in world.dates()[::12] if world.day(name, day).down is None]
        for number, day in enumerate(days):
            site.set_day(day)
            moment = NOON + timedelta(days=number)
            done = run(market, server.address, tmp_path, moment)
            assert iter_log(log_path(tmp_path / "logs", done))[0].routes == done.routes
            first, second = (scope for scope in done.coverage if scope.scope == "market")
            assert (first.basis, second.basis, second.value) == (CoverageBasis.ROUTES, CoverageBasis.FRONTIER, 1.0)
            assert done.outcome is CrawlOutcome.PARTIAL
            assert first.seen == done.listings == sum(done.routes.values())
            assert first.expected is not None
            ratios.append(first.expected / len(site.rows))
            store.write_crawl(done)
        rows = trends(store, "coverage", Filter(), by="day")
        stated = [row.extras["routes"] for row in rows]
    assert fmean(ratios) == pytest.approx(1, abs=0.08)
    assert all(0.75 < ratio < 1.3 for ratio in ratios)
    assert len(stated) == len(days)
    assert all(0.6 < float(str(value)) < 0.95 for value in stated)
    assert {row.value for row in rows} == set(stated)


def test_a_whole_crawl_agrees_with_the_site(tmp_path: Path) -> None:
    """The bundled market as it is: the site's own total and the two routes say the same; a category's total is not taken
    for the market's, even where the catalogue could not be had."""
    world, market = World(11, 20), load_market("stash")
    site = Site(world, "stash", world.dates()[3])
    with serve_site(site) as server:
        done = run(market, server.address, tmp_path, NOON)
        assert done.outcome is CrawlOutcome.COMPLETE
        first, second = (scope for scope in done.coverage if scope.scope == "market")
        assert (first.basis, first.seen, first.value) == (CoverageBasis.SITE_TOTAL, len(site.rows), 1.0)
        assert (second.basis, second.value) == (CoverageBasis.ROUTES, 1.0)
        assert second.expected == pytest.approx(len(site.rows))
        assert set(done.routes) == {"catalogue", "catalogue+categories"}
        named = {scope.name for scope in done.coverage if scope.scope == "category"}
        assert named
        assert named <= {row.listing.category[-1] for row in site.rows}
        server.refused = lambda path: "page=" in path
        done = run(market, server.address, tmp_path, NOON + timedelta(days=1))
        assert not done.coverage[0].complete_enough
        assert done.coverage[0].expected == len(site.rows)
