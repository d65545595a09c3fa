"""One scan over a text that finds every number with what stands around it: the shared ground of quantities, prices and
purity. How a number is read (docs/numbers.md says why):

- spaces, NBSP, thin spaces and apostrophes between groups of three digits are grouping: `2 500`, `1'000`;
- with both `.` and `,` the last one is the decimal mark: `1,106.71`, `1.106,71`;
- a mark that repeats is grouping if all later groups have three digits; otherwise it is no number (a date, a version);
- one mark with exactly three digits after it is grouping (`2.500 руб`) unless the part before is 0 or has over three
  digits. Crypto-currencies and weights overrule that: `1.125 BTC`, `1.125 g`, `1,125 г` are decimals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from extract.number_tables import CurrencyName, UnitName, find_currency, find_unit

SPACE = " \u00a0\u2009\u202f"
MAX_LENGTH = 24
"""Longer runs of digits are keys, hashes or noise, never amounts."""
VULGAR = {
    "½": Decimal("0.5"), "¼": Decimal("0.25"), "¾": Decimal("0.75"), "⅛": Decimal("0.125"), "⅜": Decimal("0.375"),
    "⅝": Decimal("0.625"), "⅞": Decimal("0.875"), "⅕": Decimal("0.2"), "⅒": Decimal("0.1"),
}  # fmt: skip
CRYPTO = frozenset({"BTC", "XMR", "LTC"})
_FRACTIONS = frozenset({"1/2", "1/3", "1/4", "1/5", "1/8", "1/10", "1/16", "2/3", "3/4", "3/8", "5/8", "7/8"})

_GROUPED = rf"[0-9]{{1,3}}(?:[{SPACE}'’][0-9]{{3}}(?![0-9]))+(?:[.,][0-9]{{1,8}}(?![0-9]|[.,][0-9]))?"
_SPACED = re.compile(rf"[{SPACE}'’]")
_NUMBER = re.compile(rf"{_GROUPED}|(?:(?<![\w)\].,])[.,])?[0-9]+(?:[.,][0-9]+)*|[{''.join(VULGAR)}]")
_DIGIT = re.compile(rf"[0-9{''.join(VULGAR)}]")
_BEFORE_MARK = re.compile(r"[\w)\].,]")
_FRACTION = re.compile(rf"/[0-9]{{1,2}}(?![0-9]|[/.,][0-9])|[{''.join(VULGAR)}]|[ -][0-9]/[0-9]{{1,2}}(?![0-9/])")
_SUFFIX = re.compile(
    rf"(?:\+?[{SPACE}]{{0,2}}|-)(?:Â(?=[$€£]))?(%|â‚¬|[$¢£¥֏฿\u20a0-\u20c0＄﹩×]|[^\W\d_]{{1,20}}(?:['’][^\W\d_]{{1,2}}(?![^\W\d_]))?)"
)
_PREFIX = re.compile(
    rf"((?<![^\W\d_])(?i:USD?|AUD?|AU|A|CAD?|CDN|C|NZ)?\$|â‚¬|[£¥֏฿\u20a0-\u20c0＄﹩ɱŁłɃƀք]|(?<![^\W\d_])[^\W\d_]{{3,4}})"
    rf"[:{SPACE}]{{0,2}}$"
)
_DASHED = re.compile(r",[-–—]{1,2}(?![\w-])|[,.][-–—]{1,2}(?=[$€£]|(?i:eur|chf|fr|kr|sek|nok|dkk|usd)(?:o|os)?(?!\w))")
"""`25,-`, `80,-€`: how prices without cents are written from the Netherlands to Sweden."""
_LAST_RUN = re.compile(r"[^\W\d_]+$")
_CURRENCY = re.compile(rf"[.{SPACE}]{{0,2}}([$€£₽₸₴₾]|р(?:уб\w{{0,3}})?(?!\w)|[^\W\d_]{{2,10}}(?:'m)?)")
_MULTIPLIERS = {
    "к": 1000, "k": 1000, "тыс": 1000, "тысяч": 1000, "тысячи": 1000, "тысяча": 1000, "т": 1000, "тыщ": 1000,
    "млн": 1_000_000, "mln": 1_000_000, "million": 1_000_000, "миллион": 1_000_000, "миллиона": 1_000_000,
    "миллионов": 1_000_000, "thousand": 1000,
}  # fmt: skip
_ZERO = Decimal(0)
_MINUS = frozenset("-−–")
_TIMES = frozenset({"x", "х", "×"})
_POINTS = frozenset(",.")
_BTC_DISCOUNT = re.compile(r"\W{0,3}(?:sale|sal|скидк|discount|off\b|\d{1,2}\s?%)", re.IGNORECASE)


@dataclass(slots=True)
class Token:
    """A number and what it counts. `kind`: unit, price, percent, times ('10 x'), xn ('x 10'), mult ('2,5к'), bare.

    kind `list` is '1,2,5 г', `none` a date or version.

    `start`..`end` is the whole expression, `left`..`right` the digits; `clean` is False where the digits hang on a word
    or a mark that makes them a name (`AK-47`, `#123`).
    """

    kind: str
    value: Decimal
    start: int
    end: int
    left: int
    right: int
    literal: str
    unit: UnitName | None = None
    currency: str = ""
    clean: bool = True
    negative: bool = False
    fraction: bool = False


@lru_cache(maxsize=16_384)
def parse_literal(text: str, style: str) -> Decimal | None:
    """Digits with marks as a Decimal, or None where they are no number. `style`: money, crypto, count, mass (grouping
    comma), mass-ru (decimal comma), big (kg, oz, lb: a lone mark is always decimal)."""
    if len(text) > MAX_LENGTH:
        return None
    if text in VULGAR:
        return VULGAR[text]
    for space in "\u00a0\u2009\u202f '’":
        text = text.replace(space, "")
    dots, commas = text.count("."), text.count(",")
    if not dots and not commas:
        return Decimal(text)
    if dots and commas:
        decimal, group = (".", ",") if text.rfind(".") > text.rfind(",") else (",", ".")
        whole, _, rest = text.rpartition(decimal)
        groups = whole.split(group)
        if decimal in whole or not 1 <= len(groups[0]) <= 3 or any(len(part) != 3 for part in groups[1:]):
            return None
        return Decimal(f"{''.join(groups)}.{rest}")
    mark = "." if dots else ","
    groups = text.split(mark)
    if dots + commas > 1:
        grouped = 1 <= len(groups[0]) <= 3 and all(len(part) == 3 for part in groups[1:])
        return Decimal("".join(groups)) if grouped else None
    whole, rest = groups
    if len(rest) == 3 and 1 <= len(whole) <= 3 and whole[0] != "0" and _groups(mark, rest, style):
        return Decimal(whole + rest)
    return Decimal(f"{whole or '0'}.{rest}")


def _groups(mark: str, rest: str, style: str) -> bool:
    """Whether a lone mark before three digits is grouping."""
    if style in {"money", "count"}:
        return True
    if style in {"crypto", "big"}:
        return False
    return rest == "000" if mark == "." or style == "mass-ru" else True


def unit_style(unit: UnitName) -> str:
    if unit.kind in {"count", "weak"}:
        return "count"
    if unit.factor > 1:
        return "big"
    return "mass-ru" if unit.cyrillic else "mass"


def scan(text: str) -> list[Token]:
    """Every number of `text` as a Token, in order. Never raises; linear in the length of the text."""
    tokens: list[Token] = []
    position = 0
    used = 0  # end of the last expression: its currency sign is not the next number's
    while (digit := _DIGIT.search(text, position)) is not None:
        match = _NUMBER.match(text, _start(text, digit.start(), position))
        assert match is not None
        token, position = _read(text, match, used)
        if token is not None:
            tokens.append(token)
            used = token.end
    return tokens


def _start(text: str, digit: int, position: int) -> int:
    """Where the number begins whose first digit is given: a mark before it (`.5`) belongs to it if nothing stands
    before the mark that a mark closes. Looking for the digit first is ten times faster than looking for a number."""
    mark = digit - 1
    if mark < position or text[mark] not in ".," or text[digit] in VULGAR:
        return digit
    return digit if mark and _BEFORE_MARK.match(text, mark - 1) else mark


def _clean_left(text: str, start: int) -> tuple[bool, bool, bool]:
    """(clean, glued, times): nothing before makes the digits part of a name; a letter touches; an `x` stands before."""
    if start == 0:
        return True, False, False
    before = text[start - 1]
    if before in "#№@_\\^&" or (before in ".:" and start > 1 and text[start - 2].isalnum() and before == ":"):
        return False, False, False
    two = text[start - 2] if start > 1 else " "
    if before in "xXхХ×" and not two.isalnum() and two not in "-'":
        return True, False, True
    if before == "*" and two.isalnum():
        return True, False, True
    if before == " " and two in "xXхХ×" and not (start > 2 and (text[start - 3].isalnum() or text[start - 3] == "-")):
        return True, False, True
    if before.isalpha():
        return before in "քɱŁɃ", True, False
    return not (before in "-–" and start > 1 and two.isalpha()), False, False


def _read(text: str, match: re.Match[str], used: int) -> tuple[Token | None, int]:
    start, end = match.span()
    literal = match.group()
    clean, glued, times = _clean_left(text, start)
    if glued and start == used:
        clean, glued = True, False  # '1г2г5г'
    prefix = _prefix(text, start, used)
    plain = literal.isdecimal()
    if not plain and _SPACED.search(literal) and ((prefix is None and (not clean or glued)) or literal[0] == "0"):
        # 'AK-47 200 руб': the first group is a name's, not the amount's
        return None, start + len(_SPACED.split(literal, 1)[0])
    if len(literal) > MAX_LENGTH:
        return None, end
    value_of_fraction, right = _fraction(text, literal, end)
    dashed = _DASHED.match(text, right) if text[right : right + 1] in _POINTS else None
    suffix = _SUFFIX.match(text, right if dashed is None else dashed.end())
    word = suffix.group(1) if suffix is not None else ""
    word_start, word_end = suffix.span(1) if suffix is not None else (right, right)
    unit = find_unit(word) if word and dashed is None else None
    if value_of_fraction is not None and unit is None and literal not in VULGAR:
        value_of_fraction, right = None, end
        word, word_start, word_end = "", end, end
    if " " in literal and unit is not None and literal.split(" ")[1] not in {"000", "500"}:
        return None, start + literal.index(" ")  # '5 200mg' is five of 200 mg, '1 454gram' one of 454 g
    token = Token("bare", _ZERO, start, right, start, right, literal, clean=clean)
    token.negative = text[start - 1 : start] in _MINUS and not (start > 1 and text[start - 2].isalnum())
    token.fraction = value_of_fraction is not None
    if prefix is not None and (word == "%" or (prefix[1].kind != "symbol" and unit is not None)):
        prefix = None
    style, currency, multiplier = "money", "", 1
    if prefix is not None:
        token.start, currency, token.clean, token.kind = prefix[0], prefix[1].currency, True, "price"
        style = "crypto" if currency in CRYPTO else "money"
        if word.casefold() in {"k", "к"} and word_start == right:
            multiplier, token.end = 1000, word_end
        else:
            after = find_currency(word) if word.isalpha() else None
            if after is not None and after.kind == "code" and after.currency != "BTC":
                currency, token.end = after.currency, word_end
    elif word == "%":
        token.kind, token.end = "percent", word_end
    elif len(word) == 1 and word.casefold() in _TIMES:
        token.kind, token.end, style = "times", word_end, "count"
    elif unit is not None and _unit_fits(text, literal, unit, word, word_start - right, word_end):
        token.kind, token.unit, token.end, style = "unit", unit, word_end, unit_style(unit)
        if glued and not times:
            token.clean = (
                word_start == right
                and unit.kind == "mass"
                and start > 1
                and text[start - 2].isalpha()
                and not text[word_end : word_end + 1].isalnum()
            )
        elif not clean and text[start - 1] in "-–":
            token.clean = True
    elif word:
        style, currency, multiplier = _after(text, token, word, word_start, word_end)
    if dashed is not None and token.kind == "bare" and clean and not glued:
        token.kind, token.end = "mult", dashed.end()
    if times and token.kind == "bare" and not text[right : right + 1].isalnum():
        token.kind, style = "xn", "count"
    value = value_of_fraction if value_of_fraction is not None else parse_literal(literal, style)
    if value is None:
        token.kind = "list" if token.kind == "unit" and "," in literal else "none"
        value = _ZERO
    token.value, token.currency = value if multiplier == 1 else value * multiplier, currency
    if token.kind in {"bare", "none"}:
        token.end, token.clean = right, token.clean and not glued
    return token, max(token.end, right)


def _fraction(text: str, literal: str, end: int) -> tuple[Decimal | None, int]:
    if literal in VULGAR:
        return VULGAR[literal], end
    if end >= len(text) or (text[end] not in "/ -" and text[end] not in VULGAR) or not literal.isdecimal():
        return None, end
    found = _FRACTION.match(text, end)
    if found is None:
        return None, end
    part = found.group()
    if part in VULGAR:
        return Decimal(literal) + VULGAR[part], found.end()
    if part[0] == "/":
        written, whole = literal + part, Decimal(0)
    else:
        written, whole = part[1:], Decimal(literal)
    if written not in _FRACTIONS:
        return None, end
    above, below = written.split("/")
    return whole + Decimal(above) / Decimal(below), found.end()


def _prefix(text: str, start: int, used: int) -> tuple[int, CurrencyName] | None:
    """A currency written before the number, not taken by the number before."""
    if start == 0:
        return None
    before = text[start - 1]
    if not (before in SPACE + ":$£¥＄﹩" or "\u20a0" <= before <= "\u20c0" or before in "֏฿ɱŁɃ¬" or before.isalpha()):
        return None
    if not _may_be_prefix(text[max(0, start - 7) : start]):
        return None
    found = _PREFIX.search(text, max(used, start - 8), start)
    if found is None:
        return None
    entry = find_currency(found.group(1))
    if entry is None or entry.kind not in {"symbol", "code"}:
        return None
    return found.start(1), entry


@lru_cache(maxsize=16_384)
def _may_be_prefix(left: str) -> bool:
    """False if `_PREFIX` cannot match at the end of these seven characters (mostly the end of a common word)."""
    word = left.rstrip(SPACE + ":")
    run = _LAST_RUN.search(word)
    length = len(run.group()) if run is not None else 0
    return bool(word) and (not length or 3 <= length <= 4 or word[-1] in "ɱŁłɃƀք")


def _unit_fits(text: str, literal: str, unit: UnitName, word: str, gap: int, end: int) -> bool:
    if unit.unit == "l" and gap and text[end : end + 1] == " " and text[end + 1 : end + 2].isalpha():
        return not (len(text) <= end + 2 or not text[end + 2].isalpha())  # '5 L S D'
    if word in {"г", "гг"} and gap and literal.isdecimal() and len(literal) == 4 and "1950" <= literal <= "2050":
        return literal == "2000"  # a year: '2020 г.'
    if unit.kind == "weak":
        return literal.isdecimal()
    return not (text[end : end + 1] == "-" and text[end + 1 : end + 2].isalpha() and len(word) == 1 and gap == 0)


def _after(text: str, token: Token, word: str, word_start: int, word_end: int) -> tuple[str, str, int]:
    """What the word after a number says where it is no unit: a currency, a multiplier, or nothing."""
    key = word.casefold()
    if not key.isalpha() and word_start > token.right and text[word_end : word_end + 1].isdecimal():
        return "money", "", 1  # 'order 100 $400': the sign is the next number's
    if text[word_end : word_end + 1] == "$" and (entry := find_currency(word + "$")) is not None:
        token.kind, token.end = "price", word_end + 1
        return "money", entry.currency, 1
    entry = find_currency(word)
    if entry is not None:
        if entry.currency == "BTC" and _BTC_DISCOUNT.match(text, word_end):
            return "money", "", 1
        if word in {"р", "Р"} and text[word_end : word_end + 2][:1] == "-":
            return "money", "", 1
        token.kind, token.end = "price", word_end
        if key == "бел":
            more = _CURRENCY.match(text, word_end)
            if more is None or not more.group(1).casefold().startswith("р"):
                token.kind = "bare"
                return "money", "", 1
            token.end = more.end(1)
        style = "crypto" if entry.currency in CRYPTO else "money"
        return style, entry.currency, entry.multiplier
    if key == "у" and text[word_end : word_end + 2].casefold() == ".е":
        token.kind, token.end = "price", word_end + 2
        return "money", "USD", 1
    multiplier = _MULTIPLIERS.get(key)
    if multiplier is None or (len(key) == 1 and word_start != token.right and key != "т"):
        return "money", "", 1
    more = _CURRENCY.match(text, word_end)
    if more is not None:
        following = more.group(1)
        if (entry := find_currency(following)) is not None and entry.kind != "exact":
            token.kind, token.end = "price", more.end(1)
            return "money", entry.currency, multiplier
        if (unit := find_unit(following)) is not None and key != "т":
            token.kind, token.unit, token.end = "unit", unit, more.end(1)
            return unit_style(unit), "", multiplier
    if key in {"к", "тыс"} and not (more is not None and text[word_end : word_end + 1] in SPACE and key == "тыс"):
        token.kind, token.end = "mult", word_end
        return "money", "", multiplier
    return "money", "", 1
