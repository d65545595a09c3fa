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
        keys = np.array([key[:2] for key in self.cells], dtype=np.int64).reshape(-1, 2)
        sizes = np.array([rows.stop - rows.start for rows, _ in self.cells.values()], dtype=np.int64)
        return kinds_of_series(keys[:, 0], keys[:, 1], len(self.kinds), sizes)


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
    found, place = np.unique(np.concatenate([each for each, _ in counts]), return_inverse=True)
    offers = np.bincount(place, np.concatenate([n for _, n in counts]), len(found)).astype(np.int64)
    starts = [*np.searchsorted(cell, found.astype(cell.dtype)).tolist(), len(cell)]
    cells = {}
    for number, (code, n) in enumerate(zip(found.tolist(), offers.tolist(), strict=True)):
        rest, at = divmod(code, size)
        series, kind = divmod(rest, MOST_KINDS)
        cells[series, int(rank[kind]), at] = (slice(starts[number], starts[number + 1]), n)
    return Votes(
        coders.series.labels if ask.fields else [()], kinds, cells, price, columns, coders.vendors.labels, standard)


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


def read_votes(ask: Ask) -> tuple[Table, list[Kind], Whole]:
    """The votes as one table with `quantity`, `substance` and `region`, the kinds, and which kind each vote has."""
    pairs, coders = Coder(), Coders()
    where: Filter = ask.offers_only().model_copy(update={"first": ask.buckets.first, "last": ask.buckets.last})
    pieces = [
        _counting(ask, table, pairs)
        for table in iter_tables(ask, where, **_wanted(ask, ("quantity",), ("substance", "region")), coders=coders)]
    kinds, rank = _ranked(pairs)
    kind_of = np.concatenate([kind for _, kind in pieces])
    return _one([table for table, _ in pieces]), kinds, rank[kind_of] if kinds else kind_of


def _one(tables: list[Table]) -> Table:
    last = tables[-1]
    return Table(
        np.concatenate([table.series for table in tables]), last.series_labels,
        np.concatenate([table.vendor for table in tables]), last.vendor_labels,
        np.concatenate([table.offer for table in tables]), np.concatenate([table.market for table in tables]),
        last.market_labels, np.concatenate([table.days for table in tables]),
        {name: np.concatenate([table.numbers[name] for table in tables]) for name in last.numbers},
        {name: np.concatenate([table.labels[name] for table in tables]) for name in last.labels})


def group_votes(ask: Ask, table: Table, kind_of: Whole) -> dict[tuple[int, int, int], Whole]:
    """Rows of the table by (series code, kind, bucket position)."""
    size = len(ask.buckets)
    positions = ask.buckets.positions(table.days)
    key = np.where(positions >= 0, (table.series * MOST_KINDS + kind_of) * size + positions, -1)
    order = np.argsort(key, kind="stable")
    ranked = key[order]
    starts = np.flatnonzero(np.diff(ranked, prepend=-1))
    found = {}
    for start, end in zip(starts.tolist(), [*starts.tolist()[1:], len(order)], strict=True):
        rest, position = divmod(int(ranked[start]), size)
        series, kind = divmod(rest, MOST_KINDS)
        found[series, kind, position] = order[start:end]
    return found
