"""Who stands behind each figure: the listings and vendors of a cell, and what each vendor adds to its money."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from config.errors import UsageError
from extract.observation import Kind
from index.export.question import Question, run_measure
from index.measures import SPLITS, TrendRow
from index.measures.ask import build_ask
from index.measures.table import read_table
from index.store import Filter, Store

Series = tuple[str | None, ...]
Cell = tuple[date, Series]
Variant = tuple[str | None, ...]
"""Rows of one cell that differ in unit, currency or method."""
VARIANTS = ("unit", "currency", "method")


@dataclass
class Crowd:
    """Distinct listings and vendors (as integers) by cell. Rows without a stated vendor count no vendor."""

    listings: dict[tuple[Cell, Variant], set[int]] = field(default_factory=lambda: defaultdict(set))
    vendors: dict[tuple[Cell, Variant], set[int]] = field(default_factory=lambda: defaultdict(set))

    def size(self, cells: Iterable[tuple[Cell, Variant]]) -> tuple[int, int]:
        """(listings, vendors) of some cells together."""
        listings: set[int] = set()
        vendors: set[int] = set()
        for cell in cells:
            listings |= self.listings.get(cell, set())
            vendors |= self.vendors.get(cell, set())
        return len(listings), len(vendors)


def cell_of(row: TrendRow) -> Cell:
    return row.bucket, tuple(row.splits.values())


def variant_of(row: TrendRow) -> Variant:
    return tuple(None if row.extras.get(name) is None else str(row.extras[name]) for name in VARIANTS)


def splits_of(measure: str, rows: list[TrendRow]) -> tuple[str, ...]:
    """The fields a measure's rows are split by (`share` adds one of its own).

    UsageError where they are none that listings can be counted by: then nobody can tell which cells are small.
    """
    names = tuple(rows[0].splits) if rows else ()
    strange = [name for name in names if name not in SPLITS]
    if strange:
        raise UsageError(
            f"'{measure}' splits by {', '.join(strange)}: its cells cannot be checked for small groups.",
            remedy="Leave that measure out of the package, or make a package with --level restricted.",
        )
    return names


def count_crowd(
    store: Store, question: Question, splits: tuple[str, ...], *, priced: bool = False, quoted: bool = False
) -> Crowd:
    """Everybody on the shelf by cell (variants empty), or with `priced` the offers with a price that counts by cell,
    unit and currency (the seller's own with `quoted`)."""
    crowd = Crowd()
    where = question.where
    if priced and not where.kind and "kind" not in splits:
        where = where.model_copy(update={"kind": (Kind.OFFER.value,)})
    ask = build_ask(
        store, where, by=question.by, split=splits, with_flagged=question.with_flagged, currency="usd", of=None, seed=0
    )
    if ask is None:
        return crowd
    column = "unit_price" if quoted else "unit_price_usd"
    days = Filter(**{**where.model_dump(), "first": ask.buckets.first, "last": ask.buckets.last})
    labels = ("unit", "currency", "flags") if priced else ()
    table = read_table(ask, days, identity="listing", numbers=(column,) if priced else (), labels=labels)
    positions = ask.buckets.positions(table.days)
    fits = positions >= 0
    if priced:
        fits &= np.isfinite(table.numbers[column])
        if not question.with_flagged:
            fits &= np.array([not flags for flags in table.labels["flags"]], dtype=bool)
    named = [vendor is not None for _, vendor in table.vendor_labels]
    for at in np.flatnonzero(fits).tolist():
        variant: Variant = (None,) * len(VARIANTS)
        if priced:
            variant = (table.labels["unit"][at], table.labels["currency"][at] if quoted else "USD", None)
        key = ((ask.buckets.starts[positions[at]], table.series_labels[table.series[at]]), variant)
        crowd.listings[key].add(int(table.offer[at]))
        if named[table.vendor[at]]:
            crowd.vendors[key].add(int(table.vendor[at]))
    return crowd


Amounts = dict[Cell, dict[Variant, dict[str, float]]]
"""What each vendor adds, by cell and variant; only where it is not zero."""


def count_amounts(store: Store, question: Question, measure: str, splits: tuple[str, ...]) -> Amounts:
    """A measure's values vendor by vendor: the measure itself asked with a split by vendor. Unnamed ones are one."""
    found: Amounts = defaultdict(lambda: defaultdict(dict))
    for row in run_measure(store, question, measure, (*splits, "vendor")):
        if row.value:
            vendor = row.splits.get("vendor") or ""
            series = tuple(value for name, value in row.splits.items() if name != "vendor")
            found[row.bucket, series][variant_of(row)][vendor] = row.value
    return found
