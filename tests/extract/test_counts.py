"""Counts that no unit stands behind, boxes, gifts on top: whole titles in, base amounts out."""

from __future__ import annotations

import pytest

from extract.pipeline import Extractor


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


def amounts(extractor: Extractor, title: str, description: str = "") -> list[tuple[float, str]]:
    reading = extractor.read({"title": title, "description": description})
    return [(float(one.base_amount), one.base_unit) for one in reading.quantities]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("8 MDMA", [(8, "unit")]), ("15 Percocet 10mg", [(15, "unit")]), ("20 pink Xanax 2mg", [(20, "unit")]),
        ("Tramadol 100mg 5 strips of 10", [(50, "unit")]), ("Zolpidem 10mg - 2 blisters of 14", [(28, "unit")]),
        ("3 boxes of 28 Lyrica 300mg", [(84, "unit")]), ("4 packs of 10 oxycodone tablets", [(40, "unit")]),
        ("2 sheets LSD (100 tabs per sheet)", [(200, "unit")]), ("DHC 30mg Teva 100s", [(100, "unit")]),
        ("Etizolam 1mg pellets - 50", [(50, "unit")]), ("Nitrazepam 5mg 20 tbl", [(20, "unit")]),
        ("10 bags x 0.1g heroin", [(1, "g")]), ("Alprazolam 2mg bulk listing 2k+", [(2000, "unit")]),
        ("Weed 56g (2oz)", [(56, "g")]),
        ("1 зип шишек", [(1, "unit")]), ("3 пакета мефа Тула", [(3, "unit")]), ("12 МДМА Москва", [(12, "unit")]),
        ("Метадон 3 пакета по 0.5 г", [(1.5, "g")]), ("Zolpidem 10mg strips of 14 x 3", [(42, "unit")]),
        ("Skenan 100mg gélifiés 7", [(7, "unit")]), ("Amnesia Haze | OUNCE | indoor", [(28.349523125, "g")]),
        ("White Widow QTR OZ", [(7.08738078125, "g")]), ("Domestic: 30 Xanax 2mg", [(30, "unit")]),
    ],
)  # fmt: skip
def test_counts(extractor: Extractor, title: str, expected: list[tuple[float, str]]) -> None:
    assert amounts(extractor, title) == expected


def test_a_field_of_its_own_says_what_is_counted(extractor: Extractor) -> None:
    reading = extractor.read({"title": "5 MDMA VHQ", "quantity": "5 г"})
    assert [(float(one.base_amount), one.base_unit) for one in reading.quantities] == [(5, "g")]


def test_counts_before_their_prices(extractor: Extractor) -> None:
    assert amounts(extractor, "Etizolam pellets", "1mg each. 25 for €20, 100 = €60.") == [(25, "unit"), (100, "unit")]


@pytest.mark.parametrize("title", ["5 MeO DMT", "2024 MDMA", "3 star MDMA", "$5 MDMA", "4 FA", "Best 90s MDMA", "3 MMC", "5 cocaine"])
def test_what_counts_no_pieces(extractor: Extractor, title: str) -> None:
    assert amounts(extractor, title) == []


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("N2O 600g cylinder x 4", [(2400, "g")]), ("Crack cocaine 0.2g rocks x 5", [(1, "g")]),
        ("MDMA and ketamine 1g + 2g", [(1, "g"), (2, "g")]), ("MDMA 5g + 1g", [(6, "g")]),
        ("Мефедрон 0.5 / 1 / 2 г", [(0.5, "g"), (1, "g"), (2, "g")]),
    ],
)  # fmt: skip
def test_packed_weights_and_sums(extractor: Extractor, title: str, expected: list[tuple[float, str]]) -> None:
    assert amounts(extractor, title) == expected
