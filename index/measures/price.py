"""`price`: the median price per base unit over offer-days, one vote per offer and day.

Prices per gram, per millilitre and per unit are never pooled: each has its own row (`unit`). In the quoting currency
each currency has its own row too.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from index.bootstrap import FEWEST_VENDORS, Interval, median_interval, vendor_weights
from index.measures.ask import Ask
from index.measures.row import TrendRow
from index.measures.standard import WINDOW_DAYS, find_standard
from index.measures.table import Coder, Table, Whole, kinds_of_series, read_table

SCALE = 10_000
"""Stored prices are integers: major units x 10^4."""


def price(ask: Ask) -> list[TrendRow]:
    """Rows of `price`: value, q25, q75 and `standard` (the median at `standard_quantity`) in major units of `currency`
    per `unit`."""
    table, kinds, kind_of = read_votes(ask)
    inside = ask.buckets.positions(table.days) >= 0
    series = ask.series(table.series_labels[code] for code in np.unique(table.series[inside]))
    common = kinds_of_series(table.series[inside], kind_of[inside], len(kinds))
    standard = find_standard(table, ask.buckets)
    groups = group_votes(ask, table, kind_of)
    codes = {key: code for code, key in enumerate(table.series_labels)}
    weights = vendor_weights(table.vendor_keys(), seed=ask.seed)
    known = table.vendor_known()
    amounts = table.numbers["price"]
    rows = []
    for _, position, _, key in ask.cells(series):
        status = ask.status(position, key, every=False)
        for kind in common.get(codes.get(key, -1)) or (None,):
            unit, currency = (None, "USD" if ask.currency == "usd" else None) if kind is None else kinds[kind]
            votes = np.zeros(0, dtype=np.int64) if kind is None else groups.get((codes[key], kind, position), _NOTHING)
            if not len(votes):
                rows.append(ask.row(
                    position, key, status, None, reason="no offer with a price that counts",
                    q25=None, q75=None, standard=None, standard_quantity=None, currency=currency, unit=unit))
                continue
            values, sellers = amounts[votes], table.vendor[votes]
            q25, median, q75 = (float(q) / SCALE for q in np.quantile(values, (0.25, 0.5, 0.75)))
            interval: Interval = (None, None)
            if status.reason is None and np.count_nonzero(known[np.unique(sellers)]) >= FEWEST_VENDORS:
                low, high = median_interval(values, sellers, weights)
                interval = (low / SCALE, high / SCALE)
            told = status.reason is None
            fits, quantity = standard.at(position, votes)
            usual = float(np.median(values[fits])) / SCALE if fits.any() and told else None
            rows.append(ask.row(
                position, key, status, median, n=len(np.unique(table.offer[votes])), interval=interval,
                q25=q25 if told else None, q75=q75 if told else None, standard=usual,
                standard_quantity=quantity if told else None, currency=currency, unit=unit))
    return rows


_NOTHING = np.zeros(0, dtype=np.int64)


def read_votes(ask: Ask) -> tuple[Table, list[tuple[str, str | None]], Whole]:
    """Offer-days with a price that counts, the (unit, currency) pairs, and which pair each offer-day has."""
    column = "unit_price_usd" if ask.currency == "usd" else "unit_price"
    # the standard quantity looks back beyond the days asked; votes from there fall in no bucket
    first = date.fromordinal(max(1, ask.buckets.first.toordinal() - WINDOW_DAYS))
    where = ask.offers_only().model_copy(update={"first": first, "last": ask.buckets.last})
    labels = ("unit", "currency", "flags", "substance", "region")
    table = read_table(ask, where, numbers=(column, "quantity"), labels=labels)
    table.numbers["price"] = table.numbers.pop(column)
    fits = np.isfinite(table.numbers["price"])
    fits &= np.array([unit is not None for unit in table.labels["unit"]], dtype=bool)
    if not ask.with_flagged:
        fits &= np.array([not flags for flags in table.labels["flags"]], dtype=bool)
    table = table.take(fits)
    coder = Coder()
    quoted = table.labels["currency"].tolist() if ask.currency == "quoted" else ["USD"] * len(table)
    # coded in the order of their names, so that ties between units fall alike on both stores
    pairs = list(zip(table.labels["unit"].tolist(), quoted, strict=True))
    coder.encode(sorted(set(pairs), key=lambda pair: (pair[0], pair[1] or "")))
    kind_of = coder.encode(pairs)
    return table, coder.labels, kind_of


def group_votes(
    ask: Ask, table: Table, kind_of: Whole
) -> dict[tuple[int, int, int], Whole]:
    """Rows of the table by (series code, kind, bucket position)."""
    positions = ask.buckets.positions(table.days)
    order = np.lexsort((positions, kind_of, table.series))
    order = order[positions[order] >= 0]
    if not len(order):
        return {}
    keys = np.stack([table.series[order], kind_of[order], positions[order]], axis=1)
    starts = np.flatnonzero(np.any(np.diff(keys, axis=0, prepend=keys[:1] - 1) != 0, axis=1))
    parts = np.split(order, starts[1:])
    return {(int(a), int(b), int(c)): part for (a, b, c), part in zip(keys[starts].tolist(), parts, strict=True)}
