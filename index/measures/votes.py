"""Prices that count, cell by cell: read in pieces and held as small integers, so that many take little memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from index.measures.ask import Ask, Series
from index.measures.standard import WINDOW_DAYS, Quantities, Standard
from index.measures.table import Coder, Coders, Table, Whole, iter_tables, kinds_of_series
from index.store import Filter

SCALE = 10_000
"""Stored prices are integers: major units x 10^4."""
MOST_KINDS = 256
"""Pairs of unit and currency that one answer may have."""
Kept = Literal["vendor", "offer", "standard"]
Kind = tuple[str, str | None]
"""Unit and currency."""


@dataclass(frozen=True)
class Votes:
    """Offer-days with a price that counts, one after the other by cell: (series code, kind, bucket position)."""

    series_labels: list[Series]
    kinds: list[Kind]
    """In the order of their names, so that ties between units fall alike on both stores."""
    cells: dict[tuple[int, int, int], tuple[slice, int]]
    """The votes of each cell, and the distinct offers behind them; in order."""
    price: NDArray[Any]
    """Integers."""
    columns: dict[str, NDArray[np.int32]]
    """What was kept beside: `vendor` (code), `offer` (code), `standard` (good and quantity)."""
    vendor_labels: list[tuple[str, str | None]]
    standard: Standard | None

    def commonest(self) -> dict[int, list[int]]:
        """For each series code its kinds, the commonest first."""
        sizes = [rows.stop - rows.start for rows, _ in self.cells.values()]
        return _commonest([key[:2] for key in self.cells], sizes, len(self.kinds))


def read_cells(ask: Ask, keep: Collection[Kept]) -> Votes:
    """The votes of a question's buckets. With `standard` the 90 days before them are read as well."""
    size, pairs, coders = len(ask.buckets), Coder(), Coders()
    quantities = Quantities() if "standard" in keep else None
    first = ask.buckets.first
    if quantities is not None:
        # the standard quantity looks back beyond the days asked; votes from there fall in no bucket
        first = date.fromordinal(max(1, first.toordinal() - WINDOW_DAYS))
    where = ask.offers_only().model_copy(update={"first": first, "last": ask.buckets.last})
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("cell", "price", *keep)}
    counts: list[tuple[Whole, Whole]] = []
    labels = ("substance",) if quantities is not None else ()
    for whole in iter_tables(ask, where, **_wanted(ask, ("quantity",) if labels else (), labels), coders=coders):
        table, kind_of = _counting(ask, whole, pairs)
        held = None if quantities is None else quantities.add(table)
        position = ask.buckets.positions(table.days)
        inside = np.flatnonzero(position >= 0)
        cell = ((table.series * MOST_KINDS + kind_of) * size + position)[inside]
        offer = table.offer[inside]
        many = int(offer.max(initial=0)) + 1
        # no offer stands in two pieces
        counts.append(np.unique(np.unique(cell * many + offer) // many, return_counts=True))
        parts["cell"].append(_narrow(cell))
        parts["price"].append(_narrow(table.numbers["price"][inside].astype(np.int64)))
        for name, column in (("vendor", table.vendor), ("offer", table.offer), ("standard", held)):
            if name in parts and column is not None:
                parts[name].append(column[inside].astype(np.int32))
    standard = None if quantities is None else quantities.build(ask.buckets)
    cell = _joined(parts, "cell")
    order = np.argsort(cell, kind="stable")
    cell = cell[order]
    price = _joined(parts, "price")[order]
    columns = {str(name): _joined(parts, name)[order] for name in keep}
    kinds, rank = _ranked(pairs)
    return Votes(
        coders.series.labels if ask.fields else [()], kinds, _cells(_sums(counts), cell, rank, size), price, columns,
        coders.vendors.labels, standard)


def _commonest(keys: Sequence[tuple[int, int]], sizes: Sequence[int], kinds: int) -> dict[int, list[int]]:
    """`kinds_of_series` of (series code, kind) pairs, each of so many votes."""
    pairs = np.array(keys, dtype=np.int64).reshape(-1, 2)
    return kinds_of_series(pairs[:, 0], pairs[:, 1], kinds, np.array(sizes, dtype=np.int64))


def _joined(parts: dict[str, list[NDArray[Any]]], name: str) -> NDArray[Any]:
    return np.concatenate(parts.pop(name))


def _narrow(column: NDArray[np.int64]) -> NDArray[Any]:
    """The same in half the memory, where that can be."""
    small = not len(column) or (column.max() < 2**31 and column.min() >= -(2**31))
    return column.astype(np.int32) if small else column


def _ranked(pairs: Coder) -> tuple[list[Kind], Whole]:
    """Kinds in the order of their names, and the place of each code."""
    kinds: list[Kind] = pairs.labels
    order = sorted(range(len(kinds)), key=lambda code: (kinds[code][0], kinds[code][1] or ""))
    return [kinds[code] for code in order], np.argsort(np.array(order, dtype=np.int64))


def _wanted(ask: Ask, numbers: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    """What a table of prices is read with."""
    quoted = ask.currency == "quoted"
    return {
        "numbers": ("unit_price" if quoted else "unit_price_usd", *numbers),
        "labels": ("unit", "flags", *(("currency",) if quoted else ()), *labels)}


def _counting(ask: Ask, table: Table, pairs: Coder) -> tuple[Table, Whole]:
    """The rows with a price that counts (number `price`), and the code in `pairs` of each one's unit and currency."""
    column = "unit_price_usd" if ask.currency == "usd" else "unit_price"
    table.numbers["price"] = table.numbers.pop(column)
    fits = np.isfinite(table.numbers["price"])
    fits &= np.array([unit is not None for unit in table.labels["unit"]], dtype=bool)
    flags = table.labels.pop("flags")
    if not ask.with_flagged:
        fits &= np.array([not each for each in flags], dtype=bool)
    table = table.take(fits)
    units = table.labels["unit"].tolist()
    quoted = table.labels.pop("currency").tolist() if ask.currency == "quoted" else ["USD"] * len(table)
    return table, pairs.encode(zip(units, quoted, strict=True))


@dataclass(frozen=True)
class Goods:
    """Prices that count, as a regression sees them: offer-days of a bucket that differ in nothing but day and price are
    one row, with their number and the mean of their log prices (least squares, and the sums of its scores by seller,
    come out the same)."""

    series_labels: list[Series]
    kinds: list[Kind]
    sizes: dict[tuple[int, int], int]
    """Offer-days with a price that counts, with or without a quantity, by (series code, kind)."""
    cells: dict[tuple[int, int, int], tuple[slice, int]]
    """The rows of each (series code, kind, bucket position), and the distinct offers behind them."""
    vendor: NDArray[np.int32]
    substance: NDArray[np.int32]
    region: NDArray[np.int32]
    """Codes in the order of the names, none first."""
    log_quantity: NDArray[np.float64]
    log_price: NDArray[np.float64]
    """Of the price in major units per base unit; the mean."""
    count: NDArray[np.float64]
    known: NDArray[np.bool_]
    """By vendor code: whether the seller is named."""

    def commonest(self) -> dict[int, list[int]]:
        """For each series code its kinds, the commonest first."""
        return _commonest(list(self.sizes), list(self.sizes.values()), len(self.kinds))


def read_goods(ask: Ask) -> Goods:
    """The votes of a question's buckets with their quantity, substance and region."""
    size, pairs, coders, substances, regions = len(ask.buckets), Coder(), Coders(), Coder(), Coder()
    where: Filter = ask.offers_only().model_copy(update={"first": ask.buckets.first, "last": ask.buckets.last})
    names = ("cell", "offer", "vendor", "substance", "region", "log_quantity")
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in (*names[2:], "cell", "log_price", "count")}
    counts, many = [], []
    for whole in iter_tables(ask, where, **_wanted(ask, ("quantity",), ("substance", "region")), coders=coders):
        table, kind_of = _counting(ask, whole, pairs)
        position = ask.buckets.positions(table.days)
        cell = (table.series * MOST_KINDS + kind_of) * size + position
        many.append(np.unique(cell[position >= 0] // size, return_counts=True))
        with np.errstate(divide="ignore", invalid="ignore"):
            log_price, log_quantity = np.log(table.numbers["price"] / SCALE), np.log(table.numbers["quantity"])
        fits = np.flatnonzero((position >= 0) & np.isfinite(log_price) & np.isfinite(log_quantity))
        columns = dict(zip(names, (
            cell, table.offer, table.vendor, substances.encode(table.labels["substance"].tolist()),
            regions.encode(table.labels["region"].tolist()), log_quantity), strict=True))
        columns = {name: column[fits] for name, column in columns.items()}
        same = np.zeros(len(fits), dtype=np.int64)
        for column in columns.values():
            codes = np.unique(column, return_inverse=True)[1]
            same = np.unique(same * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)[1].astype(np.int64)
        _, first, count = np.unique(same, return_index=True, return_counts=True)
        columns = {name: column[first] for name, column in columns.items()}
        offers = np.unique(np.stack([columns["cell"], columns["offer"]]), axis=1)[0]
        counts.append(np.unique(offers, return_counts=True))  # no offer stands in two pieces
        parts["count"].append(count.astype(np.float64))
        parts["log_price"].append(np.bincount(same, log_price[fits], len(first)) / count)
        parts["cell"].append(_narrow(columns["cell"]))
        parts["log_quantity"].append(columns["log_quantity"])
        for name in names[2:5]:
            parts[name].append(columns[name].astype(np.int32))
    kinds, rank = _ranked(pairs)
    cell = _joined(parts, "cell")
    order = np.argsort(cell, kind="stable")
    cell = cell[order]
    held = {name: _joined(parts, name)[order] for name in list(parts)}
    places = sorted(range(len(regions.labels)), key=lambda code: (
        regions.labels[code] is not None, regions.labels[code] or ""))
    if places:
        held["region"] = np.argsort(np.array(places)).astype(np.int32)[held["region"]]
    return Goods(
        coders.series.labels if ask.fields else [()], kinds,
        {(code // MOST_KINDS, int(rank[code % MOST_KINDS])): n for code, n in _sums(many).items()},
        _cells(_sums(counts), cell, rank, size),
        known=np.array([vendor is not None for _, vendor in coders.vendors.labels], dtype=bool), **held)


def _sums(parts: Sequence[tuple[Whole, Whole]]) -> dict[int, int]:
    """Counts of codes, added up, in order of the codes."""
    found, place = np.unique(np.concatenate([codes for codes, _ in parts]), return_inverse=True)
    total = np.bincount(place, np.concatenate([count for _, count in parts]), len(found))
    return dict(zip(found.tolist(), total.astype(np.int64).tolist(), strict=True))


def _cells(
    offers: dict[int, int], cell: NDArray[Any], rank: Whole, size: int
) -> dict[tuple[int, int, int], tuple[slice, int]]:
    """(series code, kind, bucket position) -> rows in the sorted column `cell`, and distinct offers."""
    starts = [*np.searchsorted(cell, np.array(list(offers), dtype=cell.dtype)).tolist(), len(cell)]
    cells = {}
    for number, (code, n) in enumerate(offers.items()):
        rest, at = divmod(code, size)
        series, kind = divmod(rest, MOST_KINDS)
        cells[series, int(rank[kind]), at] = (slice(starts[number], starts[number + 1]), n)
    return cells
