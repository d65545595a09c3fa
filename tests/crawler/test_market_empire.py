"""Empire: what the fixtures do not vary. Pages are our own, in the structure of the market's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from crawler.items import Listing, Page, PageOutcome
from crawler.market import market_folder
from crawler.pages import ParsedPage, load_pages

NOW = datetime(2020, 1, 1, tzinfo=UTC)
READER = load_pages("empire")


def fixture_text(name: str) -> str:
    return (market_folder("empire") / "fixtures" / name / "page.html").read_text(encoding="utf-8")


def parse(text: str) -> ParsedPage:
    return READER.parse(
        Page(market="empire", crawl="c", url="http://market.invalid/x", status=200, body=text.encode(), fetched_at=NOW)
    )


def swap(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def row(old: str, new: str) -> Listing:
    """The second row of the search page, changed."""
    page = parse(swap(fixture_text("search"), old, new))
    assert not page.unread
    return page.listings[1]


def test_a_title_that_begins_like_a_label_gives_no_numbers() -> None:
    title = "Summer Sales: 50 g of gunpowder. Quantity left: 3"
    listing = row("Gunpowder tea - 100 g", title)
    assert (listing.title, listing.sold, listing.offers[0].ready) == (title, 2, 8)


def test_a_row_that_others_lie_in_keeps_its_category() -> None:
    """As where the tag that ends it is missing."""
    page = parse(swap(fixture_text("search"), '</div></div><div class="col-1search">', '</div><div class="col-1search">'))
    assert [listing.category for listing in page.listings] == [("Green", "Leaf"), ("Green",)]


@pytest.mark.parametrize(
    ("written", "path"),
    [("Psychedelics / DMA / DOX", ("Psychedelics", "DMA / DOX")), ("DMA / DOX", ("DMA / DOX",))],
)
def test_a_name_with_the_mark_between_names_in_it(written: str, path: tuple[str, ...]) -> None:
    assert row("Item # 4713 - Green -", f"Item # 4713 - {written} -").category == path


@pytest.mark.parametrize(("written", "ready"), [("1,250", 1250), ("8 items", 8), ("0", 0)])
def test_stock_as_a_number(written: str, ready: int) -> None:
    label = "<b>Quantity left:</b>"
    assert row(f"{label} 8", f"{label} {written}").offers[0].ready == ready
    text = swap(fixture_text("listing_bulk"), "<b>Unlimited</b>", written)
    assert parse(text).listings[0].offers[0].ready == ready


@pytest.mark.parametrize(
    ("at_once", "left", "ready"),
    [("12", "Unlimited", 12), ("Unlimited", "Unlimited", None), ("Unlimited", "40", 40), ("1,250", "Unlimited", 1250)],
)
def test_goods_that_are_sent_at_once(at_once: str, left: str, ready: int | None) -> None:
    text = swap(fixture_text("listing_bulk"), "<b>Unlimited</b>", f"<b>{left}</b>")
    level = '<span class="levelSet level-4">Vendor Level 4</span>'
    page = parse(swap(text, level, f"{level}<br><i>{at_once} items available for auto-dispatch</i>"))
    assert page.listings[0].offers[0].ready == ready
    assert not page.unread


def test_stock_in_words_is_unread() -> None:
    page = parse(swap(fixture_text("listing_bulk"), "<b>Unlimited</b>", "Sold out"))
    assert page.unread == {"offer.ready": 1}
    assert page.listings[0].offers[0].ready is None


@pytest.mark.parametrize("label", ["Except", "Does not ship to", "Ships to, except"])
def test_countries_that_are_excepted(label: str) -> None:
    cells = f"<td><b>{label}</b></td><td>Norway, Virgin Islands (U.S.)</td></tr><tr><td><b>Ends In</b></td>"
    listing = parse(swap(fixture_text("listing_bulk"), "<td><b>Ends In</b></td>", cells)).listings[0]
    assert listing.ships_to == ("World Wide", "United States", "Antarctica(c)")
    assert listing.ships_except == ("Norway", "Virgin Islands (U.S.)")


def test_an_empty_description_is_not_unread() -> None:
    text = fixture_text("listing_feedback_tab")
    page = parse(swap(text, "Grown on a hill.", ""))
    assert page.listings[0].description == ""
    assert page.unread == parse(text).unread


def test_a_tier_however_its_quantity_is_written() -> None:
    offers = parse(swap(fixture_text("listing_bulk"), "From qty 10 to 49", "Qty 10-49")).listings[0].offers
    assert (offers[1].quantity, offers[1].price) == ("Qty 10-49", "USD 4.10")


def test_a_page_without_rows_that_does_not_say_so_is_no_empty_one() -> None:
    text = swap(fixture_text("search_empty"), "No listings found.", "")
    assert parse(text).outcome is PageOutcome.UNKNOWN_LAYOUT
