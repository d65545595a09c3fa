"""Lean tokenizer: one regular expression, no special cases, no URL matching.

Tokens are: a run of letters (with combining and zero-width marks, and single digits or `@ $ €` standing *inside* a
word, as in `k3tamine`), a number with its inner points and commas (`0.33`, `1,000`), or any other single character. So
`0.33г` is two tokens, `2C-B` is `2 C - B`, and `2cb` is `2 cb`. A blank belongs to the token before it, as in spaCy;
other white space is a token. `Doc.text` is always the text given, code point for code point.

What stands between two blanks is taken apart once for each memory zone: most words of a market come again and again, so
a Doc is mostly looked up. A component that waits for certain words registers a *mark* for them (`extract.marks`)
and later visits only the tokens that have it.

Lexemes carry only NORM and what components add by `vocab.add_flag`: spaCy's other lexical attributes
(`lower_`, `is_digit`, `shape_`, `like_num` …) are not computed, because they cost more than all our matching.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from spacy.attrs import NORM
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from extract.marks import ListingDoc, Marks

INVISIBLE = "\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
UNITS = (
    "mg|mcg|ug|g|gr|grm|gram|grams|kg|ml|cl|l|oz|lb|lbs|x|pc|pcs|tab|tabs|pill|pills|caps|h|th|st|nd|rd|k|usd|eur|btc"
    "|мг|мкг|г|гр|грам|грамм|грамма|грамов|граммов|кг|мл|л|шт|штук|таб|табл|табс|х|к|ч|р|руб|т|тг|уп|го|й|я"
)
"""Letters behind a digit that are a unit and not the rest of a disguised word."""
_LETTER = r"[^\W\d_]"
_RUN = rf"(?:{_LETTER}++[{INVISIBLE}]*+)++"
_LEET = rf"[013457@$€](?!(?:{UNITS})(?!{_LETTER})){_RUN}"
_SPLIT = re.compile(rf"({_RUN}(?:{_LEET})*|\d+(?:[.,]\d+)*|[\s\S])( ?)", re.IGNORECASE)
_BLANKS = re.compile(r"[^ ]+| +")
_LONGEST_KEPT = 40
"""Code points between two blanks that are worth keeping: longer stretches hardly come twice."""


class _Words(dict[str, tuple[int, int]]):
    """Word -> (ORTH, bits)."""

    def __init__(self, vocab: Vocab, marks: Marks) -> None:
        super().__init__()
        self._strings: Any = vocab.strings  # spaCy's stub does not know `allow_transient`
        self._marks = marks

    def __missing__(self, word: str) -> tuple[int, int]:
        # transient: gone with the memory zone, as the Doc's other strings
        known = self[word] = self._strings.add(word, allow_transient=True), self._marks.bits_of(word)
        return known


class _Chunks(dict[str, tuple[int, ...]]):
    """What stands between two blanks -> (ORTH, blank behind it, bits) of each token, in one flat tuple. The last token
    has a blank, but for the empty stretch (`_cut`)."""

    def __init__(self, vocab: Vocab, marks: Marks) -> None:
        super().__init__()
        self._words = _Words(vocab, marks)

    def forget(self) -> None:
        self.clear()
        self._words.clear()

    def __missing__(self, chunk: str) -> tuple[int, ...]:
        found: tuple[int, ...]
        words = self._words
        if chunk.isalpha():
            orth, bits = words[chunk]
            found = (orth, True, bits)
        elif chunk[:-1].isalpha() and chunk[-1] in ",.!?:;\n":
            orth, bits = words[chunk[:-1]]
            sign, sign_bits = words[chunk[-1]]
            found = (orth, False, bits, sign, True, sign_bits)
        else:
            flat: list[int] = []
            for word, blank in _SPLIT.findall(chunk or " "):
                orth, bits = words[word]
                flat += (orth, blank == " ", bits)
            flat[-2] = chunk != ""
            found = tuple(flat)
        if len(chunk) <= _LONGEST_KEPT:
            self[chunk] = found
        return found


class Tokenizer:
    """`text -> ListingDoc`."""

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab
        self._marks = Marks()
        self._chunks = _Chunks(vocab, self._marks)

    def add_mark(
        self, words: Iterable[str] = (), exact: Iterable[str] = (), holds: Callable[[str], bool] | None = None
    ) -> int:
        """`Marks.add`: the bit of a new mark, for `extract.marks.marked`."""
        self._chunks.forget()
        return self._marks.add(words, exact, holds)

    def __call__(self, text: str) -> Doc:
        flat: list[Any] = list(chain.from_iterable(map(self._chunks.__getitem__, _cut(text))))
        spaces = flat[1::3]
        if spaces and not text.endswith(" "):
            spaces[-1] = False
        doc = ListingDoc(self.vocab, words=flat[::3], spaces=spaces)
        doc.kept = text
        doc.marks = [(token, bits) for token, bits in enumerate(flat[2::3]) if bits]
        return doc

    @contextmanager
    def memory_zone(self, mem: object = None) -> Iterator[object]:
        """Called by `Language.memory_zone`: strings added inside are gone when it ends, and so is what names them."""
        try:
            yield mem
        finally:
            self._chunks.forget()


def tokenizer_of(nlp: Language) -> Tokenizer:
    """The tokenizer of a pipeline, for a component that needs its marks; TypeError if it is another one."""
    tokenizer = nlp.tokenizer
    if not isinstance(tokenizer, Tokenizer):
        raise TypeError(f"the pipeline has a {type(tokenizer).__name__}; create it with an extract.tokenizer.Tokenizer")
    return tokenizer


def _cut(text: str) -> list[str]:
    """The text at its blanks, each of which belongs to the token before it. Blanks that are left over are tokens: in
    pairs (` `), the second belonging to the first, and a last one alone (an empty string)."""
    parts = text.split(" ")
    if "" not in parts:
        return parts
    kept: list[str] = []
    for part in _BLANKS.findall(text):
        if part[0] == " ":
            over = len(part) - 1 if kept else len(part)
            kept += [" "] * (over // 2) + [""] * (over % 2)
        else:
            kept.append(part)
    return kept


def build_vocab(normalise: Callable[[str], str]) -> Vocab:
    """A vocab whose NORM is `normalise(word)`; called once for each distinct word."""
    return Vocab(lex_attr_getters={NORM: normalise})
