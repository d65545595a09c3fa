"""Dream: what the fixtures do not vary. Pages are our own, in the structure of the market's."""

from __future__ import annotations

import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.items import Listing, Page, PageOutcome
from crawler.market import market_folder
from crawler.pages import PageObject, ParsedPage, load_pages

NOW = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def reader() -> PageObject:
    return load_pages("dream")


def fixture_text(name: str) -> str:
    return (market_folder("dream") / "fixtures" / name / "page.html").read_text(encoding="utf-8")


def parse(reader: PageObject, body: str | bytes, content_type: str = "text/html") -> ParsedPage:
    raw = body.encode() if isinstance(body, str) else body
    return reader.parse(
        Page(market="dream", crawl="c", url="http://market.invalid/x", status=200, content_type=content_type,
             body=raw, fetched_at=NOW)
    )  # fmt: skip


def swap(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("selected", "path"),
    [
        ("depth0", ("Teas",)),
        ("depth1", ("Teas", "Green")),
        ("depth2", ("Teas", "Green", "Leaf")),
    ],
)
def test_category_is_the_path_to_the_selected_entry(reader: PageObject, selected: str, path: tuple[str, ...]) -> None:
    text = swap(fixture_text("listing"), "category selected depth2", "category depth2")
    text = text.replace(f'class="category {selected}"', f'class="category selected {selected}"', 1)
    assert parse(reader, text).listings[0].category == path


def test_ratings_that_are_not_shown_are_counted_too(reader: PageObject) -> None:
    text = swap(fixture_text("listing"), "</table>\n</div>\n</div>",
                '</table>\n</div>\n<div class="moreRatings">And 1,220 more ratings...</div></div>')  # fmt: skip
    assert parse(reader, text).listings[0].feedback == 1222


def test_what_is_not_found(reader: PageObject) -> None:
    text = swap(fixture_text("not_found"), "Listing not found", "Member not found")
    assert parse(reader, text).outcome is PageOutcome.NOT_FOUND
    text = fixture_text("listing")
    title = parse(reader, text).listings[0].title
    page = parse(reader, text.replace(title, "Listing not found"))
    assert [listing.title for listing in page.listings] == ["Listing not found"]


def test_customers_words_are_not_read(reader: PageObject) -> None:
    for folder in ("listing", "vendor"):
        text = fixture_text(folder)
        assert "Words of a customer" in text
        assert "Words of a customer" not in repr(parse(reader, text))


def test_terms_are_no_description(reader: PageObject) -> None:
    assert "Terms" not in parse(reader, fixture_text("listing")).listings[0].description


def test_a_page_in_latin_1_is_still_read_as_such(reader: PageObject) -> None:
    text = swap(fixture_text("listing_latin_header"), "★ Turmeric ★", "Crème").replace("฿", "$")
    assert parse(reader, text.encode("latin-1")).listings[0].title == "Crème"
    header = "text/html; charset=iso-8859-1"
    assert parse(reader, text.encode("latin-1"), header).listings[0].title == "Crème"


def test_a_listing_without_countries_or_shipping(reader: PageObject) -> None:
    text = swap(swap(fixture_text("listing"), "Ships to", "x"), "Ships from", "x")
    listing = parse(reader, swap(text, "shippingOption", "x")).listings[0]
    assert (listing.ships_from, listing.ships_to, listing.shipping) == (None, (), ())


def test_a_searchs_number_of_results_is_no_total(reader: PageObject) -> None:
    page = parse(reader, swap(fixture_text("category"), "category selected depth1", "category depth1"))
    assert len(page.listings) == 2
    assert page.total is None
    assert page.scope is None


def test_renamed_rows_are_an_unknown_layout(reader: PageObject) -> None:
    """The side bar is on every page: it must not make an index page of one that is not understood."""
    text = swap(fixture_text("category"), "shopItem", "tile")
    assert parse(reader, text).outcome is PageOutcome.UNKNOWN_LAYOUT
    text = swap(fixture_text("listing"), "viewProduct", "product")
    assert parse(reader, text).outcome is PageOutcome.UNKNOWN_LAYOUT


@pytest.mark.shared_data
def test_real_pages(reader: PageObject, shared_data: Path) -> None:
    rows: list[Listing] = []
    vendors: list[Listing] = []
    outcomes: dict[str, PageOutcome] = {}
    with tarfile.open(shared_data / "pages" / "market-pages.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() and "/dream/" in member.name else None
            if file is None:
                continue
            page = parse(reader, file.read())
            folder = member.name.split("/")[-2]
            outcomes[folder] = page.outcome
            if folder == "search_result":
                rows.extend(page.listings)
                assert page.total is not None
                assert page.total > len(page.listings)
                assert len(page.links) > 30
            if folder == "sellers":
                vendors.extend(page.listings)
                assert len({listing.vendor for listing in page.listings}) == 1
    assert outcomes == {
        "listings": PageOutcome.LISTING,
        "search_result": PageOutcome.INDEX,
        "sellers": PageOutcome.INDEX,
        "main_page": PageOutcome.INDEX,
        "login_page": PageOutcome.LOGIN,
        "anti_ddos": PageOutcome.CHALLENGE,
        "item_not_found": PageOutcome.NOT_FOUND,
    }
    assert len(rows) == 32
    assert len(vendors) == 65
    for listing in rows:
        assert listing.vendor
        assert listing.ships_from
        assert listing.ships_to
        assert listing.rating is not None
        assert 1 <= listing.rating <= 5
        assert len(listing.category) == 2
    for listing in (*rows, *vendors):
        assert listing.offers[0].price
        assert listing.offers[0].price[0] in "฿$"
