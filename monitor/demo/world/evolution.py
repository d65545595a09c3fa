"""How one market lives from day to day: births, deaths, pauses, relists, prices, sales, restocks, vendors.

Everything happens between two noons; a crawl at noon sees the result. Sales of a day are those since the day before.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from monitor.demo.world.births import Birth, build_birth, place_weights
from monitor.demo.world.catalogue import nitazene_product, products_of
from monitor.demo.world.records import Event, ListingState, MarketDay, MarketId, OfferState, OfferTruth, Product, Vendor
from monitor.demo.world.vendors import build_vendor
from monitor.demo.world.writing import round_price, write_money, write_roubles

_LIFE_DAYS = 46
_VENDOR_DAYS = 160
_REPRICE_DAYS = 13
_HELD_PRICE = {"RUB": 999_999.0, "BTC": 99.99999, "XMR": 9_999.9999}


@dataclass(slots=True)
class _Offer:
    truth: OfferTruth
    noise: float
    rate: float
    pack: int
    price: float
    stock: int
    reserved: int = 0
    preorder: int = 0
    sold: int = 0


@dataclass(slots=True)
class _Live:
    birth: Birth
    noise: float
    offers: list[_Offer]
    dies: int
    """Day offset."""
    away_until: int = -1
    held_until: int = -1
    feedback: int = 0
    rating: float = 0.0
    reprice: set[int] = field(default_factory=set)


def poisson(dice: random.Random, mean: float) -> int:
    limit, product, count = math.exp(-mean), dice.random(), 0
    while product > limit:
        product *= dice.random()
        count += 1
    return count


class Market:
    """One market's population. `step(offset, day)` moves it on and returns the day as a visitor could see it."""

    def __init__(
        self, seed: int, market: MarketId, days: int, start: date, *, events: list[Event],
        rates: dict[tuple[date, str], float],
    ) -> None:
        self.market: MarketId = market
        self.days, self.start, self.rates = days, start, rates
        self.events = [event for event in events if event.market == market]
        self.dice = random.Random(f"life/{seed}/{market}")
        self.taken: set[str] = set()
        self.ids: set[str] = set()
        self.base = self.dice.uniform(100, 112)
        self.trend = self.dice.uniform(-0.08, 0.15)
        self.vendor_target = self.dice.randint(36, 41)
        self.vendors = [build_vendor(self.dice, market, self.taken) for _ in range(self.vendor_target)]
        self.levels = {product.key: 0.0 for product in products_of(market)}
        self.live: list[_Live] = []
        self.relists: list[tuple[int, Vendor, Product]] = []
        self.births: list[Birth] = []
        """Every listing ever, in order of appearance."""

    def step(self, offset: int, day: date) -> MarketDay:
        closed = self._event("market-closed")
        if closed and day >= closed.first:
            self.live.clear()
            return MarketDay(self.market, day, (), "seized")
        if offset == 0:
            while len(self.live) < self.base:
                self._post(offset, day)
            for live in self.live:
                live.dies = 1 + int(self.dice.expovariate(1 / _LIFE_DAYS))
        else:
            self._move_levels(day)
            self._leave(offset, day)
            for live in self.live:
                self._live_a_day(live, offset, day)
            self._enter(offset, day)
        seen = tuple(self._state(live, offset, day) for live in self.live if live.away_until < offset)
        gaps = (event for event in self.events if event.kind == "gap" and event.first <= day <= (event.last or day))
        gap = next(gaps, None)
        return MarketDay(self.market, day, seen, gap.note if gap else None)  # type: ignore[arg-type]

    def _event(self, kind: str) -> Event | None:
        return next((event for event in self.events if event.kind == kind), None)

    def _dry_region(self, day: date) -> str | None:
        dry = self._event("region-dry")
        return dry.region if dry and dry.last and dry.first <= day <= dry.last else None

    def _move_levels(self, day: date) -> None:
        for key in self.levels:
            self.levels[key] += self.dice.gauss(0, 0.004)
        shock = self._event("price-shock")
        if shock and day == shock.first and shock.factor:
            for product in products_of(self.market):
                if product.substance == shock.substance:
                    self.levels[product.key] += math.log(shock.factor)
            offset = (day - self.start).days
            for live in self.live:
                if live.birth.truth.substance == shock.substance:
                    live.reprice.add(offset + self.dice.randint(0, 4))

    def _leave(self, offset: int, day: date) -> None:
        gone = [vendor for vendor in self.vendors if self.dice.random() < 1 / _VENDOR_DAYS]
        for vendor in gone:
            self.vendors.remove(vendor)
        kept = []
        dry = self._dry_region(day)
        for live in self.live:
            vendor = live.birth.truth.vendor
            if vendor in gone:
                continue
            if dry:  # six of ten offers go on each day, the rest on the fourth
                spell = self._event("region-dry")
                last_day = spell is not None and (day - spell.first).days >= 3
                live.offers = [
                    offer for offer in live.offers
                    if offer.truth.region != dry or not (last_day or self.dice.random() < 0.6)
                ]  # fmt: skip
            if not live.offers or live.dies <= offset:
                if self.dice.random() < 0.25:
                    self.relists.append((offset + self.dice.randint(1, 5), vendor, live.birth.product))
                continue
            kept.append(live)
        self.live = kept

    def _enter(self, offset: int, day: date) -> None:
        while len(self.vendors) < self.vendor_target and self.dice.random() < 0.6:
            self.vendors.append(build_vendor(self.dice, self.market, self.taken))
        for due, vendor, product in [row for row in self.relists if row[0] <= offset]:
            self.relists.remove((due, vendor, product))
            if vendor in self.vendors:
                self._birth(offset, day, vendor, product)
        arrival = self._event("first-substance")
        if arrival and arrival.substance and day >= arrival.first:
            product = nitazene_product(self.market, arrival.substance)
            self.levels.setdefault(product.key, 0.0)
            if day == arrival.first:
                self._birth(offset, day, self._seller(product), product)
                self.live[-1].dies = offset + 25 + self.dice.randint(0, 20)
            elif self.dice.random() < 0.05:
                self._birth(offset, day, self._seller(product), product)
        target = self.base * (1 + self.trend * offset / self.days)
        wanted = len(self.live) / _LIFE_DAYS * 0.6 + (target - len(self.live)) * 0.3
        for _ in range(poisson(self.dice, max(0.0, wanted))):
            self._post(offset, day)

    def _next_product(self) -> Product:
        """What is posted next: the shelves that are emptiest against the usual mix, so that the mix stays about so in
        every seed."""
        have = Counter(live.birth.truth.product for live in self.live)
        pool = [product for product in products_of(self.market) if product.weight]
        share = self.base / sum(product.weight for product in pool)
        lacking = [max(0.1 * product.weight * share, product.weight * share - have[product.key]) for product in pool]
        return self.dice.choices(pool, lacking)[0]

    def _seller(self, product: Product) -> Vendor:
        """Somebody who deals in it (anybody, if nobody does), rather one who has few listings and none of it."""
        have = Counter(live.birth.truth.vendor.slug for live in self.live)
        same = Counter(live.birth.truth.vendor.slug for live in self.live if live.birth.truth.product == product.key)
        dealers = [vendor for vendor in self.vendors if product.key in vendor.products] or self.vendors
        weights = [v.size / (1 + have[v.slug]) ** 1.5 / (1 + 2 * same[v.slug]) for v in dealers]
        return self.dice.choices(dealers, weights)[0]

    def _post(self, offset: int, day: date) -> None:
        product = self._next_product()
        self._birth(offset, day, self._seller(product), product)

    def _birth(self, offset: int, day: date, vendor: Vendor, product: Product) -> None:
        if self.market == "postal" and product.substance and product.kind == "offer" and product.key != "nitazene":
            roll = self.dice.random()
            if roll < 0.035:
                product = dataclasses.replace(product, kind="sample" if roll < 0.02 else "custom")
        places = place_weights(self._dry_region(day))
        birth = build_birth(self.dice, self.market, self.ids, vendor, product, places=places, month=day.month)
        self.births.append(birth)
        noise = self.dice.lognormvariate(0, 0.1)
        live = _Live(birth, noise, [], offset + 3 + int(self.dice.expovariate(1 / _LIFE_DAYS)))
        live.rating = round(self.dice.uniform(4.2, 5.0), 2)
        live.feedback = int(self.dice.expovariate(1 / 25)) if offset == 0 else 0
        for truth in birth.truth.offers:
            step = truth.quantity / birth.truth.offers[0].quantity if self.market == "postal" else truth.quantity
            pack = max(1, round(self.dice.lognormvariate(1.5, 0.4) / (1 + 0.15 * step)))
            rate = self.dice.lognormvariate(-1.1, 0.5) / (1 + 0.2 * math.log1p(step))
            if self.market == "postal":
                rate /= 1 + truth.key
            if birth.truth.kind != "offer":
                rate = 0.0
            offer = _Offer(truth, self.dice.lognormvariate(0, 0.03), rate, pack, 0.0, self.dice.randint(1, pack + 2))
            offer.preorder = self.dice.choice((0, 0, 0, 1, 2, 5, 10))
            live.offers.append(offer)
        self.live.append(live)
        self._reprice(live, day)

    def _reprice(self, live: _Live, day: date) -> None:
        birth = live.birth
        product, vendor = birth.product, birth.truth.vendor
        rate = 1.0 if vendor.currency in ("RUB", "USD") else self.rates[day, vendor.currency]
        for offer in live.offers:
            steps = offer.truth.quantity / product.ladder[0]
            unit_price = product.price * vendor.price_factor * live.noise * offer.noise * steps**-0.13
            amount = unit_price * math.exp(self.levels.get(product.key, 0.0)) * offer.truth.quantity
            if birth.truth.kind == "sample":
                amount *= 0.3
            offer.price = round_price(amount / rate, vendor.currency)

    def _live_a_day(self, live: _Live, offset: int, day: date) -> None:
        dice = self.dice
        for offer in live.offers:
            offer.sold = 0
        if live.away_until >= offset or live.held_until >= offset:
            return
        if dice.random() < 0.003 and live.dies > offset + 8:
            live.away_until = offset + dice.randint(1, 5)
            return
        if dice.random() < 0.0012 and live.birth.truth.kind == "offer":
            live.held_until = offset + dice.randint(2, 5)
            return
        if dice.random() < 1 / _REPRICE_DAYS or offset in live.reprice:
            live.noise *= math.exp(dice.gauss(0, 0.015))
            self._reprice(live, day)
        for offer in live.offers:
            self._trade(live, offer)
        if self.market == "postal":
            live.feedback += sum(dice.random() < 0.65 for offer in live.offers for _ in range(offer.sold))

    def _trade(self, live: _Live, offer: _Offer) -> None:
        dice = self.dice
        if self.market == "postal":  # nobody there states a stock: what is wanted is sold
            offer.sold = poisson(dice, offer.rate)
            return
        if live.birth.truth.kind != "offer":
            return
        if offer.reserved:  # a reservation ends within a day: half are bought, half come back
            if dice.random() < 0.5:
                offer.stock -= offer.reserved
                offer.sold = offer.reserved
            offer.reserved = 0
            return
        restock = dice.random() < (0.4 if offer.stock == 0 else 0.06 if offer.stock <= 2 else 0.0)
        if not restock or dice.random() < 0.05:  # on few days both happen, and a daily visitor sees only the sum
            offer.sold = min(offer.stock, poisson(dice, offer.rate))
            offer.stock -= offer.sold
        if restock:
            offer.stock += max(1, offer.pack + dice.randint(-2, 3))
        elif offer.stock >= 2 and not offer.sold and dice.random() < 0.01:
            offer.reserved = 1
        if dice.random() < 0.1:
            offer.preorder = dice.choice((0, 0, 0, 1, 2, 5, 10))

    def _state(self, live: _Live, offset: int, day: date) -> ListingState:
        truth = live.birth.truth
        vendor = truth.vendor
        held = live.held_until >= offset
        offers = []
        for offer in live.offers:
            price = _HELD_PRICE.get(vendor.currency, 99_999.0) if held else offer.price
            if vendor.currency == "RUB":
                text = write_roubles(round(price), vendor.price_style)
                ready, preorder = offer.stock - offer.reserved, offer.preorder
                offers.append(OfferState(offer.truth, price, "RUB", text, ready, preorder, offer.sold, held))
            else:
                text = write_money(price, vendor.currency, vendor.price_style)
                offers.append(OfferState(offer.truth, price, vendor.currency, text, sold=offer.sold, held=held))
        if self.market == "stash":
            return ListingState(truth, tuple(offers))
        return ListingState(truth, tuple(offers), live.feedback, live.rating)
