"""The SQLite file when things go wrong: nothing stored is lost, and the message says what to do."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.errors import StoreError, UsageError
from extract.observation import Observation
from index.backup import backup_store
from index.open import open_store
from index.sqlite import schema
from index.sqlite.store import SqliteStore
from index.store import Filter

START = datetime(2031, 3, 1, tzinfo=UTC)

_WRITE_ON = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from extract.observation import Observation
from index.sqlite.store import SqliteStore
store, start = SqliteStore(Path(sys.argv[1])), datetime(2031, 3, 1, tzinfo=UTC)
for crawl in range(10_000):
    store.write(Observation(
        market="lantern", listing=f"L{number}", offer=f"o{number}", crawl=f"c{crawl:05d}", version="1",
        observed_at=start + timedelta(hours=crawl), day=start.date(), title=f"Item {number}") for number in range(200))
    print(crawl, flush=True)
"""


def rows(count: int, crawl: str = "c1") -> Iterator[Observation]:
    for number in range(count):
        yield Observation(
            market="lantern", listing=f"L{number}", offer=f"o{number}", crawl=crawl, version="1", day=START.date(),
            observed_at=START + timedelta(seconds=number), title=f"Item {number}")


def count(store: SqliteStore) -> int:
    return sum(len(batch["offer"]) for batch in store.scan("observation", Filter(), ["offer"]))


def test_addresses(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/new%20folder/store.db")
    store.write(rows(1))
    store.close()
    assert (tmp_path / "new folder" / "store.db").exists()
    for wrong in ("sqlite://", "sqlite:///", "sqlite://store.db", "postgres://x", "store.db", "http://"):
        with pytest.raises(UsageError, match="sqlite:///PATH"):
            open_store(wrong)
    with pytest.raises(StoreError, match="closed"):
        store.current_version()


def test_reading_makes_no_file(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "none.db")
    assert store.current_version() is None
    assert store.digest()["observation"]
    store.close()
    assert not (tmp_path / "none.db").exists()


def test_a_locked_file(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path, timeout=0.1)
    store.write(rows(3))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="Another process is writing"):
        store.write(rows(5))
    assert count(store) == 3
    other.execute("ROLLBACK")
    other.close()
    assert store.write(rows(5)).written == 2
    store.close()


def test_files_that_are_no_store(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, but long enough to be looked at " * 40)
    foreign = tmp_path / "foreign.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE guests (name TEXT)")
    connection.commit()
    connection.close()
    for path in (text, foreign, tmp_path):
        before = path.read_bytes() if path.is_file() else b""
        store = SqliteStore(path)
        with pytest.raises(StoreError) as caught:
            store.current_version()
        assert str(path) in str(caught.value)
        assert caught.value.remedy
        with pytest.raises(StoreError):
            store.write(rows(1))
        store.close()
        assert not path.is_file() or path.read_bytes() == before
    store = SqliteStore(text / "below" / "store.db")
    with pytest.raises(StoreError, match="--store"):
        store.write(rows(1))
    store.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.write(rows(1))
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    store = SqliteStore(path)
    with pytest.raises(StoreError, match=r"schema 99.*Update dropline"):
        store.current_version()
    with pytest.raises(StoreError, match="schema 99"):
        store.write(rows(2))
    store.close()


def test_an_older_schema_moves_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.write(rows(4))
    store.close()
    present = schema.SCHEMA_VERSION
    monkeypatch.setattr(schema, "SCHEMA_VERSION", present + 1)
    store = SqliteStore(path)
    with pytest.raises(StoreError, match="no way leads"):
        store.current_version()
    store.close()
    monkeypatch.setitem(schema.MIGRATIONS, present, lambda connection: connection.execute("CREATE TABLE later (x)"))
    store = SqliteStore(path)
    assert count(store) == 4
    store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (present + 1,)
    assert connection.execute("SELECT COUNT(*) FROM later").fetchone() == (0,)
    connection.close()


