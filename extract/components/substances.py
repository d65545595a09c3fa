"""Which substances a listing is about, the main one first.

What the tables know is found by `extract.terms`; here names inside longer names and harmless phrases go, then what is
denied (`denial`), then what is not believed (`belief`). Title weighs over description over category. Strain names say
cannabis; whether herb, resin or concentrate is said by the other words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from extract.components.belief import ADDED, Belief
from extract.components.denial import Denial
from extract.components.spaced import SpacedNames
from extract.components.strangers import CALLED_AFTER
from extract.evidence import BY_GRAM, Amounts, count_named, mark_lone_doses, split_sums
from extract.found import FoundSubstance, found, in_region, word_at
from extract.parts import read_parts
from extract.terms import NAMESAKE, Match, matches
from extract.vocabulary import TABLES, Vocabulary, load_vocabulary

READ = frozenset({"title", "description", "category"})
FIELD_WEIGHT = {"title": 100.0, "description": 50.0, "category": 10.0}
CANNABIS = ("cannabis-resin", "cannabis-concentrate", "cannabis-edible", "cannabis-seeds", "cannabis-herb")
PRODUCT_FIELDS = ("title", "category", "description")
"""Those that say what is made of the plant, the most trusted first."""
STRAINS = frozenset({"strain", NAMESAKE})
SWEETENED = frozenset({"cannabis-concentrate", "cannabis-herb"})
NAMESAKES = frozenset({"cookies", "candy", "candies", "chocolate", "space cake"})
"""Sweets that strains are named after."""
VAPES = frozenset({
    "cart", "carts", "cartridge", "cartridges", "disposable", "disposables", "vape", "vapes", "vape pen",
})  # fmt: skip
"""What oil is sold in, whatever strain it is called after."""
FOR = frozenset({"for", "для"})
WHOLE_GROUPS = frozenset({"nitazenes", "synthetic-cannabinoids"})
"""Ids that name a group, where nobody says which of it."""

_new = tuple.__new__


NOT_OF_LISTINGS = frozenset({"harmless", "looks", "media", "elsewhere", "other", "service", "document", "equipment"})
"""Cues and kinds whose words speak of something else than a drug."""


NAMES_OF_SORTS = CALLED_AFTER | {"strain"}
STRAINS_WITH_WORD = 5
"""Strain names with a word (`purple`, `cookies`) that make it one of drug listings: they are named after all sorts."""


def _words_of_listings(vocabulary: Vocabulary) -> frozenset[str]:
    """Words that our tables know from drug listings; those of everyday things and of services are as strange as unknown
    ones."""
    words: set[str] = set(vocabulary.talk)
    strains: Counter[str] = Counter()
    for phrase, terms in vocabulary.phrases.items():
        telling = [term for term in terms if term.category != "false" and term.value not in NOT_OF_LISTINGS]
        if any(term.type not in NAMES_OF_SORTS for term in telling):
            words.update(phrase.split())
        elif telling:
            strains.update({word for term in telling if term.type == "strain" for word in phrase.split()})
    return frozenset(words | {word for word, names in strains.items() if names >= STRAINS_WITH_WORD})


class SubstanceFinder:
    """Component: `found(doc).substances`."""

    def __init__(self, nlp: Language, vocabulary: Vocabulary) -> None:
        self._spaced = SpacedNames(nlp, vocabulary)
        self._fillers = frozenset(vocabulary.fillers)
        self._groups = {one.id: one.group for one in vocabulary.substances.values()}
        self._words = _words_of_listings(vocabulary)
        self._talk = frozenset(vocabulary.talk)

    def __call__(self, doc: Doc) -> Doc:
        hits = _leaves(doc, [hit for hit in self._standing(doc) if hit.field in READ])
        spaced = self._spaced.find(doc, hits)
        if spaced:
            hits = [hit for hit in hits if all(hit.end <= one.start or hit.start >= one.end for one in spaced)]
            hits += [hit for hit in spaced if hit.field in READ]
            hits.sort(key=_start)
        hits = [hit for hit in hits if hit.term.strength != "weak" or hit.first < 1 or not _is_aside(doc, hit)]
        if hits:
            filed = {hit.term.value for hit in hits if hit.field == "category"}
            amounts = Amounts(doc, self._groups)
            denial = Denial(doc, self._fillers, amounts, self._words)
            hits = denial.leave(hits)
            hits = Belief(doc, hits, amounts, self._words, self._talk).believed() if hits else hits
            seen = found(doc)
            seen.substances = self._weigh(doc, self._merge_cannabis(doc, hits, amounts, filed), denial, amounts)
            if seen.substances:
                main = seen.substances[0]
                if len(seen.regions) > 1:
                    named = {(one.start, one.end) for one in seen.substances}
                    seen.regions = [one for one in seen.regions if (one.start, one.end) not in named]  # `Ганжа, Алматы`
                group = self._groups[main.id]
                count_named(doc, main, group)
                if main.id in BY_GRAM:
                    read_parts(doc, main.id)
                if len(seen.substances) > 1:
                    split_sums(doc)
                if seen.quantities:
                    mark_lone_doses(doc, main.id, group)
        return doc

    @staticmethod
    def _standing(doc: Doc) -> list[Match]:
        """Names not inside a longer name or a harmless phrase, in text order."""
        names = matches(doc, "substance")
        if not names:
            return names
        harmless = matches(doc, "false")
        if not harmless and _are_apart(names):
            return names
        both = [*harmless, *names]
        both.sort(key=_longest_first)
        taken: set[int] = set()
        kept = []
        for hit in both:
            tokens = range(hit.first, hit.last)
            if taken.isdisjoint(tokens):
                taken.update(tokens)
                if hit.term.category == "substance":
                    kept.append(hit)
        kept.sort(key=_start)
        return kept

    @staticmethod
    def _merge_cannabis(doc: Doc, hits: list[Match], amounts: Amounts, filed: Set[str]) -> list[Match]:
        """`White Widow hash` is resin: strains and bare `cannabis` take the product that is named beside them, but for
        one with an amount of its own (`Blue Dream 28g + 1g shatter`), and bare `THC` sweets are edibles. `filed`: what
        the category names."""
        if SWEETENED.isdisjoint([hit.term.value for hit in hits]):
            return hits
        sweets = [
            one for one in matches(doc, "form")
            if one.term.value == "edible" and one.field == "title" and not _is_purpose(doc, one)
        ]
        if sweets:  # `rosin gummies`
            begins = {one.first for one in sweets}
            hits = [
                hit._replace(term=hit.term._replace(value="cannabis-edible"))
                if hit.term.value == "cannabis-concentrate" and hit.last in begins else hit
                for hit in hits
            ]
        if all(hit.term.strength == "strong" or hit.term.value != "cannabis-herb" for hit in hits):
            return hits
        said = {(hit.field, hit.term.value) for hit in hits if hit.term.strength != "class"}
        if all(one.base_unit == "unit" for one in found(doc).quantities) and any(
            one.term.value == "seeds" and one.field == "title" for one in matches(doc, "form")
        ):
            said.add(("title", "cannabis-seeds"))  # `Feminised Gorilla Zkittlez seeds`
        if ("title", "cannabis-herb") not in said and any(
            one.field == "title" and doc.text[one.start : one.end].lower() in VAPES for one in matches(doc, "form")
        ):
            said.add(("title", "cannabis-concentrate"))  # `Runtz disposable 2g`
        if len(filed) == 1:  # not `Cannabis & Hashish`
            said |= {("category", one) for one in filed}
        # the description last: it may praise a herb as `kief-caked`
        product = next((one for field in PRODUCT_FIELDS for one in CANNABIS if (field, one) in said), None)
        if product is None and sweets and (
            all(hit.term.type not in STRAINS for hit in hits)
            or any(doc.text[one.start : one.end].lower() not in NAMESAKES for one in sweets)
        ):
            product = "cannabis-edible"  # `Gummies Cali-O 500mg THC`
        if product is None or product == "cannabis-herb":
            return hits
        others = [hit for hit in hits if hit.term.value == product]
        apart = [
            hit for hit in hits if hit.term.type in STRAINS and amounts.near(hit)
            and any(_are_added(doc.text, hit, other) and amounts.near(other) for other in others)
        ]
        return [
            hit._replace(term=hit.term._replace(value=product))
            if hit.term.strength != "strong" and hit.term.value == "cannabis-herb" and hit not in apart else hit
            for hit in hits
        ]

    def _weigh(self, doc: Doc, hits: list[Match], denial: Denial, amounts: Amounts) -> list[FoundSubstance]:
        best: dict[str, FoundSubstance] = {}
        mixed = any(hit.term.strength != "weak" for hit in hits)
        for rank, hit in enumerate(hits):
            value = hit.term.value
            weight = FIELD_WEIGHT[hit.field] - (rank if rank < 30 else 30)
            if mixed and hit.term.strength == "weak" and not (hit.field == "title" and amounts.near(hit)):
                following = hits[rank + 1].start if rank + 1 < len(hits) else len(doc.text)
                if doc.text[hit.end : following].strip().lower() not in ADDED:  # `coke and MDMA`
                    weight -= 15
            if denial.is_gift(hit):
                weight -= 40
            known = best.get(value)
            if known is None or known.weight < weight:
                best[value] = _new(FoundSubstance, (value, hit.start, hit.end, weight))
        if len(best) < 2:
            return list(best.values())
        for whole in WHOLE_GROUPS & best.keys():
            if any(self._groups[one] == whole for one in best if one != whole):
                del best[whole]  # `nitazene pills (metonitazene)`
        return sorted(best.values(), key=_heaviest_first)


def _leaves(doc: Doc, hits: list[Match]) -> list[Match]:
    """Of a category path the last step that names anything: `Hashish & Cannabis > Concentrates`."""
    if not hits or hits[-1].field != "category":
        return hits
    path = doc.text.rfind(">", found(doc).fields[-1].start, hits[-1].start)
    return hits if path < 0 else [hit for hit in hits if hit.field != "category" or hit.start > path]


def _is_aside(doc: Doc, hit: Match) -> bool:
    """A by-word behind other words that is a town (`шишь 1г Химки`) or what a thing is for (`trim for edibles`)."""
    if hit.term.value == "cannabis-edible" and _is_purpose(doc, hit):
        return True
    return hit.field == "title" and in_region(doc, hit.start)


def _is_purpose(doc: Doc, hit: Match) -> bool:
    """`trim for edibles`"""
    return hit.first > 0 and word_at(doc, hit.first - 1) in FOR


def _are_added(text: str, left: Match, right: Match) -> bool:
    """A plus and an amount stand between the two."""
    if left.start > right.start:
        left, right = right, left
    between = text[left.end : right.start]
    return "+" in between and any(sign.isdigit() for sign in between)


def _start(hit: Match) -> int:
    return hit.start


def _longest_first(hit: Match) -> tuple[int, bool, int]:
    return hit.first - hit.last, hit.term.category == "substance", hit.first


def _heaviest_first(one: FoundSubstance) -> float:
    return -one.weight


def _are_apart(hits: list[Match]) -> bool:
    """None of them (in text order) shares a token with another."""
    free = 0
    for hit in hits:
        if hit.first < free:
            return False
        free = hit.last
    return True


@Language.factory("dropline_substances", default_config={"tables": None})
def create_substances(nlp: Language, name: str, tables: str | None) -> SubstanceFinder:
    """`tables`: folder of tables; None: those that come with Dropline."""
    return SubstanceFinder(nlp, load_vocabulary(Path(tables) if tables else TABLES))
