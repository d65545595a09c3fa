"""A new listing: its id, offers, places and text."""

from __future__ import annotations

import random
from dataclasses import dataclass

from monitor.demo.world.catalogue import products_of
from monitor.demo.world.geography import CITIES, PLACES, STASH_TEXTS, write_country
from monitor.demo.world.records import ListingTruth, MarketId, OfferTruth, Product, Vendor
from monitor.demo.world.texts import write_text
from monitor.demo.world.vendors import pick
from monitor.demo.world.writing import write_quantity_en, write_quantity_ru


@dataclass(frozen=True, slots=True)
class Birth:
    product: Product
    truth: ListingTruth


def place_weights(dry: str | None) -> dict[str, float]:
    """Cities in which something can be sold: all but those of a dry region."""
    return {place.name: place.weight for place in CITIES if place.code != dry}


def _new_id(dice: random.Random, market: MarketId, taken: set[str]) -> str:
    while True:
        new = str(dice.randint(10_000, 99_999)) if market == "stash" else f"{dice.getrandbits(32):08x}"
        if new not in taken:
            taken.add(new)
            return new


def _stash_offers(
    dice: random.Random, vendor: Vendor, product: Product, places: dict[str, float], month: int
) -> tuple[OfferTruth, ...]:
    kinds = {"cache": 4.0, "buried": 5.0, "magnet": 3.0, "stairwell": 1.0}
    if month in (11, 12, 1, 2, 3):
        kinds["snow"] = 2.0
    wanted = dice.choices((1, 2, 3, 4, 5), (20, 28, 26, 16, 10))[0] if product.kind == "offer" else 1
    cities = {pick(dice, places) for _ in range(dice.choice((1, 1, 2, 3)))}
    combos: dict[tuple[float, str, str], None] = {}
    for _ in range(wanted * 4):
        if len(combos) == wanted:
            break
        quantity = product.ladder[min(len(product.ladder) - 1, int(dice.expovariate(0.7)))]
        combos.setdefault((quantity, dice.choice(sorted(cities)), pick(dice, kinds)))
    offers = []
    for key, (quantity, city, kind) in enumerate(sorted(combos)):
        place = PLACES[city]
        text = write_quantity_ru(quantity, product.unit, product.form, vendor.quantity_style)
        hide = dice.choice(STASH_TEXTS[kind])
        offers.append(
            OfferTruth(key, quantity, product.unit, text, city, place.code, dice.choice(place.districts), kind, hide)
        )
    return tuple(offers)


def _postal_offers(dice: random.Random, vendor: Vendor, product: Product) -> tuple[OfferTruth, ...]:
    count = 1 if product.kind != "offer" else dice.randint(2, 5)
    first = 0 if count == 1 else dice.randint(0, max(0, len(product.ladder) - count))
    imperial = vendor.country in ("US", "GB", "CA", "AU") and vendor.quantity_style % 5 < 2
    offers = []
    for key, rung in enumerate(product.ladder[first : first + count]):
        text, quantity = write_quantity_en(rung, product.unit, product.form, vendor.quantity_style, imperial)
        offers.append(OfferTruth(key, quantity, product.unit, text))
    return tuple(offers)


def build_birth(
    dice: random.Random, market: MarketId, taken: set[str], vendor: Vendor, product: Product, *,
    places: dict[str, float], month: int,
) -> Birth:  # fmt: skip
    """A new listing of that vendor and product; `taken` (ids in use) is extended."""
    others = [other for other in products_of(market) if other.key in vendor.products and other.key != "unknown"]
    if market == "stash":
        offers = _stash_offers(dice, vendor, product, places, month)
        city = PLACES[offers[0].place or ""]
        place: tuple[str, str] | None = (city.name, dice.choice(city.nicknames))
    else:
        offers, place = _postal_offers(dice, vendor, product), None
    country = write_country(vendor.country, vendor.price_style) if vendor.country else ""
    ident = _new_id(dice, market, taken)
    # Dice of its own: a change in the phrase tables must not change who lives and dies.
    words = random.Random(f"text/{market}/{ident}/{vendor.slug}")
    text = write_text(
        words, market, product, vendor, quantity=offers[0].quantity_text, place=place,
        hide=(offers[0].stash_text or "").lower(), country=country, others=others,
    )  # fmt: skip
    truth = ListingTruth(
        market, ident, vendor, product.key, product.kind, product.substance, product.form,
        text.mentioned, text.title, text.description, product.category, offers,
        vendor.country or None, vendor.ships_to, vendor.ships_except,
    )  # fmt: skip
    return Birth(product, truth)
