"""What a title says beside its names: words that no table knows from drug listings, and food in the packs of shops."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence, Set
from operator import itemgetter

from spacy.tokens import Doc

from extract.found import FoundQuantity, found
from extract.marks import listing
from extract.terms import Match, matches

CALLED_AFTER = frozenset({"namesake", "press", "print"})
"""Types of names that are those of everyday things: strains, tablets' stamps, blotters' prints."""
FOODS = frozenset({
    "cheese", "cookies", "cookie", "cake", "pie", "gelato", "sherbet", "sherbert", "muffin", "cream", "butter", "mint",
    "mints", "blueberry", "strawberry", "blackberry", "raspberry", "banana", "mango", "papaya", "pineapple", "melon",
    "watermelon", "guava", "grape", "cherry", "lemonade", "punch", "milk", "biscotti", "fritter", "pancakes", "candy",
    "cereal", "сыр", "чиз", "черника", "голубика",
})  # fmt: skip
OUNCES_OF_HERB = frozenset({8, 10, 16, 32})
SHOP_PACK_G = (125, 1000)
"""Least and most that a shop packs food in; who sells so much herb says that it is herb."""
LETTERS = 4
"""Of the shortest stranger."""
_WORD = re.compile(r"[^\W\d_]+")
_NEXT_WORD = re.compile(r" [^\W\d_]+")
_QUOTED = re.compile(r"[\"“](?=[^\"“”\n ]++ )[^\"“”\n]*+[\"”]")
"""More than one word in quotes."""


class Strangers:
    """Words of four letters and more in the title of one Doc that no table knows from drug listings, but for those in
    quotes (`Lush Kush "great mix"`). `words`: those of drug listings."""

    def __init__(self, doc: Doc, words: Set[str]) -> None:
        self._doc, self._words = doc, words
        self._outside = self._inside = 0
        """Strangers outside the names that are called after everyday things, and inside them."""
        self._count()

    @property
    def all(self) -> int:
        return self._outside + self._inside

    def beside(self, hit: Match) -> int:
        """Those beside a name. To other drugs than cannabis the words that strains, stamps and prints are called after
        (`ice cream`) are strangers."""
        ours = hit.term.value.startswith("cannabis") or hit.term.type in CALLED_AFTER
        return self._outside if ours else self._outside + self._inside

    def follow(self, hit: Match) -> bool:
        """`Horse fly`, `Speed clay`: the next word is one that no table knows from drug listings."""
        word = _NEXT_WORD.match(self._doc.text, hit.end)
        return word is not None and listing(self._doc).norm(hit.last) not in self._words

    def _count(self) -> None:
        seen, text = found(self._doc), self._doc.text
        title = next(one for one in seen.fields if one.name == "title")
        begins = {one.start for one in seen.regions}
        # a unit or a currency, or a place
        known = sorted((one.start, one.end) for group in (seen.quantities, seen.prices, seen.regions) for one in group)
        quoted = [match.span() for match in _QUOTED.finditer(text, title.start, title.end)]
        named: set[int] = set()
        called: set[int] = set()
        for hit in matches(self._doc, "substance"):
            (called if hit.term.type in CALLED_AFTER else named).update(range(hit.first, hit.last))
        doc = listing(self._doc)
        for token in range(doc.count):
            start, end = doc.starts[token], doc.end(token)
            if start >= title.end:
                break
            if start < title.start or end - start < LETTERS or not text[start:end].isalpha():
                continue
            if token in named or doc.norm(token) in self._words:
                continue
            # nor is the town that brackets explain: `Железногорск (Курская обл.)`
            if text[end : end + 2] == " (" and end + 2 in begins:
                continue
            if _is_within(known, start) or _is_within(quoted, start):
                continue
            if token in called:
                self._inside += 1
            else:
                self._outside += 1


def _is_within(spans: Sequence[tuple[int, int]], at: int) -> bool:
    """`spans`: in order, none in another."""
    last = bisect_right(spans, at, key=itemgetter(0)) - 1
    return last >= 0 and at < spans[last][1]


def are_groceries(doc: Doc, hits: Sequence[Match]) -> bool:
    """`Blue cheese 200 g`: nothing but strains named after food, in the amounts that a shop packs food in."""
    quantities = found(doc).quantities
    if not quantities or any(not _is_shop_pack(one) for one in quantities):
        return False
    return all(
        hit.term.type == "strain" and not FOODS.isdisjoint(_WORD.findall(doc.text[hit.start : hit.end].lower()))
        for hit in hits
    )


def _is_shop_pack(one: FoundQuantity) -> bool:
    low, high = SHOP_PACK_G
    if one.unit == "oz":
        return one.amount not in OUNCES_OF_HERB and low <= one.base_amount <= high
    return one.unit in {"g", "kg"} and low <= one.base_amount <= high and not one.base_amount % 5
