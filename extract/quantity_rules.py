"""The quantities of one field: what its numbers and its words state, and what that means together.

Dose rule: where a stretch counts things ('50 pills'), a weight in mg or ug beside it is the dose of one. A weight in mg
or ug that stands alone is kept as written; with words that make it a dose ('вес таблетки', 'per cap', 'bars', any ug)
`dose_mg` is set as well, so that a reader can tell that it is not the size of the package.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from extract.found import FoundQuantity
from extract.number_context import Token
from extract.number_literals import tidy
from extract.quantity_build import build_quantity, unit_named
from extract.quantity_patterns import (
    AMPOULE,
    AMPOULE_ML,
    AMPOULE_STEMS,
    BOXES,
    CONCENTRATION,
    COUNTED,
    COUNTED_STEMS,
    CROSSES,
    DOSE_LEFT,
    DOSE_LEFT_STEMS,
    DOSE_RIGHT,
    DOSE_TALK,
    DOSE_TALK_STEMS,
    FLUID_OUNCE_ML,
    HINTS,
    LEADING,
    LETTERS,
    PER_BOX,
    PIECE_LEFT,
    ROLLED,
    ROLLED_STEMS,
    SYRUP,
    SYRUP_LEFT,
    THOUSANDS,
    TIER,
    VESSEL,
    VESSEL_ML,
    VESSEL_STEMS,
)
from extract.quantity_tokens import combine, lone_decimals
from extract.quantity_words import add_words

_new = tuple.__new__
_SMALL = frozenset({"mg", "ug"})
_PER = frozenset({"", *"/pPнНвВ"})
_METRIC = frozenset({"g", "kg"})
_OUNCES = frozenset({"oz", "lb", "qp"})
_ROUNDED = Decimal("0.02")
"""How far an ounce and its grams are apart where both are written (`1/4 oz (7g)`)."""
_PAIR = 2
_PLURALS = ("boxes", "packs", "blisters", "strips")
_BOXES_NEAR = 80
"""Code points between a number of boxes and what one of them holds."""
_LARGEST_PIECE_G = 1
_LARGEST_FILLING_G = 2
_MOST_ROLLED = 100
_APIECE = re.compile(r" (?:each|apiece|каждая|каждый)(?!\w)", re.IGNORECASE)
_THOUSAND = frozenset("kK")
_SHORT = re.compile(r"[0-9]['’]?s(?!\w)", re.IGNORECASE)
_LARGEST_DOSE_MG = 2000


def read_quantities(
    text: str, tokens: list[Token], *, decimals: bool = True, hints: Sequence[tuple[int, int]] | None = None
) -> list[FoundQuantity]:
    """The quantities of one field, in order. `tokens`: its numbers, changed where they turn out to belong to another
    (`combine`). `decimals`: where nothing has a unit, a lone `0.33` is grams. `hints`: the stretches of the words of
    HINTS, if known (finding them costs more than all the rest)."""
    found = combine(text, tokens) if tokens else []
    if hints if hints is not None else _may_have_words(text):
        found = add_words(text, found, tokens, hints)
    if decimals and all(quantity.unit in _SMALL for quantity in found):
        found.extend(lone_decimals(text, tokens))
        if not found and (unit := LEADING.match(text)) is not None:
            group = unit.lastindex or 1
            found.append(build_quantity(Decimal(1), unit_named(unit[group].lower()), *unit.span(group)))
    found = [
        one
        for one in found
        if one.base_amount
        and not (
            one.base_unit == "g" and _may_be_per(text[one.end : one.end + 2]) and CONCENTRATION.match(text, one.end)
        )
    ]
    units = {quantity.unit for quantity in found}
    if tokens and units <= _SMALL and (units or _has_thousands(text, tokens)) and (
        counts := _counts_of_doses(text, tokens)
    ):
        found, units = [*counts, *found], {*units, "unit"}
    if "unit" in units:
        found = _by_the_box(text, found)
    if "oz" in units:
        found = [_fluid(one) if one.unit == "oz" and _is_syrup(text, one) else one for one in found]
    if "ml" in units and "unit" in units and _mentions(text.lower(), VESSEL, VESSEL_STEMS):
        # 'ампулы 2 мл, 10 шт': a small volume is what one of them holds
        found = [one for one in found if one.unit != "ml" or one.count > 1 or one.base_amount > VESSEL_ML]
    if "ml" in units and _mentions(text.lower(), AMPOULE, AMPOULE_STEMS):
        found = [_ampoules(text, one) for one in found]
    if len(found) == _PAIR and units == {"unit", "g"}:
        found = _filled(text, found)
    if "ml" in units and "unit" not in units and not units.isdisjoint(_SMALL):
        # `Testosterone 250mg 10ml`: what a millilitre or the vial holds
        found = [one for one in found if one.unit not in _SMALL or one.base_amount * 1000 > _LARGEST_DOSE_MG]
    if not units.isdisjoint(_OUNCES) and not units.isdisjoint(_METRIC):
        found = _said_once(found)
    if "unit" in units and "g" in units and (pieces := [_piece(text, one) for one in found]) != found:
        found, units = pieces, {quantity.unit for quantity in pieces}
    return found if units.isdisjoint(_SMALL) else _doses(text, found, "unit" in units)


def _has_thousands(text: str, tokens: list[Token]) -> bool:
    """Cheap: False where no number has a k behind it."""
    return any(text[token.right : token.right + 1] in _THOUSAND for token in tokens)


def _counts_of_doses(text: str, tokens: list[Token]) -> list[FoundQuantity]:
    """Counts where the text gives nothing but strengths: `2mg presses: 50 for $60, 100 for $100`, `2mg bulk, 5k+`."""
    unit, counts = unit_named("unit"), []
    for token, price in pairwise(tokens):
        count = token.kind == "bare" and token.clean and 1 < token.value == token.value.to_integral_value()
        if count and price.kind == "price" and TIER.fullmatch(text, token.end, price.start):
            counts.append(build_quantity(token.value, unit, token.start, token.end))
    if counts or (bulk := THOUSANDS.search(text)) is None:
        return counts
    return [build_quantity(1000 * Decimal(bulk[1]), unit, *bulk.span())]


def _by_the_box(text: str, found: list[FoundQuantity]) -> list[FoundQuantity]:
    """`5 strips, 10 tabs per strip` are fifty tabs."""
    for inner in found:
        box = PER_BOX.match(text, inner.end) if inner.base_unit == "unit" else None
        if box is None:
            continue
        boxes = rf"(?<!\S)([1-9][0-9]{{0,4}}) {box[1]}(?:es|s)?(?!\w)"
        left = max(0, inner.start - _BOXES_NEAR)
        stated = re.search(boxes, text[left : inner.start], re.IGNORECASE)
        if stated is not None:
            count, first = int(stated[1]), left + stated.start()
            whole = inner._replace(count=count, base_amount=tidy(count * inner.base_amount))
            return [whole if one is inner else one for one in found if one.start != first]
    packed = BOXES.search(text) if any(box in text.lower() for box in _PLURALS) else None
    for inner in found if packed is not None else ():
        one_box = inner.unit == "unit" and inner.base_amount == inner.amount
        if packed is not None and one_box and _SHORT.search(text, inner.start, inner.end + 2):
            count = int(packed[1])
            whole = inner._replace(count=count, base_amount=tidy(count * inner.base_amount))
            rest = [one for one in found if one is inner or not packed.start() <= one.start < packed.end()]
            return [whole if one is inner else one for one in rest]
    return found


def _ampoules(text: str, one: FoundQuantity) -> FoundQuantity:
    """`5 x 1ml amps` are five, not 5 ml."""
    if one.unit != "ml" or one.count == 1 or one.amount > AMPOULE_ML:
        return one
    if CROSSES.isdisjoint(text[one.start : one.end]):
        return one
    return build_quantity(Decimal(one.count), unit_named("unit"), one.start, one.end)


def _filled(text: str, found: list[FoundQuantity]) -> list[FoundQuantity]:
    """`5 carts 1g`, `5 x pre-rolled joints 1g each`: a count of things that hold a gram or two."""
    count, each = sorted(found, key=lambda one: one.unit != "unit")
    if count.unit != "unit" or each.unit != "g" or count.count != 1 or each.count != 1:
        return found
    apiece = _APIECE.match(text, each.end) is not None
    if not apiece and not _is_filling(count, each):
        return found
    if not apiece and not _mentions(text.lower(), ROLLED, ROLLED_STEMS):
        return found
    start, end = min(count.start, each.start), max(count.end, each.end)
    return [build_quantity(each.amount, unit_named("g"), start, end, int(count.amount))]


def _is_filling(count: FoundQuantity, each: FoundQuantity) -> bool:
    return 1 < count.amount <= _MOST_ROLLED and each.amount <= _LARGEST_FILLING_G


def _said_once(found: list[FoundQuantity]) -> list[FoundQuantity]:
    """`QP (112g)`, `1/4 oz (7g)` are one amount, in grams; a whole ounce is left as written."""
    grams = sorted(one.base_amount for one in found if one.unit in _METRIC)
    return [
        one for one in found
        if one.unit not in _OUNCES or one.base_unit != "g" or (one.amount == 1 == one.count and one.unit == "oz")
        or not any(abs(one.base_amount - other) <= _ROUNDED * other for other in _neighbours(grams, one.base_amount))
    ]


def _neighbours(values: list[Decimal], to: Decimal) -> list[Decimal]:
    """Of sorted values the last that is smaller and the first that is not."""
    at = bisect_left(values, to)
    return values[max(0, at - 1) : at + 1]


def _piece(text: str, one: FoundQuantity) -> FoundQuantity:
    """A fraction of a gram behind the word for a piece (`капсулы 0.3г, 10 шт`) is what one holds: in milligrams."""
    if one.unit != "g" or one.count > 1 or one.base_amount >= _LARGEST_PIECE_G:
        return one
    if PIECE_LEFT.search(text, max(0, one.start - 14), one.start) is None:
        return one
    return one._replace(amount=tidy(one.amount * 1000), unit="mg")


def doses_apart(quantities: list[FoundQuantity], start: int, end: int) -> list[FoundQuantity]:
    """Where a field of its own (`start`..`end`) counts pieces, a weight in mg or ug outside it is the dose of one."""
    counts = [one for one in quantities if start <= one.start < end and one.base_unit == "unit"]
    doses = [
        one for one in quantities
        if not start <= one.start < end and one.unit in _SMALL and one.base_amount * 1000 <= _LARGEST_DOSE_MG
    ]
    if not counts or not doses:
        return quantities
    dose = tidy(doses[0].base_amount * 1000)
    return [
        _with_dose(one, dose) if one in counts and one.dose_mg is None else one
        for one in quantities if one not in doses
    ]


def _may_have_words(text: str) -> bool:
    """Cheap: False means that a text has no amount in words."""
    low = text.lower()
    return "/" in low or "ball" in low or not HINTS.isdisjoint(LETTERS.findall(low))


def _mentions(low: str, pattern: re.Pattern[str], stems: tuple[str, ...]) -> bool:
    """`pattern.search(low)`, looking only where one of the stems stands that a match begins with (many times as fast).
    `low`: in lower case."""
    for stem in stems:
        at = low.find(stem)
        while at >= 0:
            if pattern.match(low, at) is not None:
                return True
            at = low.find(stem, at + 1)
    return False


def _is_syrup(text: str, one: FoundQuantity) -> bool:
    left = SYRUP_LEFT.search(text, max(0, one.start - 40), one.start)
    return left is not None or SYRUP.match(text, one.end) is not None


def _fluid(one: FoundQuantity) -> FoundQuantity:
    """Ounces of a liquid, in millilitres."""
    return one._replace(base_amount=tidy(one.amount * one.count * FLUID_OUNCE_ML), base_unit="ml")


@lru_cache(maxsize=4096)
def _may_be_per(right: str) -> bool:
    """False if `CONCENTRATION` cannot match what begins with these two code points."""
    return right.lstrip(" \t")[:1] in _PER


def _doses(text: str, found: list[FoundQuantity], counts: bool) -> list[FoundQuantity]:
    """Weights in mg and ug that are the dose of one unit go to the counts (`counts`: there are some); dosing advice
    goes."""
    counted: bool | None = None
    kept: list[FoundQuantity] = []
    doses: list[tuple[int, Decimal]] = []
    for quantity in found:
        if quantity.unit not in _SMALL:
            kept.append(quantity)
            continue
        dose = tidy(quantity.base_amount * 1000)
        if counts and dose <= _LARGEST_DOSE_MG:
            doses.append((quantity.start, dose))
            continue
        if counted is None:
            counted = not counts and _mentions(text.lower(), COUNTED, COUNTED_STEMS)
        left = text[max(0, quantity.start - 40) : quantity.start].lower()
        right = DOSE_RIGHT.match(text, quantity.end) is not None
        if not right and _mentions(left, DOSE_TALK, DOSE_TALK_STEMS):
            continue
        if right or quantity.unit == "ug" or (dose <= 500 and counted) or _mentions(left, DOSE_LEFT, DOSE_LEFT_STEMS):
            quantity = _with_dose(quantity, dose)  # noqa: PLW2901
        kept.append(quantity)
    if not doses:
        return kept
    places = [place for place, _ in doses]
    return [
        _with_dose(quantity, doses[_nearest(places, quantity.start)][1])
        if quantity.base_unit == "unit" and quantity.dose_mg is None
        else quantity
        for quantity in kept
    ]


def _with_dose(one: FoundQuantity, dose: Decimal) -> FoundQuantity:
    """A third of the time of `_replace`."""
    return _new(FoundQuantity, (*one[:5], dose, one.start, one.end))


def _nearest(places: list[int], place: int) -> int:
    """Index of the element of the sorted `places` that is nearest to `place`."""
    index = bisect_left(places, place)
    if index == 0 or (index < len(places) and places[index] - place < place - places[index - 1]):
        return index
    return index - 1
