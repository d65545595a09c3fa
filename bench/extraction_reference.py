"""The two plain spaCy pipelines by which the design set its aims, for `extraction_speed.py`: what they take on the same
texts says what the anchor's share means on this machine.

`plain`: spaCy's own tokenizer of `xx`, a PhraseMatcher over the anchor's terms, and a Matcher with REGEX and IN
predicates for quantities, prices and origins (0.055 of the anchor where the aims were measured). `lean`: a tokenizer
with short affix rules, the same PhraseMatcher, and a Matcher on flags of the vocab for quantities and prices (0.14
there). Neither knows disguise, sense, denial, tiers, doses or the roles of places.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import spacy
from spacy.language import Language
from spacy.matcher import Matcher, PhraseMatcher
from spacy.tokenizer import Tokenizer

MEASURED = {"plain": 0.055, "lean": 0.14}
"""Shares of the anchor where the aims were set."""
_UNITS = frozenset("г гр грамм g gram mg ml kg шт pcs %".split())
_MONEY = frozenset("руб р ₽ $ € eur usd".split())
_NUMBER = re.compile(r"^\d+(?:[.,]\d+)?$")
_PREFIX = re.compile(r"^[^\w\s]|^\d+(?:[.,]\d+)?(?=[^\W\d])")
_SUFFIX = re.compile(r"[^\w\s]$")
_INFIX = re.compile(r"[/+,;:()\[\]]")


class Reference:
    """One of the two pipelines, with vocab of its own."""

    def __init__(self, name: str, terms: Sequence[str]) -> None:
        self.nlp: Language = spacy.blank("xx")
        if name == "lean":
            self.nlp.tokenizer = Tokenizer(
                self.nlp.vocab, rules={}, prefix_search=_PREFIX.search, suffix_search=_SUFFIX.search,
                infix_finditer=_INFIX.finditer)
        self.phrases = PhraseMatcher(self.nlp.vocab, attr="LOWER")
        self.phrases.add("term", [self.nlp.make_doc(term) for term in terms])
        self.patterns = Matcher(self.nlp.vocab, validate=False)
        rules = self._flags() if name == "lean" else self._predicates()
        for place, rule in enumerate(rules):
            self.patterns.add(str(place), [rule])

    def _flags(self) -> list[list[dict[Any, Any]]]:
        add = self.nlp.vocab.add_flag
        number = {add(lambda text: _NUMBER.match(text) is not None): True}
        unit, money = {add(lambda text: text.lower() in _UNITS): True}, {add(lambda text: text.lower() in _MONEY): True}
        return [[number, unit], [number, money], [money, number]]

    @staticmethod
    def _predicates() -> list[list[dict[Any, Any]]]:
        number = {"TEXT": {"REGEX": _NUMBER.pattern}}
        unit, money = {"LOWER": {"IN": sorted(_UNITS)}}, {"LOWER": {"IN": sorted(_MONEY)}}
        glued = {"TEXT": {"REGEX": r"^\d+(?:[.,]\d+)?(г|гр|g|mg|ml|kg|шт)$"}}
        origin = [{"LOWER": {"IN": ["from", "to", "из", "в"]}}, {"TEXT": {"REGEX": r"^[A-ZА-Я]\w+"}}]
        return [[number, unit], [glued], [number, money], [money, number], origin]

    def time(self, texts: Sequence[str]) -> float:
        """CPU seconds."""
        start = time.process_time()
        for text in texts:
            doc = self.nlp.make_doc(text)
            self.phrases(doc)
            self.patterns(doc)
        return time.process_time() - start
