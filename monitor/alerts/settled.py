"""What came up between complete crawls: new listings by the bucket of the first complete crawl that bears them out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from index.measures.ask import Ask, Series
from index.measures.churn import Sightings
from index.measures.table import Table, Whole


def settle(ask: Ask, table: Table, seen: Sightings, events: NDArray[np.intp]) -> tuple[Whole, Whole]:
    """Of those sightings the ones that a complete-enough crawl of their market on that day or later bears out within
    the buckets asked, and the bucket of the first such crawl."""
    series, market, day = table.series[seen.rows[events]], table.market[seen.rows[events]], seen.day[events]
    position = np.full(len(events), -1, dtype=np.int64)
    markets = len(table.market_labels)
    pair = series * markets + market
    for one in np.unique(pair).tolist():
        code, number = divmod(one, markets)
        regions = ask.regions_of(table.series_labels[code])
        complete = np.array(ask.panel.complete_days(table.market_labels[number], regions), dtype="datetime64[D]")
        if len(complete):
            mine = np.flatnonzero(pair == one)
            place = np.searchsorted(complete.astype(np.int64), day[mine])
            borne = place < len(complete)
            position[mine[borne]] = ask.buckets.positions(complete[place[borne]])
    inside = position >= 0
    return events[inside].astype(np.int64), position[inside]


def settled_days(ask: Ask, series: Series, first: int, last: int) -> NDArray[np.float64]:
    """For the buckets at positions `first` to `last`: days from the last complete-enough crawl of an earlier bucket to
    the last one of that bucket, all markets together."""
    found = np.zeros(last + 1 - first)
    market = ask.market_of(series)
    for name in ask.panel.markets if market is None else (market,):
        days = np.array(ask.panel.complete_days(name, ask.regions_of(series)), dtype="datetime64[D]")
        places = ask.buckets.positions(days) - first
        inside = (places >= 0) & (places < len(found))
        lengths = np.diff(days.astype(np.int64), prepend=days[:1].astype(np.int64) - 1).astype(np.float64)
        np.add.at(found, places[inside], lengths[inside])
    return found
