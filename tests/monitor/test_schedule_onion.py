"""Two crawls by the service, through a real private Tor network, into the store; one of them killed under way."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from schedule_commands import ask, dropline, runs, service, until

from monitor.demo.world.server import WorldServer

if TYPE_CHECKING:
    from monitor.demo.tor_network import TorNetwork


@pytest.fixture
def data(tor_network: TorNetwork, tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A data folder whose authorised market answers at a real onion service."""
    with WorldServer(3, 8) as world:
        onion = tor_network.publish(world.ports["stash"])
        (tmp_path / "authorisations.yml").write_text(
            "markets:\n  stash:\n    legal_basis: a test of our own\n    approver: nobody\n    expires: 2099-01-01\n"
            f"    addresses: [{onion}]\n",
            encoding="utf-8",
        )
        yield tmp_path, {"DROPLINE_TOR_SOCKS": tor_network.socks_address}
        tor_network.unpublish(onion)


def kill_a_crawl(folder: Path) -> bool:
    """kill -9 to the whole run once its crawl has read something."""
    journals = list((folder / "frontier" / "stash").glob("*.jsonl"))
    if not journals or journals[0].stat().st_size < 3000:
        return False
    for file in (folder / "schedule" / "runs").rglob("*.pid"):
        if not file.with_suffix(".exit").exists():
            with suppress(ProcessLookupError):
                os.killpg(int(file.read_text()), signal.SIGKILL)
                return True
    return False


def test_crawled_twice_by_the_service(data: tuple[Path, dict[str, str]]) -> None:
    folder, environment = data
    plan = "min_free_gb: 0\nhealth: {port: 0}\nmarkets:\n  stash: {every: 5s, archive: false}\njobs:\n  settle: {run: settle, every: 1h}\n"
    (folder / "schedule.yml").write_text(plan, encoding="utf-8")
    with service(folder, **environment) as (child, port):
        until(lambda: kill_a_crawl(folder) or 'job="crawl:stash",state="done"} ' in ask(port, "/metrics")[1], 120)
        child.send_signal(signal.SIGKILL)  # and the service with it
        child.wait(10)
    journals = {file.stem for file in (folder / "frontier" / "stash").glob("*.jsonl")}
    with service(folder, **environment) as (child, port):

        def ended() -> list[dict[str, Any]]:
            return [run for run in runs(folder) if run["job"] == "crawl:stash" and run["state"] in {"done", "partial"}]

        deadline = time.monotonic() + 240
        while len(ended()) < 2:
            assert time.monotonic() < deadline, runs(folder)
            time.sleep(1)
        code, body = ask(port, "/healthz")
        assert code == 200, body
        assert 'dropline_market_coverage{market="stash"} 1.0' in ask(port, "/metrics")[1]
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    done = ended()
    assert {run["outcome"] for run in done} == {"complete"}
    assert len({run["crawl"] for run in done}) == len(done)
    if journals:  # the killed crawl was gone on with, under its own id
        assert journals & {run["crawl"] for run in done}
    (row,) = json.loads(dropline(folder, "--format", "json", "status", **environment).stdout)
    assert row["market"] == "stash"
    assert row["crawls"] >= 2
    assert row["last outcome"] == "complete"
    assert row["coverage"] == 1.0
