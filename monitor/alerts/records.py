"""Fired alerts in state.db: what was found, what became of it, who decided what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from config.errors import UsageError
from monitor.alerts.alert import Alert, AlertState, Verdict
from monitor.alerts.rule import Rule
from monitor.state import State

LIVE = (AlertState.OPEN, AlertState.ACKNOWLEDGED)


@dataclass(frozen=True)
class Entry:
    """One line of an alert's history. `at` is UTC; `bucket` where the event is about one."""

    at: datetime
    who: str
    event: str
    bucket: date | None = None
    verdict: Verdict | None = None
    note: str = ""


@dataclass(frozen=True)
class Run:
    """How far a rule has come. `start` is the newest bucket that was closed when it (or its version) first ran."""

    version: str
    content: str
    """Version of the extractor whose reading was judged."""
    began: datetime
    start: date
    hold: bool
    last: date
    """The newest bucket judged."""


@dataclass(frozen=True)
class Precision:
    """What reviewers said of a rule's alerts."""

    alerts: int
    live: int
    true: int
    false: int
    unclear: int
    false_last_year: int

    @property
    def share(self) -> float | None:
        """True among true and false; None: nobody has said."""
        judged = self.true + self.false
        return self.true / judged if judged else None


def series_key(labels: dict[str, str | None]) -> str:
    """A series as one text, the same whatever the order of its fields."""
    return json.dumps(labels, sort_keys=True, ensure_ascii=False)


