"""A random small market history for tests of what the SQLite file derives for itself."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

from extract.observation import Crawl, CrawlKind, CrawlOutcome, Flag, Kind, Observation, Stash

START = datetime(2031, 3, 5, 20, tzinfo=UTC)
"""A Wednesday evening: crawls run past midnight, weeks are cut."""
MARKETS = ("ash", "yew")
SUBSTANCES = ("mephedrone", "cocaine", "mdma", None)
REGIONS = ("GE-TB", "GE-AJ", "GE", "RU-MOW", None)


def crawl_of(market: str, number: int) -> Crawl:
    started = START + timedelta(hours=31 * number)
    return Crawl(
        id=f"{market}-{number:03d}", market=market, kind=CrawlKind.FULL, started=started,
        finished=started + timedelta(hours=6), outcome=CrawlOutcome.COMPLETE)


def observations(seed: int, crawls: int = 8, offers: int = 40, version: str = "v1") -> list[Observation]:
    """Offers of both markets in every crawl, now and then changed, in no order."""
    chance = random.Random(seed)
    rows = []
    for market in MARKETS:
        shelf = [_offer(chance, market, number) for number in range(offers)]
        for number in range(crawls):
            of = crawl_of(market, number)
            for place in range(offers):
                if chance.random() < 0.1:
                    shelf[place] = _offer(chance, market, chance.randrange(2 * offers))
                if chance.random() < 0.2:
                    continue
                at = of.started + timedelta(minutes=chance.randrange(360))
                rows.append(Observation(
                    **shelf[place] | _price(chance), crawl=of.id, version=version, observed_at=at, day=at.date()))
    chance.shuffle(rows)
    return rows


def _price(chance: random.Random) -> dict[str, Any]:
    price = chance.choice((None, chance.randrange(1, 400) * 10_000))
    return {
        "unit_price": price, "unit_price_usd": price and price // 60, "amount": price and price // 100,
        "amount_usd": price and price // 6000, "currency": chance.choice(("RUB", "USD")), "ready": chance.randrange(5),
        "flags": (Flag.OUTLIER,) if chance.random() < 0.15 else ()}


def _offer(chance: random.Random, market: str, number: int) -> dict[str, Any]:
    substance = chance.choice(SUBSTANCES)
    return {
        "market": market, "listing": f"L{number // 3}", "offer": f"o{number:03d}", "title": f"Item {number}",
        "vendor": chance.choice((None, "k:a", "k:b", "k:c")), "substances": () if substance is None else (substance,),
        "group": chance.choice(("stimulants", None)), "form": chance.choice(("powder", "crystal", None)),
        "kind": chance.choice((Kind.OFFER, Kind.OFFER, Kind.SAMPLE)), "unit": chance.choice(("g", "unit", None)),
        "quantity": 1.0, "region": chance.choice(REGIONS), "stash": chance.choice((Stash.MAGNET, None)),
        "ships_from": chance.choice(((), ("DE",), ("DE", "NL"))), "ships_to": chance.choice(((), ("EU", "WORLD"))),
    }


def first_day() -> date:
    return START.date()
