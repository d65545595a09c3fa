"""From scanned numbers to the quantities that digits state, each with what its neighbours make of it: multipliers,
sums, ranges, lists, counts without a unit."""

from __future__ import annotations

from decimal import Decimal

from extract.found import FoundQuantity
from extract.number_context import Token
from extract.number_literals import parse_literal, unit_style
from extract.number_tables import UnitName
from extract.quantity_build import build_quantity, build_times, unit_named
from extract.quantity_patterns import (
    BLANK,
    BOX_OF,
    BOXES_OF,
    CHEMICAL,
    COUNT_AFTER_WORD,
    COUNT_AHEAD,
    COUNT_BEHIND,
    COUNT_END,
    COUNT_LAST,
    COUNT_OF,
    COUNT_SHORT,
    CROSS,
    CROSS_BOX,
    CROSS_EACH,
    CROSS_NAMED,
    CROSS_ONLY,
    DELTA,
    EACH,
    GIFT,
    LIST,
    NAMED,
    NAMED_PIECES,
    NOT_GRAMS,
    NOT_TIMES,
    NUMERO,
    PACK_SIZES,
    PACKAGES,
    PIECES_RIGHT,
    PLUS,
    STRENGTH_LEFT,
    STRENGTH_RIGHT,
    YEAR,
)

_MAX_COUNT = 1_000_000
_MOST_NAMED = 10_000
_LEAST_NAMED = 5
_MOST_BOXES = 100
_SPACES = frozenset({" ", "\u00a0"})
_BLANKS = frozenset({" ", "\t", "\u00a0"})
_COUNTABLE = frozenset({"mg", "ug", "ml"})
"""Units that say what one of a count holds."""
_JOINED = frozenset({"unit", "bare", "xn"})
_ISOMERS = frozenset({"8", "9", "10"})
"""Of tetrahydrocannabinol."""
_AHEAD = frozenset(" :\u00a0")
_COUNTS = frozenset("cpCP")
"""First letters of `COUNT_OF`."""
_SHORT = frozenset("sS'’")
_DOSE_NEAR = 100
"""Code points in which the strength of tablets stands beside how many there are."""
_NEAR = 6
"""Code points between two numbers with units that one expression may have (`EACH` is the longest)."""

_new = tuple.__new__


def combine(text: str, tokens: list[Token]) -> list[FoundQuantity]:
    """The quantities of the numbers of a field, in order. A bare number that counts what is named behind it (`50 Xanax
    bars`) is unclean in `tokens` thereafter, so that no other rule counts with it."""
    found: list[FoundQuantity] = []
    index = last_end = 0
    count = len(tokens)
    before: Token | None = None
    while index < count:
        token = tokens[index]
        kind = token.kind
        position, index = index, index + 1
        if not token.clean or (token.literal in _ISOMERS and DELTA.search(text, max(0, token.left - 7), token.left)):
            pass
        elif kind == "unit":
            bare = before is not None and before.kind == "bare"
            quantity = _join_left(text, before, token) if bare and before is not None else None
            if quantity is None and index < count:
                after = tokens[index]
                if after.kind in _JOINED and (quantity := _join_right(text, token, after)) is not None:
                    index += 1
            if bare:
                found.extend(_shared(text, tokens, position, last_end))
            if quantity is None:
                alone = token.alone
                quantity = _new(FoundQuantity, (*alone, token.start, token.end)) if alone else _build_alone(token)
            found.append(quantity)
        elif kind == "bare":
            if _boxed(text, token):
                found.append(_in_boxes(text, before, token, found))
            elif (named := _named_pieces(text, token)) is not None:
                tokens[position] = token._replace(clean=False)
                found.append(named)
        elif kind == "times":
            behind = tokens[index] if index < count else None
            if behind is not None and _is_count(behind.value) and _boxed(text, token) and BLANK.fullmatch(
                text, token.end, behind.start
            ):
                unit = unit_named("unit")  # `strips of 14 x 4`
                found.append(build_quantity(token.value, unit, token.start, behind.end, int(behind.value)))
                index += 1
            elif _is_count(token.value) and not _is_strength(text, token):
                index += _times_token(text, tokens, position, found)
        elif kind == "xn":
            if _is_count(token.value):
                found.append(_portions(text, before, token))
        elif kind == "list":
            found.extend(_split_list(token))
        before = tokens[index - 1]
        if found:
            last_end = found[-1].end
    return found


def _is_count(value: Decimal) -> bool:
    return 0 < value <= _MAX_COUNT and value == value.to_integral_value()


