"""The service as operators meet it: its command, its pages, `dropline status`, its size, kill -9."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from schedule_commands import ask, dropline, runs, service, until
from schedule_lab import START, Lab, SetClock

from config.errors import UsageError
from config.settings import Settings
from monitor.schedule.health import Health, gather, probe_store, probe_tor
from monitor.schedule.plan import HealthPage
from monitor.schedule.web import HealthServer, _Handler

MEGABYTES = 150


@contextmanager
def socks() -> Iterator[str]:
    """Greets as a SOCKS5 proxy does, and does no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(8)
                    caller.sendall(b"\x05\x00")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


PLAN = "min_free_gb: 0\nhealth: {port: 0}\njobs:\n  tidy: {run: purge, every: 2s}\n"


def test_the_service_is_small_healthy_and_ends_politely(tmp_path: Path) -> None:
    (tmp_path / "schedule.yml").write_text(PLAN, encoding="utf-8")
    with service(tmp_path) as (child, port):
        until(lambda: 'dropline_runs_total{job="tidy",state="done"}' in ask(port, "/metrics")[1])
        status = Path(f"/proc/{child.pid}/status").read_text()
        size = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]
        assert 20 < size < MEGABYTES
        loaded = Path(f"/proc/{child.pid}/maps").read_text()
        assert not [name for name in ("spacy", "pandas", "numpy", "pyarrow", "lxml", "twisted") if f"/{name}" in loaded]
        code, body = ask(port, "/healthz")
        assert (code, json.loads(body)["status"]) == (200, "ok")
        second = dropline(tmp_path, "schedule", "run")
        assert (second.returncode, "another schedule service" in second.stderr) == (2, True)
        (needs,) = [
            row for row in json.loads(dropline(tmp_path, "--format", "json", "status", "--about", "needs").stdout)
            if row["what"] == "service"
        ]  # fmt: skip
        assert (needs["state"], str(child.pid) in needs["about"]) == ("ok", True)
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
    assert {run["state"] for run in runs(tmp_path)} <= {"done", "waiting"}


def test_killed_with_9_it_goes_on_where_it_was(tmp_path: Path) -> None:
    """`schedule settle` on an empty folder is a real command that takes a second: killed services leave it running."""
    plan = "min_free_gb: 0\nhealth: {port: 0}\njobs:\n  settle: {run: settle, every: 1s}\n"
    (tmp_path / "schedule.yml").write_text(plan, encoding="utf-8")
    for _ in range(3):
        with service(tmp_path) as (child, _):
            stems = {file.name for file in (tmp_path / "schedule").rglob("*.pid")}
            until(lambda stems=stems: {file.name for file in (tmp_path / "schedule").rglob("*.pid")} - stems)
            child.send_signal(signal.SIGKILL)
            child.wait(10)
    with service(tmp_path) as (child, port):
        until(lambda: 'dropline_runs_total{job="settle",state="done"}' in ask(port, "/metrics")[1])
        time.sleep(2)
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
    booked = runs(tmp_path)
    assert {run["state"] for run in booked} <= {"done", "waiting"}
    assert any(run["state"] == "done" for run in booked)
    assert all(run["attempts"] <= 2 for run in booked)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    SetClock.moment = START
    made = Lab(tmp_path)
    yield made
    made.bury()


