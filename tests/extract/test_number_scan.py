"""The scan: a number that stands alone is looked up, and must be what reading it in its place gives; memory of earlier
texts changes nothing."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extract import number_scan
from extract.number_context import Token, read_number
from extract.number_scan import scan
from extract.number_tables import currencies, find_currency, find_unit, units, unmixed
from extract.price_rules import read_prices
from extract.purity_rules import read_purity
from extract.quantity_rules import read_quantities

_DIGIT = re.compile(rf"[0-9{number_scan.SIGNS}]")


def _read_in_place(text: str) -> list[Token]:
    """Every number, each read where it stands: what `scan` must give."""
    tokens: list[Token] = []
    position = used = 0
    while (digit := _DIGIT.search(text, position)) is not None:
        match = number_scan._NUMBER.match(text, number_scan._start(text, digit.start(), position))
        assert match is not None
        token, position = read_number(text, match, used)
        if token is not None:
            tokens.append(token)
            used = token.end
    return tokens


def _plain(tokens: list[Token]) -> list[Token]:
    return [token._replace(alone=()) for token in tokens]


_NUMBERS = st.sampled_from(
    ["1", "5", "10", "40", "250", "1000", "2019", "0.33", "0,5", ".5", "1.125", "2,500", "1.000", "2 500", "1'000", "½", "1/8", "1½",
     "1 1/2", "1,2,5", "12.03.2020", "1234567890123456789012345", "²", "٣"]
)  # fmt: skip
_NAMES = st.sampled_from([*units(), *currencies(), "к", "k", "тыс", "т", "млн", "у.е.", "р-н", "x", "Х", "×", "%", "слово", "days", "S"])
_GAPS = st.sampled_from(["", "", " ", " ", "  ", "\u00a0", "\n", "\t", "-", " - ", "–", "/", ",", ", ", ".", ". ", ":", ": ", "(", ")", "'", "+",
                         "#", "№", "$", " $", "€", "£", "₽", "Ł", "x", "x ", "_", "*", "²", "½", "\u0301", "🍁", "US", "USD ", "pуб "])  # fmt: skip
_TEXTS = st.lists(st.one_of(_NUMBERS, _NUMBERS, _GAPS, _NAMES, _NAMES.map(str.upper)), max_size=16).map("".join)


@given(_TEXTS)
@settings(max_examples=1500, deadline=None)
def test_a_looked_up_number_is_what_is_read_in_its_place(text: str) -> None:
    assert _plain(scan(text)) == _plain(_read_in_place(text))


@given(st.text(max_size=200))
@settings(max_examples=500, deadline=None)
def test_any_text_is_scanned_as_if_read_in_place(text: str) -> None:
    assert _plain(scan(text)) == _plain(_read_in_place(text))


@given(st.lists(_TEXTS, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_what_was_read_before_changes_nothing(texts: list[str]) -> None:
    def read(text: str) -> tuple[object, ...]:
        tokens = scan(text)
        return (
            str(tokens), str(read_quantities(text, tokens)), str(read_prices(text, tokens, default_currency="RUB")),
            read_purity(text, tokens, title=True),
        )  # fmt: skip

    number_scan._known.clear()
    warm = [read(text) for text in [*texts, *texts]][len(texts) :]
    cold = []
    for text in texts:
        number_scan._known.clear()
        cold.append(read(text))
    assert warm == cold


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_scan, "_KNOWN", 50)
    number_scan._known.clear()
    for number in range(500):
        assert scan(f"товар {number} г, {'я' * 1000} 5{'б' * 1000}")[0].value == number
        assert len(number_scan._known) <= 50
        assert max(map(len, number_scan._known)) <= 40


@pytest.mark.parametrize("text", ["1г", "0.33 гр", "5 шт", "$40", "2500р", "84%", "10x", "от 300 руб.", "за 2,5к, да"])
def test_what_markets_write_most_is_looked_up(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("read in its place")

    monkeypatch.setattr(number_scan, "read_number", refuse)
    assert len(scan(text)) == 1


def test_words_in_mixed_scripts_have_one_spelling() -> None:
    for mixed, plain in (("гp", "гр"), ("pуб", "руб"), ("тab", "tab"), ("кuло", "кило")):
        assert unmixed(mixed) == unmixed(plain)
    assert find_unit("гp") == find_unit("гр")
    assert find_currency("pуб") == find_currency("руб")


@pytest.mark.parametrize("text", ["9" * 24 + " млн руб", "1" + "0" * 23 + " млн кг", "0." + "1" * 21 + " lb"])
def test_huge_amounts_do_not_raise(text: str) -> None:
    tokens = scan(text)
    prices, quantities = read_prices(text, tokens), read_quantities(text, tokens)
    assert len(prices) + len(quantities) == 1
    assert all(isinstance(one.amount, Decimal) for one in [*prices, *quantities])
