"""Files as the two central banks describe them (our own figures: their sites were not asked)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from config.errors import InputError
from extract.fx import RateTable
from extract.fx_banks import read_rate_file

DAILY = """<?xml version="1.0" encoding="windows-1251"?>
<ValCurs Date="02.03.2024" name="Foreign Currency Market">
<Valute ID="R01235"><NumCode>840</NumCode><CharCode>USD</CharCode><Nominal>1</Nominal><Name>Доллар США</Name>
<Value>91,5000</Value></Valute>
<Valute ID="R01335"><NumCode>398</NumCode><CharCode>KZT</CharCode><Nominal>100</Nominal><Name>Тенге</Name>
<Value>20,3000</Value></Valute>
</ValCurs>"""
DYNAMIC = """<?xml version="1.0" encoding="windows-1251"?>
<ValCurs ID="R01235" DateRange1="01.03.2024" DateRange2="02.03.2024" name="Foreign Currency Market Dynamic">
<Record Date="01.03.2024" Id="R01235"><Nominal>1</Nominal><Value>90,8423</Value></Record>
<Record Date="02.03.2024" Id="R01235"><Nominal>1</Nominal><Value>1 091,3300</Value></Record>
</ValCurs>"""
KAZAKH = """<?xml version="1.0" encoding="utf-8"?>
<rates><title>Official exchange rates</title><date>02.03.2024</date>
<item><fullname>ДОЛЛАР США</fullname><title>USD</title><description>450.25</description><quant>1</quant></item>
<item><fullname>РУБЛЬ</fullname><title>RUB</title><description>4.95</description><quant>1</quant></item></rates>"""
FEED = """<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>rates</title>
<item><title>USD</title><pubDate>02.03.2024</pubDate><description>450.25</description><quant>1</quant></item>
</channel></rss>"""


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "rates.xml"
    path.write_text(text, encoding=encoding)
    return path


def test_bank_of_russia_one_day(tmp_path: Path) -> None:
    rates = read_rate_file(write(tmp_path, DAILY, "windows-1251"))
    assert [(one.base, one.quote, one.date) for one in rates] == [
        ("USD", "RUB", date(2024, 3, 2)), ("KZT", "RUB", date(2024, 3, 2)),
    ]  # fmt: skip
    assert rates[1].rate == pytest.approx(0.203)
    converted = RateTable(rates, use_ecb=False).to_usd("RUB", date(2024, 3, 3))
    assert converted is not None
    assert converted.rate == pytest.approx(1 / 91.5)
    assert converted.source == "Bank of Russia"


def test_bank_of_russia_many_days(tmp_path: Path) -> None:
    rates = read_rate_file(write(tmp_path, DYNAMIC, "windows-1251"))
    assert [(one.date.day, one.rate) for one in rates] == [(1, 90.8423), (2, 1091.33)]


@pytest.mark.parametrize("text", [KAZAKH, FEED])
def test_bank_of_kazakhstan(tmp_path: Path, text: str) -> None:
    rates = read_rate_file(write(tmp_path, text))
    assert (rates[0].base, rates[0].quote, rates[0].rate, rates[0].date) == ("USD", "KZT", 450.25, date(2024, 3, 2))


def test_csv_is_still_csv(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("date,base,quote,rate,source\n2024-03-02,USD,RUB,91.5,own\n", encoding="utf-8")
    assert read_rate_file(path)[0].source == "own"


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("<html><body>no</body></html>", "<html>", 1),
        (DAILY.replace("91,5000", "n/a"), "USD", 3),
        (DYNAMIC.replace('Id="R01235"', 'Id="R99999"'), "R99999", 3),
        (DAILY.replace("91,5000", "1e999999"), "USD", 3),
        (DAILY.replace("91,5000", "9" * 400), "USD", 3),
        (KAZAKH.replace("02.03.2024", "2 March"), "USD", 3),
        ("<rates><date>02.03.2024</date></rates>", "no rates", 1),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, message: str, line: int) -> None:
    encoding = "windows-1251" if "windows-1251" in text else "utf-8"
    with pytest.raises(InputError, match=message) as caught:
        read_rate_file(write(tmp_path, text, encoding))
    assert caught.value.line == line


def test_broken_xml_and_entities(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="well-formed"):
        read_rate_file(write(tmp_path, "<ValCurs><Valute>"))
    secret = tmp_path / "secret"
    secret.write_text("123", encoding="utf-8")
    bomb = KAZAKH.replace("<rates>", f'<!DOCTYPE r [<!ENTITY x SYSTEM "{secret.as_uri()}">]><rates>', 1)
    with pytest.raises(InputError):
        read_rate_file(write(tmp_path, bomb.replace("450.25", "&x;")))
