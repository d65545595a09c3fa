"""The component `dropline_terms` finds every phrase of all tables once; others read them.

Matching is on NORM (see `extract.disguise`), so inflected and disguised words match the word as listed.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc

from extract.disguise import Normaliser
from extract.found import FieldSpan, found
from extract.marks import listing, marked
from extract.phrases import Phrases
from extract.tokenizer import Tokenizer, build_vocab, tokenizer_of
from extract.vocabulary import TABLES, Category, Term, Vocabulary, load_vocabulary

KEY = "dropline.terms"
RAW = "dropline.terms.raw"
NAMESAKE = "namesake"
"""Type of names that are everyday words, and count only in the weights of drugs: strains, origins."""
_new = tuple.__new__


class Match(NamedTuple):
    """A listed phrase in a Doc: tokens `first`..`last` (exclusive), code points `start`..`end`, the field's name."""

    term: Term
    first: int
    last: int
    start: int
    end: int
    field: str


def is_namesake(hit: Match) -> bool:
    """A strain of cannabis that is called like food, films or other everyday things (`Banana Bread`), an origin that
    stands for what comes from there (`Peruvian 1g`)."""
    return hit.term.type == NAMESAKE


def matches(doc: Doc, category: Category) -> list[Match]:
    """Matches of one category in text order, the longest first among those that start together."""
    kept: dict[Category, list[Match]] | None = doc.user_data.get(KEY)
    if kept is None:
        return []
    known = kept.get(category)
    if known is None:
        known = kept[category] = _locate(doc, doc.user_data[RAW].get(category, []))
    return known


def _locate(doc: Doc, hits: list[tuple[int, int, Term]]) -> list[Match]:
    """Adds code points and fields: only for the categories that somebody asks for."""
    if not hits:
        return []
    fields, ours = found(doc).fields, listing(doc)
    starts, text, size = ours.starts, ours.kept, len(ours.kept)
    only = fields[0].name if len(fields) == 1 else ""
    before = -1
    for first, _, _ in hits:
        if first <= before:
            hits.sort(key=_reading_order)
            break
        before = first
    located = []
    for first, last, term in hits:
        start, end = starts[first], starts[last]
        if end > size or (text[end - 1] == " " and end - starts[last - 1] > 1):
            end -= 1  # `ListingDoc.end`, in place: there are a dozen of them in a text
        located.append(_new(Match, (term, first, last, start, end, only or field_at(fields, start))))
    return located


def _reading_order(hit: tuple[int, int, Term]) -> tuple[int, int]:
    return hit[0], -hit[1]


def field_at(fields: tuple[FieldSpan, ...], start: int) -> str:
    """Name of the field that holds a code point."""
    for one in reversed(fields):
        if start >= one.start:
            return one.name
    return fields[0].name


def build_tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """The tokenizer whose vocab normalises by these tables."""
    normaliser = Normaliser(vocabulary.words, vocabulary.long_names)
    return Tokenizer(build_vocab(normaliser), normaliser)


class TermFinder:
    """Component: leaves the matches of all tables on the Doc."""

    def __init__(self, nlp: Language, vocabulary: Vocabulary) -> None:
        tokenizer = tokenizer_of(nlp)
        self.vocabulary = vocabulary
        self._phrases = Phrases((tokenizer.norms_of(phrase), terms) for phrase, terms in vocabulary.phrases.items())
        tokenizer.keep_norms(self._phrases.norms)
        self._mark = tokenizer.add_mark(norms=self._phrases.telling)

    def __call__(self, doc: Doc) -> Doc:
        raw: dict[Category, list[tuple[int, int, Term]]] = {}
        for first, last, terms in self._phrases.find(listing(doc), marked(doc, self._mark)):
            for term in terms:
                category = term.category
                if category in raw:
                    raw[category].append((first, last, term))
                else:
                    raw[category] = [(first, last, term)]
        doc.user_data[RAW] = raw
        doc.user_data[KEY] = {}
        return doc


@Language.factory("dropline_terms", default_config={"tables": None})
def create_terms(nlp: Language, name: str, tables: str | None) -> TermFinder:
    """`tables`: folder of tables; None: those that come with Dropline."""
    return TermFinder(nlp, load_vocabulary(Path(tables) if tables else TABLES))
