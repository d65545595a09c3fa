"""Made-up material beside the corpora: titles as listings write them, and sentences with invented names.

Corpora speak in sentences of names that tables know; what review wants are names that nobody has listed yet, in titles.
So the component is also shown invented names, shaped like INNs, codes and street names, where a drug would stand, and
invented brands of harmless goods, where no drug stands. All of it is our own invention.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from extract.trained.data import Labelled

_ONSETS = ("b", "br", "c", "cl", "d", "dr", "f", "fl", "g", "gl", "k", "kr", "l", "m", "n", "p", "ph", "pr", "r", "s",
           "st", "t", "tr", "v", "x", "z", "qu", "zy", "h", "j", "w", "sn", "ch")  # fmt: skip
_CORES = ("a", "e", "i", "o", "u", "y", "ai", "io", "oxa", "eno", "uro", "iti", "ani", "emi", "ola", "ute")
_TAILS = (
    "zolam", "nitazene", "tadone", "phine", "dol", "cathinone", "barbital", "lone", "pam", "tramine", "fenol", "line",
    "rax", "dex", "tin", "zol", "mone", "xen", "drine", "dine", "zine", "caine", "profen", "mide", "pine", "xil",
    "vane", "tal", "thol", "rone", "sone", "brex", "done", "pram",
)  # fmt: skip
_SLANG = ("a", "er", "y", "o", "ies", "s", "ix", "ster", "le", "ers", "k", "nk", "sh", "bo")
_STREET = ("dust", "juice", "drops", "stuff", "rocks", "dream", "fire", "rain", "jet", "moon")
_LOCANTS = ("4", "5F", "3", "2F", "N", "O", "6", "2", "3F", "4F", "A", "B", "MT", "5-MeO")
_OPENING = (
    "{amount} {name}", "{name} {amount}", "{amount} of {name}", "{name}", "** {name} **", "{amount} {how} {name}",
    "{how} {name} {amount}", "[{amount}] {name} {how}", "{name} - {how}", "{name} ({how}) {amount}", "{count}x {name}",
    "{count} {form} {name}", "{name} {form} x{count}", "{amount} {name} {form}", "{how} {name} {form}", "buy {name}",
    "{name} for sale", "bulk {name} {amount}", "{how} {name} {form} {amount}", "{name} HCl {amount}", "{name}, {how}",
    "new product: {name}", "{name} {form}", "{how} {how2} {name}", "{name} / {form} / {amount}", "{name} {dose} {form}",
    "{name} {dose} x {count}", "in stock {name}", "{name} back in stock", "{how} {name}, {count} {form}",
    "offer: {amount} {name} {form}", "{amount} {form} {name}", "original {name} {form}",
)  # fmt: skip
_CLOSING = (
    "", "", "", " free shipping", " - tracked", " EU to EU", " from NL", ", fast and discreet", " new batch", " UK",
    " lab tested", ". Ships next day, vacuum sealed.", ". We reship once.", " worldwide", " +2g free", " sample",
    " for research", " online", " | escrow", " 99%",
)  # fmt: skip
_HOW = ("pure", "uncut", "AAA", "A+", "premium", "quality", "strong", "white", "clean", "bulk", "fresh", "top",
        "pharma", "grade", "legit", "cheap", "potent", "best", "finest", "yellow", "pink", "ultra")  # fmt: skip
_FORMS = ("pills", "tabs", "tablets", "crystals", "powder", "blotters", "capsules", "vials", "strips", "shards",
          "patches", "caps", "pellets", "ampoules", "paste", "liquid", "spray", "bars", "drops", "sachets")  # fmt: skip
_GOODS = (
    "stainless kettle", "phone case", "VPN account", "driving licence", "gift card", "guide to SEO", "running shoes",
    "coffee beans", "digital scale", "vacuum bags", "silver ring", "leather wallet", "SIM card", "bank drop", "watch",
    "garden hose", "vitamin tablets", "protein powder", "green tea", "hand cream", "proxy list", "hosting", "e-book",
    "jeans", "jacket", "drill", "tyres", "toner", "laptop", "headphones", "candle", "soap", "cough drops", "paint",
    "motor oil", "seeds of tomato", "flower bulbs", "screws", "poster", "DVD", "guitar strings", "face mask", "perfume",
    "dishwasher tablets", "printer paper", "tool set", "notebook", "carpet", "streaming account", "passport scan",
)  # fmt: skip


def invent_name(chance: random.Random) -> str:
    """A name that no table has, shaped like an INN, a code or a street name."""
    shape = chance.random()
    stem = chance.choice(_ONSETS) + chance.choice(_CORES)
    if shape < 0.5:
        return stem + chance.choice(_ONSETS) * (chance.random() < 0.5) + chance.choice(_TAILS)
    if shape < 0.65:
        return f"{chance.choice(_LOCANTS)}-{''.join(chance.choices('ABCDEHLMPTX', k=chance.randint(2, 5)))}"
    if shape < 0.75:
        return stem + chance.choice(_STREET)
    return stem + chance.choice(_ONSETS) + chance.choice(_SLANG)


def _fill(chance: random.Random, text: str) -> str:
    number = chance.choice(("1", "2", "3.5", "5", "7", "10", "14", "25", "50", "100", "0.5", "250", "500"))
    amount = number + chance.choice(("g", " g", "gr", " grams", "mg", " mg", "ml", " oz", "x", " pcs"))
    return text.format(
        amount=amount, how=chance.choice(_HOW), how2=chance.choice(_HOW), form=chance.choice(_FORMS),
        count=chance.choice((5, 10, 20, 30, 50, 60, 100)), dose=f"{chance.choice((1, 2, 5, 10, 15, 25, 40))}mg",
    )  # fmt: skip


def make_titles(names: Sequence[str], count: int, seed: int) -> list[Labelled]:
    """Listing titles: 45 % of invented drugs, 15 % of `names`, 40 % of harmless goods (half of an invented brand)."""
    chance = random.Random(seed)  # noqa: S311 - training material
    titles = []
    for _ in range(count):
        draw = chance.random()
        harmless = draw < 0.4
        if harmless:
            name = chance.choice(_GOODS)
            if draw < 0.2:
                name = f"{invent_name(chance).title()} {name}"
        else:
            name = chance.choice(names) if draw < 0.55 else invent_name(chance)
        name = chance.choice((name, name.lower(), name.title(), name.title(), name.upper()))
        before, after = chance.choice(_OPENING).split("{name}")
        before = _fill(chance, before)
        if before and chance.random() < 0.6:
            before = before[0].upper() + before[1:]
        text = f"{before}{name}{_fill(chance, after)}{chance.choice(_CLOSING)}"
        titles.append(Labelled("titles", text, () if harmless else ((len(before), len(before) + len(name)),)))
    return titles


def swap_names(texts: Sequence[Labelled], share: float, seed: int) -> list[Labelled]:
    """Copies of that share of the texts that have names, each name replaced by an invented one."""
    chance = random.Random(seed)  # noqa: S311 - training material
    swapped = []
    for one in texts:
        if not one.names or chance.random() >= share:
            continue
        parts: list[str] = []
        names, at, length = [], 0, 0
        for start, end in sorted(one.names):
            if start < at:
                break
            lead, name = one.text[at:start], invent_name(chance)
            parts += [lead, name]
            names.append((length + len(lead), length + len(lead) + len(name)))
            length, at = length + len(lead) + len(name), end
        else:
            swapped.append(Labelled("swapped", "".join(parts) + one.text[at:], tuple(names)))
    return swapped
