"""From scanned numbers to quantities: counts and doses kept apart, multipliers, sums, ranges, fractions and words.

Dose rule: where a stretch counts things ('50 pills'), a weight in mg or ug beside it is the dose of one. A weight in mg
or ug that stands alone is kept as written; with words that make it a dose ('вес таблетки', 'per cap', 'bars', any ug)
`dose_mg` is set as well, so that a reader can tell that it is not the size of the package.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from decimal import Decimal

from extract.found import FoundQuantity
from extract.number_scan import Token, parse_literal, unit_style
from extract.number_tables import UnitName, find_unit


def split_words(words: str) -> list[str]:
    return words.split()


_BLANK = re.compile(r"[ \t\u00a0(\[]{0,2}$")
_CROSS = re.compile(r"[ \t\u00a0]{0,2}[xXхХ×*]?[ \t\u00a0]{0,2}$")
_CROSS_ONLY = re.compile(r"[ \t\u00a0]{0,2}[xXхХ×*][ \t\u00a0]{0,2}$")
_BOX_OF = re.compile(r"(?<!\w)(?:box|pack|packet|strip|bottle|sheet|blister)(?:es|s)? of $", re.IGNORECASE)
_EACH = re.compile(r"[ \t\u00a0,(]{0,2}(?:по|of|@|à|at)[ \t\u00a0]{1,2}$", re.IGNORECASE)
_PLUS = re.compile(r"[ \t\u00a0]?\+[ \t\u00a0]?$")
_LIST = re.compile(r"(?:[/,;&]|[ ]?(?:[-–—]|\.\.)[ ]?|[ ](?:и|или|до|or|to|and|по)[ ]|, )$", re.IGNORECASE)
_DOSE_LEFT = re.compile(
    r"(?:вес таб\w*|в (?:одной )?табл?\w*|таблетк\w*(?: по)?|доз\w*|dose\w*|dosage\w*|dosing|принимать|strength"
    r"|мощность"
    r"|pills? weigh\w*|each (?:pill|tab|cap)\w*(?: \w+)?)[\s:=-]{0,3}(?:\d+[-–]?)?$",
    re.IGNORECASE,
)
_DOSE_TALK = re.compile(r"(?:\bdos(?:e|es|age|ing)\b|дозировк|\bдоза\b|принимать)[^\n]{0,24}$", re.IGNORECASE)
_DOSE_RIGHT = re.compile(
    r"[ \t]{0,2}(?:/|per|each|в|на|за)[ \t]{0,2}(?:1 )?"
    r"(?:tab|tablet|pill|cap|capsule|hit|blotter|unit|serving|gummy|табл?|таблетк|капс|марк|штук|шт|одн)\w*",
    re.IGNORECASE,
)
_CONCENTRATION = re.compile(
    r"[ \t]{0,2}(?:/|per|на|в)[ \t]{0,2}(?:1[ \t]?)?(?:ml|мл|kg|кг|l\b|cc|litre|liter)", re.IGNORECASE
)
_NOT_GRAMS = re.compile(r"[/%:]|[ \t]?(?:days?|hours?|min|h\b|км|km|m\b|м\b|дн|час|ч\b|star|/|[$€£₽])", re.IGNORECASE)
_COUNTED = re.compile(
    r"(?<!\w)(?:bars?|gummies|pills?|tabs?|tablets?|caps(?:ules)?|blisters?|pharma|edibles?|blotters?|xtc|ecstasy|extasy"
    r"|таблет\w*|таб|колёса|колеса|марк[аиу]|марок|капсул\w*|экстази|блистер\w*)(?!\w)",
    re.IGNORECASE,
)
_NOT_TIMES = re.compile(
    r"[ \t]{0,2}(?:\d|(?:the|more|better|stronger|faster|as|cheaper|times)\b"
    r"|(?:filter|wash|distill|sift|siev|refin|recryst|cook|poten|extract|экстракт))",
    re.IGNORECASE,
)
_SMALL = {
    word: str(index)
    for index, word in enumerate(
        split_words(
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
            "seventeen eighteen nineteen twenty"
        ),
        1,
    )
} | {
    word: str(index)
    for index, word in enumerate(
        split_words("один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать"), 1
    )
}
_PARTS = {"half": "0.5", "quarter": "0.25", "eighth": "0.125", "third": "0.3333", "sixteenth": "0.0625"}
_AMOUNTS = _SMALL | {
    "полтора": "1.5", "полторы": "1.5", "одна": "1", "две": "2", "двадцать": "20", "тридцать": "30", "сорок": "40",
    "пятьдесят": "50", "сто": "100", "двести": "200", "пятьсот": "500", "тысяча": "1000", "thirty": "30", "forty": "40",
    "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90", "hundred": "100",
}  # fmt: skip
_WORDS = re.compile(
    r"(?<!\w)(?:"
    r"(?P<half>пол[- ]?)(?P<half_unit>грам+а?|кило(?:грамм?а?)?|литра|унции|таблетки)"
    r"|(?P<english>half|quarter|eighth|third|sixteenth)"
    r"(?:[ -](?:of[ ])?(?:an?[ ])?(?P<english_unit>oz|ounce|pound|lb|gram|g|kilo|kilogram|kg|ton|tonne|litre"
    r"|gallon)s?)"
    rf"|(?P<amount>{'|'.join(_AMOUNTS)})"
    r"[ -](?P<amount_unit>[^\W\d_]{1,12})"
    r"|(?P<per>за|per|an|a|1 x)[ ](?P<per_unit>грамм|гр|г|gram|ounce|oz|pound|lb|kilo|kg|кило|унцию"
    r"|шт|штуку|таблетку|марку|pill|tablet|tab|unit|piece)"
    r"|(?P<qp>(?i:qp)|q\.p\.)|(?P<eighth>(?:an[ ])?eighth|1/8th|1/8(?![\d/.,]))"
    r"|(?P<ball>8[ -]?ball|eight[ -]?ball|eightball)|(?P<teenth>teenth|teener)"
    r")(?!\w)|(?<=/)(?P<slash>gram|ounce|oz|pound|lb|kg|kilo|unit|each|piece|pill|tab|tablet|g|gr|г|гр|грамм|шт)(?!\w)",
    re.IGNORECASE,
)
STREET = {"eighth": ("0.125", "oz"), "ball": ("3.5", "g"), "teenth": ("0.0625", "oz")}
"""An '8 ball' is sold as 3.5 g; an eighth and a teenth are fractions of an ounce."""
_WORD_HINTS = _AMOUNTS.keys() | _PARTS.keys() | set(split_words("за per a an qp q teenth teener eightball"))
_LETTERS = re.compile(r"[^\W\d_]+")
_NUMERO = frozenset({"№", "N", "No", "n"})
"""`10 мг №50`: how pharmacies write fifty tablets."""
_MAX_COUNT = 1_000_000


def tidy(value: Decimal) -> Decimal:
    """Without trailing zeros or exponent."""
    plain = value.normalize()
    return plain.quantize(Decimal(1)) if int(plain.as_tuple().exponent) > 0 else plain


def build_quantity(amount: Decimal, unit: UnitName, start: int, end: int, count: int = 1) -> FoundQuantity:
    base = tidy(amount * count * unit.factor)
    return FoundQuantity(tidy(amount), unit.unit, base, unit.base_unit, count, None, start, end)


def _unit_named(name: str) -> UnitName:
    unit = find_unit(name)
    assert unit is not None
    return unit


def read_quantities(text: str, tokens: list[Token], *, decimals: bool = True) -> list[FoundQuantity]:
    """The quantities of one field. `decimals`: where nothing has a unit, a lone `0.33` is grams."""
    found = _combine(text, tokens)
    if _may_have_words(text):
        found = _with_words(text, found, tokens)
    if decimals and not any(quantity.base_unit != "g" or quantity.unit not in {"mg", "ug"} for quantity in found):
        found.extend(_lone_decimals(text, tokens))
    return _doses(text, [quantity for quantity in found if quantity.base_amount > 0])


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
            if after is not None and after.kind == "unit" and after.unit is not None and _blank(text, token, after):
                found.append(_times(token.value, after.value, after.unit, token.start, after.end))
                index += 1
            elif after is not None and token.left and text[token.left - 1] == "/" and _blank(text, token, after):
                index += 1  # a strength of two parts, then the count: '10/325 x 20'
                found.append(build_quantity(after.value, _unit_named("unit"), after.start, after.end))
            elif _NOT_TIMES.match(text, token.end) is None:
                found.append(build_quantity(token.value, _unit_named("unit"), token.start, token.end))
            else:
                index += 1  # '1 x 24 hours', '20 x 30 cm'
        elif token.kind == "xn" and token.clean and _is_count(token.value):
            found.append(build_quantity(token.value, _unit_named("unit"), _cross_start(text, token.start), token.end))
        elif token.kind == "bare" and token.clean and _is_count(token.value) and _boxed(text, token):
            found.append(build_quantity(token.value, _unit_named("unit"), token.start, token.end))
        last_end = found[-1].end if found else 0
    return found


def _boxed(text: str, token: Token) -> bool:
    return _BOX_OF.search(text, max(0, token.start - 14), token.start) is not None


def _cross_start(text: str, start: int) -> int:
    """Where the x of `x 10` stands."""
    return start - 1 if text[start - 1] != " " else start - 2


def _is_count(value: Decimal) -> bool:
    return value == value.to_integral_value() and 0 < value <= _MAX_COUNT


def _blank(text: str, before: Token, after: Token) -> bool:
    return _BLANK.fullmatch(text, before.end, after.start) is not None


def _unit_token(text: str, token: Token, tokens: list[Token], index: int) -> tuple[FoundQuantity, int]:
    """A number with a unit, joined with what follows: `30mg x 42`, `10 таб. по 1 г`, `2 g + 0.2 g`, `20+2 gr`."""
    unit = token.unit
    assert unit is not None
    after = tokens[index] if index < len(tokens) else None
    before = tokens[index - 2] if index > 1 else None
    if before is not None and before.kind == "bare" and before.clean and _PLUS.fullmatch(text, before.end, token.start):
        total = _value(before, unit) + token.value
        return build_quantity(total, unit, before.start, token.end), index
    if after is None:
        return build_quantity(token.value, unit, token.start, token.end), index
    gap_end = after.start
    if after.kind == "xn" and _CROSS.fullmatch(text, token.end, gap_end) and _is_count(after.value):
        return _times(after.value, token.value, unit, token.start, after.end), index + 1
    if (
        after.kind == "bare"
        and unit.unit == "mg"
        and _is_count(after.value)
        and text[token.end : gap_end].strip() in _NUMERO
    ):
        return _times(after.value, token.value, unit, token.start, after.end), index + 1
    if after.kind == "unit" and after.unit is not None:
        if unit.base_unit == "unit" and _is_count(token.value) and _EACH.fullmatch(text, token.end, gap_end):
            return _times(token.value, after.value, after.unit, token.start, after.end), index + 1
        if (
            after.unit.base_unit == "unit"
            and _is_count(after.value)
            and _CROSS_ONLY.fullmatch(text, token.end, gap_end)
        ):
            return _times(after.value, token.value, unit, token.start, after.end), index + 1
        if after.unit.unit == unit.unit and _PLUS.fullmatch(text, token.end, gap_end):
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
        if left.kind != "bare" or not left.clean or left.start < last_end or _LIST.fullmatch(gap) is None:
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


def _may_have_words(text: str) -> bool:
    """Cheap: False means that `_WORDS` cannot match."""
    low = text.lower()
    if "/" in low or "пол" in low or "ball" in low:
        return True
    return not _WORD_HINTS.isdisjoint(_LETTERS.findall(low))


def _with_words(text: str, found: list[FoundQuantity], tokens: list[Token]) -> list[FoundQuantity]:
    taken: set[int] = set()
    for quantity in found:
        taken.update(range(quantity.start, quantity.end))
    for token in tokens:
        if token.kind in {"price", "unit"}:
            taken.update(range(token.start, token.end))
    words: list[FoundQuantity] = []
    for match in _WORDS.finditer(text):
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
        amount = Decimal("0.5") if kind == "half_unit" else Decimal((_AMOUNTS | _PARTS)[match[kind[:-5]].casefold()])
        if unit is None or (kind == "amount_unit" and len(match[kind]) == 1 and not unit.cyrillic):
            return None
        return build_quantity(amount, unit, start, end)
    if kind in {"per_unit", "slash"}:
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
        if value is not None and 0 < value < 1 and len(token.literal) <= 5 and not _NOT_GRAMS.match(text, token.end):
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
    counts = any(quantity.base_unit == "unit" for quantity in found)
    counted = not counts and _COUNTED.search(text) is not None
    kept: list[FoundQuantity] = []
    doses: list[tuple[int, Decimal]] = []
    for quantity in found:
        if quantity.base_unit == "g" and _CONCENTRATION.match(text, quantity.end):
            continue
        if quantity.unit not in {"mg", "ug"}:
            kept.append(quantity)
            continue
        dose = tidy(quantity.base_amount * 1000)
        if counts and dose <= 2000:
            doses.append((quantity.start, dose))
            continue
        left = text[max(0, quantity.start - 40) : quantity.start]
        per_unit = (
            (dose <= 500 and counted)
            or quantity.unit == "ug"
            or _DOSE_RIGHT.match(text, quantity.end)
            or _DOSE_LEFT.search(left)
        )
        if _DOSE_TALK.search(left) and not _DOSE_RIGHT.match(text, quantity.end):
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
