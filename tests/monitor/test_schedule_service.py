"""What the service does with what comes due: once, in time, never twice at once, whatever dies."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from schedule_lab import START, Lab, SetClock

from config.errors import UsageError
from config.settings import Settings
from crawler.frontier import MarketLock
from monitor.schedule.ledger import KEPT_RUNS, RunState
from monitor.schedule.service import KILL_AFTER, environment_of

HOURLY = "jobs:\n  tidy: {run: purge, every: 1h}\n"
CRAWL = "markets:\n  stash: {every: 6h}\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    SetClock.moment = START
    made = Lab(tmp_path)
    made.write(HOURLY)
    yield made
    made.bury()


def processes_of(lab: Lab) -> list[int]:
    """Ids of the run's shell and of its command."""
    newest = max(lab.folder.rglob("*.pid"), key=lambda file: file.name)
    pid = int(newest.read_text())
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == pid and fields[0] != "Z":
                found.append(int(entry.name))
    return sorted(found, key=lambda one: one != pid)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("script", "state", "reason"),
    [
        ("exit 0", "done", None),
        ("echo part is missing >&2; exit 3", "partial", "part is missing"),
        ("echo first >&2; echo no room >&2; echo ╰──╯ >&2; exit 1", "failed", "no room"),
    ],
)
def test_a_run_and_its_end(lab: Lab, script: str, state: str, reason: str | None) -> None:
    lab.script = script
    with lab.serving():
        lab.service.turn()
        assert lab.runs() == []
        lab.pass_time(minutes=30)
        lab.until(lab.settled)
        (run,) = lab.runs()
        assert (str(run.state), run.reason, run.attempts) == (state, reason, 1)
        assert run.due == START + timedelta(minutes=30)
        lab.pass_time(minutes=30)
        lab.pass_time(minutes=30)
        lab.until(lab.settled)
        assert lab.states() == [state, state]  # a failure is not repeated before its next time


def test_downtime_is_made_up_for_by_one_run(lab: Lab) -> None:
    with lab.serving():
        lab.service.turn()
    SetClock.moment += timedelta(days=3)
    with lab.serving():
        lab.service.turn()
        lab.until(lab.settled)
        (run,) = lab.runs()
        assert (run.due, run.coalesced, str(run.state)) == (START + timedelta(days=3, minutes=-30), 71, "done")


def test_what_is_too_late_is_missed_and_said(lab: Lab) -> None:
    lab.write("jobs:\n  tidy: {run: purge, cron: 0 13 * * *, grace: 2h}\n")
    with lab.serving():
        lab.service.turn()
    SetClock.moment += timedelta(hours=10)
    with lab.serving():
        lab.service.turn()
        (run,) = lab.runs()
        assert str(run.state) == "missed"
        assert "could not start" in (run.reason or "")
        assert lab.service.ledger.last_ended() == {}
        lab.pass_time(days=1, hours=-9)  # 13:30
        lab.until(lab.settled)
        assert lab.states() == ["missed", "done"]


def test_runs_of_one_job_never_overlap(lab: Lab) -> None:
    lab.script = "while [ ! -e go ]; do sleep 0.02; done"
    lab.script = lab.script.replace("go", str(lab.folder / "go"))
    with lab.serving():
        for _ in range(4):
            lab.pass_time(hours=1)
        assert lab.states() == ["running", "waiting"]
        assert lab.runs()[1].coalesced == 2
        (lab.folder / "go").touch()
        lab.until(lambda: lab.states() == ["done", "done"])
        assert len(list(lab.folder.rglob("*.exit"))) == 2


def test_a_run_outlives_its_service(lab: Lab) -> None:
    """Another service does not start it again, and learns its exit code."""
    lab.script = f"while [ ! -e {lab.folder}/go ]; do sleep 0.02; done; exit 3"
    with lab.serving():
        lab.pass_time(hours=1)
        assert lab.states() == ["running"]
    with lab.serving():
        lab.pass_time(hours=1)
        lab.pass_time(minutes=1)
        assert lab.states() == ["running", "waiting"]
        (lab.folder / "go").touch()
        lab.until(lambda: lab.states() == ["partial", "partial"])
        assert [run.attempts for run in lab.runs()] == [1, 1]


