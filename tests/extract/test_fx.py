"""Rates: dated, sourced, never guessed."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from currency_converter import CurrencyConverter, RateNotFoundError

from config.errors import InputError
from extract.fx import Rate, RateTable, read_rates


def rate(day: date, base: str, quote: str, value: float) -> Rate:
    return Rate(date=day, base=base, quote=quote, rate=value, source="test")


def test_a_table_comes_before_the_ecb_and_serves_a_week() -> None:
    table = RateTable([rate(date(2020, 3, 2), "EUR", "USD", 2.0)])
    found = table.to_usd("EUR", date(2020, 3, 9))
    assert found is not None
    assert (found.rate, found.date, found.source) == (2.0, date(2020, 3, 2), "test")
    later = table.to_usd("EUR", date(2020, 3, 10))
    assert later is not None
    assert later.source == "ECB reference rates"


def test_either_way_round() -> None:
    table = RateTable([rate(date(2020, 3, 2), "USD", "KZT", 400.0)], use_ecb=False)
    found = table.to_usd("KZT", date(2020, 3, 3))
    assert found is not None
    assert found.rate == pytest.approx(1 / 400)


def test_ecb_has_weekends_from_the_friday_before_and_no_rouble_after_march_2022() -> None:
    table = RateTable()
    sunday = table.to_usd("EUR", date(2020, 3, 8))
    assert sunday is not None
    assert sunday.date == date(2020, 3, 6)
    assert sunday.rate == pytest.approx(1.1336)  # published: EUR 1 = USD 1.1336 on 2020-03-06
    rouble = table.to_usd("RUB", date(2020, 3, 6))
    assert rouble is not None
    assert rouble.rate == pytest.approx(1.1336 / 75.9753, rel=0.02)
    assert table.to_usd("RUB", date(2022, 6, 1)) is None
    assert table.to_usd("KZT", date(2020, 3, 6)) is None
    assert table.to_usd("BTC", date(2020, 3, 6)) is None


def test_a_dollar_is_a_dollar() -> None:
    found = RateTable(use_ecb=False).to_usd("USD", date(1990, 1, 1))
    assert found is not None
    assert found.rate == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,base,quote,rate\n", "line 1: .*source"),
        ("date,base,quote,rate,source\n2020-01-01,KZT,USD,0.002,x\n2020-13-01,KZT,USD,1,x\n", "line 3: date"),
        ("date,base,quote,rate,source\n2020-01-01,KZT,USD,-1,x\n", "line 2: rate"),
        ("date,base,quote,rate,source\n2020-01-01,KZT,USD,inf,x\n", "line 2: rate"),
        ("date,base,quote,rate,source\n2020-01-01,btc,USD,5,x\n", "line 2: base"),
        ("date,base,quote,rate,source\n2020-01-01,KZT,USD,1e999,x\n", "line 2: rate"),
        ("date,base,quote,rate,source\n2020-01-01,KZT,USD,1e-320,x\n", "line 2: rate"),
        ("date,base,quote,rate,source\n2020-01-01,KZT,usd,0.002,x\n", "line 2: quote"),
        (f"date,base,quote,rate,source\n2020-01-01,KZT,USD,0.002,{'x' * 11 * 2**20}\n", "line 2: not a CSV row"),
    ],
)
def test_a_broken_file_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_rates(path)


def test_one_currency_read_alone_has_the_rates_of_the_whole_history() -> None:
    whole, table = CurrencyConverter(), RateTable()
    first = date(1999, 1, 4)
    for currency in ("EUR", "GBP", "RUB", "ISK", "CYP"):
        for step in range(0, 9000, 97):
            day = first + timedelta(days=step)
            found = table.to_usd(currency, day)
            if found is not None:
                assert found.rate == whole.convert(1, currency, "USD", date=found.date)
                assert found.date <= day
            else:
                with pytest.raises(RateNotFoundError):
                    whole.convert(1, currency, "USD", date=day)
    assert table.to_usd("XXX", first) is None
    assert table.to_usd("", first) is None
