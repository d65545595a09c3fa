"""Commands about saved alerts: rules, evaluation, back-tests, and what people decide about what fired."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.errors import UsageError
from monitor.cli import deliver
from monitor.cli.app import Context, app, current
from monitor.cli.output import Format, note, progress, write_json, write_rows

if TYPE_CHECKING:
    from index.detect.scoring import Period
    from monitor.alerts.loading import Loaded
    from monitor.alerts.records import Records

alerts_app = typer.Typer(help="Saved alerts: rules, what fired, back-tests.", no_args_is_help=True)
app.add_typer(alerts_app, name="alerts")
deliver.register(alerts_app)

AlertId = Annotated[str, typer.Argument(help="An alert's id, or its first letters.", show_default=False)]
Note = Annotated[str, typer.Option("--note", help="Why; kept in the history.")]


@contextmanager
def _records(state: Context) -> Iterator[Records]:
    from monitor.alerts.records import Records
    from monitor.state import State, state_path

    with State(state_path(state.settings.data_dir)) as kept:
        yield Records(kept)


def _rules(state: Context) -> Loaded:
    from monitor.alerts.loading import load_rules

    return load_rules(state.settings.data_dir)


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is no date.", remedy="Write YYYY-MM-DD, such as 2020-03-01.") from error


@alerts_app.command("add")
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="YAML with one rule or several.", show_default=False)],
    replace: Annotated[bool, typer.Option("--replace", help="In the place of a file of that name.")] = False,
) -> None:
    """Check a file of rules and take it into the data folder."""
    from config.errors import StoreError
    from monitor.alerts.loading import add_file
    from monitor.alerts.telling import tell_nothing
    from monitor.delivery.channels import load_channels

    state = current(context)
    rules = add_file(state.settings.data_dir, file, replace=replace)
    known = load_channels(state.settings.data_dir).channels
    strange = sorted({name for rule in rules for name in rule.recipients} - set(known))
    if strange:
        note(f"No channel is named {', '.join(strange)} yet: messages wait until channels.yml has it.")
    with suppress(StoreError), state.store() as store:  # a rule may come before its store
        for rule in rules:
            if store.current_version() is not None and (nothing := tell_nothing(store, rule)):
                note(f"{rule.id}: {nothing}")
    write_rows([{"id": rule.id, "version": rule.version, "title": rule.title} for rule in rules], state.form)


@alerts_app.command("list")
def show_list(
    context: typer.Context,
    fired: Annotated[bool, typer.Option("--fired", help="What fired, instead of the rules.")] = False,
    status: Annotated[str, typer.Option("--state", help="With --fired: live, open, acknowledged, … or all.")] = "live",
    rule: Annotated[str | None, typer.Option(help="With --fired: of this rule alone.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="With --fired: at most so many.")] = None,
) -> None:
    """The rules with how they did, or (--fired) the alerts."""
    from monitor.alerts.tables import alert_row, rule_row, states_named

    state = current(context)
    if fired:
        with _records(state) as records:
            found = records.select(states=states_named(status), rule=rule, limit=limit)
        if not found:
            note("There are none.")
        write_rows([alert_row(alert) for alert in found], state.form)
        return
    with _records(state) as records:
        rows = [rule_row(one, records, datetime.now(UTC)) for one in _rules(state).rules]
    if not rows:
        note("There is no rule yet: dropline alerts add FILE (docs/alerts.md shows how to write one).")
    write_rows(rows, state.form)


@alerts_app.command("show")
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Id of an alert (or its beginning), or of a rule.", show_default=False)],
) -> None:
    """One alert with its history and the rule as it was then; or one rule with all its settings."""
    from monitor.alerts.tables import whole_alert, whole_rule

    state = current(context)
    loaded = _rules(state)
    if name in loaded.files:
        whole = whole_rule(loaded, name)
    else:
        with _records(state) as records:
            whole = whole_alert(records, records.find(name))
    if state.form is Format.JSON:
        write_json(whole)
    else:
        write_rows([{"field": field, "value": _text(value)} for field, value in whole.items()], state.form)


def _text(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "; ".join(" ".join(str(part) for part in one.values() if part) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={_text(one)}" for key, one in value.items() if one not in (None, [], ""))
    return "" if value is None else str(value)


@alerts_app.command("run")
def run(
    context: typer.Context,
    dry: Annotated[bool, typer.Option("--dry", help="Show what would fire now; write and send nothing.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not use remembered figures of closed days.")] = False,
) -> None:
    """Judge all rules now. What fires is recorded and waits for `alerts deliver`. Exit code 3: some were not judged."""
    from monitor.alerts.evaluate import evaluate_all
    from monitor.alerts.tables import alert_row
    from monitor.delivery.outbox import Outbox

    state = current(context)
    rules = _rules(state).rules
    with state.store() as store, _records(state) as records, progress() as bars:
        task = bars.add_task("", total=None)
        report = evaluate_all(
            store, records.state, rules, datetime.now(UTC), outbox=Outbox(records.state), dry=dry, fresh=fresh,
            progress=lambda what, done, total: bars.update(task, description=what, completed=done, total=total),
        )
    changes = report.changes
    note(
        f"{report.rules} rules by {report.questions} questions: {len(changes.fired)} fired, {len(changes.again)} said "
        f"again, {len(changes.recovered)} over, {changes.lasting} last; {report.unchanged} rules had nothing new"
        + (f", {report.waiting} wait for a first crawl." if report.waiting else ".")
    )
    said = [("fired", changes.fired), ("again", changes.again), ("recovered", changes.recovered)]
    write_rows([{"event": word, **alert_row(alert)} for word, some in said for alert in some], state.form)
    for names, reason in report.failed:
        note(f"{', '.join(names[:5])}{' …' if len(names) > 5 else ''}: {reason}")
    if report.failed:
        raise typer.Exit(3)


def _periods(events: Sequence[str]) -> list[Period]:
    from index.detect.scoring import Period

    found = []
    for text in events:
        first, _, last = text.partition("..")
        begin = _day(first.strip(), "--event")
        end = _day((last or first).strip(), "--event")
        assert begin is not None
        assert end is not None
        found.append(Period(begin, end))
    return found


@alerts_app.command("test")
def back_test(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RULE", help="Id of a rule, or a file of rules.", show_default=False)],
    first: Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, inclusive.")] = None,
    event: Annotated[
        list[str] | None, typer.Option(help="FROM..TO of something that really happened: no false alarm (repeatable).")
    ] = None,
) -> None:
    """Back-test: on which days a rule would have fired, with the evidence, by what was known on each day."""
    from monitor.alerts.backtest import backtest
    from monitor.alerts.loading import read_file
    from monitor.alerts.tables import hit_row, tell_backtest
    from monitor.alerts.telling import tell_nothing

    state = current(context)
    rules = read_file(Path(name)) if name.endswith((".yml", ".yaml")) else (_rules(state).find(name),)
    rows: list[dict[str, Any]] = []
    with state.store() as store, _records(state) as records:
        for rule in rules:
            done = backtest(
                store, rule, datetime.now(UTC), first=_day(first, "--from"), last=_day(last, "--to"),
                told=records.of_rule(rule.id, date.min), events=_periods(event or ()),
            )
            rows += [{"rule": rule.id, **hit_row(hit)} for hit in done.hits]
            note(f"{rule.id}: {tell_backtest(done)}")
            if nothing := tell_nothing(store, rule):
                note(f"{rule.id}: {nothing}")
            if done.stages > 1:
                note(f"{rule.id}: some crawls were known only later; that was taken into account.")
    write_rows(rows, state.form)


@alerts_app.command("tune")
def tune(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RULE", help="Id of a rule.", show_default=False)],
    per_year: Annotated[float | None, typer.Option(help="False alarms a year wanted; default: its budget.")] = None,
    event: Annotated[
        list[str] | None, typer.Option(help="FROM..TO of something that really happened: no false alarm (repeatable).")
    ] = None,
) -> None:
    """Suggest a setting of the rule's test for a wanted number of false alarms a year, from the store's history."""
    from monitor.alerts.backtest import tune_rule

    state = current(context)
    rule = _rules(state).find(name)
    with state.store() as store, _records(state) as records:
        found = tune_rule(
            store, rule, rule.budget if per_year is None else per_year, datetime.now(UTC),
            told=records.of_rule(rule.id, date.min), events=_periods(event or ()),
        )
    note(found.advice)
    if not found.reached:
        note("The wanted rate was not reached on this history.")
    write_rows([{
        "rule": rule.id, "field": found.field, "now": getattr(rule.test.settings, found.field),
        "suggested": found.value,
        "alarms_now": found.before.alarms, "alarms_then": found.rate.alarms, "per_year_now": found.before.per_year,
        "per_year_then": found.rate.per_year, "low": found.rate.low, "high": found.rate.high,
        "years": found.rate.years, "reached": found.reached,
    }], state.form)  # fmt: skip


@alerts_app.command("ack")
def ack(context: typer.Context, alert: AlertId, text: Note = "") -> None:
    """Somebody looks after it: it is not said again while it lasts."""
    from monitor.alerts.alert import AlertState
    from monitor.alerts.tables import alert_row

    state = current(context)
    with _records(state) as records:
        done = records.decide(alert, AlertState.ACKNOWLEDGED, getpass.getuser(), datetime.now(UTC), note=text)
    write_rows([alert_row(done)], state.form)


@alerts_app.command("dismiss")
def dismiss(
    context: typer.Context,
    alert: AlertId,
    verdict: Annotated[str, typer.Option(help="true, false or unclear: was there something?")],
    text: Note = "",
) -> None:
    """Close an alert with a verdict. The precision of the rule is counted from these."""
    from monitor.alerts.alert import AlertState, Verdict
    from monitor.alerts.tables import alert_row

    if verdict not in [one.value for one in Verdict]:
        raise UsageError(f"{verdict!r} is no verdict.", remedy="Use true, false or unclear.")
    state = current(context)
    with _records(state) as records:
        done = records.decide(
            alert, AlertState.DISMISSED, getpass.getuser(), datetime.now(UTC), verdict=Verdict(verdict), note=text
        )
    write_rows([alert_row(done)], state.form)


@alerts_app.command("rows")
def rows(
    context: typer.Context,
    alert: AlertId,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000)] = 20,
) -> None:
    """The observations behind an alert (pseudonymised; for analysts, not for publication)."""
    from monitor.alerts.evidence import evidence_rows

    state = current(context)
    with state.store() as store, _records(state) as records:
        found = evidence_rows(store, records, records.find(alert), limit)
    if not found:
        note("No observation stands behind it: it is about what was missing, or the data has been removed since.")
    write_rows(found, state.form)
