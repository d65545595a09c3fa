"""`dropline replay` as a shell sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crawler.market import market_folder

LISTING = (market_folder("empire") / "fixtures" / "listing_bulk" / "page.html").read_bytes()


def replay(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor.cli", "--data-dir", str(folder), "replay", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_pages_of_nothing_are_a_failed_crawl_and_said_so(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<html><p>nothing here</p></html>")
    done = replay(tmp_path / "data", "--market", "stash", str(page))
    assert done.returncode == 3
    assert "kept as a failed crawl" in " ".join(done.stderr.split())
    status = subprocess.run(
        [sys.executable, "-m", "monitor.cli", "--data-dir", str(tmp_path / "data"), "--format", "json", "status"],
        capture_output=True, text=True, timeout=120, check=False)
    assert '"failed"' in status.stdout


def saved(path: Path, body: bytes, moment: datetime) -> str:
    path.write_bytes(body)
    os.utime(path, (moment.timestamp(), moment.timestamp()))
    return str(path)


def rows(done: subprocess.CompletedProcess[str]) -> list[tuple[str, Any]]:
    return [(row["what"], row["count"]) for row in json.loads(done.stdout)]


def test_each_path_is_a_crawl_of_its_own_time(tmp_path: Path) -> None:
    later = saved(tmp_path / "a.html", LISTING, datetime(2026, 1, 3, tzinfo=UTC))
    earlier = saved(tmp_path / "b.html", LISTING, datetime(2026, 1, 2, tzinfo=UTC))
    data = tmp_path / "data"
    done = rows(replay(data, "--market", "empire", "--format", "json", "--each", later, earlier))
    crawls = [str(count) for what, count in done if what == "crawl"]
    assert [crawl[:23] for crawl in crawls] == ["empire-20260102T000000Z", "empire-20260103T000000Z"]
    counts = dict(done)
    assert (counts["listings"], counts["listing pages"], counts["unchanged"]) == (2, 2, 0)
    single = rows(replay(data, "--market", "empire", "--format", "json", later))
    assert ("crawl", crawls[1]) in single
    assert dict(single)["unchanged"] * 2 == counts["observations written"]
    assert dict(single)["observations written"] == 0


def test_a_time_of_no_market_is_asked_for(tmp_path: Path) -> None:
    page = saved(tmp_path / "a.html", LISTING, datetime(1970, 1, 1, tzinfo=UTC))
    for extra in ([], ["--each"], ["--observed-at", "0001-01-01"], ["--observed-at", "9999-12-31T23:59:59Z"]):
        done = replay(tmp_path / "data", "--market", "empire", page, *extra)
        assert done.returncode == 2
        assert "--observed-at" in done.stderr
        assert not (tmp_path / "data" / "logs").exists()


def test_what_cannot_be_read_of_one_path_leaves_the_others(tmp_path: Path) -> None:
    good = saved(tmp_path / "a.html", LISTING, datetime(2026, 1, 3, tzinfo=UTC))
    bad = saved(tmp_path / "b.zip", b"no zip", datetime(2026, 1, 2, tzinfo=UTC))
    done = replay(tmp_path / "data", "--market", "empire", "--format", "json", "--each", good, bad)
    assert done.returncode == 3
    assert dict(rows(done))["listings"] == 1
    assert "damaged from here on" in " ".join(done.stderr.split())
    assert "kept as a failed crawl" in " ".join(done.stderr.split())
    both = replay(tmp_path / "data", "--market", "empire", "--each", "--observed-at", "2026-01-01", good)
    assert both.returncode == 2
    assert "--each takes every path's own time" in both.stderr
