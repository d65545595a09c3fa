"""Titles and descriptions as people write them: slang, transliteration, look-alike letters, typos, emoji, asides.

Every text but those of `unknown` names its substance in some recognisable way.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from monitor.demo.world import phrases_en, phrases_ru
from monitor.demo.world.records import Product, Vendor

_LOOK_ALIKE = str.maketrans("аеосрхАЕОСРХМКНВТ", "aeocpxAEOCPXMKHBT")
_LOOK_ALIKE_BACK = str.maketrans("aeocpxAEOCPXMKHBT", "аеосрхАЕОСРХМКНВТ")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Text:
    title: str
    description: str
    mentioned: tuple[str, ...]


def disguise(dice: random.Random, name: str) -> str:
    """One of the usual deformations of a name, or none (two in three). Short words only get look-alike letters."""
    roll = dice.random()
    longest = max(name.split(), key=len)
    if roll < 0.14:  # look-alike letters, in up to three places
        swapped = longest.translate(_LOOK_ALIKE)
        if swapped == longest:
            swapped = longest.translate(_LOOK_ALIKE_BACK)
        places = [i for i, pair in enumerate(zip(longest, swapped, strict=True)) if pair[0] != pair[1]]
        chosen = set(dice.sample(places, min(len(places), dice.randint(1, 3))))
        mixed = "".join(swapped[i] if i in chosen else letter for i, letter in enumerate(longest))
        return name.replace(longest, mixed, 1)
    if roll < 0.20 and len(longest) >= 7 and longest.isalpha():  # a typo inside a long word
        at = dice.randint(2, len(longest) - 3)
        typo = (
            longest[:at] + longest[at + 1 :],
            longest[:at] + longest[at + 1] + longest[at] + longest[at + 2 :],
            longest[:at] + longest[at] + longest[at:],
        )[dice.randrange(3)]
        return name.replace(longest, typo, 1)
    if roll < 0.22 and len(longest) >= 5 and longest.isalpha():
        return name.replace(longest, " ".join(longest), 1)
    if roll < 0.25 and len(longest) >= 5 and longest.isalpha():  # drawn out: гашишшш
        return name.replace(longest, longest + longest[-1] * 2, 1)
    if roll < 0.33:
        return name.upper()
    return name


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _names(book: ModuleType, product: Product) -> Sequence[tuple[str, str]]:
    table = book.NITAZENES[product.substance] if product.key == "nitazene" else book.NAMES[product.key]
    return [(row, row) if isinstance(row, str) else row for row in table]


def _contact(dice: random.Random, book: ModuleType) -> str:
    handle = "shop_" + "".join(dice.choice("abcdefghijkmnprstuvw") for _ in range(6))
    wallet = "1" + "".join(dice.choice(_BASE58) for _ in range(33))
    return str(dice.choice(book.CONTACTS)).format(handle=handle, wallet=wallet)


def write_text(
    dice: random.Random, market: str, product: Product, vendor: Vendor, *, quantity: str,
    place: tuple[str, str] | None, hide: str, country: str, others: Sequence[Product],
) -> Text:  # fmt: skip
    """Title and description of one listing. `quantity` is its first offer's as written, `place` a city's name and
    nickname, `others` what else the vendor sells (some of it is named in the description)."""
    book: ModuleType = phrases_ru if market == "stash" else phrases_en
    praise, praise2 = dice.sample(book.PRAISE, 2)
    words = {
        "praise": praise, "praise2": praise2, "emoji": dice.choice(book.EMOJI), "q": quantity, "vendor": vendor.name,
        "city": place[0] if place else "", "city_nick": place[1] if place else "", "hide": hide, "country": country,
        "n": str(dice.randint(100, 999)),
    }  # fmt: skip
    special = _special_titles(book, product.kind if product.key != "unknown" else "unknown")
    if special and product.kind not in ("sample", "custom"):
        # No emoji that could stand for a substance.
        words["emoji"] = dice.choice(("🔥", "💎"))
        lines = dice.sample(book.MIDDLES, 2)
        return Text(_fill(dice.choice(special), words), _fill("\n".join(lines), words), ())
    names = _names(book, product)
    title_name, title_genitive = dice.choice(names)
    odd = disguise(dice, title_name)
    in_title = {**words, "name": odd, "Name": _capital(odd), "NAME": odd.upper(), "gen": title_genitive}
    title = _fill(dice.choice(special or book.TITLES), in_title)
    if product.kind == "custom":
        title = f"{title} {title_name}"
    name, genitive = dice.choice(names)
    in_text = {**words, "name": name, "Name": _capital(name), "NAME": name.upper(), "gen": genitive}
    lines = [dice.choice(book.OPENINGS), *dice.sample(book.MIDDLES, dice.randint(1, 4))]
    mentioned: list[str] = []
    named = [other for other in others if other.substance and other.substance != product.substance]
    if named and dice.random() < 0.25:
        also = str(dice.choice(book.ALSO))
        picked = dice.sample(named, min(len(named), 2 if "{other2}" in also else 1))
        in_text["other"], in_text["other2"] = _names(book, picked[0])[0][0], _names(book, picked[-1])[0][0]
        mentioned = [other.substance for other in picked if other.substance]
        lines.append(also)
    elif named and dice.random() < 0.06:
        in_text["other"] = _names(book, dice.choice(named))[0][0]
        lines.append(dice.choice(book.CONTRAST))
    description = _fill("\n".join(lines), in_text)
    if dice.random() < 0.10:
        description += "\n" + _contact(dice, book)
    return Text(title, description, tuple(dict.fromkeys(mentioned)))


def _special_titles(book: ModuleType, kind: str) -> Sequence[str]:
    table = f"{kind.upper()}_TITLES"
    return getattr(book, table) if hasattr(book, table) else ()


def _fill(template: str, words: dict[str, str]) -> str:
    return " ".join(template.replace("\n", " \n ").format(**words).split(" ")).replace(" \n ", "\n").strip()
