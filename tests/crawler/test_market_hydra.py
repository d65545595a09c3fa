"""Hydra: what the fixtures do not vary. Pages are our own, in the structure of the market's."""

from __future__ import annotations

import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.items import Offer, Page, PageOutcome
from crawler.market import market_folder
from crawler.pages import ParsedPage, load_pages

NOW = datetime(2022, 3, 1, tzinfo=UTC)
READER = load_pages("hydra")


def fixture_text(name: str) -> str:
    return (market_folder("hydra") / "fixtures" / name / "page.html").read_text(encoding="utf-8")


def parse(body: str | bytes) -> ParsedPage:
    raw = body.encode() if isinstance(body, str) else body
    return READER.parse(
        Page(market="hydra", crawl="c", url="http://market.invalid/x", status=200, body=raw, fetched_at=NOW)
    )


def swap(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


@given(
    roubles=st.integers(1, 10**7), weight=st.decimals(min_value="0.01", max_value=1000, places=2),
    unit=st.sampled_from(["г", "шт", "мл", "таб"]),
)  # fmt: skip
def test_price_and_quantity_come_back(roubles: int, weight: object, unit: str) -> None:
    price = f"{roubles:,}".replace(",", " ") + " руб"
    page = parse(swap(fixture_text("catalogue"), "3 690 руб / 2г", f"{price} / {weight}{unit}"))
    place = "Выдуманск (Сказочный край)"
    assert page.listings[0].offers == (Offer(price=price, quantity=f"{weight}{unit}", place=place),)
    assert not page.unread
    tight = parse(swap(fixture_text("catalogue"), "3 690 руб / 2г", f"{price}/{weight}{unit}"))
    assert tight.listings[0].offers == page.listings[0].offers


def test_a_missing_price_is_counted_and_the_place_kept() -> None:
    page = parse(swap(fixture_text("catalogue"), '<span class="price">', '<span class="cost">'))
    assert page.unread == {"offer.price": 3}
    assert page.listings[0].offers == (Offer(place="Выдуманск (Сказочный край)"),)
    assert page.listings[2].offers == ()


def test_places_that_are_not_shown_are_no_place() -> None:
    """Nor is the price then that of the one place that is."""
    shown = "Выдуманск (Сказочный край)"
    text = fixture_text("catalogue")
    end = text.index("</li>", text.index("i_location")) + len("</li>")
    for more in ("и ещё 5", "Еще 12 городов", "+3"):
        listing = parse(f"{text[:end]}<li>{more}</li>{text[end:]}").listings[0]
        assert listing.offers == (Offer(price="3 690 руб", quantity="2г"), Offer(place=shown))


def test_a_catalogue_of_everything_has_no_category() -> None:
    page = parse(swap(fixture_text("catalogue"), "checkbox custom active", "checkbox custom"))
    assert {listing.category for listing in page.listings} == {()}


def test_renamed_rows_are_an_unknown_layout() -> None:
    text = swap(swap(fixture_text("catalogue"), "catalog_item", "tile"), "category_tree", "tree")
    assert parse(text).outcome is PageOutcome.UNKNOWN_LAYOUT


@pytest.mark.shared_data
def test_real_page(shared_data: Path) -> None:
    pages = []
    with tarfile.open(shared_data / "pages" / "market-pages.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() and "/hydra/" in member.name else None
            if file is not None:
                pages.append(parse(file.read()))
    assert [page.outcome for page in pages] == [PageOutcome.INDEX]
    assert len(pages[0].listings) == 3
    for listing in pages[0].listings:
        assert listing.vendor
        assert listing.description
        assert listing.category
        assert listing.rating is not None
        assert 90 < listing.rating <= 100
        offer = listing.offers[0]
        assert (offer.price or "").endswith(" руб")
        assert (offer.quantity or "").endswith("г")
        assert "край" in (offer.place or "")
