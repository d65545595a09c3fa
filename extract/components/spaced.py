"""Names written letter by letter (`г а ш`, `L S D`, `A - P v P`) or broken by stars and points (`к*кс`, `м.е.ф`)."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from spacy.language import Language
from spacy.tokens import Doc

from extract.disguise import Normaliser
from extract.found import found
from extract.marks import listing, lower_word, marked
from extract.terms import Match, field_at
from extract.tokenizer import tokenizer_of
from extract.vocabulary import Vocabulary

_RUN = re.compile(
    r"(?<![^\W_])[^\W_](?: ?[\-.*_ ,'’|] ?[^\W\d_]){2,}(?![^\W_])|(?<![^\W_])[^\W\d_]+(?:[*_][^\W\d_]+)+(?![^\W_])"
)
_CUT = re.compile(r"(?<![\w.-])[^\W\d_][.-][^\W\d_]{3,20}(?![\w-])")
"""`X-anax`: the first letter cut off."""
_CUTS = frozenset("-.")
_APART = re.compile(r"[^\W_](?:[^\w]{1,3}[^\W_])+")
"""Every letter stands alone."""
WEAK_LENGTH = 4
"""Letters of the shortest by-word that is read when it is spelt out: `C O K E`."""
HALVES_LENGTH = 7
"""Letters of the shortest name that is read with a blank in it (`keta mine`), but for one in two scripts."""
_HALVES = re.compile(r"(?<![^\W_])([^\W\d_]{2,})(?= ([^\W\d_]{3,})(?![\w-]))")
HYPHENED_LENGTH = 5
_HYPHENED = re.compile(r"(?<![\w.-])[^\W\d_]{2,9}(?:[-.][^\W\d_]{2,9}){1,3}(?![\w-])")
"""`co-ca-ine`"""
NOT_HALVES = frozenset({"one", "ones"})
"""`ethyl one`: a word of its own."""
LETTERS_APART = 4
"""Tokens from a letter to the next but one, with a sign between two."""
_GLUE = re.compile(r"[\W_]+")


def _start(hit: Match) -> int:
    return hit.start


def is_single_letter(word: str) -> bool:
    """True for one letter (or a digit that stands for one)."""
    return len(word) == 1 and word.isalnum()


class SpacedNames:
    """Finds strong one-word names whose letters stand apart."""

    def __init__(self, nlp: Language, vocabulary: Vocabulary) -> None:
        self._single = tokenizer_of(nlp).add_mark(holds=is_single_letter, tails=())
        self._normalise = Normaliser(vocabulary.words, vocabulary.long_names)
        self._phrases = vocabulary.phrases
        self._names = vocabulary.disguisable
        self._weak = {
            name for name, terms in vocabulary.phrases.items()
            if len(name) >= WEAK_LENGTH and name.isalpha() and any(term.category == "substance" for term in terms)
        }
        self._starred: dict[tuple[int, str, str], list[str]] = {}
        for name in vocabulary.disguisable:
            self._starred.setdefault((len(name), name[0], name[-1]), []).append(name)

    def find(self, doc: Doc, hits: list[Match]) -> list[Match]:
        """Matches (with token numbers -1) outside the matches already there, which come in text order, none inside
        another."""
        extra: list[Match] = []
        for run in self._runs(doc):
            start, end = run.span()
            following = bisect_left(hits, end, key=_start)
            if following and hits[following - 1].end > start:
                continue
            base = self._name(run.group())
            name = field_at(found(doc).fields, start)
            extra += [
                Match(term, -1, -1, start, end, name)
                for term in self._phrases.get(base or "", ()) if term.category == "substance"
            ]
        if extra or not found(doc).quantities or any(hit.term.strength != "weak" for hit in hits):
            return extra
        return self._halved(doc)

    def _halved(self, doc: Doc) -> list[Match]:
        """`keta mine 5 g`, `co-ca-ine`: a name broken by a blank or hyphens, where an amount is given and nothing else
        is named by more than a by-word."""
        title = found(doc).fields[0]
        if title.name != "title":
            return []
        for parts in _HYPHENED.finditer(doc.text, title.start, title.end):
            name = lower_word(re.sub("[-.]", "", parts.group()))
            if len(name) >= HYPHENED_LENGTH and name in self._names:
                return self._match(name, parts.start(), parts.end(), title.name)
        for halves in _HALVES.finditer(doc.text, title.start, title.end):
            written = (halves[1] + halves[2]).lower()
            name = lower_word(written)
            short = len(name) < HALVES_LENGTH and name == written
            if short or halves[2].lower() in NOT_HALVES or name not in self._names:
                continue
            return self._match(name, halves.start(), halves.end(2), title.name)
        return []

    def _match(self, name: str, start: int, end: int, field: str) -> list[Match]:
        return [
            Match(term, -1, -1, start, end, field)
            for term in self._phrases[name] if term.category == "substance" and term.strength == "strong"
        ]

    def _runs(self, doc: Doc) -> Iterator[re.Match[str]]:
        """Looks behind single letters of a title and where three of them stand close together, or everywhere in a text
        with a star inside a word: most texts have neither."""
        text = doc.text
        if "*" in text or "_" in text:
            yield from _RUN.finditer(text)
            return
        starts, singles = listing(doc).starts, marked(doc, self._single)
        free = 0
        title = found(doc).fields[0]
        for single in singles if title.name == "title" else ():
            start = starts[single]
            if start >= title.end:
                break
            if text[start + 1 : start + 2] in _CUTS and (run := _CUT.match(text, start)) is not None:
                yield run
        for first, third in zip(singles, singles[2:], strict=False):
            if third - first > LETTERS_APART or (start := starts[first]) < free:
                continue
            if (run := _RUN.match(text, start)) is not None:
                yield run
                free = run.end()

    def _name(self, written: str) -> str | None:
        joined = self._normalise(_GLUE.sub("", written))
        if joined in self._names or (joined in self._weak and _APART.fullmatch(written)):
            return joined
        if "*" in written and len(written) >= 4:
            word = written.lower()
            for name in self._starred.get((len(word), word[0], word[-1]), ()):
                if all(seen in {"*", letter} for seen, letter in zip(word, name, strict=True)):
                    return name
        return None