def _times_token(text: str, tokens: list[Token], position: int, found: list[FoundQuantity]) -> int:
    """Adds what `10 x` says; returns how many of the numbers behind it belong to it."""
    token = tokens[position]
    after = tokens[position + 1] if position + 1 < len(tokens) else None
    if after is not None and BLANK.fullmatch(text, token.end, after.start) is None:
        after = None
    found.extend(_counts_before(text, tokens, position))
    if after is not None and after.kind == "unit" and after.unit is not None:
        found.append(build_times(token.value, after.value, after.unit, token.start, after.end))
        return 1
    if after is not None and token.left and text[token.left - 1] == "/":
        # a strength of two parts, then the count: '10/325 x 20'
        found.append(build_quantity(after.value, unit_named("unit"), after.start, after.end))
        return 1
    if after is not None and _are_packs(text, token, after):
        found.append(build_quantity(after.value, unit_named("unit"), token.start, after.end, int(token.value)))
        return 1
    named = CHEMICAL.match(text, token.end) is not None
    if named or NOT_TIMES.match(text, token.end) is None:
        found.append(build_quantity(token.value, unit_named("unit"), token.start, token.end))
        return int(named and after is not None)
    return 0 if after is None else 1  # '1 x 24 hours', '20 x 30 cm'


def _are_packs(text: str, count: Token, each: Token) -> bool:
    """`10 x 28 diazepam 10mg`: boxes or blisters and the tablets in one."""
    sized = each.kind in {"bare", "xn"} and each.value in PACK_SIZES and 1 < count.value <= _MOST_BOXES
    return sized and "mg" in text[max(0, count.start - _DOSE_NEAR) : each.end + _DOSE_NEAR].lower()


def _is_strength(text: str, token: Token) -> bool:
    left = STRENGTH_LEFT.search(text, max(0, token.start - 20), token.start)
    return left is not None or STRENGTH_RIGHT.match(text, token.end) is not None


def _counts_before(text: str, tokens: list[Token], position: int) -> list[FoundQuantity]:
    """`25-500x 260mg`: the lower end of a range of counts."""
    left, right = tokens[position - 1] if position else None, tokens[position]
    if left is None or left.kind != "bare" or not left.clean or not _is_count(left.value):
        return []
    if text[left.end : right.start] not in {"-", "–", "—"} or not left.value < right.value:
        return []
    return [build_quantity(left.value, unit_named("unit"), left.start, left.end)]


def _named_pieces(text: str, token: Token) -> FoundQuantity | None:
    """`50 Xanax bars`, `gummies 10 pack`, `60mg Continus 56s`."""
    if not 1 < token.value <= _MOST_NAMED or not _is_count(token.value) or YEAR.fullmatch(token.literal):
        return None
    behind, spaced = text[token.end : token.end + 2], text[token.end : token.end + 1] in _BLANKS
    named = COUNT_OF.match(text, token.end) if not _COUNTS.isdisjoint(behind) else None
    if named is None and spaced:
        named = NAMED_PIECES.match(text, token.end)
    start = token.start
    if named is None and behind[:1] in _SHORT and "mg" in text[max(0, start - _DOSE_NEAR) : start].lower():
        named = COUNT_SHORT.match(text, token.end)
    if named is None and text[start - 1 : start] in _AHEAD and COUNT_BEHIND.search(text, max(0, start - 14), start):
        named = COUNT_LAST.match(text, token.end)
    return None if named is None else build_quantity(token.value, unit_named("unit"), token.start, named.end())


def _boxed(text: str, token: Token) -> bool:
    """`box of 60`."""
    start = token.start
    if text[start - 1 : start] != " " or BOX_OF.search(text, max(0, start - 14), start) is None:
        return False
    return _is_count(token.value)


def _in_boxes(text: str, before: Token | None, token: Token, found: list[FoundQuantity]) -> FoundQuantity:
    """`box of 60`, `3 blisters of 10`: with the number of boxes, which is no amount of its own."""
    unit = unit_named("unit")
    if before is None or not _is_count(before.value) or not BOXES_OF.fullmatch(text, before.right, token.start):
        return build_quantity(token.value, unit, token.start, token.end)
    if found and found[-1].start == before.start:
        found.pop()
    return build_quantity(token.value, unit, before.start, token.end, int(before.value))


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
        return build_quantity(before.value, unit_named("g"), before.start, token.end, int(token.value))
    if before is not None and _is_count(before.value) and BOXES_OF.fullmatch(text, before.right, token.start):
        return build_quantity(token.value, unit_named("unit"), before.start, token.end, int(before.value))
    return build_quantity(token.value, unit_named("unit"), _cross_start(text, token.start), token.end)


def _cross_start(text: str, start: int) -> int:
    """Where the x of `x 10` stands."""
    return start - 1 if text[start - 1] != " " else start - 2


def _build_alone(token: Token) -> FoundQuantity:
    """A number with a unit that nothing is joined with."""
    assert token.unit is not None
    return build_quantity(token.value, token.unit, token.start, token.end)


def _join_left(text: str, before: Token, token: Token) -> FoundQuantity | None:
    """A number with a unit, joined with the bare one before it: `20+2 gr`, `5 пакетов по 1 г`, `25 Xanax 2mg tablets`,
    `90 2mg bars`."""
    unit = token.unit
    if unit is None or not before.clean:
        return None
    if PLUS.fullmatch(text, before.end, token.start):
        return build_quantity(_value(before, unit) + token.value, unit, before.start, token.end)
    if not _is_count(before.value):
        return None
    packages = PACKAGES.fullmatch(text, before.end, token.start)
    named = unit.unit in {"mg", "ug"} and (
        text[before.end : token.start] in _SPACES or NAMED.fullmatch(text, before.end, token.start)
    )
    if packages or (named and before.value <= _MOST_NAMED and PIECES_RIGHT.match(text, token.end)):
        return build_times(before.value, token.value, unit, before.start, token.end)
    return None


