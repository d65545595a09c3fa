"""A random small market history for tests of what stores derive for themselves; and packed offer-days beside scanned
ones."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from extract.observation import Crawl, CrawlKind, CrawlOutcome, Flag, Kind, Observation, Stash
from index.coded import CodedStore
from index.packed_days import FIELDS as PACKED
from index.store import Filter, Store, concat

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


DAY = first_day()
FIELDS = ("offer", *sorted(PACKED - {"offer"}))
FILTERS = (
    Filter(), Filter(substance=("mephedrone",)), Filter(substance=("unknown", "mdma")), Filter(region=("GE",)),
    Filter(market=("ash",)), Filter(kind=("offer",), vendor=("k:a",)), Filter(listing=("L1", "L2")),
    Filter(first=DAY + timedelta(days=2), last=DAY + timedelta(days=6)), Filter(ships_from=("NL",), form=("powder",)),
    Filter(ships_to=("EU",), stash=("magnet",)), Filter(group=("stimulants",)), Filter(substance=("nothing",)),
    Filter(last=DAY + timedelta(days=3)), Filter(market=("nowhere",)),
)


def coded_rows(store: Store, where: Filter, version: str = "v1") -> list[tuple[Any, ...]] | None:
    assert isinstance(store, CodedStore)
    batches = store.scan_coded(where, FIELDS, version)
    if batches is None:
        return None
    found: list[tuple[Any, ...]] = []
    for batch in batches:
        columns: list[list[Any]] = []
        for name in FIELDS:
            if name == "market":
                columns.append([batch.market] * len(batch.days))
            elif name == "day":
                columns.append([str(day) for day in batch.days.astype("datetime64[D]")])
            elif name in batch.codes:
                codes, labels = batch.codes[name]
                columns.append([labels[code] for code in codes.tolist()])
            else:
                columns.append(plain(batch.numbers[name]))
        found += list(zip(*columns, strict=True))
    return found


def plain(column: np.ndarray[Any, Any]) -> list[Any]:
    """Numbers as floats, missing ones as None: NaN is not equal to itself."""
    if column.dtype == object:
        return list(column.tolist())
    return [None if np.isnan(value) else float(value) for value in column.astype(np.float64)]


def scanned_rows(store: Store, where: Filter, version: str = "v1") -> list[tuple[Any, ...]]:
    table = concat(store.scan("offer_day", where, FIELDS, version), FIELDS)
    return list(zip(*(plain(table[name]) for name in FIELDS), strict=True))
