"""From scanned numbers to prices: currency before or after, `2,5к`, 'from', ranges that share a currency, tiers."""

from __future__ import annotations

import re
from functools import lru_cache

from extract.found import FoundPrice
from extract.number_context import Token
from extract.number_literals import CRYPTO, parse_literal, tidy

_MINIMUM = re.compile(
    r"(?<!\w)(?:от|from|starting(?: at| from)?|starts? (?:at|@|from)|минимум|min\.?|более|over)[\s:]{0,2}(?:@ ?)?$",
    re.IGNORECASE,
)
_MINIMUM_ENDS = frozenset({"от", "om", "ng", "at", "ум", "in", "n.", "ее", "er"})
"""What a match of `_MINIMUM` ends with, without the blanks behind it, in lower case; or with one of `_AT`."""
_AT = frozenset("@:")
_RANGE = re.compile(r"[ \u00a0]?(?:[-–—/]|до|to|\.\.\.?)[ \u00a0]?$", re.IGNORECASE)
_SPREAD = 20
"""Amounts that share a currency are of one order: in `0.3 - 1500 р` the first is none."""
_new = tuple.__new__
_UNPRICED = frozenset({"bare", "mult"})
_TIER = re.compile(r"[.\s]{0,2}(?:[-–—=:>]|за|for)[ \u00a0]?$", re.IGNORECASE)
_SPACED_TIER = re.compile(r"\.?[ \u00a0]{1,2}$")
_EURO_LETTER = re.compile(r"[eE](?!\w)")
"""`5g 20e`: short for euro in Finland, France and Spain, behind an amount."""
_CYRILLIC = re.compile(r"[а-яё]", re.IGNORECASE)


def read_prices(
    text: str, tokens: list[Token], *, default_currency: str | None = None, bare: bool = False
) -> list[FoundPrice]:
    """The prices of one field, in order. `default_currency` is taken where a price is certain but its currency is not
    written (`2,5к`, tiers); with `bare`, for any lone number as well (the field is known to be a price)."""
    found: list[FoundPrice] = []
    before: Token | None = None
    for index, token in enumerate(tokens):
        kind = token.kind
        if kind == "price":
            if before is not None and before.kind in _UNPRICED:
                found.extend(_shared(text, tokens, index))
            found.append(_price(text, token, token.currency))
        elif kind == "mult":
            if token.clean and (currency := _currency_of(text, found, default_currency)):
                found.append(_price(text, token, currency))
        elif (
            kind == "bare"
            and before is not None
            and before.kind == "unit"
            and token.clean
            and not token.negative
            and (currency := _tier_currency(text, tokens, index, found, default_currency))
        ):
            found.append(_price(text, token, currency))
        before = token
    if bare and not found and default_currency is not None:
        found.extend(
            _price(text, token, default_currency)
            for token in tokens
            if token.kind in {"bare", "mult"} and token.clean and not token.negative
        )
    return found


def _price(text: str, token: Token, currency: str) -> FoundPrice:
    value, start = token.value, token.start
    left = text[start - 6 : start] if start > 6 else text[:start]
    minimum = _may_be_minimum(left) and _MINIMUM.search(text, max(0, start - 20), start) is not None
    if currency in CRYPTO and token.kind == "bare" and not token.fraction:
        value = parse_literal(token.literal, "crypto") or value
    return _new(FoundPrice, (tidy(value), currency, minimum, start, token.end))


def _may_be_minimum(left: str) -> bool:
    """False if `_MINIMUM` cannot match at the end of these six code points."""
    word = left.rstrip()
    return word[-1:] in _AT or word[-2:].lower() in _MINIMUM_ENDS


def _shared(text: str, tokens: list[Token], index: int) -> list[FoundPrice]:
    """`500-1000 руб`, `от 500 до 1000 руб`, `2500/4500/6500р`: amounts that have the currency of the last."""
    last = right = tokens[index]
    shared: list[FoundPrice] = []
    for left in reversed(tokens[max(0, index - 6) : index]):
        if left.kind not in _UNPRICED or not left.clean or not 0 < left.value < right.value:
            break
        if left.value * _SPREAD < right.value or _RANGE.fullmatch(text, left.end, right.start) is None:
            break
        shared.append(_price(text, left, last.currency))
        right = left
    return shared[::-1]


def _currency_of(text: str, found: list[FoundPrice], default: str | None) -> str:
    """The currency for an amount that is surely money: the one the text uses, the given one, roubles in Russian."""
    if found:
        return found[-1].currency
    return default or ("RUB" if _is_russian(text) else "")


@lru_cache(maxsize=1)
def _is_russian(text: str) -> bool:
    """Asked for each tier of one text: remembered, so that a text of nothing but tiers is not read again and again."""
    return _CYRILLIC.search(text) is not None


def _tier_currency(text: str, tokens: list[Token], index: int, found: list[FoundPrice], default: str | None) -> str:
    """`1г - 1500, 2г - 2800`: an amount behind a quantity and a dash is its price, if this happens at least twice or
    another price of the text has a currency."""
    if _EURO_LETTER.match(text, tokens[index].end):
        return "EUR"
    if not _is_tier(text, tokens, index):
        return ""
    others = sum(_is_tier(text, tokens, other) for other in range(max(1, index - 6), min(len(tokens), index + 7)))
    if others >= 2:
        return _currency_of(text, found, default)
    return found[-1].currency if found else ""


def _is_tier(text: str, tokens: list[Token], index: int) -> bool:
    token, before = tokens[index], tokens[index - 1]
    if before.kind != "unit" or token.kind != "bare" or not token.clean:
        return False
    if _TIER.fullmatch(text, before.end, token.start) is not None:
        return token.value >= 10 or 0 < token.value < 1 or token.value != token.value.to_integral_value()
    year = len(token.literal) == 4 and "1990" <= token.literal <= "2035"
    return token.value >= 100 and not year and _SPACED_TIER.fullmatch(text, before.end, token.start) is not None
