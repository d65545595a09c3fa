"""Titles of everyday things written to mislead (`own/false_friends_2026-11*.txt`), and the frozen labelled sets."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from extract.observation import Kind, Stash
from extract.pipeline import Extractor

OWN = Path(__file__).parent / "own"
LABELLED = Path(__file__).parents[2] / "bench" / "labelled"


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


@pytest.mark.parametrize(("file", "least"), [
    ("false_friends_2026-11.txt", 550), ("false_friends_2026-11b.txt", 2100), ("false_friends_2026-11c.txt", 340),
    ("false_friends_2026-11d.txt", 330), ("false_friends_2026-11e.txt", 70), (LABELLED / "blind-2026-11j-harmless.txt", 119),
    (LABELLED / "blind-2026-11k-harmless.txt", 59), (LABELLED / "blind-2026-11l-harmless.txt", 39),
    (LABELLED / "blind-2026-11m-harmless.txt", 241), (LABELLED / "blind-2026-11n-harmless.txt", 133),
    (LABELLED / "blind-2026-11o-harmless.txt", 60),
])  # fmt: skip
def test_titles_of_everyday_things_name_no_substance(extractor: Extractor, file: str | Path, least: int) -> None:
    lines = (OWN / file).read_text(encoding="utf-8").splitlines()
    titles = [line for line in lines if line and not line.startswith("#")]
    assert len(titles) > least
    readings = extractor.read_many({"title": title} for title in titles)
    assert {t: [s.id for s in r.substances] for t, r in zip(titles, readings, strict=True) if r.substances} == {}


@pytest.mark.parametrize(
    ("title", "substances"),
    [
        # beside the rows that hide the harmless senses, the names must still count
        ("Live rosin 1g", ["cannabis-concentrate"]), ("Brown sugar heroin 1g", ["heroin"]), ("CBD isolate 10g", ["cbd"]),
        ("Poppers 30 ml bottle", ["poppers"]), ("PCP 1g crystal", ["pcp"]), ("MDA 1g", ["mda"]),
        ("DMT 1g yellow", ["dmt"]), ("Opium 5g", ["opium"]), ("ЛСД 250 мкг 5 шт", ["lsd"]), ("Опиум 3г", ["opium"]),
        ("ДМТ 0.5г", ["dmt"]), ("Morphine 10mg x 20", ["morphine"]), ("Shatter 2g", ["cannabis-concentrate"]),
        ("Гашиш афганский 5 г", ["cannabis-resin"]),
    ],
)  # fmt: skip
def test_the_names_themselves_still_count(extractor: Extractor, title: str, substances: list[str]) -> None:
    assert [one.id for one in extractor.read({"title": title}).substances] == substances


@pytest.mark.parametrize("extra", [
    {"price": "$25", "ships_from": "Germany", "ships_to": "Worldwide"},
    {"description": "High quality, brand new, fast delivery worldwide. Ask for bulk prices."},
    {"description": "Новый товар, отличное качество, доставка по России."},
])  # fmt: skip
def test_a_price_or_praise_makes_no_drug_of_them(extractor: Extractor, extra: dict[str, str]) -> None:
    lines = (OWN / "false_friends_2026-11b.txt").read_text(encoding="utf-8").splitlines()
    titles = [line for line in lines if line and not line.startswith("#")]
    readings = extractor.read_many({"title": title} | extra for title in titles)
    assert sum(bool(one.substances) for one in readings) <= 0.005 * len(titles)


@pytest.mark.parametrize(
    ("fields", "substances"),
    [
        # what makes the same words a drug: an amount it is sold in, a market's own fields, a stamp with its strength
        ({"title": "Tesla 260mg x 10"}, ["mdma"]), ({"title": "Tesla 2 шт"}, []),
        ({"title": "Tesla 2 шт", "quantity": "2 шт", "place": "Тбилиси"}, ["mdma"]),
        ({"title": "Шишки 2г"}, ["cannabis-herb"]), ({"title": "Шишки лиственницы 2г"}, []),
        ({"title": "DMT 0.5g"}, ["dmt"]), ({"title": "DMT gauge 2 pcs"}, []),
        ({"title": "Molly 1g"}, ["mdma"]), ({"title": "Molly's 1g"}, []),
        ({"title": "Винт 2 мл"}, ["methamphetamine"]), ({"title": "Винт 2 шт"}, []),
        ({"title": "Ecstasy 5 pills"}, ["mdma"]), ({"title": "Ecstasy perfume 5 pcs"}, []),
        ({"title": "Gummies 10 x 10mg THC"}, ["cannabis-edible"]), ({"title": "Wedding Cake 3.5g THC 20%"}, ["cannabis-herb"]),
        ({"title": "Каннабіс 5 г Дніпро"}, ["cannabis-herb"]), ({"title": "Соль белая 1г"}, ["alpha-pvp"]),
        ({"title": "СК 1г НСК Академгородок"}, ["alpha-pvp"]), ({"title": "Кокс 1г Алматы Орбита"}, ["cocaine"]),
        ({"title": "Винт 1г Ростов Западный"}, ["methamphetamine"]), ({"title": "MDMA champagne rocks Tilburg"}, ["mdma"]),
        ({"title": "Course on MDMA for nurses"}, []), ({"title": "Custom listing for John 28g coke"}, ["cocaine"]),
    ],
)  # fmt: skip
def test_what_makes_a_word_a_drug(extractor: Extractor, fields: dict[str, str], substances: list[str]) -> None:
    assert [one.id for one in extractor.read(fields).substances] == substances


@pytest.mark.parametrize(("language", "series", "count"), [
    ("en", "", 75), ("ru", "", 75), ("en", "b", 60), ("ru", "b", 60), ("en", "c", 173), ("ru", "c", 152),
    ("en", "d", 83), ("ru", "d", 78), ("en", "e", 81), ("ru", "e", 74),
    ("en", "f", 46), ("ru", "f", 32), ("en", "g", 259), ("ru", "g", 62),
    ("en", "h", 133), ("ru", "h", 39), ("en", "i", 103), ("ru", "i", 20),
    ("en", "j", 213), ("ru", "j", 60), ("en", "k", 100),
    ("en", "l", 60),
])  # fmt: skip
def test_the_blind_sets_are_the_frozen_ones(language: str, series: str, count: int) -> None:
    path = LABELLED / f"blind-2026-11{series}-{language}.jsonl"
    sums = (LABELLED / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" in sums
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == count
    assert len({row["id"] for row in rows}) == count
    for row in rows:
        assert Kind(row["labels"]["kind"])
        assert all(Stash(one) for one in row["labels"]["stash"])
        assert all(unit in ("g", "ml", "unit") for _, unit in row["labels"]["quantities"])


@pytest.mark.parametrize("series", ["", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"])
def test_the_first_answer_to_the_blind_set_is_kept(series: str) -> None:
    first = json.loads((LABELLED / f"blind-2026-11{series}-first.json").read_text(encoding="utf-8"))
    assert {(one["set"], one["field"]) for one in first["scores"]} >= {
        (language, field) for language in first["listings"] for field in ("substances", "quantities", "prices", "regions")
    }
    assert all(0 <= one["low"] <= one["f1"] <= one["high"] <= 1 for one in first["scores"])


@pytest.mark.parametrize(
    ("fields", "substances"),
    [
        ({"title": "Blue cheese 200g"}, []), ({"title": "Strawberry cheesecake 400 g"}, []), ({"title": "Cherry pie 500g"}, []),
        ({"title": "Blue Cheese 3.5g"}, ["cannabis-herb"]), ({"title": "Blue Cheese indoor 200g"}, ["cannabis-herb"]),
        ({"title": "Cherry Pie weed 500g"}, ["cannabis-herb"]), ({"title": "Amnesia Haze 200g"}, ["cannabis-herb"]),
        ({"title": "Blue Cheese 200g", "category": "Cannabis > Buds"}, ["cannabis-herb"]),
    ],
)  # fmt: skip
def test_strains_named_after_food(extractor: Extractor, fields: dict[str, str], substances: list[str]) -> None:
    assert [one.id for one in extractor.read(fields).substances] == substances
