"""Substances: names, sense, order. All sentences are our own."""

from __future__ import annotations

import csv
import re

import pytest

from config.errors import InputError
from extract.pipeline import Extractor
from extract.vocabulary import TABLES, load_vocabulary


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


def ids(extractor: Extractor, title: str, description: str = "", category: str = "") -> list[str]:
    reading = extractor.read({"title": title, "description": description, "category": category})
    return [one.id for one in reading.substances]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Мефедрон кристаллы 1г", ["mephedrone"]), ("мефа 3 г", ["mephedrone"]), ("СК белый 1г магнит", ["alpha-pvp"]),
        ("Альфа-ПВП 0,5 гр прикоп", ["alpha-pvp"]), ("соль 0.3г", ["alpha-pvp"]), ("гашиша 5 грамм", ["cannabis-resin"]),
        ("шишками AK-47 1г", ["cannabis-herb"]), ("White Widow hash 5g", ["cannabis-resin"]),
        ("OG Kush shatter 1g", ["cannabis-concentrate"]), ("Gorilla Glue 3g", ["cannabis-herb"]),
        ("марки 5шт", ["lsd"]), ("марки 25i-nbome 5шт", ["25i-nbome"]), ("2C-B pills 20mg x10", ["2c-b"]),
        ("100x Xanax bars", ["alprazolam"]), ("MDMA + Cocaine 1g each", ["mdma", "cocaine"]),
        ("Speed paste 10g", ["amphetamine"]), ("Crystal Methadone 1g", ["methadone"]), ("metadon sirop 4ml", ["methadone"]),
        ("gashish 2g", ["cannabis-resin"]), ("mefedrona 1g", ["mephedrone"]), ("shishek 2g", ["cannabis-herb"]),
        ("Oxycontin 80mg x 10", ["oxycodone"]), ("Лирика 300 мг 14 капс", ["pregabalin"]),
        ("N-pyrrolidino etonitazene 1g", ["etonitazepyne"]), ("5F-MDMB-2201 10g", ["5f-mdmb-pica"]),
    ],
)  # fmt: skip
def test_names(extractor: Extractor, title: str, expected: list[str]) -> None:
    assert ids(extractor, title) == expected


@pytest.mark.parametrize(
    "title",
    [
        "Fast speed shipping, worldwide", "Alpha male mug", "План работ на месяц", "Coke zero 0.33l can 24 pcs",
        "Crack for a photo editor", "Марки почтовые 50 шт", "Snow boots size 42", "Pot with lid 5 l",
        "Фен для волос 2000 вт", "Соль для ванн 500 г", "Weed killer 5 l", "Мука пшеничная 2 кг", "Кедровые шишки 1 кг",
        "Wax candles 10 pcs", "Printer cartridges 2 pcs", "Перевод через Альфа банк", "Снег идет, место сухое",
        "Ice cube tray, 2 pcs", "Hyaluronic acid 30 ml", "Лед для коктейлей 2 кг", "Bubble tea cups 100 pcs",
    ],
)  # fmt: skip
def test_false_friends_find_nothing(extractor: Extractor, title: str) -> None:
    assert ids(extractor, title) == []


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("3-MMC 1g, better than cocaine", ["3-mmc"]), ("4-CMC 1г лучше чем меф!", ["4-cmc"]),
        ("Heroin 1g no fentanyl", ["heroin"]), ("Heroin 1g, fentanyl-free", ["heroin"]),
        ("Heroin without any fentanyl or xylazine", ["heroin"]), ("не меф, чистый амфетамин 1г", ["amphetamine"]),
        ("амфетамин без мефа 1г", ["amphetamine"]), ("etizolam 2mg, like xanax", ["etizolam"]),
        ("Heroin No. 4 1g", ["heroin"]), ("No cut, pure cocaine 1g", ["cocaine"]),
    ],
)  # fmt: skip
def test_negated_and_compared_are_not_sold(extractor: Extractor, title: str, expected: list[str]) -> None:
    assert ids(extractor, title) == expected


def test_title_comes_before_description(extractor: Extractor) -> None:
    assert ids(extractor, "Ketamine 1g", "We also have cocaine and mdma, see our shop.") == ["ketamine"]
    assert ids(extractor, "Best stuff in town", "Pure ketamine, needles.") == ["ketamine"]


def test_category_counts_only_where_the_text_says_nothing(extractor: Extractor) -> None:
    assert ids(extractor, "Top quality 1g", category="Drugs > Stimulants > Cocaine") == ["cocaine"]
    assert ids(extractor, "Heroin 1g", category="Drugs > Stimulants > Cocaine") == ["heroin"]


def test_a_gift_comes_last(extractor: Extractor) -> None:
    assert ids(extractor, "Подарок 1г гашиш к заказу MDMA 10г")[0] == "mdma"


def test_content_of_cbd_is_no_product(extractor: Extractor) -> None:
    assert ids(extractor, "Amnesia 1g THC 20% CBD 1%") == ["cannabis-herb"]
    assert ids(extractor, "CBD oil 10 ml") == ["cbd"]
    assert ids(extractor, "CBD oil 10% 30 ml") == ["cbd"]  # all that is named: the per cent is its strength


def test_tables_are_whole() -> None:
    vocabulary = load_vocabulary()
    assert len(vocabulary.substances) >= 250
    for one in vocabulary.substances.values():
        assert re.fullmatch(r"[a-z0-9-]+", one.id)
        assert one.group
        assert one.source
        if one.cas:
            assert _cas_is_valid(one.cas), one


