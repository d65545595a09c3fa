"""Coming and going: `new`, `withdrawn`, `returned` (listings), and the departures that turnover's `vanished` rests on.

A listing (or offer) left on the day it was last seen if the first complete-enough crawl of its market at least 14 days
later, and every one before that, did not see it. It returned on the day it was seen after having left so. It is new on
the day it was first seen, unless that day lies in the market's burn-in: the first 14 days from the first
complete-enough crawl, in which everything is seen for the first time. An old listing put up again under a new id is
new, too, unless the question leaves such relists out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from index.bootstrap import total_intervals, vendor_weights
from index.coverage import Status
from index.measures.ask import Ask, Series
from index.measures.row import TrendRow
from index.measures.table import Coders, Table, Whole, iter_markets, read_table

ABSENT_DAYS = 14
BURN_IN_DAYS = 14
MEASURES = ("new", "withdrawn", "returned")
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Sightings:
    """One entry a day on which a listing or offer was seen, ordered by series, identity and day; days since 1970."""

    rows: Whole
    """A row of the table that stands for the sighting."""
    day: Whole
    following: Whole
    """The next day it was seen; a huge number if never."""
    is_first: NDArray[np.bool_]
    offers: Whole
    """Offer-days that stand behind it."""


def find_sightings(table: Table) -> Sightings:
    """Days on which each (series, identity) of a table was seen."""
    day = table.days.astype("datetime64[D]").astype(np.int64)
    if not len(day):
        return Sightings(day, day, day, np.zeros(0, dtype=bool), day)
    base, width = int(day.min()), int(day.max()) - int(day.min()) + 1
    # one number for each, rather than three columns: half the memory
    listing = table.series * (int(table.offer.max()) + 1) + table.offer
    order = np.argsort(listing * width + (day - base), kind="stable")
    listing, day = listing[order], day[order]
    starts = np.flatnonzero((np.diff(listing, prepend=-1) != 0) | (np.diff(day, prepend=base - 1) != 0))
    size = np.diff(starts, append=len(order))
    listing, day = listing[starts], day[starts]
    same = listing[1:] == listing[:-1]
    following = np.append(np.where(same, day[1:], _NEVER), _NEVER)
    return Sightings(order[starts], day, following, np.append(True, ~same), size)


def find_departures(ask: Ask, table: Table, seen: Sightings) -> NDArray[np.bool_]:
    """Which sightings were the last before an absence of 14 days that complete-enough crawls bear out."""
    left = np.zeros(len(seen.rows), dtype=bool)
    series, market = table.series[seen.rows], table.market[seen.rows]
    scopes: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    for pair in np.unique(series * len(table.market_labels) + market).tolist() if len(series) else ():
        code, number = divmod(pair, len(table.market_labels))
        scopes.setdefault((number, ask.regions_of(table.series_labels[code])), []).append(code)
    for (number, regions), codes in scopes.items():
        rows = np.flatnonzero((market == number) & np.isin(series, codes))
        complete = _day_numbers(ask.panel.complete_days(table.market_labels[number], regions))
        judge = np.append(complete, _NEVER)[np.searchsorted(complete, seen.day[rows] + ABSENT_DAYS)]
        left[rows] = judge < seen.following[rows]
    return left


def _day_numbers(days: list[date]) -> Whole:
    return np.array(days, dtype="datetime64[D]").astype(np.int64)


def undecided(ask: Ask, status: Status, position: int, series: Series) -> str | None:
    """Why departures of a bucket are not known yet: some market has no complete-enough crawl 14 days after it."""
    due = ask.buckets.span(position)[1].toordinal() + ABSENT_DAYS
    waiting = []
    for market in status.used:
        days = ask.panel.complete_days(market, ask.regions_of(series))
        if not days or days[-1].toordinal() < due:
            waiting.append(market)
    if not waiting:
        return None
    return f"provisional: no complete-enough crawl of {', '.join(waiting)} {ABSENT_DAYS} days later yet"


def burning_in(ask: Ask, status: Status, position: int, series: Series) -> str | None:
    """Why nothing can be called new in a bucket."""
    first = ask.buckets.span(position)[0]
    for market in status.used:
        days = ask.panel.complete_days(market, ask.regions_of(series))
        ends = days[0] + timedelta(days=BURN_IN_DAYS) if days else None
        if ends is None or first < ends:
            return f"burn-in of {market}" + (f" until {ends - timedelta(days=1)}" if ends else "")
    return None


def churn(ask: Ask, measure: str) -> list[TrendRow]:
    """Rows of `new`, `withdrawn` or `returned`: listings of the bucket, dated as the module says."""
    size, coders = len(ask.buckets), Coders()
    in_window: set[int] = set()
    cells_of, sellers, offers_of = [], [], []
    table = None
    for where in iter_markets(ask):
        # the first sighting may lie before the days asked, the proof of an absence after them
        table = read_table(
            ask, where.model_copy(update={"first": None, "last": None}), identity="listing", coders=coders,
            labels=("listing",) if ask.without_relists else ())
        seen = find_sightings(table)
        if measure == "new":
            chosen, day = seen.is_first & ~in_burn_in(ask, table, seen), seen.day
            if ask.without_relists:
                chosen &= ~is_relist(ask, table, seen)
        else:
            chosen = find_departures(ask, table, seen)
            day = seen.day
            if measure == "returned":
                # dated at the sighting after the absence, which is the next entry
                back = np.flatnonzero(chosen & (seen.following != _NEVER)) + 1
                chosen = np.zeros(len(chosen), dtype=bool)
                chosen[back] = True
        positions = ask.buckets.positions(day.astype("datetime64[D]"))
        inside = positions >= 0
        events = np.flatnonzero(chosen & inside)
        rows = seen.rows[events]
        in_window |= set(np.unique(table.series[seen.rows[inside]]).tolist())
        cells_of.append(table.series[rows] * size + positions[events])
        sellers.append(table.vendor[rows])
        offers_of.append(seen.offers[events])
    assert table is not None  # there is always one, if only an empty one
    cell, vendor = np.concatenate(cells_of), np.concatenate(sellers)
    series = ask.series(table.series_labels[code] for code in sorted(in_window))
    cells = len(table.series_labels) * size
    value = np.bincount(cell, minlength=cells)
    offers = np.bincount(cell, weights=np.concatenate(offers_of), minlength=cells)
    bounds = total_intervals(
        cell, cells, vendor, np.ones(len(cell)), vendor_weights(table.vendor_keys(), seed=ask.seed),
        known=table.vendor_known(),
    )
    codes = {key: code for code, key in enumerate(table.series_labels)}
    judge = {"new": burning_in, "withdrawn": undecided, "returned": burning_in}[measure]
    found = []
    for _, position, _, key in ask.cells(series):
        status = ask.status(position, key)
        at = codes[key] * size + position if key in codes else None
        reason = judge(ask, status, position, key)
        amount = 0.0 if at is None else float(value[at])
        found.append(ask.row(
            position, key, status, amount if reason is None else None, reason=reason,
            n=0 if at is None or reason else int(offers[at]), interval=(None, None) if at is None else bounds[at]))
    return found


def is_relist(ask: Ask, table: Table, seen: Sightings) -> NDArray[np.bool_]:
    """Which sightings are of listings that a crawl recognised as old ones put up again."""
    again = {(crawl.market, listing) for crawl in ask.store.crawls(ask.where.market) for listing in crawl.relists}
    markets = (table.market_labels[code] for code in table.market[seen.rows].tolist())
    pairs = zip(markets, table.labels["listing"][seen.rows].tolist(), strict=True)
    return np.fromiter((pair in again for pair in pairs), dtype=bool, count=len(seen.rows))


def in_burn_in(ask: Ask, table: Table, seen: Sightings) -> NDArray[np.bool_]:
    """Which sightings lie before the end of their market's burn-in (or in a market that never had one)."""
    inside = np.ones(len(seen.rows), dtype=bool)
    series, market = table.series[seen.rows], table.market[seen.rows]
    for pair in np.unique(series * max(len(table.market_labels), 1) + market).tolist():
        code, number = divmod(pair, len(table.market_labels))
        days = ask.panel.complete_days(table.market_labels[number], ask.regions_of(table.series_labels[code]))
        if days:
            rows = (series == code) & (market == number)
            inside[rows] = seen.day[rows] < _day_numbers(days[:1])[0] + BURN_IN_DAYS
    return inside
