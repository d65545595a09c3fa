"""Rules about what stands now and waits for a person: a crawl that is not accepted, a market that is paused, words and
field values that nobody has reviewed.

There is no series and no statistics: each such fact is one alert, told when it is first seen, over when it is gone. It
describes crawls and vocabularies and nobody else, so nothing of it is withheld; the words themselves are not told.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

from extract.observation import digest_id
from monitor.alerts.alert import Alert, AlertState
from monitor.alerts.recording import Changes, Send, tell_event
from monitor.alerts.records import LIVE, Records, Run
from monitor.alerts.rule import Rule
from monitor.delivery.notice import Event
from monitor.held import iter_held
from monitor.operator_values import FIELDS
from monitor.review_signals import REPEATED
from monitor.state import State

NOTHING_READ = "standing"
"""In the place of an extractor's version: these rules read nothing that depends on one."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that waits. `key` tells it from a later one like it, `todo` is the command to begin with."""

    market: str
    key: str
    since: datetime
    why: str
    todo: str
    crawl: str | None = None

    @property
    def series(self) -> dict[str, str | None]:
        return {"market": self.market, **({} if self.crawl is None else {"crawl": self.crawl})}


def find_facts(measure: str, state: State, since: datetime, now: datetime) -> list[Fact]:
    """All that stands at `now`; of words and values (`unreviewed`) those that came up after `since`, on days that are
    over. Raises InputError where the mark of a held crawl cannot be read."""
    if measure == "unreviewed":
        return _find_unreviewed(state, since, now)
    return _find_held(state.path.parent) if measure == "held" else _find_paused(state)


def _find_held(data_dir: Path) -> list[Fact]:
    return [
        Fact(
            one.market, one.crawl, one.since.astimezone(UTC),
            f"{one.crawl} ({one.listings} listings) is not accepted and kept aside; until somebody has looked, the data"
            f" of {one.market} stays as it was before. " + " ".join(f"{reason.text}." for reason in one.reasons),
            shlex.join(["dropline", "market", "held", one.crawl]), one.crawl,
        )
        for one in iter_held(data_dir)
    ]  # fmt: skip


def _find_paused(state: State) -> list[Fact]:
    return [
        Fact(
            one.market, one.since.isoformat(), one.since.astimezone(UTC),
            f"{one.market} is paused since {one.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC and is not crawled: "
            f"{one.reason}.",
            shlex.join(["dropline", "session", "set", one.market]),
        )
        for one in state.pauses()
    ]  # fmt: skip


def _find_unreviewed(state: State, since: datetime, now: datetime) -> list[Fact]:
    """By market and day (UTC) what was first seen in a second listing then: one alone is mostly a slip of the pen."""
    rows = state.db.execute(
        "SELECT l.market, t.term, t.rule, l.first_seen FROM review_term t JOIN review_listing l ON l.term = t.term"
        " WHERE t.status = 'open' ORDER BY l.market, t.term, l.first_seen, l.listing"
    )
    found: dict[tuple[str, date], list[tuple[datetime, bool]]] = defaultdict(list)
    for (market, _), group in groupby(rows, key=itemgetter(0, 1)):
        second = next(islice(group, REPEATED - 1, None), None)
        moment = None if second is None else datetime.fromisoformat(second[3]).astimezone(UTC)
        if second is not None and moment is not None and moment > since and moment.date() < now.astimezone(UTC).date():
            found[market, moment.date()].append((moment, second[2] in FIELDS))
    facts = []
    for (market, day), terms in sorted(found.items()):
        values = sum(is_value for _, is_value in terms)
        counts = ((len(terms) - values, "words"), (values, "field values"))
        named = " and ".join(f"{count} {what}" for count, what in counts if count)
        why = f"{named} that no table knows came up in a second listing of {market} on {day} (UTC)."
        facts.append(Fact(market, day.isoformat(), min(terms)[0], why, "dropline review"))
    return facts


def judge_standing(
    state: State, rules: Iterable[Rule], now: datetime, send: Send | None = None, *, dry: bool = False
) -> Changes:
    """Brings the alerts of such rules up to what stands at `now` (aware), each rule in a transaction of its own.
    Running it again changes nothing. `dry` writes nothing."""
    changes, records = Changes(), Records(state)
    for rule in rules:
        if dry:
            run = _run(records, rule, now)
            fresh = _fresh(records, rule, _wanted(rule, state, run, now), run)
            changes.fired += [_alert(rule, fact, now) for fact in fresh]
            continue
        with state.writing():
            run = _run(records, rule, now)
            _record(records, rule, run, _wanted(rule, state, run, now), now, send, changes)
    return changes


def _wanted(rule: Rule, state: State, run: Run, now: datetime) -> list[Fact]:
    facts = find_facts(rule.measure, state, run.began, now)
    return [fact for fact in facts if not rule.filter.market or fact.market in rule.filter.market]


def _run(records: Records, rule: Rule, now: datetime) -> Run:
    earlier, today = records.run_of(rule.id), now.astimezone(UTC).date()
    if earlier is None:
        return Run(rule.version, NOTHING_READ, now, today, rule.on_first_run == "hold", today)
    return Run(rule.version, NOTHING_READ, earlier.began, earlier.start, earlier.hold, max(today, earlier.last))


def _fresh(records: Records, rule: Rule, facts: list[Fact], run: Run) -> list[Fact]:
    """Facts that were not told and are to be."""
    told = {alert.id for alert in records.of_rule(rule.id)}
    return [
        fact for fact in facts if _id(rule, fact) not in told and not (run.hold and fact.since <= run.began)
    ]


def _id(rule: Rule, fact: Fact) -> str:
    """Of the fact and not of the rule's version: what has been told is not told anew because a recipient was added."""
    return digest_id("alert", rule.id, rule.measure, fact.market, fact.key)


def _alert(rule: Rule, fact: Fact, now: datetime) -> Alert:
    day = fact.since.date()
    return Alert(
        id=_id(rule, fact), rule=rule.id, rule_version=rule.version, test=rule.test.kind, measure=rule.measure,
        series=fact.series, severity=rule.severity, owner=rule.owner, recipients=rule.recipients, first_bucket=day,
        bucket=day, fired_at=now, value=None, why=f"{rule.title}: {fact.why}", query=fact.todo,
    )  # fmt: skip


def _record(
    records: Records, rule: Rule, run: Run, facts: list[Fact], now: datetime, send: Send | None, changes: Changes
) -> None:
    records.note_version(rule, now)
    for fact in _fresh(records, rule, facts, run):
        alert = _alert(rule, fact, now)
        tell_event(records, rule, alert, Event.FIRED, now, "", send)
        changes.fired.append(alert)
    standing = {_id(rule, fact) for fact in facts}
    fired = {alert.id for alert in changes.fired}
    today = now.astimezone(UTC).date()
    for alert in records.of_rule(rule.id):
        if alert.state not in LIVE or alert.id in fired:
            continue
        lasted = (today - alert.bucket).days
        if alert.id not in standing:
            over = alert.model_copy(update={"state": AlertState.RECOVERED, "bucket": max(today, alert.bucket)})
            tell_event(records, rule, over, Event.RECOVERED, now, "it no longer stands", send)
            changes.recovered.append(over)
        elif rule.refire is not None and alert.state is AlertState.OPEN and lasted >= rule.refire:
            again = alert.model_copy(update={"bucket": today})
            tell_event(records, rule, again, Event.FIRED_AGAIN, now, f"after {lasted} days", send)
            changes.again.append(again)
        else:
            changes.lasting += 1
    records.put_run(rule.id, run, now)
