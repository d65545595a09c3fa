"""Firings against the records: what is new, what lasts, what is over. Running it twice changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from extract.observation import digest_id
from index.detect.series import Judgement
from monitor.alerts.alert import Alert, AlertState
from monitor.alerts.crowd import Crowds
from monitor.alerts.judging import Judged
from monitor.alerts.records import LIVE, Entry, Records, Run, series_key
from monitor.alerts.rule import Rule
from monitor.alerts.telling import SHOWN, tell_query, tell_why
from monitor.alerts.walk import Episode, Firing, find_episodes, find_firings
from monitor.alerts.watched import Watched
from monitor.delivery.notice import Event

Send = Callable[[Alert, Event], None]
"""Puts the messages about an event into the outbox, inside the transaction."""
WHO = "dropline"


@dataclass
class Changes:
    """What one evaluation did to the alerts of a rule."""

    fired: list[Alert] = field(default_factory=list)
    again: list[Alert] = field(default_factory=list)
    recovered: list[Alert] = field(default_factory=list)
    lasting: int = 0

    def add(self, other: Changes) -> None:
        self.fired += other.fired
        self.again += other.again
        self.recovered += other.recovered
        self.lasting += other.lasting


def labels_of(watched: Watched) -> dict[str, str | None]:
    """The series as an alert names it. One vendor that is watched is named as such, so that nothing of it is sent."""
    vendors = watched.rule.filter.vendor
    return {**watched.labels, **({"vendor": ",".join(vendors)} if vendors and "vendor" not in watched.labels else {})}


def alert_id(rule: Rule, labels: dict[str, str | None], first_bucket: date) -> str:
    """Deterministic: the same firing has the same id in every run and on every machine."""
    return digest_id("alert", rule.id, rule.version, series_key(labels), first_bucket.isoformat())


def shown_buckets(firing: Firing, watched: Watched) -> list[date]:
    """The buckets that an alert's chart shows, the fired one last."""
    at = watched.points.buckets.index(firing.judgement.bucket)
    return list(watched.points.buckets[max(0, at - SHOWN) : at + 1])


def build_alert(rule: Rule, watched: Watched, firing: Firing, now: datetime, crowds: Crowds) -> Alert:
    """The record of a firing. `crowds` has the buckets of `shown_buckets`."""
    labels = labels_of(watched)
    return Alert(
        id=alert_id(rule, labels, firing.first_bucket), rule=rule.id, rule_version=rule.version, test=rule.test.kind,
        measure=rule.measure, series=labels, severity=rule.severity, owner=rule.owner, recipients=rule.recipients,
        first_bucket=firing.first_bucket, fired_at=now, why=tell_why(rule, watched.labels, watched.unit, firing),
        query=tell_query(rule, watched.labels, firing.judgement), unit=watched.unit,
        **_figures(watched, firing.judgement, shown_buckets(firing, watched), crowds),
    )  # fmt: skip


def _figures(watched: Watched, judgement: Judgement, shown: Sequence[date], crowds: Crowds) -> dict[str, object]:
    points = watched.points
    at = points.buckets.index(judgement.bucket)
    places = range(at + 1 - len(shown), at + 1)
    recent = tuple((points.buckets[place], _finite(points.values[place])) for place in places)
    sizes = [crowds.of(bucket, watched.key) for bucket, _ in recent]
    return {
        "bucket": judgement.bucket, "value": _finite(judgement.value), "baseline": _finite(judgement.baseline),
        "low": _finite(judgement.low), "high": _finite(judgement.high), "score": _finite(judgement.score),
        "n": judgement.n, "vendors": sizes[-1][1], "coverage": watched.coverage[at], "recent": recent,
        "recent_crowd": tuple(
            (min(int(points.n[place]), listings), vendors)
            for place, (listings, vendors) in zip(places, sizes, strict=True)
        ),
    }  # fmt: skip


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def for_sending(alert: Alert) -> Alert:
    """The alert with n as the rules of disclosure count it: listings, not offers (a listing may have many)."""
    crowd = dict(zip((bucket for bucket, _ in alert.recent), alert.recent_crowd, strict=True))
    listings, vendors = crowd.get(alert.bucket, (0, None))
    return alert.model_copy(update={"n": min(alert.n, listings), "vendors": vendors})


def find_new(rule: Rule, run: Run, judged: Iterable[Judged]) -> list[tuple[Watched, Firing]]:
    """All that a rule has to say, told already or not."""
    return [
        (one.watched, firing)
        for one in judged
        for firing in find_firings(one.judgements, rule, run.start, hold=run.hold)
    ]


def overlaps(alert: Alert, episode: Episode) -> bool:
    """Whether an alert is about an episode."""
    return alert.first_bucket <= episode.last and alert.bucket >= episode.first


