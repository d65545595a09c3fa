"""Substances a text mentions without selling them: negated, compared with, given away as a bonus, the title of a book,
or a word of everyday things."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Set

from spacy.tokens import Doc

from extract.evidence import PIECE_MG, Amounts, is_dosed, states_amount
from extract.found import found, in_region, span_of, word_at
from extract.marks import listing
from extract.morphology import is_of_something
from extract.terms import Match, is_namesake, matches
from extract.vocabulary import Category

REACH = 5
"""Fillers between a denying word and the name; other names may stand there too."""
FARTHEST = 100
"""Tokens between the two in all: nobody denies a longer list, and a text of nothing but names takes no longer."""
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
_WORD = re.compile(r"[^\W\d_]+")
_MEASURED = re.compile(r"[0-9] ?mg (?:of )?$", re.IGNORECASE)
"""`250mg THC`: what milligrams are of is no everyday thing."""
_LISTED: tuple[Category, ...] = ("form", "cue")
EVERYDAY = frozenset({"harmless", "looks", "media"})
"""Cues of everyday things. `looks`: those that drugs are stamped with, look or smell like, or are hidden beside."""
SITE_FIELDS = frozenset({"price", "quantity", "category", "place"})
"""Fields only a market's own page has."""
ACRONYM = 3
"""Letters of the longest name that is that of many things (`MDA`, `PCP`)."""
TITLE_WORDS = 16
"""Words of the longest title; a longer one is a sentence, and tells more than one thing."""
BYWORDS = frozenset({"slang", "transliteration", "emoji"})
"""Types of names that are words of everyday things as well, however surely they name a drug among drugs."""


def is_sentence(doc: Doc) -> bool:
    """The title is longer than titles are: its words do not all belong to one thing."""
    end = next((one.end for one in found(doc).fields if one.name == "title"), 0)
    return len(_WORD.findall(doc.text, 0, end)) > TITLE_WORDS


