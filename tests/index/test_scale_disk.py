"""A disk that is really full (a limit on the size of files stands in for its end), and one that is full for good."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from scale_world import crawl_of, observations

from index.sqlite.store import SqliteStore
from index.store import Filter

ROOT = Path(__file__).parents[2]

WRITE_ON = """
import resource, signal, sys
from pathlib import Path
sys.path[:0] = ["tests/index"]
from scale_world import observations
from config.errors import StoreError
from index.export.partitions import write_partitions
from index.sqlite.store import SqliteStore
from index.store import Filter
from datetime import UTC, datetime
path, limit, what = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
store = SqliteStore(path)
try:
    if what == "write":
        for seed in range(100, 200):
            store.write(observations(seed, version=f"v{seed}"))
    elif what == "rebuild":
        store.rebuild()
    else:
        write_partitions(store, Filter(), path.with_name("out"), b"key", now=datetime(2031, 1, 1, tzinfo=UTC))
except StoreError as error:
    print(error)
    sys.exit(9)
"""


def run(path: Path, limit: int, what: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WRITE_ON, str(path), str(limit), what], capture_output=True, text=True, cwd=ROOT,
        check=False)
    assert done.returncode == 9, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def path(tmp_path: Path) -> Path:
    if resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY:
        pytest.skip("the size of files is limited here already")
    store = SqliteStore(tmp_path / "store.db")
    store.write(observations(1))
    store.write_crawl(crawl_of("ash", 0))
    store.close()
    return tmp_path / "store.db"


def digest(path: Path) -> str:
    store = SqliteStore(path)
    found = store.digest()["observation"]
    store.close()
    return found


@pytest.mark.parametrize("what", ["write", "rebuild"])
def test_nothing_stored_is_lost(path: Path, what: str) -> None:
    before = digest(path)
    limit = path.stat().st_size + 100_000 if what == "write" else 40_000
    told = run(path, limit, what)
    assert "disk" in told
    assert "run the same command again" in told
    store = SqliteStore(path)
    assert len(store.count_distinct(Filter(), ("crawl",), "offer", "v1")) == 16
    rows = [row for batch in store.scan("observation", Filter(), ["offer"], "v1") for row in batch["offer"]]
    assert len(rows) > 400
    if what == "rebuild":
        assert digest(path) == before
    assert store.rebuild()["crawls"] == 16  # there is room again
    store.close()


def test_an_export_leaves_nothing_half_done(path: Path) -> None:
    store = SqliteStore(path)
    store.write(observations(2, crawls=30, offers=250))
    store.close()
    told = run(path, 40_000, "export")
    assert "cannot be written" in told
    assert "Free space" in told
    assert {file.name for file in path.parent.iterdir() if file.is_dir()} == set()
