"""Prices: every currency and style of writing, what is no price, minor units."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.money import MINOR_DIGITS, MoneyError, parse_price, to_minor
from extract.number_scan import scan
from extract.number_tables import currencies
from extract.price_rules import read_prices


def _read(text: str) -> list[str]:
    return [f"{'>' if price.minimum else ''}{price.amount} {price.currency}" for price in read_prices(text, scan(text))]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("190.0 USD", "190 USD"), ("2 500₽", "2500 RUB"), ("$1,106.71", "1106.71 USD"), ("1.106,71 €", "1106.71 EUR"), ("2.500 руб", "2500 RUB"),
        ("1 600 руб.", "1600 RUB"), ("₸9 000", "9000 KZT"), ("9 000 тг", "9000 KZT"), ("2500р", "2500 RUB"), ("2500 р.", "2500 RUB"), ("14080 ք", "14080 RUB"),
        ("5608 ₴", "5608 UAH"), ("300 грн", "300 UAH"), ("477 Br", "477 BYN"), ("10 бел. руб", "10 BYN"), ("150 000 сум", "150000 UZS"), ("900 сом", "900 KGS"),
        ("90 сомони", "90 TJS"), ("120 лари", "120 GEL"), ("₾120", "120 GEL"), ("GEL 120", "120 GEL"), ("£30", "30 GBP"), ("A$50", "50 AUD"), ("50 AUD", "50 AUD"),
        ("$50 AUD", "50 AUD"), ("C$ 40", "40 CAD"), ("CAD 11673.40", "11673.4 CAD"), ("0.00649000 BTC", "0.00649 BTC"), ("₿0.01", "0.01 BTC"), ("฿0.000649", "0.000649 BTC"),
        ("1.125 BTC", "1.125 BTC"), ("1.27840000 XMR", "1.2784 XMR"), ("0.5 LTC", "0.5 LTC"), ("100 USDT", "100 USDT"), ("USD 1,312.50", "1312.5 USD"), ("50$", "50 USD"),
        ("2,5к руб", "2500 RUB"), ("1.5 тыс. руб", "1500 RUB"), ("5 т.р.", "5000 RUB"), ("5тр", "5000 RUB"), ("$5k", "5000 USD"), ("2,5к", "2500 RUB"), ("1.5 тыс", "1500 RUB"),
        ("2\u00a0500\u00a0₽", "2500 RUB"), ("2\u2009500 ₽", "2500 RUB"), ("12'500 USD", "12500 USD"), ("от 800 руб", ">800 RUB"), ("from $20", ">20 USD"),
        ("Bulk from 110.40 USD/Ounce", ">110.4 USD"), ("1 500 000 сум", "1500000 UZS"), ("$ 1,400.", "1400 USD"), ("50 баксов", "50 USD"), ("500RUB.", "500 RUB"),
    ],
)  # fmt: skip
def test_one_price(text: str, wanted: str) -> None:
    assert _read(text) == [wanted]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1г 2000₽ 2г 3800₽", ["2000 RUB", "3800 RUB"]), ("1г - 1500, 2г - 2800, 5 г — 6500", ["1500 RUB", "2800 RUB", "6500 RUB"]),
        ("14080 ք 5608 ₴ 477 Br 223.0 $", ["14080 RUB", "5608 UAH", "477 BYN", "223 USD"]), ("500-1000 руб", ["500 RUB", "1000 RUB"]),
        ("от 500 до 1000 руб", [">500 RUB", "1000 RUB"]), ("25 г. 1 500 р. 50 г. 2 900 р.", ["1500 RUB", "2900 RUB"]), ("AK-47 200 руб", ["200 RUB"]),
        ("Гашиш - 1гр 2000₽", ["2000 RUB"]), ("60% - 3.5G £100", ["100 GBP"]), ("0.01070000 BTC ($37)", ["0.0107 BTC", "37 USD"]),
    ],
)  # fmt: skip
def test_several_prices(text: str, wanted: list[str]) -> None:
    assert _read(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["5 г", "24/7", "12.03.2020", "04:54:14", "2020 год", "+7 999 123 45 67", "скидка 10% за BTC", "BTC -10 %", "0.5 BTC SALE 5%", "AK-47", "100 pills 200mg", "гашиш евро 10г",
     "10 x 20mg", "1000 blotters", "Item #24373", "1-3 days", "50 мл", "THC 24%", "1 500", "5 р-н", "btc sale 1%", "2 EU letters"],
)  # fmt: skip
def test_what_is_no_price(text: str) -> None:
    assert _read(text) == []


def test_a_price_field_may_lack_its_currency() -> None:
    assert parse_price("1 600") is None
    price = parse_price("от 1 600", "KZT")
    assert price is not None
    assert (price.amount, price.currency, price.minimum) == (1600, "KZT", True)
    assert parse_price("0.125", "BTC") is not None


def test_every_currency_of_the_table_has_a_minor_unit() -> None:
    assert {entry.currency for entry in currencies().values()} <= MINOR_DIGITS.keys()


@pytest.mark.parametrize(
    ("amount", "currency", "wanted"),
    [("1", "BTC", 10**8), ("0.000000000001", "XMR", 1), ("2.5", "RUB", 250), ("0.005", "USD", 0), ("0.015", "USD", 2), ("1", "USDT", 10**6), ("99", "JPY", 99)],
)  # fmt: skip
def test_minor_units(amount: str, currency: str, wanted: int) -> None:
    assert to_minor(Decimal(amount), currency) == wanted


def test_unknown_currencies_are_refused() -> None:
    with pytest.raises(MoneyError, match="not known"):
        to_minor(Decimal(1), "XXX")
    with pytest.raises(MoneyError, match="cannot be kept"):
        to_minor(Decimal("NaN"), "USD")


_SPELLINGS = sorted((name, entry) for name, entry in currencies().items() if entry.multiplier == 1 and name != "бел")
_GROUPS = [
    ("", "."),
    ("", ","),
    (" ", "."),
    (" ", ","),
    ("\u00a0", ","),
    ("\u2009", "."),
    (",", "."),
    (".", ","),
    ("'", "."),
]


def _write(amount: Decimal, group: str, mark: str) -> str:
    whole, _, rest = f"{amount:f}".partition(".")
    grouped = f"{int(whole):,}".replace(",", group)
    return f"{grouped}{mark}{rest}" if rest else grouped


@given(
    st.decimals(min_value="0.01", max_value="9999999", places=2), st.sampled_from(_SPELLINGS), st.sampled_from(_GROUPS), st.booleans(),
    st.sampled_from(["{}", "цена {}", "Товар - {}!", "({})", "{} за всё"]), st.sampled_from(["", " ", "\u00a0"]),
)  # fmt: skip
@settings(max_examples=600, deadline=None)
def test_any_written_price_comes_back(
    amount: Decimal, spelling: tuple[str, object], marks: tuple[str, str], before: bool, carrier: str, gap: str
) -> None:
    name = spelling[0]
    entry = currencies()[name]
    written = _write(amount, *marks)
    text = carrier.format(
        f"{name}{gap}{written}" if before and entry.kind in {"symbol", "code"} else f"{written}{gap}{name}"
    )
    prices = read_prices(text, scan(text))
    assert [(price.amount, price.currency) for price in prices] == [(amount, entry.currency)]
    assert written in text[prices[0].start : prices[0].end]


@given(st.text(max_size=200), st.sampled_from([None, "RUB", "BTC"]))
@settings(max_examples=300, deadline=None)
def test_no_text_raises(text: str, currency: str | None) -> None:
    price = parse_price(text, currency)
    assert price is None or to_minor(price.amount, price.currency) >= 0
