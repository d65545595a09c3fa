"""Marks: which components have something to look at in a token. Each distinct word is asked once, as long as it is
remembered, so that a token without marks costs no component anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from spacy.tokens import Doc

from extract.disguise import TO_CYRILLIC
from extract.listing_doc import ListingDoc

_WORD = re.compile(r"[^\W\d_]+")
_LATIN, _CYRILLIC = re.compile("[a-z]").search, re.compile("[а-я]").search


def lower_word(word: str) -> str:
    """Lower case, `ё` written `е`, Latin look-alikes within a Cyrillic word (`Mocква`) as Cyrillic letters: how words
    are written in the tables of places and hiding types."""
    lower = word.lower().replace("ё", "е")
    return lower.translate(TO_CYRILLIC) if not lower.isascii() and _LATIN(lower) and _CYRILLIC(lower) else lower


class Marks:
    """`token -> bits`. Components add to it while the pipeline is built."""

    def __init__(self) -> None:
        self._next = 1
        self._words: dict[str, int] = {}
        self._exact: dict[str, int] = {}
        self._norms: dict[str, int] = {}
        self.rules: list[tuple[Callable[[str], bool], int]] = []
        self.tails: set[str] | None = set()
        """The last three letters of all words of three and more for which a rule holds; None if they are not known."""

    def add(
        self, words: Iterable[str] = (), exact: Iterable[str] = (), norms: Iterable[str] = (),
        holds: Callable[[str], bool] | None = None, tails: Iterable[str] | None = None,
    ) -> int:  # fmt: skip
        """The bit of a new mark. A token has it if `holds(token in lower case)`, if its NORM is one of `norms`, or if
        it is or contains (`т3ст` contains `т` and `ст`) one of `words` (as `lower_word` writes them), or one of
        `exact` as written. `tails`: what words of three letters and more end with (three letters) for which `holds`, if
        that is known: it spares asking of most."""
        bit, self._next = self._next, self._next << 1
        for table, members in ((self._words, words), (self._exact, exact), (self._norms, norms)):
            for word in members:
                table[word] = table.get(word, 0) | bit
        if holds is not None:
            self.rules.append((holds, bit))
            self.tails = None if self.tails is None or tails is None else self.tails.union(tails)
        return bit

    def bits_of(self, token: str, norm: str) -> int:
        lower = token.lower()
        bits = self._words.get(lower_word(token), 0) | self._exact.get(token, 0) | self._norms.get(norm, 0)
        if not token.isalpha() and len(token) > 1:
            for word in _WORD.findall(token):
                bits |= self._words.get(lower_word(word), 0) | self._exact.get(word, 0)
        for holds, bit in self.rules:
            if holds(lower):
                bits |= bit
        return bits


def listing(doc: Doc) -> ListingDoc:
    """The Doc as the Tokenizer of a listing made it."""
    assert isinstance(doc, ListingDoc)
    return doc


def marked(doc: Doc, bits: int) -> list[int]:
    """Numbers of the tokens that have one of the marks, in order. `doc` comes from the Tokenizer that gave the bits."""
    assert isinstance(doc, ListingDoc)
    return [token for token, having in zip(doc.marked, doc.bits, strict=False) if having & bits]


class Following:
    """The words after `end`, looked up as far as somebody asks."""

    def __init__(self, text: str, end: int) -> None:
        self._text, self._start = text, end
        self._words: list[tuple[str, int, int]] = []

    def second(self) -> str:
        """The next word as `lower_word` writes it; empty where there is none."""
        if not self._words:
            word = _WORD.search(self._text, self._start)
            if word is None:
                return ""
            self._words.append((lower_word(word.group()), word.start(), word.end()))
        return self._words[0][0]

    def end_of(self, rest: tuple[str, ...], gap: re.Pattern[str] | None = None) -> int | None:
        """Where these words (as `lower_word` writes them) end if they follow, with nothing but `gap` between; else
        None."""
        before = self._start
        for number, wanted in enumerate(rest):
            if number == len(self._words):
                word = _WORD.search(self._text, before)
                if word is None:
                    return None
                self._words.append((lower_word(word.group()), word.start(), word.end()))
            written, start, end = self._words[number]
            if written != wanted or (gap is not None and not gap.fullmatch(self._text, before, start)):
                return None
            before = end
        return before


def stretches_of(doc: Doc, tokens: Iterable[int], start: int, end: int) -> list[tuple[int, int]]:
    """Code points of those tokens that begin in `start`..`end`, counted from `start`."""
    ours = listing(doc)
    starts, word = ours.starts, ours.word
    return [
        (first - start, first - start + len(word(one))) for one in tokens if start <= (first := starts[one]) < end
    ]
