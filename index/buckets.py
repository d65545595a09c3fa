"""Buckets of time: days, ISO weeks (from Monday) and months, in market-local dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from config.errors import UsageError

By = Literal["day", "week", "month"]
MOST_BUCKETS = 40_000
"""More than a century of days: a slip of the keyboard, not a question."""


def bucket_of(day: date, by: By) -> date:
    """The day itself, the Monday of its week, or the 1st of its month."""
    if by == "week":
        # the first days of year 1 have no Monday before them within the calendar of datetime; 0001-01-01 is a Monday
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if by == "month" else day


def bucket_end(bucket: date, by: By) -> date:
    """The last day of a bucket (9999-12-31 at the end of the calendar)."""
    if by == "day":
        return bucket
    if by == "week":
        return date.fromordinal(min(bucket.toordinal() + 6, date.max.toordinal()))
    if bucket.month == 12:
        return bucket.replace(day=31)
    return bucket.replace(month=bucket.month + 1) - timedelta(days=1)


def iter_buckets(first: date, last: date, by: By) -> list[date]:
    """Every bucket that holds a day between `first` and `last`, both included; oldest first.

    Raises UsageError where the dates are in the wrong order, `by` is none of ours, or there are too many buckets.
    """
    check_by(by)
    if first > last:
        raise UsageError(
            f"The first day ({first}) is after the last ({last}).", remedy="Swap the two dates (--from, --to)."
        )
    days = last.toordinal() - first.toordinal() + 1
    if days // {"day": 1, "week": 7, "month": 28}[by] > MOST_BUCKETS:
        raise UsageError(
            f"{first} to {last} has more than {MOST_BUCKETS} buckets.", remedy="Ask for fewer days or wider buckets."
        )
    found, bucket = [], bucket_of(first, by)
    while True:
        found.append(bucket)
        end = bucket_end(bucket, by)
        if end >= last:
            return found
        bucket = end + timedelta(days=1)


def check_by(by: str) -> None:
    """Raises UsageError unless `by` is day, week or month."""
    if by not in get_args(By):
        raise UsageError(f"'{by}' is no bucket.", remedy=f"Use one of: {', '.join(get_args(By))}.")


@dataclass(frozen=True)
class Buckets:
    """The buckets of one question; the first and last may be cut by the asked days."""

    by: By
    first: date
    last: date
    starts: tuple[date, ...]

    @classmethod
    def build(cls, first: date, last: date, by: By) -> Buckets:
        return cls(by, first, last, tuple(iter_buckets(first, last, by)))

    def __len__(self) -> int:
        return len(self.starts)

    def span(self, position: int) -> tuple[date, date]:
        """First and last day of a bucket, cut to the days asked."""
        start = self.starts[position]
        return max(start, self.first), min(bucket_end(start, self.by), self.last)

    def position(self, day: date) -> int:
        """Position of the bucket a day falls in; -1 outside the days asked."""
        if not self.first <= day <= self.last:
            return -1
        if self.by == "day":
            return (day - self.first).days
        if self.by == "week":
            return (bucket_of(day, "week") - self.starts[0]).days // 7
        return (day.year - self.starts[0].year) * 12 + day.month - self.starts[0].month

    def positions(self, days: NDArray[Any]) -> NDArray[np.int64]:
        """The same for days as an array of datetime64[D] (or ISO strings)."""
        moments = np.asarray(days).astype("datetime64[D]")
        if self.by == "month":
            months = moments.astype("datetime64[M]").astype(np.int64)
            found = months - np.datetime64(self.starts[0], "M").astype(np.int64)
        else:
            found = moments.astype(np.int64) - np.datetime64(self.starts[0], "D").astype(np.int64)
            if self.by == "week":
                found //= 7
        inside = (moments >= np.datetime64(self.first)) & (moments <= np.datetime64(self.last))
        return np.where(inside, found, -1).astype(np.int64)
