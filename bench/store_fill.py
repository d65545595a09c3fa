"""Fills a store with an invented year of four markets, for measurements at scale. Goes on where it was stopped.

    python bench/store_fill.py sqlite:///PATH|http://HOST:PORT/PREFIX [--rows 10000000]

Three stash markets (two to four crawls a day) and a postal one (every second day): offers come and go (1.5 % a day),
prices walk, stock falls and is refilled, 2 % of the prices are flagged, one crawl in fifty is incomplete. All text is
made of invented word lists. The same `--rows` give the same file's content, however often the run was cut off.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from extract.observation import Coverage, CoverageBasis, Crawl, CrawlKind, CrawlOutcome, Flag, Observation, Stash
from index.content import in_batches
from index.derive import derive_offer_days
from index.open import open_store

START = datetime(2031, 1, 6, 3, tzinfo=UTC)
VERSION = "scale-1"
SUBSTANCES = (
    "mephedrone", "cannabis-herb", "alpha-pvp", "cannabis-resin", "amphetamine", "mdma", "cocaine", "heroin",
    "methadone", "lsd", "ketamine", "psilocybin", "methamphetamine", "4-cmc", "pregabalin", "alprazolam", "2c-b",
    "fentanyl", "ghb", "dmt", "buprenorphine", "synthetic-cannabinoids", "gabapentin", "metonitazene",
)
FORMS = ("crystal", "powder", "tablet", "herb", "paper", None)
QUANTITIES = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
WORDS = (
    "свежий кристалл закладка центр район качество проверено лаборатория быстро тайник партия чистый набор малый "
    "north quick fresh lab sealed small batch clear parcel stamped careful plain steady morning harbour"
).split()


@dataclass(frozen=True)
class Market:
    """One invented market. `part`: its share of all observations."""

    id: str
    tz: str
    crawls_a_day: float
    part: float
    currency: str
    rate: float
    regions: tuple[str, ...]
    postal: bool = False


MARKETS = (
    Market("alder", "Asia/Tbilisi", 4, 0.56, "RUB", 0.0125, (
        "GE-TB", "GE-AJ", "GE-IM", "GE-KA", "GE-SZ", "GE-MM", "RU-MOW", "RU-SPE", "RU-KDA", "RU-SVE", "RU-ROS")),
    Market("birch", "Asia/Almaty", 2, 0.22, "KZT", 0.002, ("KZ-75", "KZ-71", "KZ-79", "KZ-10", "KZ-35", "KZ-39")),
    Market("cedar", "Europe/Moscow", 1, 0.14, "RUB", 0.0125, ("RU-MOW", "RU-SPE", "RU-NVS", "RU-TA", "BY-HM")),
    Market("elm", "UTC", 0.5, 0.08, "EUR", 1.1, (), postal=True),
)
DAYS = 365
AT_ONCE = 100_000
"""Observations of one write."""


class Shelf:
    """The offers of one market, crawl after crawl."""

    def __init__(self, market: Market, size: int) -> None:
        self.market, self.size = market, size
        self.chance = random.Random(market.id)
        self.serial = 0
        self.offers: list[dict[str, object]] = []

    def crawls(self) -> Iterator[tuple[Crawl, list[Observation]]]:
        count = round(DAYS * self.market.crawls_a_day)
        zone = ZoneInfo(self.market.tz)
        for number in range(count):
            moment = START + timedelta(days=number / self.market.crawls_a_day)
            self._move(0.015 / self.market.crawls_a_day)
            seen = self.size if number % 50 != 17 else self.size // 2
            crawl = Crawl(
                id=f"{self.market.id}-{moment:%Y%m%dT%H%M%SZ}", market=self.market.id, kind=CrawlKind.FULL,
                started=moment, finished=moment + timedelta(minutes=40),
                outcome=CrawlOutcome.COMPLETE if seen == self.size else CrawlOutcome.PARTIAL, listings=seen,
                coverage=(Coverage(
                    seen=seen, expected=self.size, value=seen / self.size, basis=CoverageBasis.SITE_TOTAL),),
                tz=self.market.tz)
            rows = []
            for place, offer in enumerate(self.offers[:seen]):
                at = moment + timedelta(seconds=place * 2400 // self.size)
                # the validation of records is not what is measured
                rows.append(Observation.model_construct(None, **offer | {
                    "crawl": crawl.id, "observed_at": at, "day": at.astimezone(zone).date()}))
            yield crawl, rows

    def _move(self, turnover: float) -> None:
        chance = self.chance
        if not self.offers:
            self.offers = [self._new() for _ in range(self.size)]
        for place, offer in enumerate(self.offers):
            dice = chance.random()
            if dice < turnover:
                self.offers[place] = self._new()
            elif dice < turnover + 0.05:
                amount = max(100, int(offer["amount"] * chance.uniform(0.9, 1.12)))  # type: ignore[call-overload]
                self.offers[place] = offer | self._priced(amount, offer["quantity"])
            elif dice < turnover + 0.25:
                ready = offer["ready"]
                if ready is not None:
                    changed = ready - 1 if ready else chance.randrange(1, 12)  # type: ignore[operator]
                    self.offers[place] = offer | {"ready": changed}
            elif dice < turnover + 0.28 and self.market.postal:
                self.offers[place] = offer | {"feedback": offer["feedback"] + 1}  # type: ignore[operator]

    def _priced(self, amount: int, quantity: object) -> dict[str, object]:
        units = float(quantity)  # type: ignore[arg-type]
        usd = amount * self.market.rate
        return {
            "amount": amount, "price_text": f"{amount // 100} {self.market.currency}",
            "unit_price": round(amount * 100 / units), "unit_price_usd": round(usd * 100 / units),
            "amount_usd": round(usd), "flags": (Flag.OUTLIER,) if self.chance.random() < 0.02 else ()}

    def _new(self) -> dict[str, object]:
        chance, market, serial = self.chance, self.market, self.serial
        self.serial += 1
        listing = serial // 3  # three offers a listing, with its text
        texts = random.Random(f"{market.id}{listing}")
        substance = SUBSTANCES[min(int(texts.expovariate(0.3)), len(SUBSTANCES) - 1)]
        quantity = chance.choice(QUANTITIES)
        region = chance.choice(market.regions) if market.regions else None
        base = 60_000 if market.currency == "RUB" else 400_000 if market.currency == "KZT" else 1_500
        return {
            **{name: info.default for name, info in Observation.model_fields.items() if not info.is_required()},
            "market": market.id, "listing": f"L{listing}", "offer": f"{market.id[0]}{serial:015x}", "version": VERSION,
            "vendor": f"k1:{texts.randrange(40 + self.size // 12):032x}",
            "title": f"{' '.join(texts.choices(WORDS, k=4))} {listing}",
            "description": " ".join(texts.choices(WORDS, k=24)), "category": (substance,),
            "substances": () if texts.random() < 0.03 else (substance,), "group": f"group-{len(substance) % 6}",
            "form": texts.choice(FORMS), "quantity_text": f"{quantity:g} г", "quantity": quantity, "unit": "g",
            "currency": market.currency, "fx_rate": market.rate, "fx_date": START.date(), "fx_source": "invented",
            **self._priced(round(base * quantity ** 0.9 * chance.uniform(0.6, 1.7)), quantity),
            "region": region, "place": region, "stash": None if market.postal else texts.choice(tuple(Stash)),
            "ships_from": (texts.choice(("DE", "NL", "GB")),) if market.postal else (),
            "ships_to": (texts.choice(("EU", "WORLD")),) if market.postal else (),
            "ready": None if market.postal else chance.randrange(12),
            "feedback": chance.randrange(50) if market.postal else None,
        }


def fill(url: str, rows: int) -> None:
    """Crawls that are there already are passed over; offer-days are made once all crawls of a market are in."""
    store, begun, done = open_store(url), time.monotonic(), 0
    known = {crawl.id for crawl in store.crawls()}
    for market in MARKETS:
        size = max(60, round(rows * market.part / round(DAYS * market.crawls_a_day)))
        wrote = False
        missing = ((crawl, seen) for crawl, seen in Shelf(market, size).crawls() if crawl.id not in known)
        for part in in_batches(missing, max(1, AT_ONCE // size)):
            report = store.write(row for _, seen in part for row in seen)
            assert not report.failed
            for crawl, _ in part:
                store.write_crawl(crawl)
            wrote, done = True, done + report.written + report.unchanged
            print(f"\r{market.id}: {done} rows after {time.monotonic() - begun:.0f} s", end="", file=sys.stderr)
        if wrote or next(store.last_offer_days(market.id, (START + timedelta(days=400)).date(), VERSION), None) is None:
            days = derive_offer_days(store, market.id, VERSION, START.date())
            print(f"\n{market.id}: {days} offer-days, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("store")
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    fill(options.store, options.rows)


if __name__ == "__main__":
    main()
