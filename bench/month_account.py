"""The account of bench/service_month.py: what should be there, worked out from the final store, and what is."""

from __future__ import annotations

import json
import statistics
import uuid
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from lxml import etree
from month_runs import RECEIVED
from schedule_month import Due, Month, hold_against

from config.settings import Settings
from crawler.items import Crawl
from crawler.log import is_finished
from index.coverage import crawl_day
from index.measures import trends
from index.open import open_store
from index.store import Filter, Store
from monitor.alerts.alert import Alert, AlertState
from monitor.alerts.backtest import Hit, backtest
from monitor.alerts.loading import load_rules
from monitor.alerts.records import Records, series_key
from monitor.alerts.rule import Rule
from monitor.alerts.walk import LASTING
from monitor.crawling import find_unstored
from monitor.delivery.atom import _SPACE, NAMESPACE
from monitor.delivery.notice import Event
from monitor.delivery.outbox import Outbox, message_id
from monitor.held import iter_held
from monitor.schedule.ledger import Ledger, Run, RunState
from monitor.state import State, state_path

MARKETS = ("postal", "stash")


def account(
    month: Month, due: Due, first: datetime, last: datetime, grace: timedelta, enough: timedelta
) -> dict[str, Any]:
    """Everything against everything; `faults` counts what must not be."""
    settings = Settings(data_dir=month.folder)
    store = open_store(settings.store_url)
    try:
        held = {one.crawl for one in iter_held(month.folder)}
        known = Counter(one.id for one in store.crawls())
        known.update(held)

        def ends_of(run: Run) -> int:
            return known[str(run.result.get("crawl"))] if run.job.startswith("crawl:") else 1

        told = hold_against(month, due, first, last, ends_of, grace, enough)
        told["runs killed"] = dict(sorted(month.killed.items()))
        with State(state_path(month.folder)) as state:
            parts = {
                "crawls": account_crawls(settings, store, Ledger(state), first, last, held),
                "alerts": account_alerts(settings, store, state),
                "messages": account_messages(month.folder, state),
            }
    finally:
        store.close()
    told |= parts
    told["faults"] += sum(one["faults"] for one in parts.values())
    return told


def account_crawls(
    settings: Settings, store: Store, ledger: Ledger, first: datetime, last: datetime, held: set[str]
) -> dict[str, Any]:
    """Every day of every market is told, or a gap that says why; no crawl stays between its log and the store."""
    count: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    begun, until = first.date(), last.date() - timedelta(days=1)
    for market in MARKETS:
        crawls = store.crawls(market=(market,))
        outcomes.update(str(one.outcome) for one in crawls)
        known = {one.id for one in crawls} | held
        count["ended crawls not in the store"] += len(find_unstored(settings.logs_dir, market, known))
        logs = list((settings.logs_dir / market).glob("*.jsonl"))
        count["crawls never ended"] += sum(not is_finished(log) for log in logs if log.stat().st_size)
        good = {crawl_day(one) for one in crawls if one.coverage and one.coverage[0].complete_enough}
        runs = ledger.runs(f"crawl:{market}", 100_000)
        for row in trends(store, "listings", Filter(market=(market,), first=begun, last=until), by="day"):
            count["days"] += 1
            if row.value is not None:
                count["days told"] += 1
                count["days told without a whole crawl"] += row.bucket not in good
                continue
            count["days declared a gap"] += 1
            count["gaps without a reason"] += not row.reason
            count["gaps in spite of a whole crawl"] += row.bucket in good
            count["gaps that nobody can explain"] += not _explained(row.bucket, crawls, runs)
    faults = (
        "ended crawls not in the store", "days told without a whole crawl", "gaps without a reason",
        "gaps in spite of a whole crawl", "gaps that nobody can explain",
    )  # fmt: skip
    told: dict[str, Any] = {name: count[name] for name in ("days", "days told", "days declared a gap", *faults)}
    told |= {"crawls never ended": count["crawls never ended"], "held": len(held), "outcomes": dict(outcomes)}
    return {**told, "faults": sum(count[name] for name in faults)}


def _explained(day: date, crawls: list[Crawl], runs: list[Run]) -> bool:
    """A crawl that saw less, or a run of that day that was not a crawl of that day: missed, skipped, failed, late."""
    if any(crawl_day(one) == day for one in crawls):
        return True
    done = (RunState.DONE, RunState.PARTIAL)
    day_of = {one.id: crawl_day(one) for one in crawls}
    for run in runs:
        same = run.due.date() == day
        made_up_for = run.coalesced and run.due.date() - timedelta(days=run.coalesced) <= day < run.due.date()
        # the crawl of a run that waited, or was started again after a kill, may have begun after midnight
        late = day_of.get(str(run.result.get("crawl")), day) != day
        if made_up_for or (same and (run.state not in done or late or not run.result.get("listings"))):
            return True
    return False


