"""One number and what stands around it: sign or code before it, fraction, unit, currency, `x`, per cent behind it."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from extract.number_literals import CRYPTO, MAX_LENGTH, SPACE, VULGAR, parse_literal, read_fraction, unit_style
from extract.number_tables import CurrencyName, UnitName, find_currency, find_unit

_SPACED = re.compile(rf"[{SPACE}'’]")
_SUFFIX = re.compile(
    rf"(?:\+?[{SPACE}]{{0,2}}|-)(?:Â(?=[$€£]))?(%|â‚¬|[$¢£¥֏฿\u20a0-\u20c0＄﹩×]|[^\W\d_]{{1,20}}(?:['’][^\W\d_]{{1,2}}(?![^\W\d_]))?)"
)
PREFIX_SIGNS = frozenset({*map(chr, range(0x20A0, 0x20C1)), *"$£¥֏฿＄﹩ɱŁłɃƀք¬"})
"""What a currency before a number may end with, but for the letters of a code (`¬` ends a mis-decoded euro)."""
_PREFIX = re.compile(
    rf"((?<![^\W\d_])(?i:USD?|AUD?|AU|A|CAD?|CDN|C|NZ)?\$|â‚¬|[£¥֏฿\u20a0-\u20c0＄﹩ɱŁłɃƀք]|(?<![^\W\d_])[^\W\d_]{{3,4}})"
    rf"[:{SPACE}]{{0,2}}$"
)
_DASHED = re.compile(r",[-–—]{1,2}(?![\w-])|[,.][-–—]{1,2}(?=[$€£]|(?i:eur|chf|fr|kr|sek|nok|dkk|usd)(?:o|os)?(?!\w))")
"""`25,-`, `80,-€`: how prices without cents are written from the Netherlands to Sweden."""
_LAST_RUN = re.compile(r"[^\W\d_]+$")
_CURRENCY = re.compile(rf"[.{SPACE}]{{0,2}}([$€£₽₸₴₾]|р(?:уб\w{{0,3}})?(?!\w)|[^\W\d_]{{2,10}}(?:'m)?)")
MULTIPLIERS = {
    "к": 1000, "k": 1000, "тыс": 1000, "тысяч": 1000, "тысячи": 1000, "тысяча": 1000, "т": 1000, "тыщ": 1000,
    "млн": 1_000_000, "mln": 1_000_000, "million": 1_000_000, "миллион": 1_000_000, "миллиона": 1_000_000,
    "миллионов": 1_000_000, "thousand": 1000,
}  # fmt: skip
LSD = frozenset({"lsd", "лсд"})
"""`LSD-25 tabs` are no 25."""
_ZERO = Decimal(0)
_MINUS = frozenset("-−–")
TIMES = frozenset({"x", "х", "×"})
ZIP_OF = re.compile(
    r"[ -]?(?:lock|bag|pouch|pocket|tie|file|code|hood|up|line|archive|drive|disk|password|folder|jacket|sweat)",
    re.IGNORECASE,
)
"""What makes a `zip` no ounce."""
_POINTS = frozenset(",.")
_BTC_DISCOUNT = re.compile(r"\W{0,3}(?:sale|sal|скидк|discount|off\b|\d{1,2}\s?%)", re.IGNORECASE)


class Token(NamedTuple):
    """A number and what it counts. `kind`: unit, price, percent, times ('10 x'), xn ('x 10'), mult ('2,5к'), bare.

    kind `list` is '1,2,5 г', `none` a date or version.

    `start`..`end` is the whole expression; `clean` is False where the digits hang on a word or a mark that makes them a
    name (`AK-47`, `#123`).
    """

    start: int
    end: int
    lead: int
    """Code points before the digits: those of a currency."""
    width: int
    """Code points of the digits, with their marks and their fraction."""
    kind: str
    value: Decimal
    literal: str
    unit: UnitName | None
    currency: str
    clean: bool
    negative: bool
    fraction: bool
    alone: tuple[object, ...] = ()
    """The first six fields of the FoundQuantity that a number with a unit is by itself, where they are known."""

    @property
    def left(self) -> int:
        """The first digit."""
        return self.start + self.lead

    @property
    def right(self) -> int:
        """The code point behind the digits."""
        return self.start + self.lead + self.width


class _Sense(NamedTuple):
    """What the word behind a number makes of it: a kind, where it ends, and how to read the digits."""

    kind: str
    end: int
    style: str = "money"
    currency: str = ""
    multiplier: int = 1
    unit: UnitName | None = None


def read_number(text: str, match: re.Match[str], used: int) -> tuple[Token | None, int]:
    """The number whose digits are `match`, and where to look for the next one. `used`: end of the expression before,
    whose currency sign is not this number's."""
    start, end = match.span()
    literal = match.group()
    clean, glued, times = _clean_left(text, start)
    if glued and start == used:
        clean, glued = True, False  # '1г2г5г'
    prefix = _prefix(text, start, used)
    if not literal.isdecimal() and _SPACED.search(literal) and (
        (prefix is None and (not clean or glued)) or literal[0] == "0"
    ):
        # 'AK-47 200 руб': the first group is a name's, not the amount's
        return None, start + len(_SPACED.split(literal, 1)[0])
    if len(literal) > MAX_LENGTH:
        return None, end
    fraction, right = read_fraction(text, literal, end)
    dashed = _DASHED.match(text, right) if text[right : right + 1] in _POINTS else None
    suffix = _SUFFIX.match(text, right if dashed is None else dashed.end())
    word = suffix.group(1) if suffix is not None else ""
    word_start, word_end = suffix.span(1) if suffix is not None else (right, right)
    unit = find_unit(word) if word and dashed is None else None
    if fraction is not None and unit is None and literal not in VULGAR:
        fraction, right = None, end
        word, word_start, word_end = "", end, end
    if " " in literal and unit is not None and literal.split(" ")[1] not in {"000", "500"}:
        return None, start + literal.index(" ")  # '5 200mg' is five of 200 mg, '1 454gram' one of 454 g
    if prefix is not None and (word == "%" or (prefix[1].kind != "symbol" and unit is not None)):
        prefix = None
    first, sense = start, _Sense("bare", right)
    if prefix is not None:
        first, clean = prefix[0], True
        sense = _priced(prefix[1].currency, right, word, word_start, word_end)
    elif word == "%":
        sense = _Sense("percent", word_end)
    elif len(word) == 1 and word.casefold() in TIMES:
        sense = _Sense("times", word_end, "count")
    elif unit is not None and _unit_fits(text, literal, unit, word, word_start - right, word_end):
        sense = _Sense("unit", word_end, unit_style(unit), unit=unit)
        if glued and not times:
            clean = (
                word_start == right
                and unit.kind == "mass"
                and start > 1
                and text[start - 2].isalpha()
                and not text[word_end : word_end + 1].isalnum()
            )
        elif not clean and text[start - 1] == "#":  # `#5GR MDMA`
            clean = word_start == right and unit.kind == "mass" and not text[start - 2 : start - 1].isalnum()
        elif not clean and text[start - 1] in "-–":
            clean = literal != "25" or text[max(0, start - 4) : start - 1].lower() not in LSD
    elif word:
        sense = _after(text, right, word, word_start, word_end)
    kind, last, style = sense.kind, sense.end, sense.style
    if dashed is not None and kind == "bare" and clean and not glued:
        kind, last = "mult", dashed.end()
    if times and kind == "bare" and not text[right : right + 1].isalnum():
        kind, style = "xn", "count"
    value = fraction if fraction is not None else parse_literal(literal, style)
    if value is None:
        kind = "list" if kind == "unit" and "," in literal else "none"
        value = _ZERO
    elif sense.multiplier != 1:
        value *= sense.multiplier
    if kind in {"bare", "none"}:
        last, clean = right, clean and not glued
    negative = text[start - 1 : start] in _MINUS and not (start > 1 and text[start - 2].isalnum())
    has_fraction = fraction is not None
    lead, width = start - first, right - start
    token = Token(
        first, last, lead, width, kind, value, literal, sense.unit, sense.currency, clean, negative, has_fraction
    )
    return token, max(last, right)


