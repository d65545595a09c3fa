"""Russian words in Latin letters the way people type them (several habits at once, not one standard)."""

from __future__ import annotations

from functools import lru_cache

_PLAIN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ж": "zh", "з": "z", "и": "i", "й": "i", "к": "k",
    "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "h",
    "ц": "c", "ч": "ch", "ш": "sh", "щ": "sch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya",
}  # fmt: skip
_HABITS: tuple[dict[str, str], ...] = (
    {},
    {"х": "kh", "ж": "j", "й": "y", "ы": "i", "ц": "ts", "ю": "ju", "я": "ja"},
    {"х": "x", "ш": "w", "ы": "i", "ц": "ts", "ч": "4", "я": "ia", "ю": "iu"},
    {"ж": "j", "ш": "sh", "ы": "i", "й": "j", "х": "h", "кс": "x"},
    {"в": "w", "ы": "i", "ц": "ts", "й": "y"},
)


@lru_cache(maxsize=8192)
def transliterate(word: str) -> frozenset[str]:
    """Spellings of a lower-case Cyrillic word in Latin letters (2 to 5 of them)."""
    spellings = set()
    for habit in _HABITS:
        text = word.replace("кс", habit["кс"]) if "кс" in habit else word
        spellings.add("".join(habit.get(letter, _PLAIN.get(letter, letter)) for letter in text))
    return frozenset(spellings)
