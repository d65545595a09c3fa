"""Exchange rates: what one unit of a currency was worth in US dollars on a day, with the rate's own date and source.

Sources: tables handed in (`date,base,quote,rate,source`), and the European Central Bank's published history, carried
offline by the CurrencyConverter package (no rouble after 2022-03-01; no tenge, hryvnia or lari at any time). A missing
rate leaves the converted price empty: never guessed.
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, ValidationError

from config.errors import InputError
from extract.observation import Record

if TYPE_CHECKING:
    from currency_converter import CurrencyConverter

MAX_AGE = timedelta(days=7)
"""A rate serves for at most this many days after its own date (weekends, holidays)."""


Currency = Annotated[str, Field(pattern=r"^[A-Z]{3,5}$")]
"""A code as observations have it: `usd` would never be found."""


class Rate(Record):
    """One unit of `base` is worth `rate` units of `quote` on `date`."""

    date: date
    base: Currency
    quote: Currency
    rate: float = Field(gt=1e-15, lt=1e15)
    """So far apart are no two currencies; either way round it is a number."""
    source: str


class UsdRate(Record):
    """US dollars for one unit of a currency, with the date and source of the rate."""

    rate: float
    date: date
    source: str


class RateTable:
    """Rates to US dollars by currency and day; tables handed in come before the ECB's.

    `rates` are taken either way round (base or quote USD). `use_ecb` adds the ECB's history, read when first needed.
    """

    def __init__(self, rates: Iterable[Rate] = (), *, use_ecb: bool = True) -> None:
        self._use_ecb = use_ecb
        self._days: dict[str, list[date]] = {}
        self._rates: dict[str, list[UsdRate]] = {}
        self._cache: dict[tuple[str, date], UsdRate | None] = {}
        by_currency: dict[str, dict[date, UsdRate]] = {}
        for rate in rates:
            if rate.quote == "USD":
                currency, value = rate.base, rate.rate
            elif rate.base == "USD":
                currency, value = rate.quote, 1 / rate.rate
            else:
                continue
            by_currency.setdefault(currency, {})[rate.date] = UsdRate(rate=value, date=rate.date, source=rate.source)
        for currency, days in by_currency.items():
            self._days[currency] = sorted(days)
            self._rates[currency] = [days[day] for day in self._days[currency]]

    def to_usd(self, currency: str, day: date) -> UsdRate | None:
        """The rate of `day`, or the latest one at most a week older; None where there is none."""
        if currency == "USD":
            return UsdRate(rate=1.0, date=day, source="identity")
        key = (currency, day)
        if key not in self._cache:
            self._cache[key] = self._from_tables(currency, day) or self._from_ecb(currency, day)
        return self._cache[key]

    def _from_tables(self, currency: str, day: date) -> UsdRate | None:
        days = self._days.get(currency)
        if not days:
            return None
        at = bisect_right(days, day) - 1
        if at < 0 or day - days[at] > MAX_AGE:
            return None
        return self._rates[currency][at]

    def _from_ecb(self, currency: str, day: date) -> UsdRate | None:
        converter = _read_ecb(currency) if self._use_ecb else None
        if converter is None:
            return None
        from currency_converter import RateNotFoundError

        for back in range(MAX_AGE.days + 1):
            at = day - timedelta(days=back)
            try:
                value = float(converter.convert(1, currency, "USD", date=at))
            except RateNotFoundError:
                continue
            return UsdRate(rate=value, date=at, source="ECB reference rates")
        return None


@lru_cache(maxsize=32)
def _read_ecb(currency: str) -> CurrencyConverter | None:
    """The ECB's history of that currency and of the dollar (None: it has none): a quarter of the time of all
    forty."""
    from currency_converter.currency_converter import CURRENCY_FILE, CurrencyConverter, get_lines_from_zip

    lines = (line.strip().split(",") for line in get_lines_from_zip(Path(CURRENCY_FILE).read_bytes()))
    header = [name.strip() for name in next(lines)]
    pick = itemgetter(*(at for at, name in enumerate(header) if at == 0 or name in {currency, "USD"}))
    converter = CurrencyConverter(currency_file=None)
    converter.load_lines([",".join(pick(line)) for line in (header, *lines)])
    return converter if currency in converter.currencies else None


def read_rates(path: Path) -> list[Rate]:
    """Rates of a CSV file with the columns date (ISO), base, quote, rate, source.

    Raises InputError with file and line for a missing column or an unreadable row.
    """
    rates: list[Rate] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = set(Rate.model_fields) - set(reader.fieldnames or ())
            if missing:
                raise InputError(
                    f"columns missing: {', '.join(sorted(missing))}.",
                    file=path,
                    line=1,
                    remedy="A rates file has the columns date,base,quote,rate,source.",
                )
            for row in reader:
                try:
                    rates.append(Rate.model_validate({name: row[name] for name in Rate.model_fields}))
                except ValidationError as error:
                    first = error.errors()[0]
                    raise InputError(
                        f"{first['loc'][0] if first['loc'] else 'row'}: {first['msg']}.",
                        file=path,
                        line=reader.line_num,
                        remedy="Mend the line; dates are YYYY-MM-DD, currencies such as BTC, rates positive numbers.",
                    ) from error
    except csv.Error as error:
        problem = f"not a CSV row ({error})."
        raise InputError(problem, file=path, line=reader.line_num + 1, remedy="Check the quotes there.") from error
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text.", file=path, remedy="Save the file as UTF-8.") from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}).", file=path, remedy="Check the path.") from error
    return rates


def write_rates(rates: Iterable[Rate], path: Path) -> None:
    """The rates as a CSV file that `read_rates` reads: all of it or, after a failure, what stood there before."""
    half = path.with_suffix(".part")
    with half.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(Rate.model_fields))
        writer.writeheader()
        writer.writerows(rate.model_dump() for rate in rates)
    half.replace(path)