def _priced(currency: str, right: int, word: str, word_start: int, word_end: int) -> _Sense:
    """A number behind a currency: `$5k`, `$50 AUD`."""
    style = "crypto" if currency in CRYPTO else "money"
    if word.casefold() in {"k", "к"} and word_start == right:
        return _Sense("price", word_end, style, currency, 1000)
    after = find_currency(word) if word.isalpha() else None
    if after is not None and after.kind == "code" and after.currency != "BTC":
        return _Sense("price", word_end, style, after.currency)
    return _Sense("price", right, style, currency)


def _clean_left(text: str, start: int) -> tuple[bool, bool, bool]:
    """(clean, glued, times): nothing before makes the digits part of a name; a letter touches; an `x` stands before."""
    if start == 0:
        return True, False, False
    before = text[start - 1]
    if before in "#№@\\^&" or (before in ".:" and start > 1 and text[start - 2].isalnum() and before == ":"):
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
    if unit.unit == "oz" and word[0] in "zZ" and ZIP_OF.match(text, end):
        return False
    return not (text[end : end + 1] == "-" and text[end + 1 : end + 2].isalpha() and len(word) == 1 and gap == 0)


def goes_on(text: str, end: int) -> bool:
    """Whether a currency or a unit stands behind a multiplier that ends at `end` (`2,5к руб`)."""
    more = _CURRENCY.match(text, end)
    return more is not None and (find_currency(more.group(1)) or find_unit(more.group(1))) is not None


