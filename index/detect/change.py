"""Change: the bucket against the median of a trailing window, by percent and by robust z, both at once.

By week also against the level just before: the innovation of the local level model (`noise`), so that a step is found
in the week that it fills in part. The window goes on holding what the level has got used to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from index.detect.base import GAP, Step, TestSettings, first_index, known_value, skip, step_of
from index.detect.baseline import Baseline, Window, bounds, to_scale
from index.detect.exposure import HARMLESS, lost_share, missing_share, slack
from index.detect.series import Judgement, Series

_WINDOWS: dict[Step, Window] = {
    "day": Window(42, 7, 150, 14), "week": Window(10, 1, 40, 5), "month": Window(6, 0, 24, 4),
}  # fmt: skip

_Z: dict[Step, float] = {"day": 2.5, "week": 4.0, "month": 2.5}
_JUMP: dict[Step, float] = {"day": math.inf, "week": 3.0, "month": math.inf}
"""By day a shock takes several buckets, and the level has followed it half way before it is large."""

_Z_COUNT = 2.7
_STRICTER, _LOST, _SPAN, _PAST = 1.5, 0.15, 28, 90
"""By day, where more than a seventh of the crawls of four weeks was lost (against the 90 days before) the baseline is
older than was meant, and a count must be off by so many deviations more. By week `exposure.slack` sees to it."""


class ChangeSettings(TestSettings):
    """Fires where the value is off the baseline by `percent` and by `z`, or off the level just before it by `percent`
    and by `jump`, in the direction asked for."""

    kind: Literal["change"] = "change"
    direction: Literal["both", "up", "down"] = Field("both", description="Which changes are of interest.")
    percent: float = Field(
        18.0, gt=0, description="Least change in per cent of the baseline."
    )
    z: float | None = Field(
        None, ge=0, description="Least change in standard deviations of what the series does by itself (see noise). "
        "None: 2.5 by day and month, 4 by week, where `jump` finds what is new; 2.7 for listings, offers and vendors, "
        "whose root strays by half a deviation at least.",
    )  # fmt: skip
    jump: float | None = Field(
        None, gt=0, description="Least change against the level just before, in its standard deviations, where this "
        "bucket and the one before were seen. None: 3 by week; by day and month, and of listings, offers and vendors, "
        "no such comparison.",
    )  # fmt: skip
    baseline: int | None = Field(
        None, ge=3, description="Buckets in the trailing window. None: 42 days, 10 weeks or 6 months."
    )
    gap: int | None = Field(
        None, ge=0, description="Buckets between window and bucket, left out. None: 7 days, 1 week, no month."
    )
    average: Literal["median", "mean"] = Field("median", description="The middle of the window.")
    min_baseline: int | None = Field(
        None, ge=3, description="Known buckets the window must have. None: 14 days, 5 weeks or 4 months."
    )
    min_n: int = Field(5, ge=1, description="Least contributing offers in the bucket; below it, it is not judged.")
    scale: Literal["log", "linear"] = Field(
        "log", description="Ratios (prices, counts) or differences (shares, indexes) are compared."
    )
    min_sigma: float = Field(
        0.02, ge=0, description="Least standard deviation of the noise: of logs (0.02 is 2 %), or in the unit."
    )
    spread: float = Field(
        0.15, ge=0,
        description="Standard deviation between single offers (of log prices): a bucket of few offers strays by it.",
    )  # fmt: skip

    tuned: ClassVar[str] = "percent"
    grid: ClassVar[tuple[float, float]] = (1.0, 1000.0)


def window_of(settings: ChangeSettings, step: Step) -> Window:
    """The window of the settings, with what they leave open filled in for days, weeks or months."""
    usual = _WINDOWS[step]
    length = settings.baseline or usual.length
    least = settings.min_baseline or min(usual.least, length)
    return Window(length, usual.gap if settings.gap is None else settings.gap, max(usual.history, length), least)


def judge(series: Series, settings: ChangeSettings, since: date | None = None) -> list[Judgement]:
    """One judgement a bucket from `since` on. `score`: robust z, signed; `baseline`, `low`, `high` in the unit of the
    measure: of the level just before where it is that alone from which the value is off; notes: percent (signed)."""
    step = step_of(series)
    window = window_of(settings, step)
    logarithmic = settings.scale == "log"
    counts = series.latest is not None and logarithmic
    z = (_Z_COUNT if counts else _Z[step]) if settings.z is None else settings.z
    jump = (math.inf if counts else _JUMP[step]) if settings.jump is None else settings.jump
    values = to_scale(series.values, logarithmic)
    baseline = Baseline(values, series.n, window, step, settings.min_sigma, settings.spread if logarithmic else 0.0)
    rows: list[Judgement] = []
    for index in range(first_index(series, since), len(series.buckets)):
        value = known_value(series, index)
        if value is None:
            rows.append(skip(series, index, GAP))
            continue
        expected = baseline.expect(index)
        # a count may fall from enough to few: that is no lack of evidence
        enough = counts and expected is not None and math.exp(expected.middle) >= settings.min_n
        if series.n[index] < settings.min_n and not (value == 0 and logarithmic) and not enough:
            rows.append(skip(series, index, f"fewer than {settings.min_n} offers"))
            continue
        if expected is None:
            rows.append(skip(series, index, "no baseline yet"))
            continue
        middle = expected.middle
        if settings.average == "mean":
            end = index - window.gap
            middle = float(np.nanmean(values[max(0, end - window.length) : end]))
        # A fall to nought has no logarithm: it is off by more than any bound.
        notes: dict[str, float | str] = {}
        newest = float(values[index]) if value > 0 or not logarithmic else middle - 20.0
        reach = _Reach.of(settings, logarithmic, middle, expected.deviation(np.ones(1)), z)
        fired = reach.fires(newest, settings.direction)
        if counts:
            lost = step == "day" and lost_share(series.exposure, index, _SPAN, _PAST) >= _LOST
            reach = reach.of_count(z + _STRICTER * lost)
            off = [told for told in _told(series, index, middle) if reach.fires(told.log, settings.direction)]
            fired = bool(off)
            if off:
                value, newest, notes = off[0].value, off[0].log, off[0].notes
        # After a gap, or a week seen in part, nobody knows the level just before.
        near_enough = index > 0 and max(missing_share(series, at) for at in (index - 1, index)) <= HARMLESS
        level = baseline.level(index, expected.noise) if near_enough and math.isfinite(jump) else None
        if level is not None:
            near = _Reach.of(settings, logarithmic, level.middle, level.deviation, jump)
            if not fired and near.fires(newest, settings.direction):
                fired, reach = True, near
        low, high = reach.middle - reach.down, reach.middle + reach.up
        usual = math.exp(reach.middle) if logarithmic else reach.middle
        rows.append(
            Judgement(
                bucket=series.buckets[index], fired=fired, value=value, baseline=usual,
                low=None if settings.direction == "up" else math.exp(low) if logarithmic else low,
                high=None if settings.direction == "down" else math.exp(high) if logarithmic else high,
                score=(newest - reach.middle) / reach.sigma, n=int(series.n[index]),
                notes={"percent": 100 * (value / usual - 1) if usual else math.inf, **notes},
            )
        )
    return rows


class _Told(NamedTuple):
    """What is said of a count: the `log` is drawn towards what is usual by what was not seen of the bucket, and by a
    standard deviation where crawls were lost of late."""

    value: float
    log: float
    notes: dict[str, float | str]


def _told(series: Series, index: int, middle: float) -> list[_Told]:
    """By a whole bucket and, where enough of it was seen, by its last crawl."""
    assert series.latest is not None
    usual, missing = math.exp(middle), missing_share(series, index)
    found: list[tuple[float, dict[str, float | str]]] = [(float(series.values[index]), {})]
    if missing <= HARMLESS:
        found.append((float(series.latest[index]), {"crawl": "last"}))
    told = []
    for count, notes in found:
        strays = slack(series, index, count)
        near = usual + (count - usual) * (1 - missing)
        near = min(near + strays, usual) if near < usual else max(near - strays, usual)
        told.append(_Told(count, math.log(near) if near > 0 else middle - 20.0, notes))
    return told


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far from its middle a value may be: `down` and `up`, both positive."""

    middle: float
    sigma: float
    down: float
    up: float

    @classmethod
    def of(cls, settings: ChangeSettings, logarithmic: bool, middle: float, sigma: float, z: float) -> _Reach:
        sigma = max(sigma, 1e-12)
        down, up = (max(least, z * sigma) for least in bounds(settings.percent, logarithmic, middle))
        return cls(middle, sigma, down, up)

    def of_count(self, z: float) -> _Reach:
        """As far at least as a count strays: its root by half a standard deviation, whatever it is."""
        root = math.exp(self.middle / 2)
        down = math.inf if root <= z / 2 else -2 * math.log1p(-z / 2 / root)
        return replace(self, down=max(self.down, down), up=max(self.up, 2 * math.log1p(z / 2 / root)))

    def fires(self, value: float, direction: str) -> bool:
        off = value - self.middle
        return (off >= self.up and direction != "down") or (off <= -self.down and direction != "up")
