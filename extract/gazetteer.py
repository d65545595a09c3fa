"""Place names to ISO codes: `Gazetteer.region_of` reads short field texts (`Москва (ЮАО)`, `Абдулино (Оренбургская
область)`, `World Wide`). Running text is the business of `extract.components.places`.

Codes are ISO 3166-1 alpha-2, ISO 3166-2 as of 2024, `EU` and `WORLD`. The tables and their sources: docs/places.md.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from config.errors import InputError
from extract.place_names import fold, skeleton

VOCAB = Path(__file__).parent / "vocab"
DOMINANCE = 6
"""A name shared by several regions means the largest place if that has this many times the people of the next; places
outside Russia count half, because the stash markets are mostly Russian."""
LARGE = 100_000
LATIN_POPULATION = 50_000
"""Smaller places are not recognised in Latin letters (`Any`, `Post` are villages somewhere)."""

_PARTS = re.compile(r"\s*[,;/|()\[\]{}>→]+\s*|\s+[-–—:]\s+|\s*:\s*")
_GENERIC = re.compile(
    r"^(?:в|во|по|из)\b|\b(?:г|гор|город|городе|города|пос|поселок|пгт|рп|село|дер|деревня|станица|ст ца|аул|мкр|"
    r"мкрн|микрорайон|"
    r"респ|республика|республики|republic of|republic|city|town|city of|регион|страна|весь|вся|всей|all|whole|"
    r"и область|и обл|only|только|the)\b"
)
_DIVISION = re.compile(
    r"\b(?:обл|область|области|область ао|oblast|region|край|края|кр|krai|kray|ао|автономный округ|автономная область|"
    r"province|state|вилоят|велаят|облысы|область)\b"
)
_RAYON = re.compile(r"\b(?:район|района|районе|р н|р|rayon|district)\b")
_OBLIQUE = re.compile(r"(?<=ск)(?:ой|ую|ого|ому|ом)$")
_JOINING = frozenset(("and", "or", "и", "или", "except", "кроме", "to", "from", "в", "из"))
_AROUND: Mapping[str, str] = MappingProxyType(
    {
        "RU-MOW": "RU-MOS", "RU-SPE": "RU-LEN", "BY-HM": "BY-MI", "UA-30": "UA-32", "KZ-75": "KZ-19",
        "KZ-71": "KZ-11", "UZ-TK": "UZ-TO", "KG-GB": "KG-C", "KG-GO": "KG-O", "UA-40": "UA-43", "AZ-BA": "AZ-ABS",
    }
)  # fmt: skip
"""Cities that are subdivisions of their own, and the region around them that people name with them."""


class Candidate(NamedTuple):
    code: str
    weight: int
    """Inhabitants; for regions and countries 0."""
    kind: str
    """settlement, city (hand-written), district, region, country or area."""


def read_table(name: str, columns: tuple[str, ...], folder: Path = VOCAB) -> Iterator[list[str]]:
    """Rows of a vocabulary table. InputError with file and line where it is not what it should be."""
    path = folder / name
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            head = tuple(next(rows, ()))
            if head != columns:
                raise InputError(f"columns are {list(head)}, wanted {list(columns)}.", file=path, line=1,
                                 remedy="Restore the table from the repository.")  # fmt: skip
            for row in rows:
                if len(row) != len(columns):
                    raise InputError(f"a row of {len(row)} fields, wanted {len(columns)}.", file=path,
                                     line=rows.line_num, remedy="Correct the row.")  # fmt: skip
                yield row
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}.", file=path, remedy="Install Dropline again.") from error


@cache
def read_words(name: str) -> frozenset[str]:
    """One of the word lists of places_words.csv; KeyError if there is none of that name."""
    lists = {key: words for key, words, _ in read_table("places_words.csv", ("list", "words", "why"))}
    return frozenset(lists[name].split())


class Gazetteer:
    """Names of places, read from the tables beside this package. Make one and keep it (`load_gazetteer`)."""

    def __init__(self) -> None:
        self.exact: dict[str, list[Candidate]] = {}
        """Folded hand-written names: countries, areas, nicknames, regions, districts."""
        self.sounds: dict[str, list[Candidate]] = {}
        """Skeletons of settlements of the countries read down to the subdivision."""
        self.forms: dict[str, list[Candidate]] = {}
        """Folded names: towns of those countries in every case form, and large cities elsewhere."""
        self.field_only: set[str] = set()
        self.common: set[str] = set()
        """Those of `forms` that are ordinary words or personal names too."""
        self._shelves: dict[tuple[str, str], list[str]] = {}
        self._read_aliases()
        self._read_countries()
        self._read_regions()
        self._read_settlements()
        self._cached = cache(self._region_of)

    def region_of(self, text: str, country: str | None = None) -> str | None:
        """The finest certain code of a short field text, or None: unknown, or ambiguous without a qualifier.

        `country` (alpha-2) keeps only places of that country. A name in brackets or after a comma qualifies.
        """
        return self._cached(text[:200], country)

    def candidates(self, name: str) -> list[Candidate]:
        """All readings of one folded name; hand-written names come before settlements."""
        found = self.exact.get(name)
        return found if found else self.settlements(name)

    def settlements(self, name: str) -> list[Candidate]:
        """Settlements of that name; a case form of another name (`Печоры`, of Печора) comes last, and the near
        countries come before the rest of the world."""
        places = self.sounds.get(skeleton(name), [])
        if name.isascii():
            places = [place for place in places if place.weight >= LATIN_POPULATION]
            return [*places, *self.forms.get(name, [])]
        return places or self.forms.get(name, [])

    def _add(self, name: str, candidate: Candidate) -> None:
        # a tilde marks a name that is safe in a field of its own only (`НН`, `чел`), never in running text
        key = fold(name)
        known = self.exact.setdefault(key, [])
        if candidate not in known:
            known.append(candidate)
        if name.startswith("~"):
            self.field_only.add(key)

    def _read_aliases(self) -> None:
        for code, kind, names in read_table("places_aliases.csv", ("code", "kind", "names")):
            for name in names.split("|"):
                self._add(name, Candidate(code, 1_000_000 if kind == "city" else 0, kind))

    def _read_countries(self) -> None:
        for code, english, russian, forms in read_table("countries.csv", ("code", "english", "russian", "forms")):
            country = Candidate(code, 0, "country")
            self.exact.setdefault(code.lower(), [country])
            for name in filter(None, [*english.split("|"), russian, *forms.split("|")]):
                if fold(name) not in self.exact:
                    self._add(name, country)

    def _read_regions(self) -> None:
        for code, _, names in read_table("places_regions.csv", ("code", "geonames", "names")):
            for name in filter(None, names.split("|")):
                self._add(name, Candidate(code, 0, "region"))

    def _read_settlements(self) -> None:
        columns = ("name", "code", "population", "sounds", "forms", "common")
        for name, code, population, sounds, written, common in read_table("places.csv", columns):
            place = Candidate(code, int(population), "settlement")
            forms = written.split("|") if written else []
            if sounds:
                for sound in sounds.split("|"):
                    self.sounds.setdefault(sound, []).append(place)
            else:
                forms.append(name)
            for form in forms:
                self.forms.setdefault(form, []).append(place)
            if common:
                self.common.update(common.split("|"))

    def _region_of(self, text: str, country: str | None) -> str | None:
        several = _PARTS.search(text.strip(" .,;"))
        whole = self._keep(self.candidates(fold(text)), country) if several else self._read_part(text, country)
        if whole and (code := decide(whole)) is not None:
            return code
        readings = [self._read_part(part, country) for part in _PARTS.split(text)]
        return combine([reading for reading in readings if reading])

    def _read_part(self, text: str, country: str | None) -> list[Candidate]:
        """Readings of one part of a field: `г. Тула`, `тульская обл`, `подольский район`, `юао`."""
        name = fold(text)
        if len(name) == 2 and name.isascii() and not text.strip().isupper() and name not in ("uk", "us", "eu", "ww"):
            return []  # `no`, `in`, `to` are words; ISO codes are written in capitals
        found = self._look_up(name)
        return self._keep(found, country) or self._keep(self.settlements(_strip(_GENERIC, name)), country, narrow=True)

    @staticmethod
    def _keep(found: list[Candidate], country: str | None, narrow: bool = False) -> list[Candidate]:
        """Those of the country; with `narrow` nothing where no country is asked for."""
        if country is None:
            return [] if narrow else found
        return [c for c in found if _in_country(c, country)]

    def _look_up(self, name: str) -> list[Candidate]:
        if not name:
            return []
        if found := self.candidates(name):
            return found
        if _DIVISION.search(name):
            bare = _OBLIQUE.sub(_nominative, _strip(_GENERIC, _strip(_DIVISION, name)))
            regions = [c for c in self.exact.get(bare, []) if c.kind in ("region", "country")]
            return regions or self._misspelt_region(bare) or [
                Candidate(c.code, 0, "region") for c in self.exact.get(bare, self.candidates(bare)) if "-" in c.code
            ]
        bare = _strip(_GENERIC, name)
        if bare and bare != name and (found := self.candidates(bare)):
            return found
        if _RAYON.search(bare):
            rayon = _strip(_RAYON, bare)
            return self._rayon(rayon) or self.exact.get(rayon) or self._beginning(bare)
        return self._beginning(bare) or self._misspelt_settlement(bare)

    def _beginning(self, name: str) -> list[Candidate]:
        """`алматы ауэзовский район`, `москва метро`: the longest beginning that is a region, country or large city."""
        words = name.split(" ")
        if not _JOINING.isdisjoint(words):
            return []
        for number in range(len(words) - 1, 0, -1):
            start = " ".join(words[:number])
            found = self.candidates(start) if len(start) > 2 else []
            if any(c.weight >= LARGE or c.kind != "settlement" for c in found):
                return found
        return []

    def _rayon(self, adjective: str) -> list[Candidate]:
        """`подольский` (район): the region of Подольск. Names that many cities give their own districts are left."""
        if " " in adjective or adjective in read_words("city-rayons") or not adjective.endswith(("ий", "ой", "ый")):
            return []
        districts = [c for c in self.exact.get(adjective, []) if c.kind == "district"]
        if known := self.exact.get(f"{adjective} район") or districts:
            return known
        stem = adjective[:-2]
        tried = [stem, *(stem.removesuffix("ск") + ending for ending in ("", "а", "о", "и", "ы", "ово", "ь"))]
        for name in tried:
            found = [c for c in self.candidates(name) if "-" in c.code] if len(name) > 2 else []
            if found:
                return [Candidate(c.code, c.weight, "region") for c in found]
        return []

    def _misspelt_settlement(self, name: str) -> list[Candidate]:
        """One wrong letter in a Cyrillic name of seven letters or more, where only one region can be meant."""
        sound = skeleton(name)
        if name.isascii() or len(sound) < 7 or " " in name:
            return []
        near = [c for known in self._sounds_like(sound) for c in self.sounds[known] if differ_by_one(known, sound)]
        return near if len({c.code for c in near}) == 1 else []

    def _sounds_like(self, sound: str) -> list[str]:
        # same first two letters and same last one: endings carry the difference between real neighbours
        if not self._shelves:
            for known in self.sounds:
                self._shelves.setdefault((known[:2], known[-1]), []).append(known)
        return [known for known in self._shelves.get((sound[:2], sound[-1]), []) if abs(len(known) - len(sound)) < 2]

    def _misspelt_region(self, name: str) -> list[Candidate]:
        """Names of regions are long and few: one wrong letter is forgiven."""
        if len(name) < 8:
            return []
        near = {c for known, cs in self.exact.items() if abs(len(known) - len(name)) < 2 for c in cs
                if c.kind == "region" and differ_by_one(known, name)}  # fmt: skip
        return list(near) if len(near) == 1 else []


def _in_country(candidate: Candidate, country: str) -> bool:
    if country == "RU" and candidate.code in ("UA-43", "UA-40"):
        return True  # Russian markets list Crimea as theirs; ISO 3166-2 has it under UA
    return candidate.code[:2] == country or candidate.kind == "area"


def _nominative(ending: re.Match[str]) -> str:
    """Adjectives of regions: `тульской` -> `тульская`, `пермском` -> `пермский`."""
    return "ая" if ending.group() in ("ой", "ую") else "ий"


def _strip(pattern: re.Pattern[str], name: str) -> str:
    return " ".join(pattern.sub(" ", name).split())


def differ_by_one(one: str, other: str) -> bool:
    """One letter replaced, added, lost or swapped with its neighbour."""
    if len(one) > len(other):
        one, other = other, one
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) == len(other):
        swapped = one[:start] + one[start : start + 2][::-1] + one[start + 2 :]
        return one[start + 1 :] == other[start + 1 :] or swapped == other
    return len(other) - len(one) == 1 and one[start:] == other[start + 1 :]


def decide(found: list[Candidate]) -> str | None:
    """The code that a name's readings agree on, or the one that dominates; None where it stays ambiguous."""
    if len(found) == 1:
        return found[0].code
    weights: dict[str, int] = {}
    for candidate in found:
        weight = candidate.weight if candidate.code.startswith("RU") else candidate.weight // 2
        weights[candidate.code] = max(weights.get(candidate.code, 0), weight)
    if not weights:
        return None
    ranked = sorted(weights.items(), key=lambda item: -item[1])
    if len(ranked) == 1:
        return ranked[0][0]
    (code, largest), (_, second) = ranked[:2]
    return code if largest >= 10_000 and largest >= DOMINANCE * second else None