def test_killed_between_ledger_and_process(lab: Lab) -> None:
    with lab.serving():
        SetClock.moment += timedelta(hours=1)
        lab.service._store.advance(lab.service.jobs, lab.service.ledger, SetClock.moment)
        lab.service.ledger.begin(lab.runs()[0], SetClock.moment)
    with lab.serving():
        lab.service.turn()
        assert (lab.states(), lab.runs()[0].deaths) == (["waiting"], 1)
        lab.pass_time(minutes=2)
        lab.until(lab.settled)
        assert lab.states() == ["done"]


def test_killed_between_ledger_and_job_store(lab: Lab) -> None:
    """What came due is in the ledger, the job store does not know yet: it is not entered twice."""
    with lab.serving():
        lab.service.ledger.add_due("tidy", START + timedelta(minutes=30), START, 0)
        lab.pass_time(minutes=40)
        lab.until(lab.settled)
        assert lab.states() == ["done"]
        lab.service.ledger.add_due("tidy", START + timedelta(minutes=30), START, 0)
        lab.service.turn()
        assert lab.states() == ["done"]


def test_a_killed_run_is_started_again(lab: Lab) -> None:
    lab.script = f"touch {lab.folder}/at-$$; exec sleep 60"
    with lab.serving():
        lab.pass_time(hours=1)
        for death in range(1, 6):
            deadline = time.monotonic() + 20
            while len(list(lab.folder.glob("at-*"))) < death:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.killpg(processes_of(lab)[0], signal.SIGKILL)
            lab.until(lab.settled)
            if death < 5:
                (run,) = lab.runs()
                assert (str(run.state), run.deaths) == ("waiting", death)
                wait = run.not_before - SetClock.moment
                assert timedelta(minutes=0.5) * 2 ** (death - 1) <= wait <= timedelta(minutes=1.5) * 2 ** (death - 1)
                lab.service.turn()
                assert lab.states() == ["waiting"]
                SetClock.moment = run.not_before
                lab.service.turn()
        (run,) = lab.runs()
        assert (str(run.state), run.attempts) == ("died", 5)


def test_a_run_that_died_is_made_up_for_by_the_next(lab: Lab) -> None:
    lab.script = f"[ -e {lab.folder}/go ] || {{ touch {lab.folder}/here; exec sleep 60; }}"
    with lab.serving():
        lab.pass_time(hours=1)
        wait_for(lab.folder / "here")
        lab.pass_time(hours=1)
        assert lab.states() == ["running", "waiting"]
        os.killpg(processes_of(lab)[0], signal.SIGKILL)
        (lab.folder / "go").touch()
        lab.until(lab.settled)
        (run,) = lab.runs()
        assert (str(run.state), run.coalesced, run.reason) == ("waiting", 1, "its process died")
        lab.pass_time(minutes=2)
        lab.until(lab.settled)
        assert lab.states() == ["done"]


def test_killed_before_the_job_store_knew_counts_once(lab: Lab) -> None:
    with lab.serving():
        lab.service.ledger.add_due("tidy", START + timedelta(hours=1, minutes=30), START, 1)
        lab.pass_time(hours=3)
        lab.until(lab.settled)
        (run,) = lab.runs()
        assert (run.due, run.coalesced) == (START + timedelta(hours=2, minutes=30), 2)


def test_its_shell_alone_is_killed(lab: Lab) -> None:
    """The command goes on: nothing is started beside it."""
    lab.script = f"touch {lab.folder}/here; while [ ! -e {lab.folder}/go ]; do sleep 0.02; done"
    with lab.serving():
        lab.pass_time(hours=1)
        wait_for(lab.folder / "here")
        os.kill(processes_of(lab)[0], signal.SIGKILL)
        for _ in range(3):
            time.sleep(0.05)
            lab.service.turn()
        assert lab.states() == ["running"]
        (lab.folder / "go").touch()
        lab.until(lab.settled)
        assert lab.states() == ["waiting"]


