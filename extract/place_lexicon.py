"""Names of places as they are looked for in running text: whole words in any case form, keyed by their first word."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from extract.gazetteer import Candidate, Gazetteer, decide, load_gazetteer, read_words

NEAR = frozenset(("RU", "KZ", "BY", "KG", "UZ", "TJ", "UA", "GE", "AM", "AZ", "MD", "TM"))
"""Countries of the stash markets: a town there needs no word about shipping beside it."""
FAR_POPULATION = 500_000
"""Inhabitants from which a city of another country is looked for (`ships from Rotterdam`)."""
_CODE_NAMES = MappingProxyType(
    {
        "UK": "GB", "USA": "US", "AUS": "AU", "WW": "WORLD", "GER": "DE", "UAE": "AE", "РФ": "RU", "США": "US",
        "WORLD": "WORLD", "ANYWHERE": "WORLD", "EVERYWHERE": "WORLD",
    }
)  # fmt: skip
_DECLENSIONS = (
    ("ия", ("ии", "ию", "ией")), ("ня", ("ни", "не", "ню", "ней")), ("ея", ("еи", "ее", "ею")),
    ("ье", ("ья", "ью", "ьем")), ("ань", ("ани", "анью")), ("ка", ("ки", "ке", "ку")),
    ("рым", ("рыма", "рыму", "рыме")), ("ан", ("ана", "ану", "ане")), ("асс", ("асса", "ассу", "ассе")),
    ("ин", ("ина", "ину", "ине")),
)  # fmt: skip


def read_codes() -> dict[str, str]:
    """Short code in capitals -> ISO code."""
    return {code: _CODE_NAMES.get(code, code) for code in read_words("codes")}


class Name(NamedTuple):
    """One name: the words after the first, what it means, and what it needs beside it to count."""

    rest: tuple[str, ...]
    code: str
    kind: str
    """settlement, region, district, country, area, or far (a large city outside the near countries)."""
    weight: int
    cue: bool
    """It is an ordinary word too, so it counts only beside a preposition, `г.`, or a region."""
    capitals: bool
    """It is an abbreviation that counts in capitals only."""


def decline_region(name: str) -> Iterator[str]:
    """Case forms of a subdivision as people write it: `тульской области`, `пермском крае`, `татарстане`."""
    if name.endswith("ая"):
        stem = name[:-2]
        for ending in ("ая", "ой", "ую"):
            for word in ("область", "области", "обл", "республика", "республике"):
                yield f"{stem}{ending} {word}"
    elif name.endswith("ий"):
        stem = name[:-2]
        for ending, nouns in (("ий", ("край", "кр", "ао", "автономный округ")), ("ого", ("края",)), ("ом", ("крае",)),
                              ("ому", ("краю",))):  # fmt: skip
            for word in nouns:
                yield f"{stem}{ending} {word}"
    else:
        yield name
        for ending, others in _DECLENSIONS:
            if name.endswith(ending):
                yield from (name.removesuffix(ending) + other for other in others)


def _iter_names(places: Gazetteer) -> Iterator[tuple[str, str, str, int, bool, bool]]:
    needs_cue, latin_safe, capitals = read_words("needs-cue"), read_words("latin-safe"), read_words("capitals")
    for form, meant in places.forms.items():
        if form in places.field_only:
            continue
        # a town of the stash markets before its namesake elsewhere (Брест)
        found = [c for c in meant if c.code[:2] in NEAR] or meant
        code = decide(found)
        if code is None:
            continue
        weight = found[0].weight if len(found) == 1 else max(c.weight for c in found if c.code == code)
        near = code[:2] in NEAR
        if not near and (weight < FAR_POPULATION or len(form) < 5):
            continue
        if form.isascii() and any(len(word) < 3 for word in form.split(" ")):
            continue
        cue = form in places.common or form in needs_cue or (form.isascii() and form not in latin_safe)
        yield form, code, "settlement" if near else "far", weight, cue, False
    for name, found in places.exact.items():
        if name in places.field_only:
            continue
        code = decide(found)
        if code is None or len(name) < (3 if name.isascii() else 2):
            continue
        kind = _kind(found, code)
        if kind == "region":
            for form in decline_region(name):
                yield form, code, kind, 0, False, False
        else:
            # `city` names are written by hand and safe; countries and areas always need a word about shipping
            weight = 1_000_000 if kind == "city" else 0
            settled = "settlement" if code[:2] in NEAR or kind == "outpost" else "far"
            yield name, code, settled if kind in ("city", "outpost") else kind, weight, False, name in capitals
    for name in read_words("codes-lower"):
        code = _CODE_NAMES.get(name.upper(), name.upper())
        yield name, code, "area" if code in ("EU", "WORLD") else "country", 0, False, False


def _kind(found: list[Candidate], code: str) -> str:
    return next(c.kind for c in found if c.code == code)


@cache
def load_lexicon() -> dict[str, tuple[Name, ...]]:
    """First word -> names that begin with it, longest first."""
    table: dict[str, dict[tuple[str, ...], Name]] = {}
    for name, code, kind, weight, cue, capitals in _iter_names(load_gazetteer()):
        first, *rest = name.split(" ")
        table.setdefault(first, {})[tuple(rest)] = Name(tuple(rest), code, kind, weight, cue, capitals)
    return {first: tuple(sorted(names.values(), key=lambda one: -len(one.rest))) for first, names in table.items()}