def test_health_says_what_is_wrong(lab: Lab) -> None:
    lab.write("markets: {stash: {every: 6h}}\n")
    with socks() as address:
        settings = Settings(data_dir=lab.folder, tor_socks=address)
        before = gather(settings, START)
        assert [reason for reason in before.reasons if "does not run" in reason]
        with lab.serving():
            lab.script = """printf '%s' '[{"crawl": "c", "outcome": "complete", "coverage": 1.0, "listings": 3}]'"""
            lab.pass_time(hours=6)
            lab.until(lab.settled)
            well = gather(settings, SetClock.moment)
            assert (well.reasons, well.warnings, well.alive) == ((), (), True)
            (stash,) = well.jobs
            assert stash.next == START.replace(hour=0, minute=0) + timedelta(days=1)
            assert stash.data_age == 0
            lab.service._state.pause("stash", "a challenge", START)
            later = gather(settings, SetClock.moment + timedelta(days=4))
            assert any("last gave a sign of life" in reason for reason in later.reasons)
            assert any("4 days" in warning for warning in later.warnings)
            assert any("is paused: a challenge" in warning for warning in later.warnings)
            deaf = gather(Settings(data_dir=lab.folder, tor_socks="127.0.0.1:9"), SetClock.moment)
            assert any("Tor cannot be reached" in reason for reason in deaf.reasons)
            lab.write("markets: {stash: {}}\n")
            assert any("exactly one of cron, every" in reason for reason in gather(settings, SetClock.moment).reasons)
            lab.write("markets: {stash: {every: 6h}}\n")
            (lab.folder / "dropline.sqlite").write_bytes(b"this is no database, but long enough to look like one " * 40)
            assert any("store cannot be used" in reason for reason in gather(settings, SetClock.moment).reasons)


def test_messages_that_wait_are_counted(lab: Lab) -> None:
    lab.write("jobs: {tidy: {run: purge, every: 6h}}\n")
    with lab.serving():
        for name, state in (("a", "pending"), ("b", "pending"), ("c", "parked"), ("d", "sent")):
            lab.service._state.db.execute(
                "INSERT INTO outbox (id, channel, alert, event, notice, created, state)"
                " VALUES (?, 'c', 'a', 'fired', '{}', '2026-05-01', ?)",
                (name, state),
            )
        health = gather(Settings(data_dir=lab.folder), START)
    assert health.messages == {"pending": 2, "parked": 1, "sent": 1}
    assert any("1 messages of alerts were refused" in warning for warning in health.warnings)


def test_a_held_crawl_is_shown_whoever_started_it(lab: Lab) -> None:
    settings = Settings(data_dir=lab.folder)
    assert not any("not accepted" in warning for warning in gather(settings, START).warnings)
    mark = lab.folder / "logs" / "m" / "held" / "m-20330101T000000Z-0a.held.json"
    mark.parent.mkdir(parents=True)
    mark.write_text("{}", encoding="utf-8")
    shown = [warning for warning in gather(settings, START).warnings if "not accepted" in warning]
    assert shown == ["m-20330101T000000Z-0a is not accepted: dropline market held"]


def test_a_stop_file_is_no_secret(lab: Lab) -> None:
    settings = Settings(data_dir=lab.folder)
    assert not any("STOP" in warning for warning in gather(settings, START).warnings)
    (lab.folder / "STOP").touch()
    assert f"Nothing is crawled while {lab.folder / 'STOP'} is there." in gather(settings, START).warnings


def test_a_disk_that_is_too_full_is_no_ok_disk(tmp_path: Path) -> None:
    (tmp_path / "schedule.yml").write_text("min_free_gb: 100000000\n", encoding="utf-8")
    asked = dropline(tmp_path, "--format", "json", "status", "--about", "needs")
    needs = {row["what"]: row["state"] for row in json.loads(asked.stdout)}
    assert (needs["disk"], needs["health"]) == ("full", "failing")


