"""What is forgotten must not live on in alerts, in their messages or in what rules remember."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

from index.open import open_store
from monitor.alerts.alert import Alert, Severity
from monitor.alerts.records import Entry, Records
from monitor.delivery.outbox import Event, Outbox
from monitor.forgetting import forget_vendor
from monitor.state import State, state_path

NOW = datetime(2033, 3, 1, 12, tzinfo=UTC)


def an_alert(number: int, vendor: str) -> Alert:
    return Alert(
        id=f"a{number}", rule="r", rule_version="1", test="surge", measure="new", series={"vendor": vendor},
        severity=Severity.WARNING, owner="ana", recipients=("feed",), first_bucket=date(2033, 2, 1),
        bucket=date(2033, 2, 1), fired_at=NOW, value=12.0,
    )  # fmt: skip


def test_a_forgotten_vendor_leaves_the_alerts(tmp_path: Path) -> None:
    with State(state_path(tmp_path)) as state:
        records, outbox = Records(state), Outbox(state)
        for number, vendor in enumerate(("k:gone", "k:stays")):
            alert = an_alert(number, vendor)
            with state.writing() as db:
                records.put(alert)
                records.note_event(alert.id, Entry(NOW, "rule", "fired"))
                outbox.put(alert, Event.FIRED, NOW, channels=("feed",))
                db.execute("INSERT INTO alert_cache VALUES ('q', ?, '1', 'body')", (f"2033-02-0{number + 1}",))
    with closing(open_store(f"sqlite:///{tmp_path / 'x.sqlite'}")) as store:
        forget_vendor(store, tmp_path, "k:gone")
    with State(state_path(tmp_path)) as state:
        count = {
            table: state.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("alert", "alert_history", "alert_cache")
        }
        assert count == {"alert": 1, "alert_history": 1, "alert_cache": 0}
        assert "k:gone" not in "".join(state.db.iterdump())
        assert "k:stays" in "".join(state.db.iterdump())


def test_a_forgotten_vendor_leaves_broken_lines_too(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "m" / "c.jsonl"
    log.parent.mkdir(parents=True)
    stays = b'{"listing":{"vendor":"k:stays"}}\n[1]\n["k:gone"]\n'
    log.write_bytes(stays + b'{"listing":{"vendor":"k:gone"}}\n{"listing":{"vendor":"k:gone","title":"torn')
    with closing(open_store(f"sqlite:///{tmp_path / 's.db'}")) as store:
        forget_vendor(store, tmp_path, "k:gone")
    assert log.read_bytes() == stays
