"""Candidates for substances we do not know: words shaped like new psychoactive substances, and, where a listing names
no substance but an amount, the word beside the amount."""

from __future__ import annotations

import re
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from extract.found import FieldSpan, Found, FoundTerm, found, span_of
from extract.marks import marked
from extract.terms import matches
from extract.tokenizer import tokenizer_of
from extract.vocabulary import TABLES, load_vocabulary

STEMS = (
    "nitazene", "nitazepyne", "fentanyl", "fentanil", "azolam", "azepam", "cathinone", "pinaca", "binaca", "butinaca",
    "fubinaca", "chminaca", "pegaclone", "nbome", "tryptamine", "phenidate", "drone", "barbital", "escaline",
    "нитазен", "нитазепин", "фентанил", "азолам", "азепам", "катинон", "триптамин", "барбитал", "дрон",
)  # fmt: skip
"""Endings of INN and code names (WHO INN stem book; EUDA names of new psychoactive substances)."""
CASES = ("", "а", "у", "ом", "е", "ы")
HARMLESS = frozenset({"drone", "дрон", "drones"})
CODE = re.compile(
    r"(?<![\w-])(?:\d[a-z]?(?:,\d)?-(?:[a-z]{1,5}-)?[a-z]{2,9}"
    r"|(?:ab|adb|mdmb|amb|mmb|emb|cumyl|jwh|am|ur|xlr|sdb|rad)-[a-z0-9][a-z0-9-]{1,11})(?![\w-])"
)
_AROUND = re.compile(r"[\w,'’-]*")
_WORD_AFTER = re.compile(r"[.,]? {0,2}([^\W\d_]{4,24})(?![^\W_])")
_WORD_BEFORE = re.compile(r"(?<![^\W_])([^\W\d_]{4,24}) ?[-–:,]? ?$")
COMMON = frozenset({
    "sale", "new", "best", "high", "quality", "pure", "top", "offer", "free", "ready", "stock", "price", "discount",
    "gram", "grams", "only", "from", "with", "import", "imported", "premium", "super", "extra", "real", "fresh",
    "bonus", "total", "weight", "package", "city", "shop", "magic", "about", "each", "scale", "каждый", "скидка",
    "новый", "готовые", "лучший", "супер", "качество", "товар", "цена", "клад", "клады", "вес", "акция", "новинка",
    "подарок", "бонус", "город", "подъезд", "магнит", "прикоп", "тайник", "штук", "свежий", "чистый", "импорт",
    "топовый", "опт", "розница", "доставка", "фасовка", "purity", "white", "black", "green", "blue",
})  # fmt: skip
READ = frozenset({"title", "description"})
MOST = 5


def has_stem(word: str) -> bool:
    """True for a word (in lower case) that ends like the name of a new psychoactive substance."""
    return word[-3:] in _TAILS and len(word) > 5 and word not in HARMLESS and word.endswith(_ENDINGS)


_ENDINGS = tuple(stem + case for stem in STEMS for case in (CASES if stem[0] > "z" else ("",)))
_TAILS = frozenset(ending[-3:] for ending in _ENDINGS)


class UnknownTerms:
    """Component: `found(doc).unknown_terms` (title and description only, at most `MOST`)."""

    def __init__(self, nlp: Language, words: frozenset[str]) -> None:
        self._stem = tokenizer_of(nlp).add_mark(holds=has_stem, tails=_TAILS)
        self._words = words

    def __call__(self, doc: Doc) -> Doc:
        seen = found(doc)
        terms = self._by_stem(doc)
        if not seen.substances:
            terms = terms or self._by_code(doc) or self._beside_amount(doc, seen)
        if terms:
            read = [one for one in seen.fields if one.name in READ]
            seen.unknown_terms = [term for term in terms if _field_of(term, read) is not None][:MOST]
        return doc

    def _by_stem(self, doc: Doc) -> list[FoundTerm]:
        stems = marked(doc, self._stem)
        if not stems:
            return []
        terms = []
        named = {at for hit in matches(doc, "substance") for at in range(hit.first, hit.last)}
        for at in stems:
            if at in named:
                continue
            start, end = span_of(doc, at)
            lead = _AROUND.match(doc.text[max(0, start - 12) : start][::-1])
            start -= len(lead.group()) if lead else 0
            terms.append(FoundTerm(doc.text[start:end].lower(), start, end, "stem"))
        return terms

    @staticmethod
    def _by_code(doc: Doc) -> list[FoundTerm]:
        text = doc.text
        if "-" not in text:
            return []
        lower = text.lower()
        if len(lower) != len(text):  # a letter that grows in lower case would shift all offsets
            return []
        codes = [FoundTerm(hit.group(), hit.start(), hit.end(), "code") for hit in CODE.finditer(lower)]
        if codes:
            taken = bytearray(len(text))
            for one in (*matches(doc, "false"), *matches(doc, "substance")):
                taken[one.start : one.end] = b"x" * (one.end - one.start)
            codes = [code for code in codes if not any(taken[code.start : code.end])]
        return codes

    def _beside_amount(self, doc: Doc, seen: Found) -> list[FoundTerm]:
        harmless = matches(doc, "false")
        for one in seen.quantities[:3]:
            before = _WORD_BEFORE.search(doc.text[max(0, one.start - 30) : one.start])
            spots = [] if before is None else [(one.start - min(30, one.start) + before.start(1), before.group(1))]
            after = _WORD_AFTER.match(doc.text, one.end)
            if after is not None:
                spots.append((after.start(1), after.group(1)))
            for start, word in spots:
                end = start + len(word)
                if word.lower() in COMMON or word.lower() in self._words:
                    continue
                if not any(hit.start < end and start < hit.end for hit in harmless):
                    return [FoundTerm(word.lower(), start, end, "beside-amount")]
        return []


def _field_of(term: FoundTerm, fields: list[FieldSpan]) -> FieldSpan | None:
    return next((one for one in fields if one.start <= term.start < one.end), None)


@Language.factory("dropline_unknown", default_config={"tables": None})
def create_unknown(nlp: Language, name: str, tables: str | None) -> UnknownTerms:
    """`tables`: folder of tables; None: those that come with Dropline."""
    vocabulary = load_vocabulary(Path(tables) if tables else TABLES)
    return UnknownTerms(nlp, frozenset(vocabulary.words))
