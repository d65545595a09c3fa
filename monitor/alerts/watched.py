"""The series of one rule, cut out of an answer, as the tests of `index.detect` take them."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from index.coverage import zone_of
from index.detect.series import Series as Points
from index.measures.ask import Ask, Series
from index.measures.counts import MEASURES as COUNTS
from monitor.alerts.asking import Answer, Cells, Key
from monitor.alerts.light import unsaid
from monitor.alerts.rule import COUNTED, Rule
from monitor.alerts.settled import settled_days
from monitor.alerts.shape import Pins, Shape
from monitor.alerts.unread import UNREAD

GROWING = frozenset({"new", "returned", "turnover"})
"""What gathers from crawl to crawl: in proportion to the days that were looked at."""
PATIENCE = timedelta(days=30)
"""So long after its last crawl a market is missing; later it is taken to have closed."""
ANY_MARKET = frozenset({"price", "price-index"}) | UNREAD
"""Measures for which one complete-enough market of several is enough, as their own modules say."""


@dataclass
class Watched:
    """One series of one rule. `coverage` and `crawls` stand beside the buckets of `points`."""

    rule: Rule
    labels: dict[str, str | None]
    """Split fields of the rule, and unit and currency where rows differ by them."""
    unit: str
    key: Series
    """Values of the split fields of the question."""
    points: Points
    coverage: list[float | None]
    reasons: list[str | None]
    panels: list[frozenset[str]]
    """The markets that each bucket is about: figures of different markets together are not compared."""


def is_closed(rule: Rule, bucket: date, zones: frozenset[str], now: datetime) -> bool:
    """Whether a bucket is over, everywhere, for as long as the rule wants it to settle."""
    return all(now.astimezone(zone_of(zone)).replace(tzinfo=None) >= rule.close_of(bucket) for zone in zones)


def matches(shape: Shape, pins: Pins, rule: Rule, key: Series) -> bool:
    """Whether a series of the answer belongs to a rule."""
    own = {name.replace("-", "_") for name in rule.split}
    for name, value in zip(shape.fields, key, strict=True):
        wanted = pins.get(name)
        if wanted is None:
            continue
        if name == "region" and name in own:
            if value is None or not any(value == code or value.startswith(f"{code}-") for code in wanted):
                return False
        elif value not in wanted:
            return False
    return True


def has_regions_below(shape: Shape, pins: Pins, rule: Rule, keys: list[Key]) -> bool:
    """Whether the rule's region, asked as a split, leaves out regions below it."""
    if "region" not in shape.fields or "region" not in pins or "region" in rule.split:
        return False
    place = shape.fields.index("region")
    prefixes = tuple(f"{code}-" for code in pins["region"])
    return any(key[place] is not None and str(key[place]).startswith(prefixes) for key, _ in keys)


def cut_series(answer: Answer, shape: Shape, rule: Rule, pins: Pins, last: int) -> list[Watched]:
    """The rule's series up to the bucket at position `last`, sorted by their labels.

    A rule without a split has a series even where nothing was ever seen.
    """
    first = max(0, last + 1 - rule.buckets_read) if rule.test.kind != "first" else 0
    found = [
        _watch(answer, shape, rule, key, cells, first, last)
        for key, cells in answer.cells.items() if matches(shape, pins, rule, key[0])
    ]  # fmt: skip
    if not found and not rule.split:
        key = tuple(pins[name][0] for name in shape.fields)
        found = [_watch(answer, shape, rule, (key, (None, None)), {}, first, last)]
    return sorted(found, key=lambda one: sorted((name, value or "") for name, value in one.labels.items()))


