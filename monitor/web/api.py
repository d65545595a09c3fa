"""The same answers for programs, as JSON (or, `format=csv`, as a table). docs/dashboard.md has the addresses."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from config.errors import UsageError
from monitor.alerts.loading import load_rules
from monitor.alerts.tables import alert_row, rule_row, states_named, whole_alert
from monitor.question import read_trend
from monitor.status import COUNTED, build_status
from monitor.web.answering import answer
from monitor.web.users import Role
from monitor.web.visit import Missing, Visit, as_csv, as_json

MOST_ALERTS = 10_000


def trends(visit: Visit) -> Response:
    """The rows of `dropline trends MEASURE --format json`; options by their names in the command."""
    options = {name: values for name, values in visit.query.items() if name != "format"}
    trend = read_trend(visit.path["measure"], options)
    with visit.house.store() as store:
        rows = answer(store, trend, whole=visit.may(Role.ANALYST), now=visit.now)
    return _rows(visit, rows, f"dropline-{trend.measure}")


def status(visit: Visit) -> Response:
    """`dropline status`, all parts in one object. Files, addresses and single crawls are for analysts."""
    found = build_status(visit.house.settings, visit.house.store, visit.now)
    if visit.may(Role.ANALYST):
        parts = {"needs": found.needs, "reasons": found.reasons, "warnings": found.warnings}
        return as_json({"markets": found.markets, "jobs": found.jobs, "failing": bool(found.reasons), **parts})
    markets = [{name: value for name, value in row.items() if name != COUNTED} for row in found.markets]
    return as_json({"markets": markets, "failing": bool(found.reasons)})


def alerts(visit: Visit) -> Response:
    """The rows of `dropline alerts list --fired`: `state`, `rule`, `limit`."""
    _only(visit, "state", "rule", "limit", "format")
    text = visit.asked("limit", str(MOST_ALERTS))
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and int(text)):
        raise UsageError(f"limit {text!r} is no number.", remedy="Give a whole number above 0.")
    with visit.house.records() as records:
        found = records.select(
            states=states_named(visit.asked("state", "live")), rule=visit.asked("rule") or None,
            limit=min(int(text), MOST_ALERTS),
        )  # fmt: skip
    return _rows(visit, [alert_row(alert) for alert in found], "dropline-alerts")


def alert(visit: Visit) -> Response:
    """`dropline alerts show ID --format json`."""
    with visit.house.records() as records:
        try:
            found = records.find(visit.path["id"])
        except UsageError as error:
            raise Missing(str(error)) from error
        return as_json(whole_alert(records, found))


def rules(visit: Visit) -> Response:
    """`dropline alerts list --format json`."""
    _only(visit, "format")
    loaded = load_rules(visit.house.settings.data_dir)
    with visit.house.records() as records:
        return _rows(visit, [rule_row(one, records, visit.now) for one in loaded.rules], "dropline-rules")


def _only(visit: Visit, *known: str) -> None:
    for name in visit.query:
        if name not in known:
            raise UsageError(f"'{name}' is no parameter here.", remedy=f"Known: {', '.join(known)}.")


def _rows(visit: Visit, rows: list[dict[str, Any]], name: str) -> Response:
    form = visit.asked("format", "json")
    if form not in {"json", "csv"}:
        raise UsageError(f"format {form!r} is not known.", remedy="Use json or csv.")
    return as_csv(rows, name) if form == "csv" else as_json(rows)
