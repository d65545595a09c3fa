"""`turnover`: money that changed hands, as estimated by one published method or by several side by side.

`stock` is the decrease of the stock at the asking price (`index.measures.sales`): neither a lower nor an upper bound of
sales. Packages may leave a shelf unsold (moved, spoilt, hidden), may be sold and refilled between two sightings, and
may sell below the asking price. The feedback methods (`index.measures.feedback`) count what buyers left behind.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from config.errors import UsageError
from index.bootstrap import Interval, total_intervals, vendor_weights
from index.measures.ask import Ask
from index.measures.churn import find_departures, find_sightings, undecided
from index.measures.feedback import VARIANTS, read_feedback_sales
from index.measures.row import Extra, TrendRow
from index.measures.sales import currencies, read_stock_sales
from index.measures.table import Table, Whole, kinds_of_series

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


def read_sales(ask: Ask, method: str | None = None) -> Table:
    """Sales by the method asked, one row an offer-day, with `money`, `packages`, `unpriced`, `reversed`, `stated`.

    Raises UsageError where the method is several.
    """
    method = method or single_method(ask)
    if method != "stock":
        return read_feedback_sales(ask, method)
    table = read_stock_sales(ask)
    stated = np.isfinite(table.numbers["last_ready"]) | (table.numbers["packages"] > 0)
    table.numbers["stated"] = stated.astype(np.float64)
    return table


def single_method(ask: Ask) -> str:
    """The method asked where only one will do. Raises UsageError where it stands for several."""
    if len(METHODS[ask.method]) > 1:
        raise UsageError(
            f"--method {ask.method} stands for several methods; here it must be one.",
            remedy=f"Choose one of: {', '.join(name for name, rows in METHODS.items() if len(rows) == 1)}.")
    return METHODS[ask.method][0]


def _estimate(ask: Ask, method: str) -> list[TrendRow]:
    by_stock = method == "stock"
    table = read_sales(ask, method)
    kinds, kind_of = currencies(ask, table)
    positions = ask.buckets.positions(table.days)
    inside = np.flatnonzero(positions >= 0)
    size, width = len(ask.buckets), max(len(kinds), 1)
    cells = max(len(table.series_labels), 1) * width * size
    cell = (table.series * width + kind_of) * size + positions
    at = cell[inside]
    totals = {name: np.bincount(at, table.numbers[name][inside], cells) for name in _SUMMED if name in table.numbers}
    vanished = np.bincount(*_vanished(ask, table, cell), cells) if by_stock else None
    states = table.numbers["stated"] > 0
    seen, stated = np.bincount(at, minlength=cells), np.bincount(at, states[inside], cells)
    ever_stated = {table.series_labels[code] for code in np.unique(table.series[states])}
    sold = inside[table.numbers["packages"][inside] > 0]
    pairs = np.unique(np.stack([cell[sold], table.offer[sold]], axis=1), axis=0)
    offers = np.bincount(pairs[:, 0], minlength=cells)
    bounds: list[Interval] = total_intervals(
        cell[sold], cells, table.vendor[sold], table.numbers["money"][sold],
        vendor_weights(table.vendor_keys(), seed=ask.seed), known=table.vendor_known(),
    )
    common = kinds_of_series(table.series[inside], kind_of[inside], width)
    codes = {key: code for code, key in enumerate(table.series_labels)}
    series = ask.series(table.series_labels[code] for code in common)
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
                "vanished": None if waiting or vanished is None else 0 if spot is None else int(vanished[spot]),
                "exposure_hours": round(amount["exposure_hours"], 4) if by_stock else None,
                "long_falls": int(amount["long_falls"]) if by_stock else None,
            }
            if status.reason is not None:
                extras = dict.fromkeys(extras, None)
            unknown = None
            unseen = spot is None or not seen[spot]
            if len(table) and ((key in codes and key not in ever_stated) if unseen else not stated[spot]):
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
    """A whole number where it is one; feedback spread over offers is not."""
    near = round(amount, 6)
    return int(near) if near == int(near) else near


def _vanished(ask: Ask, table: Table, cell: Whole) -> tuple[Whole, NDArray[np.float64]]:
    """Cells of the offers that left, and the stock each was last seen with."""
    seen = find_sightings(table)
    rows = seen.rows[find_departures(ask, table, seen)]
    stock = np.nan_to_num(table.numbers["last_ready"][rows])
    inside = ask.buckets.positions(table.days[rows]) >= 0
    return cell[rows[inside]], stock[inside]
