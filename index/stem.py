"""Stems, made in Python so that both stores index and search the same words.

Snowball stemmers (PyStemmer: compiled, the same stems as the pure snowballstemmer of its version): Russian for words
with a Cyrillic letter, English for the rest. Words are runs of letters and digits after NFKC, case folding and ё -> е.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import Stemmer  # type: ignore[import-not-found]

_WORD = re.compile(r"[^\W_]+")
_CYRILLIC = re.compile(r"[а-яіїєґў]")
_QUERY = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')
_LONGEST = 48
"""Code points of a word that are kept: below the limits of both stores, so that neither splits a word by itself."""


class _Stemmers(threading.local):
    """A pair for each thread: a stemmer holds the word it works on."""

    def __init__(self) -> None:
        self.russian = Stemmer.Stemmer("russian", 0)  # no cache of its own
        self.english = Stemmer.Stemmer("english", 0)


_stemmers = _Stemmers()


@lru_cache(maxsize=200_000)
def _stem_word(word: str) -> str:
    stemmer = _stemmers.russian if _CYRILLIC.search(word) else _stemmers.english
    return stemmer.stemWord(word) or word


def build_stems(*texts: str) -> list[str]:
    """Stems of the texts' words in order. Words beyond the basic plane are left out: the stores' tokenizers differ."""
    stems: list[str] = []
    for text in texts:
        plain = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
        stems += [_stem_word(word[:_LONGEST]) for word in _WORD.findall(plain) if word < "\U00010000"]
    return stems


@dataclass(frozen=True)
class Query:
    """A search: every one of `all_of` must occur, none of `none_of`; a clause of several stems is a phrase."""

    all_of: tuple[tuple[str, ...], ...] = ()
    none_of: tuple[tuple[str, ...], ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.all_of or self.none_of)


def parse_query(text: str) -> Query:
    """`word word "a phrase" -without`. Signs that are no words are ignored; a hyphenated word is a phrase."""
    wanted: list[tuple[str, ...]] = []
    unwanted: list[tuple[str, ...]] = []
    for sign, phrase, word in _QUERY.findall(text):
        stems = tuple(build_stems(phrase or word))
        if stems:
            (unwanted if sign else wanted).append(stems)
    return Query(tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted)))
