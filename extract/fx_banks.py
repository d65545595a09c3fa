"""Rates as central banks publish them, brought into the table of `extract.fx`.

**Not verified against the banks' sites**: written from the published descriptions of the formats, without access to
them. Compare the first rows with the site before relying on them.

- Bank of Russia: `XML_daily` (one day, all currencies) and `XML_dynamic` (one currency, many days); roubles for
  `Nominal` units, decimal comma, Windows-1251.
- National Bank of Kazakhstan: `get_rates.cfm` (one day) and the RSS feed of the same rates; tenge for `quant` units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from lxml import etree
from pydantic import ValidationError

from config.errors import InputError
from extract.fx import Rate, read_rates

CBR_CODES = {
    "R01235": "USD", "R01239": "EUR", "R01035": "GBP", "R01335": "KZT", "R01375": "CNY", "R01090B": "BYN",
    "R01720": "UAH", "R01700J": "TRY", "R01210": "GEL", "R01060": "AMD",
}  # fmt: skip
"""`XML_dynamic` names its currency by the bank's own code only."""


def read_rate_file(path: Path) -> list[Rate]:
    """Rates of a CSV file (`extract.fx.read_rates`) or of an XML file of either bank, told apart by what it holds.

    Raises InputError with file and line for what cannot be read; nothing is guessed.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(256)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}).", file=path, remedy="Check the path.") from error
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return read_rates(path)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root: Any = etree.parse(path, parser).getroot()
    except (etree.XMLSyntaxError, OSError) as error:
        raise InputError(f"not well-formed XML ({error}).", file=path, remedy="Download it again.") from error
    reader = _READERS.get(str(root.tag))
    if reader is None:
        raise InputError(
            f"<{root.tag}> is no file of rates that Dropline knows.",
            file=path,
            line=root.sourceline,
            remedy="Known: the Bank of Russia's XML_daily and XML_dynamic, the National Bank of Kazakhstan's rates and "
            "its feed, and CSV with the columns date,base,quote,rate,source.",
        )
    rates = list(reader(root, path))
    if not rates:
        raise InputError("holds no rates.", file=path, line=root.sourceline, remedy="Ask the bank for other days.")
    return rates


def _bank_of_russia(root: Any, path: Path) -> Iterator[Rate]:
    for record in root.iterfind("Record"):
        code = CBR_CODES.get(record.get("Id", ""))
        if code is None:
            raise _wrong(path, record, f"the bank's code {record.get('Id')!r} is not known", "Use XML_daily instead.")
        yield _rate(path, record, record.get("Date"), code, "RUB", "Value", "Nominal", "Bank of Russia")
    for entry in root.iterfind("Valute"):
        code = (entry.findtext("CharCode") or "").strip()
        yield _rate(path, entry, root.get("Date"), code, "RUB", "Value", "Nominal", "Bank of Russia")


def _bank_of_kazakhstan(root: Any, path: Path) -> Iterator[Rate]:
    day = root.findtext("date")
    for item in root.iter("item"):
        code = (item.findtext("title") or "").strip()
        written = day or item.findtext("pubDate")
        yield _rate(path, item, written, code, "KZT", "description", "quant", "National Bank of Kazakhstan")


_READERS: dict[str, Callable[[Any, Path], Iterator[Rate]]] = {
    "ValCurs": _bank_of_russia,
    "rates": _bank_of_kazakhstan,
    "rss": _bank_of_kazakhstan,
}


def _rate(
    path: Path, entry: Any, day: str | None, base: str, quote: str, value: str, units: str, source: str
) -> Rate:
    try:
        amount = _number(entry.findtext(value)) / _number(entry.findtext(units) or "1")
        return Rate(date=_day(day), base=base, quote=quote, rate=float(amount), source=source)
    except (ValueError, ArithmeticError, ValidationError) as error:
        raise _wrong(path, entry, f"no rate can be read for {base or 'a currency'}", "Download it again.") from error


def _number(text: str | None) -> Decimal:
    return Decimal("".join((text or "").split()).replace(",", "."))


def _day(text: str | None) -> date:
    day, month, year = (text or "").strip().replace("/", ".").split(".")
    return date(int(year), int(month), int(day))


def _wrong(path: Path, entry: Any, what: str, remedy: str) -> InputError:
    return InputError(f"{what}.", file=path, line=entry.sourceline, remedy=remedy)