def test_its_command_is_killed_by_the_system(lab: Lab) -> None:
    lab.script = "kill -9 $$"
    with lab.serving():
        lab.pass_time(hours=1)
        lab.until(lab.settled)
        assert lab.runs()[0].reason == "its process died of signal 9"


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_run_over_its_limit_is_ended(lab: Lab, stubborn: bool) -> None:
    lab.write("jobs:\n  tidy: {run: purge, every: 1d, limit: 2h}\n")
    trap = 'trap "" TERM; ' if stubborn else ""
    lab.script = f"{trap}touch {lab.folder}/here; while :; do sleep 0.05; done"
    with lab.serving():
        lab.pass_time(hours=12)
        wait_for(lab.folder / "here")
        members = processes_of(lab)
        lab.pass_time(hours=2)
        assert lab.states() == ["running"]
    with lab.serving():  # the limit holds for what an earlier service has started
        lab.pass_time(minutes=1)
        if stubborn:
            time.sleep(0.2)
            lab.service.turn()
            assert lab.states() == ["running"]
            SetClock.moment += KILL_AFTER + timedelta(seconds=1)
        lab.until(lab.settled)
        assert lab.states() == ["timed-out"]
        assert "2:01" in (lab.runs()[0].reason or "")
    assert not [pid for pid in members if Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text()]


def test_a_stop_leaves_runs_for_the_next_service(lab: Lab) -> None:
    lab.script = f"touch {lab.folder}/here; while [ ! -e {lab.folder}/go ]; do sleep 0.02; done"
    with lab.serving():
        lab.pass_time(hours=1)
        wait_for(lab.folder / "here")
        lab.service.stop()
        lab.service.run()
        (run,) = lab.runs()
        assert (str(run.state), run.deaths, run.reason) == ("waiting", 0, "the service was stopped")
    (lab.folder / "go").touch()
    with lab.serving():
        lab.service.turn()
        lab.until(lab.settled)
        assert lab.states() == ["done"]


def test_a_market_crawled_by_hand_is_left_alone(lab: Lab) -> None:
    lab.write(CRAWL)
    by_hand = MarketLock(lab.folder, "stash")
    with lab.serving():
        lab.pass_time(hours=6)
        (run,) = lab.runs()
        assert (str(run.state), run.reason, run.attempts) == ("waiting", "the market is being crawled by hand", 0)
        by_hand.release()
        lab.until(lab.settled)
        lab.until(lambda: lab.states() == ["done"])


def test_somebody_was_quicker(lab: Lab) -> None:
    """A crawl by hand begins while the run's process starts up: the run ends with code 2 and waits."""
    lab.write(CRAWL)
    lab.script = f"touch {lab.folder}/here; while [ ! -e {lab.folder}/go ]; do sleep 0.02; done; exit 2"
    with lab.serving():
        lab.pass_time(hours=6)
        wait_for(lab.folder / "here")
        by_hand = MarketLock(lab.folder, "stash")
        (lab.folder / "go").touch()
        lab.until(lab.settled)
        (run,) = lab.runs()
        assert (str(run.state), run.deaths) == ("waiting", 0)
        by_hand.release()
        lab.script = "exit 0"
        lab.pass_time(minutes=2)
        lab.until(lab.settled)
        assert lab.states() == ["done"]


def test_paused_and_stopped_markets(lab: Lab) -> None:
    lab.write(CRAWL)
    with lab.serving():
        lab.service._state.pause("stash", "a challenge", START)
        lab.pass_time(hours=6)
        assert [(str(run.state), run.reason) for run in lab.runs()] == [("skipped", "the market is paused: a challenge")]
        lab.service._state.resume("stash")
        (lab.folder / "STOP").touch()
        lab.pass_time(hours=6)
        assert lab.states() == ["skipped", "waiting"]
        assert "STOP" in (lab.runs()[1].reason or "")
        (lab.folder / "STOP").unlink()
        lab.service.turn()
        lab.until(lab.settled)
        assert lab.states() == ["skipped", "done"]


