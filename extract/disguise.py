"""Undoing disguise, one word at a time: look-alike letters of the other script, digits for letters, repeated letters,
combining and invisible marks, and (for long names only) one typing error.

A `Normaliser` gives each distinct word its NORM: the listed word it is a form of, else the word in lower case. It never
changes lengths in the text: tokens keep their offsets, only their NORM differs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Set

from extract.morphology import is_known

TO_CYRILLIC = str.maketrans("aeopcxyukmthbn3iё", "аеорсхуикмтнвпзіе")
TO_LATIN = str.maketrans("аеорсхуктмнвіїёпигзь", "aeopcxyktmhbiienur3b")
_LATIN_TWIN = frozenset("аеорсхуктмнві")
_CYRILLIC_TWIN = frozenset("aeopcxyktmhbu")
LEET = str.maketrans("013457@$€!", "oieastaesi")
LEET_L = str.maketrans("013457@$€!", "oleastaesl")
_RUSSIAN_LEET = str.maketrans("0346@", "озчба")
_RUSSIAN_LEET_E = str.maketrans("0346@", "оечба")
_UKRAINIAN = str.maketrans("іїєґ", "ииег")
"""Letters that Ukrainian (and in part Kazakh and Belarusian) has where a Russian name of a medicine has others."""
_MARKS = re.compile("[\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_PLAIN = re.compile("[a-z]+|[а-я]+")
ORDINARY = re.compile(
    r"(?!.*?(.)\1\1)(?:(?=[а-я]*[^аеорсхуктмнві])[а-я]{4,}|(?=[a-z]*[^aeopcxyukmtbh])[a-z]{4,})|[0-9]{2,}"
).fullmatch
"""Most words, in lower case: letters of one script, none three times on end, not wholly readable in the other script.
They hide nothing but typing errors. And numbers."""
_REPEATED = re.compile(r"(.)\1{2,}")
_DOUBLED = re.compile(r"(.)\1+")
TYPO_LENGTH = 7
SHORTEST, LONGEST = TYPO_LENGTH - 1, 24
"""Letters of a word that may be a long name with a typing error."""
_CACHE = 50_000


def _deletions(word: str) -> set[str]:
    return {word[:at] + word[at + 1 :] for at in range(len(word))}


def one_edit_apart(left: str, right: str) -> bool:
    """True if one insertion, deletion, substitution or swap of neighbours leads from one word to the other."""
    if abs(len(left) - len(right)) > 1 or left == right:
        return False
    at = 0
    while at < min(len(left), len(right)) and left[at] == right[at]:
        at += 1
    if len(left) == len(right):
        rest_left, rest_right = left[at:], right[at:]
        return rest_left[1:] == rest_right[1:] or (
            rest_left[:2] == rest_right[1::-1] and rest_left[2:] == rest_right[2:]
        )
    longer, shorter = (left, right) if len(left) > len(right) else (right, left)
    return longer[at + 1 :] == shorter[at:]


class Normaliser:
    """`word -> NORM`. `words` maps forms to listed words; `long_names` may be met with one typing error."""

    def __init__(self, words: Mapping[str, str], long_names: Set[str]) -> None:
        self.words = words
        self._typos: dict[str, list[str]] = {}
        for name in sorted(long_names):
            if len(name) >= TYPO_LENGTH:
                for key in (name, *_deletions(name)):
                    self._typos.setdefault(key, []).append(name)
        # one edit leaves the head or the tail of a word as it was, never changes the first letter and the length by at
        # most one: most words are done with after two look-ups
        sizes = [(name, len(name) + more) for name in long_names for more in (-1, 0, 1) if len(name) >= TYPO_LENGTH]
        self.heads: dict[str, set[int]] = {}
        self._tails: dict[str, set[int]] = {}
        for name, size in sizes:
            self.heads.setdefault(name[:3], set()).add(size)
            self._tails.setdefault(name[0] + name[-3:], set()).add(size)
        self.ends = {tail[1:] for tail in self._tails}
        self._cache: dict[str, str] = {}

    def __call__(self, word: str) -> str:
        known = self._cache.get(word)
        if known is None:
            if len(self._cache) >= _CACHE:
                self._cache.clear()
            known = self._cache[word] = self._normalise(word)
        return known

    def _normalise(self, word: str) -> str:
        lower = word.lower()
        listed = self.words.get(lower)
        if listed is not None:
            return listed
        size = len(lower)
        if size < 2 or lower.isdecimal():
            return lower
        if ORDINARY(lower):
            return self._typo(lower) or lower
        return self._undisguise(lower) or lower

    def is_typo(self, lower: str) -> bool:
        """True for a long name with a typing error."""
        if lower[:3] not in self.heads and lower[-3:] not in self.ends:
            return False  # nearly all words
        return self._typo(lower) is not None

    def _undisguise(self, lower: str) -> str | None:
        if lower[-1] == "â" and lower[:-1] in self.words:
            return self.words[lower[:-1]]  # `MYSTERYBIRDÂ€300`: UTF-8 read as Windows-1252
        plain = lower
        if _PLAIN.fullmatch(lower) is None:
            plain = _MARKS.sub("", unicodedata.normalize("NFKC", lower)).lower().replace("ё", "е")
            for spelling in (plain, russian := plain.translate(_UKRAINIAN)):
                if spelling in self.words:
                    return self.words[spelling]
            if russian != plain and (typo := self._typo(russian)) is not None:
                return typo
        if plain is lower and _REPEATED.search(lower) is None and len(lower) > 3 and not self._has_twin(lower):
            return self._typo(plain)
        for candidate in self._candidates(plain):
            listed = self.words.get(candidate)
            if listed is not None:
                return listed
        return self._typo(plain)

    @staticmethod
    def _has_twin(word: str) -> bool:
        return not word.isalpha() or _LATIN_TWIN.issuperset(word) or _CYRILLIC_TWIN.issuperset(word)

    def _candidates(self, word: str) -> list[str]:
        found: list[str] = []
        cyrillic = any("а" <= letter <= "ё" for letter in word)
        latin = any("a" <= letter <= "z" for letter in word)
        digits = not word.isalpha()
        if (cyrillic and latin) or (len(word) >= 4 and not digits and self._twin(word, cyrillic)):
            found += (word.translate(TO_CYRILLIC), word.translate(TO_LATIN))
        if digits:
            found += [word.translate(leet) for leet in (LEET, LEET_L, _RUSSIAN_LEET, _RUSSIAN_LEET_E)]
            if cyrillic and latin:
                found.append(word.translate(TO_LATIN).translate(LEET))
                found.append(word.translate(TO_CYRILLIC).translate(_RUSSIAN_LEET))
        for known in (word, *found):
            if _REPEATED.search(known):
                found += (_REPEATED.sub(r"\1", known), _REPEATED.sub(r"\1\1", known), _DOUBLED.sub(r"\1", known))
        return found

    @staticmethod
    def _twin(word: str, cyrillic: bool) -> bool:
        """The whole word can be read in the other script, letter by letter (`сосаine` aside, `кокс` as `kokc`)."""
        return _LATIN_TWIN.issuperset(word) if cyrillic else _CYRILLIC_TWIN.issuperset(word)

    def _typo(self, word: str) -> str | None:
        size = len(word)
        if not SHORTEST <= size <= LONGEST:
            return None
        if size not in self.heads.get(word[:3], ()) and size not in self._tails.get(word[0] + word[-3:], ()):
            return None
        for key in (word, *_deletions(word)):
            for name in self._typos.get(key, ()):
                if word[0] == name[0] and one_edit_apart(word, name) and not is_known(word):
                    return self.words.get(name, name)
        return None
