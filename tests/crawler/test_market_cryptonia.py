"""Cryptonia: what the fixtures do not vary. Pages are our own, in the structure of the market's."""

from __future__ import annotations

import tarfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.items import Listing, Page, PageOutcome
from crawler.market import market_folder
from crawler.pages import ParsedPage, load_pages

NOW = datetime(2020, 1, 1, tzinfo=UTC)
READER = load_pages("cryptonia")


def fixture_text(name: str) -> str:
    return (market_folder("cryptonia") / "fixtures" / name / "page.html").read_text(encoding="utf-8")


def parse(body: str | bytes) -> ParsedPage:
    raw = body.encode() if isinstance(body, str) else body
    return READER.parse(
        Page(market="cryptonia", crawl="c", url="http://market.invalid/x", status=200, body=raw, fetched_at=NOW)
    )


def swap(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


UNITS = st.sampled_from(["Each", "112g", "112 g", "10 pack", "2 or more", "3.5gram", "1/4pound", "unit or so", "$400", "таб"])


@given(
    stock=st.integers(0, 10**7), price=st.integers(1, 10**7), unit=UNITS, number=st.integers(2, 10**5),
    grouped=st.booleans(),
)  # fmt: skip
def test_numbers_and_units_come_back(stock: int, price: int, unit: str, number: int, grouped: bool) -> None:
    def write(count: int) -> str:
        return f"{count:,}" if grouped else str(count)

    text = fixture_text("listing")
    text = swap(text, "<span>1,417 112g</span>", f"<span>{write(stock)} {unit}</span>")
    text = swap(text, ">485.00 USD/112g<", f">{price / 100:.2f} AUD/{unit}<")
    text = swap(text, ">450.00 USD/112g<", f">450.00 USD/{unit}<")
    text = swap(text, "<label> 5 112g or more:</label>", f"<label> {write(number)} {unit} or more:</label>")
    page = parse(text)
    first, tier, _ = page.listings[0].offers
    assert (first.price, first.quantity, first.ready) == (f"{price / 100:.2f} AUD", unit, stock)
    assert tier.quantity == f"{unit} ({write(number)} or more)"
    assert not page.unread


def test_what_cannot_be_read_is_counted() -> None:
    text = swap(fixture_text("listing"), "<span>1,417 112g</span>", "<span>plenty</span>")
    page = parse(swap(text, 'class="lgtext">450.00 USD/112g<', 'class="x">450.00 USD/112g<'))
    assert page.unread == {"offer.ready": 1, "offer.price": 1}
    assert page.listings[0].offers[0].ready is None
    assert len(page.listings[0].offers) == 2


def test_a_tier_of_another_unit_is_unread() -> None:
    page = parse(swap(fixture_text("listing"), "<label> 5 112g or more:</label>", "<label> 5 1 lb or more:</label>"))
    assert page.unread == {"offer.quantity": 1}
    assert len(page.listings[0].offers) == 2


def test_only_digital_goods_are_delivered_anywhere() -> None:
    text = swap(fixture_text("listing_digital"), "Digital Autoshop Listing", "Physical Listing")
    listing = parse(text).listings[0]
    assert (listing.ships_from, listing.ships_to) == (None, ())


def test_an_arrow_in_a_title_is_no_country() -> None:
    text = swap(fixture_text("category"), "How to brew (a booklet)", "From bush → to cup")
    listing = parse(text).listings[1]
    assert listing.title == "From bush → to cup"
    assert (listing.ships_from, listing.ships_to) == (None, ())


def test_a_vendors_shop_or_a_search_has_no_category() -> None:
    for heading in ("LeafHouse Products", "Search Results"):
        page = parse(swap(fixture_text("category"), "Green Products", heading))
        assert len(page.listings) == 2
        assert page.scope is None
        assert page.total is None
        assert {listing.category for listing in page.listings} == {()}


def test_a_notice_to_all_is_no_heading() -> None:
    text = fixture_text("category")
    page = parse(swap(text, "<h2", "<h2>Withdrawals are slow today</h2><h2"))
    before = parse(text)
    assert (page.listings, page.scope, page.total) == (before.listings, before.scope, before.total)
    assert page.scope is not None


def test_a_box_that_others_lie_in_keeps_its_shipping() -> None:
    text = fixture_text("category").replace('<div id="prod_9001">', '<div id="prod_9001"><div>')
    second = text.index('<div id="prod_9002">')
    text = text[:second] + text[second:].replace("</select>", '<option value="102">Drone</option></select>', 1)
    first, other = parse(text).listings
    assert first.shipping == ("Parcel (20.00 USD)", "add on (0.00 USD)")
    assert other.shipping == ("Drone",)


def test_customers_words_are_not_read() -> None:
    for folder in ("listing", "vendor"):
        text = fixture_text(folder)
        assert "Words of a customer" in text
        assert "Words of a customer" not in repr(parse(text))
        assert "g***s" not in repr(parse(text))


def test_renamed_rows_are_an_unknown_layout() -> None:
    text = swap(fixture_text("category"), "growlink", "title")
    assert parse(text).outcome is PageOutcome.UNKNOWN_LAYOUT
    text = swap(fixture_text("listing"), "product_data", "fact")
    assert parse(text).outcome is PageOutcome.UNKNOWN_LAYOUT


@pytest.mark.shared_data
def test_real_pages(shared_data: Path) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    listings: list[Listing] = []
    with tarfile.open(shared_data / "pages" / "market-pages.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() and "/cryptonia/" in member.name else None
            if file is None:
                continue
            page = parse(file.read())
            folder = member.name.split("/")[-2]
            seen[folder, page.outcome.value] += 1
            listings.extend(page.listings)
    assert seen == {
        ("listings", "listing"): 8,
        ("search_results", "index"): 3,
        ("search_results", "empty"): 1,
        ("users", "index"): 11,
        ("feedback", "index"): 1,
        ("cryptonia", "index"): 1,
        ("login_page", "login"): 1,
        ("ddos", "wait"): 1,
    }
    assert len(listings) == 8 + 25 + 2 + 23 + 25
    for listing in listings:
        assert listing.shipping, listing.listing
        assert listing.rating is not None
        assert listing.offers[0].quantity
        assert (listing.offers[0].price or "").endswith(" USD")
    digital = [listing for listing in listings if not listing.ships_from]
    assert len(digital) == 2
