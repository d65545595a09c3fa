"""Quantiles of offer-day prices by bucket and series: the record of an answer, and the way of asking that any store can
go, row by row. A store that keeps prices sorted, or can sort them itself, answers the same without reading the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from config.errors import UsageError
from extract.observation import Record
from index.buckets import By, bucket_of, check_by
from index.store import Filter, Store

PriceField = Literal["unit_price", "unit_price_usd"]
SPLITS = ("substance", "group", "form", "region", "market", "stash", "kind", "vendor")
"""What prices can be split by: fields with one value a row."""
Cell = tuple[str, tuple[str | None, ...], str, str | None]
"""First day of the bucket (ISO), split values, unit, currency (None for US dollars)."""


class Quantiles(Record):
    """Prices per base unit of one bucket, series, unit and currency, major units x 10^4; one vote an offer-day."""

    bucket: date
    """The day, the Monday of the week, or the 1st of the month."""
    series: tuple[str | None, ...]
    """Values of the split fields; a missing main substance is None."""
    unit: str
    currency: str | None
    """None: US dollars (`unit_price_usd`)."""
    n: int = Field(ge=1)
    """Offer-days."""
    values: tuple[float, ...]
    """One for each quantile asked (linear, type 7)."""


def check_question(by: str, split: Sequence[str], at: Sequence[float]) -> None:
    """UsageError for a bucket or split that is none of ours, or a quantile outside [0, 1]."""
    check_by(by)
    for field in split:
        if field not in SPLITS:
            raise UsageError(f"prices cannot be split by {field!r}.", remedy=f"Known: {', '.join(SPLITS)}.")
    if any(not 0 <= each <= 1 for each in at):
        raise UsageError("a quantile lies between 0 and 1.", remedy="Give 0.5 for the median.")


def of_sorted(prices: NDArray[np.int64], at: Sequence[float]) -> tuple[float, ...]:
    """Quantiles of ascending numbers, bit by bit those of `numpy.quantile` (linear, type 7; Hyndman & Fan 1996)."""
    found = []
    for each in at:
        place = each * (len(prices) - 1)
        low = int(place)
        below = float(prices[low])
        above = float(prices[min(low + 1, len(prices) - 1)])
        part = place - low
        # numpy counts from the nearer end, so that the result never leaves the interval
        found.append(below + (above - below) * part if part < 0.5 else above - (above - below) * (1 - part))
    return tuple(found)


def answer(cells: Mapping[Cell, NDArray[np.int64]], at: Sequence[float]) -> list[Quantiles]:
    """One record for each cell of ascending prices, by bucket, series, unit and currency."""
    order = sorted(cells, key=lambda cell: (
        cell[0], tuple((value is not None, value or "") for value in cell[1]), cell[2], cell[3] or ""))
    return [
        Quantiles(
            bucket=date.fromisoformat(bucket), series=series, unit=unit, currency=currency,
            n=len(cells[bucket, series, unit, currency]), values=of_sorted(cells[bucket, series, unit, currency], at))
        for bucket, series, unit, currency in order
    ]


def quantiles_by_scan(
    store: Store, where: Filter, by: By, split: Sequence[str], field: PriceField, at: Sequence[float],
    *, with_flagged: bool = False, version: str | None = None,
) -> list[Quantiles]:
    """`Store.quantiles` from the rows. Memory grows with the number of prices."""
    check_question(by, split, at)
    found: dict[Cell, list[NDArray[np.int64]]] = defaultdict(list)
    fields = list(dict.fromkeys(["day", field, "unit", "currency", "flags", *split]))
    buckets: dict[str, str] = {}
    for batch in store.scan("offer_day", where, fields, version):
        rows: dict[Cell, list[int]] = defaultdict(list)
        quoted = batch["currency"].tolist() if field == "unit_price" else [None] * len(batch["day"])
        columns = (batch["day"], batch[field], batch["unit"], quoted, batch["flags"], *(batch[name] for name in split))
        for day, price, unit, currency, flags, *values in zip(*columns, strict=True):
            if price == price and unit is not None and (with_flagged or not flags):  # noqa: PLR0124 - NaN: no price
                bucket = buckets.get(day)
                if bucket is None:
                    bucket = buckets[day] = bucket_of(date.fromisoformat(day), by).isoformat()
                rows[bucket, tuple(values), unit, currency].append(int(price))
        for cell, prices in rows.items():
            found[cell].append(np.array(prices, dtype=np.int64))
    return answer({cell: np.sort(np.concatenate(parts)) for cell, parts in found.items()}, at)