def test_working_hours_are_waited_for(lab: Lab) -> None:
    folder = lab.folder / "markets" / "teahouse"
    folder.mkdir(parents=True)
    text = "id: teahouse\nname: Tea\nlanguages: [en]\ntz: Asia/Tbilisi\nbudget: {hours: ['22:00-06:00']}\n"
    (folder / "market.yml").write_text(text, encoding="utf-8")
    lab.write("markets: {teahouse: {every: 6h, start: 2026-01-01T02:00:00+00:00}}\n")
    with lab.serving():
        lab.pass_time(hours=2)  # 18:30 in Tbilisi
        assert (lab.states(), lab.runs()[0].reason) == (["waiting"], "it is outside the market's working hours")
        lab.pass_time(hours=3, minutes=35)
        lab.until(lab.settled)
        assert lab.states() == ["done"]


def test_crawls_share_a_limit(lab: Lab) -> None:
    lab.write("crawls_at_once: 2\nmarkets:\n" + "".join(f"  {name}: {{every: 6h}}\n" for name in ("stash", "postal", "empire")))
    lab.script = f"touch {lab.folder}/{{job}}; while [ ! -e {lab.folder}/go ]; do sleep 0.02; done"
    with lab.serving():
        lab.pass_time(hours=6)
        assert sorted(lab.states()) == ["running", "running", "waiting"]
        (lab.folder / "go").touch()
        lab.until(lambda: lab.states() == ["done"] * 3)
    assert {path.name for path in lab.folder.glob("crawl-*")} == {"crawl-stash", "crawl-postal", "crawl-empire"}


def test_a_full_disk_holds_crawls_back(lab: Lab) -> None:
    lab.write(CRAWL.replace("markets", "markets"))
    text = (lab.folder / "schedule.yml").read_text().replace("min_free_gb: 0", "min_free_gb: 1000000000")
    (lab.folder / "schedule.yml").write_text(text)
    with lab.serving():
        lab.pass_time(hours=6)
        assert "GB left" in (lab.runs()[0].reason or "")


def test_what_a_crawl_said_of_itself_is_kept(lab: Lab) -> None:
    lab.write(CRAWL)
    said = '[{"crawl": "c1", "outcome": "partial", "listings": 7, "coverage": 0.7, "basis": "frontier", "x": 1}]'
    lab.script = f"printf '%s' '{said}'; exit 3"
    with lab.serving():
        lab.pass_time(hours=6)
        lab.until(lab.settled)
        (run,) = lab.runs()
        assert run.result == {"crawl": "c1", "outcome": "partial", "listings": 7, "coverage": 0.7, "basis": "frontier"}
        assert set(lab.service.ledger.last_with_data()) == {"crawl:stash"}
        lab.script = """printf '%s' '[{"crawl": "c2", "outcome": "challenged"}]'; exit 3"""
        lab.pass_time(hours=6)
        lab.until(lab.settled)
        assert lab.service.ledger.last_with_data()["crawl:stash"].result["crawl"] == "c1"
        assert lab.service.ledger.last_ended()["crawl:stash"].result["crawl"] == "c2"


def test_a_clock_that_jumps(lab: Lab) -> None:
    with lab.serving():
        lab.pass_time(hours=1)
        lab.until(lab.settled)
        lab.pass_time(days=3650)  # a wrong clock at the start of the machine …
        lab.until(lab.settled)
        SetClock.moment = START + timedelta(hours=1, minutes=20)  # … put right
        lab.service.turn()
        assert len(lab.runs()) == 2
        for expected in (3, 4):
            lab.pass_time(hours=1)
            lab.until(lab.settled)
            assert lab.states() == ["done"] * expected
        SetClock.moment -= timedelta(minutes=90)  # over times that have been
        lab.service.turn()
        lab.pass_time(minutes=85)
        assert lab.states() == ["done"] * 4


def test_the_plan_is_followed_while_it_runs(lab: Lab) -> None:
    with lab.serving():
        lab.service.turn()
        lab.write("jobs: {tidy: {run: purge}}\n")
        lab.service.turn()
        assert "exactly one of cron, every" in (lab.service.problem or "")
        assert "line 2" in (lab.service.problem or "")
        lab.pass_time(hours=1)
        lab.until(lab.settled)
        assert lab.states() == ["done"]  # the last good plan is in force
        lab.write("jobs: {other: {run: purge, every: 30m, jitter: 10m}}\n")
        lab.service.turn()
        assert lab.service.problem is None
        lab.pass_time(minutes=31)
        lab.write("jobs: {}\n")
        lab.service.turn()
        assert [(run.job, str(run.state)) for run in lab.runs()][-1] in {("other", "skipped"), ("other", "running")}


