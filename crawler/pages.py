"""Page objects: from a Page to what stands on it. A pure function: nothing is fetched, no clock is read.

How to write a market (the worked example is `crawler/markets/empire/`):

1. `market.yml` (model: `crawler.market.Market`) declares the layouts: `index` (one or more: `when`, `row`, `detail`,
   `fields`, `links`, `total`, `scope`, `empty`) and `detail` (`when`, `fields`). Most markets need no more.
2. Where selectors do not do, `pages.py` in the same folder holds `class Pages(PageObject)` and overrides a hook:

   - `adjust(listing, node, page) -> Listing | None`: correct one listing (None drops it, counted as unread `dropped`);
   - `build_offers(node, page, unread) -> tuple[Offer, ...] | None`: read the offers yourself (None: the declared ones);
   - `detect(page, tree) -> PageOutcome | None`: an outcome that markers cannot express, asked first.

Order of judgement in `parse`: empty body; `detect`; the market's markers; a status of 400 or more goes to the generic
rules (`crawler.outcomes`); the detail layout; the index layouts in their order; the generic rules. An index page
without rows is EMPTY only if the layout's `empty` matches, else the generic rules decide (a challenge or an unknown
layout never becomes 'no listings'); one with links only is an INDEX page that leads on. A page that was cut off is
TRUNCATED and gives nothing.

Listing ids: on index and detail pages alike from the same source (for saved pages the address is only a file name, so
prefer an id that stands in the page). `ParsedPage.unread` counts, per field, declared values that could not be read.
Names are raw here: `crawler.privacy` masks each Listing before it is kept.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urldefrag, urljoin

from config.errors import UsageError
from crawler.items import Listing, Offer, Page, PageOutcome
from crawler.layouts import DetailReader, FieldsReader, IndexReader, split_exceptions
from crawler.market import Market, list_markets, load_market, market_folder
from crawler.outcomes import generic_outcome, is_truncated, outcome_of_status
from crawler.select import Tree, compile_selector, parse_count, parse_html, text_of

SeenOn = Literal["index", "detail"]
_CUT_SHORT = frozenset({PageOutcome.LISTING, PageOutcome.INDEX, PageOutcome.EMPTY, PageOutcome.UNKNOWN_LAYOUT})


@dataclass(frozen=True, slots=True)
class DetailLink:
    """The detail page of a listing seen on an index page. `listing` is the site's id, unmasked."""

    listing: str
    url: str


@dataclass(frozen=True, slots=True)
class ParsedPage:
    """What one page gave. Listings are not masked yet."""

    outcome: PageOutcome
    listings: tuple[Listing, ...] = ()
    links: tuple[str, ...] = ()
    """Absolute addresses of further index pages."""
    details: tuple[DetailLink, ...] = ()
    total: int | None = None
    """The site's own count of listings in `scope` (in the market where there is none)."""
    scope: tuple[Literal["place", "category"], str] | None = None
    unread: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    """Why the outcome is what it is, for pages that gave nothing."""


