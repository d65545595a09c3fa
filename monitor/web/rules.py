"""Rules: the list with how they did, and one with its text."""

from __future__ import annotations

from starlette.responses import Response

from monitor.alerts.loading import load_rules
from monitor.alerts.tables import alert_row, rule_row
from monitor.web.visit import Missing, Visit

LATEST = 10


def show_all(visit: Visit) -> Response:
    """Every rule with its precision from verdicts."""
    loaded = load_rules(visit.house.settings.data_dir)
    with visit.house.records() as records:
        rows = [rule_row(one, records, visit.now) for one in loaded.rules]
    return visit.show("rules.html", rows=rows)


def show_one(visit: Visit) -> Response:
    """One rule: how it did, its settings, its latest alerts."""
    loaded = load_rules(visit.house.settings.data_dir)
    name = visit.path["id"]
    if name not in loaded.files:
        raise Missing(f"There is no rule {name!r}. The list of rules has all there are.")
    rule = loaded.find(name)
    with visit.house.records() as records:
        row = rule_row(rule, records, visit.now)
        latest = [alert_row(alert) for alert in records.select(rule=name, limit=LATEST)]
    return visit.show("rule.html", rule=rule, row=row, latest=latest, file=loaded.files[name].name)
