"""Amounts in words (`half an ounce`, `пол грамма`, `30 USD/gram`, `QP`, `8 ball`): where they may begin, what they say.

A text is searched by `WORDS` as a whole only where nobody knows its words. The pipeline marks the few words at which a
match can begin, the *hints*; then only what follows a hint is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache

from extract.found import FoundQuantity
from extract.number_context import Token
from extract.number_tables import find_unit, units, unmixed
from extract.quantity_build import build_quantity, unit_named
from extract.quantity_patterns import (
    AMOUNTS,
    CROSSES,
    FOLLOWERS,
    LETTERS,
    LONE_HINTS,
    PARTS,
    STREET,
    WORDS,
)

_JOINTS = frozenset(" -")
_COUNTS = AMOUNTS.keys() - {"one"}
"""Words that a name and the word for its pieces may follow: `ten blue pills`."""
_NEXT = re.compile(r"[^\W\d_]{1,13}")
"""The next word, cut where it is longer than any that a match goes on with."""


def add_words(
    text: str, found: list[FoundQuantity], tokens: list[Token], hints: Sequence[tuple[int, int]] | None
) -> list[FoundQuantity]:
    """`found` and the amounts in words that lie outside of it and of all prices, in order. `hints`: as
    `read_quantities`."""
    matches = list(WORDS.finditer(text)) if hints is None else _follow(text, hints)
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
    if not words:
        return found
    return sorted(_times(text, found, words), key=lambda quantity: quantity.start)


def _times(text: str, found: list[FoundQuantity], words: list[FoundQuantity]) -> list[FoundQuantity]:
    """All of them; `10x QP`, `2 x 8ball` are one amount each."""
    counts = {one.end: one for one in found if one.unit == "unit" and text[one.end - 1] in CROSSES}
    taken: set[int] = set()
    joined: list[FoundQuantity] = []
    for word in words:
        gap = int(text[word.start - 1 : word.start] == " ")
        count = counts.get(word.start - gap)
        if count is None:
            joined.append(word)
            continue
        taken.add(count.start)
        joined.append(
            build_quantity(word.amount, unit_named(word.unit), count.start, word.end, int(count.amount))
        )
    return joined + [one for one in found if one.start not in taken]


def _follow(text: str, hints: Sequence[tuple[int, int]]) -> list[re.Match[str]]:
    """As `WORDS.finditer(text)`, looking only where a match can begin."""
    found: list[re.Match[str]] = []
    free = 0
    for first, last in hints:
        hint = text[first:last]
        if _needs_more(hint):
            if text[last : last + 1] not in _JOINTS:
                continue
            word = _NEXT.match(text, last + 1)
            if word is None or not (_follows(word.group()) or hint.casefold() in _COUNTS):
                continue
            starts: Iterable[int] = (first,)
        else:
            starts = _starts(text, first, last)
        for start in starts:
            if start >= free and (match := WORDS.match(text, start)) is not None:
                found.append(match)
                free = match.end()
    return found


def _starts(text: str, first: int, last: int) -> Iterable[int]:
    """Where a match may begin that the hint at `first`..`last` leads to, which says enough alone: at the word, behind a
    slash, at the digit before a slash or before `ball`."""
    hint = text[first:last]
    if hint == "/":
        return (first - 1, last) if text[first - 1 : first] == "1" else (last,)
    if hint.casefold() == "ball":
        digit = first - 2 if text[first - 1 : first] in _JOINTS else first - 1
        return (digit,) if digit >= 0 and text[digit] == "8" else ()
    return [word.start() for word in LETTERS.finditer(text, first, last)]


@lru_cache(maxsize=4096)
def _needs_more(hint: str) -> bool:
    """Whether this hint begins a match only if a word of `_follows` stands behind it."""
    low = hint.casefold()
    return low.isalpha() and low not in LONE_HINTS


def _follows(word: str) -> bool:
    """Whether a match may go on with this word. A number word may: `two hundred` is no amount, nor its `hundred`."""
    return unmixed(word.casefold()) in _followers()


@lru_cache(maxsize=1)
def _followers() -> frozenset[str]:
    return frozenset(map(unmixed, FOLLOWERS | units().keys()))


def _word(match: re.Match[str]) -> FoundQuantity | None:
    kind = match.lastgroup or ""
    start, end = match.span()
    if kind in {"pieces", "pack"}:
        count = _count(match["amount"])
        return None if count < 2 else build_quantity(count, unit_named("unit"), start, end)
    if kind in {"half_unit", "english_unit", "amount_unit"}:
        unit = find_unit(match[kind])
        amount = Decimal("0.5") if kind == "half_unit" else _count(match[kind[:-5]])
        if unit is None or (kind == "amount_unit" and len(match[kind]) == 1 and not unit.cyrillic):
            return None
        return build_quantity(amount, unit, start, end)
    if kind in {"per_unit", "slash", "of_unit"}:
        unit = find_unit(match[kind])
        if kind == "per_unit" and unit is not None and unit.base_unit == "unit" and match["per"].lower() in {"a", "an"}:
            return None  # 'a piece of', 'a tab'
        return None if unit is None else build_quantity(Decimal(1), unit, match.start(kind), end)
    if kind == "qp":
        return build_quantity(Decimal(1), unit_named("qp"), start, end)
    if kind in STREET:
        amount_text, name = STREET[kind]
        return build_quantity(Decimal(amount_text), unit_named(name), start, end)
    return None


def _count(words: str) -> Decimal:
    """`ten`, `twenty five`, `two hundred`, `half`."""
    first, _, last = words.casefold().replace("-", " ").partition(" ")
    if not last:
        return Decimal((AMOUNTS | PARTS)[first])
    if last == "hundred":
        return 100 * Decimal("1" if first == "a" else AMOUNTS[first])
    return Decimal(AMOUNTS[first]) + Decimal(AMOUNTS[last])
