"""Spelling of place names: `fold` for exact comparison, `skeleton` for one key over both scripts.

`skeleton` is lossy on purpose: Russian and its many transliterations (`Прокопьевск`, `Prokop'yevsk`, `Prokopievsk`)
meet in one key. It is used on short field texts only, never on running text.
"""

from __future__ import annotations

import re
import unicodedata

_CYRILLIC = str.maketrans(
    dict(
        zip(
            "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґўқғңөүұһә",
            ["a", "b", "v", "g", "d", "e", "e", "zh", "z", "i", "i", "k", "l", "m", "n", "o", "p", "r", "s", "t", "u",
             "f", "h", "c", "ch", "sh", "sh", "", "i", "", "e", "u", "a", "i", "i", "e", "g", "u", "k", "g", "n", "o",
             "u", "u", "h", "a"],
            strict=True,
        )
    )
)  # fmt: skip
_LATIN = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        ("shch|sch", "sh"), ("kh", "h"), ("ts|tz", "c"), ("[jy]a|ia", "a"), ("[jy]u|iu", "u"), ("[jy]e|ie", "e"),
        ("[yj]o|io", "e"), ("[yj]", "i"), ("w", "v"), ("x", "ks"), ("ph", "f"), ("q", "k"), (r"(.)\1+", r"\1"),
    )
)  # fmt: skip
_APOSTROPHES = re.compile("[’'‘ʻʼ`´ʹ]")
_SEPARATORS = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """Lower case, ё as е, apostrophes gone, other punctuation as single spaces; accents of Latin letters stay."""
    text = unicodedata.normalize("NFC", text).lower().replace("ё", "е")
    return _SEPARATORS.sub(" ", _APOSTROPHES.sub("", text)).strip()


def skeleton(text: str) -> str:
    """One key for a name in Cyrillic or in any usual transliteration."""
    key = fold(text).translate(_CYRILLIC)
    if not key.isascii():
        key = "".join(c for c in unicodedata.normalize("NFKD", key) if not unicodedata.combining(c))
        key = key.replace("ı", "i").replace("ə", "a").replace("ø", "o").replace("ł", "l").replace("ß", "ss")
    for pattern, replacement in _LATIN:
        key = pattern.sub(replacement, key)
    return key
