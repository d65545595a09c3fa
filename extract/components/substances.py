"""Which substances a listing is about, the main one first.

Evidence is weighed, not merely matched: title over description over category, listed names over words that have a
harmless sense too, what is sold over what is negated, compared with, or given away. Strain names say cannabis; whether
herb, resin or concentrate is said by the other words.
"""

from __future__ import annotations

import re
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from extract.components.denial import Denial
from extract.components.spaced import SpacedNames
from extract.evidence import mark_lone_doses, near_amount, plausible_amount
from extract.found import FoundSubstance, found
from extract.terms import Match, matches
from extract.vocabulary import TABLES, Vocabulary, load_vocabulary

READ = frozenset({"title", "description", "category"})
FIELD_WEIGHT = {"title": 100.0, "description": 50.0, "category": 10.0}
CANNABIS = ("cannabis-resin", "cannabis-concentrate", "cannabis-edible", "cannabis-seeds", "cannabis-herb")
_PERCENT = re.compile(r"[\s:=~\-–<>]{0,4}\d[\d.,\-]*\s?%")
EMOJI = "zxx"
JOINERS = frozenset({"+", "&", "and", "и", "/", "|", "plus", "плюс", "or", "или", "та", ","})
STRANGERS, STRANGERS_NEAR = 2, 3
"""So many unknown words in a title make a by-word harmless: far from an amount, and right beside one."""
JOIN_REACH = 6
"""Tokens between two names that a joiner can join: room for an amount."""


