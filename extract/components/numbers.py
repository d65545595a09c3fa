"""The component `dropline_numbers`: quantities, prices and purity, from one scan of the digits of each field.

It works on the text, field by field, not on tokens: a tokenizer would tear `0,33г` and `2 500₽` apart.
"""

from __future__ import annotations

import re

from spacy.language import Language
from spacy.tokens import Doc

from extract.found import found
from extract.marks import marked, stretches_of
from extract.number_scan import scan
from extract.price_rules import read_prices
from extract.purity_rules import read_purity
from extract.quantity_patterns import HINTS, LEADING
from extract.quantity_rules import doses_apart, read_quantities
from extract.tokenizer import Tokenizer

_KEYCAP = "\u20e3"
_KEYCAPS = re.compile(rf"(?:[0-9]\ufe0f?{_KEYCAP})+")
"""Digits as pictures of keys: `1️⃣г`."""
_READ = frozenset({"title", "description", "price", "quantity"})
_GRAMS = frozenset({"title", "quantity"})
"""Fields in which a lone decimal fraction may be grams."""


@Language.factory("dropline_numbers", default_config={"lone_decimals": True, "default_currency": None})
class NumberComponent:
    """Adds to `found(doc)` quantities and prices in order, and sets the purity: the first one claimed, the title's
    before the description's.

    `lone_decimals`: in a title without any other quantity a bare `0,33` is grams. `default_currency`: for `2,5к` and
    for a price field of digits alone.
    """

    def __init__(self, nlp: Language, name: str, lone_decimals: bool, default_currency: str | None) -> None:
        self.name, self.lone_decimals, self.default_currency = name, lone_decimals, default_currency
        # another tokenizer has no marks: then the words of each field are looked through
        self._mark = nlp.tokenizer.add_mark(HINTS) if isinstance(nlp.tokenizer, Tokenizer) else 0

    def __call__(self, doc: Doc) -> Doc:
        result, text = found(doc), doc.text
        words = marked(doc, self._mark) if self._mark else None
        for name, start, end in result.fields:
            if name not in _READ:
                continue
            part = text[start:end]
            if _KEYCAP in part:
                part = _KEYCAPS.sub(_plain, part)
            tokens = scan(part)
            hints = None if words is None else stretches_of(doc, words, start, end)
            if not tokens and hints == [] and (name not in _GRAMS or LEADING.match(part) is None):
                continue
            decimals = self.lone_decimals and name in _GRAMS
            quantities = read_quantities(part, tokens, decimals=decimals, hints=hints)
            prices = read_prices(part, tokens, default_currency=self.default_currency, bare=name == "price")
            if start:
                quantities = [one._replace(start=one.start + start, end=one.end + start) for one in quantities]
                prices = [one._replace(start=one.start + start, end=one.end + start) for one in prices]
            result.quantities += quantities
            result.prices += prices
            if result.purity is None:
                result.purity = read_purity(part, tokens, title=name == "title")
            if name == "quantity":
                result.quantities = doses_apart(result.quantities, start, end)
        return doc


def _plain(keys: re.Match[str]) -> str:
    """Their digits, as long as they were, so that offsets stay."""
    return "".join(filter(str.isdigit, keys.group())).rjust(len(keys.group()))