def test_the_pages(lab: Lab) -> None:
    lab.write("markets: {stash: {every: 6h}}\njobs: {tidy: {run: purge, every: 6h}}\n")
    settings = Settings(data_dir=lab.folder, tor_socks="127.0.0.1:9")
    with lab.serving(), HealthServer(HealthPage(port=0), lambda: gather(settings, SetClock.moment)) as server:
        lab.script = """printf '%s' '[{"crawl": "c", "outcome": "partial", "coverage": 0.5, "listings": 3}]'; exit 3"""
        lab.pass_time(hours=6)
        lab.until(lab.settled)
        port = int(server.address.rpartition(":")[2])
        status, body = ask(port, "/healthz")
        assert (status, json.loads(body)["status"]) == (503, "failing")
        assert "Tor cannot be reached" in body
        status, body = ask(port, "/metrics")
        values = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(body)
            for sample in family.samples
        }
        assert status == 200
        assert values["dropline_healthy",] == 0
        assert values["dropline_market_coverage", "stash"] == 0.5
        assert values["dropline_market_data_age_seconds", "stash"] == 0
        assert values["dropline_runs_total", "crawl:stash", "partial"] == 1
        assert values["dropline_runs_total", "partial", "tidy"] == 1
        assert values["dropline_job_next_timestamp_seconds", "tidy"] == datetime(2026, 5, 2, tzinfo=UTC).timestamp()
        assert ask(port, "/")[0] == 404
        assert ask(port, "/healthz", host="evil.example:80")[0] == 403
        with pytest.raises(UsageError, match="cannot be at"):
            HealthServer(HealthPage(port=port), lambda: gather(settings, START))


def test_a_slow_caller_does_not_hold_up_others(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with HealthServer(HealthPage(port=0), lambda: gather(settings, START)) as server:
        port = int(server.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as idle:
            idle.sendall(b"GET /hea")
            begun = time.monotonic()
            assert ask(port, "/healthz")[0] == 200
            assert time.monotonic() - begun < _Handler.timeout


def test_probes(tmp_path: Path) -> None:
    with socks() as address:
        assert probe_tor(address).ok
    assert not probe_tor(address).ok
    assert not probe_tor("nonsense").ok
    assert probe_store(f"sqlite:///{tmp_path / 'none.sqlite'}").ok
    assert not probe_store("http://127.0.0.1:9").ok
    assert "secret" not in probe_store("http://me:secret@127.0.0.1:9").about


@pytest.mark.elasticsearch
def test_a_real_cluster_answers(elastic_url: str) -> None:
    assert probe_store(elastic_url).ok


def test_check_and_list(tmp_path: Path) -> None:
    done = dropline(tmp_path, "schedule", "check")
    assert (done.returncode, "docs/scheduling.md" in done.stderr) == (2, True)
    (tmp_path / "schedule.yml").write_text("markets:\n  stash: {cron: 30 2 * * *}\n  stush: {every: 1h}\n", encoding="utf-8")
    done = dropline(tmp_path, "schedule", "check")
    assert (done.returncode, "line 3" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    (tmp_path / "schedule.yml").write_text("markets:\n  stash: {cron: 30 2 * * *, tz: Europe/Berlin}\n", encoding="utf-8")
    done = dropline(tmp_path, "--format", "json", "schedule", "check", "--times", "400")
    assert (done.returncode, "not authorised" in done.stderr) == (3, True)
    local = [row["local"] for row in json.loads(done.stdout)]
    assert len({one[:10] for one in local}) == 400
    assert sum("T02:30" not in one for one in local) in {1, 2}
    done = dropline(tmp_path, "--format", "json", "schedule", "list")
    (row,) = json.loads(done.stdout)
    assert (row["job"], row["state"]) == ("crawl:stash", "idle")
    assert "does not run" in done.stderr


def test_status_without_its_store(tmp_path: Path) -> None:
    (tmp_path / "dropline.sqlite").write_bytes(b"this is no database, but long enough to look like one " * 40)
    (tmp_path / "schedule.yml").write_text(PLAN, encoding="utf-8")
    done = dropline(tmp_path, "--format", "json", "status", "--about", "needs")
    needs = {row["what"]: row["state"] for row in json.loads(done.stdout)}
    assert (done.returncode, needs["store"], needs["service"]) == (1, "missing", "missing")
    assert "dropline.sqlite" in done.stderr


def test_status_without_a_plan(tmp_path: Path) -> None:
    done = dropline(tmp_path, "--format", "json", "status")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
    health: Health = gather(Settings(data_dir=tmp_path), START)
    assert health.reasons == ()
