"""What kind of listing it is: only `offer` counts in price statistics.

Words from `kinds.csv` are weighed by field; a listing that plainly sells a substance needs more to be something else.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from extract.found import Found, FoundSubstance, found
from extract.observation import Kind
from extract.terms import Match, matches
from extract.vocabulary import TABLES, load_vocabulary

FIELD = {"title": 2.0, "category": 2.0, "description": 0.5}
ENOUGH = 2.0
WITH_SUBSTANCE: dict[Kind, float] = {
    Kind.JOB: 4.0, Kind.SERVICE: 6.0, Kind.EQUIPMENT: 4.0, Kind.DOCUMENT: 6.0, Kind.OTHER: 4.0, Kind.SAMPLE: 4.0,
    Kind.LOTTERY: 4.0, Kind.CUSTOM: 4.0, Kind.COMBO: 4.0, Kind.PRECURSOR: 4.0,
}  # fmt: skip
"""Weight that makes a listing with a substance something else than an offer."""
ORDER = (Kind.JOB, Kind.LOTTERY, Kind.CUSTOM, Kind.SAMPLE, Kind.COMBO, Kind.DOCUMENT, Kind.OTHER, Kind.SERVICE,
         Kind.EQUIPMENT, Kind.PRECURSOR)  # fmt: skip
JOINER = frozenset("+&")


class KindFinder:
    """Component: `found(doc).kind`. Runs last."""

    def __init__(self, precursors: frozenset[str]) -> None:
        self._precursors = precursors

    def __call__(self, doc: Doc) -> Doc:
        seen = found(doc)
        weights = self._weights(matches(doc, "kind"))
        amount = self._amount_in_title(seen)
        kind = Kind.OFFER
        for candidate in ORDER:
            weight = weights.get(candidate, 0.0)
            needed = WITH_SUBSTANCE[candidate] if seen.substances else ENOUGH
            if seen.substances and amount and candidate in {Kind.OTHER, Kind.DOCUMENT, Kind.SERVICE, Kind.JOB,
                                                           Kind.EQUIPMENT}:
                needed += 4.0
            if weight >= needed and weight > weights.get(kind, 0.0):
                kind = candidate
        if kind is Kind.OFFER and seen.substances:
            if seen.substances[0].id in self._precursors:
                kind = Kind.PRECURSOR
            elif self._is_combo(doc, seen):
                kind = Kind.COMBO
        seen.kind = kind
        return doc

    @staticmethod
    def _weights(hits: list[Match]) -> dict[Kind, float]:
        weights: dict[Kind, float] = {}
        taken: set[tuple[str, int]] = set()
        for hit in hits:
            tokens = {(hit.term.value, at) for at in range(hit.first, hit.last)}
            if hit.field in FIELD and taken.isdisjoint(tokens):
                taken |= tokens
                kind = Kind(hit.term.value)
                weights[kind] = weights.get(kind, 0.0) + hit.term.weight * FIELD[hit.field]
        return weights

    @staticmethod
    def _amount_in_title(seen: Found) -> bool:
        title = next((one for one in seen.fields if one.name == "title"), None)
        return title is not None and any(one.start < title.end for one in seen.quantities)

    @staticmethod
    def _is_combo(doc: Doc, seen: Found) -> bool:
        """Two substances in the title with nothing but a plus (or `and`) and amounts between them."""
        title = next((one for one in seen.fields if one.name == "title"), None)
        if title is None:
            return False
        named: list[FoundSubstance] = sorted(
            (one for one in seen.substances if one.start < title.end), key=lambda one: one.start
        )
        for left, right in pairwise(named):
            between = doc.text[left.end : right.start].lower()
            if not JOINER.isdisjoint(between) or {"and", "и", "with", "plus", "плюс"} & set(between.split()):
                return True
        return False


@Language.factory("dropline_kind", default_config={"tables": None})
def create_kind(nlp: Language, name: str, tables: str | None) -> KindFinder:
    """`tables`: folder of tables; None: those that come with Dropline."""
    vocabulary = load_vocabulary(Path(tables) if tables else TABLES)
    return KindFinder(frozenset(one.id for one in vocabulary.substances.values() if one.group == "precursors"))
