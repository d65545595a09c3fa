"""What a crawl counts on its way, and what follows from it: the Crawl's outcome and coverage. No Scrapy here.

Everything is counted by `apply` from `Step`s: a crawl that goes on after a kill applies the steps of its journal and
counts what it would have counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from crawler.drift import Broken, Fill, broken_bounds
from crawler.frontier import Step
from crawler.idtable import IdTable
from crawler.items import Coverage, CoverageBasis, CrawlOutcome, PageOutcome
from crawler.market import Bounds
from crawler.routes import estimate_total

Scope = tuple[str, str]
"""(kind, name) of a part of the market; kind is place or category."""

GOOD = frozenset({PageOutcome.LISTING, PageOutcome.INDEX, PageOutcome.EMPTY})
STOPS = {PageOutcome.LOGIN: CrawlOutcome.LOGIN_NEEDED, PageOutcome.CHALLENGE: CrawlOutcome.CHALLENGED}
"""Pages that mean that going on is pointless: only the operator can do something."""
PATIENCE = 3
"""So many of them in a row end a crawl."""
MAX_BARREN = 8
"""Pages without an unknown listing in a row, after which links are not followed any further."""
MAX_DOUBTFUL = 200
"""Links followed from pages without news (after the first such page), beside two for each page with news. A calendar
leads on for ever; a category tree ends."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An address to be asked for: an index page, or a listing's own."""

    path: str
    detail: bool = False
    barren: int = 0
    """Pages in a row without news that led here."""


_DETAIL = -1
"""In place of the number of barren pages: the path of a listing's own page."""
_ASKED = 1
"""Bit of a known listing: its own page was asked for. The bits above it are those of the routes that found it."""


