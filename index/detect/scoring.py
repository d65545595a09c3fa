"""How good a test was on a history: false alarms a year with an interval, what it found, and how late."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from index.detect.base import YEAR
from index.detect.distributions import poisson_interval, wilson_interval
from index.detect.series import Judgement


@dataclass(frozen=True, slots=True)
class Period:
    """Something that really happened. An alarm that begins within [first, last] is true."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class AlarmRate:
    """False alarms a year; `low`, `high`: exact 95 % interval (Garwood 1936) if alarms come independently."""

    alarms: int
    years: float
    per_year: float
    low: float
    high: float

    def together(self, series: int) -> AlarmRate:
        """Of so many series a year together, where this is of each of them: alarms in the years of one."""
        return AlarmRate(
            self.alarms, self.years / series, self.per_year * series, self.low * series, self.high * series,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """Share of events found with its 95 % interval (Wilson), and the days from the event's begin to the alarm."""

    events: int
    found: int
    share: float
    low: float
    high: float
    delays: tuple[int, ...]
    """Of the events found, sorted; days until the end of the bucket that fired."""


def alarms(judgements: Sequence[Judgement], quiet: int = 2) -> list[tuple[date, date]]:
    """Alarms as (first, last fired bucket), oldest first: firings less than `quiet` quiet buckets apart are one.

    A skipped bucket is neither firing nor quiet.
    """
    found: list[tuple[date, date]] = []
    calm = quiet
    for row in judgements:
        if row.fired:
            if found and calm < quiet:
                found[-1] = (found[-1][0], row.bucket)
            else:
                found.append((row.bucket, row.bucket))
            calm = 0
        elif row.skipped is None:
            calm += 1
    return found


def years_of(judgements: Sequence[Judgement]) -> float:
    """Years that were judged: skipped buckets are not counted."""
    if len(judgements) < 2:
        return 0.0
    span = (judgements[-1].bucket - judgements[0].bucket).days / (len(judgements) - 1)
    return sum(row.skipped is None for row in judgements) * span / YEAR


def rate_of(count: int, years: float) -> AlarmRate:
    """So many alarms in so many years."""
    if years <= 0:
        return AlarmRate(count, 0.0, float("nan"), 0.0, float("inf"))
    low, high = poisson_interval(count)
    return AlarmRate(count, years, count / years, low / years, high / years)


def false_alarm_rate(judgements: Sequence[Judgement], events: Iterable[Period] = (), quiet: int = 2) -> AlarmRate:
    """False alarms a year of one series: alarms that touch no event. Without events every alarm counts as false."""
    periods = list(events)
    false = [
        alarm for alarm in alarms(judgements, quiet)
        if not any(alarm[0] <= period.last and alarm[1] >= period.first for period in periods)
    ]  # fmt: skip
    return rate_of(len(false), years_of(judgements))


def detection(
    runs: Iterable[tuple[Sequence[Judgement], Sequence[Period]]], bucket_days: int = 1
) -> Found:
    """Which events a test found, over many series: the first firing within the event counts.

    An event counts as found at the end of its bucket: a weekly bucket is known when its week is over.
    """
    events = 0
    delays: list[int] = []
    for judgements, periods in runs:
        for period in periods:
            events += 1
            # A bucket that begins before the event may contain its first days.
            hit = next(
                (
                    row.bucket for row in judgements
                    if row.fired and period.first - timedelta(days=bucket_days) < row.bucket <= period.last
                ),
                None,
            )  # fmt: skip
            if hit is not None:
                delays.append((hit + timedelta(days=bucket_days) - period.first).days)
    low, high = wilson_interval(len(delays) / events if events else 0.0, events)
    return Found(events, len(delays), len(delays) / events if events else 0.0, low, high, tuple(sorted(delays)))
