"""Vendors of the two markets: who they are, what they sell, how they write."""

from __future__ import annotations

import random

from monitor.demo.world import phrases_en, phrases_ru
from monitor.demo.world.catalogue import products_of
from monitor.demo.world.geography import COUNTRIES, OTHER_COUNTRIES
from monitor.demo.world.phrases_en import SHIPPING
from monitor.demo.world.records import Vendor

_LATIN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "y",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "h", "ц": "c", "ч": "ch", "ш": "sh", "щ": "sch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya",
}  # fmt: skip


def _slug(name: str) -> str:
    latin = "".join(_LATIN.get(letter, letter) for letter in name.casefold())
    return "".join(letter for letter in latin if letter.isascii() and letter.isalnum())


def pick(dice: random.Random, weights: dict[str, float]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]


def _name(dice: random.Random, market: str, taken: set[str]) -> str:
    book = phrases_ru if market == "stash" else phrases_en
    while True:
        first, last = dice.choice(book.VENDOR_FIRST), dice.choice(book.VENDOR_LAST)
        style = dice.random()
        if market == "stash":
            name = f"{first} {last}" if style < 0.7 else f"{_slug(first).title()}{_slug(last).title()}"
        else:
            name = f"{first}{last}" if style < 0.8 else f"{first}_{last}"
        if style > 0.6:
            name += str(dice.randint(2, 99))
        if _slug(name) not in taken:
            taken.add(_slug(name))
            return name


def build_vendor(dice: random.Random, market: str, taken: set[str]) -> Vendor:
    """A new vendor; `taken` (slugs in use) is extended."""
    name = _name(dice, market, taken)
    pool = {product.key: product.weight for product in products_of(market) if product.substance}
    wanted = dice.randint(3, 5)
    keys: list[str] = []
    while len(keys) < wanted:
        keys.append(pick(dice, pool))
        del pool[keys[-1]]
    size = dice.lognormvariate(0, 0.5)
    factor = dice.lognormvariate(0, 0.09)
    styles = dice.randrange(60), dice.randrange(60)
    if market == "stash":
        return Vendor(name, _slug(name), tuple(keys), size, factor, "RUB", *styles)
    country = pick(dice, {code: row[2] for code, row in COUNTRIES.items()})
    currency = COUNTRIES[country][1]
    if dice.random() < 0.09:
        currency = dice.choice(("BTC", "XMR"))
    elif dice.random() < 0.25:
        currency = "USD"
    roll = dice.random()
    ships_except: tuple[str, ...] = ()
    if roll < 0.30:
        ships_to: tuple[str, ...] = (country,)
    elif roll < 0.70 or country in ("US", "AU", "CA"):
        ships_to = ("WORLD",)
        if dice.random() < 0.5:
            rest = [code for code in (*COUNTRIES, *OTHER_COUNTRIES) if code != country]
            ships_except = tuple(dice.sample(rest, dice.randint(1, 3)))
    elif roll < 0.85:
        ships_to = ("EU",)
    else:
        rest = [code for code in COUNTRIES if code != country]
        ships_to = (country, *dice.sample(rest, dice.randint(1, 3)))
    shipping = tuple(dice.sample(SHIPPING, dice.randint(1, 3)))
    return Vendor(
        name, _slug(name), tuple(keys), size, factor, currency, *styles, country, ships_to, ships_except, shipping
    )  # fmt: skip
