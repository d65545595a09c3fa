"""The synthetic world's model: deterministic, alive, with its events, and true to a brute-force count."""

from __future__ import annotations

import statistics
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import pytest

from monitor.demo.world.evolution import Market
from monitor.demo.world.model import START, World
from monitor.demo.world.records import Event, MarketId
from monitor.demo.world.site import Site

DAYS = 182
SEEDS = (1, 7, 42)


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param, DAYS)


def event(world: World, kind: str, market: str) -> Event:
    return next(e for e in world.events if e.kind == kind and e.market == market)


def test_starts_on_a_monday() -> None:
    assert START.weekday() == 0


def test_same_seed_same_pages_other_seed_other_pages() -> None:
    day = START + timedelta(days=9)
    for market, path in (("stash", "/catalog"), ("postal", "/listings")):
        one, again, other = (Site(World(seed, 30), market, day).respond(path) for seed in (5, 5, 6))
        assert one == again
        assert one.body != other.body


@pytest.mark.parametrize("days", [1, 2, 6, 20, 21, 30, 55, 56, 90, 400])
def test_any_length(days: int) -> None:
    world = World(3, days)
    assert len(world.dates()) == days
    for market in world.markets:
        for day in world.dates():
            state = world.day(market, day)
            assert state.listings or state.down == "seized"
    assert all(e.first <= world.last for e in world.events)
    with pytest.raises(ValueError, match="not in this world"):
        world.day("stash", world.last + timedelta(days=1))


def test_population(world: World) -> None:
    for market in world.markets:
        for day in world.dates():
            state = world.day(market, day)
            if state.down == "seized":
                continue
            assert 75 <= len(state.listings) <= 140
            assert 28 <= len({row.listing.vendor.slug for row in state.listings}) <= 46
            ids = [row.listing.id for row in state.listings]
            assert len(set(ids)) == len(ids)
            for row in state.listings:
                assert row.offers
                keys = {(o.offer.quantity, o.offer.place, o.offer.stash) for o in row.offers}
                assert len(keys) == len(row.offers)


def test_main_substances_have_ten_vendors(world: World) -> None:
    """Below ten vendors there is no interval."""
    main: tuple[tuple[MarketId, str], ...] = (
        ("stash", "mephedrone"), ("stash", "alpha-pvp"), ("stash", "cannabis-herb"), ("postal", "cannabis-herb"),
    )  # fmt: skip
    for market, substance in main:
        counts = [row["value"] for row in world.truth("vendors", market, substance) if not row["closed"]]
        assert statistics.median(value for value in counts if value is not None) >= 10


def test_life_goes_on(world: World) -> None:
    for market in world.markets:
        first, later = world.day(market, START), world.day(market, START + timedelta(days=50))
        old, new = {row.listing.id for row in first.listings}, {row.listing.id for row in later.listings}
        assert old & new
        assert new - old
        assert old - new
        assert {r.listing.vendor.slug for r in first.listings} != {r.listing.vendor.slug for r in later.listings}


def test_returns_after_a_pause(world: World) -> None:
    """Some listings vanish for days and come back under the same id."""
    days = [{row.listing.id for row in world.day("stash", day).listings} for day in world.dates()]
    seen: Counter[str] = Counter()
    for before, after in pairwise(days):
        seen.update(after - before)
    assert any(times > 1 for times in seen.values())


def test_price_shock(world: World) -> None:
    shock = event(world, "price-shock", "stash")
    assert shock.factor
    truth = world.truth("price", "stash", shock.substance, "day")
    rows = {row["bucket"]: row["value"] for row in truth if row["value"]}

    def level(first: int, last: int) -> float:
        return statistics.median(rows[(shock.first + timedelta(days=n)).isoformat()] for n in range(first, last))

    assert level(5, 15) / level(-10, 0) == pytest.approx(shock.factor, rel=0.2)


def test_first_substance(world: World) -> None:
    for market in world.markets:
        arrival = event(world, "first-substance", market)
        assert arrival.substance
        for row in world.truth("listings", market, arrival.substance, "day"):
            if date.fromisoformat(row["bucket"]) < arrival.first:
                assert row["value"] == 0
            elif row["bucket"] == arrival.first.isoformat():
                assert row["value"] == 1


def test_region_goes_dry_and_comes_back(world: World) -> None:
    dry = event(world, "region-dry", "stash")
    assert dry.last is not None
    rows = {row["bucket"]: row["value"] for row in world.truth("offers", "stash", None, "day", region=dry.region)}
    before = rows[(dry.first - timedelta(days=1)).isoformat()]
    assert before is not None
    assert before >= 5
    day = dry.first + timedelta(days=3)
    while day <= dry.last:
        assert rows[day.isoformat()] == 0
        day += timedelta(days=1)
    assert any((rows[d.isoformat()] or 0) > 0 for d in world.dates() if d > dry.last)


def test_market_closes_for_good(world: World) -> None:
    closing = event(world, "market-closed", "postal")
    assert timedelta(days=14) <= world.last - closing.first <= timedelta(days=40)
    for day in world.dates():
        assert (world.day("postal", day).down == "seized") == (day >= closing.first)
    rows = {row["bucket"]: row for row in world.truth("listings", "postal", by="day")}
    assert rows[closing.first.isoformat()]["value"] is None
    assert rows[closing.first.isoformat()]["closed"] == ["postal"]
    assert rows[(closing.first - timedelta(days=1)).isoformat()]["value"]


def test_gaps(world: World) -> None:
    for market in world.markets:
        down = [d for d in world.dates() if world.day(market, d).down not in (None, "seized")]
        assert 4 <= len(down) <= 10
        assert down[0] > START
        kinds = {world.day(market, d).down for d in down}
        assert len(kinds) >= 4
        for day in down:  # behind the closed door life goes on
            assert world.day(market, day).listings
        assert all(any(world.day(market, d - timedelta(days=back)).down is None for back in (1, 2)) for d in down)


