"""spaCy component `dropline_places`: regions with their role (place, from, to, except), into `found(doc).regions`.

Fields of their own (`place`, `ships_from`, `ships_to`, `ships_except`) are read whole. In titles and descriptions a
town of the stash markets counts by itself; a country, or a large city elsewhere, only beside words about shipping,
because there it is mostly the origin or the name of a product (`Moroccan hash`, `импорт из Голландии`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from spacy.language import Language
from spacy.tokens import Doc

import extract.components.stash  # noqa: F401  (registers dropline_stash beside dropline_places)
from extract.beginnings import Beginnings
from extract.found import FoundRegion, found
from extract.gazetteer import Gazetteer, load_gazetteer, read_words
from extract.marks import Following, lower_word, stretches_of
from extract.place_lexicon import NEAR, Name, load_lexicon, read_codes
from extract.place_roles import EXCEPT_IN_FIELD, Hit, give_roles

_WORD = re.compile(r"[^\W\d_]+")
_GAP = re.compile(r"(?:[ .]{0,2}|\s?[-–‑]\s?|'|\. ?-)")
_BETWEEN = re.compile(r"\s*(?:[,;|/\n+&]|\b(?:and|or|и|или)\b)\s*", re.IGNORECASE)
_ROLES = {"place": "place", "ships_from": "from", "ships_to": "to", "ships_except": "except"}
_TEXT = frozenset(("title", "description"))
_SMALL = 100_000
_PREPOSITION = re.compile(r"(?:^|[^\w])(?:в|во|по|из|г|гор|город|города|городе|in|from|to)[. ]+$", re.IGNORECASE)
_AMOUNT = re.compile(r"\d\s?(?:г|гр|мл|шт|таб|табл)\.?\s+$", re.IGNORECASE)
_ISOLATED_LEFT = re.compile(r"(?:^|[|\n\[({,;/•*!►❗.-])[\s\W]*$")
_ISOLATED_RIGHT = re.compile(r"[\s\W]*?(?:$|[|\n\])},;/•*!.-]|\d)")
_CODE_LEFT = re.compile(r"(?:[>→➡2-]|[A-Z]{2},)\s?$")
_OPENED = re.compile(r"[\[(]\s?$")
_CLOSED = re.compile(r"\s?[\])>→➡,/|+&-]")
_CODE_RIGHT = re.compile(r"\s?(?:[>→➡\])]|->)|, ?[A-Z]{2}(?![^\W\d_])")
AROUND = {"RU-MOW": "RU-MOS", "RU-SPE": "RU-LEN", "BY-HM": "BY-MI", "UA-30": "UA-32", "KZ-75": "KZ-19"}
"""Cities that are subdivisions of their own, and the region around them."""
_AND_REGION = re.compile(r"\s?(?:и|\+|/|,|&)\s?(?P<region>обл(?:асть|асти|астью)?(?!\w))", re.IGNORECASE)
LONGEST = 50_000
REACH = 4
"""Tokens from one word of a name to the next: up to three signs between two."""


class Places:
    """Doc -> Doc. Reads `found(doc).fields`, adds to `found(doc).regions`, in the order of the text."""

    def __init__(self, nlp: Language) -> None:
        self.gazetteer: Gazetteer = load_gazetteer()
        self.lexicon = load_lexicon()
        # (first word, second) of names -> names: hundreds begin with `по` or `новый`, hardly any with both words
        self._pairs: dict[tuple[str, str], list[Name]] = {}
        self._single: dict[str, list[Name]] = {}
        for first, names in self.lexicon.items():
            self._single[first] = [one for one in names if not one.rest]
            for second in {one.rest[0] for one in names if one.rest}:
                self._pairs[first, second] = [one for one in names if not one.rest or one.rest[0] == second]
        self._longer = frozenset(first for first, _ in self._pairs)
        self._codes = read_codes()
        self._code_words = read_words("codes-words")
        alone = (first for first, names in self._single.items() if names)
        self._starts = Beginnings(nlp, alone, self._pairs, REACH, self._codes)

    def __call__(self, doc: Doc) -> Doc:
        seen = found(doc)
        tokens = self._starts.find(doc)
        for field in seen.fields:
            if field.name in _TEXT:
                if tokens:
                    end = min(field.end, field.start + LONGEST)
                    stretches = stretches_of(doc, tokens, field.start, end)
                    seen.regions.extend(self.read_text(doc.text[field.start : end], field.start, stretches))
            elif field.name in _ROLES:
                text = doc.text[field.start : field.end]
                seen.regions.extend(self.read_field(text, _ROLES[field.name], field.start))
        return doc

    def read_field(self, text: str, role: str, offset: int = 0) -> Iterator[FoundRegion]:
        """Regions of a field that holds nothing but places: whole, or else item by item."""
        if role == "to" and (cut := EXCEPT_IN_FIELD.search(text)):
            yield from self.read_field(text[: cut.start()], "to", offset)
            yield from self.read_field(text[cut.end() :], "except", offset + cut.end())
            return
        code = self.gazetteer.region_of(text)
        if code is not None:
            start = len(text) - len(text.lstrip())
            yield FoundRegion(code, role, offset + start, offset + len(text.rstrip()))
            return
        given: set[str] = set()
        start = 0
        for gap in [*_BETWEEN.finditer(text), None]:
            end = gap.start() if gap else len(text)
            code = self.gazetteer.region_of(text[start:end]) if end > start else None
            if code is not None and code not in given:
                given.add(code)
                yield FoundRegion(code, role, offset + start, offset + end)
            start = gap.end() if gap else end

    def read_text(
        self, text: str, offset: int = 0, stretches: Iterable[tuple[int, int]] | None = None
    ) -> list[FoundRegion]:
        """Regions of running text with roles; one for each code and role, at its first mention. `stretches`: where
        names may begin (all of the text if not given)."""
        hits = list(self._find(text, ((0, len(text)),) if stretches is None else stretches))
        if not AROUND.keys().isdisjoint([hit.code for hit in hits]):
            hits = list(_with_regions(text, hits))
        return give_roles(text, hits, offset) if hits else []

    def _find(self, text: str, stretches: Iterable[tuple[int, int]]) -> Iterator[Hit]:
        free = 0
        for start, end in stretches:
            for word in _WORD.finditer(text, start, end):
                if word.start() >= free and (hit := self._match(text, word)) is not None:
                    yield hit
                    free = hit.end

    def _match(self, text: str, word: re.Match[str]) -> Hit | None:
        raw = word.group()
        start = word.start()
        if raw == "aus":
            return None  # German for `from`
        first = lower_word(raw)
        single = self._single.get(first)
        if single is not None:
            following = Following(text, word.end())
            names = self._pairs.get((first, following.second()), single) if first in self._longer else single
            for name in names:
                end = following.end_of(name.rest, _GAP) if name.rest else word.end()
                if end is not None and self._counts(text, name, start, end):
                    return Hit(name.code, name.kind, start, end, raw in self._codes, raw[0].isupper())
        code = self._codes.get(raw)
        if code is not None and (raw not in self._code_words or _is_code(text, start)):
            return Hit(code, "area" if code in ("EU", "WORLD") else "country", start, word.end(), True, True)
        return None

    @staticmethod
    def _counts(text: str, name: Name, start: int, end: int) -> bool:
        """Does this occurrence mean the place? Countries and far cities are judged later, by their role."""
        if name.capitals:
            return text[start:end].isupper()
        if name.kind in ("country", "area", "far", "region"):
            return True
        if name.cue or (name.weight and name.weight < _SMALL and not text[start].isupper()):
            if _PREPOSITION.search(text, max(0, start - 12), start):
                known = name.weight >= _SMALL and not text[start:end].isascii()  # not `effective in oral use`
                return known or text[start].isupper()
            apart = any(one.search(text, max(0, start - 8), start) for one in (_ISOLATED_LEFT, _AMOUNT))
            alone = apart and _ISOLATED_RIGHT.match(text, end, end + 4)
            large = name.weight >= _SMALL or not name.cue
            return bool(alone) and text[start].isupper() and name.code[:2] in NEAR and large
        return True


def _with_regions(text: str, hits: Iterable[Hit]) -> Iterator[Hit]:
    """The hits, and the region around a city that is one of its own: `Москва и область`."""
    for hit in hits:
        yield hit
        around = AROUND.get(hit.code)
        if around and (more := _AND_REGION.match(text, hit.end)) is not None:
            yield Hit(around, "region", more.start("region"), more.end(), False)


def _is_code(text: str, start: int) -> bool:
    """Does this two-letter word in capitals stand as a country code stands: in brackets, by an arrow, in a list?"""
    left = max(0, start - 4)
    if _OPENED.search(text, left, start):
        return _CLOSED.match(text, start + 2) is not None  # not `(IN STOCK)`
    return bool(_CODE_LEFT.search(text, left, start) or _CODE_RIGHT.match(text, start + 2))


@Language.factory("dropline_places", requires=[], assigns=[])
def build_places(nlp: Language, name: str) -> Places:
    """The component; its tables are read once for each process. `nlp` has a `extract.tokenizer.Tokenizer`."""
    return Places(nlp)
