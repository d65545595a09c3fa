"""The real saved Empire pages against the values that other people's tests expect of them (shared data)."""

from __future__ import annotations

import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.items import Listing, Page, PageOutcome
from crawler.pages import ParsedPage, load_pages
from crawler.privacy import Masker
from crawler.replay import iter_saved_pages, parse_saved

pytestmark = pytest.mark.shared_data
NOW = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def parsed(shared_data: Path) -> dict[str, ParsedPage]:
    """Every saved Empire page by its path in the archive."""
    reader = load_pages("empire")
    pages = {}
    with tarfile.open(shared_data / "pages" / "market-pages.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() and "/empire/" in member.name else None
            if file is not None:
                page = Page(market="empire", crawl="c", url=member.name, status=200, body=file.read(), fetched_at=NOW)
                pages[member.name.removeprefix("./")] = reader.parse(page)
    return pages


def value_of(listing: Listing, field: str) -> Any:
    first = listing.offers[0]
    match field:
        case "quantity_in_stock":
            return first.ready
        case "origin_country":
            return listing.ships_from
        case "destination_countries":
            return list(listing.ships_to)
        case "price":
            return float((first.price or "").split()[1].replace(",", ""))
        case "currency":
            return (first.price or "").split()[0]
        case "listing_categories":
            return list(listing.category)
        case "bulk_prices":
            return [(offer.quantity, offer.price) for offer in listing.offers[1:]]
        case "shipping_methods":
            return list(listing.shipping)
        case _:
            raise AssertionError(f"a field this test does not know: {field}")


def as_written(field: str, gold: Any) -> Any:
    """The expected value in the words of the page."""
    match field:
        case "listing_categories":
            return [name for name, *_ in gold]
        case "bulk_prices":
            return [(f"From qty {low} to {high}", f"USD {price:.2f}") for low, high, price, *_ in gold]
        case "shipping_methods":
            written = []
            for name, days, currency, price, per, _ in gold:
                unit = "days" if per else "day"
                written.append(f"{name} - {days:g} {unit} - {currency} + {price:.2f}" + (f" / {per}" if per else ""))
            return written
        case _:
            return gold


def test_expected_values(parsed: dict[str, ParsedPage], shared_data: Path) -> None:
    expected = json.loads((shared_data / "pages" / "expected.json").read_text(encoding="utf-8"))
    ours = [entry for entry in expected if entry["market"] == "empire"]
    assert len(ours) > 10
    for entry in ours:
        page = parsed[entry["page"]]
        assert page.outcome is PageOutcome.LISTING
        field = entry["field"]
        assert value_of(page.listings[0], field) == as_written(field, entry["gold"]), (entry["page"], field)


def test_outcomes_and_no_field_unread(parsed: dict[str, ParsedPage]) -> None:
    wanted = {
        "listings": PageOutcome.LISTING,
        "search_results": PageOutcome.INDEX,
        "users": PageOutcome.INDEX,
        "login_page": PageOutcome.LOGIN,
        "meta_refresh": PageOutcome.WAIT,
        "custom_server_errors": PageOutcome.NOT_FOUND,
    }
    assert len(parsed) == 20
    for name, page in parsed.items():
        folder = name.split("/")[-2]
        if folder in wanted:
            assert page.outcome is wanted[folder], name
        assert not page.unread, name
        if folder == "search_results":
            assert len(page.listings) == 15
            assert page.total is not None
            assert all(item.vendor and item.sold is not None and item.offers for item in page.listings)


def test_other_markets_pages_are_no_empire_listings(shared_data: Path) -> None:
    masker = Masker("0badcafe", b"1" * 32)
    archive = shared_data / "pages" / "market-pages.tar.xz"
    pages = parse_saved("empire", iter_saved_pages([archive]), masker=masker, observed_at=NOW)
    for page in pages:
        if "/empire/" not in page.file:
            assert page.items == (), page.file
            assert page.outcome not in {PageOutcome.LISTING, PageOutcome.EMPTY}, page.file
