"""Rules: the list with how they did, one with its text; muted, switched off and on."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from config.errors import UsageError
from monitor.alerts.editing import change_rule, set_key, source_of
from monitor.alerts.loading import load_rules
from monitor.alerts.tables import alert_row, rule_row
from monitor.question import parse_day
from monitor.web.visit import Missing, Visit

LATEST = 10
MOST_MUTED = timedelta(days=366)


def show_all(visit: Visit) -> Response:
    """Every rule with its precision from verdicts."""
    loaded = load_rules(visit.house.settings.data_dir)
    with visit.house.records() as records:
        rows = [rule_row(one, records, visit.now) for one in loaded.rules]
    return visit.show("rules.html", rows=rows)


def show_one(visit: Visit) -> Response:
    """One rule: how it did, its text, its latest alerts."""
    loaded = load_rules(visit.house.settings.data_dir)
    name = known_rule(visit)
    rule = loaded.find(name)
    with visit.house.records() as records:
        row = rule_row(rule, records, visit.now)
        latest = [alert_row(alert) for alert in records.select(rule=name, limit=LATEST)]
    try:
        source, problem = source_of(visit.house.settings.data_dir, name), ""
    except UsageError as error:
        source, problem = None, str(error)
    return visit.show(
        "rule.html", rule=rule, row=row, latest=latest, file=loaded.files[name].name, source=source, problem=problem,
        muted=rule.muted_until is not None and rule.muted_until > visit.now, saved=visit.asked("saved"),
        week=(visit.now + timedelta(days=7)).date(),
    )  # fmt: skip


def known_rule(visit: Visit) -> str:
    """The id of the rule that the address names. Missing where there is none."""
    name = visit.path["id"]
    if name not in load_rules(visit.house.settings.data_dir).files:
        raise Missing(f"There is no rule {name!r}. The list of rules has all there are.")
    return name


def mute(visit: Visit) -> Response:
    """Alerts of the rule are recorded and not sent before a day (UTC); without a day they are sent again."""
    day = parse_day(visit.given("until") or None, "Until")
    if day is not None and not visit.now.date() < day <= (visit.now + MOST_MUTED).date():
        raise UsageError(f"{day} is not within a year from tomorrow.", remedy="Switch the rule off to be rid of it.")
    return _set(visit, "muted_until", "null" if day is None else day.isoformat())


def switch(visit: Visit) -> Response:
    """On or off."""
    return _set(visit, "enabled", "true" if visit.given("on") == "yes" else "false")


def _set(visit: Visit, key: str, value: str) -> Response:
    name, folder = known_rule(visit), visit.house.settings.data_dir
    source = source_of(folder, name)
    change_rule(folder, name, set_key(source.text, key, value), source.digest)
    return visit.go(f"/rules/{name}")
