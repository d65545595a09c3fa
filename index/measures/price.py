"""`price`: the median price per base unit over offer-days, one vote per offer and day.

Prices per gram, per millilitre and per unit are never pooled: each has its own row (`unit`). In the quoting currency
each currency has its own row too.
"""

from __future__ import annotations

import numpy as np

from index.bootstrap import FEWEST_VENDORS, Interval, median_interval, vendor_weights
from index.measures.ask import Ask
from index.measures.row import TrendRow
from index.measures.votes import SCALE, read_cells


def price(ask: Ask) -> list[TrendRow]:
    """Rows of `price`: value, q25, q75 and `standard` (the median at `standard_quantity`) in major units of `currency`
    per `unit`."""
    votes = read_cells(ask, ("vendor", "standard"))
    common = votes.commonest()
    series = ask.series(votes.series_labels[code] for code in common)
    codes = {key: code for code, key in enumerate(votes.series_labels)}
    weights = vendor_weights(
        [f"{market}\0{vendor or ''}" for market, vendor in votes.vendor_labels], seed=ask.seed)
    known = np.array([vendor is not None for _, vendor in votes.vendor_labels], dtype=bool)
    assert votes.standard is not None
    rows = []
    for _, position, _, key in ask.cells(series):
        status = ask.status(position, key, every=False)
        for kind in common.get(codes.get(key, -1)) or (None,):
            unit, currency = (None, "USD" if ask.currency == "usd" else None) if kind is None else votes.kinds[kind]
            cell = None if kind is None else votes.cells.get((codes[key], kind, position))
            if cell is None:
                rows.append(ask.row(
                    position, key, status, None, reason="no offer with a price that counts",
                    q25=None, q75=None, standard=None, standard_quantity=None, currency=currency, unit=unit))
                continue
            values, sellers = votes.price[cell[0]].astype(np.float64), votes.columns["vendor"][cell[0]].astype(np.int64)
            q25, median, q75 = (float(q) / SCALE for q in np.quantile(values, (0.25, 0.5, 0.75)))
            interval: Interval = (None, None)
            if status.reason is None and np.count_nonzero(known[np.unique(sellers)]) >= FEWEST_VENDORS:
                low, high = median_interval(values, sellers, weights)
                interval = (low / SCALE, high / SCALE)
            told = status.reason is None
            fits, quantity = votes.standard.at(position, votes.columns["standard"][cell[0]])
            usual = float(np.median(values[fits])) / SCALE if fits.any() and told else None
            rows.append(ask.row(
                position, key, status, median, n=cell[1], interval=interval,
                q25=q25 if told else None, q75=q75 if told else None, standard=usual,
                standard_quantity=quantity if told else None, currency=currency, unit=unit))
    return rows
