"""From judgements to firings: when a test that is true becomes an alert, when it is said again, when it is over.

A pure function of the judgements and the rule, so that every run comes to the same answer, and a crawl that arrives
late changes only what it must.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from index.detect.series import Judgement
from monitor.alerts.rule import Rule

LASTING = frozenset({"first"})
"""Kinds that cannot stop being true: what has appeared has appeared."""


@dataclass
class Episode:
    """A stretch of buckets for which the test was true, up to its recovery. Buckets of which nothing could be said are
    neither true nor quiet."""

    fired: list[Judgement] = field(default_factory=list)
    recovered: date | None = None
    """The quiet bucket that ended it; None: it lasts."""

    @property
    def first(self) -> date:
        return self.fired[0].bucket

    @property
    def last(self) -> date:
        return self.fired[-1].bucket

    def active_on(self, bucket: date) -> bool:
        return self.first <= bucket and (self.recovered is None or self.recovered > bucket)


@dataclass(frozen=True)
class Firing:
    """One thing to say. `judgement` is of the bucket that it is said about."""

    episode: Episode
    judgement: Judgement
    first_bucket: date
    again: int = 0
    """0: the first time; else how many buckets it has been true when said again."""
    already: bool = False
    """True when the rule first ran."""


def find_episodes(judgements: Sequence[Judgement], rule: Rule) -> list[Episode]:
    """Episodes of one series, oldest first. Judgements are in the order of their buckets."""
    found: list[Episode] = []
    current: Episode | None = None
    quiet = 0
    for judgement in judgements:
        if judgement.skipped is not None:
            continue
        if judgement.fired:
            if current is None:
                current = Episode()
                found.append(current)
            current.fired.append(judgement)
            quiet = 0
        elif current is not None:
            quiet += 1
            if quiet >= rule.recovery and rule.test.kind not in LASTING:
                current.recovered = judgement.bucket
                current = None
    return found


def find_firings(
    judgements: Sequence[Judgement], rule: Rule, start: date | None, *, hold: bool | None = None
) -> list[Firing]:
    """What a rule has to say about one series, oldest first.

    `start` is the newest bucket at the rule's first run: an episode over by then is history; one that lasts then is
    said once, or (`hold`, by default as the rule says) never. None: the rule has always been running (back-tests).
    """
    held = rule.on_first_run == "hold" if hold is None else hold
    place = {judgement.bucket: number for number, judgement in enumerate(judgements)}
    found: list[Firing] = []
    silent_until = -1
    for episode in find_episodes(judgements, rule):
        if start is not None and episode.first <= start:
            if not episode.active_on(start) or held:
                continue
            if rule.test.kind in LASTING and episode.first < start:
                continue  # it appeared before anybody asked
            before = [judgement for judgement in episode.fired if judgement.bucket <= start]
            said = len(before) - 1
            found.append(Firing(episode, before[-1], episode.first, already=True))
        else:
            due = [number for number, one in enumerate(episode.fired) if place[one.bucket] > silent_until]
            if not due:
                continue
            said = due[0]
            found.append(Firing(episode, episode.fired[said], episode.fired[said].bucket))
        if rule.refire is not None:
            for number in range(said + rule.refire, len(episode.fired), rule.refire):
                one = episode.fired[number]
                found.append(Firing(episode, one, one.bucket, again=number + 1))
        silent_until = place[episode.last] + rule.cooldown
    return found