def test_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.write(rows(3000))
    store.close()
    content = bytearray(path.read_bytes())
    content[8192:-8192] = os.urandom(len(content) - 16384)
    path.write_bytes(content)
    store = SqliteStore(path)
    with pytest.raises(StoreError, match="backup"):
        count(store)
    store.close()


def test_a_full_disk(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    store.write(rows(100))
    assert store._writer is not None
    limit = store._writer.connection.execute("PRAGMA page_count").fetchone()[0] + 5
    store._writer.connection.execute(f"PRAGMA max_page_count = {limit}")
    with pytest.raises(StoreError, match="free space"):
        store.write(rows(4000, "c2"))
    assert count(store) == 100
    store._writer.connection.execute("PRAGMA max_page_count = 1000000")
    assert store.write(rows(4000, "c2")).written == 4000
    store.close()


def test_a_batch_is_durable_though_the_source_breaks(tmp_path: Path) -> None:
    def broken() -> Iterator[Observation]:
        yield from rows(6000)
        raise StoreError("the log ends in the middle of a line.")

    store = SqliteStore(tmp_path / "store.db")
    with pytest.raises(StoreError, match="middle"):
        store.write(broken())
    assert count(store) == 5000
    report = store.write(rows(6000))
    assert (report.written, report.unchanged) == (1000, 5000)
    store.close()


def _start(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _WRITE_ON, str(path)], stdout=subprocess.PIPE, text=True)


def test_readers_are_not_blocked_and_a_killed_writer_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with _start(path) as writer:
        assert writer.stdout is not None
        try:
            assert writer.stdout.readline() == "0\n"
            store = SqliteStore(path, timeout=0.0)  # a reader that would have to wait would fail at once
            seen, until = [], time.monotonic() + 1.5
            while time.monotonic() < until:
                seen.append(count(store))
        finally:
            writer.send_signal(signal.SIGKILL)
        acknowledged = 1 + len(writer.stdout.read().splitlines())
    assert seen == sorted(seen)
    assert all(number % 200 == 0 for number in seen)
    assert seen[-1] > seen[0]
    after = count(store)
    assert after >= acknowledged * 200
    assert store.write(rows(5, "again")).written == 5
    store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_what_another_process_forgot_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    one, other = SqliteStore(path), SqliteStore(path)
    one.write(rows(10))
    other.forget(market="lantern")
    assert one.write(rows(10)).written == 10  # ids remembered from before are gone
    assert count(other) == 10
    assert [hit.title for hit in other.search("item", Filter(listing=("L3",)))] == ["Item 3"]
    one.close()
    other.close()


def test_forgetting_leaves_no_trace_of_a_vendor(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.write([
        row.model_copy(update={"vendor": "k9:deadbeef", "title": "Unmistakable"}) if row.listing == "L2" else row
        for row in rows(4)])
    assert store.forget(vendor="k9:deadbeef") == 1
    store.close()
    connection = sqlite3.connect(path)
    for table, column in (("names", "name"), ("facts", "vendor"), ("texts", "title")):
        values = [str(value) for (value,) in connection.execute(f"SELECT {column} FROM {table}")]
        assert values
        assert not [value for value in values if "deadbeef" in value or "Unmistakable" in value]
    connection.close()


def test_a_file_that_cannot_be_opened_is_told_by_whatever_asks_first(tmp_path: Path) -> None:
    path = tmp_path / "torn.db"
    with closing(SqliteStore(path)) as store:
        store.write(rows(50))
    path.write_bytes(path.read_bytes()[:5_000])
    for ask in (
        lambda store: store.rebuild(), lambda store: store.forget(market="lantern"),
        lambda store: store.drop_before(START.date()), lambda store: store.versions(),
    ):
        with closing(SqliteStore(path)) as store, pytest.raises(StoreError, match=r"torn\.db: .*backup"):
            ask(store)
    with pytest.raises(StoreError, match=r"torn\.db: .*backup"):
        backup_store(path, tmp_path / "copy.db")