def _watch(answer: Answer, shape: Shape, rule: Rule, key: Key, cells: Cells, first: int, last: int) -> Watched:
    ask = answer.ask
    series, variant = key
    own = {name.replace("-", "_") for name in rule.split}
    labels = {
        name: value
        for name, field, value in zip(shape.splits, shape.fields, series, strict=True) if field in own
    }  # fmt: skip
    unit, currency = variant
    if unit is not None:
        labels["unit"] = unit
    if currency is not None and rule.quoted:
        labels["currency"] = currency
    every = rule.measure not in ANY_MARKET
    values, numbers, coverage, reasons, panels = [], [], [], [], []
    for position in range(first, last + 1):
        status = ask.status(position, series, every=every)
        value, n = cells.get(position, (None, 0))
        reason = status.reason if rule.measure != "coverage" or value is None else None
        if reason is None and position not in cells:
            if rule.measure in COUNTED and not unsaid(ask, rule.measure, position, series):
                value = 0.0
            else:
                reason = "nothing to say"
        if reason is None and rule.guarded and (status.coverage is None or status.coverage < rule.coverage):
            reason = "coverage below the rule's guard"
        if reason is None and ask.market_of(series) is None:
            reason = _waiting(answer, position)
        panels.append(frozenset(status.used))
        values.append(np.nan if reason is not None or value is None else value)
        numbers.append(n if reason is None else _partly_seen(ask, rule, series, position))
        coverage.append(status.coverage)
        reasons.append(reason)
    points = np.array(values, dtype=np.float64)
    exposure = _exposure(ask, rule, series, first, last)
    return Watched(
        rule, labels, _unit_of(rule, unit, currency), series,
        Points(
            tuple(ask.buckets.starts[first : last + 1]), points, np.array(numbers, dtype=np.int64),
            np.where(np.isfinite(points), exposure, 0.0), **_borne_out(answer, rule, key, points, first, last),
        ),
        coverage, reasons, panels,
    )  # fmt: skip


def _partly_seen(ask: Ask, rule: Rule, series: Series, position: int) -> int:
    """Listings that crawls of a gap saw: a market of which part was seen is not down. Other tests want 0 in a gap."""
    if rule.test.kind != "down":
        return 0
    market = ask.market_of(series)
    return max((crawl.listings for crawl in ask.panel.attempts(position, market)), default=0)


def _waiting(answer: Answer, position: int) -> str | None:
    """Which markets a bucket lacks that were crawled shortly before: without them a sum would fall for no reason."""
    first, last = answer.ask.buckets.span(position)
    missing = [name for name, day in answer.last_seen.items() if day < first and last <= day + PATIENCE]
    return f"no crawl of {', '.join(sorted(missing))} since" if missing else None


def _unit_of(rule: Rule, unit: str | None, currency: str | None) -> str:
    if rule.measure in ("price", "turnover"):
        return "/".join(part for part in (currency, unit) if part)
    return rule.measure if rule.measure in COUNTED else ""


def _borne_out(
    answer: Answer, rule: Rule, key: Key, points: NDArray[np.float64], first: int, last: int
) -> dict[str, NDArray[np.float64]]:
    """What the last complete crawl of each bucket bears out: of new listings the count and the days in which they came
    up, of what stands the count of that crawl."""
    stands = rule.measure in COUNTS and rule.test.kind == "threshold"
    if not stands and not (rule.measure == "new" and rule.test.kind in ("surge", "threshold")):
        return {}
    known = np.isfinite(points)
    counts = answer.settled.get(key, {})
    found = np.where(known, [counts.get(place, 0) for place in range(first, last + 1)], 0.0)
    if stands:
        return {"latest": found}
    return {"settled": found, "settled_days": np.where(known, settled_days(answer.ask, key[0], first, last), 0.0)}


def _exposure(ask: Ask, rule: Rule, series: Series, first: int, last: int) -> NDArray[np.float64]:
    """What a value is in proportion to: for what gathers, and where counts are held against a threshold or the
    level just before, days with a complete-enough crawl (all markets together); for `down`, such crawls; else 1."""
    places = range(first, last + 1)
    if rule.test.kind == "down":
        return np.array([ask.status(place, series).crawls for place in places], dtype=np.float64)
    if rule.measure not in GROWING and not (rule.test.kind in ("threshold", "change") and rule.measure in COUNTED):
        return np.ones(len(places))
    found = np.zeros(len(places))
    market = ask.market_of(series)
    for name in ask.panel.markets if market is None else (market,):
        days = [day.toordinal() for day in ask.panel.complete_days(name, ask.regions_of(series))]
        for at, place in enumerate(places):
            start, end = (day.toordinal() for day in ask.buckets.span(place))
            found[at] += bisect.bisect_right(days, end) - bisect.bisect_left(days, start)
    return found
