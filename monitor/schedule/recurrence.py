"""When something recurs: five-field cron in a zone, or a fixed interval from an anchor. Pure functions of time.

Every answer depends on the moment asked about alone, never on when the last run was or how long it took: so nothing
drifts, and a clock that jumps changes nothing but the moment. Moments are aware; answers are UTC.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

DAYS_AHEAD = 366 * 9
"""29 February comes round within eight years, even across 1900 or 2100."""
WIDEST_SHIFT = timedelta(hours=3)
"""No zone's clocks have been put further in one go since the 1950s, but for a change of the calendar day (Samoa), where
walls only go missing."""
LOOK_BACK = timedelta(days=35)

_MONTHS = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6}
_MONTHS |= {"jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12}
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)


@dataclass(frozen=True)
class Cron:
    """Cron as crontab(5) has it: minute, hour, day of month, month, day of week (0 and 7 are Sunday); `*`, lists,
    ranges, steps, English names; where both kinds of day are restricted, either will do.

    In `tz`, on the day the clocks change: a time that is left out runs as much later as the clocks jump; a time that
    comes twice runs the first time only, unless the hour field begins with `*` (every hour then means every hour).
    ValueError for what is no cron expression, or one that never comes.
    """

    text: str
    tz: str
    _sets: tuple[frozenset[int], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = self.text.lower().split()
        if len(parts) != len(_FIELDS):
            raise ValueError(f"{self.text!r} has {len(parts)} fields; cron has five: minute hour day month weekday")
        sets = [_parse_field(part, *known) for part, known in zip(parts, _FIELDS, strict=True)]
        sets[4] = frozenset(day % 7 for day in sets[4])
        object.__setattr__(self, "_sets", tuple(sets))
        object.__setattr__(self, "text", " ".join(parts))
        self.next_after(datetime(2000, 1, 1, tzinfo=UTC))

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.tz)

    @cached_property
    def _walls(self) -> tuple[time, ...]:
        return tuple(time(hour, minute) for hour in sorted(self._sets[1]) for minute in sorted(self._sets[0]))

    @cached_property
    def _either_day(self) -> bool:
        _, _, day, _, weekday = self.text.split()
        return not day.startswith("*") and not weekday.startswith("*")

    @cached_property
    def _is_hourly(self) -> bool:
        return self.text.split()[1].startswith("*")

    def _is_day(self, day: date) -> bool:
        _, _, days, months, weekdays = self._sets
        if day.month not in months:
            return False
        of_month, of_week = day.day in days, day.isoweekday() % 7 in weekdays
        return of_month or of_week if self._either_day else of_month and of_week

    def _instants(self, wall: datetime) -> Iterator[datetime]:
        yield wall.replace(tzinfo=self._zone).astimezone(UTC)
        if self._is_hourly:
            second = wall.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
            if second.astimezone(self._zone).replace(tzinfo=None) == wall:
                yield second

    def _is_steady(self, moment: datetime) -> bool:
        """Whether the clocks are not changed near that moment."""
        before, after = moment - WIDEST_SHIFT, moment + WIDEST_SHIFT
        return before.astimezone(self._zone).utcoffset() == after.astimezone(self._zone).utcoffset()

    def _iter_walls(self, since: datetime) -> Iterator[datetime]:
        """Local times of the expression, without zone, from `since` on."""
        day = since.date()
        for ahead in range(DAYS_AHEAD):
            if self._is_day(day):
                for at in self._walls if ahead else self._walls[bisect_left(self._walls, since.time()) :]:
                    yield datetime.combine(day, at)
            day += timedelta(days=1)

    def next_after(self, moment: datetime) -> datetime:
        """The first time after that moment."""
        local = moment.astimezone(self._zone).replace(tzinfo=None, fold=0)
        if self._is_steady(moment):
            for wall in self._iter_walls(local):
                instant = wall.replace(tzinfo=self._zone).astimezone(UTC)
                if instant > moment:
                    if self._is_steady(instant):
                        return instant
                    break
        # the clocks change near by: later walls may come earlier, and one wall twice
        best: tuple[datetime, datetime] | None = None  # (instant, wall)
        for wall in self._iter_walls(local - WIDEST_SHIFT):
            if best is not None and wall > best[1] + WIDEST_SHIFT:
                break
            for instant in self._instants(wall):
                if instant > moment and (best is None or instant < best[0]):
                    best = (instant, wall)
        if best is None:
            raise ValueError(f"{self.text!r} never comes")
        return best[0]

    def __str__(self) -> str:
        return f"{self.text} ({self.tz})"


@dataclass(frozen=True)
class Every:
    """Every so many seconds of real time, counted from `anchor` (aware): daylight saving does not matter to it."""

    seconds: int
    anchor: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def __post_init__(self) -> None:
        if self.seconds < 1:
            raise ValueError("an interval has at least one second")

    def next_after(self, moment: datetime) -> datetime:
        """The first time after that moment (also before the anchor: the grid has no beginning)."""
        step = timedelta(seconds=self.seconds)
        anchor = self.anchor.astimezone(UTC)
        return anchor + ((moment.astimezone(UTC) - anchor) // step + 1) * step

    def __str__(self) -> str:
        return f"every {timedelta(seconds=self.seconds)}"


Rule = Cron | Every


@dataclass(frozen=True, slots=True)
class Due:
    """The latest time that has come, and how many came before it (and are made up for by it)."""

    at: datetime
    earlier: int


def find_due(rule: Rule, first: datetime, now: datetime) -> Due | None:
    """What came due from `first` (itself a time of the rule, or any moment before one) up to `now`, both included.

    Of a service that was down for longer than `LOOK_BACK`, `earlier` counts those of that period alone, unless there
    are none in it.
    """
    start = first - timedelta(microseconds=1)
    if now - start > LOOK_BACK and rule.next_after(now - LOOK_BACK) <= now:
        start = now - LOOK_BACK
    found: Due | None = None
    if isinstance(rule, Every):
        step = timedelta(seconds=rule.seconds)
        last = rule.next_after(now) - step
        return Due(last, (last - rule.next_after(start)) // step) if last > start else None
    at = rule.next_after(start)
    while at <= now:
        found = Due(at, 0 if found is None else found.earlier + 1)
        at = rule.next_after(at)
    return found


def _parse_field(text: str, name: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        matched = re.fullmatch(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([0-9]{1,4}))?", part)
        if matched is None:
            raise ValueError(f"{part!r} is no {name} in cron")
        begin, end, step = matched.groups()
        if begin == "*":
            if end is not None:
                raise ValueError(f"{part!r} is no {name} in cron")
            first, last = low, high
        else:
            first = _number(begin, name, low, high, names)
            # `5/10` counts from 5 to the end, as in Vixie's cron
            last = _number(end, name, low, high, names) if end else (first if step is None else high)
        if last < first or step == "0":
            raise ValueError(f"{part!r} is no {name} in cron: it is empty")
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, name: str, low: int, high: int, names: dict[str, int]) -> int:
    value = names.get(text, int(text) if text.isascii() and text.isdigit() else -1)
    if not low <= value <= high:
        allowed = f"{low} to {high}" + (f", or {', '.join(names)}" if names else "")
        raise ValueError(f"{text!r} is no {name}: it goes from {allowed}")
    return value
