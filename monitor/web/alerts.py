"""What fired: the list, one alert with its evidence, and what people decide about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from config.errors import StoreError, UsageError
from monitor import charts
from monitor.alerts.alert import Alert, AlertState, Verdict
from monitor.alerts.evidence import evidence_rows
from monitor.alerts.loading import load_rules
from monitor.alerts.records import LIVE, Records
from monitor.alerts.tables import alert_row, states_named, whole_alert
from monitor.web.render import drawing
from monitor.web.search import MOST_PAGES, ROW, ROWS_A_PAGE
from monitor.web.visit import Missing, Visit

A_PAGE = 50
STATES = ("live", "all", *(one.value for one in AlertState))
MOST_NOTE = 2_000


def show_all(visit: Visit) -> Response:
    """By state and rule, the newest first."""
    state, rule, page = visit.asked("state", "live"), visit.asked("rule"), visit.page_number()
    with visit.house.records() as records:
        found = records.select(states=states_named(state), rule=rule or None, limit=page * A_PAGE + 1)
    rows = [alert_row(alert) for alert in found[(page - 1) * A_PAGE : page * A_PAGE]]
    return visit.show(
        "alerts.html", rows=rows, state=state, rule=rule, states=STATES, page=page, more=len(found) > page * A_PAGE
    )


def show_one(visit: Visit) -> Response:
    """Figures, chart, the observations behind it, history, and the forms of an operator."""
    with visit.house.records() as records:
        alert = _find(records, visit)
        whole = whole_alert(records, alert)
        page, rows, problem = min(visit.page_number(), MOST_PAGES), [], ""
        try:
            with visit.house.store() as store:
                rows = evidence_rows(store, records, alert, page * ROWS_A_PAGE + 1)
        except StoreError as error:  # the record itself is in another file
            problem = str(error)
    known = load_rules(visit.house.settings.data_dir).files if not problem else {}
    return visit.show(
        "alert.html", alert=alert, shown=alert_row(alert), history=whole["history"], rule_text=whole["rule_text"],
        chart=_draw(alert), rows=_page(rows, page), page=page, more=len(rows) > page * ROWS_A_PAGE, columns=ROW,
        problem=problem, live=alert.state in LIVE, verdicts=[one.value for one in Verdict], known=alert.rule in known,
        week=(visit.now + timedelta(days=7)).date(),
    )  # fmt: skip


def _page(rows: list[dict[str, Any]], page: int) -> list[dict[str, Any]]:
    return rows[(page - 1) * ROWS_A_PAGE : page * ROWS_A_PAGE]


def _draw(alert: Alert) -> Any:
    unit = alert.unit or alert.measure
    chart = charts.draw_alert(alert.recent, alert.bucket, alert.baseline, unit=unit, axis="right")
    return None if chart is None else drawing(charts.as_svg(chart))


def acknowledge(visit: Visit) -> Response:
    """Somebody looks after it."""
    return _decide(visit, AlertState.ACKNOWLEDGED, None)


def dismiss(visit: Visit) -> Response:
    """Closes it with a verdict."""
    verdict = visit.given("verdict")
    if verdict not in [one.value for one in Verdict]:
        raise UsageError(f"{verdict!r} is no verdict.", remedy="Use true, false or unclear.")
    return _decide(visit, AlertState.DISMISSED, Verdict(verdict))


def _decide(visit: Visit, state: AlertState, verdict: Verdict | None) -> Response:
    note = visit.given("note")
    if len(note) > MOST_NOTE:
        raise UsageError(f"The note has {len(note)} characters; {MOST_NOTE} are the limit.", remedy="Shorten it.")
    with visit.house.records() as records:
        alert = _find(records, visit)
        records.decide(alert.id, state, visit.who.name, visit.now, verdict=verdict, note=note)
    return visit.go(f"/alerts/{alert.id}")


def _find(records: Records, visit: Visit) -> Alert:
    try:
        return records.find(visit.path["id"])
    except UsageError as error:
        raise Missing(str(error)) from error
