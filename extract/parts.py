"""Amounts that only the substance makes one: parts of an ounce or a gram before prices, numbers that herb or powder is
sold in."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import islice

from spacy.tokens import Doc

from extract.found import FoundPrice, FoundQuantity, found
from extract.quantity_build import build_quantity, unit_named

_PARTS = {
    "half": Decimal("0.5"), "quarter": Decimal("0.25"), "qtr": Decimal("0.25"), "eighth": Decimal("0.125"),
    "8th": Decimal("0.125"), "teenth": Decimal("0.0625"), "sixteenth": Decimal("0.0625"),
}  # fmt: skip
_PART_WORDS = frozenset(_PARTS)
_WHOLE = {"gram": "g", "g": "g", "oz": "oz", "ounce": "oz", "zip": "oz", "lb": "lb", "pound": "lb", "kilo": "kg"}
_PRICED = re.compile(
    rf"(?<![\w.,/])(?:(?P<part>{'|'.join(_PARTS)})(?:[ ](?P<of>{'|'.join(_WHOLE)}))?|(?P<whole>{'|'.join(_WHOLE)})"
    r"|(?P<bare>[1-9][0-9]?(?:[.,][0-9]{1,2})?))s?"
    r"[ \t\u00a0]?(?:is|for|at|[-–—:=@])?[ \t\u00a0]?$",
    re.IGNORECASE,
)
"""What stands before a price."""
_REACH = 16
"""Code points of the longest of it."""
GRAM_PRICE = 150
"""Nobody pays more for a gram, in dollars, euros or pounds: a dearer `half` is that of an ounce."""
_LEADING = re.compile(r"\W{0,3}(3[.,]5|7|14|28|56|112|224|448|hp)(?= [^\W\d_])", re.IGNORECASE)
"""`28 AMNESIA`, `HP Gelato`: half a pound."""


_OUNCE = re.compile(r"(?<![\w./])(?:oz|ounce|zip)(?![\w.])", re.IGNORECASE)
"""`MDMA oz, tan`"""


def read_parts(doc: Doc, substance: str) -> None:
    """`Coke: quarter £20, half £35, gram £60`: parts before prices in a title without amounts in figures; of cannabis
    they are parts of an ounce, of others those of a gram, unless they cost more than a gram does. Failing them, an
    ounce that is mentioned, or what a title of herb begins with: grams without their unit, half a pound."""
    seen, text = found(doc), doc.text
    title = seen.fields[0]
    if title.name != "title":
        return
    herb = substance.startswith("cannabis")
    stated = [one for one in seen.quantities if one.start < title.end]
    if all(not _PART_WORDS.isdisjoint(text[one.start : one.end].lower().split()) for one in stated):
        tiers = [
            tier for price in seen.prices if price.start < title.end
            if (tier := _tier(text, price, herb=herb)) is not None
        ]
        if any(said for _, said in tiers):
            seen.quantities = [one for one in seen.quantities if one not in stated]
            seen.quantities[:0] = [quantity for quantity, _ in tiers]
            return
    if not seen.quantities:
        ounces = list(islice(_OUNCE.finditer(text, 0, title.end), 2))
        if len(ounces) == 1:
            seen.quantities = [build_quantity(Decimal(1), unit_named("oz"), *ounces[0].span())]
    if herb and not seen.quantities and (number := _LEADING.match(text, 0, title.end)) is not None:
        half = number[1].lower() == "hp"
        value, unit = (Decimal("0.5"), "lb") if half else (Decimal(number[1].replace(",", ".")), "g")
        seen.quantities = [build_quantity(value, unit_named(unit), *number.span(1))]


def _tier(text: str, price: FoundPrice, *, herb: bool) -> tuple[FoundQuantity, bool] | None:
    """The amount before a price, and whether a word says it."""
    left = max(0, price.start - _REACH)
    words = _PRICED.search(text[left : price.start])
    if words is None:
        return None
    start, end = left + words.start(), left + words.end()
    if (part := words["part"]) is not None:
        share = _PARTS[part.lower()]
        unit = "g" if not herb and price.amount / share <= GRAM_PRICE else "oz"
        unit = unit if words["of"] is None else _WHOLE[words["of"].lower()]
        return build_quantity(share, unit_named(unit), start, end), True
    if (whole := words["whole"]) is not None:
        return build_quantity(Decimal(1), unit_named(_WHOLE[whole.lower()]), start, end), True
    return build_quantity(Decimal(words["bare"].replace(",", ".")), unit_named("g"), start, end), False
