"""Deliverers that are killed, deliverers that meet, and the commands."""

from __future__ import annotations

import json
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from delivery_lab import NOW, SECRET, Posts, free_port, http_receiver, make_alert, smtp_server, write_channels
from typer.testing import CliRunner

from config.errors import DroplineError, InputError, UsageError
from monitor.cli.app import _globals
from monitor.cli.deliver import register
from monitor.delivery.notice import Event
from monitor.delivery.outbox import Outbox
from monitor.state import State, state_path

DELIVERER = """
import random, secrets, sys
from datetime import datetime
from pathlib import Path
from monitor.delivery.channels import load_channels
from monitor.delivery.deliver import deliver_due
from monitor.state import State, state_path
folder, now = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
with State(state_path(folder)) as state:
    deliver_due(state, load_channels(folder), now, lease=secrets.token_hex(8), rng=random.Random(1))
"""


def deliverer(folder: Path, now: datetime) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", DELIVERER, str(folder), now.isoformat()])


def put(folder: Path, count: int, *channels: str) -> list[str]:
    with State(state_path(folder)) as state, state.writing():
        return [
            each
            for number in range(count)
            for each in Outbox(state).put(make_alert(number), Event.FIRED, NOW, channels)
        ]


def wait_for(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.mark.parametrize("kind", ["webhook", "mail"])
def test_killed_between_sent_and_recorded_the_message_goes_again_with_its_id(tmp_path: Path, kind: str) -> None:
    with http_receiver() as posts, smtp_server() as mails:
        way = (
            f"webhook: 'http://127.0.0.1:{posts.port}/', secret: {SECRET}"
            if kind == "webhook"
            else f"apprise: 'mailto://127.0.0.1:{mails.port}?from=d@example.org&to=a@example.org', chart: false"
        )
        write_channels(tmp_path, f"channels:\n  way: {{{way}}}\n")
        [each] = put(tmp_path, 1, "way")
        arrived = posts.got if kind == "webhook" else mails.got
        lock = Lock(state_path(tmp_path))
        posts.answer, mails.data = lock.before((204, {})), lock.before("250 OK")
        process = deliverer(tmp_path, NOW)
        try:
            wait_for(lambda: len(arrived) == 1)
            time.sleep(0.3)  # it has the answer and waits to write it down
        finally:
            process.kill()
            process.wait()
        lock.open()
        with State(state_path(tmp_path)) as state:
            assert [one.pending for one in Outbox(state).health()] == [1]
        assert deliverer(tmp_path, NOW + timedelta(seconds=30)).wait(30) == 0  # the dead one's lease still holds
        assert len(arrived) == 1
        posts.answer, mails.data = (lambda headers, body: (204, {})), (lambda envelope: "250 OK")
        assert deliverer(tmp_path, NOW + timedelta(minutes=5)).wait(30) == 0
        assert len(arrived) == 2
    assert each in str(arrived[0])
    assert each in str(arrived[1])
    with State(state_path(tmp_path)) as state:
        assert [(one.pending, one.sent) for one in Outbox(state).health()] == [(0, 1)]


class Lock:
    """Answers that cannot be written down: the state is locked before each is given."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db: sqlite3.Connection | None = None

    def before(self, answer: Any) -> Callable[..., Any]:
        def locked(*given: object) -> Any:
            if self.db is None:
                self.db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
                self.db.execute("BEGIN IMMEDIATE")
            return answer

        return locked

    def open(self) -> None:
        assert self.db is not None
        self.db.close()


def test_two_deliverers_at_once_send_nothing_twice(tmp_path: Path) -> None:
    with http_receiver() as one, http_receiver() as two:
        spec = f"channels:\n  one: {{webhook: 'http://127.0.0.1:{one.port}/', secret: {SECRET}}}\n"
        write_channels(tmp_path, spec + f"  two: {{webhook: 'http://127.0.0.1:{two.port}/', secret: {SECRET}}}\n")
        ids = put(tmp_path, 12, "one", "two")
        processes = [deliverer(tmp_path, NOW) for _ in range(3)]
        assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert [len(one.ids), len(two.ids)] == [12, 12]
    assert set(one.ids + two.ids) == set(ids)
    assert one.ids == ids[0::2]  # in order, whoever sent them


def test_whatever_is_killed_nothing_is_lost(tmp_path: Path) -> None:
    rng = random.Random(7)
    with http_receiver() as posts:

        def answer(headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
            time.sleep(0.02)
            return rng.choice([204, 204, 503]), {}

        posts.answer = answer
        write_channels(
            tmp_path, f"channels:\n  one: {{webhook: 'http://127.0.0.1:{posts.port}/', secret: {SECRET}}}\n"
        )
        ids = put(tmp_path, 25, "one")
        now = NOW
        for _ in range(4):
            before = len(posts.got)
            process = deliverer(tmp_path, now)
            wait_for(lambda before=before, process=process: len(posts.got) > before or process.poll() is not None)  # type: ignore[misc]
            time.sleep(rng.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            process.wait()
            now += timedelta(minutes=11)
        posts.answer = lambda headers, body: (204, {})
        for _ in range(2):
            assert deliverer(tmp_path, now).wait(60) == 0
            now += timedelta(hours=3)
    assert set(posts.ids) == set(ids)
    with State(state_path(tmp_path)) as state:
        [health] = Outbox(state).health()
    assert (health.pending, health.parked, health.sent) == (0, 0, 25)


# the commands ----------------------------------------------------------------------------------------------------------


def run(folder: Path, *arguments: str, form: str = "json") -> tuple[int, Any, str]:
    app = typer.Typer()
    app.callback()(_globals)
    register(app)
    result = CliRunner().invoke(app, ["--data-dir", str(folder), "--format", form, *arguments], catch_exceptions=False)
    told = json.loads(result.stdout) if form == "json" and result.stdout.strip() else result.stdout
    return result.exit_code, told, result.stderr


def test_the_commands_send_show_and_take_up_again(tmp_path: Path) -> None:
    with http_receiver(Posts(answer=lambda headers, body: (404, {}))) as posts:
        write_channels(
            tmp_path, f"channels:\n  one: {{webhook: 'http://127.0.0.1:{posts.port}/t0ken12', secret: {SECRET}}}\n"
        )
        with State(state_path(tmp_path)) as state, state.writing():
            [each] = Outbox(state).put(make_alert(), Event.FIRED, datetime.now(UTC), ["one"])
        code, rows, said = run(tmp_path, "deliver")
        assert (code, [(row["id"], row["state"]) for row in rows]) == (3, [(each, "parked")])
        assert "404" in said
        code, rows, _ = run(tmp_path, "channels")
        assert (code, rows[0]["parked"], rows[0]["kind"], rows[0]["to"]) == (0, 1, "webhook", "127.0.0.1")
        assert "404" in rows[0]["parked because"][0]
        assert rows[0]["failing since"] is not None
        posts.answer = lambda headers, body: (204, {})
        code, rows, _ = run(tmp_path, "deliver", "--again", "one")
        assert (code, [(row["id"], row["state"]) for row in rows]) == (0, [(each, "sent")])
        code, rows, said = run(tmp_path, "channels", "--test", "one")
        assert (code, rows[0]["failing since"]) == (0, None)
        assert json.loads(posts.got[-1][1])["type"] == "alert.test"
        assert "t0ken12" not in run(tmp_path, "channels", form="table")[1]


def test_the_feed_command_writes_what_was_sent(tmp_path: Path) -> None:
    put(tmp_path, 3, "one")
    code, rows, _ = run(tmp_path, "feed", "--out", str(tmp_path / "f.atom"), "--entries", "2")
    assert (code, rows[0]["entries"]) == (0, 2)
    assert (tmp_path / "f.atom").read_bytes().count(b"<entry>") == 2
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    put(tmp_path, 100, "two")
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, usual[1]))  # enough for what SQLite keeps beside state.db
    try:
        with pytest.raises(InputError, match=r"File too large.*may not become that large"):
            run(tmp_path, "feed", "--out", str(tmp_path / "full.atom"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def test_wrong_use_is_said(tmp_path: Path) -> None:
    for arguments in (["deliver", "--channel", "no"], ["channels", "--test", "no"], ["feed", "--out", "/no/such/f"]):
        with pytest.raises(UsageError, match=r"no channel 'no'|cannot be written"):
            run(tmp_path, *arguments)
    write_channels(tmp_path, f"channels:\n  a: {{webhook: 'http://127.0.0.1:{free_port()}/', secret: {SECRET}}}\n")
    with pytest.raises(DroplineError, match=r"Correct channels\.yml"):
        run(tmp_path, "channels", "--test", "a")
