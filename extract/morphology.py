"""Inflected forms of Russian (and Ukrainian) names, so that matching needs no lemmatizer at run time.

pymorphy3 (OpenCorpora dictionary) knows the ordinary words; slang it does not know follows the plain masculine paradigm
where it ends in a consonant, and pymorphy3's guess otherwise. Forms are made once, when the tables are read.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import pymorphy3

_CONSONANTS = frozenset("бвгджзклмнпрстфхцчшщ")
_HUSHING = frozenset("жчшщц")
_VELAR = frozenset("гкх")
_NOMINAL = frozenset({"NOUN", "ADJF"})
SHORTEST = 3
"""Shorter words (`ск`) are abbreviations and stay as they are."""
_AMBIGUOUS = 5
"""Up to this length a form may well be a form of another word (`гера`: `герой`)."""


@cache
def _analyzer() -> Any:
    return pymorphy3.MorphAnalyzer(lang="ru")


def _masculine(word: str) -> tuple[str, ...]:
    last = word[-1]
    plural = "и" if last in _HUSHING | _VELAR else "ы"
    of_many = "ей" if last in _HUSHING else "ов"
    by = "ем" if last in _HUSHING else "ом"
    return tuple(word + ending for ending in ("а", "у", by, "е", plural, of_many, "ам", "ами", "ах"))


def is_known(word: str) -> bool:
    """True if the dictionary has this Russian word form."""
    return bool(_analyzer().word_is_known(word))


@lru_cache(maxsize=8192)
def is_of_something(word: str) -> bool:
    """True for a noun of the dictionary in the genitive, which is no nominative of another one: `шишки лиственницы`,
    `бошка бензокосы`."""
    nouns = [one.tag for one in _analyzer().parse(word) if one.tag.POS == "NOUN" and one.is_known]
    return any("gent" in tag for tag in nouns) and not any({"nomn", "sing"} in tag for tag in nouns)


@lru_cache(maxsize=8192)
def expand_forms(word: str) -> tuple[str, ...]:
    """Other forms of a lower-case Cyrillic word, `ё` written as `е`; none for anything else."""
    if len(word) < SHORTEST or not all("а" <= letter <= "я" or letter in "іїєґ" for letter in word):
        return ()
    known = is_known(word)
    if not known and word[-1] in _CONSONANTS:
        return _masculine(word)
    readings = [reading for reading in _analyzer().parse(word) if reading.tag.POS in _NOMINAL]
    if not readings:
        return ()
    forms = {form.word.replace("ё", "е") for form in readings[0].lexeme if form.tag.POS in _NOMINAL} - {word}
    if known and len(word) <= _AMBIGUOUS:
        lemma = readings[0].normal_form
        forms = {form for form in forms if _analyzer().parse(form)[0].normal_form == lemma}
    return tuple(sorted(form for form in forms if len(form) >= SHORTEST))
