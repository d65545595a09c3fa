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
        ("8 MDMA", [(8, "unit")]), ("12X DISTILLATE CART", [(12, "unit")]), ("15 Percocet 10mg", [(15, "unit")]), ("20 pink Xanax 2mg", [(20, "unit")]),
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
        ("Zopiclone 7.5mg 14's x 5 boxes", [(70, "unit")]), ("3 boxes tramadol 50mg 20s", [(60, "unit")]),
        ("5 boxes x 30 lorazepam 1mg", [(150, "unit")]), ("4 x 28 temazepam 20mg", [(112, "unit")]),
        ("3 blister packs of 10 diazepam 5mg", [(30, "unit")]), ("20k pressed alprazolam bars", [(20000, "unit")]),
        ("40 - Valium tablets 5mg", [(40, "unit")]), ("LSD-25 blotters 10 pcs", [(10, "unit")]),
        ("ЛСД-25 марки 4 шт", [(4, "unit")]), ("4 carts 1g THC", [(4, "g")]), ("Zip of Gelato", [(28.349523125, "g")]),
        ("Nandrolone 300mg 10ml", [(10, "ml")]), ("Subutex 8mg 10 films", [(10, "unit")]),
        ("3x QP Blue Dream", [(340.1942775, "g")]), ("Ketama hash 5g each x4", [(20, "g")]),
        ("3 x Cookies weed 2g", [(3, "unit"), (2, "g")]), ("Mandy ounce, tan", [(28.349523125, "g")]),
        ("Cocaine ounce or less", [(28.349523125, "g")]), ("3 x 2ml ampoules ketamine", [(3, "unit")]),
        ("Gabapentin 300mg 10 caps strip x6", [(60, "unit")]), ("Coke: oz £900, half oz £500", [(28.349523125, "g"), (14.1747615625, "g")]),
        ("Mephedrone gram €20", [(1, "g")]),
        ("HP Sour Diesel weed", [(226.796185, "g")]), ("112 Sour Diesel weed", [(112, "g")]),
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


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        # half a gram costs less than a gram does, half an ounce more; herb is parted by the ounce
        ("Ket: half £20, gram £35", [(0.5, "g"), (1, "g")]),
        ("Coke: quarter £230, half £450", [(7.08738078125, "g"), (14.1747615625, "g")]),
        ("Weed: eighth $30 | quarter $50 | oz $160", [(3.543690390625, "g"), (7.08738078125, "g"), (28.349523125, "g")]),
        ("Speed half gram £8, gram £12", [(0.5, "g"), (1, "g")]), ("Coke: half £40, 3.5 £220", [(0.5, "g"), (3.5, "g")]), ("Half price weed $50", []),
    ],
)  # fmt: skip
def test_parts_before_their_prices(extractor: Extractor, title: str, expected: list[tuple[float, str]]) -> None:
    assert amounts(extractor, title) == expected


def test_the_strength_of_sweets_is_a_dose(extractor: Extractor) -> None:
    [quantity] = extractor.read({"title": "THC gummies 1000mg"}).quantities
    assert quantity.dose_mg == 1000


def test_a_title_counts_what_its_category_names(extractor: Extractor) -> None:
    reading = extractor.read({"title": "15 orange anchors 220mg", "category": "Ecstasy > Pills"})
    assert [(float(one.base_amount), one.base_unit) for one in reading.quantities] == [(15, "unit")]
