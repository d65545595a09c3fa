"""The world over HTTP: a process of its own on 127.0.0.1, steered by a pipe, ending with its parent."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from config.errors import DroplineError
from monitor.demo.world import START, World, WorldServer
from monitor.demo.world.records import MarketId
from monitor.demo.world.site import Site

DAYS = 12


@pytest.fixture(scope="module")
def server() -> Iterator[WorldServer]:
    with WorldServer(9, DAYS) as running:
        yield running


def get(server: WorldServer, market: MarketId, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.ports[market], timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_serves_what_the_model_renders(server: WorldServer) -> None:
    world = World(9, DAYS)
    for offset in (0, 5, 1):
        day = START + timedelta(days=offset)
        server.set_day(day)
        for market, path in (("stash", "/catalog"), ("postal", "/listings?p=2"), ("stash", "/nope")):
            expected = Site(world, market, day).respond(path)  # type: ignore[arg-type]
            assert get(server, market, path) == (expected.status, expected.body)  # type: ignore[arg-type]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="all of 127.0.0.0/8 is local on Linux only")
def test_ports_are_on_one_loopback_address(server: WorldServer) -> None:
    assert set(server.ports) == {"stash", "postal"}
    for port in server.ports.values():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=3).close()


def test_head_and_other_methods(server: WorldServer) -> None:
    assert get(server, "stash", "/catalog", "HEAD") == (200, b"")
    assert get(server, "stash", "/login", "POST")[0] == 405


def test_hostile_requests_do_not_stop_it(server: WorldServer) -> None:
    absolute = b"GET http://x HTTP/1.1\r\n\r\n"
    for bad in (b"\x00\xff\xfe\r\n\r\n", b"GET\r\n\r\n", b"A" * 40_000, b"GET / HTTP/1.1\r\n", absolute):
        with socket.create_connection(("127.0.0.1", server.ports["stash"]), timeout=5) as raw:
            raw.sendall(bad)
            raw.settimeout(0.3)
            try:
                raw.recv(100)
            except (TimeoutError, ConnectionResetError):
                continue
    assert get(server, "stash", "/catalog")[0] == 200


def test_several_requests_in_one_packet(server: WorldServer) -> None:
    with socket.create_connection(("127.0.0.1", server.ports["postal"]), timeout=5) as raw:
        raw.sendall(b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"GET /login HTTP/1.0\r\n\r\n")
        answer = b""
        while piece := raw.recv(65_536):
            answer += piece
    assert answer.count(b"HTTP/1.1 404 Not Found") == 2
    assert answer.count(b"HTTP/1.1 200 OK") == 1


def test_planted_faults(server: WorldServer) -> None:
    server.fail("stash", 2)
    assert [get(server, "stash", "/catalog")[0] for _ in range(3)] == [503, 503, 200]
    assert get(server, "postal", "/listings")[0] == 200


def test_counts_what_it_served(server: WorldServer) -> None:
    before = server.served()["postal"]
    get(server, "postal", "/login")
    assert server.served()["postal"] == before + 1


def test_a_wrong_day_is_an_error_and_not_the_end(server: WorldServer) -> None:
    with pytest.raises(DroplineError, match="not in this world"):
        server.set_day(START + timedelta(days=5000))
    server.set_day(START)
    assert get(server, "stash", "/catalog")[0] == 200


def test_fast_enough(server: WorldServer) -> None:
    """500 pages a second alone; asked for here: 150, for machines with other work."""
    ids = [row.listing.id for row in World(9, DAYS).day("stash", START).listings]
    server.set_day(START)
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["stash"], timeout=10)
    begun = time.perf_counter()
    for ident in ids * 3:
        connection.request("GET", f"/item/{ident}")
        assert connection.getresponse().read()
    seconds = time.perf_counter() - begun
    connection.close()
    assert len(ids) * 3 / seconds > 150


def test_stops_and_refuses_orders_afterwards() -> None:
    server = WorldServer(9, 1)
    with server:
        process = server.process
        assert process is not None
    assert process.returncode == 0
    with pytest.raises(DroplineError, match="not running"):
        server.set_day(START)
    server.stop()


def test_a_dead_child_is_noticed() -> None:
    with WorldServer(9, 1) as server:
        assert server.process is not None
        server.process.kill()
        server.process.wait(10)
        with pytest.raises(DroplineError, match=r"has gone|stopped answering"):
            server.set_day(START)


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_ends_with_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import time\n"
        "from monitor.demo.world import WorldServer\n"
        "server = WorldServer(9, 1).start()\n"
        "print(server.process.pid, server.ports['stash'], flush=True)\n"
        "time.sleep(60)\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        child, port = map(int, parent.stdout.readline().split())
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            break
        time.sleep(0.1)
    else:
        pytest.fail(f"the serving process {child} outlived its parent")