class Denial:
    """Reads the cues of one Doc."""

    def __init__(self, doc: Doc, fillers: Set[str], amounts: Amounts, words: Set[str]) -> None:
        """`words`: those of drug listings."""
        self._doc = listing(doc)
        self._amounts, self._words = amounts, words
        self._fillers = fillers
        self._before: dict[int, Match] = {}
        """Where a cue ends that denies what follows -> the cue."""
        self._after: dict[int, Match] = {}
        self._gift_starts: set[tuple[str, int]] = set()
        self._gift_ends: set[tuple[str, int]] = set()
        """Field and token where a word of gifts begins, and behind which it ends."""
        self._covered: set[int] | None = None
        self._named: set[int] | None = None
        self._listed: set[int] | None = None
        self._drawn: set[int] | None = None
        self._everyday: Set[int] = frozenset()
        """Tokens of the title that speak of everyday things."""
        self._media = False
        self._mere_looks = True
        """The everyday words are such that drugs look, smell or are stamped like, or lie beside."""
        self._elsewhere = self._doc.count
        """The token of the description from which on other things are listed."""
        telling = [cue for cue in matches(doc, "cue") if cue.term.value != "drug"]
        if telling:
            self._sort(telling)

    def _sort(self, cues: list[Match]) -> None:
        everyday: set[int] = set()
        media = False
        for cue in cues:
            kind = cue.term.value
            if kind == "either":
                # `аналог мефа`, but `гашиш не продаём, шишки есть`
                if self._follows_name(cue):
                    self._after[cue.first] = cue
                else:
                    self._before.setdefault(cue.last, cue)  # a plain word says more than `either`
            elif kind in {"no", "like", "elsewhere"}:
                self._before[cue.last] = cue
                if kind == "elsewhere" and cue.field == "description":
                    self._elsewhere = min(self._elsewhere, cue.first)
            elif kind == "after-no":
                self._after[cue.first] = cue
            elif kind == "gift":
                self._gift_starts.add((cue.field, cue.first))
                self._gift_ends.add((cue.field, cue.last))
            elif kind in EVERYDAY and cue.field == "title" and not in_region(self._doc, cue.start):
                span = range(cue.first, cue.last)
                if not all(self._in_name(at) or self._in_draw(at) for at in span):
                    everyday.update(span)
                    media = media or kind == "media"
                    self._mere_looks = self._mere_looks and kind == "looks"
        if everyday:  # `couch lock` speaks of no couch
            everyday -= {
                at for cue in matches(self._doc, "cue") if cue.term.value == "drug" and cue.field == "title"
                for at in range(cue.first, cue.last)
            }
        if everyday and not found(self._doc).stash and not is_sentence(self._doc):
            self._everyday = everyday
            self._media = (media and not states_amount(found(self._doc))) or not self._sold()

    def leave(self, names: list[Match]) -> list[Match]:
        """The names that are not denied. Denied is a name that a negation or comparison stands before with nothing but
        fillers and other names between, or right after; a by-word in a title that speaks of everyday things; any name
        in the title of a work, or where an everyday thing is named but no amount or price: `AMT transmission
        repair`. Where the title names something, what a description lists as its seller's other goods is denied too."""
        if self._elsewhere < self._doc.count and any(name.field == "title" for name in names):
            names = [name for name in names if name.field != "description" or name.first < self._elsewhere]
        if not (self._before or self._after or self._everyday or self._media):  # most texts deny nothing
            return [name for name in names if name.term.strength != "weak" or not self._is_harmless(name, names)]
        ends = sorted(self._before)
        reach = min(REACH + sum([name.last - name.first for name in names]), FARTHEST)
        closely = bool(self._after) or bool(self._everyday)
        left = []
        for name in names:
            if (closely or name.term.strength == "weak" or name.term.lang == "ru") and self._is_harmless(name, names):
                continue
            nearest = bisect_right(ends, name.first) - 1
            if nearest < 0 or name.first - ends[nearest] > reach or not self._denied_before(name, names):
                left.append(name)
        return left

    def _is_harmless(self, hit: Match, names: list[Match]) -> bool:
        """All but what stands before the name."""
        term = hit.term
        if self._everyday and hit.field == "title" and (self._media or self._is_everyday(hit)):
            return _MEASURED.search(self._doc.text, max(0, hit.start - 6), hit.start) is None
        if hit.first < 0:
            return False  # spelt letter by letter
        if term.lang == "ru" and hit.field == "title" and term.type in BYWORDS and self._is_of_something(hit):
            return True
        if term.strength == "weak" and self._doc.text[hit.end : hit.end + 2] in {"'s", "’s"}:
            return True  # `Molly's game`
        if term.strength == "weak" and term.lang == "ru" and self._is_adjective(hit, names):
            return True
        return bool(self._after) and self._denied_after(hit)

    def _denied_before(self, hit: Match, names: list[Match]) -> bool:
        if self._covered is None:
            self._covered = {at for name in names if name.first >= 0 for at in range(name.first, name.last)}
        covered, fillers, at = self._covered, self._fillers, hit.first
        last, steps, comma, behind = max(0, at - FARTHEST), 0, False, ""
        while at > last and steps <= REACH:
            cue = self._before.get(at)
            if cue is not None and cue.field == hit.field:
                numbered = at < hit.first and self._is_number_sign(cue)
                return not numbered and not (comma and self._only_next(cue))
            word = word_at(self._doc, at - 1)
            if at - 1 not in covered:
                if word not in fillers and word not in JOINERS:
                    return False
                steps += 1
            if word == ",":
                if (behind or word_at(self._doc, at)) in fillers:
                    return False
                comma = True
            at, behind = at - 1, word
        return False

    def _is_everyday(self, hit: Match) -> bool:
        """A by-word beside everyday things (`Спиды рации 2 шт`); any name without an amount it is sold in (`Opium
        perfume 50 ml`); any but a brand right beside the thing (`MDA monitor arm, 1 pc`)."""
        term = hit.term
        if self._mere_looks and self._is_portioned(hit):
            return False
        if term.strength != "strong" or term.type in BYWORDS:
            return True
        if not (found(self._doc).quantities and self._amounts.plausible(term.value)):
            return True
        # a long name in a small weight (`Cocaine BMW stamp 10g`) is no everyday thing either
        if self._mere_looks and self._amounts.small and self._is_long(hit):
            return False
        return term.type == "name" and (hit.first - 1 in self._everyday or hit.last in self._everyday)

    def _is_portioned(self, hit: Match) -> bool:
        """`XTC BMW 220mg x10`, `Мефедрон ваниль 2г`, `Гаш 5гр плитка Мурманск`: near the name an amount in which hardly
        anything but drugs is sold, or herb in a town; near a by-word both."""
        seen, value, near = found(self._doc), hit.term.value, self._amounts.near(hit)
        town = any(one.role == "place" and one.start < seen.fields[0].end for one in seen.regions)
        street = self._amounts.street(value)
        if hit.term.strength == "weak":
            return near and town and street and hit.term.type in BYWORDS
        if (street and (near or self._is_long(hit))) or (value in PIECE_MG and is_dosed(seen, value)):
            return True
        return near and ((town and self._amounts.bud) or (self._amounts.small and hit.last - hit.first > 1))

    @staticmethod
    def _is_long(hit: Match) -> bool:
        """A name that is no acronym of many things."""
        return hit.term.type == "name" and hit.end - hit.start > ACRONYM

    def _is_of_something(self, hit: Match) -> bool:
        """`шишки лиственницы`, `бошка бензокосы`: part of a thing that drug listings do not speak of."""
        if hit.last >= self._doc.count or self._doc.norm(hit.last) in self._words:
            return False
        start, end = span_of(self._doc, hit.last)
        if _NOUN.fullmatch(self._doc.text, start, end) is None or not is_of_something(self._doc.text[start:end]):
            return False
        return not in_region(self._doc, start)

    def _is_adjective(self, hit: Match, names: list[Match]) -> bool:
        """`белый чай`, `первый поезд`: a Russian adjective before a plain noun is no name of a drug."""
        if hit.last >= self._doc.count or _ADJECTIVE.search(self._doc.text, hit.start, hit.end) is None:
            return False
        start, end = span_of(self._doc, hit.last)
        if _NOUN.fullmatch(self._doc.text, start, end) is None or hit.last in self._told(names):
            return False
        return not in_region(self._doc, start)

    def _told(self, names: list[Match]) -> set[int]:
        """Tokens that begin a name or are part of a form or cue."""
        if self._listed is None:
            self._listed = {one.first for one in names}
            for kind in _LISTED:
                self._listed.update(at for one in matches(self._doc, kind) for at in range(one.first, one.last))
        return self._listed

    def _denied_after(self, hit: Match) -> bool:
        """`Fentanyl - NOT SOLD`, `аяваску не предлагать`, `fentanyl-free`: the cue follows, on the same line."""
        for at in range(hit.last, min(hit.last + AFTER_REACH, self._doc.count)):
            cue = self._after.get(at)
            if cue is not None and cue.field == hit.field:
                hyphen = at == hit.last + 1 and self._doc.text[hit.end] == "-"
                return at == hit.last or hyphen or cue.last - cue.first > 1
            if word_at(self._doc, at) not in GAP:
                return False
        return False

    def _in_name(self, at: int) -> bool:
        if self._named is None:
            self._named = {
                at for hit in matches(self._doc, "substance") for at in range(hit.first, hit.last)
                if self._amounts.bud or not is_namesake(hit)
            }
        return at in self._named

    def _in_draw(self, at: int) -> bool:
        """`raffle ticket`: drugs are drawn for, too."""
        if self._drawn is None:
            drawn = (hit for hit in matches(self._doc, "kind") if hit.term.value == "lottery")
            self._drawn = {at for hit in drawn for at in range(hit.first, hit.last)}
        return at in self._drawn

    def _follows_name(self, cue: Match) -> bool:
        for at in range(cue.first - 1, max(-1, cue.first - 1 - AFTER_REACH), -1):
            if self._in_name(at):
                return True
            if word_at(self._doc, at) not in GAP:
                return False
        return False

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
        rest = [word_at(self._doc, at) for at in range(cue.last, min(cue.last + 2, self._doc.count))]
        return bool(rest) and (rest[0].isdigit() or (rest[0] == "." and len(rest) > 1 and rest[1].isdigit()))

    def is_gift(self, hit: Match) -> bool:
        """`+ 1g hash as a gift`"""
        if not self._gift_starts or hit.first < 0:
            return False
        before = {(hit.field, hit.first - far) for far in range(GIFT_REACH + 1)}
        behind = {(hit.field, hit.last + far) for far in range(GIFT_REACH)}
        return not (before.isdisjoint(self._gift_ends) and behind.isdisjoint(self._gift_starts))
