"""Candidates of the trained component (`extract.trained`): spans that look like the name of a drug, in listings where
the tables name none. Off by default; they go to review, and never decide a substance, a kind or a quantity.

It learnt from English texts, so that words with Cyrillic letters are left to the rules of `unknown.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from extract.components.unknown import COMMON, MOST, READ
from extract.found import FieldSpan, Found, FoundTerm, found
from extract.observation import Kind
from extract.terms import matches
from extract.trained.model import load_trained
from extract.vocabulary import TABLES, load_vocabulary

RULE = "trained"
LONGEST_TEXT = 2_000
"""Code points read of a field: the network reads some 600 short texts a second."""
LONGEST_TERM = 40
KINDS = frozenset({Kind.OFFER, Kind.SAMPLE, Kind.COMBO, Kind.LOTTERY})
_LATIN_WORD = re.compile(r"(?=.*[a-z]{2})[a-z0-9][a-z0-9 ,'’-]*[a-z0-9]")
_FORMS = (
    "pills?|tab(?:let)?s?|caps?(?:ules?)?|crystals?|powder|blotters?|patch(?:es)?|strips?|vials?|paste|liquid|drops|bars|lollipops?"
)
_AMOUNT_BEFORE = re.compile(r"(?:x ?)?\d+(?:[.,]\d+)?(?: ?(?:x|mc?g|g|gr|grams?|kg|ml|oz|pcs)\b[ -]+| +)|of +")
_AMOUNT_BEHIND = re.compile(rf"[ -]+(?:x? ?\d+(?:[.,]\d+)? ?(?:x|mc?g|g|gr|grams?|kg|ml|oz|pcs)?|{_FORMS})$")


class TrainedTerms:
    """Component, the last of the pipeline: adds to `found(doc).unknown_terms` with the rule `trained`."""

    def __init__(self, words: frozenset[str] = frozenset()) -> None:
        self._nlp = load_trained()
        self._words = words

    def __call__(self, doc: Doc) -> Doc:
        seen = found(doc)
        if not seen.substances and seen.kind in KINDS and len(seen.unknown_terms) < MOST:
            seen.unknown_terms += self._propose(doc, seen)[: MOST - len(seen.unknown_terms)]
        return doc

    def _propose(self, doc: Doc, seen: Found) -> list[FoundTerm]:
        """What the network marks and no table knows, each name once, in the order of the text."""
        taken = [(one.start, one.end) for one in seen.unknown_terms]
        taken += [(hit.start, hit.end) for kind in ("false", "substance") for hit in matches(doc, kind)]
        names = {one.term for one in seen.unknown_terms}
        terms = []
        for field in seen.fields:
            if field.name not in READ:
                continue
            for start, end in self._spans(doc, field):
                term = doc.text[start:end].lower()
                if term in names or self._is_known(term) or any(left < end and start < right for left, right in taken):
                    continue
                names.add(term)
                terms.append(FoundTerm(term, start, end, RULE))
        return terms

    def _spans(self, doc: Doc, field: FieldSpan) -> list[tuple[int, int]]:
        """Spans in code points of the Doc, amounts at either end cut off."""
        text = doc.text[field.start : min(field.end, field.start + LONGEST_TEXT)]
        with self._nlp.memory_zone():  # without it each new word would stay for good
            marked = [(one.start_char, one.end_char) for one in self._nlp(text).ents]
        spans = []
        for first, last in marked:
            name = text[first:last].lower()
            if len(name) != last - first:  # a letter that grows in lower case would shift the offsets
                continue
            start, end = _trim(name)
            if end - start <= LONGEST_TERM and _LATIN_WORD.fullmatch(name[start:end]):
                spans.append((field.start + first + start, field.start + first + end))
        return spans

    def _is_known(self, term: str) -> bool:
        """Every word stands in a table, or is one of every listing."""
        return all(word in self._words or word in COMMON or word.isdigit() for word in re.split(r"[ -]+", term))


def _trim(name: str) -> tuple[int, int]:
    """Where the name stands without the amounts and the forms at its ends: `5g xyz pills` -> `xyz`."""
    start, end = 0, len(name)
    while (lead := _AMOUNT_BEFORE.match(name, start, end)) is not None:
        start = lead.end()
    while (tail := _AMOUNT_BEHIND.search(name, start, end)) is not None:
        end = tail.start()
    return start, end


@Language.factory("dropline_trained", default_config={"tables": None})
def create_trained(nlp: Language, name: str, tables: str | None) -> TrainedTerms:
    """`tables`: folder of tables; None: those that come with Dropline. Raises UsageError: the weights are missing."""
    return TrainedTerms(frozenset(load_vocabulary(Path(tables) if tables else TABLES).words))
