"""Sales by stock, as rows of a table: falls of the ready packages times the day's lowest price."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from extract.observation import Flag
from index.measures.ask import Ask
from index.measures.table import Coder, Table, Whole, iter_tables

MINOR_UNITS = {"BTC": 10**8, "LTC": 10**8, "XMR": 10**12, "USDT": 10**6, "JPY": 1}
"""Minor units in a major one where they are not a hundred (ISO 4217; satoshi, photon, piconero, Tether's decimals)."""
NOT_REAL = frozenset({Flag.PLACEHOLDER.value, Flag.HOLDING.value})
"""Flags of a package price that nobody pays. An outlier or a doubtful unit says nothing against the package's price."""
STOCK_NUMBERS = ("falls", "reversed", "long_falls", "exposure_hours", "last_ready")


def iter_stock_sales(ask: Ask) -> Iterator[Table]:
    """Offer-days from the first day asked to the end of the data (an absence is proven later), some offers at a time,
    with `money` (falls at the day's lowest price, major units), `packages` (falls), `unpriced` (those without a price
    that counts) and `stated` (1 where the stock is known)."""
    column = price_column(ask)
    where = ask.offers_only().model_copy(update={"first": ask.buckets.first, "last": None})
    for table in iter_tables(ask, where, numbers=(*STOCK_NUMBERS, column), labels=("currency", "flags")):
        price = package_prices(ask, table, column)
        falls = table.numbers["packages"] = table.numbers.pop("falls")
        table.numbers["money"] = np.where(np.isfinite(price), falls * np.nan_to_num(price), 0.0)
        table.numbers["unpriced"] = np.where(np.isfinite(price), 0.0, falls)
        table.numbers["stated"] = (np.isfinite(table.numbers["last_ready"]) | (falls > 0)).astype(np.float64)
        yield table


def price_column(ask: Ask) -> str:
    """The field of an offer-day that holds the price of the package."""
    return "price_low_usd" if ask.currency == "usd" else "price_low"


def package_prices(ask: Ask, table: Table, column: str) -> NDArray[np.float64]:
    """Prices of the packages in major units, NaN where none counts. Takes the column out of the table, which needs the
    labels `currency` and `flags`."""
    minor = table.numbers.pop(column)
    if ask.currency == "usd":
        price = minor / 100
    else:
        units = np.array([MINOR_UNITS.get(name or "", 100) for name in table.labels["currency"]], dtype=np.float64)
        price = minor / units if len(minor) else minor
    if not ask.with_flagged:
        real = np.array([NOT_REAL.isdisjoint(flags) for flags in table.labels["flags"]], dtype=bool)
        price = np.where(real, price, np.nan)
    return price


def currencies(ask: Ask, table: Table, coder: Coder | None = None) -> tuple[list[str | None], Whole]:
    """The currencies of a table and which of them each row is in; US dollars alone unless quoted ones are asked for.
    With a `coder` the codes go on from the tables before."""
    if ask.currency == "usd":
        return ["USD"], np.zeros(len(table), dtype=np.int64)
    coder = coder or Coder()
    kind_of = coder.encode(table.labels["currency"].tolist())
    return coder.labels, kind_of
