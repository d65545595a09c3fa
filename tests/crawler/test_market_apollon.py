"""Apollon: what the fixtures do not vary. Pages are our own, in the structure of the market's."""

from __future__ import annotations

import tarfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.items import Listing, Page, PageOutcome
from crawler.market import market_folder
from crawler.pages import PageObject, ParsedPage, load_pages

NOW = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def reader() -> PageObject:
    return load_pages("apollon")


def fixture_text(name: str) -> str:
    return (market_folder("apollon") / "fixtures" / name / "page.html").read_text(encoding="utf-8")


def parse(reader: PageObject, body: str | bytes) -> ParsedPage:
    raw = body.encode() if isinstance(body, str) else body
    return reader.parse(
        Page(market="apollon", crawl="c", url="http://market.invalid/x", status=200, body=raw, fetched_at=NOW)
    )


def swap(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("sort", "total", "name"),
    [
        ("cid=1&amp;csid=0&amp;ssid=0", 5040, "Teas"),
        ("cid=1&amp;csid=31&amp;ssid=0", 87, "Green"),
        ("cid=1&amp;csid=31&amp;ssid=41", 52, "Leaf"),
    ],
)
def test_scope_and_total_at_every_depth(reader: PageObject, sort: str, total: int, name: str) -> None:
    text = swap(fixture_text("category"), "cid=1&amp;csid=31&amp;ssid=0&amp;ss_home", f"{sort}&amp;ss_home")
    page = parse(reader, text)
    assert page.total == total
    assert page.scope == ("category", name)


def test_a_vendors_store_has_no_total(reader: PageObject) -> None:
    sort = "cid=0&amp;csid=0&amp;ssid=0&amp;ss_home"
    text = swap(fixture_text("category"), "cid=1&amp;csid=31&amp;ssid=0&amp;ss_home", sort)
    page = parse(reader, text)
    assert len(page.listings) == 3
    assert page.total is None
    assert page.scope is None


@pytest.mark.parametrize("tab", [2, 3, 4])
def test_only_the_description_tab_is_a_description(reader: PageObject, tab: int) -> None:
    text = swap(fixture_text("listing"), 'li class="active"', "li")
    text = swap(text, f'<li><a href="listing.php?ls_id=4711&amp;tab={tab}"',
                f'<li class="active"><a href="listing.php?ls_id=4711&amp;tab={tab}"')  # fmt: skip
    listing = parse(reader, text).listings[0]
    assert listing.description == ""
    assert listing.title == "Sencha, first flush"


def test_countries_that_are_excepted(reader: PageObject) -> None:
    text = swap(fixture_text("listing"), "<small><label><b>Payment :",
                "<small><label><b>Except : </b></label></small>\n<small> France </small><small> , Malta </small><br>"
                "<small><label><b>Payment :")  # fmt: skip
    listing = parse(reader, text).listings[0]
    assert listing.ships_to == ("United Kingdom", "Korea, Republic of", "Europe")
    assert listing.ships_except == ("France", "Malta")


@pytest.mark.parametrize("title", ["Item #5, sencha", "Sold : 5 at a time", "Quantity : 7 bags"])
def test_a_title_that_begins_like_a_label_gives_no_numbers(reader: PageObject, title: str) -> None:
    text = swap(fixture_text("category"), "Gunpowder tea - 100 g", title)
    listing = parse(reader, text).listings[1]
    assert (listing.listing, listing.title, listing.sold, listing.offers[0].ready) == ("4712", title, 0, None)


def test_a_vendor_without_feedback(reader: PageObject) -> None:
    text = fixture_text("listing")
    before = parse(reader, text).listings[0]
    page = parse(reader, swap(text, "(99%)", "(-)"))
    assert page.listings[0] == before.model_copy(update={"rating": None})
    assert not page.unread


def test_a_featured_listing_that_others_lie_in_keeps_its_own(reader: PageObject) -> None:
    """As where the tag that begins it is missing."""
    text = fixture_text("home")
    begin = text.index('<div style="display:inline-block')
    end = text.index("</div>", begin) + len("</div>")
    card = text[begin:end]
    other = card.replace("4711", "4712").replace("Sencha, first flush", "Gunpowder tea")
    page = parse(reader, text[:begin] + other + card[card.index(">") + 1 :] + text[end:])
    seen = [(listing.listing, listing.title) for listing in page.listings]
    assert seen == [("4711", "Sencha, first flush"), ("4712", "Gunpowder tea")]


def test_the_researcher_is_no_vendor_and_customers_are_not_read(reader: PageObject) -> None:
    for folder in ("listing", "listing_without_price", "vendor", "category"):
        seen = repr(parse(reader, fixture_text(folder)))
        assert "researcher" not in seen
        assert "Words of a customer" not in seen
        assert "c***r" not in seen


def test_renamed_rows_are_an_unknown_layout(reader: PageObject) -> None:
    text = swap(swap(fixture_text("category"), "Item #", "No. "), "ss_home", "order")
    assert parse(reader, text).outcome is PageOutcome.UNKNOWN_LAYOUT
    text = swap(fixture_text("listing"), '"?ls_id=', '"?id=')
    assert parse(reader, text).outcome is PageOutcome.UNKNOWN_LAYOUT


@pytest.mark.shared_data
def test_real_pages(reader: PageObject, shared_data: Path) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    index: list[Listing] = []
    detail: list[Listing] = []
    with tarfile.open(shared_data / "pages" / "market-pages.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() and "/apollon/" in member.name else None
            if file is None:
                continue
            page = parse(reader, file.read())
            folder = member.name.split("/")[-2]
            seen[folder, page.outcome.value] += 1
            if folder == "listings":
                detail.extend(page.listings)
            elif page.total is not None:
                assert page.scope is not None
                assert len(page.listings) == 15
                index.extend(page.listings)
    assert seen == {
        ("listings", "listing"): 4,
        ("search_results", "index"): 1,
        ("category_indexes", "index"): 2,
        ("sub_category_indexes", "index"): 2,
        ("sellers", "index"): 4,
        ("feedbacks", "index"): 3,
    }
    assert len(index) == 60
    for listing in index:
        assert listing.category
        assert listing.sold is not None
        assert listing.offers
    for listing in detail:
        assert listing.ships_from
        assert listing.ships_to
        assert listing.shipping
        assert listing.description
        assert listing.sold is not None
        assert listing.rating is not None
        assert "%" not in (listing.vendor or "%")
