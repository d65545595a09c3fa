"""Market down: no complete-enough crawl for longer than chance explains, or next to nothing listed in good crawls."""

from __future__ import annotations

import math
from datetime import date
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from index.detect.base import Step, TestSettings, chance_of, first_index, known_value, skip, step_of
from index.detect.series import Judgement, Series

_NEAR_ZERO: dict[Step, int] = {"day": 2, "week": 1, "month": 1}


class DownSettings(TestSettings):
    """Fires after `missed_crawls` expected crawls without one that was complete enough, or at next to no listings.

    The first cannot tell a dead market from one that our own crawler cannot reach: the notes name the cause, and
    `dropline status` has the health of Tor.
    """

    kind: Literal["down"] = "down"
    per_year: float = Field(
        0.3, gt=0, description="False alarms a year to allow, where missed_crawls is left open."
    )
    missed_crawls: int | None = Field(
        None, ge=1,
        description="Crawls in a row that were due and not complete enough. None: so many that the share of failed "
        "crawls seen so far explains them less often than per_year, but 3 at least.",
    )  # fmt: skip
    near_zero: float = Field(
        0.1, ge=0, lt=1, description="Listings below this share of the trailing median are next to none."
    )
    near_zero_buckets: int | None = Field(
        None, ge=1, description="Known buckets in a row with next to none. None: 2 days, 1 week or 1 month."
    )
    baseline: int = Field(30, ge=3, description="Known buckets of the trailing median of listings and crawls.")
    min_baseline: int = Field(3, ge=1, description="Known buckets needed before anything is said.")
    min_listings: float = Field(10.0, ge=0, description="Trailing median below which near_zero is not judged.")

    tuned: ClassVar[str] = "missed_crawls"
    grid: ClassVar[tuple[float, float]] = (1, 60)


def due_crawls(failed: int, judged: int, settings: DownSettings, chance: float) -> int:
    """Missed crawls in a row at which it fires, from how many of those due so far failed."""
    if settings.missed_crawls is not None:
        return settings.missed_crawls
    share = (failed + 0.5) / (judged + 1.0)
    return max(3, math.ceil(math.log(chance) / math.log(min(share, 0.9))))


def judge(series: Series, settings: DownSettings, since: date | None = None) -> list[Judgement]:
    """One judgement a bucket from `since` on. `values` are listings (NaN: no complete-enough crawl), `exposure` the
    complete-enough crawls of the bucket (0 in a gap), `n` the listings seen by any crawl: a gap with n above 0 was
    partly seen, so the market answers. A gap fires here, or is skipped: it is never quiet.

    `score`: missed crawls in a row, or share of the baseline; notes: cause ("no complete crawl" or "next to no
    listings").
    """
    step = step_of(series)
    start = first_index(series, since)
    chance = chance_of(settings.per_year, step)
    needed_low = settings.near_zero_buckets or _NEAR_ZERO[step]
    seen: list[float] = []
    crawls: list[float] = []
    failed = judged = low_run = run = 0
    missed = 0.0
    rows: list[Judgement] = []
    for index, bucket in enumerate(series.buckets):
        value = known_value(series, index)
        ready = len(seen) >= settings.min_baseline
        typical = float(np.median(seen[-settings.baseline :])) if seen else 0.0
        usual = float(np.median(crawls[-settings.baseline :])) if crawls else 1.0
        if value is None and series.n[index] > 0:
            # A crawl that broke off or saw too little: the market answers, which is all that is asked here.
            missed, run = 0.0, 0
            if index >= start:
                rows.append(skip(series, index, "gap, but the market answers", baseline=typical))
            continue
        if value is None:
            missed += max(usual, 1.0)  # buckets of many crawls: one gap is many crawls missed
            run += 1
            needed = due_crawls(failed, judged, settings, chance)
            if index < start:
                continue
            if not ready:
                rows.append(skip(series, index, "no baseline yet"))
            elif missed >= needed:
                rows.append(
                    Judgement(
                        bucket=bucket, fired=True, value=None, baseline=typical, score=missed, n=int(series.n[index]),
                        notes={"cause": "no complete crawl", "missed": missed, "needed": float(needed)},
                    )
                )
            else:
                rows.append(skip(series, index, "gap: too few missed crawls yet", score=missed, baseline=typical))
            continue
        # A failure counts when it is over, and no more than three buckets of it, or a market that is down would teach
        # the rule that it always is.
        failed, judged = failed + min(run, 3), judged + 1 + min(run, 3)
        missed, run = 0.0, 0
        low = ready and typical >= settings.min_listings and value <= settings.near_zero * typical
        low_run = low_run + 1 if low else 0
        fired = low_run >= needed_low
        if index >= start:
            if not ready:
                rows.append(skip(series, index, "no baseline yet"))
            else:
                rows.append(
                    Judgement(
                        bucket=bucket, fired=fired, value=value, baseline=typical, low=settings.near_zero * typical,
                        score=value / typical if typical else None, n=int(series.n[index]),
                        notes={"cause": "next to no listings"} if fired else {},
                    )
                )
        if not low:  # an empty market must not become the baseline
            seen.append(value)
        if series.exposure[index] > 0:
            crawls.append(float(series.exposure[index]))
    return rows
