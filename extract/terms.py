"""One PhraseMatcher for all tables: the component `dropline_terms` finds every listed phrase once; others read them.

Matching is on NORM (see `extract.disguise`), so inflected and disguised words match the word as listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.matcher import PhraseMatcher
from spacy.tokens import Doc

from extract.disguise import Normaliser
from extract.found import FieldSpan, found
from extract.tokenizer import Tokenizer, build_vocab
from extract.vocabulary import TABLES, Category, Term, Vocabulary, load_vocabulary

KEY = "dropline.terms"
RAW = "dropline.terms.raw"


class Match(NamedTuple):
    """A listed phrase in a Doc: tokens `first`..`last` (exclusive), code points `start`..`end`, the field's name."""

    term: Term
    first: int
    last: int
    start: int
    end: int
    field: str


def matches(doc: Doc, category: Category) -> list[Match]:
    """Matches of one category in text order, the longest first among those that start together."""
    kept: dict[Category, list[Match]] | None = doc.user_data.get(KEY)
    if kept is None:
        return []
    known = kept.get(category)
    if known is None:
        known = kept[category] = _locate(doc, doc.user_data[RAW].get(category, ()))
    return known


def _locate(doc: Doc, raw: Iterable[tuple[int, int, Term]]) -> list[Match]:
    """Adds code points and fields: only for the categories that somebody asks for."""
    fields = found(doc).fields
    located = []
    hits = list(raw)
    if len(hits) > 1:
        hits.sort(key=_reading_order)
    for first, last, term in hits:
        opening = doc[first]
        start = opening.idx
        closing = opening if last - first == 1 else doc[last - 1]
        end = closing.idx + len(closing)
        located.append(Match(term, first, last, start, end, field_at(fields, start)))
    return located


def _reading_order(hit: tuple[int, int, Term]) -> tuple[int, int]:
    return hit[0], -hit[1]


def field_at(fields: tuple[FieldSpan, ...], start: int) -> str:
    """Name of the field that holds a code point."""
    for one in reversed(fields):
        if start >= one.start:
            return one.name
    return fields[0].name


def build_nlp_parts(vocabulary: Vocabulary) -> Tokenizer:
    """The tokenizer whose vocab normalises by these tables."""
    return Tokenizer(build_vocab(Normaliser(vocabulary.words, vocabulary.long_names)))


class TermFinder:
    """Component: leaves the matches of all tables on the Doc."""

    def __init__(self, nlp: Language, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._matcher = PhraseMatcher(nlp.vocab, attr="NORM")
        self._terms: dict[int, tuple[Term, ...]] = {}
        by_meaning: dict[tuple[Term, ...], list[str]] = {}
        for phrase, terms in vocabulary.phrases.items():
            by_meaning.setdefault(tuple(terms), []).append(phrase)
        for number, (meaning, phrases) in enumerate(by_meaning.items()):
            key = f"t{number}"
            self._matcher.add(key, [nlp.make_doc(phrase) for phrase in phrases])
            self._terms[nlp.vocab.strings[key]] = meaning

    def __call__(self, doc: Doc) -> Doc:
        raw: dict[Category, list[tuple[int, int, Term]]] = {}
        terms = self._terms
        for key, first, last in self._matcher(doc):
            for term in terms[key]:
                raw.setdefault(term.category, []).append((first, last, term))
        doc.user_data[RAW] = raw
        doc.user_data[KEY] = {}
        return doc


@Language.factory("dropline_terms", default_config={"tables": None})
def create_terms(nlp: Language, name: str, tables: str | None) -> TermFinder:
    """`tables`: folder of tables; None: those that come with Dropline."""
    return TermFinder(nlp, load_vocabulary(Path(tables) if tables else TABLES))
