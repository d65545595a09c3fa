"""The rule people write first: "changed by 20 % against the bucket before". For comparison only."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from index.detect.first import Sightings
from index.detect.series import Judgement, Series


def naive_series(
    series: Series, bound: float, direction: str, *, least: float = 0.5, gaps_are_nought: bool = False
) -> list[Judgement]:
    """Fires where log(value / last known value) is beyond `bound`; a nought counts as `least` (half a count).

    `gaps_are_nought`: a crawl that brought nothing is read as an empty market, as a spreadsheet does.
    """
    rows: list[Judgement] = []
    before = math.nan
    for index, bucket in enumerate(series.buckets):
        value = float(series.values[index])
        if math.isnan(value) and gaps_are_nought:
            value = 0.0
        if math.isnan(value):
            rows.append(Judgement(bucket, False, None, skipped="gap"))
            continue
        now = max(value, least)
        if math.isnan(before):
            rows.append(Judgement(bucket, False, value, skipped="nothing before"))
        else:
            change = math.log(now / before)
            off = {"up": change, "down": -change, "both": abs(change)}[direction]
            fired = off >= bound
            rows.append(Judgement(bucket, fired, value, score=off))
        before = now
    return rows


def naive_first(sightings: Sequence[Sightings], bound: float, burn_in: int = 28) -> dict[str, list[Judgement]]:
    """Fires where a value never seen before has grown from half a listing by `bound` (a log): 0 and it fires at one."""
    seen: set[str] = set()
    rows: dict[str, list[Judgement]] = {}
    for row in sightings:
        if row.values is None:
            continue
        old = (row.bucket - sightings[0].bucket).days < burn_in
        for value, count in row.values.items():
            if value in seen:
                continue
            if old or np.log(count / 0.5) >= bound:
                seen.add(value)
                if not old:
                    rows.setdefault(value, []).append(Judgement(row.bucket, True, float(count)))
    return rows