def within(code: str, outer: str) -> bool:
    """Is `code` the same as or inside `outer` (a city that is its own subdivision counts as inside its region)?"""
    return code == outer or code.startswith(f"{outer}-") or _AROUND.get(code) == outer


def combine(readings: list[list[Candidate]]) -> str | None:
    """One code for the parts of a field: qualifiers (regions, countries) narrow the settlements beside them."""
    outer = [code for r in readings if r[0].kind in ("region", "country", "area") and (code := decide(r))]
    vague = [{c.code for c in r} for r in readings if r[0].kind == "region" and decide(r) is None]
    inner = [reading for reading in readings if reading[0].kind not in ("region", "country", "area")]
    if outer:
        finest = max(outer, key=lambda code: "-" in code)
        if not all(within(finest, code) or within(code, finest) for code in outer):
            return None
        for reading in inner:
            narrowed = decide([c for c in reading if within(c.code, finest)])
            if narrowed is not None:
                return narrowed
        return finest
    for codes in vague:
        for reading in inner:
            narrowed = decide([c for c in reading if c.code in codes])
            if narrowed is not None:
                return narrowed
        return None  # a qualifier that fits nothing: better none than the namesake
    named = [(reading, code) for reading in inner if reading[0].kind != "district" and (code := decide(reading))]
    districts = [code for reading in inner if reading[0].kind == "district" and (code := decide(reading))]
    if not named or (readings[0][0].kind == "district" and len(set(districts)) == 1):
        return districts[0] if len(set(districts)) == 1 else None
    for _, code in named:
        if code in districts or all(code == other for _, other in named):
            return code
    # the first is the city, the rest its quarters, unless the rest are large cities too
    large = {code for reading, code in named if max(c.weight for c in reading if c.code == code) >= LARGE}
    return large.pop() if len(large) == 1 else named[0][1] if not large else None


@cache
def load_gazetteer() -> Gazetteer:
    """The one gazetteer of this process."""
    return Gazetteer()