def _cas_is_valid(cas: str) -> bool:
    """The check digit of a CAS number is the sum of its digits, weighted from the right, modulo 10."""
    body, check = cas.replace("-", "")[:-1], int(cas[-1])
    return sum(int(digit) * weight for weight, digit in enumerate(reversed(body), start=1)) % 10 == check


def test_schedules_are_those_of_the_conventions_and_doubts_are_named() -> None:
    schedules = {"", "1961-I", "1961-I/IV", "1961-II", "1971-I", "1971-II", "1971-III", "1971-IV", "1988-I", "1988-II"}
    with (TABLES / "substances.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            assert row["un"] in schedules, row
            assert set(row["unsure"].split()) <= {"cas", "un", "rf"}, row


def test_every_row_has_a_source() -> None:
    for name in ("names.csv", "names_strains.csv", "forms.csv", "kinds.csv", "cues.csv", "false_friends.csv"):
        with (TABLES / name).open(encoding="utf-8") as stream:
            assert all(row["source"] for row in csv.DictReader(stream)), name


def test_unknown_substance_in_a_table_is_named_with_its_line(tmp_path) -> None:
    from shutil import copytree

    copy = copytree(TABLES, tmp_path / "vocab")
    (copy / "names-own.csv").write_text(
        "substance,name,lang,type,strength,source\nnothing,word,en,slang,strong,test\n", encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"names-own\.csv, line 2: unknown substance 'nothing'"):
        load_vocabulary(copy)


@pytest.mark.parametrize(
    ("title", "form"),
    [
        ("MDMA crystals 1g", "crystal"), ("MDMA pills x10", "pill"), ("LSD tabs 10", "blotter"), ("Xanax tabs 10", "pill"),
        ("Мефедрон мука 1г", "powder"), ("Гашиш 1г", "resin"), ("Метадон сироп 5 мл", "liquid"), ("Shrooms 7g", "mushroom"),
        ("Северное сияние 1г", "herb"), ("Лирика 14 капс", "capsule"),
    ],
)  # fmt: skip
def test_form(extractor: Extractor, title: str, form: str) -> None:
    assert extractor.read({"title": title}).form == form


@pytest.mark.parametrize(
    ("title", "term"),
    [("Brozonitazene 1g", "brozonitazene"), ("Дизохлоразолам 10 таб", "дизохлоразолам"), ("Zorbalin 5g", "zorbalin")],
)
def test_unknown_terms_are_proposed(extractor: Extractor, title: str, term: str) -> None:
    reading = extractor.read({"title": title})
    assert reading.substances == ()
    assert [one.term for one in reading.unknown_terms] == [term]


@pytest.mark.shared_data
def test_matanga_labels(extractor: Extractor, shared_data) -> None:
    import json

    text = (shared_data / "matanga" / "labels-2020-02_03.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    readings = extractor.read_many({"title": row["text"]} for row in rows)
    agreed = sum(
        [one.id for one in reading.substances][:1] == row["substances"][:1]
        for row, reading in zip(rows, readings, strict=True)
    )
    assert agreed / len(rows) >= 0.95


@pytest.mark.parametrize("title", ["Снег 0.5г VHQ", "Соль 1г", "Скорость 1г", "План 5г", "Марки 5 шт", "Speed 1g", "Coke 1g"])
def test_by_words_still_name_the_drug_beside_an_amount(extractor: Extractor, title: str) -> None:
    assert len(ids(extractor, title)) == 1


@pytest.mark.parametrize(
    ("title", "category", "expected"),
    [
        ("White Widow 14g + 2g shatter", "", ["cannabis-herb", "cannabis-concentrate"]),
        ("White Widow hash 14g", "", ["cannabis-resin"]), ("Feminised White Widow seeds 5 pack", "", ["cannabis-seeds"]),
        ("Acetone and PMK oil 20L drum", "", ["acetone", "pmk"]), ("DXM gelcaps 30mg 50 pcs", "", ["dxm"]),
        ("Smooth & strong 3g", "Cannabis & Hashish > Concentrates", ["cannabis-concentrate"]),
        ("Smooth & strong 3g", "Cannabis & Hashish > Hash", ["cannabis-resin"]),
        ("Clean and strong 3g", "Stimulants > Cocaine", ["cocaine"]),
    ],
)
def test_products_apart_and_the_last_step_of_a_category(
    extractor: Extractor, title: str, category: str, expected: list[str]
) -> None:
    assert ids(extractor, title, category=category) == expected


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        # a by-word that stands clear beside a small weight bears more words that no table knows
        ("25 gr speed, rinsed, electric blue", ["amphetamine"]), ("Electric blue speed limiter, twice rinsed", []),
        ("White Widow seeds x 5", ["cannabis-seeds"]), ("Gummies Amnesia Haze 300mg (10 pieces)", ["cannabis-edible"]),
        ("Girl Scout Cookies 3.5g", ["cannabis-herb"]), ("Co-ca-ine 2g", ["cocaine"]), ("Ice cream 100 g", []),
    ],
)  # fmt: skip
def test_by_words_that_stand_clear_and_products_of_strains(extractor: Extractor, title: str, expected: list[str]) -> None:
    assert ids(extractor, title) == expected
