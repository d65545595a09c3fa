"""Discovery routes: the ways in which a crawl comes upon listings, and what two of them say about how many there are.

A market whose site states no total can still be measured: what one route (the catalogue) finds is held against what an
independent one (categories, search, vendors' pages) finds, as animals are counted by catching them twice. Routes are
declared in market.yml and told apart by the address of the index page that a listing stood on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from crawler.items import digest_id
from crawler.market import Market

MIN_OVERLAP = 7
"""Listings that both routes must have found before anything is concluded: from there on the bias of Chapman's estimate
is negligible with probability 0.95 (Robson and Regier 1964)."""


class Routes:
    """The routes of one market. `of` and `follows` are pure: a crawl that goes on decides as it did before."""

    def __init__(self, market: Market) -> None:
        self._market = market.id
        self._routes = tuple((route, re.compile(route.path)) for route in market.routes)
        self.start = tuple(path for route in market.routes for path in route.start)
        """Paths that routes begin with, beside the market's own."""

    def of(self, path: str) -> str | None:
        """Name of the route to which the index page at that path belongs: the first whose pattern is found in it."""
        return next((route.name for route, pattern in self._routes if pattern.search(path)), None)

    def follows(self, path: str) -> bool:
        """Whether a link to that path is to be followed: not where it is outside its route's sample.

        The sample is drawn by the pattern's first group (a category's number, a vendor's name), without group by the
        path up to the question mark, so that all pages of one category share one lot. It stays the same from crawl to
        crawl: a listing must not seem to come and go with the draw.
        """
        for route, pattern in self._routes:
            match = pattern.search(path)
            if match is not None:
                unit = match.group(1) if pattern.groups else path.partition("?")[0]
                lot = int(digest_id(self._market, route.name, unit or "", length=8), 16)
                return lot < route.share * 2**32
        return True


@dataclass(frozen=True, slots=True)
class Chapman:
    """Two samples of one population: `first` and `second` found, `both` in common."""

    first: int
    second: int
    both: int

    @property
    def total(self) -> float:
        """Estimated size of the population: (a + 1)(b + 1) / (m + 1) - 1 (Chapman 1951). Unbiased where a + b is at
        least the population; too low where what one route finds the other tends to find as well."""
        return (self.first + 1) * (self.second + 1) / (self.both + 1) - 1

    @property
    def deviation(self) -> float:
        """Standard deviation of `total` (Seber 1970)."""
        a, b, m = self.first, self.second, self.both
        variance: float = (a + 1) * (b + 1) * (a - m) * (b - m) / ((m + 1) ** 2 * (m + 2))
        return math.sqrt(variance)


def estimate_total(histories: Mapping[str, int]) -> Chapman | None:
    """The estimate from capture histories (`crawler.tally.Tally.histories`): one route against all the others together.
    None where no two routes have `MIN_OVERLAP` listings in common.

    Of several routes each is held against the rest, and the largest total is taken: routes that follow one another
    make it too low, and a coverage that is too high would hide a gap.
    """
    routes = sorted({name for history in histories for name in history.split("+")})
    made = []
    for route in routes:
        first = second = both = 0
        for history, count in histories.items():
            names = history.split("+")
            alone = names == [route]
            first += count * (route in names)
            second += count * (not alone)
            both += count * (route in names and not alone)
        if both >= MIN_OVERLAP:
            made.append(Chapman(first, second, both))
    return max(made, key=lambda one: one.total, default=None)
