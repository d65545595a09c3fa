"""Alerts, rules and back-tests as rows and sentences: for the command, the dashboard and the API."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from config.errors import UsageError
from monitor.alerts.alert import Alert, AlertState
from monitor.alerts.loading import Loaded
from monitor.alerts.records import LIVE, Records
from monitor.alerts.rule import Rule

if TYPE_CHECKING:
    from monitor.alerts.backtest import Backtest, Hit


def alert_row(alert: Alert) -> dict[str, Any]:
    """An alert as a line of a table, everything of it that an analyst may see."""
    return {
        "id": alert.id, "rule": alert.rule, "series": ", ".join(f"{k}={v}" for k, v in alert.series.items()),
        "bucket": alert.bucket.isoformat(), "first_bucket": alert.first_bucket.isoformat(), "state": alert.state.value,
        "severity": alert.severity.value, "value": alert.value, "baseline": alert.baseline, "low": alert.low,
        "high": alert.high, "n": alert.n, "vendors": alert.vendors, "coverage": alert.coverage,
        "verdict": alert.verdict and alert.verdict.value, "why": alert.why,
    }  # fmt: skip


def states_named(name: str) -> tuple[AlertState, ...]:
    """The states that a person means by a word: `live`, `all` (empty), or one of them. UsageError for another."""
    names = ["live", "all", *(one.value for one in AlertState)]
    if name not in names:
        raise UsageError(f"{name!r} is no state.", remedy=f"Use one of {', '.join(names)}.")
    return LIVE if name == "live" else () if name == "all" else (AlertState(name),)


def rule_row(rule: Rule, records: Records, now: datetime) -> dict[str, Any]:
    """A rule as a line of a table, with how it did."""
    did, run = records.precision(rule.id, now), records.run_of(rule.id)
    return {
        "id": rule.id, "title": rule.title, "measure": rule.measure, "test": rule.test.kind, "by": rule.by,
        "severity": rule.severity.value, "owner": rule.owner, "enabled": rule.enabled,
        "muted_until": rule.muted_until and rule.muted_until.isoformat(), "version": rule.version,
        "judged_to": run and run.last.isoformat(), "alerts": did.alerts, "live": did.live, "true": did.true,
        "false": did.false, "unclear": did.unclear, "precision": did.share,
        "over_budget": did.false_last_year > rule.budget,
    }  # fmt: skip


def whole_rule(loaded: Loaded, name: str) -> dict[str, Any]:
    """A rule with all its settings, its version and file."""
    rule = loaded.find(name)
    return {**rule.model_dump(mode="json"), "version": rule.version, "file": loaded.files[name].name}


def whole_alert(records: Records, alert: Alert) -> dict[str, Any]:
    """An alert with its history and the rule as it was then."""
    text = records.rule_text(alert.rule, alert.rule_version)
    history = [
        {"at": one.at.isoformat(), "who": one.who, "event": one.event,
         "bucket": one.bucket and one.bucket.isoformat(), "verdict": one.verdict, "note": one.note}
        for one in records.history(alert.id)
    ]  # fmt: skip
    return {**alert.model_dump(mode="json"), "history": history, "rule_text": json.loads(text) if text else None}


def hit_row(hit: Hit) -> dict[str, Any]:
    """One thing a rule would have said, as a line of a table."""
    shown = alert_row(hit.alert)
    return {
        "known_on": hit.known_on.isoformat(timespec="minutes"), "bucket": shown["bucket"], "series": shown["series"],
        "again": hit.again, "recovered": hit.recovered and hit.recovered.isoformat(),
        **{field: shown[field] for field in ("value", "baseline", "low", "high", "n", "coverage", "why")},
        "query": hit.alert.query,
    }  # fmt: skip


def tell_backtest(done: Backtest) -> str:
    """What was judged, and the false alarms to expect."""
    return (
        f"{done.first} to {done.last}, {done.series} series, {done.judged} judged and {done.skipped} skipped; "
        f"{tell_expected(done)} Read by extractor {done.version}."
    )


def tell_expected(done: Backtest) -> str:
    """The false alarms to expect, in words."""
    if not done.judged:
        return "no bucket could be judged, so nothing can be said about false alarms."
    low, high = done.bounds
    over = " More than its budget." if done.per_year > done.rule.budget else ""
    return (
        f"{done.rate.alarms} firings that no event explains, {done.per_year:.2g} a year "
        f"(95 % interval {low:.2g} to {high:.2g}).{over}")
