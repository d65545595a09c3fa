"""Every market's fixtures: a folder holds `page.html` and `expected.json` (what the page object makes of it).

`expected.json` gives the outcome, and whatever of `listings` (the fields of Listings that matter), `links`, `details`,
`total`, `scope` and `unread` it wants to hold. Pages are our own invention, in the structure of the market's.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.items import Page
from crawler.market import list_markets, market_folder
from crawler.pages import load_pages

FOLDERS = [
    pytest.param(market, page.parent, id=f"{market}-{page.parent.name}")
    for market in list_markets()
    for page in sorted((market_folder(market) / "fixtures").glob("*/page.html"))
    if (page.parent / "expected.json").is_file()
]


@pytest.mark.parametrize(("market", "folder"), FOLDERS)
def test_fixture(market: str, folder: Path) -> None:
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    page = Page(
        market=market,
        crawl="c",
        url=expected.get("url", f"http://market.invalid/{folder.name}"),
        status=expected.get("status", 200),
        body=(folder / "page.html").read_bytes(),
        fetched_at=datetime.fromisoformat(expected.get("observed_at", "2026-01-01T00:00:00Z")),
    )
    parsed = load_pages(market).parse(page)
    assert parsed.outcome.value == expected["outcome"]
    items = [listing.model_dump(mode="json") for listing in parsed.listings]
    for item, wanted in zip(items, expected["listings"], strict=True):
        for name, value in wanted.items():
            assert item[name] == value, name
    assert dict(parsed.unread) == expected.get("unread", {})
    for name in ("links", "total", "scope"):
        if name in expected:
            value = getattr(parsed, name)
            assert (list(value) if isinstance(value, tuple) else value) == expected[name], name
    if "details" in expected:
        assert [[detail.listing, detail.url] for detail in parsed.details] == expected["details"]


def test_every_market_has_a_saved_page() -> None:
    """A market without one could break in silence."""
    with_pages = {param.values[0] for param in FOLDERS}
    assert "empire" in with_pages
