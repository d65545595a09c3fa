"""Relists: an old listing put up again under a new id is recognised, counted, and can be left out of `new`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from crawler_lab import lab_market, open_shop
from hypothesis import given
from hypothesis import strategies as st

from crawler.items import Listing, Offer, PageOutcome, digest_id
from crawler.privacy import Masker
from crawler.readings import Readings
from crawler.run import crawl
from crawler.sightings import build_sketch, revisit_after, similarity
from crawler.transport import Loopback
from monitor.demo.world import World
from monitor.demo.world.records import ListingTruth, MarketId

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
TEA = Listing(
    market="lab", listing="1", crawl="c1", observed_at=NOW, title="Gyokuro shade grown 50 g", vendor="0badcafe:" + "1" * 20,
    description="From the north slope, picked by hand in May.\nKept cool and sent the same day.", parser="lab-1",
    offers=(Offer(price="USD 9", quantity="50 g"), Offer(price="USD 17", quantity="100 g")), seen_on="detail",
)  # fmt: skip


def test_what_is_alike() -> None:
    old = build_sketch(TEA)
    assert similarity(old, old) == pytest.approx(1)
    edited = TEA.model_copy(update={"title": "NEW!! Gyokuro shade grown, 50 g", "description": TEA.description + " Fresh."})
    assert similarity(build_sketch(edited), old) > 0.7
    dearer = TEA.model_copy(update={"offers": (Offer(price="USD 99", quantity="50 G"),)})
    assert similarity(build_sketch(dearer), old) == pytest.approx(1)
    other_amount = TEA.model_copy(update={"offers": (Offer(price="USD 9", quantity="1 kg"),)})
    assert similarity(build_sketch(other_amount), old) == 0
    other_tea = TEA.model_copy(update={"title": "Roasted hojicha from the south 50 g"})
    assert similarity(build_sketch(other_tea), old) == 0


def test_a_shop_that_writes_the_same_under_everything_is_told_apart() -> None:
    shop = [build_sketch(TEA.model_copy(update={"title": f"{name} shade grown 50 g"})) for name in ("Kabuse", "Tencha", "Aracha")]
    new = build_sketch(TEA.model_copy(update={"title": "Bancha shade grown 50 g"}))
    assert similarity(new, build_sketch(TEA), shop) < 0.55 < similarity(build_sketch(TEA), build_sketch(TEA), shop)


@given(st.text(max_size=200), st.text(max_size=400))
def test_any_text_is_wholly_like_itself(title: str, description: str) -> None:
    sketch = build_sketch(TEA.model_copy(update={"title": title, "description": description}))
    alike = similarity(sketch, sketch)
    assert alike == (pytest.approx(1) if sketch.title else 0)
    assert 0 <= similarity(sketch, build_sketch(TEA), [sketch]) <= 1


def test_known_only_where_the_old_one_is_gone_and_the_crawl_was_whole(tmp_path: Path) -> None:
    again = TEA.model_copy(update={"listing": "2"})
    third = TEA.model_copy(update={"listing": "3"})
    with Readings(tmp_path, "lab") as readings:
        kept = readings.sightings
        kept.add([TEA], NOW)
        assert kept.judge(NOW) == {}
        kept.add([TEA, again], NOW + timedelta(days=1))  # side by side: two listings, not one put up again
        assert kept.judge(NOW + timedelta(days=1)) == {}
        kept.add([third], NOW + timedelta(days=2))  # a crawl in part: it is judged with the next whole one
        kept.add([third], NOW + timedelta(days=3))
        relists = kept.judge(NOW + timedelta(days=3))
        assert list(relists) == ["3"]
        assert kept.judge(NOW + timedelta(days=3)) == {}
        kept.add([TEA.model_copy(update={"listing": "4"})], NOW + timedelta(days=34))
        assert kept.judge(NOW + timedelta(days=34)) == {}  # gone too long
        readings.sightings.forget(vendor=str(TEA.vendor))
        kept.add([TEA], NOW + timedelta(days=35))
        assert kept.judge(NOW + timedelta(days=35)) == {}


def edited(dice: random.Random, text: str) -> str:
    """As sellers do it: a word more or less, a mark, other case."""
    words = text.split(" ")
    if len(words) > 3 and dice.random() < 0.6:
        words.pop(dice.randrange(len(words)))
    if dice.random() < 0.4:
        words.insert(0, dice.choice(("NEW", "🔥", "!!!", "Restock")))
    new = " ".join(words)
    return new.upper() if dice.random() < 0.1 else new


def as_listing(truth: ListingTruth, ident: str, title: str, description: str, moment: datetime) -> Listing:
    offers = tuple(Offer(quantity=o.quantity_text, place=o.place, stash=o.stash_text) for o in truth.offers)
    return Listing(market=truth.market, listing=ident, crawl="c", observed_at=moment, title=title, description=description,
                   vendor=f"0badcafe:{digest_id(truth.vendor.slug, length=20)}", offers=offers, parser="w", seen_on="detail")  # fmt: skip


def planted(world: World, market: MarketId, seed: int) -> Iterator[tuple[date, list[Listing], dict[str, str]]]:
    """Each day's listings, a third of those that end put up again 1 to 5 days later; and those that are."""
    dice = random.Random(seed)
    last = {item.listing.id: day for day in world.dates() for item in world.day(market, day).listings}
    again: dict[date, list[tuple[str, Listing]]] = {}
    for day in world.dates():
        moment = datetime.combine(day, time(12), UTC)
        new: dict[str, str] = {}
        shown = []
        for item in world.day(market, day).listings:
            truth = item.listing
            shown.append(as_listing(truth, truth.id, truth.title, truth.description, moment))
            if last[truth.id] == day and dice.random() < 0.33:
                due = day + timedelta(days=dice.randint(1, 5))
                copy = as_listing(truth, f"r{truth.id}", edited(dice, truth.title), edited(dice, truth.description), moment)
                for later in range(10):
                    again.setdefault(due + timedelta(days=later), []).append((truth.id, copy))
        for old, copy in again.get(day, []):
            shown.append(copy)
            new[copy.listing] = old
        yield day, shown, new


