"""The cheap signs by which a text shows what could stand in it: a finder of personal data runs only where its own are.

Each is necessary for its finder, so that nothing is lost by asking first. Made from one pass over the words of a folded
text; most texts of a market show none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from crawler.privacy_words import DIGITS, LINK_HOSTS, MAIL_HOSTS, MESSENGERS, WORDS_FOR_CONTACT

_WORD = re.compile(r"[^\W_]+")
LONG = 25
"""Letters and digits from which a word may be a key."""
_MAIL, _LINKS, _SPOKEN = frozenset(MAIL_HOSTS), frozenset(LINK_HOSTS), frozenset(DIGITS)
_MESSENGER = frozenset(_WORD.findall(word)[0] for word in (*MESSENGERS, *WORDS_FOR_CONTACT))
_HEX = "0123456789abcdef"
_NORTH_SOUTH, _EAST_WEST = "ns", "ew"
_TELLING = _MAIL | _LINKS | _SPOKEN | _MESSENGER


@dataclass(frozen=True, slots=True)
class Clues:
    """Signs of one text."""

    mail_host: bool
    """The name of a mail service."""
    link_host: bool
    """A word that a messenger's link begins with."""
    messenger: bool
    """A messenger's name, or a word that announces a name there."""
    spoken: bool
    """Digits in words, enough for a number."""
    longest: int
    """Letters and digits of the longest word."""
    fours: bool
    """As many words of four as a fingerprint has, and hexadecimal ones among them."""
    long_numbers: int
    """Words with a digit in them, of two characters and more."""
    compass: bool
    """Three numbers at least, and letters of the compass beside them."""
    digits: int


def read_clues(text: str) -> Clues:
    """The clues of a folded text (or of its view). Linear in its length."""
    words = _WORD.findall(text)
    lengths = list(map(len, words))
    telling = _TELLING.intersection(words)
    numbers = [word for word in words if not word.isalpha()]
    joined = "".join(numbers)
    return Clues(
        mail_host=not telling.isdisjoint(_MAIL),
        link_host=not telling.isdisjoint(_LINKS),
        messenger=not telling.isdisjoint(_MESSENGER),
        spoken=not telling.isdisjoint(_SPOKEN) and sum(word in _SPOKEN for word in words) >= 7,
        longest=max(lengths, default=0),
        fours=lengths.count(4) >= 9 and sum(len(word) == 4 and not word.strip(_HEX) for word in words) >= 8,
        long_numbers=sum(len(word) > 1 for word in numbers),
        compass=len(numbers) >= 3 and _shows(_NORTH_SOUTH, joined, words) and _shows(_EAST_WEST, joined, words),
        digits=sum(map(str.isdecimal, joined)),
    )


def _shows(letters: str, joined: str, words: list[str]) -> bool:
    return any(letter in joined or letter in words for letter in letters)
