"""The demo over a real private Tor network, and on both stores: the same world gives the same rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from web_lab import Client, started


def demo(folder: Path, *arguments: str) -> tuple[list[dict[str, Any]], str]:
    done = subprocess.run(
        [sys.executable, "-m", "monitor.cli", "--format", "json", *arguments[:-1], "demo", "--out", str(folder), *arguments[-1].split()],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def check(rows: list[dict[str, Any]]) -> None:
    counts = [row for row in rows if row["measure"] in ("listings", "offers", "vendors")]
    assert counts
    assert all(row["value"] == pytest.approx(row["truth"]) for row in counts)


@pytest.mark.tor
def test_two_days_through_onion_services(tmp_path: Path) -> None:
    rows, told = demo(tmp_path / "tor", "--tor --days 2 --seed 5")
    check(rows)
    assert "4 crawls (4 complete)" in told
    logged = b"".join(path.read_bytes() for path in (tmp_path / "tor" / "logs").rglob("*.jsonl"))
    assert b".onion" not in logged


@pytest.mark.elasticsearch
def test_both_stores_give_the_same_rows(tmp_path: Path, elastic_url: str, elastic_prefix: str) -> None:
    embedded, _ = demo(tmp_path / "sqlite", "--days 3 --seed 4")
    cluster, _ = demo(tmp_path / "elastic", "--store", f"{elastic_url}/{elastic_prefix}", "--days 3 --seed 4")
    check(embedded)
    assert cluster == embedded


def test_another_seed_is_another_world_served_and_the_same_seed_the_same(tmp_path: Path) -> None:
    first, _ = demo(tmp_path / "a", "--days 2 --seed 8")
    again, _ = demo(tmp_path / "b", "--days 2 --seed 8")
    out = tmp_path / "other.json"
    arguments = ("demo", "--out", str(tmp_path / "c"), "--days", "2", "--seed", "9", "--serve", "--port", "0")
    with started(out, "--format", "json", *arguments) as running:
        client = Client(running.address).open()
        assert {row["market"] for row in client.ask("/api/status").json["markets"]} == {"postal", "stash"}
        assert [rule["owner"] for rule in client.ask("/api/rules").json] == ["demo"]
        assert "<svg" in client.ask("/trends?measure=listings&by=day").body
        running.stop(signal.SIGINT)
    other = json.loads(out.read_text(encoding="utf-8"))
    assert first == again
    assert [row["truth"] for row in other] != [row["truth"] for row in first]
    check(other)