@pytest.mark.parametrize("market", ["stash", "postal"])
def test_planted_relists_of_a_world_are_found(market: MarketId, tmp_path: Path) -> None:
    """Precision and recall over 60 days of a world with some 110 listings, most vendors with several alike."""
    world = World(3, 60)
    truth: dict[str, str] = {}
    found: dict[str, str] = {}
    with Readings(tmp_path, market) as readings:
        for day, shown, new in planted(world, market, 5):
            moment = datetime.combine(day, time(12), UTC)
            readings.sightings.add(shown, moment)
            truth |= new
            found |= readings.sightings.judge(moment)
    hits = sum(truth.get(new) == old for new, old in found.items())
    assert len(truth) >= 20
    assert hits / len(truth) >= 0.9, (hits, len(truth))
    assert hits / len(found) >= 0.9, [pair for pair in found.items() if truth.get(pair[0]) != pair[1]]


USUAL = timedelta(days=7)


def test_what_never_changes_is_read_seldom_and_what_changes_often_is_read_often() -> None:
    def after(visits: int, changes: int, days: float) -> timedelta:
        return revisit_after(USUAL, 4, visits=visits, changes=changes, watched=timedelta(days=days))

    assert after(1, 0, 0) == USUAL
    assert USUAL < after(2, 0, 7) < 4 * USUAL  # one quiet week is not "never"
    assert USUAL / 4 < after(2, 1, 7) < USUAL
    assert after(9, 0, 56) == 4 * USUAL
    assert after(9, 8, 8) == USUAL / 4
    assert after(5, 4, 28) < USUAL
    assert revisit_after(USUAL, 1, visits=9, changes=8, watched=USUAL) == USUAL


@given(st.integers(1, 500), st.integers(0, 600), st.floats(0, 4000), st.floats(1, 20), st.floats(0, 100))
def test_it_stays_within_its_bounds(visits: int, changes: int, days: float, flex: float, usual: float) -> None:
    beat = timedelta(days=usual)
    found = revisit_after(beat, flex, visits=visits, changes=changes, watched=timedelta(days=days))
    slack = timedelta(microseconds=5)
    assert beat / flex - slack <= found <= beat * flex + slack


def test_a_crawl_visits_by_what_it_knows_of_each_page(tmp_path: Path) -> None:
    """The longer nothing changes the later a page is read again; a change brings the next reading forward."""
    market = lab_market(index_offers="none", detail_days=4)

    def crawl_on(day: float) -> int:
        moment = NOW + timedelta(days=day)
        with_clock = crawl(market, started=moment, transport=Loopback(shop.address, demo=True), data_dir=tmp_path,
                           masker=Masker("0badcafe", b"1" * 32), clock=lambda: moment)  # fmt: skip
        return asyncio.run(with_clock).pages.get(PageOutcome.LISTING, 0)

    with open_shop() as shop:
        shop.items = 20
        assert crawl_on(0) == 20
        assert crawl_on(3.9) == 0
        assert crawl_on(4) == 20
        assert crawl_on(8) == 0  # nothing had changed
        assert crawl_on(14) == 20
        shop.price = 300
        assert crawl_on(32) == 20
        assert crawl_on(36) == 0
        assert crawl_on(47) == 0
        assert crawl_on(48) == 20  # one change in three intervals of 11 days: an even chance after 16 days
