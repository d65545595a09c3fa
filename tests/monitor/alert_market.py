"""A small made-up market for the tests of alerts: counts by day and series, with gaps, faults and late crawls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from extract.observation import Coverage, CoverageBasis, Crawl, CrawlKind, CrawlOutcome, Observation
from index.derive import derive_offer_days
from index.open import open_store
from index.store import Store
from monitor.alerts.rule import Rule, RuleFile
from monitor.state import State

VERSION = "1-test"
START = date(2033, 1, 3)
"""A Monday."""


def a_day(number: int) -> date:
    return START + timedelta(days=number)


def noon_after(number: int) -> datetime:
    """Noon of the day after a day: its bucket is closed then."""
    return datetime.combine(a_day(number + 1), time(12), tzinfo=UTC)


def build_crawl(
    day: int, *, market: str = "m", coverage: float | None = 1.0, late: int = 0, hour: int = 12, tz: str = "UTC",
    listings: int = 0,
) -> Crawl:
    """A crawl of a day; `late`: days until it was known."""
    started = datetime.combine(a_day(day), time(hour), tzinfo=UTC)
    scope = Coverage(
        seen=0 if coverage is None else round(coverage * 100), expected=None if coverage is None else 100,
        value=coverage, basis=CoverageBasis.UNKNOWN if coverage is None else CoverageBasis.SITE_TOTAL,
    )
    return Crawl(
        id=f"{market}-{day:04d}-{hour:02d}", market=market, kind=CrawlKind.FULL, started=started,
        finished=started + timedelta(minutes=30, days=late), outcome=CrawlOutcome.COMPLETE, coverage=(scope,), tz=tz,
        listings=listings,
    )


def seen_by(crawl: Crawl, number: int, *, prefix: str = "o", vendors: int = 12, **fields: Any) -> Observation:
    values: dict[str, Any] = {
        "market": crawl.market, "listing": f"L{prefix}{number}", "offer": f"{prefix}{number}", "crawl": crawl.id,
        "version": VERSION, "observed_at": crawl.started + timedelta(minutes=5), "day": crawl.started.date(),
        "title": "invented", "vendor": f"t:{number % vendors}", "substances": ("mephedrone",), "quantity": 1.0,
        "unit": "g", "currency": "USD", "amount": 3000, "unit_price": 300_000, "unit_price_usd": 300_000,
        "amount_usd": 3000,
    }
    return Observation(**(values | fields))


def put_day(
    store: Store, day: int, counts: Mapping[str, int], *, vendors: int = 12, price: int = 300_000, region: str = "GE-TB",
    **crawl: Any,
) -> Crawl:
    """One crawl of a day with so many listings of each substance."""
    one = build_crawl(day, **crawl)
    store.write_crawl(one)
    store.write([
        seen_by(
            one, number, prefix=f"{substance}-{region}-", vendors=vendors, substances=(substance,), region=region,
            unit_price=price, unit_price_usd=price,
        )
        for substance, count in counts.items() for number in range(count)
    ])
    return one


def build_store(path: Path, counts: Sequence[int | None], substance: str = "mephedrone", **options: Any) -> Store:
    """A store with so many listings a day; None: no crawl that day."""
    store = open_store(f"sqlite:///{path / 'store.db'}")
    for day, count in enumerate(counts):
        if count is not None:
            put_day(store, day, {substance: count}, **options)
    return store


def derive(store: Store, market: str = "m") -> None:
    derive_offer_days(store, market, VERSION, START)


def build_rule(**fields: Any) -> Rule:
    """A rule by day: listings of mephedrone above 50, unless said otherwise."""
    values: dict[str, Any] = {
        "id": "meph", "title": "Many listings", "measure": "listings", "filter": {"substance": "mephedrone"},
        "by": "day", "test": {"kind": "threshold", "above": 50}, "owner": "anna", "recipients": ["desk"],
    }
    return RuleFile.model_validate({"rules": [values | fields]}).rules[0]


def open_state(path: Path) -> State:
    return State(path / "state.db")