@dataclass(slots=True)
class Tally:
    """Counts of one crawl. `frontier` holds index paths ever found, `read` those that gave an index page. What there is
    of every listing is kept small: a large market has hundreds of thousands."""

    pages: Counter[PageOutcome] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    known: IdTable = field(default_factory=IdTable)
    """Bits of each listing that was seen or whose page was asked for."""
    frontier: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    totals: dict[Scope | None, int] = field(default_factory=dict)
    scopes: dict[Scope, IdTable] = field(default_factory=dict)
    routes: dict[str, int] = field(default_factory=dict)
    """Bit of each discovery route."""
    pending: dict[str, int] = field(default_factory=dict)
    """Paths that wait: the number of barren pages that led to an index page, or `_DETAIL`."""
    stopped: CrawlOutcome | None = None
    fill: Fill = field(default_factory=Fill)
    _refused: int = 0
    _fruitful: int = 0
    _doubtful: int = 0

    def apply(self, step: Step) -> list[Pending]:
        """Counts one step; the addresses it adds to the frontier. `stopped` is set where the crawl should end."""
        if step.path is not None:
            self.pending.pop(step.path, None)
        if step.dropped is not None:
            self.dropped[step.dropped] += 1
        if step.withheld:
            self.dropped["links of pages without news"] += step.withheld
        self.unread.update(step.unread)
        if step.outcome is not None:
            self._count_page(step.outcome)
        if step.path is not None and step.outcome in {PageOutcome.INDEX, PageOutcome.EMPTY}:
            self._count_index(step.path, step)
        for ident in step.seen:
            self.known.mark(ident)
        made = [Pending(path, barren=step.barren) for path in step.index]
        made += [Pending(path, detail=True) for _, path in step.details]
        self.frontier.update(step.index)
        for ident, _ in step.details:
            self.known.mark(ident, _ASKED)
        if step.barren > 1:
            self._doubtful += len(step.index)
        self.pending.update((one.path, _DETAIL if one.detail else one.barren) for one in made)
        return made

    def waiting(self) -> list[Pending]:
        """Every address that was found and not asked for, or asked for and not answered."""
        return [Pending(path, at == _DETAIL, max(at, 0)) for path, at in self.pending.items()]

    def was_asked(self, ident: str) -> bool:
        """Whether that listing's own page was asked for."""
        return bool((self.known.get(ident) or 0) & _ASKED)

    def _count_page(self, outcome: PageOutcome) -> None:
        self.pages[outcome] += 1
        if outcome in STOPS:
            self._refused += 1
            if self._refused >= PATIENCE:
                self.stopped = STOPS[outcome]
        elif outcome in GOOD:
            self._refused = 0

    def _count_index(self, path: str, step: Step) -> None:
        self.read.add(path)
        self._fruitful += not step.barren
        if step.route is not None:
            bit = self.routes.setdefault(step.route, 2 * _ASKED << len(self.routes))
            for ident in step.seen:
                self.known.mark(ident, bit)
        if step.scope is not None:
            scope = self.scopes.setdefault(step.scope, IdTable())
            for ident in step.seen:
                scope.mark(ident)
        if step.total is not None:
            self.totals[step.scope] = max(step.total, self.totals.get(step.scope, 0))

    def has_news(self, seen: list[str], route: str | None = None) -> bool:
        """Whether one of those listings was not seen in this crawl before; of a route's page: not on that route (what
        another route found already is just what the two are compared by)."""
        if route is None:
            return any(ident not in self.known for ident in seen)
        bit = self.routes.get(route, 0)
        return any(not (self.known.get(ident) or 0) & bit for ident in seen)

    def histories(self) -> dict[str, int]:
        """How many listings were found by exactly which routes: `{"catalogue": 12, "catalogue+search": 80}`, the names
        of one history in alphabetic order. All that capture-recapture models need."""
        found = Counter(bits & ~_ASKED for bits in self.known.values())
        named = {"+".join(name for name, bit in sorted(self.routes.items()) if bits & bit): count
                 for bits, count in found.items()}  # fmt: skip
        return {history: count for history, count in sorted(named.items()) if history}

    def may_follow(self, barren: int, links: int) -> int:
        """How many of the new links of an index page are followed, after `barren` pages in a row without news."""
        if barren <= 1:
            return links
        if barren > MAX_BARREN:
            return 0
        return max(0, min(links, MAX_DOUBTFUL + 2 * self._fruitful - self._doubtful))

    def coverage(self) -> tuple[Coverage, ...]:
        """The market's scope first, then each place or category that was crawled apart.

        The site's own totals where it states them; else how much of the frontier (index pages found) was read. The sum
        of scopes' totals stands for the market only as far as the frontier was read: a scope that was never reached
        states no total. Where two discovery routes have enough in common, what they estimate is stated too; without a
        total of the site the lower of that and the frontier's share is the market's: the routes know of listings that
        no page led to, the frontier of pages that were not had.
        """
        frontier = len(self.read & self.frontier) / len(self.frontier) if self.frontier else 0.0
        parts = [self._of_scope(scope, seen, frontier) for scope, seen in sorted(self.scopes.items())]
        total = self.totals.get(None)
        seen = len(self.known)
        if total is not None:
            value = min(1.0, seen / total) if total else 1.0
            market = Coverage(seen=seen, expected=total, value=value, basis=CoverageBasis.SITE_TOTAL)
        else:
            stated = [part for part in parts if part.basis is CoverageBasis.SITE_TOTAL]
            expected = sum(part.expected or 0 for part in stated)
            if stated and len(stated) == len(parts) and expected:
                share = min(1.0, sum(min(part.seen, part.expected or 0) for part in stated) / expected, frontier)
                market = Coverage(
                    seen=seen,
                    expected=seen / share if share else expected,
                    value=share,
                    basis=CoverageBasis.SITE_TOTAL,
                )
            else:
                market = Coverage(seen=seen, value=frontier, basis=CoverageBasis.FRONTIER)
        by_routes = self._by_routes()
        if by_routes is None:
            return (market, *parts)
        if market.basis is CoverageBasis.FRONTIER and (by_routes.value or 0.0) < (market.value or 0.0):
            return (by_routes, market, *parts)
        return (market, by_routes, *parts)

    def _by_routes(self) -> Coverage | None:
        """Coverage of the market by what its routes have in common. Listings seen outside of them count as they are."""
        histories = self.histories()
        estimate = estimate_total(histories)
        if estimate is None:
            return None
        seen = len(self.known)
        expected = seen + max(0.0, estimate.total - sum(histories.values()))
        return Coverage(seen=seen, expected=expected, value=min(1.0, seen / expected), basis=CoverageBasis.ROUTES)

    def _of_scope(self, scope: Scope, seen: IdTable, frontier: float) -> Coverage:
        kind, name = scope
        total = self.totals.get(scope)
        known = "place" if kind == "place" else "category"
        if total is None:
            return Coverage(scope=known, name=name, seen=len(seen), value=frontier, basis=CoverageBasis.FRONTIER)
        value = min(1.0, len(seen) / total) if total else 1.0
        return Coverage(
            scope=known, name=name, seen=len(seen), expected=total, value=value, basis=CoverageBasis.SITE_TOTAL
        )

    def broken(self, bounds: Bounds) -> list[Broken]:
        """The bounds of the market that this crawl does not keep."""
        return broken_bounds(bounds, self.fill, self.unread, self.pages[PageOutcome.LISTING] + len(self.known))

    def outcome(self, bounds: Bounds, coverage: tuple[Coverage, ...]) -> CrawlOutcome:
        """complete: enough of the market on a known basis, and within the market's bounds."""
        if not self.read:
            if self.stopped is not None:
                return self.stopped
            worst = self.pages.most_common(1)
            return STOPS.get(worst[0][0], CrawlOutcome.FAILED) if worst else CrawlOutcome.FAILED
        if self.stopped is not None:
            return self.stopped
        if self.broken(bounds):
            return CrawlOutcome.PARTIAL
        if not coverage[0].complete_enough or len(self.known) < bounds.min_listings:
            return CrawlOutcome.PARTIAL
        return CrawlOutcome.COMPLETE
