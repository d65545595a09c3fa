"""A rule's series with what its test says of each bucket."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from index.detect.first import Sightings
from index.detect.series import Judgement
from index.measures.ask import UNKNOWN
from monitor.alerts.asking import Answer
from monitor.alerts.rule import COUNTED, Rule
from monitor.alerts.shape import Pins, Shape
from monitor.alerts.watched import Watched, cut_series

BEFORE = 8
"""Buckets before a firing whose n may stand for it (a count that falls has few left)."""
STEP = 20
"""Buckets by which a window is widened that begins in the middle of a firing."""


@dataclass
class Judged:
    """One series of a rule and its judgements, oldest first."""

    watched: Watched
    judgements: list[Judgement]


def judge_rule(
    answer: Answer, shape: Shape, rule: Rule, pins: Pins, last: int, since: date | None = None
) -> list[Judged]:
    """Judgements of the buckets from `since` (or somewhat earlier) to the one at position `last`."""
    series = cut_series(answer, shape, rule, pins, last)
    if rule.test.kind == "first":
        return _judge_first(series, rule)
    return [Judged(one, _judge_series(one, since)) for one in series]


def _judge_series(watched: Watched, since: date | None) -> list[Judgement]:
    points = watched.points
    place, width = 0, STEP
    if since is not None:
        place = next((at for at, bucket in enumerate(points.buckets) if bucket >= since), len(points.buckets))
    while True:
        first = points.buckets[place] if 0 < place < len(points.buckets) else None
        found = [_enough(watched, one) for one in _judge_alike(watched, first)]
        told = next((one for one in found if one.skipped is None), None)
        if place == 0 or (told is not None and not told.fired):
            return found
        # it was true already where the window begins: since when? (or nothing can be said of all the window)
        place = max(0, place - width) if told is not None else 0
        width *= 2


def _judge_alike(watched: Watched, since: date | None) -> list[Judgement]:
    """Judgements in which every bucket is held only against buckets about the same markets."""
    rule, points = watched.rule, watched.points
    known = np.isfinite(points.values)
    kinds = list(dict.fromkeys(panel for panel, told in zip(watched.panels, known, strict=True) if told))
    if len(kinds) < 2 or rule.test.kind == "down":
        return rule.test.judge(points, since)
    owner, latest = [], kinds[0]
    for panel, told in zip(watched.panels, known, strict=True):
        latest = panel if told else latest
        owner.append(latest)
    found: dict[date, Judgement] = {}
    for kind in kinds:
        same = np.array([panel == kind for panel in owner])
        part = replace(
            points, values=np.where(same, points.values, np.nan), exposure=np.where(same, points.exposure, 0.0)
        )
        mine = {bucket for bucket, told in zip(points.buckets, same, strict=True) if told}
        found |= {one.bucket: one for one in rule.test.judge(part, since) if one.bucket in mine}
    return [found[bucket] for bucket in sorted(found)]


def _enough(watched: Watched, judgement: Judgement) -> Judgement:
    """A firing on too few offers is none: nothing can be said."""
    rule = watched.rule
    if not judgement.fired or rule.min_n <= judgement.n:
        return judgement
    most = 0.0
    if rule.measure in COUNTED:
        points = watched.points
        at = points.buckets.index(judgement.bucket)
        before = points.n[:at][np.isfinite(points.values[:at])][-BEFORE:]
        most = float(np.median(before)) if len(before) else 0.0
    if most >= rule.min_n:
        return judgement
    return replace(judgement, fired=False, skipped=f"fewer than {rule.min_n} offers")


def sightings_of(series: list[Watched], rule: Rule) -> dict[str | None, list[Sightings]]:
    """What each market (None: all of them together) held of the watched field, bucket by bucket."""
    watched_field = rule.watched_field
    assert watched_field is not None
    by_market: Mapping[str | None, list[Watched]] = defaultdict(list)
    for one in series:
        by_market[one.labels.get("market")].append(one)
    found = {}
    for market, some in by_market.items():
        rows = []
        for at, bucket in enumerate(some[0].points.buckets):
            known = [one for one in some if np.isfinite(one.points.values[at])]
            values = {
                str(one.labels[watched_field]): int(one.points.values[at] + 0.5)
                for one in known if one.labels[watched_field] not in (None, UNKNOWN)
            }  # fmt: skip
            rows.append(Sightings(bucket, values if known else None))
        found[market] = rows
    return found


def _judge_first(series: list[Watched], rule: Rule) -> list[Judged]:
    watched_field = rule.watched_field
    by_key = {(one.labels.get("market"), one.labels[watched_field or ""]): one for one in series}
    found = []
    for market, sightings in sightings_of(series, rule).items():
        for value, judgements in rule.test.judge_first(sightings).items():
            watched = by_key[market, value]
            found.append(Judged(watched, [_enough(watched, one) for one in judgements]))
    return found
