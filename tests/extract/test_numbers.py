"""Quantities: units, fractions, multipliers, doses, what is no quantity, and that any written amount comes back."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language

import extract.components.numbers  # noqa: F401 - registers the factories
from extract.found import FieldSpan, Found, found
from extract.number_scan import scan
from extract.number_tables import units
from extract.numbers import parse_quantity
from extract.price_rules import read_prices
from extract.purity_rules import read_purity
from extract.quantity_rules import read_quantities


def _read(text: str) -> list[tuple[str, str, int, str | None]]:
    """(base amount, base unit, count, dose in mg) of every quantity."""
    return [
        (str(q.base_amount), q.base_unit, q.count, None if q.dose_mg is None else str(q.dose_mg))
        for q in read_quantities(text, scan(text))
    ]


def _amounts(text: str) -> list[str]:
    return [f"{amount} {unit}" for amount, unit, _, _ in _read(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0.5 гр", "0.5 g"), ("0,33 гр", "0.33 g"), ("0.33г", "0.33 g"), ("5 шт", "5 unit"), ("5шт", "5 unit"), ("50 мл", "50 ml"),
        ("1kg", "1000 g"), ("3.5G", "3.5 g"), ("1/8 oz", "3.543690390625 g"), ("½ oz", "14.1747615625 g"), ("1½ oz", "42.5242846875 g"),
        ("1 1/2 oz", "42.5242846875 g"), ("1/2 г", "0.5 g"), ("QP", "113.3980925 g"), ("half ounce", "14.1747615625 g"),
        ("1/2LB", "226.796185 g"), ("10pc.", "10 unit"), ("1000 blotters", "1000 unit"), ("x10", "10 unit"), ("10tab", "10 unit"),
        ("454gram", "454 g"), ("полграмма", "0.5 g"), ("пол грамма", "0.5 g"), ("полтора грамма", "1.5 g"), ("8 ball", "3.5 g"),
        ("an eighth", "3.543690390625 g"), ("грамм", "1 g"), ("Ounce", "28.349523125 g"), ("Each", "1 unit"), ("0,33", "0.33 g"),
        ("1 000 шт", "1000 unit"), ("10.000шт", "10000 unit"), ("1,000 pills", "1000 unit"), ("1.125 г", "1.125 g"), ("1,125 г", "1.125 g"),
        ("2x 1g", "2 g"), ("20+2 gr", "22 g"), ("5G+1G", "6 g"), ("5 гp", "5 g"), ("1л", "1000 ml"), ("2 штуки", "2 unit"), ("5 Grm", "5 g"),
    ],
)  # fmt: skip
def test_a_field_text(text: str, wanted: str) -> None:
    quantity = parse_quantity(text)
    assert quantity is not None
    assert f"{quantity.base_amount} {quantity.base_unit}" == wanted


@pytest.mark.parametrize("text", ["", "нет", "5", "24/7", "12.03.2020", "ORDER", "AK-47", "$50", "84 %", "LSD"])
def test_a_field_text_without_quantity(text: str) -> None:
    assert parse_quantity(text) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("10 x 20mg", [("10", "unit", 10, "20")]), ("100 таб. по 2 мг", [("100", "unit", 1, "2")]), ("100 pills 200mg", [("100", "unit", 1, "200")]),
        ("200mg pills x 50", [("50", "unit", 1, "200")]), ("30mg x 42 tabs free post", [("42", "unit", 42, "30")]),
        ("Rockets 250шт. вес таблетки 450mg", [("250", "unit", 1, "450")]), ("blotters - 250 ug, 5 pieces", [("5", "unit", 1, "0.25")]),
        ("25x 1 G shatter", [("25", "g", 25, None)]), ("0.33г х 3 шт", [("0.99", "g", 3, None)]),
        ("Morphine 60mg, box of 60", [("60", "unit", 1, "60")]), ("10/325 x 20", [("20", "unit", 1, None)]), ("hash 25g 3x filtered", [("25", "g", 1, None)]), ("10 ампул по 2 мл", [("20", "ml", 10, None)]), ("LSD 250ug", [("0.00025", "g", 1, "0.25")]),
        ("вес таблетки 450mg", [("0.45", "g", 1, "450")]), ("10 LSD 200ug", [("10", "unit", 1, "0.2")]), ("50mg/ml, 10ml vial", [("10", "ml", 1, None)]),
    ],
)  # fmt: skip
def test_dose_is_kept_apart_from_count(text: str, wanted: list[tuple[str, str, int, str | None]]) -> None:
    assert _read(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1г 2г 5г", ["1 g", "2 g", "5 g"]), ("1/2/5 г", ["1 g", "2 g", "5 g"]), ("1,2,5 г", ["1 g", "2 g", "5 g"]), ("1-14g", ["1 g", "14 g"]),
        ("от 800 руб / 0.24г", ["0.24 g"]), ("Гашиш - 1гр 2000₽", ["1 g"]), ("AK-47 5г", ["5 g"]), ("30 USD/gram", ["1 g"]),
        ("MDMA 0.8g + ketamine 0.3g", ["0.8 g", "0.3 g"]), ("VHQ1gr", ["1 g"]), ("0.5 BTC SALE 5%", ["0.5 g"]), ("2,5к за грамм", ["1 g"]),
    ],
)  # fmt: skip
def test_several_and_hidden_quantities(text: str, wanted: list[str]) -> None:
    assert _amounts(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["AK-47", "HEROINE-999", "2C-B", "4-CMC", "25i-nbome", "a-pvp 3", "1P-LSD", "3,4-МДМА", "24/7", "12.03.2020", "в 2020 г.", "+7 999 123 45 67", "скидка 10%",
     "THC 24+%", "2000₽", "$50", "1 x 24 hours", "1-3 days", "item #24373", "JWH-018", "4.98/5", "10/10", "G-13", "5 L S D", "04:54:14", "USD 250.00"],
)  # fmt: skip
def test_what_is_no_quantity(text: str) -> None:
    assert _amounts(text) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("84% purity", "84"), ("чистота 92%", "92"), ("чистота - 92,5 %", "92.5"), ("99% чистота", "99"), ("PURE BOLIVIAN 89% FISHSCALE", "89"), ("Speed paste - 74%", "74"),
     ("82% Pure", "82"), ("purity 93%+", "93"), ("APVP of 98+% purity", "98"), ("скидка 10%", None), ("-10% BTC", None), ("THC 24+%", None), ("тгк 28 %", None),
     ("100% natural", None), ("90% sativa 10% indica", None), ("99% delivery success", None), ("VHQ", None), ("SALE 50%", None), ("25% THC hash", None), ("quality 21% THC", None)],
)  # fmt: skip
def test_purity(text: str, wanted: str | None) -> None:
    assert read_purity(text, scan(text), title=True) == (None if wanted is None else Decimal(wanted))


def test_conversion_factors_are_exact() -> None:
    table = units()
    assert table["oz"].factor == Decimal("28.349523125")  # avoirdupois, NIST SP 811
    assert table["lb"].factor == 16 * table["oz"].factor
    assert table["qp"].factor == 4 * table["oz"].factor
    assert table["мкг"].factor * 1_000_000 == table["г"].factor == 1


_NAMES = sorted(name for name, unit in units().items() if unit.kind in {"mass", "volume", "count"} and len(name) > 1)


@given(
    st.decimals(min_value="0.01", max_value="99999", places=2), st.sampled_from(_NAMES), st.sampled_from([".", ","]),
    st.sampled_from(["", " ", "\u00a0", "\u2009"]), st.sampled_from(["{}", "Товар {}", "({})", "товар, {}!", "{} клад"]),
)  # fmt: skip
@settings(max_examples=400, deadline=None)
def test_any_written_quantity_comes_back(amount: Decimal, name: str, mark: str, gap: str, carrier: str) -> None:
    unit = units()[name]
    text = carrier.format(f"{amount:f}".replace(".", mark) + gap + name)
    quantities = read_quantities(text, scan(text))
    assert [(q.amount, q.unit) for q in quantities] == [(amount, unit.unit)]
    quantity = quantities[0]
    assert quantity.base_amount == amount * unit.factor
    assert text[quantity.start : quantity.end].endswith(name)


@given(st.text(max_size=300))
@settings(max_examples=400, deadline=None)
def test_no_text_raises(text: str) -> None:
    tokens = scan(text)
    for quantity in read_quantities(text, tokens):
        assert 0 <= quantity.start < quantity.end <= len(text)
        assert quantity.base_amount > 0
    for price in read_prices(text, tokens):
        assert 0 <= price.start < price.end <= len(text)
        assert price.amount >= 0
    parse_quantity(text)


_BITS = st.sampled_from(["1", "2 500", "0,5", ".", ",", "/", "1/2", "½", "x", " ", "г", "мг", "₽", "$", "к", "тыс", "%", "-", "+", "шт", "по ", "BTC", "(", "\n", "т.р.", "#", "oz", "пол", "грамма", "²", "٣"])  # fmt: skip


@given(st.lists(_BITS, max_size=25).map("".join))
@settings(max_examples=500, deadline=None)
def test_no_crafted_text_raises(text: str) -> None:
    tokens = scan(text)
    read_quantities(text, tokens)
    read_prices(text, tokens, default_currency="RUB", bare=True)
    read_purity(text, tokens, title=True)


@pytest.mark.parametrize(
    "text",
    [" ".join(map(str, range(10_000))), "5г " * 10_000, "10x " * 10_000, "1/2 " * 10_000, "1г - 50 " * 5_000, "9" * 1_000_000, "1," * 10_000 + "5г",
     "пол " * 20_000, "1mg/2 pills " * 5_000, "$1 " * 10_000, "\ud800 1г" * 5_000,
     "0.33 гр " * 10_000, "$40 " * 10_000, "USD 5 " * 10_000, "5 " + "я" * 1_000_000, "5к " * 10_000, "$" * 1_000_000,
     "10mg " * 10_000 + "tab", "tab" * 200_000 + " 5mg", "a " * 100_000 + "1г", "1/8 ball " * 10_000,
     "2 мл ампул " * 5_000 + "10 шт"],
    ids=range(22),
)  # fmt: skip
def test_ten_thousand_numbers_answer_within_a_second(text: str) -> None:
    start = time.process_time()
    tokens = scan(text)
    read_quantities(text, tokens)
    read_prices(text, tokens)
    read_purity(text, tokens, title=True)
    # one second is the promise on a quiet machine
    assert time.process_time() - start < 3


@pytest.fixture(scope="module")
def nlp() -> Language:
    pipeline = spacy.blank("xx")
    pipeline.add_pipe("dropline_numbers")
    return pipeline


def test_components_leave_offsets_into_the_doc(nlp: Language) -> None:
    doc = nlp.make_doc("Кокаин 0,5 г 84%\nот 9 000 тг / 1г")
    doc.user_data["dropline"] = Found(fields=(FieldSpan("title", 0, 16), FieldSpan("description", 17, len(doc.text))))
    result = found(nlp(doc))
    assert [doc.text[q.start : q.end] for q in result.quantities] == ["0,5 г", "1г"]
    assert [(doc.text[p.start : p.end], p.currency, p.minimum) for p in result.prices] == [("9 000 тг", "KZT", True)]
    assert result.purity == 84


def test_components_do_not_read_places_as_quantities(nlp: Language) -> None:
    doc = nlp.make_doc("Гашиш\nул. 5 г")
    doc.user_data["dropline"] = Found(fields=(FieldSpan("title", 0, 5), FieldSpan("place", 6, len(doc.text))))
    assert found(nlp(doc)).quantities == []
