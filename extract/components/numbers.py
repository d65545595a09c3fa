"""The components `dropline_quantities`, `dropline_prices` and `dropline_purity`: one scan of the digits serves all.

They work on the text, field by field, not on tokens: a tokenizer would tear `0,33г` and `2 500₽` apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from spacy.language import Language
from spacy.tokens import Doc

from extract.found import FieldSpan, found
from extract.marks import marked, stretches_of
from extract.number_scan import Token, scan
from extract.price_rules import read_prices
from extract.purity_rules import read_purity
from extract.quantity_patterns import HINTS
from extract.quantity_rules import has_hint, read_quantities
from extract.tokenizer import Tokenizer

_SCANS = "dropline_numbers"
_READ = frozenset({"title", "description", "price", "quantity"})


def _fields(doc: Doc) -> Iterator[tuple[FieldSpan, str, list[Token]]]:
    """Each field that states numbers, its text and its numbers (scanned once, kept on the Doc)."""
    scans = doc.user_data.get(_SCANS)
    if scans is None:
        text = doc.text
        scans = doc.user_data[_SCANS] = []
        for span in found(doc).fields:
            if span.name in _READ:
                part = text[span.start : span.end]
                scans.append((span, part, scan(part)))
    yield from scans


@Language.factory("dropline_quantities", default_config={"lone_decimals": True})
class QuantityComponent:
    """Adds FoundQuantity to `found(doc).quantities`. `lone_decimals`: in a title without any other quantity a bare
    `0,33` is grams."""

    def __init__(self, nlp: Language, name: str, lone_decimals: bool) -> None:
        self.name, self.lone_decimals = name, lone_decimals
        # another tokenizer has no marks: then the words of each field are looked through
        self._mark = nlp.tokenizer.add_mark(HINTS, holds=has_hint) if isinstance(nlp.tokenizer, Tokenizer) else 0

    def __call__(self, doc: Doc) -> Doc:
        quantities = found(doc).quantities
        words = marked(doc, self._mark) if self._mark else None
        for span, text, tokens in _fields(doc):
            if not tokens and words == []:
                continue
            decimals = self.lone_decimals and span.name in {"title", "quantity"}
            hints = None if words is None else stretches_of(doc, words, span.start, span.end)
            for one in read_quantities(text, tokens, decimals=decimals, hints=hints):
                at = span.start
                quantities.append(one._replace(start=one.start + at, end=one.end + at) if at else one)
        return doc


@Language.factory("dropline_prices", default_config={"default_currency": None})
class PriceComponent:
    """Adds FoundPrice to `found(doc).prices`. `default_currency`: for `2,5к` and for a price field of digits alone."""

    def __init__(self, nlp: Language, name: str, default_currency: str | None) -> None:
        self.name, self.default_currency = name, default_currency

    def __call__(self, doc: Doc) -> Doc:
        prices = found(doc).prices
        for span, text, tokens in _fields(doc):
            if not tokens:
                continue
            bare = span.name == "price"
            for price in read_prices(text, tokens, default_currency=self.default_currency, bare=bare):
                at = span.start
                prices.append(price._replace(start=price.start + at, end=price.end + at) if at else price)
        return doc


@Language.factory("dropline_purity")
class PurityComponent:
    """Sets `found(doc).purity`: the first purity claimed, the title's before the description's."""

    def __init__(self, nlp: Language, name: str) -> None:
        self.name = name

    def __call__(self, doc: Doc) -> Doc:
        result = found(doc)
        for span, text, tokens in _fields(doc):
            if result.purity is None:
                result.purity = read_purity(text, tokens, title=span.name == "title")
        return doc
