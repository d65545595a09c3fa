"""What a rule would have said, day by day, had it been running: with what was known on each day, and nothing else."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from config.errors import UsageError
from index.buckets import bucket_of
from index.coverage import crawl_day, zone_of
from index.detect.base import YEAR, TestSettings
from index.detect.first import FirstSettings
from index.detect.scoring import AlarmRate, Period, rate_of
from index.detect.series import Judgement
from index.detect.tune import Tuning, pooled_rate, tune_by
from index.measures.churn import ABSENT_DAYS
from index.store import Store
from monitor.alerts.alert import Alert, Verdict
from monitor.alerts.asking import Answer, answer_group
from monitor.alerts.crowd import Crowds
from monitor.alerts.evaluate import first_read, last_closed
from monitor.alerts.judging import Judged, judge_rule
from monitor.alerts.kinds import Test
from monitor.alerts.reading import Reading, known_since
from monitor.alerts.recording import build_alert, labels_of
from monitor.alerts.records import series_key
from monitor.alerts.rule import STANDING, Rule
from monitor.alerts.shape import Group, Pins, shape_of
from monitor.alerts.walk import Firing, find_firings
from monitor.alerts.watched import has_regions_below

MOST_STAGES = 200
"""Questions a back-test puts at most: one for each time that late crawls became known."""


@dataclass(frozen=True)
class Hit:
    """One thing the rule would have said, and when: `known_on` is the moment the bucket would have been judged."""

    alert: Alert
    known_on: datetime
    again: int
    recovered: date | None


@dataclass(frozen=True)
class Backtest:
    """Result over the buckets `first` to `last`. `rate` is of firings per series and year, `per_year` of the rule: both
    count as false what no event given explains."""

    rule: Rule
    first: date
    last: date
    version: str
    """Extractor version that read the data, for all days alike."""
    hits: tuple[Hit, ...]
    series: int
    judged: int
    skipped: int
    rate: AlarmRate
    stages: int
    """Times at which late crawls became known, plus one."""

    @property
    def per_year(self) -> float:
        return self.rate.per_year * self.series

    @property
    def bounds(self) -> tuple[float, float]:
        return self.rate.low * self.series, self.rate.high * self.series


def true_periods(alerts: Sequence[Alert]) -> dict[str, list[Period]]:
    """By series, what reviewers found to be true."""
    found: dict[str, list[Period]] = {}
    for alert in alerts:
        if alert.verdict is Verdict.TRUE:
            found.setdefault(series_key(alert.series), []).append(Period(alert.first_bucket, alert.bucket))
    return found


def backtest(
    store: Store, rule: Rule, now: datetime, *, first: date | None = None, last: date | None = None,
    told: Sequence[Alert] = (), events: Sequence[Period] = (),
) -> Backtest:  # fmt: skip
    """Runs a rule over the closed buckets between two days (default: all there are).

    Crawls that ended after the moment a bucket was to be judged are not known to it. `told` are alerts of the rule with
    verdicts, `events` what really happened to every series. UsageError: no closed bucket lies between the days.
    """
    _check_has_past(rule)
    reading = Reading(store)
    group, pins = _group(rule)
    span = last_closed(rule, reading, group, now)
    begin, end = _asked(rule, span, first, last)
    runs: dict[str, tuple[Judged, list[Judgement]]] = {}
    stages = _stages(rule, reading, group, begin, end)
    with store.steady():
        for stage_first, stage_last, known_at in stages:
            judged = _judge(Reading(store, known_at), rule, group, pins, span, begin, stage_first, stage_last)
            for one in judged:
                mine = [each for each in one.judgements if stage_first <= each.bucket <= stage_last]
                key = series_key(labels_of(one.watched))
                runs[key] = (one, [*(runs[key][1] if key in runs else []), *mine])
    hits = [hit for one, judgements in runs.values() for hit in _hits(rule, reading, group, one, judgements)]
    hits.sort(key=lambda hit: (hit.known_on, series_key(hit.alert.series)))
    confirmed = true_periods(told)
    judgements = {key: judged for key, (_, judged) in runs.items()}
    known = {key: [*events, *confirmed.get(key, ())] for key in runs}
    rate = _rate(judgements, known, rule.test.settings, rule.by, begin, end)
    said = [each for run in judgements.values() for each in run]
    return Backtest(
        rule, begin, end, reading.current_version() or "", tuple(hits), len(runs),
        sum(each.skipped is None for each in said), sum(each.skipped is not None for each in said), rate, len(stages),
    )  # fmt: skip


def tune_rule(
    store: Store, rule: Rule, per_year: float, now: datetime, *, told: Sequence[Alert] = (),
    events: Sequence[Period] = (),
) -> Tuning:  # fmt: skip
    """A setting of the rule's test that gives `per_year` false alarms a year over all its series together."""
    _check_has_past(rule)
    reading = Reading(store)
    group, pins = _group(rule)
    span = last_closed(rule, reading, group, now)
    begin, end = _asked(rule, span, None, None)
    answer, group, pins = _answer(reading, rule, group, pins, span, begin, end)
    place = answer.ask.buckets.starts.index(end)
    confirmed = true_periods(told)
    first = judge_rule(answer, group.shape, _whole(rule, answer), pins, place)
    if not first:
        raise UsageError(f"{rule.id} has no series to tune on.", remedy="Look at: dropline alerts test RULE")

    def run(settings: TestSettings) -> AlarmRate:
        changed = _whole(rule.model_copy(update={"test": Test(settings=settings)}), answer)
        judged = judge_rule(answer, group.shape, changed, pins, place)
        runs = {series_key(labels_of(one.watched)): one.judgements for one in judged}
        known = {key: [*events, *confirmed.get(key, ())] for key in runs}
        return _rate(runs, known, settings, rule.by, begin, end).together(max(1, len(runs)))

    return tune_by(run, rule.test.settings, per_year, [one.watched.points.values for one in first])


