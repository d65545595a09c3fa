"""Coverage of imported crawls against their neighbours: nobody knows what a stranger's scraper missed, but a place that
the scrapes before and after hold and this one lacks was not visited."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from statistics import median
from typing import Literal

from crawler.items import Coverage, CoverageBasis, Crawl, CrawlOutcome

NEIGHBOURS = 3
"""Crawls on either side that are looked at."""
WITHIN = timedelta(days=7)
"""How far away a neighbour may lie."""


def neighbour_coverage(crawls: Sequence[Crawl]) -> list[Crawl]:
    """The crawls of one market, oldest first, with coverage by scope on the basis `neighbours`.

    Expected is the median count of the scope in up to 3 crawls before and 3 after (within 7 days). A count within two
    standard deviations of a Poisson count with that mean is complete (1.0): markets move between crawls; otherwise the
    coverage is seen/expected. A scope with nothing seen where its neighbours have something is 0, however small.
    Fewer than two neighbours: unknown. A pure function: running it again changes nothing.
    """
    counts = [_counts(crawl) for crawl in crawls]
    # a place that this crawl lacks still has the region under which the others know it
    regions = {scope.name: scope.region for crawl in crawls for scope in crawl.coverage if scope.region}
    judged = []
    for at, crawl in enumerate(crawls):
        near = [
            counts[other]
            for other in range(max(0, at - NEIGHBOURS), min(len(crawls), at + NEIGHBOURS + 1))
            if other != at and abs(crawls[other].started - crawl.started) <= WITHIN
        ]
        names = sorted({name for one in near for name in one} | set(counts[at]))
        scopes = [
            _judge(name, counts[at].get(name, 0), [one.get(name, 0) for one in near], regions.get(name))
            for name in names
        ]
        places = [scope for scope in scopes if scope.scope == "place"]
        market = _whole(crawl, places) if places else next(scope for scope in scopes if scope.scope == "market")
        outcome = CrawlOutcome.COMPLETE if market.complete_enough else CrawlOutcome.PARTIAL
        judged.append(crawl.model_copy(update={"coverage": (market, *places), "outcome": outcome}))
    return judged


def _counts(crawl: Crawl) -> dict[str, int]:
    """Seen by place name; the market as a whole under the empty name where there are no places."""
    places = {scope.name: scope.seen for scope in crawl.coverage if scope.scope == "place" and scope.seen}
    return places or {"": crawl.listings}


def _judge(name: str, seen: int, near: Sequence[int], region: str | None) -> Coverage:
    kind: Literal["place", "market"] = "place" if name else "market"
    if len(near) < 2:
        return Coverage(scope=kind, name=name, region=region, seen=seen)
    expected = float(median(near))
    complete = expected == 0 or (seen > 0 and seen >= expected - 2 * math.sqrt(expected))
    value = 1.0 if complete else min(1.0, seen / expected)
    return Coverage(
        scope=kind, name=name, region=region, seen=seen, expected=expected, value=value, basis=CoverageBasis.NEIGHBOURS
    )


def _whole(crawl: Crawl, places: Sequence[Coverage]) -> Coverage:
    """The market from its places: complete where each place is, else the share of the expected listings."""
    if any(place.basis is CoverageBasis.UNKNOWN for place in places):
        return Coverage(seen=crawl.listings)
    expected = sum(place.expected or 0.0 for place in places)
    covered = sum((place.value or 0.0) * (place.expected or 0.0) for place in places)
    value = 1.0 if expected == 0 else min(1.0, covered / expected)
    return Coverage(seen=crawl.listings, expected=expected, value=value, basis=CoverageBasis.NEIGHBOURS)
