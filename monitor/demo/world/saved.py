"""Small saved pages of the world, as the fixtures of the two markets' page objects.

`write_saved(market, folder)` makes them anew after a change of the pages; a test compares the files with `iter_saved`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path

from crawler.items import Page
from crawler.pages import load_pages
from monitor.demo.world import html_postal, html_stash
from monitor.demo.world.model import START, World
from monitor.demo.world.records import ListingState, MarketId

SEED = 7


def rows_shown(market: MarketId) -> list[ListingState]:
    """The listings on the saved index page."""
    return list(World(SEED, 1).day(market, START).listings[:4])


def iter_saved(market: MarketId) -> Iterator[tuple[str, int, str]]:
    """(name, status, html) of each saved page."""
    html = html_stash if market == "stash" else html_postal
    rows = rows_shown(market)
    day = replace(World(SEED, 1).day(market, START), listings=tuple(rows))
    base, heading = ("/catalog", "Каталог") if market == "stash" else ("/listings", "All listings")
    index, empty = html.index(day, rows, 1, base, heading), html.index(day, [], 1, base, heading)
    assert index is not None
    assert empty is not None
    yield "index", 200, index
    yield "empty", 200, empty
    yield "detail", 200, html.detail(rows[0])
    yield "vendor", 200, html.vendor(rows[:1])
    yield "home", 200, html.home(day)
    yield "login", 200, html.login()
    yield "challenge", 200, html.challenge()
    yield "wait", 200, html.wait()
    yield "maintenance", 503, html.maintenance()
    yield "server-error", 503, html.outage()
    yield "seized", 200, html.seized()
    yield "not-found", 404, html.not_found()


def write_saved(market: MarketId, folder: Path) -> int:
    """Writes `<name>/page.html` and `<name>/expected.json` (what the page object makes of it today: read it before you
    keep it) under the folder; how many."""
    pages, count = load_pages(market), 0
    for name, status, text in iter_saved(market):
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "page.html").write_text(text, encoding="utf-8", newline="\n")
        moment = datetime.combine(START, time(12), UTC)
        page = Page(market=market, crawl="c", url="http://world/", status=status, body=text.encode(), fetched_at=moment)
        parsed = pages.parse(page)
        expected = {
            "status": status, "observed_at": moment.isoformat(), "outcome": parsed.outcome,
            "listings": [listing.model_dump(mode="json") for listing in parsed.listings],
        }  # fmt: skip
        lines = json.dumps(expected, ensure_ascii=False, indent=1)
        (place / "expected.json").write_text(lines + "\n", encoding="utf-8", newline="\n")
        count += 1
    return count
