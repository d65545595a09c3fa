"""Lean tokenizer: one regular expression, no special cases, no URL matching.

Tokens are: a run of letters (with combining and zero-width marks, and single digits or `@ $ €` standing *inside* a
word, as in `k3tamine`), a number with its inner points and commas (`0.33`, `1,000`), or any other single character. So
`0.33г` is two tokens, `2C-B` is `2 C - B`, and `2cb` is `2 cb`. A blank belongs to the token before it, as in spaCy;
other white space is a token. `Doc.text` is always the text given, code point for code point.

Lexemes carry only LOWER, NORM and what components add by `vocab.add_flag`: spaCy's other lexical attributes
(`is_digit`, `shape_`, `like_num` …) are not computed, because they cost more than all our matching.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from spacy.attrs import LOWER, NORM
from spacy.tokens import Doc
from spacy.vocab import Vocab

MARKS = "\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
UNITS = (
    "mg|mcg|ug|g|gr|grm|gram|grams|kg|ml|cl|l|oz|lb|lbs|x|pc|pcs|tab|tabs|pill|pills|caps|h|th|st|nd|rd|k|usd|eur|btc"
    "|мг|мкг|г|гр|грам|грамм|грамма|грамов|граммов|кг|мл|л|шт|штук|таб|табл|табс|х|к|ч|р|руб|т|тг|уп|го|й|я"
)
"""Letters behind a digit that are a unit and not the rest of a disguised word."""
_LETTER = r"[^\W\d_]"
_RUN = rf"(?:{_LETTER}++[{MARKS}]*+)++"
_LEET = rf"[013457@$€](?!(?:{UNITS})(?!{_LETTER})){_RUN}"
_SPLIT = re.compile(rf"({_RUN}(?:{_LEET})*|\d+(?:[.,]\d+)*|[\s\S])( ?)", re.IGNORECASE)


class ListingDoc(Doc):
    """A Doc that keeps its text: spaCy joins it from the tokens at every `doc.text`, dearer than all our matching."""

    kept: str | None = None

    @property
    def text(self) -> str:
        return super().text if self.kept is None else self.kept


class Tokenizer:
    """`text -> Doc`. Pickles with its vocab; stateless otherwise."""

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        pairs = _SPLIT.findall(text)
        doc = ListingDoc(self.vocab, words=[word for word, _ in pairs], spaces=[blank == " " for _, blank in pairs])
        doc.kept = text
        return doc


def build_vocab(normalise: Callable[[str], str]) -> Vocab:
    """A vocab whose NORM is `normalise(word)`; called once for each distinct word."""
    return Vocab(lex_attr_getters={LOWER: str.lower, NORM: normalise})
