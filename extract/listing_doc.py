"""The Doc of a listing: its text, and where its tokens are.

Components of the pipeline read the text, the marks and the places of tokens, all of which come from look-ups. spaCy's
own tokens (`doc[3]`, `len(doc)`, spans, matchers) are made when somebody first asks for one: nothing in a crawl does,
and they cost more than all the rest of the tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

from spacy.tokens import Doc, Token
from spacy.vocab import Vocab


class Word(int):
    """The width of a token (code points, with the blank behind it) whose NORM some phrase of the tables has."""

    norm: str | None
    bits: int
    glued: Self
    """The same word without a blank behind it."""

    @classmethod
    def build(cls, size: int, norm: str | None, bits: int = 0) -> tuple[Self, Self]:
        """The widths of a word of `size` code points without and with a blank behind it."""
        glued, spaced = cls(size), cls(size + 1)
        for word in glued, spaced:
            word.norm, word.bits, word.glued = norm, bits, glued
        return glued, spaced


class Marked(Word):
    """The width of a token that a component waits for."""


class ListingDoc(Doc):
    """A Doc that knows its text. Made by `extract.tokenizer.Tokenizer` alone."""

    kept: str
    widths: list[int]
    """Of each token: code points, with the blank behind it (the last token counts one even where there is none)."""
    starts: list[int]
    """The first code point of each token, and the end."""
    marked: list[int]
    """The tokens that have a mark, in order."""
    bits: list[int]
    """Their marks."""
    _vocab: Vocab | None

    def lay(
        self, vocab: Vocab, normalise: Callable[[str], str], text: str, widths: list[Any], starts: list[int]
    ) -> None:  # fmt: skip
        """Instead of `Doc.__init__`, which `fill` calls."""
        self._normalise = normalise
        self._vocab, self.kept, self.widths, self.starts = vocab, text, widths, starts
        self.marked = tokens = [token for token, width in enumerate(widths) if type(width) is Marked]
        self.bits = [widths[token].bits for token in tokens]
        self.user_data = {}

    @property
    def text(self) -> str:
        return self.kept

    @property
    def count(self) -> int:
        """Tokens."""
        return len(self.widths)

    def end(self, token: int) -> int:
        """The code point behind a token."""
        end = self.starts[token + 1]
        if end > len(self.kept):
            return end - 1
        return end - (self.kept[end - 1] == " " and end - self.starts[token] > 1)

    def word(self, token: int) -> str:
        """A token as written: `doc[token].text` without making spaCy's tokens."""
        word = self.kept[self.starts[token] : self.starts[token + 1]]
        return word[:-1] if word[-1:] == " " and len(word) > 1 else word

    def norm(self, token: int) -> str:
        """`doc[token].norm_`"""
        return self._normalise(self.word(token))

    def fill(self) -> None:
        """Makes spaCy's tokens, once."""
        vocab, self._vocab = self._vocab, None
        if vocab is not None:
            count = len(self.widths)
            ends = [self.end(token) for token in range(count)]
            words = [self.kept[start:end] for start, end in zip(self.starts, ends, strict=False)]
            spaces = [end < min(start, len(self.kept)) for end, start in zip(ends, self.starts[1:], strict=True)]
            super().__init__(vocab, words=words, spaces=spaces, user_data=self.user_data)

    def __getitem__(self, at: Any) -> Any:
        self.fill()
        return super().__getitem__(at)

    def __iter__(self) -> Iterator[Token]:
        self.fill()
        return super().__iter__()

    def __len__(self) -> int:
        self.fill()
        return super().__len__()
