"""Digits with marks, and what they are worth:

- spaces, NBSP, thin spaces and apostrophes between groups of three digits are grouping: `2 500`, `1'000`;
- with both `.` and `,` the last one is the decimal mark: `1,106.71`, `1.106,71`;
- a mark that repeats is grouping if all later groups have three digits; otherwise it is no number (a date, a version);
- one mark with exactly three digits after it is grouping (`2.500 руб`) unless the part before is 0 or has over three
  digits. Crypto-currencies and weights overrule that: `1.125 BTC`, `1.125 g`, `1,125 г` are decimals.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from extract.number_tables import UnitName

SPACE = " \u00a0\u2009\u202f"
MAX_LENGTH = 24
"""Longer runs of digits are keys, hashes or noise, never amounts."""
VULGAR = {
    "½": Decimal("0.5"), "¼": Decimal("0.25"), "¾": Decimal("0.75"), "⅛": Decimal("0.125"), "⅜": Decimal("0.375"),
    "⅝": Decimal("0.625"), "⅞": Decimal("0.875"), "⅕": Decimal("0.2"), "⅒": Decimal("0.1"),
}  # fmt: skip
SIGNS = "".join(VULGAR)
CRYPTO = frozenset({"BTC", "XMR", "LTC"})
_FRACTIONS = frozenset({"1/2", "1/3", "1/4", "1/5", "1/8", "1/10", "1/16", "2/3", "3/4", "3/8", "5/8", "7/8"})
_FRACTION = re.compile(rf"/[0-9]{{1,2}}(?![0-9]|[/.,][0-9])|[{SIGNS}]|[ -][0-9]/[0-9]{{1,2}}(?![0-9/])")


@lru_cache(maxsize=16_384)
def tidy(value: Decimal) -> Decimal:
    """Without trailing zeros or exponent."""
    return Decimal(int(value)) if value == value.to_integral_value() else value.normalize()


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
    """How digits before this unit are to be read (`parse_literal`)."""
    if unit.kind in {"count", "weak"}:
        return "count"
    if unit.factor > 1:
        return "big"
    return "mass-ru" if unit.cyrillic else "mass"


def read_fraction(text: str, literal: str, end: int) -> tuple[Decimal | None, int]:
    """The value and the end of a fraction that `literal`, which ends at `end`, is or begins: `½`, `1½`, `1 1/2`, `1/8`.
    (None, `end`) if there is none."""
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
