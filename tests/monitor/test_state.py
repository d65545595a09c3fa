"""state.db and sessions: pauses hold, sessions stay secret, and the commands say so."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError, StoreError, UsageError
from crawler.session import load_session, parse_cookies, save_session
from monitor.state import MarketPaused, Pause, State, state_path

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOST = f"{'a' * 55}d.onion"
SECRET = "s3cr3t-value"


def test_pauses_are_kept_and_lifted(tmp_path: Path) -> None:
    path = state_path(tmp_path)
    with State(path) as state:
        state.check_not_paused("lab")
        state.pause("lab", "a challenge", NOW, "lab-1")
        state.pause("lab", "a login", NOW + timedelta(days=1), "lab-2")
    with State(path) as state:
        assert state.pauses() == [Pause("lab", "a login", NOW, "lab-1")]
        with pytest.raises(MarketPaused, match="session set lab"):
            state.check_not_paused("lab")
        state.check_not_paused("other")
        assert state.resume("lab")
        assert not state.resume("lab")
        state.check_not_paused("lab")


def test_a_newer_or_broken_state_is_refused(tmp_path: Path) -> None:
    path = state_path(tmp_path)
    State(path).close()
    db = sqlite3.connect(path)
    db.execute("UPDATE schema_version SET version = 99")
    db.commit()
    db.close()
    with pytest.raises(StoreError, match="newer"):
        State(path)
    (tmp_path / "broken.db").write_bytes(b"not a database at all, " * 100)
    with pytest.raises(StoreError, match="backup"):
        State(tmp_path / "broken.db")


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    with State(state_path(tmp_path)) as state:
        row = ("a", "b", "2026-01-01T00:00:00+00:00", "")
        with pytest.raises(sqlite3.IntegrityError), state.writing() as db:
            db.executemany("INSERT INTO pause VALUES (?, ?, ?, ?)", [row, row])
        assert state.pauses() == []


def test_a_full_disk_is_no_damage(tmp_path: Path) -> None:
    with State(state_path(tmp_path)) as state:
        state.db.execute(f"PRAGMA max_page_count = {state.db.execute('PRAGMA page_count').fetchone()[0]}")
        with pytest.raises(StoreError, match="disk is full: free space") as caught:
            state.pause("lab", "why " * 100_000, NOW)
        assert "backup" not in str(caught.value)
        assert state.pauses() == []
        state.db.execute("PRAGMA max_page_count = 100000")
        state.pause("lab", "why", NOW)  # and goes on
        assert state.pauses() == [Pause("lab", "why", NOW)]


def cookies_txt(*rows: tuple[str, int, str, str]) -> str:
    lines = ["# Netscape HTTP Cookie File", ""]
    lines += ["\t".join((domain, "TRUE", "/", "FALSE", str(until), name, value)) for domain, until, name, value in rows]
    return "\n".join(lines) + "\n"


def test_cookies_txt(tmp_path: Path) -> None:
    text = cookies_txt(
        (f"#HttpOnly_.{HOST}", 0, "sid", SECRET),
        (HOST, 1, "old", "gone"),
        (HOST, int(NOW.timestamp()) + 60, "fresh", "yes"),
        (".example.org", 0, "tracker", "no"),
        (f"{'b' * 55}d.onion", 0, "other", "no"),
    )
    assert parse_cookies(text, [HOST], NOW) == {"sid": SECRET, "fresh": "yes"}
    assert set(parse_cookies(text, [], NOW)) == {"sid", "fresh", "other"}
    with pytest.raises(InputError, match="no cookie"):
        parse_cookies(cookies_txt((".example.org", 0, "a", "b")), [HOST], NOW)


@pytest.mark.parametrize("text", ["sid=s1; lang=en", "Cookie: sid=s1; lang=en\n", "\ufeffsid=s1;lang=en;"])
def test_cookie_header(text: str) -> None:
    assert parse_cookies(text, [], NOW) == {"sid": "s1", "lang": "en"}


@pytest.mark.parametrize("text", ["", "sid", "a b=c", "sid=\x01", "ключ=1", "sid=я", "a\tb\tc\td\te\tf\tg"])
def test_what_is_no_session_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_cookies(text, [], NOW)
    assert len(text) < 2 or text not in str(caught.value)


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser_or_smuggles_a_header(text: str) -> None:
    try:
        found = parse_cookies(text, [], NOW)
    except InputError:
        return
    for name, value in found.items():
        assert not set("\r\n;\0") & set(name + value)


def test_a_session_is_secret_and_replaced_whole(tmp_path: Path) -> None:
    assert load_session(tmp_path, "lab") is None
    path = save_session(tmp_path, "lab", {"sid": SECRET, "b": "c"}, NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    save_session(tmp_path, "lab", {"sid": SECRET}, NOW)
    session = load_session(tmp_path, "lab")
    assert session is not None
    assert session.cookies == {"sid": SECRET}
    assert SECRET not in repr(session)
    assert [item.name for item in path.parent.iterdir()] == ["lab.json"]
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        load_session(tmp_path, "lab")
    path.chmod(0o600)
    path.write_text(json.dumps({"set": "never", "cookies": {"sid": SECRET}}))
    with pytest.raises(UsageError) as caught:
        load_session(tmp_path, "lab")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def dropline(folder: Path, *arguments: str, given_text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from monitor.cli import main; main()", "--data-dir", str(folder), "--format", "json",
         *arguments],
        input=given_text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip


def test_session_commands_and_a_refused_crawl(tmp_path: Path) -> None:
    (tmp_path / "authorisations.yml").write_text(
        f"markets:\n  stash:\n    legal_basis: test\n    approver: me\n    expires: 2999-01-01\n    addresses: [{HOST}]\n"
    )
    with State(state_path(tmp_path)) as state:
        state.pause("stash", "it shows a challenge", NOW, "stash-1")
    refused = dropline(tmp_path, "crawl", "stash")
    assert refused.returncode == 2
    assert "paused since 2026-05-01" in refused.stderr
    assert "session set stash" in refused.stderr
    shown = dropline(tmp_path, "status")
    assert "stash is paused" in shown.stderr
    bad = dropline(tmp_path, "session", "set", "stash", given_text=f"{SECRET}\n")
    assert bad.returncode == 1
    assert SECRET not in bad.stderr + bad.stdout
    assert "paused" in dropline(tmp_path, "crawl", "stash").stderr
    done = dropline(tmp_path, "session", "set", "stash", given_text=f"sid={SECRET}\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"market": "stash", "cookies": ["sid"], "pause lifted": True}]
    assert SECRET not in done.stderr + done.stdout
    rows = json.loads(dropline(tmp_path, "session", "show").stdout)
    assert [(row["market"], row["cookies"], row["reason"]) for row in rows] == [("stash", ["sid"], None)]
    unknown = dropline(tmp_path, "session", "set", "nowhere", given_text="a=b")
    assert unknown.returncode == 2


def test_a_state_that_fails_later_on_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    State(path).close()
    with pytest.raises(StoreError, match=r"state\.db: .*no such table"), State(path) as state:
        state.db.execute("SELECT 1 FROM gone")
    with sqlite3.connect(path) as other, State(path) as state:
        state.db.execute("PRAGMA busy_timeout = 1")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="Another process is writing"), State(path) as second:
            second.db.execute("PRAGMA busy_timeout = 1").connection.execute("BEGIN IMMEDIATE")
    other.close()
