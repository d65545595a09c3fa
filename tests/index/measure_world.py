"""Small made-up markets for the tests of measures: crawls with coverage, observations, offer-days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from extract.observation import Coverage, CoverageBasis, Crawl, CrawlKind, CrawlOutcome, Observation
from index.offer_day import OfferDay
from index.open import open_store
from index.store import Store

VERSION = "1-test"
START = date(2024, 1, 1)
"""A Monday, the first of a month."""


def on(day: int, hour: int = 12) -> datetime:
    """A moment on the `day`-th day of the world, UTC."""
    return datetime.combine(START + timedelta(days=day), time(hour), tzinfo=UTC)


def a_day(day: int) -> date:
    return START + timedelta(days=day)


def crawl(
    day: int, value: float | None = 1.0, *, market: str = "m", places: dict[str, float] | None = None, hour: int = 12,
    tz: str = "UTC", outcome: CrawlOutcome = CrawlOutcome.COMPLETE,
) -> Crawl:
    """A crawl of a day, with the coverage of its market and of some places (by region)."""
    scopes = [_scope("market", "", None, value)]
    scopes += [_scope("place", region.lower(), region, share) for region, share in (places or {}).items()]
    return Crawl(
        id=f"{market}-{day:03d}-{hour:02d}", market=market, kind=CrawlKind.FULL, started=on(day, hour),
        finished=on(day, hour) + timedelta(minutes=20), outcome=outcome, coverage=tuple(scopes), tz=tz,
    )


def _scope(scope: Any, name: str, region: str | None, value: float | None) -> Coverage:
    basis = CoverageBasis.UNKNOWN if value is None else CoverageBasis.SITE_TOTAL
    seen = 0 if value is None else round(value * 100)
    return Coverage(scope=scope, name=name, region=region, seen=seen, expected=None if value is None else 100,
                    value=value, basis=basis)


def seen(
    of: Crawl, offer: str, *, listing: str | None = None, substance: str | None = "mephedrone", **fields: Any
) -> Observation:
    """An observation of an offer by a crawl."""
    values: dict[str, Any] = {
        "market": of.market, "listing": listing or f"l-{offer}", "offer": offer, "crawl": of.id, "version": VERSION,
        "observed_at": of.started + timedelta(minutes=5), "day": of.started.date(), "title": "made up",
        "vendor": f"t:{offer}", "substances": (substance,) if substance else (),
    }
    return Observation(**(values | fields))


def offer_day(
    day: int, offer: str, *, listing: str | None = None, substance: str | None = "mephedrone", **fields: Any
) -> OfferDay:
    """An offer on a day; by default one gram at 30 USD, of a vendor of its own."""
    values: dict[str, Any] = {
        "market": "m", "listing": listing or f"l-{offer}", "offer": offer, "day": a_day(day), "version": VERSION,
        "vendor": f"t:{offer}", "substance": substance, "quantity": 1.0, "unit": "g", "sightings": 1,
        "first_seen": on(day), "last_seen": on(day), "currency": "USD", "unit_price": 300_000,
        "unit_price_usd": 300_000, "price_low": 3_000, "price_low_usd": 3_000, "exposure_hours": 24.0,
    }
    return OfferDay(**(values | fields))


def days_of(days: Sequence[int], offer: str, **fields: Any) -> list[OfferDay]:
    """The same offer on several days."""
    return [offer_day(day, offer, **fields) for day in days]


def fill(
    path: Path, crawls: Sequence[Crawl] = (), observations: Sequence[Observation] = (), days: Sequence[OfferDay] = ()
) -> Store:
    """A real SQLite store with all that in it."""
    store = open_store(f"sqlite:///{path}")
    for each in crawls:
        store.write_crawl(each)
    store.write(observations)
    store.write_offer_days(days)
    return store
