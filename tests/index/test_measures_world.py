"""The demo's synthetic world, whose truth is known, straight into the store: no crawl, no reading of texts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from statistics import fmean
from typing import Any

import pytest

from extract.observation import Coverage, CoverageBasis, Crawl, CrawlKind, CrawlOutcome
from index.measures import trends
from index.offer_day import OfferDay
from index.open import open_store
from index.store import Filter, Store
from monitor.demo.world import World

VERSION = "1-test"


def a_crawl(market: str, day: date) -> Crawl:
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    whole = Coverage(seen=100, expected=100, value=1.0, basis=CoverageBasis.SITE_TOTAL)
    return Crawl(id=f"{market}-{day}", market=market, kind=CrawlKind.FULL, started=noon, finished=noon,
                 outcome=CrawlOutcome.COMPLETE, coverage=(whole,))


def offer_days(world: World, market: Any) -> Iterator[OfferDay]:
    for day in world.dates():
        state = world.day(market, day)
        noon = datetime.combine(day, time(12), tzinfo=UTC)
        for row in state.listings if state.down is None else ():
            for offer in row.offers:
                dollars = offer.price * world.rate(day, offer.currency)
                yield OfferDay(
                    market=market, listing=row.listing.id, offer=f"{row.listing.id}/{offer.offer.key}", day=day,
                    version=VERSION, vendor=row.listing.vendor.slug, kind=row.listing.kind,  # type: ignore[arg-type]
                    substance=row.listing.substance, quantity=offer.offer.quantity, unit=offer.offer.unit,
                    region=offer.offer.region, sightings=1, first_seen=noon, last_seen=noon, currency=offer.currency,
                    unit_price=round(offer.price / offer.offer.quantity * 10_000), price_low=round(offer.price * 100),
                    unit_price_usd=round(dollars / offer.offer.quantity * 10_000), price_low_usd=round(dollars * 100),
                    flags=("holding",) if offer.held else (), feedback=row.feedback,  # type: ignore[arg-type]
                    first_ready=offer.ready, last_ready=offer.ready)


@pytest.fixture(scope="module")
def world() -> World:
    return World(3, 70)


@pytest.fixture(scope="module")
def store(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('world') / 'w.db'}")
    for market in world.markets:
        for day in world.dates():
            if world.day(market, day).down is None:
                store.write_crawl(a_crawl(market, day))
        store.write_offer_days(offer_days(world, market))
    yield store
    store.close()


def test_feedback_counts_the_part_of_sales_that_left_one(world: World, store: Store) -> None:
    """65 % of buyers there leave feedback; what is sold before a listing's first sighting or after its last is unseen."""
    last = max(day for day in world.dates() if world.day("postal", day).down is None)
    sold, money = 0, 0.0
    for day in world.dates()[1:]:
        for row in world.day("postal", day).listings if day <= last else ():
            if row.listing.kind == "offer":
                sold += sum(offer.sold for offer in row.offers)
                money += sum(offer.sold * offer.price * world.rate(day, offer.currency) for offer in row.offers)
    rows = {
        method: trends(store, "turnover", Filter(market=("postal",), last=last), by="month", method=method)
        for method in ("soska-christin", "kruithof")
    }
    for found in rows.values():
        packages = sum(float(row.extras["packages"] or 0) for row in found)
        assert 0.58 < packages / sold < 0.68
    cheapest, usual = (sum(row.value or 0 for row in found) for found in rows.values())
    # each listing has up to five sizes: pricing all sales as the smallest one misses most of the money
    assert cheapest < usual < money
    assert cheapest / money < 0.5


def test_the_index_shows_the_planted_shock(world: World, store: Store) -> None:
    (shock,) = [event for event in world.events if event.kind == "price-shock"]
    assert shock.factor is not None
    where = Filter(market=("stash",), substance=(str(shock.substance),))
    rows = [row for row in trends(store, "price-index", where, by="week") if row.extras["unit"] == "g"]
    before = [row.value for row in rows if row.value and row.bucket + timedelta(days=6) < shock.first]
    after = [row.value for row in rows if row.value and row.bucket > shock.first + timedelta(days=5)]
    assert len(before) >= 3
    assert len(after) >= 3
    assert fmean(after) / fmean(before) == pytest.approx(shock.factor, rel=0.05)
    level = [
        row for row in trends(store, "event", where, by="day", at=shock.first, of="price-index")
        if (row.extras["role"], row.extras["term"], row.extras["unit"]) == ("event", "level", "g")
    ]
    assert len(level) == 1
    assert level[0].value is not None
    assert level[0].value > 20  # most of it within the five days in which prices rise
    assert level[0].extras["placebo_share"] == 0.0


def test_a_region_that_runs_dry_is_unavailable(world: World, store: Store) -> None:
    (dry,) = [event for event in world.events if event.kind == "region-dry"]
    where = Filter(market=("stash",), region=(str(dry.region),))
    rows = {row.bucket: row for row in trends(store, "availability", where, by="day", split=["market"])}
    inside = [rows[day].value for day in world.dates() if dry.first + timedelta(days=4) <= day <= dry.last]  # type: ignore[operator]
    before = [row.value for day, row in rows.items() if day < dry.first and row.value is not None]
    assert set(inside) - {None} == {0.0}
    assert fmean(before) > 0.9
