"""Substances a text mentions without selling them: negated, compared with, given away as a bonus, the title of a book,
or a word of everyday things."""

from __future__ import annotations

import re
from collections.abc import Set

from spacy.tokens import Doc

from extract.found import found
from extract.terms import Match, matches
from extract.vocabulary import Category

REACH = 5
"""Tokens between a denying word and the name, all of them fillers or other names."""
GIFT_REACH = 3
JOINERS = frozenset({",", "/", "or", "и", "или", "nor", "and", "чи", "та", "(", '"', "«"})
BUT_NOT_LISTS = frozenset({"не", "not", "isn't", "is not"})
"""`не меф, амфетамин` denies the first only; `без мефа, амфетамина` both."""
GAP = frozenset({"-", "–", "—", ":", "(", "*", "!", "is", "are", "we", "i", "мы", "я", "у", "нас", "больше", "пока",
                 "уже"})  # fmt: skip
"""Tokens that may stand between a name and the word that denies it: `Fentanyl - NOT SOLD`, `фентанил мы не продаём`."""
AFTER_REACH = 3
_ADJECTIVE = re.compile(r"(?:ый|ий|ая|ое|ые|ие)$", re.IGNORECASE)
_NOUN = re.compile(r"[а-яё]{3,}")
_LISTED: tuple[Category, ...] = ("form", "cue")
SITE_FIELDS = frozenset({"price", "quantity", "category", "place"})
"""Fields only a market's own page has."""


class Denial:
    """Reads the cues of one Doc."""

    def __init__(self, doc: Doc, fillers: Set[str]) -> None:
        self._doc = doc
        self._ends: dict[int, Match] = {}
        self._after: dict[int, Match] = {}
        self._gifts: list[Match] = []
        self._fillers = fillers
        self._names: list[Match] | None = None
        self._covered: set[int] = set()
        everyday: set[str] = set()
        named = {at for hit in matches(doc, "substance") for at in range(hit.first, hit.last)}
        for cue in matches(doc, "cue"):
            kind = cue.term.value
            if kind == "either":
                # `аналог мефа`, but `гашиш не продаём, шишки есть`
                kind = "after-no" if self._follows_name(cue, named) else "like"
            if kind in {"no", "like"}:
                if cue.term.value == "either":
                    self._ends.setdefault(cue.last, cue)  # a plain word says more than `either`
                else:
                    self._ends[cue.last] = cue
            elif kind == "after-no":
                self._after[cue.first] = cue
            elif kind == "gift":
                self._gifts.append(cue)
            elif kind in {"harmless", "media"} and cue.field == "title" and cue.first not in named:
                everyday.add(kind)
        self._everyday, self._media = False, False
        if everyday and not found(doc).stash:
            self._everyday = all(hit.term.strength != "strong" for hit in matches(doc, "substance"))
            self._media = ("media" in everyday and not self._amount_in_title()) or not self._sold()

    def denies(self, hit: Match, names: list[Match]) -> bool:
        """True if a negation or comparison stands before the name with nothing but fillers and other names between, or
        right after it; for a by-word in a title that speaks of everyday things; for any name in the title of a work,
        and where an everyday thing is named but no amount or price: `AMT transmission repair`."""
        if hit.field == "title" and (self._media or (self._everyday and hit.term.strength != "strong")):
            return True
        if hit.first < 0:
            return False
        if hit.term.strength == "weak" and self._is_adjective(hit, names):
            return True
        if not (self._ends or self._after):
            return False
        if self._after and self._denied_after(hit):
            return True
        if not self._ends:
            return False
        if self._names is not names:
            self._names = names
            self._covered = {at for name in names if name.first >= 0 for at in range(name.first, name.last)}
        covered = self._covered
        at, steps, comma = hit.first, 0, False
        while at > 0 and steps <= REACH:
            cue = self._ends.get(at)
            if cue is not None and cue.field == hit.field:
                numbered = at < hit.first and self._is_number_sign(cue)
                return not numbered and not (comma and self._only_next(cue))
            word = self._doc[at - 1].text.lower()
            if at - 1 not in covered and word not in self._fillers and word not in JOINERS:
                return False
            if word == ",":
                if self._doc[at].text.lower() in self._fillers:
                    return False
                comma = True
            at, steps = at - 1, steps + (at - 1 not in covered)
        return False

    def _is_adjective(self, hit: Match, names: list[Match]) -> bool:
        """`белый чай`, `первый поезд`: a Russian adjective before a plain noun is no name of a drug."""
        if hit.last >= len(self._doc) or hit.term.lang != "ru":
            return False
        if _ADJECTIVE.search(self._doc[hit.last - 1].text) is None:
            return False
        if _NOUN.fullmatch(self._doc[hit.last].text) is None or any(one.first == hit.last for one in names):
            return False
        return not any(
            one.first <= hit.last < one.last for kind in _LISTED for one in matches(self._doc, kind)
        ) and not any(one.start <= self._doc[hit.last].idx < one.end for one in found(self._doc).regions)

    def _denied_after(self, hit: Match) -> bool:
        """`Fentanyl - NOT SOLD`, `аяваску не предлагать`, `fentanyl-free`: the cue follows, on the same line."""
        for at in range(hit.last, min(hit.last + AFTER_REACH, len(self._doc))):
            cue = self._after.get(at)
            if cue is not None and cue.field == hit.field:
                glued = not self._doc[hit.last - 1].whitespace_
                hyphen = at == hit.last + 1 and self._doc[hit.last].text == "-" and glued
                return at == hit.last or hyphen or cue.last - cue.first > 1
            if self._doc[at].text.lower() not in GAP:
                return False
        return False

    def _follows_name(self, cue: Match, named: set[int]) -> bool:
        for at in range(cue.first - 1, max(-1, cue.first - 1 - AFTER_REACH), -1):
            if at in named:
                return True
            if self._doc[at].text.lower() not in GAP:
                return False
        return False

    def _amount_in_title(self) -> bool:
        seen = found(self._doc)
        end = next((one.end for one in seen.fields if one.name == "title"), 0)
        return any(one.start < end for one in seen.quantities)

    def _sold(self) -> bool:
        """Anything that offers: an amount, a price, a word of such listings, what the site says apart."""
        seen = found(self._doc)
        if seen.quantities or seen.prices or any(one.name in SITE_FIELDS for one in seen.fields):
            return True
        return any(cue.term.value == "drug" for cue in matches(self._doc, "cue"))

    def _only_next(self, cue: Match) -> bool:
        return cue.term.value in {"like", "either"} or self._doc.text[cue.start : cue.end].lower() in BUT_NOT_LISTS

    def _is_number_sign(self, cue: Match) -> bool:
        """`No. 1`, `no 4`: a number follows the cue."""
        rest = [token.text for token in self._doc[cue.last : cue.last + 2]]
        return bool(rest) and (rest[0].isdigit() or (rest[0] == "." and len(rest) > 1 and rest[1].isdigit()))

    def is_gift(self, hit: Match) -> bool:
        """`+ 1g hash as a gift`"""
        return hit.first >= 0 and any(
            gift.field == hit.field and (0 <= hit.first - gift.last <= GIFT_REACH or 0 <= gift.first - hit.last <= 2)
            for gift in self._gifts
        )
