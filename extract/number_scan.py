"""One scan over a text that finds every number with what stands around it: the shared ground of quantities, prices and
purity (docs/numbers.md says how a number is read and why).

Most numbers *stand alone*: plain digits with at most one mark, at most one word or sign behind them (`0,33 гр`, `500`,
`10x`, `84%`, `2500₽`) or a sign before them (`$40`), and on both sides something that no rule of
`extract.number_context` looks at. Such a number means the same wherever it stands: it is put together from its digits
and its word, each looked up. All others are read where they stand, which takes three times as long.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from extract.number_context import MULTIPLIERS, PREFIX_SIGNS, TIMES, Token, goes_on, read_number
from extract.number_literals import CRYPTO, SIGNS, SPACE, VULGAR, parse_literal, unit_style
from extract.number_tables import UnitName, code_endings, find_currency, find_unit
from extract.quantity_build import build_quantity

_GROUPED = rf"[0-9]{{1,3}}(?:[{SPACE}'’][0-9]{{3}}(?![0-9]))+(?:[.,][0-9]{{1,8}}(?![0-9]|[.,][0-9]))?"
_NUMBER = re.compile(rf"{_GROUPED}|(?:(?<![\w)\].,])[.,])?[0-9]+(?:[.,][0-9]+)*|[{SIGNS}]")
_BEFORE_MARK = re.compile(r"[\w)\].,]")
_PRICED = "$€£₽₸₴"
"""The signs that stand before or behind most prices."""
_LINKED = re.escape("".join(sorted({*TIMES, *PREFIX_SIGNS, *SPACE, *"XХ:"})))
"""What may belong to a number behind a blank. (So may the codes of currencies: `code_endings`.)"""
_SIGHT = re.compile(
    rf"[0-9{SIGNS}{_PRICED}]"  # that it begins with a set makes it ten times as fast
    r"(?:"
    # what stands before the number, or before its sign
    rf"(?:(?<=[0-9])(?:(?<=[^{_LINKED}] [0-9])|(?<=[\n\t(\[{{\"«„“;/+|~=<>!?][0-9])|(?<=\A[0-9])|(?<=\A [0-9]))"
    rf"|(?<=[{_PRICED}])(?:(?<=[ \n(][{_PRICED}])|(?<=\A[{_PRICED}]))[0-9])"
    # the digits, and either a word and what stands behind that, or what stands behind the digits
    r"()[0-9]{0,15}+(?:[.,][0-9]{1,8}+)?+"
    rf"(?:( ?(?:[^\W\d_{SIGNS}]{{1,20}}+|[%{_PRICED}]))(?=[ \n\t.,;:!?()\[\]/+*|=»\"–—]|\Z)"
    r"|(?=[\n\t)\]};:!?|]| (?:[\n(–—|=-]|\Z)|[.,](?:[ \n)]|\Z)|\Z))"
    r")?+"
)
"""The first digit of a number, or a sign; if the number may stand alone, all of it with its sign, an empty group 1, and
its word in group 2."""
_ZIPS = frozenset({"zip", "zips"})
"""Ounces, where no bag follows."""
_YEAR_TAILS = frozenset({" г", " гг"})
_YEAR = re.compile("(?:19|20)[0-9]{2}")
_new = tuple.__new__

_Known = tuple[int, bool, tuple[object, ...]] | None
"""A number that stands alone: its length; whether a code of a currency may stand before it or a word behind it; the
fields of its Token from `lead` on. None: it must be read where it stands."""
_UNSEEN: _Known = 0, False, ()
_known: dict[str, _Known] = {}
_KNOWN = 20_000
"""Ways of writing that are remembered (some 400 bytes each); then all are forgotten."""


class _Sense(NamedTuple):
    """What a word or sign behind a number makes of it, wherever it stands."""

    kind: str
    style: str
    unit: UnitName | None = None
    currency: str = ""
    multiplier: int = 1


_BARE = _Sense("bare", "money")


def scan(text: str) -> list[Token]:
    """Every number of `text` as a Token, in order. Never raises; linear in the length of the text."""
    tokens: list[Token] = []
    position = 0
    used = 0  # end of the last expression: its currency sign is not the next number's
    search, known = _SIGHT.search, _known
    while (sight := search(text, position)) is not None:
        start, end = sight.span()
        if sight.lastindex:
            written = text[start:end]
            found = known.get(written, _UNSEEN)  # one look: another thread may forget all in between
            if found is _UNSEEN:
                found = _learn(written, sight[2])
            if found is not None:
                length, linked, rest = found
                if not linked or not _is_linked(text, start, end, rest[2]):
                    used = start + length
                    tokens.append(_new(Token, (start, used) + rest))  # noqa: RUF005 - faster
                    position = end
                    continue
        if text[start] in _PRICED:
            position = start + 1
            continue
        match = _NUMBER.match(text, _start(text, start, position))
        assert match is not None
        token, position = read_number(text, match, used)
        if token is not None:
            tokens.append(token)
            used = token.end
    return tokens


def _is_linked(text: str, start: int, end: int, kind: object) -> bool:
    """Whether a code stands before a number (`USD 250`), or a currency or a unit behind its multiplier (`2,5к руб`)."""
    return (start > 3 and text[start - 4 : start - 1] in code_endings()) or (kind == "mult" and goes_on(text, end))


def _learn(written: str, tail: str | None) -> _Known:
    """A number that stands alone as `read_number` would read it, kept for the next time."""
    if len(_known) >= _KNOWN:
        _known.clear()
    found = _known[written] = _put_together(written, tail)
    return found


def _put_together(written: str, tail: str | None) -> _Known:
    """From the sign, the digits and the word (`tail`, with its blank)."""
    lead = written[0] in _PRICED
    sense = _BARE if tail is None else _sense_of(tail)
    end = len(written) if tail is None else len(written) - len(tail)
    literal = written[lead:end]
    if sense is None or (lead and sense is not _BARE) or (tail in _YEAR_TAILS and _YEAR.fullmatch(literal)):
        return None
    kind, style, unit, currency, multiplier = sense
    if lead and (entry := find_currency(written[0])) is not None:
        kind, currency = "price", entry.currency
    value = parse_literal(literal, style)
    if value is None:
        return None
    if multiplier != 1:
        value *= multiplier
    if sense is not _BARE:
        end = len(written)
    alone = () if unit is None else build_quantity(value, unit, 0, 0)[:6]
    linked = not lead and kind not in {"unit", "percent"}
    return end, linked, (int(lead), len(literal), kind, value, literal, unit, currency, True, False, False, alone)


@lru_cache(maxsize=4096)
def _sense_of(tail: str) -> _Sense | None:
    """What the word or sign behind a number (with its blank) makes of it; None if that depends on more."""
    word = tail.lstrip(" ")
    key = word.casefold()
    if word == "%":
        return _Sense("percent", "money")
    if key in TIMES:
        return _Sense("times", "count")
    if key in {"k", "к"}:
        return _Sense("mult", "money", multiplier=1000) if word == tail and key == "к" else None
    if key in MULTIPLIERS or key in {"у", "бел"}:
        return None
    unit = find_unit(word)
    if unit is not None:
        here = unit.unit == "l" or unit.kind == "weak" or key in _ZIPS
        return None if here else _Sense("unit", unit_style(unit), unit)
    currency = find_currency(word)
    if currency is not None:
        if currency.currency == "BTC" or currency.multiplier != 1:
            return None
        return _Sense("price", "crypto" if currency.currency in CRYPTO else "money", None, currency.currency)
    return _BARE if word.isalpha() else None


def _start(text: str, digit: int, position: int) -> int:
    """Where the number begins whose first digit is given: a mark before it (`.5`) belongs to it if nothing stands
    before the mark that a mark closes."""
    mark = digit - 1
    if mark < position or text[mark] not in ".," or text[digit] in VULGAR:
        return digit
    return digit if mark and _BEFORE_MARK.match(text, mark - 1) else mark
