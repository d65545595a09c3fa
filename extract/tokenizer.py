"""Lean tokenizer: one regular expression, no special cases, no URL matching.

Tokens are: a run of letters (with combining and zero-width marks, and digits or `@ $ €` standing *inside* a
word, as in `k3tamine`, `w33d`), a number with its inner points and commas (`0.33`, `1,000`), or any other single
character. So `0.33г` is two tokens, `2C-B` is `2 C - B`, and `2cb` is `2 cb`. A blank belongs to the token before it,
as in spaCy; other white space is a token. `Doc.text` is always the text given, code point for code point.

What stands between two blanks is taken apart once: most words of a market come again and again, so a text is mostly
looked up. What is remembered are the *widths* of its tokens; a word of some table has its NORM and its *marks*
(`extract.marks`) with it, any other is a bare number, so that new words neither cost much nor stay in memory.

Lexemes carry only NORM and what components add by `vocab.add_flag`: spaCy's other lexical attributes
(`lower_`, `is_digit`, `shape_`, `like_num` …) are not computed, because they cost more than all our matching.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Set
from itertools import accumulate, chain
from typing import Any

from spacy.attrs import NORM
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from extract.disguise import ORDINARY, Normaliser
from extract.listing_doc import ListingDoc, Marked, Word
from extract.marks import Marks

INVISIBLE = "\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
UNITS = (
    "mg|mcg|ug|g|gr|grm|gram|grams|kg|ml|cl|l|oz|lb|lbs|x|pc|pcs|tab|tabs|pill|pills|caps|k|usd|eur|btc"
    "|мг|мкг|г|гр|грам|грамм|грамма|грамов|граммов|кг|мл|л|шт|штук|таб|табл|табс|х|к|ч|р|руб|т|тг|уп|го|й|я"
)
"""Letters behind a digit that are a unit and not the rest of a disguised word."""
_LETTER = r"[^\W\d_]"
_RUN = rf"(?:{_LETTER}++[{INVISIBLE}]*+)++"
_LEET = rf"(?:00|33|[013457@$€])(?!(?:{UNITS})(?!{_LETTER})){_RUN}"
_SPLIT = re.compile(rf"({_RUN}(?:{_LEET})*|\d+(?:[.,]\d+)*|[\s\S])( ?)", re.IGNORECASE)
_BLANKS = re.compile(r"[^ ]+| +")
_SIGNS = frozenset(",.!?:;\n")
LONGEST_KEPT = 40
"""Code points between two blanks that are worth keeping: longer stretches hardly come twice."""
KEPT = 100_000
"""Stretches remembered; then all are forgotten, and the common ones are soon there again (some 100 bytes each)."""
_PLAIN = tuple((size + 1,) for size in range(LONGEST_KEPT + 1))
"""A word that nobody waits for, with a blank behind it."""


class _Words(dict[str, tuple[int, int]]):
    """Token -> its width without and with a blank behind it."""

    def __init__(self, normalise: Callable[[str], str]) -> None:
        super().__init__()
        self._normalise = normalise
        self.marks = Marks()
        self.norms: set[str] = set()

    def __missing__(self, token: str) -> tuple[int, int]:
        size = len(token)
        norm = self._normalise(token)
        bits = self.marks.bits_of(token, norm)
        known = norm if norm in self.norms else None
        widths: tuple[int, int]
        if bits:
            widths = Marked.build(size, known, bits)
        elif known is not None:
            widths = Word.build(size, known)
        else:
            widths = size, size + 1
        if size <= LONGEST_KEPT:
            if len(self) >= KEPT:
                self.clear()
            self[token] = widths
        return widths


class _Chunks(dict[str, tuple[int, ...]]):
    """What stands between two blanks -> the widths of its tokens. The last token has a blank, but for the empty
    stretch (`_cut`)."""

    def __init__(self, words: _Words, normaliser: Normaliser | None) -> None:
        super().__init__()
        self._words, self._normaliser = words, normaliser
        self.known = set() if normaliser is None else set(normaliser.words)
        """What components wait for, in lower case, and the forms of listed words."""
        self._heads: Container[str] = frozenset()
        self._tails: Set[str] | None = None
        """A word that neither begins nor ends with these three letters is no typing error and holds no rule."""
        self.set_tails()

    def set_tails(self) -> None:
        """After a change of the rules of marks."""
        tails = self._words.marks.tails
        if self._normaliser is not None and tails is not None:
            self._heads, self._tails = self._normaliser.heads, self._normaliser.ends | tails
        else:
            self._tails = None

    def __missing__(self, chunk: str) -> tuple[int, ...]:
        size = len(chunk)
        found: tuple[int, ...]
        if size > LONGEST_KEPT or not chunk:
            return self._lines(chunk) if "\n" in chunk else self._split(chunk)
        if chunk[-1] in _SIGNS:
            word = chunk[:-1]
            known = self.get(word)  # most words with a sign have been there without
            if known is None and word:
                known = self._learn(word, size - 1)
            if known is None:
                found = self._lines(chunk) if "\n" in word else self._split(chunk)
            elif known is _PLAIN[size - 1]:
                found = size - 1, self._words[chunk[-1]][1]
            else:
                found = *known[:-1], _glued(known[-1]), self._words[chunk[-1]][1]
        elif (learnt := self._learn(chunk, size)) is not None:
            found = learnt
        elif "\n" in chunk:
            return self._lines(chunk)
        else:
            found = self._split(chunk)
        if len(self) >= KEPT:
            self.clear()
        self[chunk] = found
        return found

    def _learn(self, word: str, size: int) -> tuple[int, ...] | None:
        """Most new words are ordinary ones that nobody waits for and that are their own NORM: nothing is remembered of
        them but their length. None for what is no word."""
        lower = word.lower()
        if not ORDINARY(lower):
            return (self._words[word][1],) if word.isalpha() else None
        normaliser, tails = self._normaliser, self._tails
        if normaliser is None or lower in self.known:
            return (self._words[word][1],)
        if tails is not None and size > 2 and lower[-3:] not in tails and lower[:3] not in self._heads:
            return _PLAIN[size]  # most new words
        if normaliser.is_typo(lower):
            return (self._words[word][1],)
        for holds, _ in self._words.marks.rules:
            if holds(lower):
                return (self._words[word][1],)
        return _PLAIN[size]

    def _split(self, chunk: str) -> tuple[int, ...]:
        tokens = _SPLIT.findall(chunk or " ")
        return *[self._words[token][0] for token, _ in tokens[:-1]], self._words[tokens[-1][0]][chunk != ""]

    def _lines(self, chunk: str) -> tuple[int, ...]:
        """The end of a line and the beginning of the next hardly come together twice: each is remembered alone."""
        glued, spaced = self._words["\n"]
        widths: list[Any] = []
        *lines, rest = chunk.split("\n")
        for line in lines:
            if line:
                *before, last = self[line]
                widths += *before, _glued(last)
            widths.append(glued)
        if rest:
            return *widths, *self[rest]
        return *widths[:-1], spaced


def _glued(width: Any) -> int:
    """The width without the blank."""
    glued: int = width - 1 if type(width) is int else width.glued
    return glued


class Tokenizer:
    """`text -> ListingDoc`. `normaliser` is that of the vocab, if it can tell ordinary words quickly; without it every
    new word is looked at closely."""

    def __init__(self, vocab: Vocab, normaliser: Normaliser | None = None) -> None:
        self.vocab = vocab
        known: Any = vocab  # spaCy's stub does not know the getters
        self.normalise: Callable[[str], str] = known.lex_attr_getters[NORM]
        self._words = _Words(self.normalise)
        self._chunks = _Chunks(self._words, normaliser)

    def add_mark(
        self, words: Iterable[str] = (), exact: Iterable[str] = (), norms: Iterable[str] = (),
        holds: Callable[[str], bool] | None = None, tails: Iterable[str] | None = None,
    ) -> int:  # fmt: skip
        """`Marks.add`: the bit of a new mark, for `extract.marks.marked`."""
        words, exact, norms = list(words), list(exact), list(norms)
        self._wait_for([*words, *exact, *norms])
        bit = self._words.marks.add(words, exact, norms, holds, tails)
        self._chunks.set_tails()
        return bit

    def keep_norms(self, norms: Iterable[str]) -> None:
        """Words with these NORMs have them in `ListingDoc.widths`."""
        self._words.norms.update(norms)
        self._wait_for(norms)

    def _wait_for(self, words: Iterable[str]) -> None:
        self._chunks.known.update(map(str.lower, words))
        self._chunks.clear()
        self._words.clear()

    def norms_of(self, text: str) -> tuple[str, ...]:
        """The NORM of each token."""
        return tuple([self.normalise(token) for token, _ in _SPLIT.findall(text)])

    def read(self, text: str) -> ListingDoc:
        """A Doc whose spaCy tokens are made when somebody asks for them."""
        widths: list[Any] = list(chain.from_iterable(map(self._chunks.__getitem__, _cut(text))))
        doc: ListingDoc = ListingDoc.__new__(ListingDoc)
        doc.lay(self.vocab, self.normalise, text, widths, list(accumulate(widths, initial=0)))
        return doc

    def __call__(self, text: str) -> Doc:
        doc = self.read(text)
        doc.fill()
        return doc


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