def test_sales_explain_stock(world: World) -> None:
    """A fall of `ready` between two days is a sale or a reservation; most sales show as a fall."""
    sold = fallen = 0
    before: dict[tuple[str, int], int] = {}
    for day in world.dates():
        now: dict[tuple[str, int], int] = {}
        for row in world.day("stash", day).listings:
            for state in row.offers:
                key = row.listing.id, state.offer.key
                assert state.ready is not None
                assert state.ready >= 0
                now[key] = state.ready
                if key in before:
                    fall = max(0, before[key] - state.ready)
                    assert fall <= state.sold + 1
                    fallen += fall
                    sold += state.sold
                else:
                    assert state.sold == 0 or day != START
        before = now
    assert sold > 3000
    assert 0.9 <= fallen / sold <= 1.1


def test_postal_feedback_follows_sales(world: World) -> None:
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    sold: Counter[str] = Counter()
    for day in world.dates():
        for row in world.day("postal", day).listings:
            assert row.feedback is not None
            if row.listing.id in first:
                assert row.feedback >= last[row.listing.id]
                sold[row.listing.id] += sum(offer.sold for offer in row.offers)
            first.setdefault(row.listing.id, row.feedback)
            last[row.listing.id] = row.feedback
    grown = sum(last[key] - first[key] for key in first)
    assert 0.5 <= grown / sum(sold.values()) <= 0.8


@pytest.mark.parametrize("by", ["day", "week", "month"])
def test_truth_against_brute_force(by: str) -> None:
    """Counts, prices and turnover recomputed from the states by other means."""
    world = World(11, 70)
    for market in world.markets:
        for substance in (None, "mephedrone", "cannabis-herb", "unknown"):
            days: dict[str, list[tuple[int, int, int]]] = {}
            prices: dict[tuple[str, str], list[float]] = {}
            money: Counter[str] = Counter()
            for day in world.dates():
                state = world.day(market, day)
                if state.down == "seized":
                    continue
                start = {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[by]
                bucket = start.isoformat()
                rows = [
                    r for r in state.listings
                    if substance is None or r.listing.substance == (None if substance == "unknown" else substance)
                ]  # fmt: skip
                vendors = {r.listing.vendor.name for r in rows}
                days.setdefault(bucket, []).append((len(rows), sum(len(r.offers) for r in rows), len(vendors)))
                for row in rows:
                    for offer in row.offers if row.listing.kind == "offer" else ():
                        usd = offer.price * world.rate(day, offer.currency)
                        money[bucket] += offer.sold * usd  # type: ignore[assignment]
                        if not offer.held:
                            prices.setdefault((bucket, offer.offer.unit), []).append(usd / offer.offer.quantity)
            for place, measure in enumerate(("listings", "offers", "vendors")):
                for truth in world.truth(measure, market, substance, by):  # type: ignore[arg-type]
                    counts = [count[place] for count in days.get(truth["bucket"], [])]
                    assert truth["value"] == (pytest.approx(statistics.mean(counts)) if counts else None)
            for truth in world.truth("turnover", market, substance, by):  # type: ignore[arg-type]
                if truth["bucket"] in days:
                    assert truth["value"] == pytest.approx(money[truth["bucket"]])
            for truth in world.truth("price", market, substance, by):  # type: ignore[arg-type]
                found = prices.get((truth["bucket"], truth["unit"] or ""))
                assert truth["value"] == (pytest.approx(statistics.median(found)) if found else None)


def test_both_markets_together(world: World) -> None:
    for measure in ("listings", "offers", "vendors"):
        both = world.truth(measure, None)  # type: ignore[arg-type]
        parts = [world.truth(measure, market) for market in world.markets]  # type: ignore[arg-type]
        for row, *single in zip(both, *parts, strict=True):
            assert row["value"] == pytest.approx(sum(one["value"] or 0 for one in single))


def test_rates(world: World) -> None:
    rows = world.fx_rows()
    assert {row.quote for row in rows} == {"USD"}
    assert {"RUB", "EUR", "GBP", "AUD", "BTC", "XMR"} <= {row.base for row in rows}
    assert len({(row.date, row.base) for row in rows}) == len(rows)
    for day in world.dates():
        assert world.rate(day, "RUB") == pytest.approx(0.0102, rel=0.35)


def test_texts_are_messy_but_named(world: World) -> None:
    titles = [listing.title for market in world.markets for listing in world.listings(market)]
    lower = [title.casefold() for title in titles]
    mixed = [t for t in lower if any("а" <= c <= "я" for c in t) and any("a" <= c <= "z" for c in t)]
    emoji = [t for t in titles if any(ord(c) > 0x1F000 for c in t)]
    assert len(mixed) > 0.05 * len(titles)
    assert len(emoji) > 0.05 * len(titles)
    unknown = [x for m in world.markets for x in world.listings(m) if x.kind == "offer" and x.substance is None]
    assert 0 < len(unknown) < 0.06 * len(titles)
    kinds = {x.kind for m in world.markets for x in world.listings(m)}
    assert {"offer", "job", "lottery", "sample", "custom"} <= kinds
    assert all("{" not in t and "}" not in t for t in titles)


def test_markets_do_not_share_dice() -> None:
    """A change in one market's life must not move the other's."""
    start: MarketId = "postal"
    rates = {(row.date, row.base): row.rate for row in World(2, 5).fx_rows()}
    alone = Market(2, start, 5, START, events=[], rates=rates).step(0, START)
    assert alone == World(2, 5).day("postal", START)