def _after(text: str, right: int, word: str, word_start: int, word_end: int) -> _Sense:
    """What the word after a number says where it is no unit: a currency, a multiplier, or nothing."""
    nothing = _Sense("bare", right)
    key = word.casefold()
    if not key.isalpha() and word_start > right and text[word_end : word_end + 1].isdecimal():
        return nothing  # 'order 100 $400': the sign is the next number's
    if text[word_end : word_end + 1] == "$" and (entry := find_currency(word + "$")) is not None:
        return _Sense("price", word_end + 1, "money", entry.currency)
    entry = find_currency(word)
    if entry is not None:
        if entry.currency == "BTC" and _BTC_DISCOUNT.match(text, word_end):
            return nothing
        if word in {"р", "Р"} and text[word_end : word_end + 1] == "-":
            return nothing
        end = word_end
        if key == "бел":
            more = _CURRENCY.match(text, word_end)
            if more is None or not more.group(1).casefold().startswith("р"):
                return nothing
            end = more.end(1)
        style = "crypto" if entry.currency in CRYPTO else "money"
        return _Sense("price", end, style, entry.currency, entry.multiplier)
    if key == "у" and text[word_end : word_end + 2].casefold() == ".е":
        return _Sense("price", word_end + 2, "money", "USD")
    multiplier = MULTIPLIERS.get(key)
    if multiplier is None or (len(key) == 1 and word_start != right and key != "т"):
        return nothing
    more = _CURRENCY.match(text, word_end)
    if more is not None:
        following = more.group(1)
        if (entry := find_currency(following)) is not None and entry.kind != "exact":
            return _Sense("price", more.end(1), "money", entry.currency, multiplier)
        if (unit := find_unit(following)) is not None and key != "т":
            return _Sense("unit", more.end(1), unit_style(unit), "", multiplier, unit)
    if key in {"к", "тыс"} and not (more is not None and text[word_end : word_end + 1] in SPACE and key == "тыс"):
        return _Sense("mult", word_end, multiplier=multiplier)
    return nothing
