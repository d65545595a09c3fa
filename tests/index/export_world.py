"""A made-up market for the tests of packages: some substances have many sellers, one has few, one vendor sells most."""

from __future__ import annotations

import random
from pathlib import Path

from measure_world import START, VERSION, a_day, crawl, seen

from extract.observation import Crawl, Observation
from index.derive import derive_offer_days
from index.export.question import Control, Question
from index.open import open_store
from index.store import Filter, Store

DAYS = 21
SIZES = {"mdma": (30, 10), "mephedrone": (24, 8), "cannabis-herb": (18, 6), "heroin": (4, 2)}
"""Listings and vendors by substance."""
SECRET = "unmistakable words of a seller"
RELEASED_ON = a_day(60)


def history(*, days: int = DAYS, heroin: int = 4, seed: int = 3) -> tuple[list[Crawl], list[Observation]]:
    """One complete crawl a day; stock falls by up to 2 a day and is filled up. Ids have no order that tells anything."""
    dice = random.Random(seed)
    crawls = [crawl(day) for day in range(days)]
    observations = []
    stock: dict[str, int] = {}
    sizes = SIZES | {"heroin": (heroin, max(1, heroin // 2))}
    for made in crawls:
        for substance, (listings, vendors) in sizes.items():
            for number in range(listings):
                offer = f"{substance}-{number}"
                left = stock.get(offer, 9) - dice.randrange(3)
                stock[offer] = left if left > 0 else 9
                cents = 1_000 + dice.randrange(500)
                observations.append(seen(
                    made, offer, substance=substance, vendor=f"abcdef01:{substance[:2]}{number % vendors:020d}",
                    title=SECRET, region=("GE-TB", "GE-AJ")[number % 2], ready=stock[offer], quantity=1.0, unit="g",
                    currency="USD", amount=cents, amount_usd=cents, unit_price=cents * 100, unit_price_usd=cents * 100,
                    fx_rate=1.0, fx_date=made.started.date(), fx_source="identity",
                ))
    return crawls, observations


def build(path: Path, *, days: int = DAYS, heroin: int = 4) -> Store:
    crawls, observations = history(days=days, heroin=heroin)
    store = open_store(f"sqlite:///{path}")
    fill_up(store, crawls, observations)
    return store


def fill_up(store: Store, crawls: list[Crawl], observations: list[Observation]) -> None:
    assert not store.write(observations).failed
    for each in crawls:
        store.write_crawl(each)
    derive_offer_days(store, "m", VERSION, START)


def ask(*measures: str, split: tuple[str, ...] = (), **where: object) -> Question:
    by = where.pop("by", "week")
    of = where.pop("of", None)
    return Question.model_validate(
        {"measures": measures, "split": split, "by": by, "of": of, "where": Filter.model_validate(where)}
    )


def control(**rules: object) -> Control:
    return Control.model_validate({"as_of": RELEASED_ON} | rules)
