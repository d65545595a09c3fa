"""A rule in the making: as a form or as text, tested on the past before it is saved."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import date
from itertools import zip_longest
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from config.errors import UsageError
from index.measures import SPLITS
from monitor.alerts.backtest import Backtest, backtest
from monitor.alerts.editing import add_rule, change_rule, read_rule, source_of
from monitor.alerts.kinds import KINDS
from monitor.alerts.rule import STANDING, Rule
from monitor.alerts.tables import hit_row
from monitor.alerts.telling import tell_nothing
from monitor.delivery.channels import load_channels
from monitor.web import rule_form
from monitor.web.rule_form import Filled
from monitor.web.rules import known_rule
from monitor.web.visit import Missing, Visit

MOST_HITS = 60
TEMPLATE = """\
id: my-rule
title: Mephedrone in Tbilisi
measure: listings
filter: {market: stash, substance: mephedrone, region: GE-TB}
by: week
test: {kind: change, percent: 30}
owner: me
recipients: []
"""


@dataclass(frozen=True)
class Draft:
    """Which rule it is about ("" for a new one), and which text of it was seen."""

    original: str = ""
    digest: str = ""


def new(visit: Visit) -> Response:
    """Which kind of test; then its form, or a text to begin with."""
    kind = visit.asked("kind")
    if kind == "text":
        return _text(visit, Draft(), TEMPLATE)
    if not kind:
        return visit.show("rule_kinds.html", kinds=rule_form.ABOUT)
    if kind not in KINDS:
        raise Missing(f"There is no kind of test {kind!r}. Known: {', '.join(KINDS)}.")
    watched = rule_form.measures_for(kind)
    measure = "listings" if "listings" in watched else watched[0]
    return _form(visit, Draft(), kind, Filled({"measure": measure, "owner": visit.who.name}))


def edit(visit: Visit) -> Response:
    """A rule as a form, where it has a field for all that the rule says; else, or if wanted, as text."""
    name = known_rule(visit)
    source = source_of(visit.house.settings.data_dir, name)
    draft = Draft(name, source.digest)
    found = rule_form.from_text(source.text)
    if visit.asked("as") == "text" or found is None:
        return _text(visit, draft, source.text)
    return _form(visit, draft, *found)


def save(visit: Visit) -> Response:
    """What was sent is checked; then shown in the other form, tested, or saved, as the button says."""
    draft = Draft(visit.given("original"), visit.given("digest"))
    kind, todo = visit.given("kind"), visit.given("do")
    if kind in KINDS:
        filled = rule_form.from_form(kind, visit.form)
        if todo == "text":
            return _text(visit, draft, rule_form.to_text(rule_form.to_mapping(kind, filled.values)))
        rule, filled = rule_form.check(kind, filled)
        if rule is None:
            return _form(visit, draft, kind, filled, 400)
        text = rule_form.to_text(rule_form.to_mapping(kind, filled.values))
    else:
        text = _lines(visit)
        if todo == "form":
            found = rule_form.from_text(text)
            if found is not None:
                return _form(visit, draft, *found)
            return _text(visit, draft, text, "The form has no field for something in it; it stays as text.", 400)
        if todo == "edit":
            return _text(visit, draft, text)
        try:
            rule = read_rule(text)
        except UsageError as error:
            return _text(visit, draft, text, str(error), 400)
    if todo != "save":
        return _tested(visit, draft, rule, text)
    folder = visit.house.settings.data_dir
    try:
        saved = change_rule(folder, draft.original, text, draft.digest) if draft.original else add_rule(folder, text)
    except UsageError as error:
        return _text(visit, draft, text, str(error), 400)
    return visit.go(f"/rules/{saved.id}?saved=yes")


def _lines(visit: Visit) -> str:
    """The text as sent; a browser ends lines as mail does."""
    text = (visit.form.get("text") or [""])[-1].replace("\r\n", "\n").replace("\r", "\n")
    return text.strip("\n") + "\n"


def _form(visit: Visit, draft: Draft, kind: str, filled: Filled, code: int = 200) -> Response:
    suggestions = dict(visit.house.suggestions.now())
    suggestions["channel"] = sorted(load_channels(visit.house.settings.data_dir).channels)
    return visit.show(
        "rule_form.html", code, draft=draft, kind=kind, about=rule_form.ABOUT[kind], filled=filled, main=rule_form.MAIN,
        filters=rule_form.FILTER, test=rule_form.test_fields(kind), sending=rule_form.SENDING, more=rule_form.MORE,
        measures=rule_form.measures_for(kind), splits=SPLITS, suggestions=suggestions,
        focus=next((one.name for one in rule_form.fields_of(kind) if one.name in filled.wrong), ""),
        ticked=[one.strip() for one in filled.values.get(rule_form.SPLIT, "").split(",")],
    )  # fmt: skip


def _text(visit: Visit, draft: Draft, text: str, error: str = "", code: int = 200) -> Response:
    return visit.show("rule_text.html", code, draft=draft, text=text, error=error)


def _tested(visit: Visit, draft: Draft, rule: Rule, text: str) -> Response:
    """The rule on what was known on each day of the past, before anybody is bound to hear of it."""
    facts: dict[str, Any] = {"done": None, "problem": "", "hits": [], "more": 0}
    if rule.measure in STANDING:
        facts["problem"] = "It is about what waits now; of the past nothing is kept to test it on."
    else:
        try:
            with visit.house.store() as store, visit.house.records() as records:
                done = backtest(store, rule, visit.now, told=records.of_rule(rule.id, date.min))
                facts["problem"] = tell_nothing(store, rule)
            facts |= {"done": done, "hits": _hits(done), "more": len(done.hits) - MOST_HITS}
        except UsageError as error:
            facts["problem"] = str(error)
    known = load_channels(visit.house.settings.data_dir).channels
    strange = sorted(set(rule.recipients) - set(known))
    return visit.show("rule_tested.html", draft=draft, rule=rule, text=text, strange=strange, **facts)


def _hits(done: Backtest) -> list[dict[str, Any]]:
    """The latest firings, each with the question that shows it."""
    hits = list(reversed(done.hits))[:MOST_HITS]
    return [{**hit_row(hit), "address": _address(hit.alert.query)} for hit in hits]


def _address(query: str) -> str:
    """The page that shows what a command of `telling.tell_query` shows."""
    page, *words = shlex.split(query)[1:]
    options = {"measure": words.pop(0)} if page == "trends" else {}
    for name, value in zip_longest(words, words[1:], fillvalue="--"):
        if name.startswith("--"):
            options[name[2:]] = "true" if value.startswith("--") else value
    return f"/{page}?{urlencode(options)}"
