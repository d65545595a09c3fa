"""How amounts, prices and shipping are written on real markets, beyond the plain ways: whole listings in, values out."""

from __future__ import annotations

from decimal import Decimal

import pytest

from extract.pipeline import Extractor


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


@pytest.mark.parametrize(
    ("title", "amount", "currency"),
    [
        ("5g Speed paste 25,- Euro", "25", "EUR"),
        ("Kokain 1g 80,-€", "80", "EUR"),
        ("Haschisch 10g 95.-CHF", "95", "CHF"),
        ("10g weed 60,-- € all in", "60", "EUR"),
        ("ketamine 1g 20â‚¬", "20", "EUR"),
        ("1g weed 10Â€ or 2g 18Â€", "10", "EUR"),
        ("weed 3.5g Â£30", "30", "GBP"),
        ("hash 5g 40e", "40", "EUR"),
    ],
)
def test_prices_of_western_europe(extractor: Extractor, title: str, amount: str, currency: str) -> None:
    first = extractor.read({"title": title}).prices[0]
    assert (first.amount, first.currency) == (Decimal(amount), currency)


@pytest.mark.parametrize("title", ["MDMA 1g 2C-E", "LSD 5,-10 tabs", "1.- cocaine, 2.- speed", "hash 5g vitamin 20 e-mail"])
def test_dashes_and_letters_that_are_no_price(extractor: Extractor, title: str) -> None:
    assert extractor.read({"title": title}).prices == ()


@pytest.mark.parametrize(
    ("title", "base", "unit"),
    [
        ("16oz codeine promethazine syrup sealed", "473.176473", "ml"),
        ("Wockhardt 8 fl oz", None, "ml"),
        ("2 oz weed and a syrup recipe in the box over there by the way", "56.69904625", "g"),
        ("1oz kush", "28.349523125", "g"),
        ("Codeine syrup 16oz", "473.176473", "ml"),
        ("Kilo of weed", "1000", "g"),
        ("price of a gram of coke today", "1", "g"),
        ("1P-LSD 100mcg blotters (25)", "25", "unit"),
    ],
)
def test_amounts(extractor: Extractor, title: str, base: str | None, unit: str) -> None:
    found = extractor.read({"title": title}).quantities
    if base is None:
        assert all(one.base_unit != "g" for one in found)
    else:
        assert (found[0].base_amount, found[0].base_unit) == (Decimal(base), unit)


@pytest.mark.parametrize(("title", "dose"), [("Xanax 2 mg", 2), ("tramadol 200mg", 200), ("Лирика 300 мг", 300)])
def test_a_lone_weight_of_a_medicine_is_its_strength(extractor: Extractor, title: str, dose: int) -> None:
    one = extractor.read({"title": title}).quantities[0]
    assert one.dose_mg == dose


def test_a_lone_weight_of_a_powder_is_what_is_sold(extractor: Extractor) -> None:
    one = extractor.read({"title": "ketamine 500 mg"}).quantities[0]
    assert (one.dose_mg, one.base_amount) == (None, Decimal("0.5"))


def test_origin_and_destination_are_about_the_parcel(extractor: Extractor) -> None:
    text = "Origin: Netherlands, destination: Worldwide"
    regions = extractor.read({"title": "cocaine 1g", "description": text}).regions
    assert {(one.code, one.role) for one in regions} == {("NL", "from"), ("WORLD", "to")}
    alone = extractor.read({"title": "cocaine 1g", "description": "Origin: Colombia. Very clean."}).regions
    assert alone == ()


@pytest.mark.parametrize(
    ("title", "code", "role"),
    [("Weed 5g, Canada wide shipping", "CA", "to"), ("Кокаин 1г, отправка по ЕС", "EU", "to"),
     ("Кокаин 1г, доставка по Европе", "EU", "to"), ("Кокаин 1г, отправка из Европы", "EU", "from")],
)
def test_all_over_a_country(extractor: Extractor, title: str, code: str, role: str) -> None:
    assert (code, role) in {(one.code, one.role) for one in extractor.read({"title": title}).regions}


@pytest.mark.parametrize(
    ("place", "code"),
    [("Голландии", "NL"), ("Англии", "GB"), ("Белоруссии", "BY"), ("Кыргызстана", "KG"), ("Штатов", "US"), ("Кореи", "KR")],
)
def test_countries_by_their_other_names(extractor: Extractor, place: str, code: str) -> None:
    regions = extractor.read({"title": "гашиш 1г", "description": f"Отправка из {place}"}).regions
    assert [(one.code, one.role) for one in regions] == [(code, "from")]
    assert extractor.read({"title": "гашиш 1г", "description": f"Импорт из {place}"}).regions == ()


@pytest.mark.parametrize(
    ("title", "count", "dose"),
    [
        ("40 Lorazepam tablets", "40", None),
        ("15 Etizolam pellets 1mg, blister", "15", "1"),
        ("60 1mg clonazepam tabs", "60", "1"),
        ("12 speckled Rolex pills (180mg)", "12", "180"),
        ("30 экстази таблеток 190 мг", "30", "190"),
    ],
)
def test_pieces_counted_by_name(extractor: Extractor, title: str, count: str, dose: str | None) -> None:
    (found,) = extractor.read({"title": title}).quantities
    assert (found.base_amount, found.base_unit) == (Decimal(count), "unit")
    assert found.dose_mg == (None if dose is None else Decimal(dose))


@pytest.mark.parametrize("title", ["3 CMC pills", "5 MeO MiPT caps", "48 hours delivery tabs", "5 star ecstasy pills",
                                   "2023 harvest xtc pills"])
def test_numbers_that_count_no_pieces(extractor: Extractor, title: str) -> None:
    assert extractor.read({"title": title}).quantities == ()


@pytest.mark.parametrize(("title", "grams"), [("Heroin 0.3 x 4", "1.2"), ("соль 0,4 х 3", "1.2")])
def test_portions(extractor: Extractor, title: str, grams: str) -> None:
    (found,) = extractor.read({"title": title}).quantities
    assert (found.base_amount, found.base_unit) == (Decimal(grams), "g")
