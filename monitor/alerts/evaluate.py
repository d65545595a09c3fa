"""Judge every rule on what the store holds now, and record and pass on what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from config.errors import DroplineError
from index.buckets import bucket_of
from index.coverage import crawl_day
from index.store import Store
from monitor.alerts.alert import Alert
from monitor.alerts.asking import Answer, Fresh, RowCache, answer_group
from monitor.alerts.crowd import Crowds, count_crowds
from monitor.alerts.judging import Judged, judge_rule
from monitor.alerts.reading import Reading
from monitor.alerts.recording import Changes, build_alert, find_new, overlaps, record, shown_buckets
from monitor.alerts.records import Records, Run, series_key
from monitor.alerts.rule import STANDING, Rule
from monitor.alerts.shape import Group, group_rules
from monitor.alerts.watched import has_regions_below, is_closed
from monitor.delivery.notice import Event
from monitor.delivery.outbox import Outbox
from monitor.state import State

LOOKBACK = {"day": 60, "week": 30}
"""Buckets judged again each time: so far back a crawl that arrives late can still raise an alert."""
MARGIN = 3
"""Buckets judged before those that matter."""
Progress = Callable[[str, int, int], None]


@dataclass
class Report:
    """What an evaluation did. `failed` has (rules, reason) of questions that could not be answered."""

    rules: int = 0
    questions: int = 0
    series: int = 0
    unchanged: int = 0
    """Rules of which nothing new was to be judged."""
    waiting: int = 0
    """Rules whose markets have no closed bucket yet."""
    changes: Changes = field(default_factory=Changes)
    failed: list[tuple[tuple[str, ...], str]] = field(default_factory=list)


def evaluate_all(
    store: Store, state: State, rules: Sequence[Rule], now: datetime, *, outbox: Outbox | None = None,
    dry: bool = False, fresh: bool = False, progress: Progress | None = None,
) -> Report:
    """Judges the closed buckets of every enabled rule at the moment `now` (aware). What fires is recorded in `state`
    and, with `outbox`, put there in the same transaction. Running it again changes nothing.

    `dry` writes nothing, `fresh` does not use remembered figures. A question that fails does not hold up the others.
    Raises StoreError where the crawls themselves cannot be read.
    """
    report = Report(rules=sum(rule.enabled for rule in rules))
    _evaluate_standing(state, rules, now, outbox, dry, report)
    with store.steady():
        _evaluate_groups(report, store, state, rules, now, outbox, dry=dry, fresh=fresh, progress=progress)
    return report


def _evaluate_groups(
    report: Report, store: Store, state: State, rules: Sequence[Rule], now: datetime, outbox: Outbox | None, *,
    dry: bool, fresh: bool, progress: Progress | None,
) -> None:
    reading = Reading(store)
    cache = RowCache(state.db)
    groups = group_rules(rule for rule in rules if rule.enabled and rule.measure not in STANDING)
    questions: set[str] = set()
    done = 0
    while done < len(groups):
        group = groups[done]
        if progress is not None:
            progress(group.shape.measure, done, len(groups))
        try:
            apart = _evaluate(reading, state, group, now, None if fresh else cache, outbox, dry, report, questions)
            groups += group_rules(apart, (rule.id for rule in apart))
        except DroplineError as error:
            report.failed.append((tuple(rule.id for rule, _ in group.members), str(error)))
        done += 1
    report.questions = len(groups)
    if not dry and not fresh and not report.failed:
        with state.writing():
            cache.clear(questions)


def _evaluate_standing(
    state: State, rules: Sequence[Rule], now: datetime, outbox: Outbox | None, dry: bool, report: Report
) -> None:
    """What waits for a person: asked of the data folder, not of the store."""
    chosen = [rule for rule in rules if rule.enabled and rule.measure in STANDING]
    if not chosen:
        return
    from monitor.alerts.standing import judge_standing  # loads the page objects' libraries

    send = None if outbox is None else partial(_put, outbox, now)
    try:
        report.changes.add(judge_standing(state, chosen, now, send, dry=dry))
    except DroplineError as error:
        report.failed.append((tuple(rule.id for rule in chosen), str(error)))


def last_closed(rule: Rule, reading: Reading, group: Group, now: datetime) -> tuple[date, date] | None:
    """First bucket of the crawls of a rule's markets and its newest closed one; None: there is none.

    Only a market that is down goes on after its last crawl: of the days since, nothing else can be said.
    """
    crawls = reading.crawls(group.where().market)
    if not crawls:
        return None
    zones = frozenset(crawl.tz for crawl in crawls)
    days = [crawl_day(crawl) for crawl in crawls]
    first = bucket_of(min(days), rule.by)
    step = timedelta(days=7 if rule.by == "week" else 1)
    bucket = bucket_of(now.date() + timedelta(days=1), rule.by)
    if rule.test.kind != "down":
        bucket = min(bucket, bucket_of(max(days), rule.by))
    while bucket >= first:
        if is_closed(rule, bucket, zones, now):
            return first, bucket
        bucket -= step
    return None


def _evaluate(
    reading: Reading, state: State, group: Group, now: datetime, cache: RowCache | None, outbox: Outbox | None,
    dry: bool, report: Report, questions: set[str],
) -> list[Rule]:
    """One question and its rules. Gives the rules that have to be asked apart."""
    spans: dict[tuple[int, bool], tuple[date, date] | None] = {}
    for rule, _ in group.members:
        if _pace(rule) not in spans:
            spans[_pace(rule)] = last_closed(rule, reading, group, now)
    due = [(rule, pins, span) for rule, pins in group.members if (span := spans[_pace(rule)]) is not None]
    report.waiting += len(group.members) - len(due)
    if not due:
        return []
    first = min(first_read(rule, span) for rule, _, span in due)
    found = answer_group(reading, group, first, max(span[1] for _, _, span in due), cache)
    if found is None:
        return []
    answer, fresh = found
    if fresh is not None:
        questions.add(fresh.question)
    keys = list(answer.cells)
    apart = [rule for rule, pins, _ in due if has_regions_below(group.shape, pins, rule, keys)]
    alone = {rule.id for rule in apart}
    place = {bucket: at for at, bucket in enumerate(answer.ask.buckets.starts)}
    content = reading.current_version() or ""
    records = Records(state)
    judged: list[tuple[Rule, Run, list[Judged]]] = []
    for rule, pins, (_, last) in due:
        if rule.id in alone:
            continue
        earlier = records.run_of(rule.id)
        run = next_run(rule, content, earlier, last, now)
        if earlier == run and fresh is not None and not fresh.rows:
            report.unchanged += 1
            continue
        changed = min(fresh.rows, default=None) if fresh is not None else date.min
        since = _since(rule, run, earlier, records, changed)
        judged.append((rule, run, judge_rule(answer, group.shape, rule, pins, place[last], since)))
    report.series += sum(len(series) for _, _, series in judged)
    crowds = _crowds(reading, group, answer, judged, records)
    if dry:
        for rule, run, series in judged:
            report.changes.fired += _untold(rule, run, series, crowds, records, now)
        return apart
    with state.writing():
        for rule, run, series in judged:
            send = None if outbox is None else partial(_put, outbox, now)
            records.note_version(rule, now)
            report.changes.add(record(records, rule, run, series, crowds, now, send))
            records.put_run(rule.id, run, now)
        if cache is not None and fresh is not None and fresh.rows:
            _remember(cache, fresh)
    return apart


def _pace(rule: Rule) -> tuple[int, bool]:
    """What the newest closed bucket of rules of one question depends on."""
    return rule.settle_hours, rule.test.kind == "down"


def _put(outbox: Outbox, now: datetime, alert: Alert, event: Event) -> None:
    outbox.put(alert, event, now)


def _remember(cache: RowCache, fresh: Fresh) -> None:
    cache.put(fresh.question, fresh.rows, fresh.oldest)


def first_read(rule: Rule, span: tuple[date, date]) -> date:
    """The first bucket that a rule needs: all of them where it asks what was never there before."""
    first, last = span
    if rule.test.kind == "first":
        return first
    return max(first, last - timedelta(days=(7 if rule.by == "week" else 1) * rule.buckets_read))


def next_run(rule: Rule, content: str, earlier: Run | None, last: date, now: datetime) -> Run:
    """How far a rule has come with this run.

    What a changed rule, or a new reading of the same data, finds in buckets judged before is history: an episode that
    lasts is said once (rule) or held (reading), unless an alert of the series has told it.
    """
    if earlier is None:
        return Run(rule.version, content, now, last, rule.on_first_run == "hold", last)
    newest = max(last, earlier.last)
    if earlier.version != rule.version:
        return Run(rule.version, content, now, earlier.last, rule.on_first_run == "hold", newest)
    if earlier.content != content:
        return Run(rule.version, content, now, earlier.last, True, newest)
    return Run(rule.version, content, earlier.began, earlier.start, earlier.hold, newest)


def _since(rule: Rule, run: Run, earlier: Run | None, records: Records, changed: date | None) -> date:
    """The first bucket that has to be judged: new ones, those that late crawls changed, those of live alerts; and as
    many before as recovery and cooldown look back on. At the first run only what is true now matters."""
    step = timedelta(days=7 if rule.by == "week" else 1)
    newest = run.last if earlier is None else min(earlier.last, run.last)
    oldest = run.last - step * LOOKBACK[rule.by]
    anchors = [newest]
    if earlier is not None:
        anchors.append(oldest if earlier.version != run.version else max(oldest, changed or newest))
    anchors += [alert.first_bucket for alert in records.of_rule(rule.id, date.max)]
    return min(anchors) - step * (rule.cooldown + rule.recovery + MARGIN)


def _crowds(
    reading: Reading, group: Group, answer: Answer, judged: Iterable[tuple[Rule, Run, list[Judged]]], records: Records
) -> Crowds:
    """Who stands behind what will be told, and behind the buckets of its chart: one question for all."""
    buckets: set[date] = set()
    for rule, run, series in judged:
        told = records.of_rule(rule.id)
        for watched, firing in find_new(rule, run, series):
            known = any(overlaps(alert, firing.episode) for alert in told if alert.series == watched.labels)
            if not known or firing.again:
                buckets.update(shown_buckets(firing, watched))
    return count_crowds(reading, group, answer.ask, buckets)


def _untold(
    rule: Rule, run: Run, series: Sequence[Judged], crowds: Crowds, records: Records, now: datetime
) -> list[Alert]:
    held: dict[str, list[Alert]] = {}
    for alert in records.of_rule(rule.id):
        held.setdefault(series_key(alert.series), []).append(alert)
    found = []
    for watched, firing in find_new(rule, run, series):
        alert = build_alert(rule, watched, firing, now, crowds)
        told = held.get(series_key(alert.series), [])
        if not firing.again and not any(overlaps(one, firing.episode) for one in told):
            found.append(alert)
    return found