class PageObject:
    """Reads the pages of one market by the selectors of its market.yml. Subclasses override the hooks."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.parser = f"{market.id}-{market.parser}"
        self._last: tuple[bytes, Tree] | None = None
        self._markers = tuple(
            (
                marker.outcome,
                compile_selector(marker.when),
                None if marker.text is None else re.compile(marker.text, re.IGNORECASE),
            )
            for marker in market.markers
        )
        self._index = tuple(IndexReader(layout) for layout in market.index)
        self._detail = None if market.detail is None else DetailReader(market.detail)

    # hooks ------------------------------------------------------------------------------------------------------

    def detect(self, page: Page, tree: Tree) -> PageOutcome | None:
        """An outcome that markers cannot express; None leaves it to the rules."""
        return None

    def build_offers(self, node: Tree, page: Page, unread: Counter[str]) -> tuple[Offer, ...] | None:
        """The offers of the listing at `node` (an index row, or the whole detail page); None: as declared."""
        return None

    def adjust(self, listing: Listing, node: Tree, page: Page) -> Listing | None:
        """The listing, corrected; None drops it."""
        return listing

    def read_nodes(self, tree: Tree) -> list[Tree]:
        """The elements that the declared selectors read on this page: what an archive must keep."""
        layouts: list[tuple[list[Tree], FieldsReader]] = []
        found: list[Tree] = []
        if self._detail is not None and self._detail.when.matches(tree):
            layouts.append(([tree], self._detail.fields))
            found += self._detail.when.touched(tree)
        for index in self._index:
            if not layouts and index.when.matches(tree):
                rows = index.row.nodes(tree)
                layouts.append((rows, index.fields))
                every = (index.when, index.empty, index.total, index.scope, *index.links)
                found += [node for one in every if one is not None for node in one.touched(tree)]
                found += rows
        for places, fields in layouts:
            for place in places:
                found += [node for one in fields.by_name.values() for node in one.touched(place)]
                for block in fields.offers:
                    for row in (place,) if block.row is None else block.row.nodes(place):
                        found += [node for one in (*block.texts.values(), *block.counts.values())
                                  for node in one.touched(row)]  # fmt: skip
        return found

    def take_tree(self, body: bytes) -> Tree | None:
        """The tree of the page that was parsed last, if that was its body: once, to be changed as one likes."""
        last, self._last = self._last, None
        return last[1] if last is not None and last[0] is body else None

    # reading ----------------------------------------------------------------------------------------------------

    def parse(self, page: Page) -> ParsedPage:
        """What the page is and what stands on it. Never raises for anything a page may contain."""
        tree = parse_html(page.body, content_type=page.content_type, encoding=self.market.encoding)
        self._last = None if tree is None else (page.body, tree)
        if tree is None:
            if page.status >= 400:
                return ParsedPage(outcome_of_status(page.status) or PageOutcome.UNKNOWN_LAYOUT, reason="empty body")
            return ParsedPage(PageOutcome.TRUNCATED, reason="empty body")
        parsed = self._judge(page, tree)
        if parsed.outcome in _CUT_SHORT and is_truncated(page.body, self.market.closing):
            return ParsedPage(PageOutcome.TRUNCATED, reason=f"ends without {self.market.closing}")
        return parsed

    def _judge(self, page: Page, tree: Tree) -> ParsedPage:
        found = self.detect(page, tree) or self._marked(tree)
        if found is not None:
            return ParsedPage(found, reason="declared by the market")
        if page.status < 400:
            if self._detail is not None and self._detail.when.matches(tree):
                return self._parse_detail(self._detail, page, tree)
            for index in self._index:
                if index.when.matches(tree):
                    return self._parse_index(index, page, tree)
        outcome, reason = generic_outcome(tree, page.status)
        return ParsedPage(outcome, reason=reason)

    def _marked(self, tree: Tree) -> PageOutcome | None:
        text = None
        for outcome, when, pattern in self._markers:
            if when is not None and not when.matches(tree):
                continue
            if pattern is not None:
                text = text_of(tree) if text is None else text
                if not pattern.search(text):
                    continue
            return outcome
        return None

    def _parse_detail(self, layout: DetailReader, page: Page, tree: Tree) -> ParsedPage:
        unread: Counter[str] = Counter()
        listing = self._build(layout.fields, tree, page, "detail", unread)
        if listing is None:
            return ParsedPage(PageOutcome.UNKNOWN_LAYOUT, unread=unread, reason="a listing page without id or title")
        return ParsedPage(PageOutcome.LISTING, listings=(listing,), unread=unread)

    def _parse_index(self, layout: IndexReader, page: Page, tree: Tree) -> ParsedPage:
        unread: Counter[str] = Counter()
        listings: dict[str, Listing] = {}
        details: dict[str, DetailLink] = {}
        rows = layout.row.nodes(tree)
        for row in rows:
            listing = self._build(layout.fields, row, page, "index", unread)
            if listing is None:
                continue
            listings.setdefault(listing.listing, listing)
            if layout.detail is not None:
                addresses = layout.detail.texts(row, page.url)
                if addresses:
                    link = DetailLink(listing.listing, _absolute(page.url, addresses[0]))
                    details.setdefault(listing.listing, link)
                else:
                    unread["detail"] += 1
        total, scope = self._total(layout, page, tree, unread)
        links = tuple(dict.fromkeys(_absolute(page.url, link) for each in layout.links for link in each.texts(tree)))
        if not listings:
            if rows:
                reason = f"{len(rows)} rows, none with id and title"
                return ParsedPage(PageOutcome.UNKNOWN_LAYOUT, unread=unread, reason=reason)
            said_empty = layout.empty is not None and layout.empty.matches(tree)
            if not said_empty and not links:
                outcome, reason = generic_outcome(tree, page.status)
                return ParsedPage(outcome, unread=unread, reason=f"index page without rows: {reason}")
            # a page of categories only is an index page too: it leads on
            outcome = PageOutcome.EMPTY if said_empty else PageOutcome.INDEX
            return ParsedPage(outcome, links=links, total=total, scope=scope, unread=unread, reason="no rows")
        return ParsedPage(
            PageOutcome.INDEX,
            listings=tuple(listings.values()),
            links=links,
            details=tuple(details.values()),
            total=total,
            scope=scope,
            unread=unread,
        )

    def _total(
        self, layout: IndexReader, page: Page, tree: Tree, unread: Counter[str]
    ) -> tuple[int | None, tuple[Literal["place", "category"], str] | None]:
        total, scope = None, None
        if layout.total is not None:
            values = layout.total.texts(tree, page.url)
            total = parse_count(values[0]) if values else None
            if total is None and (values or not layout.total.optional):
                unread["total"] += 1
        if layout.scope is not None and layout.layout.scope is not None:
            names = layout.scope.texts(tree, page.url)
            if names:
                scope = (layout.layout.scope.kind, names[0])
            elif not layout.scope.optional:
                unread["scope"] += 1
        return total, scope

    def _build(
        self, fields: FieldsReader, node: Tree, page: Page, seen_on: SeenOn, unread: Counter[str]
    ) -> Listing | None:
        ident, title = fields.first("listing", node, page, unread), fields.first("title", node, page, unread)
        if ident is None or title is None:
            return None
        offers = self.build_offers(node, page, unread)
        if offers is None:
            read: list[Offer] = []
            for block in fields.offers:
                if not (block.otherwise and read):
                    read.extend(block.read(node, page, unread))
            offers = tuple(dict.fromkeys(read))
        ships_to, not_there = split_exceptions(fields.every("ships_to", node, page, unread))
        listing = Listing(
            market=self.market.id,
            listing=ident,
            crawl=page.crawl,
            observed_at=page.fetched_at,
            title=title,
            description=fields.first("description", node, page, unread) or "",
            category=fields.every("category", node, page, unread),
            vendor=fields.first("vendor", node, page, unread),
            ships_from=fields.first("ships_from", node, page, unread),
            ships_to=ships_to,
            ships_except=(*fields.every("ships_except", node, page, unread), *not_there),
            shipping=fields.every("shipping", node, page, unread),
            offers=offers,
            feedback=fields.count("feedback", node, page, unread),
            sold=fields.count("sold", node, page, unread),
            rating=fields.real("rating", node, page, unread),
            seen_on=seen_on,
            parser=self.parser,
        )
        adjusted = self.adjust(listing, node, page)
        if adjusted is None:
            unread["dropped"] += 1
        return adjusted


def _absolute(base: str, link: str) -> str:
    """The link as an absolute address without fragment; the link itself where it cannot be joined."""
    try:
        return urldefrag(urljoin(base, link.strip())).url
    except ValueError:
        return link


def _check_own(*paths: Path) -> None:
    for path in paths:
        if path.stat().st_mode & 0o002:
            remedy = f"Run: chmod o-w '{path}', and read the file before you go on."
            raise UsageError("This holds code that is run, and everybody may change it.", file=path, remedy=remedy)


def load_pages(market: Market | str, extra: Sequence[Path] = ()) -> PageObject:
    """The page object of a market: class `Pages` of its folder's pages.py where there is one, else `PageObject`.

    A pages.py is code and is run: those of `extra` folders (the operator's own markets) are refused where others than
    their owner may change them. Raises UsageError for that, an unknown market, a broken market.yml, or a pages.py
    without such a class.
    """
    if isinstance(market, Market) and market.id not in list_markets(extra):
        return PageObject(market)  # a record made in code: there is no folder that could hold a pages.py
    record = load_market(market, extra) if isinstance(market, str) else market
    folder = market_folder(record.id, extra)
    file = folder / "pages.py"
    try:
        if not file.is_file():
            return PageObject(record)
        _check_own(file, folder)
        spec = importlib.util.spec_from_file_location(f"crawler.markets.{record.id.replace('-', '_')}.pages", file)
        if spec is None or spec.loader is None:
            raise UsageError("This file cannot be imported.", file=file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up there
        spec.loader.exec_module(module)
        made = getattr(module, "Pages", None)
        if not (isinstance(made, type) and issubclass(made, PageObject)):
            raise UsageError("There is no class Pages(PageObject) in it.", file=file, remedy="See crawler/pages.py.")
        return made(record)
    except UsageError as error:
        if error.file is None:
            error.file = folder / "market.yml"
        raise