def _rate(
    runs: Mapping[str, Sequence[Judgement]], known: Mapping[str, Sequence[Period]], settings: TestSettings,
    by: str, begin: date, end: date,
) -> AlarmRate:  # fmt: skip
    """False alarms per series and year; `known` is what really happened, by series."""
    rate = pooled_rate(list(runs.values()), [known[key] for key in runs])
    if not isinstance(settings, FirstSettings):
        return rate
    # only what appears is judged: a value that does not appear is quiet all the time after the burn-in
    days = (end - begin).days + (7 if by == "week" else 1) - settings.burn_in_days
    return rate_of(rate.alarms, max(days, 1) / YEAR * max(1, len(runs)))


def _check_has_past(rule: Rule) -> None:
    if rule.measure in STANDING:
        raise UsageError(
            f"{rule.id} is about what waits now ({rule.measure}); of the past nothing is kept to test it on.",
            remedy="dropline alerts run --dry shows what it would say now.",
        )


def _group(rule: Rule, *, apart: bool = False) -> tuple[Group, Pins]:
    shape, pins = shape_of(rule, apart=apart)
    return Group(shape, [(rule, pins)]), pins


def _asked(
    rule: Rule, span: tuple[date, date] | None, first: date | None, last: date | None
) -> tuple[date, date]:  # fmt: skip
    if span is None:
        raise UsageError(
            f"{rule.id}: there is no closed {rule.by} with a crawl of its markets.", remedy="Crawl or import first."
        )
    begin = max(span[0], bucket_of(first, rule.by)) if first else span[0]
    end = min(span[1], bucket_of(last, rule.by)) if last else span[1]
    if begin > end:
        raise UsageError(
            f"No closed {rule.by} lies between those days.", remedy=f"The data has {span[0]} to {span[1]}."
        )
    return begin, end


def _whole(rule: Rule, answer: Answer) -> Rule:
    """The rule with a history that reaches back to the beginning of the answer."""
    return rule.model_copy(update={"history": max(10, len(answer.ask.buckets))})


def _moment(rule: Rule, reading: Reading, group: Group, bucket: date) -> datetime:
    """When a bucket is judged, UTC: in the last zone of the rule's markets."""
    zones = {crawl.tz for crawl in reading.crawls(group.where().market)}
    close = rule.close_of(bucket)
    return max(close.replace(tzinfo=zone_of(zone)) for zone in zones).astimezone(UTC)


def _stages(
    rule: Rule, reading: Reading, group: Group, begin: date, end: date
) -> list[tuple[date, date, datetime]]:  # fmt: skip
    """Runs of buckets for which the same late crawls were known: (first, last, moment)."""
    step = timedelta(days=7 if rule.by == "week" else 1)
    buckets = [begin + step * number for number in range((end - begin) // step + 1)]
    moments = {bucket: _moment(rule, reading, group, bucket) for bucket in buckets}
    late = sorted({
        known_since(crawl) for crawl in reading.crawls(group.where().market)
        if known_since(crawl) > _moment(rule, reading, group, bucket_of(crawl_day(crawl), rule.by))
    })  # fmt: skip
    found: list[tuple[date, date, datetime]] = []
    held = -1
    for bucket in buckets:
        known = bisect_right(late, moments[bucket])
        if found and known == held:
            found[-1] = (found[-1][0], bucket, moments[bucket])
        else:
            found.append((bucket, bucket, moments[bucket]))
        held = known
    if len(found) > MOST_STAGES:
        raise UsageError(
            f"Late crawls became known {len(found) - 1} times in those days; {MOST_STAGES} are the limit.",
            remedy="Give fewer days with --from and --to.",
        )
    return found


def _answer(
    reading: Reading, rule: Rule, group: Group, pins: Pins, span: tuple[date, date] | None, begin: date, end: date
) -> tuple[Answer, Group, Pins]:
    assert span is not None
    first = first_read(rule, (span[0], begin))
    found = answer_group(reading, group, first, end)
    if found is not None and has_regions_below(group.shape, pins, rule, list(found[0].cells)):
        group, pins = _group(rule, apart=True)
        found = answer_group(reading, group, first, end)
    if found is None:
        raise UsageError(f"{rule.id}: its markets had no crawl then.", remedy="Give a later --from.")
    return found[0], group, pins


def _judge(
    reading: Reading, rule: Rule, group: Group, pins: Pins, span: tuple[date, date] | None, begin: date,
    first: date, last: date,
) -> list[Judged]:
    if not reading.crawls(group.where().market):
        return []
    answer, group, pins = _answer(reading, rule, group, pins, span, begin, last)
    whole = _whole(rule, answer)
    return judge_rule(answer, group.shape, whole, pins, answer.ask.buckets.starts.index(last), first)


def _hits(rule: Rule, reading: Reading, group: Group, one: Judged, judgements: Sequence[Judgement]) -> list[Hit]:
    delay = timedelta(days=ABSENT_DAYS) if rule.measure == "withdrawn" else timedelta()
    found = []
    firings: list[Firing] = find_firings(judgements, rule, None)
    for firing in firings:
        alert = build_alert(rule, one.watched, firing, _moment(rule, reading, group, firing.judgement.bucket), Crowds())
        found.append(Hit(alert, alert.fired_at + delay, firing.again, firing.episode.recovered))
    return found