def record(
    records: Records, rule: Rule, run: Run, judged: Sequence[Judged], crowds: Crowds, now: datetime, send: Send | None
) -> Changes:
    """Brings the alerts of one rule up to what its judgements say. Inside the caller's transaction."""
    changes = Changes()
    held: dict[str, list[Alert]] = {}
    for alert in records.of_rule(rule.id):
        held.setdefault(series_key(alert.series), []).append(alert)
    for one in judged:
        known = held.get(series_key(labels_of(one.watched)), [])
        firings = find_firings(one.judgements, rule, run.start, hold=run.hold)
        for firing in firings:
            told = next((alert for alert in known if overlaps(alert, firing.episode)), None)
            if told is None and not firing.again:
                alert = build_alert(rule, one.watched, firing, now, crowds)
                note = "it was so already when the rule first ran" if firing.already else ""
                tell_event(records, rule, alert, Event.FIRED, now, note, send)
                known.append(alert)
                changes.fired.append(alert)
            elif (
                told is not None and firing.again and told.state is AlertState.OPEN
                and not _said(records, rule, told, firing, one.judgements)
            ):  # fmt: skip
                alert = _brought_up(told, rule, one.watched, firing, crowds)
                tell_event(records, rule, alert, Event.FIRED_AGAIN, now, f"after {firing.again} buckets", send)
                known[known.index(told)] = alert
                changes.again.append(alert)
        _follow(records, rule, one, known, now, send, changes)
    return changes


def _brought_up(alert: Alert, rule: Rule, watched: Watched, firing: Firing, crowds: Crowds) -> Alert:
    figures = _figures(watched, firing.judgement, shown_buckets(firing, watched), crowds)
    words = {"why": tell_why(rule, watched.labels, watched.unit, firing),
             "query": tell_query(rule, watched.labels, firing.judgement)}
    return alert.model_copy(update={**figures, **words})


def _said(records: Records, rule: Rule, alert: Alert, firing: Firing, judgements: Sequence[Judgement]) -> bool:
    """Whether it was said again about that bucket, or one so near that only a late crawl lies between."""
    said = {entry.bucket for entry in records.history(alert.id) if entry.event == Event.FIRED_AGAIN.value}
    fired = [one.bucket for one in firing.episode.fired]
    at = fired.index(firing.judgement.bucket)
    return any(bucket in said for bucket in fired[at : at + (rule.refire or 1)]) or any(
        bucket is not None and bucket > judgements[-1].bucket for bucket in said
    )


def tell_event(
    records: Records, rule: Rule, alert: Alert, event: Event, now: datetime, note: str, send: Send | None
) -> None:
    """Records an event of an alert and passes it on, unless the rule is muted. The end of what nobody was told is not
    passed on either. Inside the caller's transaction."""
    unheard = event is Event.RECOVERED and _was_muted(records.history(alert.id))
    records.put(alert)
    records.note_event(alert.id, Entry(now, WHO, event.value, alert.bucket, None, note))
    if send is None:
        return
    if rule.muted_until is not None and now < rule.muted_until:
        records.note_event(alert.id, Entry(now, WHO, "muted", alert.bucket, None, f"until {rule.muted_until}"))
        return
    if unheard:
        records.note_event(alert.id, Entry(now, WHO, "muted", alert.bucket, None, "it was muted when it fired"))
        return
    send(for_sending(alert), event)


def _was_muted(history: Sequence[Entry]) -> bool:
    """Whether each time that an alert was to be said it was muted."""
    said = sum(entry.event in {Event.FIRED.value, Event.FIRED_AGAIN.value} for entry in history)
    return 0 < said <= sum(entry.event == "muted" for entry in history)


def _follow(
    records: Records, rule: Rule, one: Judged, known: Sequence[Alert], now: datetime, send: Send | None,
    changes: Changes,
) -> None:
    """Live alerts of a series: their latest true bucket, or their end."""
    episodes = find_episodes(one.judgements, rule)
    first = one.judgements[0].bucket if one.judgements else None
    for alert in known:
        if alert.state not in LIVE or first is None or alert.bucket < first:
            continue
        about = [episode for episode in episodes if overlaps(alert, episode)]
        if not about:
            over = alert.model_copy(update={"state": AlertState.RECOVERED})
            tell_event(records, rule, over, Event.RECOVERED, now, "by later crawls it was not so", send)
            changes.recovered.append(over)
            continue
        newest = about[-1]
        if newest.recovered is not None:
            over = alert.model_copy(update={"state": AlertState.RECOVERED, "bucket": max(alert.bucket, newest.last)})
            tell_event(records, rule, over, Event.RECOVERED, now, f"quiet since {newest.recovered}", send)
            changes.recovered.append(over)
        elif newest.last > alert.bucket:
            # the figures stay those that were told; the bucket says how long it has lasted
            records.put(alert.model_copy(update={"bucket": newest.last}))
            changes.lasting += 1
        else:
            changes.lasting += 1
