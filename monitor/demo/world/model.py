"""The world: two markets, day by day, with the events planted and the truth known. Deterministic by (seed, days)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from monitor.demo.world.events import MARKETS, plan_events
from monitor.demo.world.evolution import Market
from monitor.demo.world.fx import build_rates
from monitor.demo.world.records import Event, FxRow, ListingTruth, MarketDay, MarketId
from monitor.demo.world.truth import By, Measure, TruthRow, truth_rows

START = date(2025, 1, 6)
"""A Monday."""
ZONES: dict[MarketId, str] = {"stash": "Europe/Moscow", "postal": "UTC"}


class World:
    """A synthetic world of `days` days from `START`.

    `day(market, day)` is the state at noon; `truth(...)` is computed from the model alone, never from a page.
    """

    markets: tuple[MarketId, ...] = MARKETS

    def __init__(self, seed: int = 1, days: int = 182) -> None:
        if days < 1:
            raise ValueError("a world needs at least one day")
        self.seed, self.days, self.start = seed, days, START
        self.last = START + timedelta(days=days - 1)
        self.events: tuple[Event, ...] = tuple(plan_events(seed, START, days))
        self._fx = build_rates(seed, START, days)
        self._rates = {(row.date, row.base): row.rate for row in self._fx}
        self._days: dict[MarketId, list[MarketDay]] = {}
        self._listings: dict[tuple[MarketId, str], ListingTruth] = {}
        for market in MARKETS:
            life = Market(seed, market, days, START, events=list(self.events), rates=self._rates)
            self._days[market] = [life.step(offset, START + timedelta(days=offset)) for offset in range(days)]
            self._listings.update({(market, birth.truth.id): birth.truth for birth in life.births})

    def dates(self) -> list[date]:
        return [START + timedelta(days=offset) for offset in range(self.days)]

    def day(self, market: MarketId, day: date) -> MarketDay:
        """The market on that day. IndexError-free: a day outside of the world is a ValueError."""
        if not START <= day <= self.last:
            raise ValueError(f"{day} is not in this world ({START} to {self.last})")
        return self._days[market][(day - START).days]

    def listing(self, market: MarketId, listing: str) -> ListingTruth:
        """What a listing truly is, by the site's id (KeyError: never existed)."""
        return self._listings[market, listing]

    def listings(self, market: MarketId) -> list[ListingTruth]:
        """Every listing that ever was."""
        return [truth for (of, _), truth in self._listings.items() if of == market]

    def fx_rows(self) -> list[FxRow]:
        """Daily rates to USD, oldest first."""
        return list(self._fx)

    def rate(self, day: date, currency: str) -> float:
        """US dollars for one unit."""
        return 1.0 if currency == "USD" else self._rates[day, currency]

    def truth(
        self, measure: Measure, market: MarketId | None = None, substance: str | None = None, by: By = "week",
        region: str | None = None,
    ) -> list[TruthRow]:  # fmt: skip
        """True rows of a measure, one a bucket (for `price` one a bucket and base unit): see `truth.truth_rows`."""
        chosen: Sequence[MarketId] = MARKETS if market is None else (market,)
        days = {name: self._days[name] for name in chosen}
        return truth_rows(days, self.rate, measure, substance, by=by, region=region)
