"""The 64 values that another project's tests expect of the real saved pages of five markets (shared data).

Each expected field is mapped to where our Listing holds it. What a Listing does not hold (numeric ids of categories,
tiers in bitcoin, the discount in per cent) is left out of the comparison; what the page itself contradicts is named in
`CONTRADICTED`.
"""

from __future__ import annotations

import json
import re
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.items import Listing, Page, PageOutcome
from crawler.pages import ParsedPage, load_pages

pytestmark = pytest.mark.shared_data
NOW = datetime(2020, 1, 1, tzinfo=UTC)
MARKETS = ("apollon", "cryptonia", "dream", "empire", "hydra")
CONTRADICTED = {("dream", "pages/dream/listings/listing_2.html", "price_and_currency")}
"""Expects the price of another listing: it stands nowhere on that page."""
_MONEY = re.compile(
    r"(?P<symbol>[$฿])?(?:(?P<before>[A-Z]{3}) )?(?P<amount>\d[\d,]*(?:\.\d+)?)(?: (?P<after>[A-Z]{3}))?"
)
SYMBOLS = {"$": "USD", "฿": "BTC"}


@pytest.fixture(scope="module")
def bodies(shared_data: Path) -> dict[str, bytes]:
    """Every saved page by its path in the archive."""
    found = {}
    with tarfile.open(shared_data / "pages" / "market-pages.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() and member.name.endswith(".html") else None
            if file is not None:
                found[member.name.removeprefix("./")] = file.read()
    return found


@pytest.fixture(scope="module")
def parsed(bodies: dict[str, bytes]) -> dict[tuple[str, str], ParsedPage]:
    """Every saved page, as every market reads it."""
    readers = {market: load_pages(market) for market in MARKETS}
    return {
        (market, name): reader.parse(
            Page(market=market, crawl="c", url=name, status=200, body=body, fetched_at=NOW)
        )
        for market, reader in readers.items()
        for name, body in bodies.items()
    }


def money(text: str) -> tuple[float, str]:
    """`$25`, `฿0.00251 ($27)`, `16.00 USD`, `USD 3,750.00` as amount and currency."""
    found = _MONEY.search(text)
    assert found is not None, text
    currency = found["before"] or found["after"] or SYMBOLS[found["symbol"]]
    return float(found["amount"].replace(",", "")), currency


def ways_of(market: str, listing: Listing) -> list[tuple[str, float | None, float, str]]:
    """Shipping methods as (name, days, amount, currency)."""
    ways = []
    for text in listing.shipping:
        if market in {"empire", "apollon"}:
            name, days, rest = text.rsplit(" - ", 2)
        elif market == "dream":
            (name, rest), days = text.rsplit(" - ", 1), ""
        else:
            (name, rest), days = text.removesuffix(")").rsplit(" (", 1), ""
        ways.append((name, float(days.split()[0]) if days else None, *money(rest.replace("+ ", ""))))
    return ways


def gold_ways(gold: list[Any]) -> list[tuple[Any, ...]]:
    rows = gold if gold and isinstance(gold[0], list) else [gold]
    return [(row[0], row[1], pytest.approx(row[3], rel=2e-3, abs=1e-9), row[2]) for row in rows]


def tiers_of(market: str, listing: Listing) -> list[tuple[int, float]]:
    """Bulk prices as (from how many, price for each)."""
    found = []
    for offer in listing.offers[1:]:
        number = re.search(r"\(([\d,]+) or more\)|From qty (\d+) to \d+", offer.quantity or "")
        assert number is not None, offer
        found.append((int((number[1] or number[2]).replace(",", "")), money(offer.price or "")[0]))
    return found


def check(market: str, field: str, gold: Any, listing: Listing) -> None:
    first = listing.offers[0] if listing.offers else None
    match field:
        case "title":
            assert listing.title == gold
        case "origin_country":
            assert listing.ships_from == gold
        case "destination_countries":
            assert list(listing.ships_to) == list(dict.fromkeys(gold))
        case "len(destination_countries)":
            assert len(listing.ships_to) == gold
        case "destination_countries[0]":
            assert listing.ships_to[0] == gold
        case "price_and_currency":
            assert first is not None
            assert money(first.price or "") == tuple(gold)
        case "price" | "currency":
            assert first is not None
            assert money(first.price or "")[field == "currency"] == gold
        case "fiat_price":
            assert gold is None
            assert first is None or first.price is None
        case "quantity" | "quantity_in_stock":
            assert (first.ready if first is not None else None) == gold
        case "unit_type":
            assert first is not None
            assert first.quantity == gold
        case "shipping_methods":
            assert ways_of(market, listing) == gold_ways(gold)
        case "bulk_prices":
            assert tiers_of(market, listing) == [(low, price) for low, _, price, *_ in gold]
        case "listing_categories":
            levels = sorted(gold, key=lambda entry: int(entry[3]))
            assert list(listing.category) == [name for name, *_ in levels]
        case _:
            raise AssertionError(f"a field this test does not know: {field}")


def test_expected_values(
    shared_data: Path, parsed: dict[tuple[str, str], ParsedPage], bodies: dict[str, bytes]
) -> None:
    expected = json.loads((shared_data / "pages" / "expected.json").read_text(encoding="utf-8"))
    assert len(expected) == 64
    for entry in expected:
        market, name, field = entry["market"], entry["page"], entry["field"]
        page = parsed[market, name]
        assert page.outcome is PageOutcome.LISTING, name
        if (market, name, field) in CONTRADICTED:
            assert str(entry["gold"][0]).encode() not in bodies[name]
            continue
        check(market, field, entry["gold"], page.listings[0])


def test_no_market_reads_another_markets_pages(parsed: dict[tuple[str, str], ParsedPage]) -> None:
    for (market, name), page in parsed.items():
        if f"/{market}/" not in name:
            assert page.outcome not in {PageOutcome.LISTING, PageOutcome.INDEX, PageOutcome.EMPTY}, (market, name)
            assert page.listings == (), (market, name)


def test_captchas_of_a_link_directory_are_challenges(parsed: dict[tuple[str, str], ParsedPage]) -> None:
    seen = [page for (_, name), page in parsed.items() if "captcha_page" in name]
    assert len(seen) >= 3 * len(MARKETS)
    assert {page.outcome for page in seen} == {PageOutcome.CHALLENGE}


@pytest.mark.parametrize("market", MARKETS)
def test_nothing_declared_is_unread(market: str, parsed: dict[tuple[str, str], ParsedPage]) -> None:
    own = {name: page for (reader, name), page in parsed.items() if reader == market and f"/{market}/" in name}
    assert own
    for name, page in own.items():
        assert not page.unread, name
        assert page.outcome is not PageOutcome.UNKNOWN_LAYOUT, name
        for listing in page.listings:
            assert listing.vendor, (name, listing.listing)
            assert listing.offers or not page.details, (name, listing.listing)
        assert len(page.details) in {0, len(page.listings)}, name