def _join_right(text: str, token: Token, after: Token) -> FoundQuantity | None:
    """A number with a unit, joined with the number behind it."""
    unit, kind = token.unit, after.kind
    if unit is None:
        return None
    if kind == "unit":
        return _join_unit(text, token, unit, after) if after.start - token.end <= _NEAR else None
    if kind == "bare":
        return _join_bare(text, token, unit, after) if unit.unit in _COUNTABLE else None
    if kind == "xn" and _is_count(after.value) and _crosses(text, token, unit, after):
        return build_times(after.value, token.value, unit, token.start, after.end)
    return None


def _crosses(text: str, token: Token, unit: UnitName, after: Token) -> bool:
    """Nothing but a cross, or what the amount is of, stands before the count."""
    start, end = token.end, after.start
    if CROSS.fullmatch(text, start, end) or CROSS_EACH.fullmatch(text, start, end):
        return True
    if unit.base_unit == "unit":
        return CROSS_BOX.fullmatch(text, start, end) is not None
    return unit.unit not in _COUNTABLE and CROSS_NAMED.fullmatch(text, start, end) is not None


def _join_unit(text: str, token: Token, unit: UnitName, after: Token) -> FoundQuantity | None:
    """`10 таб. по 1 г`, `30mg x 42 tabs`, `2 g + 0.2 g`."""
    if after.unit is None:
        return None
    start, end = token.end, after.start
    apart = EACH.fullmatch(text, start, end)
    if apart is None and after.unit.base_unit != "unit":
        apart = CROSS_ONLY.fullmatch(text, start, end)
    if unit.base_unit == "unit" and apart and _is_count(token.value):
        return build_times(token.value, after.value, after.unit, token.start, after.end)
    if after.unit.base_unit == "unit" and _is_count(after.value) and CROSS_ONLY.fullmatch(text, start, end):
        return build_times(after.value, token.value, unit, token.start, after.end)
    if after.unit.unit == unit.unit and PLUS.fullmatch(text, start, end) and GIFT.match(text, after.end) is None:
        return build_quantity(token.value + after.value, unit, token.start, after.end)
    return None


def _join_bare(text: str, token: Token, unit: UnitName, after: Token) -> FoundQuantity | None:
    """`10 мг №50`, `1 мл №10`, `Xanax 2mg 50`, `7.5mg 14 pack`."""
    if not _is_count(after.value):
        return None
    if text[token.end : after.start].strip() in NUMERO:
        if unit.unit == "ml":
            return build_quantity(after.value, unit_named("unit"), token.start, after.end)
        return build_times(after.value, token.value, unit, token.start, after.end)
    if (
        after.clean
        and unit.unit == "mg"
        and _LEAST_NAMED <= after.value <= _MOST_NAMED
        and COUNT_AFTER_WORD.fullmatch(text, token.end, after.start)
        and not text[after.end :].strip()
    ):
        return build_times(after.value, token.value, unit, token.start, after.end)
    if (
        after.clean
        and unit.unit != "ml"
        and 1 < after.value <= _MOST_NAMED
        and COUNT_AHEAD.fullmatch(text, token.end, after.start)
        and COUNT_END.match(text, after.end)
    ):
        return build_times(after.value, token.value, unit, token.start, after.end)
    return None


def _value(token: Token, unit: UnitName) -> Decimal:
    return parse_literal(token.literal, unit_style(unit)) or token.value


def _shared(text: str, tokens: list[Token], position: int, last_end: int) -> list[FoundQuantity]:
    """Bare numbers before the token at `position` that share its unit: `1/2/5 г`, `1-14g`, `3 или 5 г`. In `tokens`
    they have the value that they have in this unit thereafter."""
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
        right = tokens[index] = left._replace(value=value)
        index -= 1
    return shared[::-1]


def _split_list(token: Token) -> list[FoundQuantity]:
    """`1,2,5 г`: each in the unit of the last."""
    if token.unit is None:
        return []
    found, start = [], token.left
    for part in token.literal.split(","):
        value = parse_literal(part, unit_style(token.unit)) if part else None
        end = token.end if start + len(part) >= token.right else start + len(part)
        if value is not None:
            found.append(build_quantity(value, token.unit, start, end))
        start += len(part) + 1
    return found


def lone_decimals(text: str, tokens: list[Token]) -> list[FoundQuantity]:
    """`Метадон VHQ 0,25`: a decimal fraction without a unit is grams on every market seen."""
    lone: list[FoundQuantity] = []
    for token in tokens:
        if token.kind != "bare" or not token.clean or token.fraction or token.literal[0] != "0":
            continue
        value = parse_literal(token.literal, "mass-ru")
        if value is not None and 0 < value < 1 and len(token.literal) <= 5 and not NOT_GRAMS.match(text, token.end):
            lone.append(build_quantity(value, unit_named("g"), token.start, token.end))
    return lone