def test_jitter_is_kept_across_services(lab: Lab) -> None:
    lab.write("jobs: {tidy: {run: purge, every: 6h, jitter: 2h}}\n")
    with lab.serving():
        lab.pass_time(hours=5, minutes=30)
        (before,) = lab.runs()
        assert timedelta() < before.not_before - before.due <= timedelta(hours=2)
        assert str(before.state) == "waiting"
    with lab.serving():
        lab.service.turn()
        assert lab.runs() == [before]
        SetClock.moment = before.not_before
        lab.service.turn()
        lab.until(lab.settled)
        assert lab.states() == ["done"]
        lab.pass_time(hours=6)
        assert lab.runs()[1].due == before.due + timedelta(hours=6)  # no drift


def test_no_message_no_deliverer(lab: Lab) -> None:
    lab.write("jobs: {post: {run: deliver, every: 1h}}\n")
    lab.script = f"touch {lab.folder}/delivered"
    with lab.serving():
        lab.pass_time(hours=1)
        assert lab.states() == ["done"]
        lab.service._state.db.execute(
            "INSERT INTO outbox (id, channel, alert, event, notice, created, state)"
            " VALUES ('m', 'c', 'a', 'fired', '{}', '2026-05-01', 'pending')"
        )
        lab.pass_time(hours=1)
        lab.until(lab.settled)
    assert (lab.folder / "delivered").exists()


def test_one_service_a_folder(lab: Lab) -> None:
    other = Lab(lab.folder)
    with lab.serving(), pytest.raises(UsageError, match="another schedule service"), other.serving():
        pass
    with lab.serving():
        pass


def test_the_ledger_stays_bounded_and_its_sums_true(lab: Lab) -> None:
    with lab.serving():
        ledger = lab.service.ledger
        dues = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(KEPT_RUNS + 30)]
        with ledger.state.writing() as db:
            db.executemany(
                "INSERT INTO schedule_run (job, due, not_before, state, coalesced) VALUES ('tidy', ?, ?, ?, ?)",
                [(due.isoformat(), due.isoformat(), RunState.DONE, at % 2) for at, due in enumerate(dues)],
            )
        before = ledger.counts()
        assert ledger.prune() == 30
        assert ledger.prune() == 0
        assert ledger.counts() == before == [("tidy", "done", KEPT_RUNS + 30, (KEPT_RUNS + 30) // 2)]
        assert len(ledger.runs("tidy", 10_000)) == KEPT_RUNS


def test_systemd_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, lab.serving():
        manager.bind(str(lab.folder / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(lab.folder / "notify"))
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
        lab.service.run()
        told = [manager.recv(100) for _ in range(3)]
    assert (told[0], told[1]) == (b"READY=1", b"WATCHDOG=1")
    assert told[-1] in {b"WATCHDOG=1", b"STOPPING=1"}


def test_a_round_that_fails_does_not_end_the_service(lab: Lab) -> None:
    with lab.serving():
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
        lab.service._state.db.execute("ALTER TABLE schedule_run RENAME TO away")
        with pytest.raises(sqlite3.OperationalError):
            lab.service.run()  # the rounds go on; only the last look at the ledger, at the stop, finds it gone
        lab.service._state.db.execute("ALTER TABLE away RENAME TO schedule_run")


def test_runs_have_the_settings_of_the_service(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, store="https://user:secret@host:9200", tor_socks="127.0.0.1:9151")
    given = environment_of(settings, {"PATH": "/bin", "DROPLINE_STORE": "other"})
    assert given["PATH"] == "/bin"
    assert "NOTIFY_SOCKET" not in environment_of(settings, {"NOTIFY_SOCKET": "/run/x"})
    assert given["DROPLINE_STORE"] == "https://user:secret@host:9200"
    assert given["DROPLINE_TOR_SOCKS"] == "127.0.0.1:9151"
    assert given["DROPLINE_DATA_DIR"] == str(tmp_path)
