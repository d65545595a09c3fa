"""Ways to look at a text in which disguise is undone, with the way back to the original characters.

A View is the folded text (case, width, homoglyphs) in which spaced letters are joined and `[at]`, `(dot)` stand as
signs; `span` gives the stretch of the original text that a stretch of the view came from.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

_LOOKALIKES = dict(
    zip("авеёкмнорстухіїѕјһԁԛԝɡзӏαοενρτυκιѵ", "abeekmhopctyxiisjhdqwgзlaoevptukiv", strict=True)  # Cyrillic, Greek
) | {"ı": "i", "ł": "l", "ø": "o", "ß": "b", "°": "°"}


class _FoldTable(dict[int, int]):
    """For str.translate: one character to one character, worked out at first sight."""

    def __missing__(self, code: int) -> int:
        char = chr(code)
        folded = unicodedata.normalize("NFKC", char).casefold()
        if len(folded) != 1:
            decomposed = unicodedata.normalize("NFD", folded)
            folded = decomposed[0] if decomposed and unicodedata.combining(decomposed[-1]) else char
        elif not folded.isascii():
            base = unicodedata.normalize("NFD", folded)
            if len(base) > 1 and base[0].isascii():
                folded = base[0]
        self[code] = result = ord(_LOOKALIKES.get(folded, folded))
        return result


_FOLD = _FoldTable()


def fold(text: str) -> str:
    """Lower case, NFKC, lookalikes of Latin letters as Latin, accents off: character by character, so as long."""
    return text.lower() if text.isascii() else text.translate(_FOLD)


@dataclass(frozen=True, slots=True)
class View:
    """`text` is what is searched; `cased` is the same with the original case (wallet addresses differ in it)."""

    text: str
    cased: str
    stretches: tuple[tuple[int, int, int], ...] = ()
    """In the view's order: where one begins, where in the original, and the end there of what a sign stands for (0: its
    characters are the original's). None: every character is in its own place."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original."""
        return (self._place(start)[0], self._place(end - 1)[1]) if self.stretches else (start, end)

    def _place(self, index: int) -> tuple[int, int]:
        begin, place, end = self.stretches[bisect_right(self.stretches, index, key=itemgetter(0)) - 1]
        return (place, end) if end else (place + index - begin, place + index - begin + 1)


_SIGN = re.compile(
    r"\s?[\[({<|*]\s?(?P<at>@|at|a(?=\W\s?[\w-]{2,40}\s?(?:\.|\W\s?(?:dot|d0t|\.)))|coбaka|et|эt|at\W?sign)\s?[\])}>|*]\s?"
    r"|\s?[\[({<|*]\s?(?P<dot>\.|dot|d0t|toчka|punkt)\s?[\])}>|*]\s?"
    r"|(?<=\w)\s(?P<at_word>at|coбaka)\s(?=[\w-]{2,40}(?:\.(?:com|net|org|ru|onion|info|ua|kz|by|me|ch|de)(?!\w)|\W{1,2}(?:dot|toчka)\W))"
    r"|(?<=\w)\s(?P<dot_word>dot|toчka)\s(?=[a-z]{2,10}(?!\w)|[a-z]{2,16}\sdot\s)"
)
_SIGN_HINTS = (
    re.compile(r"[\[({<|*]\s?(?:@|at|a|coб|et|эt|\.|d[o0]t|toч|pun)\s?"), re.compile(r"\s(?:at|coбaka|dot|toчka)\s")
)  # fmt: skip
"""Two, as each begins with signs that are quickly looked for."""
_SPACED = re.compile(
    r"(?<![^\s(\[«\"':])(?:\S ){3,}\S(?![^\W_])"  # every character apart
    r"|(?<![^\W_])(?:[^\W_]([-._*|~·•]))(?:[^\W_]\1){2,}[^\W_](?![^\W_])"  # or by one and the same mark
)
_APART = re.compile(r" \S \S "), re.compile(r"([-._*|~·•])[^\W_]\1[^\W_]")
"""One of them is within every match of `_SPACED`, and quicker to find."""
_JOINER = re.compile("[\ufe0e\ufe0f\u20e3\u200b-\u200d\u2060\ufeff\u00ad]")


def build_view(text: str, folded: str) -> View:
    """The view of a text; `folded` is `fold(text)`. Linear in its length."""
    edits: list[tuple[int, int, str]] = []  # stretches of `folded` and what stands for them
    if any(hint.search(folded) for hint in _SIGN_HINTS):
        edits.extend(
            (*match.span(), "@" if match.lastgroup in {"at", "at_word"} else ".") for match in _SIGN.finditer(folded)
        )
    if any(apart.search(folded) for apart in _APART):
        for match in _SPACED.finditer(folded):
            edits.extend((place, place + 1, "") for place in range(match.start() + 1, match.end(), 2))
    if not folded.isascii() and _JOINER.search(folded):
        edits.extend((match.start(), match.end(), "") for match in _JOINER.finditer(folded))
    if not edits:
        return View(folded, text)
    chars: list[str] = []
    cased: list[str] = []
    stretches: list[tuple[int, int, int]] = []
    place, length = 0, 0
    for left, right, sign in sorted([*edits, (len(folded), len(folded), "")]):
        if left < place:
            continue
        if left > place:
            stretches.append((length, place, 0))
            chars.append(folded[place:left])
            cased.append(text[place:left])
            length += left - place
        if sign:
            stretches.append((length, left, right))
            chars.append(sign)
            cased.append(sign)
            length += 1
        place = right
    return View("".join(chars), "".join(cased), tuple(stretches))