def account_alerts(settings: Settings, store: Store, state: State) -> dict[str, Any]:
    """What a back-test finds that knows of each day what was known then, against what was recorded."""
    records = Records(state)
    count: Counter[str] = Counter()
    delays: list[float] = []
    missing: list[str] = []
    for rule in load_rules(settings.data_dir).rules:
        run, recorded = records.run_of(rule.id), records.of_rule(rule.id)
        count["recorded"] += len(recorded)
        if run is None:
            count["rules that never ran"] += 1
            continue
        (ran,) = state.db.execute("SELECT ran FROM alert_run WHERE rule = ?", (rule.id,)).fetchone()
        used: set[str] = set()
        for hit in backtest(store, rule, datetime.fromisoformat(ran)).hits:
            if not _counts(hit, rule, run.start):
                continue
            count["found by the back-test"] += 1
            same = next((one for one in recorded if one.id == hit.alert.id), None) or next(
                (one for one in recorded if _about(one, hit)), None
            )
            if same is None:
                missing.append(f"{rule.id} {series_key(hit.alert.series)} {hit.alert.first_bucket}")
                continue
            used.add(same.id)
            count["under the very id"] += same.id == hit.alert.id
            delays.append((same.fired_at - hit.known_on) / timedelta(hours=1))
            if hit.recovered is not None and rule.test.kind not in LASTING:
                count["over by the back-test"] += 1
                count["of them recovered"] += same.state is AlertState.RECOVERED
        count["recorded beyond the back-test"] += sum(one.id not in used for one in recorded)
    said = Counter(row[0] for row in state.db.execute("SELECT event FROM alert_history"))
    names = ("found by the back-test", "recorded", "under the very id", "recorded beyond the back-test",
             "over by the back-test", "of them recovered", "rules that never ran")  # fmt: skip
    told: dict[str, Any] = {name: count[name] for name in names}
    told |= {"lost": len(missing), "which": missing[:20], "events": dict(sorted(said.items()))}
    if delays:
        told["hours late, median and most"] = [round(statistics.median(delays), 1), round(max(delays), 1)]
    return {**told, "faults": len(missing) + count["rules that never ran"]}


def _counts(hit: Hit, rule: Rule, start: date) -> bool:
    """Whether a service that began with `start` as the newest closed day had to say it."""
    if hit.again:
        return False
    if hit.alert.first_bucket > start:
        return True
    lasts = hit.recovered is None or hit.recovered > start
    return lasts and rule.test.kind not in LASTING


def _about(alert: Alert, hit: Hit) -> bool:
    """Whether a record is about the stretch of days of a hit. Crawls that came late may move its first day."""
    same = series_key(alert.series) == series_key(hit.alert.series)
    end = hit.recovered or date.max
    return same and alert.first_bucket <= end and alert.bucket >= hit.alert.first_bucket


def account_messages(folder: Path, state: State) -> dict[str, Any]:
    """Every event recorded, at every recipient at least once; what came twice came under one id."""
    records = Records(state)
    lines = [json.loads(line) for line in _whole_lines(folder / RECEIVED)]
    got = Counter(each for line in lines for each in line["members"])
    contents: dict[str, set[str]] = {}
    carriers: dict[tuple[str, str], set[str]] = {}
    for line in lines:
        contents.setdefault(line["id"], set()).add(line["content"])
        for each in line["members"]:
            carriers.setdefault((line["how"], each), set()).add(line["id"])
    alerts = {one.id: one for one in records.select()}
    wanted: dict[str, tuple[str, str]] = {}
    for alert, event, bucket in state.db.execute("SELECT alert, event, bucket FROM alert_history"):
        if event in set(Event):
            for channel in alerts[alert].recipients:
                wanted[message_id(alert, Event(event), bucket, channel)] = (channel, alert)
    feed = _entries(folder / "feed.atom")
    sent = [each for each, (channel, _) in wanted.items() if channel != "feed"]
    in_feed = {alert for channel, alert in wanted.values() if channel == "feed"}
    bodies = Counter(content for one in contents.values() for content in one)
    health = Outbox(state).health()
    faults = {
        "lost": sum(got[each] == 0 for each in sent),
        "missing in the feed": sum(uuid.uuid5(_SPACE, f"alert {alert}").urn not in feed for alert in in_feed),
        "received but never recorded": len(set(got) - set(wanted)),
        "one id with two contents": sum(len(one) > 1 for one in contents.values()),
        "one message in two digests": sum(len(one) > 1 for one in carriers.values()),
        "one content under two ids": sum(count - 1 for count in bodies.values()),
        "parked": sum(one.parked for one in health),
        "still pending": sum(one.pending for one in health),
    }
    return {
        "wanted": len(sent),
        "received": len(got),
        "of them in digests": len({each for line in lines for each in line["members"] if each != line["id"]}),
        "received more than once, under one id": sum(count > 1 for count in got.values()),
        "most times": max(got.values(), default=0),
        "attempts": state.db.execute("SELECT sum(attempts) FROM outbox").fetchone()[0],
        **faults,
        "faults": sum(faults.values()),
    }


def _whole_lines(path: Path) -> list[bytes]:
    """A receiver killed while it wrote leaves a broken line: it never said that it had that message."""
    found = path.read_bytes().split(b"\n") if path.exists() else []
    return [line for line in found if line.startswith(b"{") and line.endswith(b"}")]


def _entries(path: Path) -> set[str]:
    if not path.exists():
        return set()
    return {str(one.text) for one in etree.parse(str(path)).iter(f"{{{NAMESPACE}}}id")}
