"""What a crawl counts on its way, and what follows from it: the Crawl's outcome and coverage. No Scrapy here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from crawler.items import Coverage, CoverageBasis, CrawlOutcome, PageOutcome
from crawler.market import Bounds
from crawler.pages import ParsedPage

Scope = tuple[str, str]
"""(kind, name) of a part of the market; kind is place or category."""

GOOD = frozenset({PageOutcome.LISTING, PageOutcome.INDEX, PageOutcome.EMPTY})
STOPS = {PageOutcome.LOGIN: CrawlOutcome.LOGIN_NEEDED, PageOutcome.CHALLENGE: CrawlOutcome.CHALLENGED}
"""Pages that mean that going on is pointless: only the operator can do something."""
PATIENCE = 3
"""So many of them in a row end a crawl."""


@dataclass(slots=True)
class Tally:
    """Counts of one crawl. `frontier` holds index addresses ever found, `read` those that gave an index page."""

    pages: Counter[PageOutcome] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    listings: set[str] = field(default_factory=set)
    frontier: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    totals: dict[Scope | None, int] = field(default_factory=dict)
    scopes: dict[Scope, set[str]] = field(default_factory=dict)
    stopped: CrawlOutcome | None = None
    _refused: int = 0

    def count_page(self, outcome: PageOutcome) -> bool:
        """Counts a page. True if the crawl should end: too many logins or challenges in a row."""
        self.pages[outcome] += 1
        if outcome in STOPS:
            self._refused += 1
            if self._refused >= PATIENCE:
                self.stopped = STOPS[outcome]
                return True
        elif outcome in GOOD:
            self._refused = 0
        return False

    def count_index(self, url: str, parsed: ParsedPage, listings: list[str]) -> None:
        """Counts an index page that was read, with the (masked) ids on it."""
        self.read.add(url)
        self.listings.update(listings)
        if parsed.scope is not None:
            self.scopes.setdefault(parsed.scope, set()).update(listings)
        if parsed.total is not None:
            self.totals[parsed.scope] = max(parsed.total, self.totals.get(parsed.scope, 0))

    def coverage(self) -> tuple[Coverage, ...]:
        """The market's scope first, then each place or category that was crawled apart.

        The site's own totals where it states them; else how much of the frontier (index pages found) was read. The sum
        of scopes' totals stands for the market only as far as the frontier was read: a scope that was never reached
        states no total.
        """
        frontier = len(self.read & self.frontier) / len(self.frontier) if self.frontier else 0.0
        parts = [self._of_scope(scope, seen, frontier) for scope, seen in sorted(self.scopes.items())]
        total = self.totals.get(None)
        seen = len(self.listings)
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
        return (market, *parts)

    def _of_scope(self, scope: Scope, seen: set[str], frontier: float) -> Coverage:
        kind, name = scope
        total = self.totals.get(scope)
        known = "place" if kind == "place" else "category"
        if total is None:
            return Coverage(scope=known, name=name, seen=len(seen), value=frontier, basis=CoverageBasis.FRONTIER)
        value = min(1.0, len(seen) / total) if total else 1.0
        return Coverage(
            scope=known, name=name, seen=len(seen), expected=total, value=value, basis=CoverageBasis.SITE_TOTAL
        )

    def outcome(self, bounds: Bounds, coverage: tuple[Coverage, ...]) -> CrawlOutcome:
        """complete: enough of the market on a known basis, and within the market's bounds."""
        if not self.read:
            if self.stopped is not None:
                return self.stopped
            worst = self.pages.most_common(1)
            return STOPS.get(worst[0][0], CrawlOutcome.FAILED) if worst else CrawlOutcome.FAILED
        if self.stopped is not None:
            return self.stopped
        if not coverage[0].complete_enough or len(self.listings) < bounds.min_listings:
            return CrawlOutcome.PARTIAL
        read = max(1, self.pages[PageOutcome.LISTING] + len(self.listings))
        if any(count / read > bounds.max_unread_share for count in self.unread.values()):
            return CrawlOutcome.PARTIAL
        return CrawlOutcome.COMPLETE