_LEET = str.maketrans(
    {"0": "o", "1": "l", "i": "l", "!": "l", "3": "e", "4": "a", "5": "s", "$": "s", "7": "t", "@": "a"}
)
_SOUNDS = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "i",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "h", "ц": "ts", "ч": "kh", "ш": "sh", "щ": "skh", "ъ": "", "ы": "i", "ь": "", "э": "e", "ю": "iu", "я": "ia",
    "і": "i", "ї": "i", "є": "e", "ґ": "g", "y": "i", "j": "i", "w": "v", "q": "k", "x": "ks", "c": "k",
}  # fmt: skip


_SOUND_TABLE = str.maketrans({char: sound.replace("h", "") for char, sound in _SOUNDS.items()} | {"h": ""})
_REPEATED = re.compile(r"(.)\1+")


def _looks(folded: str) -> tuple[str, list[int]]:
    """Letters and digits of a folded text as they look, leet undone, and the place of each."""
    plain = folded.translate(_LEET)
    places = [index for index, char in enumerate(plain) if char.isalnum()]
    return "".join([plain[index] for index in places]), places


class _LooksTable(dict[int, int | None]):
    """For str.translate: what `fold` and `_looks` make of a character, nothing of what is no letter or digit."""

    def __missing__(self, code: int) -> int | None:
        plain = fold(chr(code)).translate(_LEET)
        self[code] = result = ord(plain) if plain.isalnum() else None
        return result


_LOOKS_ONLY = _LooksTable()


def _lower(text: str) -> str:
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(char.lower()[0] for char in text)


def _sounds(text: str) -> tuple[str, list[int]]:
    """Letters and digits as they sound in Latin script (rough: many spellings fall together), and the place of each."""
    chars: list[str] = []
    places: list[int] = []
    before = -2  # letters fall together within a word only
    for index, char in enumerate(_lower(text)):
        if not char.isalnum():
            continue
        joined, before = index - before == 1, index
        for position, sound in enumerate(_SOUNDS.get(char, char)):
            last = chars[-1] if chars and (joined or position) else ""
            if sound == "h" and last == "k":
                chars[-1] = "h"  # kh, ch
            elif sound != last:
                chars.append(sound)
                places.append(index)
    return "".join(chars), places


class _RoughTable(dict[int, str]):
    """For str.translate: how a character sounds without k and h, nothing of what is no letter or digit."""

    def __missing__(self, code: int) -> str:
        sound = _lower(chr(code)).translate(_SOUND_TABLE)
        self[code] = result = "".join(filter(str.isalnum, sound)).replace("k", "")
        return result


_ROUGH = _RoughTable()


def _rough(text: str) -> str:
    """What `_sounds` gives, without k and h apart: if a name sounds in a text, its rough form is in the text's."""
    return _REPEATED.sub(r"\1", text.translate(_ROUGH))


_CYRILLIC = re.compile("[\u0400-\u04ff]")
_WHOLE_FROM = 7
"""Names of this many letters are found inside longer words as well (`BestDutchSkillsShop`)."""


@dataclass(frozen=True, slots=True)
class _Name:
    looks: str
    sounds: str
    rough: str
    cyrillic: bool
    amount: bool
    """Digits alone, few: they would be amounts."""


@lru_cache(maxsize=4096)
def _known(name: str) -> _Name:
    few = name.isdecimal() and len(name) < 5
    return _Name(name.translate(_LOOKS_ONLY), _sounds(name)[0], _rough(name), _CYRILLIC.search(name) is not None, few)


def find_name(text: str, name: str) -> list[tuple[int, int]]:
    """Where `name` stands in `text`: whatever the case, script, homoglyphs, leet, or spaces and marks between letters.

    Names of one or two characters count only as written; digits alone (under five) never, since they would be amounts.
    """
    name = name.strip()
    known = _known(name)
    if known.amount:
        return []
    if len(known.looks) < 3:
        return [match.span() for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)] if name else []
    spans: list[tuple[int, int]] = []
    if known.looks in text.translate(_LOOKS_ONLY):
        spans = _occurrences(text, *_looks(fold(text)), known.looks)
    if (
        len(known.sounds) >= 3
        and (known.cyrillic or not (text.isascii() or _CYRILLIC.search(text) is None))
        and known.rough in _rough(text)
    ):
        spans += _occurrences(text, *_sounds(text), known.sounds)
    return spans


def _occurrences(text: str, view: str, places: list[int], skeleton: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    at = view.find(skeleton)
    while at >= 0:
        start, after = places[at], at + len(skeleton)
        end = places[after] if after < len(places) else len(text)
        while not text[end - 1].isalnum():  # letters that fell together with the last one belong to it
            end -= 1
        bounded = (start == 0 or not text[start - 1].isalnum()) and (end == len(text) or not text[end].isalnum())
        gap = max((places[index + 1] - places[index] for index in range(at, at + len(skeleton) - 1)), default=1)
        if gap <= 4 and (bounded or (len(skeleton) >= _WHOLE_FROM and gap == 1)):
            spans.append((start, end))
            at = view.find(skeleton, at + len(skeleton))
        else:
            at = view.find(skeleton, at + 1)
    return spans
