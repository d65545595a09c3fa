"""The two synthetic markets' page objects read back exactly what the model knows, for whole market-days."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from crawler.items import Listing, Offer, Page, PageOutcome
from crawler.market import load_market, market_folder
from crawler.pages import PageObject, ParsedPage, load_pages
from crawler.routes import Routes
from monitor.demo.world import html_postal, html_stash
from monitor.demo.world.model import START, World
from monitor.demo.world.records import ListingState, MarketId
from monitor.demo.world.saved import iter_saved, rows_shown
from monitor.demo.world.site import Response, Site

MARKETS: tuple[MarketId, ...] = ("stash", "postal")
PATHS: dict[str, tuple[str, str, str]] = {
    "stash": ("/catalog", "/item/", "/shop/"),
    "postal": ("/listings", "/listing/", "/vendor/"),
}
HOST = "http://world"


@pytest.fixture(scope="module")
def world() -> World:
    return World(4, 182)


def parse(pages: PageObject, path: str, response: Response) -> ParsedPage:
    moment = datetime(2025, 1, 6, 12, tzinfo=UTC)
    return pages.parse(
        Page(market=pages.market.id, crawl="c", url=HOST + path, status=response.status, body=response.body,
             fetched_at=moment)
    )  # fmt: skip


def crawl(pages: PageObject, site: Site) -> tuple[dict[str, Listing], set[str], list[ParsedPage]]:
    """Follows the catalogue from the start paths, as the spider does; categories are another route."""
    todo, done = list(load_market(pages.market.id).start), set()
    routes = Routes(pages.market)
    found: dict[str, Listing] = {}
    details: set[str] = set()
    parsed = []
    while todo:
        path = todo.pop()
        if path in done:
            continue
        done.add(path)
        page = parse(pages, path, site.respond(path))
        parsed.append(page)
        todo += [path for path in (link.removeprefix(HOST) for link in page.links) if routes.of(path) == "catalogue"]
        found.update({listing.listing: listing for listing in page.listings})
        details.update(link.url.removeprefix(HOST) for link in page.details)
    return found, details, parsed


def offers_of(row: ListingState, *, all_of_them: bool) -> tuple[Offer, ...]:
    offers = row.offers if all_of_them else row.offers[:1]
    return tuple(
        Offer(
            price=" ".join(state.price_text.split()), quantity=state.offer.quantity_text, place=state.offer.place,
            stash=state.offer.stash_text, ready=state.ready, preorder=state.preorder,
        )
        for state in offers
    )  # fmt: skip


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("offset", [0, 37, 101])
def test_a_whole_day_is_read_back(world: World, market: MarketId, offset: int) -> None:
    day = START + timedelta(days=offset)
    while world.day(market, day).down:
        day += timedelta(days=1)
    state, site, pages = world.day(market, day), Site(world, market, day), load_pages(market)
    found, details, parsed = crawl(pages, site)
    assert 4 <= len(parsed) <= 8
    assert all(page.outcome is PageOutcome.INDEX and not page.unread for page in parsed)
    assert {page.total for page in parsed} == {len(state.listings)}
    assert set(found) == {row.listing.id for row in state.listings}
    assert details == {PATHS[market][1] + row.listing.id for row in state.listings}
    for row in state.listings:
        truth = row.listing
        seen = found[truth.id]
        assert seen.offers == offers_of(row, all_of_them=market == "stash")
        page = parse(pages, PATHS[market][1] + truth.id, site.respond(PATHS[market][1] + truth.id))
        assert page.outcome is PageOutcome.LISTING
        assert not page.unread
        (detail,) = page.listings
        assert detail.offers == offers_of(row, all_of_them=True)
        assert detail.description == "\n".join(squeezed(line) for line in truth.description.split("\n"))
        for listing in (seen, detail):
            assert listing.listing == truth.id
            assert listing.title == squeezed(truth.title)
            assert listing.vendor == truth.vendor.name
            assert listing.category == truth.category
            assert listing.feedback == row.feedback
            assert listing.rating == row.rating
        if market == "postal":
            assert detail.ships_from
            assert len(detail.ships_to) == len(truth.ships_to)
            assert len(detail.ships_except) == len(truth.ships_except)
            assert detail.shipping == truth.vendor.shipping


@pytest.mark.parametrize("market", MARKETS)
def test_nothing_hidden_and_no_buyer_is_read(world: World, market: MarketId) -> None:
    """Scripts, comments, buyers and what they say are on the pages, and in no listing."""
    from monitor.demo.world import phrases_en, phrases_ru

    book = phrases_ru if market == "stash" else phrases_en
    site, pages = Site(world, market), load_pages(market)
    served, kept = "", ""
    for row in site.rows:
        for path in (PATHS[market][1] + row.listing.id, PATHS[market][2] + row.listing.vendor.slug):
            served += site.respond(path).body.decode()
            page = parse(pages, path, site.respond(path))
            kept += "".join(listing.model_dump_json() for listing in page.listings)
    assert "<script>" in served
    assert "<!--" in served
    for secret in ("script>", "<!--", "alert(", "var x=", *book.REVIEWS):
        assert secret not in kept
    words = set(re.findall(r"\w+", kept))
    for buyer in book.BUYERS:
        assert f">{buyer}<" in served
        assert buyer not in words


@pytest.mark.parametrize("market", MARKETS)
def test_hostile_bits_are_there(world: World, market: MarketId) -> None:
    """Handles, wallets and mail addresses in descriptions, vendor names in titles: for privacy to mask."""
    listings = world.listings(market)
    text = "\n".join(listing.description for listing in listings)
    assert "@" in text
    assert ".example" in text
    assert any(listing.vendor.name in listing.title for listing in listings)
    assert any("<" in listing.title or "&" in listing.title for listing in listings)


@pytest.mark.parametrize("market", MARKETS)
def test_outcome_of_every_kind_of_day(world: World, market: MarketId) -> None:
    expected = {
        "outage": PageOutcome.SERVER_ERROR, "maintenance": PageOutcome.MAINTENANCE, "challenge": PageOutcome.CHALLENGE,
        "wait": PageOutcome.WAIT, "login": PageOutcome.LOGIN, "seized": PageOutcome.SEIZED,
    }  # fmt: skip
    pages, kinds = load_pages(market), set()
    for day in world.dates():
        down = world.day(market, day).down
        if down is None or down in kinds:
            continue
        kinds.add(down)
        site = Site(world, market, day)
        if down == "partial":
            found, _, parsed = crawl(pages, site)
            assert 0 < len(found) < 0.9 * len(site.rows)
            assert {page.outcome for page in parsed} == {PageOutcome.INDEX, PageOutcome.SERVER_ERROR}
            continue
        for path in PATHS[market][:1]:
            assert parse(pages, path, site.respond(path)).outcome is expected[down]
    assert len(kinds) >= 4


@pytest.mark.parametrize("market", MARKETS)
def test_other_pages(world: World, market: MarketId) -> None:
    site, pages = Site(world, market), load_pages(market)
    catalogue = PATHS[market][0]
    for path in ("/", PATHS[market][2] + site.rows[0].listing.vendor.slug):
        page = parse(pages, path, site.respond(path))
        assert page.outcome is PageOutcome.INDEX
        assert page.links == (HOST + catalogue,)
    assert parse(pages, "/login", site.respond("/login")).outcome is PageOutcome.LOGIN
    for path in ("/nope", catalogue + "?page=99&p=99", catalogue + "?page=x&p=x", PATHS[market][1] + "0"):
        assert parse(pages, path, site.respond(path)).outcome is PageOutcome.NOT_FOUND
    html = html_stash if market == "stash" else html_postal
    category = site.rows[0].listing.category
    path = ("/c/" if market == "stash" else "/category/") + html_stash.slug_of(category)
    page = parse(pages, path, site.respond(path))
    assert page.total == sum(row.listing.category == category for row in site.rows)
    assert page.scope == ("category", category[-1])
    assert parse(pages, catalogue, site.respond(catalogue)).scope is None
    empty = html.index(site.state, [], 1, catalogue, "x")
    assert empty is not None
    assert parse(pages, path, Response(200, empty.encode())).outcome is PageOutcome.EMPTY
    cut = site.respond(catalogue).body[:5000]
    assert parse(pages, catalogue, Response(200, cut)).outcome is PageOutcome.TRUNCATED


def test_categories_have_their_own_addresses(world: World) -> None:
    for market in MARKETS:
        paths = {listing.category for listing in world.listings(market)}
        assert len({html_stash.slug_of(path) for path in paths}) == len(paths)


@pytest.mark.parametrize("market", MARKETS)
def test_fixtures_are_in_step(market: MarketId) -> None:
    """The saved pages are what the world renders today, and the page object reads them as expected.json says.

    After a change of the pages: `monitor.demo.world.saved.write_saved`.
    """
    folder = market_folder(market) / "fixtures"
    names = set()
    for name, status, text in iter_saved(market):
        names.add(name)
        file = folder / name / "page.html"
        assert file.read_text(encoding="utf-8") == text, f"{file} is out of step"
        page = parse(load_pages(market), "/", Response(status, file.read_bytes()))
        wanted = {"detail": "listing", "vendor": "index", "home": "index"}.get(name, name)
        assert page.outcome == PageOutcome(wanted)
        expected = json.loads((folder / name / "expected.json").read_text(encoding="utf-8"))
        assert expected["outcome"] == page.outcome
        assert expected["listings"] == [listing.model_dump(mode="json") for listing in page.listings]
    assert names == {path.name for path in Path(folder).iterdir()}
    assert len(rows_shown(market)) == 4


def test_a_day_outside_of_the_world(world: World) -> None:
    with pytest.raises(ValueError, match="not in this world"):
        Site(world, "stash", date(2031, 1, 1))
