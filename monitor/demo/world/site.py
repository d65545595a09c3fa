"""A market's web site: from a path and a day to a response. A pure function of the world, with a cache for the day."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

from monitor.demo.world import html_postal, html_stash
from monitor.demo.world.model import World
from monitor.demo.world.records import ListingState, MarketDay, MarketId

CACHE_PAGES = 400
PARTIAL_FROM = 2
"""On a `partial` day index pages from this one on answer 503."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class _Layout:
    html: ModuleType
    catalog: str
    category: str
    item: str
    shop: str
    page: str
    heading: str


_LAYOUTS: dict[MarketId, _Layout] = {
    "stash": _Layout(html_stash, "/catalog", "/c/", "/item/", "/shop/", "page", "Каталог"),
    "postal": _Layout(html_postal, "/listings", "/category/", "/listing/", "/vendor/", "p", "All listings"),
}
_DOWN_STATUS = {"outage": 503, "maintenance": 503, "challenge": 200, "wait": 200, "login": 200, "seized": 200}


class Site:
    """One market's site. `respond(path)` never raises; set the day first."""

    def __init__(self, world: World, market: MarketId, day: date | None = None) -> None:
        self.world, self.market = world, market
        self.layout = _LAYOUTS[market]
        self.cache: OrderedDict[str, Response] = OrderedDict()
        self.state: MarketDay
        self.rows: Sequence[ListingState] = ()
        self.by_id: dict[str, ListingState] = {}
        self.set_day(day or world.start)

    def set_day(self, day: date) -> None:
        """From now on pages are those of that day (ValueError outside of the world)."""
        self.state = self.world.day(self.market, day)
        self.rows = self.state.listings[::-1]  # newest first
        self.by_id = {row.listing.id: row for row in self.rows}
        self.cache.clear()

    def respond(self, target: str) -> Response:
        found = self.cache.get(target)
        if found is None:
            found = self._render(target)
            self.cache[target] = found
            if len(self.cache) > CACHE_PAGES:
                self.cache.popitem(last=False)
        return found

    def _render(self, target: str) -> Response:
        html, down = self.layout.html, self.state.down
        if down in _DOWN_STATUS:
            return Response(_DOWN_STATUS[down], getattr(html, down)().encode())
        parts = urlsplit(target)
        text, status = None, 200
        try:
            number = int(parse_qs(parts.query).get(self.layout.page, ["1"])[0])
        except ValueError:
            number = 0
        if down == "partial" and number >= PARTIAL_FROM:
            return Response(503, html.outage().encode())
        text = self._page(parts.path, number)
        if text is None:
            text, status = html.not_found(), 404
        return Response(status, text.encode())

    def _page(self, path: str, number: int) -> str | None:
        html, layout = self.layout.html, self.layout
        text: str | None = None
        if path in ("", "/"):
            text = html.home(self.state)
        elif path == "/login":
            text = html.login()
        elif path == layout.catalog:
            text = html.index(self.state, self.rows, number, path, layout.heading)
        elif path.startswith(layout.category):
            slug = path.removeprefix(layout.category)
            rows = [row for row in self.rows if html_stash.slug_of(row.listing.category) == slug]
            if rows:
                text = html.index(self.state, rows, number, path, rows[0].listing.category[-1])
            elif any(html_stash.slug_of(old.category) == slug for old in self.world.listings(self.market)):
                text = html.index(self.state, rows, number, path, layout.heading)
        elif path.startswith(layout.item):
            row = self.by_id.get(path.removeprefix(layout.item))
            text = None if row is None else html.detail(row)
        elif path.startswith(layout.shop):
            slug = path.removeprefix(layout.shop)
            rows = [row for row in self.rows if row.listing.vendor.slug == slug]
            text = html.vendor(rows) if rows else None
        return text
