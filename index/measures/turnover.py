"""`turnover`: money that changed hands, as estimated by one published method or by several side by side.

`stock` is the decrease of the stock at the asking price (`index.measures.sales`): neither a lower nor an upper bound of
sales. Packages may leave a shelf unsold (moved, spoilt, hidden), may be sold and refilled between two sightings, and
may sell below the asking price. The feedback methods (`index.measures.feedback`) count what buyers left behind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.errors import UsageError
from index.bootstrap import Interval, total_intervals, vendor_weights
from index.measures.ask import Ask, Series
from index.measures.churn import find_departures, find_sightings, undecided
from index.measures.feedback import VARIANTS, iter_feedback_sales
from index.measures.row import Extra, TrendRow
from index.measures.sales import currencies, iter_stock_sales
from index.measures.table import Coder, Table, Whole, kinds_of_series

METHODS: Mapping[str, tuple[str, ...]] = {
    "stock": ("stock",), "feedback": VARIANTS, "all": ("stock", *VARIANTS), **{name: (name,) for name in VARIANTS},
}
"""Ways to estimate turnover, and the rows each gives."""
NOT_SEEN = {
    "stock": "no stock is stated: this method cannot see sales there",
    **dict.fromkeys(VARIANTS, "no feedback count is stated: this method cannot see sales there"),
}
_SUMMED = ("money", "packages", "unpriced", "reversed", "exposure_hours", "long_falls")


def turnover(ask: Ask) -> list[TrendRow]:
    """Rows of `turnover`: money in major units of `currency`, and `method`, `packages`, `unpriced`, `reversed`,
    `vanished`, `exposure_hours`, `long_falls` (the last three None for feedback). By bucket, method, series."""
    parts = [_estimate(ask, method) for method in METHODS[ask.method]]
    if len(parts) == 1:
        return parts[0]
    return sorted((row for part in parts for row in part), key=lambda row: row.bucket)


def iter_sales(ask: Ask, method: str | None = None) -> Iterator[Table]:
    """Sales by the method asked, one row an offer-day, with `money`, `packages`, `unpriced`, `reversed`, `stated`; in
    tables that share their codes, no offer (or listing) in two of them.

    Raises UsageError where the method is several.
    """
    method = method or single_method(ask)
    return iter_stock_sales(ask) if method == "stock" else iter_feedback_sales(ask, method)


def single_method(ask: Ask) -> str:
    """The method asked where only one will do. Raises UsageError where it stands for several."""
    if len(METHODS[ask.method]) > 1:
        raise UsageError(
            f"--method {ask.method} stands for several methods; here it must be one.",
            remedy=f"Choose one of: {', '.join(name for name, rows in METHODS.items() if len(rows) == 1)}.")
    return METHODS[ask.method][0]


@dataclass
class _Sold:
    """What all tables come to. A cell is (series x currencies + currency) x buckets + bucket."""

    series_labels: list[Series]
    kinds: list[str | None]
    totals: dict[str, NDArray[np.float64]]
    seen: Whole
    """Rows by cell; `stated`: those that say something of sales."""
    stated: Whole
    offers: Whole
    vanished: NDArray[np.float64]
    rows: Whole
    """Rows by (series, currency)."""
    ever_stated: set[Series]
    any_row: bool
    bounds: list[Interval]


_MOST_KINDS = 256


def _add_up(ask: Ask, method: str) -> _Sold:
    """Reads the tables one after the other and keeps sums by cell, and by cell and seller."""
    size, coder = len(ask.buckets), Coder()
    sums: dict[str, list[tuple[Whole, NDArray[np.float64]]]] = defaultdict(list)
    sellers: list[tuple[Whole, Whole, NDArray[np.float64]]] = []
    stating: set[int] = set()
    any_row = False
    series_labels: list[Series] = []
    vendor_keys: list[str] = []
    vendor_known = np.zeros(0, dtype=bool)

    def take(table: Table) -> None:
        kind_of = currencies(ask, table, coder)[1]
        positions = ask.buckets.positions(table.days)
        inside = np.flatnonzero(positions >= 0)
        cell = (table.series * _MOST_KINDS + kind_of) * size + positions
        states = table.numbers["stated"] > 0
        stating.update(np.unique(table.series[states]).tolist())
        at = cell[inside]
        for name in _SUMMED:
            if name in table.numbers:
                _collect(sums[name], at, table.numbers[name][inside])
        _collect(sums["seen"], at, np.ones(len(at)))
        _collect(sums["stated"], at, states[inside].astype(np.float64))
        if method == "stock":
            _collect(sums["vanished"], *_vanished(ask, table, cell))
        sold = inside[table.numbers["packages"][inside] > 0]
        many = int(table.offer.max(initial=0)) + 1
        pairs = np.unique(cell[sold] * many + table.offer[sold])
        _collect(sums["offers"], pairs // many, np.ones(len(pairs)))
        wide = len(table.vendor_labels) + 1
        paid, where = np.unique(cell[sold] * wide + table.vendor[sold], return_inverse=True)
        money = np.bincount(where, table.numbers["money"][sold], len(paid)).astype(np.float64)
        sellers.append((paid // wide, paid % wide, money))

    for table in iter_sales(ask, method):
        any_row = any_row or len(table) > 0
        take(table)
        series_labels, vendor_keys, vendor_known = table.series_labels, table.vendor_keys(), table.vendor_known()
        del table  # before the next is read
    # currencies in the order of their names, so that ties fall alike on both stores
    kinds: list[str | None] = ["USD"] if ask.currency == "usd" else coder.labels
    order = sorted(range(len(kinds)), key=lambda code: (kinds[code] is None, kinds[code] or ""))
    rank = np.argsort(np.array(order, dtype=np.int64)) if order else np.zeros(1, dtype=np.int64)
    width = max(len(kinds), 1)
    cells = max(len(series_labels), 1) * width * size

    def place(at: Whole) -> Whole:
        rest, position = np.divmod(at, size)
        series, kind = np.divmod(rest, _MOST_KINDS)
        found: Whole = (series * width + rank[kind]) * size + position
        return found

    totals = {
        name: np.bincount(
            place(np.concatenate([at for at, _ in parts])), np.concatenate([amount for _, amount in parts]), cells
        ).astype(np.float64)
        for name, parts in sums.items()}
    seen = totals.pop("seen")
    bounds = total_intervals(
        place(np.concatenate([at for at, _, _ in sellers])), cells, np.concatenate([who for _, who, _ in sellers]),
        np.concatenate([money for _, _, money in sellers]), vendor_weights(vendor_keys, seed=ask.seed),
        known=vendor_known)
    return _Sold(
        series_labels, [kinds[code] for code in order],
        {name: totals[name] for name in _SUMMED if name in totals}, seen.astype(np.int64),
        totals["stated"].astype(np.int64), totals["offers"].astype(np.int64),
        totals.get("vanished", np.zeros(cells)), seen.reshape(-1, size).sum(axis=1).astype(np.int64),
        {series_labels[code] for code in stating}, any_row, bounds)


def _collect(parts: list[tuple[Whole, NDArray[np.float64]]], cell: Whole, amount: NDArray[np.float64]) -> None:
    """Sums of a table by cell."""
    cells, where = np.unique(cell, return_inverse=True)
    parts.append((cells, np.bincount(where, amount, len(cells)).astype(np.float64)))


def _estimate(ask: Ask, method: str) -> list[TrendRow]:
    by_stock = method == "stock"
    sold = _add_up(ask, method)
    size, kinds = len(ask.buckets), sold.kinds
    width = max(len(kinds), 1)
    totals, seen, stated, offers, bounds = sold.totals, sold.seen, sold.stated, sold.offers, sold.bounds
    ever_stated, vanished = sold.ever_stated, sold.vanished if by_stock else None
    some = np.flatnonzero(sold.rows)
    common = kinds_of_series(some // width, some % width, width, sold.rows[some])
    codes = {key: code for code, key in enumerate(sold.series_labels)}
    series = ask.series(sold.series_labels[code] for code in common)
    rows = []
    for _, position, _, key in ask.cells(series):
        status = ask.status(position, key)
        waiting = undecided(ask, status, position, key) if by_stock else None
        for kind in common.get(codes.get(key, -1)) or (None,):
            spot = None if kind is None else (codes[key] * width + kind) * size + position
            amount = {name: 0.0 if spot is None else float(column[spot]) for name, column in totals.items()}
            extras: dict[str, Extra] = {
                "packages": _count(amount["packages"]), "unpriced": _count(amount["unpriced"]),
                "reversed": _count(amount["reversed"]),
                "vanished": None if waiting or vanished is None else 0 if spot is None else _count(vanished[spot]),
                "exposure_hours": round(amount["exposure_hours"], 4) if by_stock else None,
                "long_falls": _count(amount["long_falls"]) if by_stock else None,
            }
            if status.reason is not None:
                extras = dict.fromkeys(extras, None)
            unknown = None
            unseen = spot is None or not seen[spot]
            if sold.any_row and ((key in codes and key not in ever_stated) if unseen else not stated[spot]):
                unknown, extras = NOT_SEEN[method], dict.fromkeys(extras, None)
            elif amount["unpriced"] > 0 and amount["unpriced"] >= amount["packages"] - 1e-6:
                unknown = "none of the packages that left has a price"
            rows.append(ask.row(
                position, key, status, None if unknown else round(amount["money"], 8), reason=unknown,
                n=0 if spot is None else int(offers[spot]), interval=(None, None) if spot is None else bounds[spot],
                method=method, **extras,
                currency=("USD" if ask.currency == "usd" else None) if kind is None else kinds[kind]))
    return rows


def _count(amount: float) -> float | int:
    """A whole number where it is one; feedback spread over offers is not. From 2^53 on a float: no longer exact, and
    JSON has no place for integers over 64 bits."""
    near = round(float(amount), 6)
    return int(near) if near < 2**53 and near == int(near) else near


def _vanished(ask: Ask, table: Table, cell: Whole) -> tuple[Whole, NDArray[np.float64]]:
    """Cells of the offers that left, and the stock each was last seen with."""
    seen = find_sightings(table)
    rows = seen.rows[find_departures(ask, table, seen)]
    stock = np.nan_to_num(table.numbers["last_ready"][rows])
    inside = ask.buckets.positions(table.days[rows]) >= 0
    return cell[rows[inside]], stock[inside]