class SubstanceFinder:
    """Component: `found(doc).substances`."""

    def __init__(self, nlp: Language, vocabulary: Vocabulary) -> None:
        self._spaced = SpacedNames(nlp, vocabulary)
        self._fillers = frozenset(vocabulary.fillers)
        self._groups = {one.id: one.group for one in vocabulary.substances.values()}
        self._words = vocabulary.words

    def __call__(self, doc: Doc) -> Doc:
        seen = found(doc)
        hits = [hit for hit in self._standing(doc) if hit.field in READ]
        hits += [hit for hit in self._spaced.find(doc, hits) if hit.field in READ]
        if hits:
            hits.sort(key=lambda hit: hit.start)
            denial = Denial(doc, self._fillers)
            hits = [hit for hit in hits if not denial.denies(hit, hits)]
            hits = self._believed(doc, hits)
            seen.substances = self._weigh(doc, self._merge_cannabis(hits), denial)
            if seen.substances and seen.quantities:
                main = seen.substances[0].id
                mark_lone_doses(doc, main, self._groups[main])
        return doc

    @staticmethod
    def _standing(doc: Doc) -> list[Match]:
        """Names not inside a longer name or a harmless phrase."""
        names, harmless = matches(doc, "substance"), matches(doc, "false")
        if not names:
            return []
        both = [*harmless, *names]
        both.sort(key=lambda hit: (hit.first - hit.last, hit.first))
        taken: set[int] = set()
        kept = []
        for hit in both:
            tokens = range(hit.first, hit.last)
            if taken.isdisjoint(tokens):
                taken.update(tokens)
                if hit.term.category == "substance":
                    kept.append(hit)
        return kept

    @staticmethod
    def _is_content(doc: Doc, hit: Match) -> bool:
        """`CBD 1,6 %` is a property of the cannabis sold, not a product."""
        return hit.term.value == "cbd" and _PERCENT.match(doc.text, hit.end) is not None

    def _believed(self, doc: Doc, hits: list[Match]) -> list[Match]:
        """Strong names, and weak ones beside enough other evidence. Where the title names something, the description
        adds only what it gives an amount of."""
        hits = [hit for hit in hits if not self._is_content(doc, hit)]
        if any(hit.term.lang != EMOJI for hit in hits):
            hits = [hit for hit in hits if hit.term.lang != EMOJI]
        strong = {hit.term.value for hit in hits if hit.term.strength == "strong"}
        in_title = {hit.term.value for hit in hits if hit.field == "title" and hit.term.strength != "weak"}
        category = {hit.term.value for hit in hits if hit.field == "category"}
        named_below = (hit for hit in hits if hit.field == "description" and hit.term.strength == "strong")
        first = next((hit.term.value for hit in named_below), "")
        classes = sum(hit.term.strength == "class" for hit in hits)
        kept: list[Match] = []
        for hit in hits:
            ours = hit.term.value in strong or hit.term.value in category or self._related(hit, strong | category)
            if hit.term.strength == "strong":
                good = hit.field != "description" or hit.term.value in (in_title or {first}) or near_amount(doc, hit)
                good = good or (not in_title and any(self._joined(doc, hit, other) for other in kept))
            elif hit.term.strength == "class":
                good = hit.field == "title" or not in_title
                others = any(not value.startswith("cannabis") for value in strong)
                sold = classes > 1 or self._sold(doc, hit) or self._alone(doc, hit)
                good = good and (ours or (not others and sold))
            else:
                good = self._weak(doc, hit, hits, ours=ours)
            if good:
                kept.append(hit)
        if any(hit.field != "category" for hit in kept):
            return [hit for hit in kept if hit.field != "category"]
        return kept

    def _weak(self, doc: Doc, hit: Match, hits: list[Match], *, ours: bool) -> bool:
        if hit.field == "category":
            return False
        beside_it = {other.term.value for other in hits if other.field == hit.field and other.start != hit.start}
        if ours or self._related(hit, beside_it):
            return True  # two words of one plant prop each other up: `hybrid, feminised`, `OG Kush wax`
        beside = [
            other for other in hits
            if other is not hit and other.field == hit.field and other.term.strength != "weak"
        ]
        if beside:
            return hit.field == "title" and any(self._joined(doc, hit, other) for other in beside)
        if hit.field == "description":
            named = any(other.field == "title" or other.term.strength != "weak" for other in hits)
            return not named and near_amount(doc, hit) and self._sold(doc, hit)
        if any(other.field == "description" and other.term.strength == "strong" for other in hits):
            return False
        return self._alone(doc, hit) or self._sold(doc, hit)

    @staticmethod
    def _joined(doc: Doc, left: Match, right: Match) -> bool:
        """`MDMA + speed`: nothing but a joiner (and amounts) between them."""
        if left.first > right.first:
            left, right = right, left
        if left.first < 0 or right.first - left.last > JOIN_REACH:
            return False
        return any(doc[at].text.lower() in JOINERS for at in range(left.last, right.first))

    @staticmethod
    def _related(hit: Match, others: set[str]) -> bool:
        return hit.term.value.startswith("cannabis") and any(value.startswith("cannabis") for value in others)

    @staticmethod
    def _alone(doc: Doc, hit: Match) -> bool:
        """The field is little more than this word."""
        span = next(one for one in found(doc).fields if one.name == hit.field)
        rest = doc.text[span.start : hit.start] + doc.text[hit.end : span.end]
        return not any(letter.isalpha() for letter in rest)

    def _sold(self, doc: Doc, hit: Match) -> bool:
        """Something says that this is a drug listing: the words such listings use, or an amount the substance is sold
        in, with not much beside it that our tables have never heard of."""
        if any(cue.term.value == "drug" for cue in matches(doc, "cue")):
            return True
        if not plausible_amount(doc, hit.term.value, self._groups[hit.term.value]):
            return False
        limit = STRANGERS_NEAR if near_amount(doc, hit) else STRANGERS
        return hit.field != "title" or self._strangers(doc, hit) < limit

    def _strangers(self, doc: Doc, hit: Match) -> int:
        """Words of four letters and more in the title that no table has."""
        title = next(one for one in found(doc).fields if one.name == hit.field)
        words = [
            token for token in doc
            if title.start <= token.idx < title.end and len(token) >= 4 and token.text.isalpha()
        ]
        regions = found(doc).regions
        return sum(
            token.norm_ not in self._words and not any(one.start <= token.idx < one.end for one in regions)
            for token in words
        )

    @staticmethod
    def _merge_cannabis(hits: list[Match]) -> list[Match]:
        """`White Widow hash` is resin: strains and bare `cannabis` take the product that is named beside them."""
        said = {hit.term.value for hit in hits if hit.term.strength != "class"}
        product = next((value for value in CANNABIS if value in said), None)
        if product is None or product == "cannabis-herb":
            return hits
        return [
            hit._replace(term=hit.term._replace(value=product))
            if hit.term.strength != "strong" and hit.term.value == "cannabis-herb" else hit
            for hit in hits
        ]

    @staticmethod
    def _weigh(doc: Doc, hits: list[Match], denial: Denial) -> list[FoundSubstance]:
        best: dict[str, FoundSubstance] = {}
        for rank, hit in enumerate(hits):
            weight = FIELD_WEIGHT[hit.field] - min(rank, 30)
            if hit.term.strength == "weak":
                weight -= 15
            if denial.is_gift(hit):
                weight -= 40
            one = FoundSubstance(hit.term.value, hit.start, hit.end, weight)
            if one.id not in best or best[one.id].weight < weight:
                best[one.id] = one
        return sorted(best.values(), key=lambda one: -one.weight)


@Language.factory("dropline_substances", default_config={"tables": None})
def create_substances(nlp: Language, name: str, tables: str | None) -> SubstanceFinder:
    """`tables`: folder of tables; None: those that come with Dropline."""
    return SubstanceFinder(nlp, load_vocabulary(Path(tables) if tables else TABLES))
