"""From scanned numbers to quantities: counts and doses kept apart, multipliers, sums, ranges, fractions and words.

Dose rule: where a stretch counts things ('50 pills'), a weight in mg or ug beside it is the dose of one. A weight in mg
or ug that stands alone is kept as written; with words that make it a dose ('вес таблетки', 'per cap', 'bars', any ug)
`dose_mg` is set as well, so that a reader can tell that it is not the size of the package.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache

from extract.found import FoundQuantity
from extract.number_scan import Token, parse_literal, unit_style
from extract.number_tables import UnitName, find_unit
from extract.quantity_patterns import (
    AMOUNTS,
    BLANK,
    BOX_OF,
    CONCENTRATION,
    COUNT_AHEAD,
    COUNT_END,
    COUNTED,
    CROSS,
    CROSS_ONLY,
    DIGIT_HINT,
    DOSE_LEFT,
    DOSE_RIGHT,
    DOSE_TALK,
    EACH,
    FLUID_OUNCE_ML,
    HINTS,
    LETTERS,
    LIST,
    NAMED,
    NAMED_PIECES,
    NOT_GRAMS,
    NOT_TIMES,
    NUMERO,
    PACKAGES,
    PARTS,
    PIECES_RIGHT,
    PLUS,
    STREET,
    STRENGTH_LEFT,
    STRENGTH_RIGHT,
    SYRUP,
    SYRUP_LEFT,
    VESSEL,
    VESSEL_ML,
    WORDS,
)

_MAX_COUNT = 1_000_000
_MOST_NAMED = 10_000
_SPACES = frozenset({" ", "\u00a0"})
_YEAR = re.compile("20[0-4][0-9]")


@lru_cache(maxsize=16_384)
def tidy(value: Decimal) -> Decimal:
    """Without trailing zeros or exponent."""
    plain = value.normalize()
    return plain.quantize(Decimal(1)) if int(plain.as_tuple().exponent) > 0 else plain


def build_quantity(amount: Decimal, unit: UnitName, start: int, end: int, count: int = 1) -> FoundQuantity:
    written, base = _amounts(amount, count, unit.factor)
    return FoundQuantity(written, unit.unit, base, unit.base_unit, count, None, start, end)


@lru_cache(maxsize=16_384)
def _amounts(amount: Decimal, count: int, factor: Decimal) -> tuple[Decimal, Decimal]:
    """The amount as written, and all of it in the base unit."""
    return tidy(amount), tidy(amount * count * factor)


def _unit_named(name: str) -> UnitName:
    unit = find_unit(name)
    assert unit is not None
    return unit


def read_quantities(
    text: str, tokens: list[Token], *, decimals: bool = True, hints: Sequence[tuple[int, int]] | None = None
) -> list[FoundQuantity]:
    """The quantities of one field. `decimals`: where nothing has a unit, a lone `0.33` is grams. `hints`: the stretches
    of HINTS and of words that `has_hint`, if known (finding them costs more than all the rest)."""
    found = _combine(text, tokens) if tokens else []
    if hints or (hints is None and _may_have_words(text)):
        found = _with_words(text, found, tokens, hints)
    if decimals and not any(quantity.base_unit != "g" or quantity.unit not in {"mg", "ug"} for quantity in found):
        found.extend(_lone_decimals(text, tokens))
    return _doses(text, _contents(text, [quantity for quantity in found if quantity.base_amount > 0]))


def _contents(text: str, found: list[FoundQuantity]) -> list[FoundQuantity]:
    """`ампулы 2 мл, 10 шт`: where ampoules or vials are counted, a small volume is what one of them holds."""
    if any(one.unit == "oz" for one in found):
        found = [_fluid(one) if _is_syrup(text, one) else one for one in found]
    if not any(one.unit == "ml" for one in found) or not any(one.base_unit == "unit" for one in found):
        return found
    if VESSEL.search(text) is None:
        return found
    return [one for one in found if one.unit != "ml" or one.count > 1 or one.base_amount > VESSEL_ML]


def _is_syrup(text: str, one: FoundQuantity) -> bool:
    left = SYRUP_LEFT.search(text, max(0, one.start - 40), one.start)
    return left is not None or SYRUP.match(text, one.end) is not None


def _fluid(one: FoundQuantity) -> FoundQuantity:
    """Ounces of a liquid, in millilitres."""
    if one.unit != "oz":
        return one
    return one._replace(base_amount=tidy(one.amount * one.count * FLUID_OUNCE_ML), base_unit="ml")


def _combine(text: str, tokens: list[Token]) -> list[FoundQuantity]:
    found: list[FoundQuantity] = []
    index = 0
    last_end = 0
    while index < len(tokens):
        token = tokens[index]
        position, after = index, tokens[index + 1] if index + 1 < len(tokens) else None
        index += 1
        if token.kind == "unit" and token.clean:
            quantity, index = _unit_token(text, token, tokens, index)
            found.extend(_shared(text, tokens, position, last_end))
            found.append(quantity)
        elif token.kind == "list" and token.unit is not None and token.clean:
            found.extend(_split_list(token))
        elif token.kind == "times" and token.clean and _is_count(token.value):
            if _is_strength(text, token):
                continue
            found.extend(_counts_before(text, tokens, position))
            if after is not None and after.kind == "unit" and after.unit is not None and _blank(text, token, after):
                found.append(_times(token.value, after.value, after.unit, token.start, after.end))
                index += 1
            elif after is not None and token.left and text[token.left - 1] == "/" and _blank(text, token, after):
                index += 1  # a strength of two parts, then the count: '10/325 x 20'
                found.append(build_quantity(after.value, _unit_named("unit"), after.start, after.end))
            elif NOT_TIMES.match(text, token.end) is None:
                found.append(build_quantity(token.value, _unit_named("unit"), token.start, token.end))
            elif after is not None and _blank(text, token, after):
                index += 1  # '1 x 24 hours', '20 x 30 cm'
        elif token.kind == "xn" and token.clean and _is_count(token.value):
            found.append(_portions(text, tokens[position - 1] if position else None, token))
        elif token.kind == "bare" and token.clean and _is_count(token.value) and _boxed(text, token):
            found.append(build_quantity(token.value, _unit_named("unit"), token.start, token.end))
        elif token.kind == "bare" and token.clean and (named := _named_pieces(text, token)) is not None:
            token.clean = False  # no other rule counts with it
            found.append(named)
        last_end = found[-1].end if found else 0
    return found


def _is_strength(text: str, token: Token) -> bool:
    left = STRENGTH_LEFT.search(text, max(0, token.start - 16), token.start)
    return left is not None or STRENGTH_RIGHT.match(text, token.end) is not None


def _counts_before(text: str, tokens: list[Token], position: int) -> list[FoundQuantity]:
    """`25-500x 260mg`: the lower end of a range of counts."""
    left, right = tokens[position - 1] if position else None, tokens[position]
    if left is None or left.kind != "bare" or not left.clean or not _is_count(left.value):
        return []
    if text[left.end : right.start] not in {"-", "–", "—"} or not left.value < right.value:
        return []
    return [build_quantity(left.value, _unit_named("unit"), left.start, left.end)]


def _named_pieces(text: str, token: Token) -> FoundQuantity | None:
    """`50 Xanax bars`."""
    if text[token.end : token.end + 1] not in " \t\u00a0" or not _is_count(token.value):
        return None
    if not 1 < token.value <= _MOST_NAMED or _YEAR.fullmatch(token.literal):
        return None
    named = NAMED_PIECES.match(text, token.end)
    return None if named is None else build_quantity(token.value, _unit_named("unit"), token.start, named.end())


def _boxed(text: str, token: Token) -> bool:
    return BOX_OF.search(text, max(0, token.start - 14), token.start) is not None


def _portions(text: str, before: Token | None, token: Token) -> FoundQuantity:
    """`x 10` counts things; `0.2 x 5` is five times 0.2 g."""
    if (
        before is not None
        and before.clean
        and before.kind in {"bare", "times"}
        and before.literal[0] == "0"
        and 0 < before.value < 1
        and CROSS_ONLY.fullmatch(text, before.right, token.left)
    ):
        return build_quantity(before.value, _unit_named("g"), before.start, token.end, int(token.value))
    return build_quantity(token.value, _unit_named("unit"), _cross_start(text, token.start), token.end)


def _cross_start(text: str, start: int) -> int:
    """Where the x of `x 10` stands."""
    return start - 1 if text[start - 1] != " " else start - 2


def _is_count(value: Decimal) -> bool:
    return value == value.to_integral_value() and 0 < value <= _MAX_COUNT


def _blank(text: str, before: Token, after: Token) -> bool:
    return BLANK.fullmatch(text, before.end, after.start) is not None


def _unit_token(text: str, token: Token, tokens: list[Token], index: int) -> tuple[FoundQuantity, int]:
    """A number with a unit, joined with what follows: `30mg x 42`, `10 таб. по 1 г`, `2 g + 0.2 g`, `20+2 gr`."""
    unit = token.unit
    assert unit is not None
    after = tokens[index] if index < len(tokens) else None
    before = tokens[index - 2] if index > 1 else None
    if before is not None and before.kind == "bare" and before.clean and PLUS.fullmatch(text, before.end, token.start):
        total = _value(before, unit) + token.value
        return build_quantity(total, unit, before.start, token.end), index
    if before is not None and before.kind == "bare" and before.clean and _is_count(before.value):
        packages = unit.base_unit != "unit" and PACKAGES.fullmatch(text, before.end, token.start)
        named = unit.unit in {"mg", "ug"} and (
            NAMED.fullmatch(text, before.end, token.start) or text[before.end : token.start] in _SPACES)
        if packages or (named and before.value <= _MOST_NAMED and PIECES_RIGHT.match(text, token.end)):
            return _times(before.value, token.value, unit, before.start, token.end), index
    if after is None:
        return build_quantity(token.value, unit, token.start, token.end), index
    gap_end = after.start
    if after.kind == "xn" and CROSS.fullmatch(text, token.end, gap_end) and _is_count(after.value):
        return _times(after.value, token.value, unit, token.start, after.end), index + 1
    if (
        after.kind == "bare"
        and unit.unit in {"mg", "ug", "ml"}
        and _is_count(after.value)
        and text[token.end : gap_end].strip() in NUMERO
    ):
        if unit.unit == "ml":
            return build_quantity(after.value, _unit_named("unit"), token.start, after.end), index + 1
        return _times(after.value, token.value, unit, token.start, after.end), index + 1
    if (
        after.kind == "bare"
        and after.clean
        and unit.unit in {"mg", "ug"}
        and 1 < after.value <= _MOST_NAMED
        and _is_count(after.value)
        and COUNT_AHEAD.fullmatch(text, token.end, gap_end)
        and COUNT_END.match(text, after.end)
    ):
        return _times(after.value, token.value, unit, token.start, after.end), index + 1
    if after.kind == "unit" and after.unit is not None:
        if unit.base_unit == "unit" and _is_count(token.value) and EACH.fullmatch(text, token.end, gap_end):
            return _times(token.value, after.value, after.unit, token.start, after.end), index + 1
        if (
            after.unit.base_unit == "unit"
            and _is_count(after.value)
            and CROSS_ONLY.fullmatch(text, token.end, gap_end)
        ):
            return _times(after.value, token.value, unit, token.start, after.end), index + 1
        if after.unit.unit == unit.unit and PLUS.fullmatch(text, token.end, gap_end):
            return build_quantity(token.value + after.value, unit, token.start, after.end), index + 1
    return build_quantity(token.value, unit, token.start, token.end), index


def _value(token: Token, unit: UnitName) -> Decimal:
    return parse_literal(token.literal, unit_style(unit)) or token.value


def _times(count: Decimal, each: Decimal, unit: UnitName, start: int, end: int) -> FoundQuantity:
    """`10 x 20mg` is ten units of 20 mg; `10 x 1g` is ten grams in ten packages."""
    if unit.unit in {"mg", "ug"}:
        return FoundQuantity(
            tidy(count), "unit", tidy(count), "unit", int(count), tidy(each * unit.factor * 1000), start, end
        )
    return build_quantity(each, unit, start, end, int(count))


def _shared(text: str, tokens: list[Token], position: int, last_end: int) -> list[FoundQuantity]:
    """Bare numbers before the token at `position` that share its unit: `1/2/5 г`, `1-14g`, `3 или 5 г`."""
    shared: list[FoundQuantity] = []
    right = tokens[position]
    unit = right.unit
    assert unit is not None
    index = position - 1
    while index >= 0:
        left = tokens[index]
        gap = text[left.end : right.start]
        if left.kind != "bare" or not left.clean or left.start < last_end or LIST.fullmatch(gap) is None:
            break
        value = _value(left, unit)
        spaced = gap.strip(" ") in {"-", "–", "—"} and gap != gap.strip(" ")
        if not 0 < value < (right.value or value + 1) or spaced or len(left.literal) > 5 or unit.kind == "weak":
            break
        shared.append(build_quantity(value, unit, left.start, left.end))
        left.value, right = value, left
        index -= 1
    return shared[::-1]


def _split_list(token: Token) -> list[FoundQuantity]:
    """`1,2,5 г`: each in the unit of the last."""
    assert token.unit is not None
    found, start = [], token.left
    for part in token.literal.split(","):
        value = parse_literal(part, unit_style(token.unit)) if part else None
        end = token.end if start + len(part) >= token.right else start + len(part)
        if value is not None:
            found.append(build_quantity(value, token.unit, start, end))
        start += len(part) + 1
    return found


def has_hint(low: str) -> bool:
    """`low`: text in lower case. True where a slash, or part of a word, hints at an amount in words."""
    return "/" in low or "пол" in low or "ball" in low


def _may_have_words(text: str) -> bool:
    """Cheap: False means that `WORDS` cannot match."""
    low = text.lower()
    return has_hint(low) or not HINTS.isdisjoint(LETTERS.findall(low))


def _find_words(text: str, hints: Sequence[tuple[int, int]] | None) -> Iterator[re.Match[str]]:
    """As `WORDS.finditer(text)`, looking only where a match can begin: at a hint, behind a slash, at a 1 or an 8."""
    if hints is None:
        yield from WORDS.finditer(text)
        return
    starts = {word.start() for first, last in hints for word in LETTERS.finditer(text, first, last)}
    starts.update(last for first, last in hints if text[first] == "/")
    starts.update(digit.start() for digit in DIGIT_HINT.finditer(text))
    free = 0
    for start in sorted(starts):
        if start >= free and (match := WORDS.match(text, start)) is not None:
            yield match
            free = match.end()


def _with_words(
    text: str, found: list[FoundQuantity], tokens: list[Token], hints: Sequence[tuple[int, int]] | None
) -> list[FoundQuantity]:
    matches = list(_find_words(text, hints))
    if not matches:
        return found
    taken: set[int] = set()
    for quantity in found:
        taken.update(range(quantity.start, quantity.end))
    for token in tokens:
        if token.kind in {"price", "unit"}:
            taken.update(range(token.start, token.end))
    words: list[FoundQuantity] = []
    for match in matches:
        start, end = match.span()
        if not taken.isdisjoint(range(start, end)):
            continue
        word = _word(match)
        if word is not None:
            words.append(word)
    return sorted(found + words, key=lambda quantity: quantity.start) if words else found


def _word(match: re.Match[str]) -> FoundQuantity | None:
    kind = match.lastgroup or ""
    start, end = match.span()
    if kind in {"half_unit", "english_unit", "amount_unit"}:
        unit = find_unit(match[kind])
        amount = Decimal("0.5") if kind == "half_unit" else Decimal((AMOUNTS | PARTS)[match[kind[:-5]].casefold()])
        if unit is None or (kind == "amount_unit" and len(match[kind]) == 1 and not unit.cyrillic):
            return None
        return build_quantity(amount, unit, start, end)
    if kind in {"per_unit", "slash", "of_unit"}:
        unit = find_unit(match[kind])
        if kind == "per_unit" and unit is not None and unit.base_unit == "unit" and match["per"].lower() in {"a", "an"}:
            return None  # 'a piece of', 'a tab'
        return None if unit is None else build_quantity(Decimal(1), unit, match.start(kind), end)
    if kind == "qp":
        return build_quantity(Decimal(1), _unit_named("qp"), start, end)
    if kind in STREET:
        amount_text, name = STREET[kind]
        return build_quantity(Decimal(amount_text), _unit_named(name), start, end)
    return None


def _lone_decimals(text: str, tokens: list[Token]) -> list[FoundQuantity]:
    """`Метадон VHQ 0,25`: a decimal fraction without a unit is grams on every market seen."""
    lone: list[FoundQuantity] = []
    for token in tokens:
        if token.kind != "bare" or not token.clean or token.fraction or token.literal[0] != "0":
            continue
        value = parse_literal(token.literal, "mass-ru")
        if value is not None and 0 < value < 1 and len(token.literal) <= 5 and not NOT_GRAMS.match(text, token.end):
            lone.append(build_quantity(value, _unit_named("g"), token.start, token.end))
    return lone


def _nearest(places: list[int], place: int) -> int:
    """Index of the element of the sorted `places` that is nearest to `place`."""
    index = bisect_left(places, place)
    if index == 0 or (index < len(places) and places[index] - place < place - places[index - 1]):
        return index
    return index - 1


def _doses(text: str, found: list[FoundQuantity]) -> list[FoundQuantity]:
    """Weights in mg and ug that are the dose of one unit go to the counts; concentrations and dosing advice go."""
    if not any(quantity.unit in {"mg", "ug"} or quantity.base_unit == "g" for quantity in found):
        return found
    counts = any(quantity.base_unit == "unit" for quantity in found)
    counted: bool | None = None
    kept: list[FoundQuantity] = []
    doses: list[tuple[int, Decimal]] = []
    for quantity in found:
        if quantity.base_unit == "g" and CONCENTRATION.match(text, quantity.end):
            continue
        if quantity.unit not in {"mg", "ug"}:
            kept.append(quantity)
            continue
        dose = tidy(quantity.base_amount * 1000)
        if counts and dose <= 2000:
            doses.append((quantity.start, dose))
            continue
        if counted is None:
            counted = not counts and COUNTED.search(text.lower()) is not None
        left = text[max(0, quantity.start - 40) : quantity.start]
        per_unit = (
            quantity.unit == "ug"
            or DOSE_RIGHT.match(text, quantity.end)
            or (dose <= 500 and counted)
            or DOSE_LEFT.search(left)
        )
        if DOSE_TALK.search(left) and not DOSE_RIGHT.match(text, quantity.end):
            continue
        kept.append(quantity._replace(dose_mg=dose) if per_unit else quantity)
    if doses:
        places = [place for place, _ in doses]
        kept = [
            quantity._replace(dose_mg=doses[_nearest(places, quantity.start)][1])
            if quantity.base_unit == "unit" and quantity.dose_mg is None
            else quantity
            for quantity in kept
        ]
    return kept