class Records:
    """The alerts of a State. What writes takes part in the caller's transaction (`state.writing()`), but for
    `decide`, which makes its own."""

    def __init__(self, state: State) -> None:
        self.state = state

    # alerts

    def put(self, alert: Alert) -> None:
        """Insert or update the record; its history is `note_event`'s."""
        self.state.db.execute(
            "INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                alert.id, alert.rule, series_key(alert.series), alert.first_bucket.isoformat(),
                alert.bucket.isoformat(), alert.state.value, alert.verdict and alert.verdict.value,
                alert.fired_at.isoformat(), alert.model_dump_json(),
            ),
        )  # fmt: skip

    def note_event(self, alert_id: str, entry: Entry) -> None:
        self.state.db.execute(
            "INSERT INTO alert_history (alert, at, who, event, bucket, verdict, note) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                alert_id, entry.at.isoformat(), entry.who, entry.event, entry.bucket and entry.bucket.isoformat(),
                entry.verdict and entry.verdict.value, entry.note,
            ),
        )  # fmt: skip

    def of_rule(self, rule_id: str, since: date | None = None) -> list[Alert]:
        """A rule's alerts that are live or were true in or after a bucket, oldest first."""
        rows = self.state.db.execute(
            "SELECT body FROM alert WHERE rule = ? AND (bucket >= ? OR state IN ('open', 'acknowledged'))"
            " ORDER BY first_bucket, id",
            (rule_id, since.isoformat() if since else ""),
        )
        return [Alert.model_validate_json(body) for (body,) in rows]

    def find(self, alert_id: str) -> Alert:
        """The alert whose id begins so. UsageError: none, or several."""
        rows = self.state.db.execute(
            "SELECT body FROM alert WHERE id >= ? AND id < ? LIMIT 2", (alert_id, f"{alert_id}\U0010ffff")
        ).fetchall()
        if len(rows) != 1 or not alert_id:
            what = "Several alerts begin" if rows and alert_id else "No alert begins"
            raise UsageError(f"{what} with {alert_id!r}.", remedy="dropline alerts list --fired shows their ids.")
        return Alert.model_validate_json(rows[0][0])

    def select(
        self, *, states: Iterable[AlertState] = (), rule: str | None = None, limit: int | None = None
    ) -> list[Alert]:
        """Alerts, the newest firing first."""
        wanted = [state.value for state in states]
        marks = ", ".join("?" * len(wanted))
        parts = [*([f"state IN ({marks})"] if wanted else []), *(["rule = ?"] if rule else [])]
        rows = self.state.db.execute(
            f"SELECT body FROM alert {'WHERE ' + ' AND '.join(parts) if parts else ''}"  # noqa: S608 - our own words
            " ORDER BY fired_at DESC, bucket DESC, id LIMIT ?",
            (*wanted, *([rule] if rule else []), -1 if limit is None else limit),
        )
        return [Alert.model_validate_json(body) for (body,) in rows]

    def history(self, alert_id: str) -> list[Entry]:
        """What became of an alert, oldest first."""
        rows = self.state.db.execute(
            "SELECT at, who, event, bucket, verdict, note FROM alert_history WHERE alert = ? ORDER BY seq", (alert_id,)
        )
        return [
            Entry(
                datetime.fromisoformat(at), who, event, date.fromisoformat(bucket) if bucket else None,
                Verdict(verdict) if verdict else None, note,
            )
            for at, who, event, bucket, verdict, note in rows
        ]  # fmt: skip

    def decide(
        self, alert_id: str, state: AlertState, who: str, now: datetime, *, verdict: Verdict | None = None,
        note: str = "",
    ) -> Alert:
        """A person acknowledges or dismisses an alert. UsageError: it is unknown, or over (acknowledging)."""
        with self.state.writing():
            alert = self.find(alert_id)
            if state is AlertState.ACKNOWLEDGED and alert.state not in LIVE:
                raise UsageError(
                    f"That alert is {alert.state.value}.", remedy="Only one that is open can be acknowledged."
                )
            changed = alert.model_copy(update={"state": state, "verdict": verdict or alert.verdict})
            self.put(changed)
            self.note_event(alert.id, Entry(now, who, state.value, None, verdict, note))
        return changed

    def precision(self, rule_id: str, now: datetime) -> Precision:
        rows = self.state.db.execute("SELECT state, verdict, fired_at FROM alert WHERE rule = ?", (rule_id,)).fetchall()
        verdicts = [verdict for _, verdict, _ in rows]
        year = [
            fired for _, verdict, fired in rows
            if verdict == Verdict.FALSE.value and (now - datetime.fromisoformat(fired)).days <= 365
        ]  # fmt: skip
        return Precision(
            len(rows), sum(state in [one.value for one in LIVE] for state, _, _ in rows),
            verdicts.count("true"), verdicts.count("false"), verdicts.count("unclear"), len(year),
        )  # fmt: skip

    def forget_naming(self, vendor: str) -> None:
        """Removes the alerts that name a vendor, with their history."""
        self.state.db.execute(
            "DELETE FROM alert_history WHERE alert IN (SELECT id FROM alert WHERE instr(body, ?) > 0)", (vendor,)
        )
        self.state.db.execute("DELETE FROM alert WHERE instr(body, ?) > 0", (vendor,))

    # rules and runs

    def note_version(self, rule: Rule, now: datetime) -> None:
        """Keeps what a version of a rule said."""
        self.state.db.execute(
            "INSERT OR IGNORE INTO alert_rule VALUES (?, ?, ?, ?)",
            (rule.id, rule.version, now.isoformat(), rule.model_dump_json()),
        )

    def rule_text(self, rule_id: str, version: str) -> str | None:
        """A version of a rule as JSON."""
        row = self.state.db.execute(
            "SELECT body FROM alert_rule WHERE rule = ? AND version = ?", (rule_id, version)
        ).fetchone()
        return None if row is None else str(row[0])

    def run_of(self, rule_id: str) -> Run | None:
        row = self.state.db.execute(
            "SELECT version, content, began, start_bucket, hold, last_bucket FROM alert_run WHERE rule = ?", (rule_id,)
        ).fetchone()
        if row is None:
            return None
        version, content, began, start, hold, last = row
        return Run(
            version, content, datetime.fromisoformat(began), date.fromisoformat(start), bool(hold),
            date.fromisoformat(last),
        )  # fmt: skip

    def put_run(self, rule_id: str, run: Run, now: datetime) -> None:
        self.state.db.execute(
            "INSERT OR REPLACE INTO alert_run VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                rule_id, run.version, run.content, run.began.isoformat(), run.start.isoformat(), int(run.hold),
                run.last.isoformat(), now.astimezone(UTC).isoformat(),
            ),
        )  # fmt: skip


def newest(entries: Sequence[Entry], event: str) -> Entry | None:
    """The latest entry of a kind."""
    return next((entry for entry in reversed(entries) if entry.event == event), None)
