"""What kind of listing it is: only `offer` counts in price statistics.

Words from `kinds.csv` are weighed by field; a listing that plainly sells a substance needs more to be something else.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from extract.components.denial import EVERYDAY
from extract.evidence import states_amount
from extract.found import Found, FoundSubstance, found, in_region
from extract.observation import Kind
from extract.terms import Match, field_at, is_namesake, matches
from extract.vocabulary import TABLES, load_vocabulary

FIELD = {"title": 2.0, "category": 2.0, "description": 0.5}
DESCRIBED = 3.0
"""The most that a description can say for a kind: some are whole catalogues, or words for search engines."""
ENOUGH = 2.0
WITH_SUBSTANCE: dict[Kind, float] = {
    Kind.JOB: 4.0, Kind.SERVICE: 6.0, Kind.EQUIPMENT: 4.0, Kind.DOCUMENT: 6.0, Kind.OTHER: 4.0, Kind.SAMPLE: 4.0,
    Kind.LOTTERY: 4.0, Kind.CUSTOM: 4.0, Kind.COMBO: 4.0, Kind.PRECURSOR: 4.0,
}  # fmt: skip
"""Weight that makes a listing with a substance something else than an offer."""
ORDER = (Kind.JOB, Kind.LOTTERY, Kind.CUSTOM, Kind.SAMPLE, Kind.COMBO, Kind.DOCUMENT, Kind.OTHER, Kind.SERVICE,
         Kind.EQUIPMENT, Kind.PRECURSOR)  # fmt: skip
JOINER = frozenset("+&")
GIFT_NEAR = 14
"""Code points between a substance and the word that makes it a gift."""
NOT_TELLING = frozenset({"shipping", "colour", "скорость", "снег", "fraud", "places"})
"""Notes of harmless phrases that say nothing of what is sold: `fast speed shipping`."""
HARMLESS_JOB = frozenset({Kind.JOB, Kind.SAMPLE, Kind.COMBO, Kind.LOTTERY})
"""Kinds whose words mean something else inside a harmless phrase: `план работ`, `высшая проба`, `комплект колес`."""
MISFILED = frozenset({Kind.OTHER, Kind.DOCUMENT, Kind.SERVICE, Kind.EQUIPMENT})
SITE_FIELDS = frozenset({"price", "quantity", "category"})
UNLIKE_AMOUNTS = frozenset({Kind.OTHER, Kind.DOCUMENT, Kind.SERVICE, Kind.JOB, Kind.EQUIPMENT})
"""Kinds that a substance with an amount in the title hardly is."""
VAGUE = frozenset({Kind.SAMPLE, Kind.COMBO, Kind.LOTTERY, Kind.CUSTOM})
"""Kinds that an everyday thing can be as well: they need a substance, or no word of everyday things."""


class KindFinder:
    """Component: `found(doc).kind`. Runs last."""

    def __init__(self, precursors: frozenset[str]) -> None:
        self._precursors = precursors

    def __call__(self, doc: Doc) -> Doc:
        seen = found(doc)
        harmless = matches(doc, "false")
        named = any(field_at(seen.fields, one.start) != "category" for one in seen.substances)
        everyday = not seen.substances and self._everyday(doc, harmless)
        kind = Kind.OFFER
        hits = matches(doc, "kind")
        if seen.stash and seen.substances:  # `меф магнит Уфа` sells no magnets
            hits = [hit for hit in hits if not any(one.start <= hit.start < one.end for one in seen.stash)]
        if hits:
            inside = {at for hit in harmless for at in range(hit.first, hit.last)}
            kind = self._heaviest(seen, self._weights(hits, inside), named=named, everyday=everyday)
        if kind is Kind.OFFER and seen.substances:
            if seen.substances[0].id in self._precursors:
                kind = Kind.PRECURSOR
            elif len(seen.substances) > 1 and self._is_combo(doc, seen):
                kind = Kind.COMBO
        elif kind is Kind.OFFER and (everyday or not self._says_drug(doc, seen)):
            kind = Kind.OTHER
        seen.kind = kind
        if kind in MISFILED and (not named or (self._in_title(seen) and not states_amount(seen))):
            seen.substances = []  # an account among the drugs: its category is a mistake; a course on a drug is none
        return doc

    def _heaviest(self, seen: Found, weights: dict[Kind, float], *, named: bool, everyday: bool) -> Kind:
        """The kind that the words say most of, if they say enough of it; else an offer."""
        amount = named and states_amount(seen)
        kind = Kind.OFFER
        for candidate in ORDER:
            weight = weights.get(candidate, 0.0)
            if everyday and candidate in VAGUE:
                continue
            needed = WITH_SUBSTANCE[candidate] if named else ENOUGH
            if amount and candidate in UNLIKE_AMOUNTS:
                needed += 4.0
            if weight >= needed and weight > weights.get(kind, 0.0):
                kind = candidate
        return kind

    @staticmethod
    def _everyday(doc: Doc, harmless: list[Match]) -> bool:
        """The title of a listing without substances speaks of everyday things, or of a substance only to deny it."""
        if any(hit.field == "title" and hit.term.strength not in NOT_TELLING for hit in harmless):
            return True
        cues = [hit.term.value for hit in matches(doc, "cue") if hit.field == "title" and not in_region(doc, hit.start)]
        if not EVERYDAY.isdisjoint(cues) and "drug" not in cues:
            return True
        return any(hit.field == "title" and hit.term.strength == "strong" for hit in matches(doc, "substance"))

    @staticmethod
    def _says_drug(doc: Doc, seen: Found) -> bool:
        """Anything at all that a drug listing would say: an amount, a price, a hiding type, a form, a term shaped like
        a new substance, a category, a word such listings use."""
        if seen.quantities or seen.prices or seen.stash or seen.form or seen.unknown_terms:
            return True
        if any(not is_namesake(hit) for hit in matches(doc, "substance")):
            return True
        if any(one.name in SITE_FIELDS for one in seen.fields):
            return True
        return any(hit.term.value == "drug" for hit in matches(doc, "cue"))

    @staticmethod
    def _weights(hits: list[Match], harmless: set[int]) -> dict[Kind, float]:
        weights: dict[Kind, float] = {}
        described: dict[Kind, float] = {}
        taken: set[tuple[str, int]] = set()
        for hit in hits:
            tokens = {(hit.term.value, at) for at in range(hit.first, hit.last)}
            if hit.field in FIELD and taken.isdisjoint(tokens):
                kind = Kind(hit.term.value)
                if kind in HARMLESS_JOB and hit.first in harmless:
                    continue
                taken |= tokens
                of = described if hit.field == "description" else weights
                of[kind] = of.get(kind, 0.0) + hit.term.weight * FIELD[hit.field]
        for kind, weight in described.items():
            weights[kind] = weights.get(kind, 0.0) + min(weight, DESCRIBED)
        return weights

    @staticmethod
    def _in_title(seen: Found) -> bool:
        title = next((one for one in seen.fields if one.name == "title"), None)
        return title is not None and any(one.start < title.end for one in seen.substances)

    @staticmethod
    def _is_combo(doc: Doc, seen: Found) -> bool:
        """Two substances in the title with nothing but a plus (or `and`) and amounts between them."""
        title = next((one for one in seen.fields if one.name == "title"), None)
        if title is None:
            return False
        named: list[FoundSubstance] = sorted(
            (one for one in seen.substances if one.start < title.end), key=lambda one: one.start
        )
        gifts = [cue for cue in matches(doc, "cue") if cue.term.value == "gift" and cue.field == "title"]
        named = [
            one for one in named
            if not any(0 <= one.start - cue.end <= GIFT_NEAR or 0 <= cue.start - one.end <= GIFT_NEAR for cue in gifts)
        ]  # what is given away makes no combination
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
