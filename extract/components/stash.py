"""spaCy component `dropline_stash`: how a package is hidden, into `found(doc).stash`.

A named way of hiding (`магнит`, `прикоп`, `подъезд`) outweighs the general word for a stash (`клад`, `тайник`,
`закладка`) beside it: `клад на магните` is one magnet. The general word alone is `cache`. Words for the stash
that speak of the shop, of work or of pay (`оплата за клад`, `требуются кладмены`) name no hiding type.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pymorphy3
from spacy.language import Language
from spacy.tokens import Doc

from config.errors import InputError
from extract.beginnings import Beginnings
from extract.found import FoundStash, found
from extract.marks import Following, lower_word, stretches_of
from extract.observation import Stash
from extract.place_names import fold

TABLE = Path(__file__).resolve().parents[1] / "vocab" / "stash_types.csv"
_FIELDS = frozenset(("title", "description", "quantity", "place"))
_WORD = re.compile(r"[^\W\d_]+")
_GAP = re.compile(r"[\s.,-]{1,3}")
_CASES = ("gent", "datv", "accs", "ablt", "loct")
_NOT_HIDING = re.compile(
    r"(?:\b(?:за|с|со|каждый|один|по|гайд\w*|мануал\w*|обучени\w*|курс\w*|работа\w*|оплата|платим|зп|ваканси\w*"
    r"|требу\w+|ищ\w+|нужн\w+|курьер\w*|без|не)\W+(?:за\W+|каждый\W+|1\W+|один\W+|от\W+)?|(?:руб\w*|р|₽)\s?/\s?"
    r"|\b(?:no|without|not|for|per|my|our|secret|private|personal|big|huge|fridge)\W+)$",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:не|без|кроме|no|not|without|fridge|refrigerator|магазин\w*|возле|около|у)\W+(?:в\W+|на\W+)?$", re.IGNORECASE
)
_OR = re.compile(r"\s*(?:или|и|or|and|[,/|+])\s*", re.IGNORECASE)
_PREPOSITIONS = frozenset({"на", "в", "под", "за"})
_NAMED = ("тайник", "tajnik", "taynik", "tainik")
_SPECIFIC = 40
"""Characters between a specific and a general word that still speak of one package."""
REACH = 25
"""Tokens from one word of a name to the next: signs, numbers, ends of lines."""


@cache
def load_stash_names() -> dict[str, tuple[tuple[tuple[str, ...], Stash], ...]]:
    """First word -> (rest of the name, type), longest first, in every case form and both numbers.

    Raises InputError with file and line for an unknown type or a missing column.
    """
    morph = pymorphy3.MorphAnalyzer()
    table: dict[str, dict[tuple[str, ...], Stash]] = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            try:
                kind, names = Stash(row["type"]), row["names"].split("|")
            except (KeyError, ValueError) as error:
                raise InputError(f"{error} is no hiding type.", file=TABLE, line=rows.line_num,
                                 remedy=f"Use one of {', '.join(Stash)}.") from error  # fmt: skip
            for name in names:
                for words in _inflect(morph, fold(name).split(" ")):
                    table.setdefault(words[0], {}).setdefault(words[1:], kind)
    return {first: tuple(sorted(rest.items(), key=lambda one: -len(one[0]))) for first, rest in table.items()}


def _inflect(morph: pymorphy3.MorphAnalyzer, words: list[str]) -> set[tuple[str, ...]]:
    """The words themselves, and for one Russian noun or adjective + noun all cases of both numbers."""
    forms = {tuple(words)}
    if len(words) > 2 or words[0] in _PREPOSITIONS or not re.fullmatch("[а-я]+", words[0]):
        return forms
    parses = []
    for word in words:
        parse = next((p for p in morph.parse(word) if "nomn" in p.tag and p.tag.POS in ("NOUN", "ADJF")), None)
        if parse is None:
            return forms
        parses.append(parse)
    for number in ("sing", "plur"):
        for case in ("nomn", *_CASES):
            done = []
            for parse in parses:
                wanted = {number, case}
                if parse.tag.POS == "ADJF" and number == "sing":
                    wanted.add(parse.tag.gender or "masc")
                done.append(parse.inflect(wanted))
            if all(done):
                forms.add(tuple(fold(form.word) for form in done if form is not None))
    return forms


class StashTypes:
    """Doc -> Doc. Adds to `found(doc).stash` in the order of the text, each type once for each field."""

    def __init__(self, nlp: Language | None = None) -> None:
        self.names = load_stash_names()
        self._single = {first: [one for one in names if not one[0]] for first, names in self.names.items()}
        self._pairs = {
            (first, second): [one for one in names if not one[0] or one[0][0] == second]
            for first, names in self.names.items() for second in {rest[0] for rest, _ in names if rest}
        }
        self._longer = frozenset(first for first, _ in self._pairs)
        self._starts: Beginnings | None = None
        if nlp is not None:
            alone = {first for first, names in self._single.items() if names}
            alone.update(first for first, second in self._pairs if second in _PREPOSITIONS)  # `щиток в подъезде`
            self._starts = Beginnings(nlp, alone, self._pairs, REACH)

    def __call__(self, doc: Doc) -> Doc:
        tokens = self._starts.find(doc) if self._starts else []
        if not tokens:
            return doc
        seen = found(doc)
        for field in seen.fields:
            if field.name in _FIELDS:
                stretches = stretches_of(doc, tokens, field.start, field.end)
                for one in self.read(doc.text[field.start : field.end], stretches):
                    seen.stash.append(FoundStash(one.type, one.start + field.start, one.end + field.start))
        return doc

    def read(self, text: str, stretches: Iterable[tuple[int, int]] | None = None) -> list[FoundStash]:
        """Hiding types of one text. `stretches`: where names may begin (all of the text if not given)."""
        mentions: list[FoundStash] = []
        free = 0
        for start, end in ((0, len(text)),) if stretches is None else stretches:
            for word in _WORD.finditer(text, start, end):
                if word.start() >= free:
                    free = self._match(text, word, mentions)
        return _settle(text, mentions) if mentions else mentions

    def _match(self, text: str, word: re.Match[str], mentions: list[FoundStash]) -> int:
        """Adds the hiding type that begins at this word; the end of what was read."""
        first = lower_word(word.group())
        single = self._single.get(first)
        if single is None:
            return word.end()
        following = Following(text, word.end())
        names = self._pairs.get((first, following.second()), single) if first in self._longer else single
        for rest, kind in names:
            start, end = word.start(), following.end_of(rest)
            if end is None:
                continue
            bad = _NOT_HIDING if kind is Stash.CACHE else _NEGATED
            if not bad.search(text[max(0, start - 30) : start]):
                mentions.append(FoundStash(kind, start, end))
            return end
        return word.end()


def _settle(text: str, mentions: list[FoundStash]) -> list[FoundStash]:
    """The general word gives way to a specific one near it, except in a choice (`тайник или прикоп`); each type is
    kept once."""
    specific = [one for one in mentions if one.type is not Stash.CACHE]
    starts, ends = [one.start for one in specific], [one.end for one in specific]
    kept: dict[Stash, FoundStash] = {}
    for one in mentions:
        if one.type is Stash.CACHE and Stash.CACHE not in kept:
            near = specific[bisect_left(ends, one.start - _SPECIFIC) : bisect_right(starts, one.end + _SPECIFIC)]
            named = text[one.start : one.end].lower().startswith(_NAMED)
            if near and not (named and all(_OR.fullmatch(text, *_between(one, other)) for other in near)):
                continue
        kept.setdefault(one.type, one)
    return list(kept.values())


def _between(one: FoundStash, other: FoundStash) -> tuple[int, int]:
    return min(one.end, other.end), max(one.start, other.start)


@cache
def _reader() -> StashTypes:
    return StashTypes()


def stash_of(text: str) -> Stash | None:
    """Hiding type of a short field text (`Магнит`, `земляной прикоп`); `other` for unknown words, None if empty."""
    mentions = _reader().read(text[:200])
    return mentions[0].type if mentions else Stash.OTHER if text.strip() else None


@Language.factory("dropline_stash")
def build_stash(nlp: Language, name: str) -> StashTypes:
    """The component; its table is read once for each process."""
    return StashTypes(nlp)
