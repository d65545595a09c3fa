"""`survival`: how long listings stay, by the bucket in which they were first seen (Kaplan & Meier 1958).

A listing lives from its first sighting (after the market's burn-in: those that stood there before have no known birth)
to the sighting before its first absence of 14 days (`withdrawn`); the others are censored at their last sighting. The
value is the part that stays longer than `days`. Intervals by Greenwood's formula on the log-log scale (Kalbfleisch &
Prentice 1980): a listing is taken as independent of its seller's others, so that they are rather too narrow.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from index.bootstrap import FEWEST_VENDORS, Interval
from index.measures.ask import Ask
from index.measures.churn import burning_in, find_departures, find_sightings, in_burn_in
from index.measures.row import TrendRow
from index.measures.table import Coders, Whole, iter_markets, read_table

GRID = (1, 3, 7, 14, 28, 56, 91, 182, 364)
"""Days at which the curve is told."""
Z = 1.959964


def survival(ask: Ask) -> list[TrendRow]:
    """Rows of `survival` in [0, 1], one for each of `days` 1, 3, 7 … 364: `at_risk` (listings followed so long and
    still there), `left` and `censored` so far, `median` (days by which half has left; None while it has not). `n`:
    listings of the bucket."""
    coders = Coders()
    parts: dict[tuple[int, int], list[tuple[int, bool, int]]] = {}
    table = None
    for where in iter_markets(ask):
        table = read_table(
            ask, where.model_copy(update={"first": None, "last": None}), identity="listing", coders=coders)
        seen = find_sightings(table)
        lives, starts, left = _lives(seen.day, seen.is_first, find_departures(ask, table, seen))
        positions = ask.buckets.positions(seen.day[starts].astype("datetime64[D]"))
        chosen = np.flatnonzero((positions >= 0) & ~in_burn_in(ask, table, seen)[starts])
        rows = seen.rows[starts[chosen]]
        for cohort, *member in zip(
            zip(table.series[rows].tolist(), positions[chosen].tolist(), strict=True), lives[chosen].tolist(),
            left[chosen].tolist(), table.vendor[rows].tolist(), strict=True,
        ):
            parts.setdefault(cohort, []).append((member[0], member[1], member[2]))
    assert table is not None  # there is always one, if only an empty one
    known = table.vendor_known()
    codes = {key: code for code, key in enumerate(table.series_labels)}
    series = ask.series(table.series_labels[code] for code in {code for code, _ in parts})
    found = []
    for _, position, _, key in ask.cells(series):
        status = ask.status(position, key)
        members = parts.get((codes.get(key, -1), position), [])
        life = np.array([each[0] for each in members], dtype=np.int64)
        gone = np.array([each[1] for each in members], dtype=bool)
        curve = Curve.estimate(life, gone)
        sellers = np.array(sorted({each[2] for each in members}), dtype=np.int64)
        enough = int(known[sellers].sum()) >= FEWEST_VENDORS
        young = burning_in(ask, status, position, key)
        for days in GRID:
            value, reason = curve.at(days), None
            if young is not None:
                value, reason = None, young
            elif not len(members):
                reason = "no listing was first seen here"
            elif value is None:
                reason = "no listing was followed so long"
            told = status.reason is None and young is None
            found.append(ask.row(
                position, key, status, value, reason=reason, n=len(members) if value is not None else 0,
                interval=curve.interval(days) if enough else (None, None), days=days,
                at_risk=int((life > days).sum()) if told else None,
                left=int((gone & (life <= days)).sum()) if told else None,
                censored=int((~gone & (life <= days)).sum()) if told else None,
                median=curve.median() if told else None))
    return found


def _lives(
    day: Whole, is_first: NDArray[np.bool_], departed: NDArray[np.bool_]
) -> tuple[Whole, Whole, NDArray[np.bool_]]:
    """Days that each listing is known to have stayed, its first entry, and whether it left then."""
    starts = np.flatnonzero(is_first)
    ends = np.append(starts[1:], len(day)) - 1
    leaving = np.flatnonzero(departed)
    first_left = np.append(leaving, len(day))[np.searchsorted(leaving, starts)]
    last = np.minimum(first_left, ends)
    return day[last] - day[starts], starts, first_left <= ends


class Curve:
    """A Kaplan-Meier curve: `times` at which some left, and the part that stays longer."""

    def __init__(self, times: Whole, stays: NDArray[np.float64], spread: NDArray[np.float64], longest: int) -> None:
        self.times, self.stays, self.spread, self.longest = times, stays, spread, longest

    @classmethod
    def estimate(cls, lives: Whole, left: NDArray[np.bool_]) -> Curve:
        """From durations and whether each ended (else it is censored, later than those that ended on the same day)."""
        times, deaths = np.unique(lives[left], return_counts=True)
        risk = len(lives) - np.searchsorted(np.sort(lives), times)
        with np.errstate(divide="ignore"):
            spread = np.cumsum(deaths / (risk * (risk - deaths).astype(np.float64)))
        stays = np.cumprod(1 - deaths / risk).astype(np.float64)
        return cls(times, stays, spread.astype(np.float64), int(lives.max(initial=-1)))

    def _step(self, days: int) -> int:
        return int(np.searchsorted(self.times, days, side="right")) - 1

    def at(self, days: int) -> float | None:
        """Part that stays longer than `days`; None beyond the longest life known, unless all have left."""
        step = self._step(days)
        value = 1.0 if step < 0 else float(self.stays[step])
        return None if self.longest < 0 or (days > self.longest and value > 0) else value

    def interval(self, days: int) -> Interval:
        """Greenwood, log-log; none where all or nobody has left."""
        step = self._step(days)
        if step < 0 or not 0 < self.stays[step] < 1:
            return None, None
        stays = float(self.stays[step])
        reach = Z * math.sqrt(float(self.spread[step])) / abs(math.log(stays))
        return stays ** math.exp(reach), stays ** math.exp(-reach)

    def median(self) -> int | None:
        below = np.flatnonzero(self.stays <= 0.5)
        return int(self.times[below[0]]) if len(below) else None
