"""A real server with users, watermarks and a short queue: refused, full and overloaded. The message says what to do, and
nothing is lost."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from config.errors import StoreError
from extract.observation import Observation
from index.elastic.client import Patience
from index.elastic.store import ElasticStore
from index.store import Filter
from monitor.demo.elastic_server import ElasticServer

START = datetime(2031, 3, 1, tzinfo=UTC)
USERS = {"ana": ("correct-horse-1", "superuser"), "bob": ("battery-staple-2", "ingest_admin")}
SETTINGS = {
    "cluster.routing.allocation.disk.threshold_enabled": "true",
    "cluster.info.update.interval": "10s",
    "thread_pool.write.size": "1",
    "thread_pool.write.queue_size": "1",
}
pytestmark = pytest.mark.elasticsearch


def rows(count: int, first: int = 0, market: str = "lantern") -> list[Observation]:
    return [
        Observation(
            market=market, listing=f"L{number}", offer=f"o{number:05d}", crawl=f"{market}-1", version="1",
            day=START.date(), observed_at=START + timedelta(seconds=number), title=f"Item {number}", ready=number)
        for number in range(first, first + count)]


@pytest.fixture(scope="module")
def server(elastic_parts: None) -> Iterator[ElasticServer]:
    with ElasticServer(os.environ, heap_mb=512, hasty=True, users=USERS, settings=SETTINGS) as running:
        yield running


PATIENT = Patience((0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 5.0, 8.0, 8.0, 8.0))


def at(server: ElasticServer, user: str, prefix: str) -> ElasticStore:
    password = USERS[user][0] if user in USERS else "wrong"
    return ElasticStore(f"{server.url.replace('://', f'://{user}:{password}@')}/{prefix}", timeout=20, patience=PATIENT)


def count(store: ElasticStore) -> int:
    return sum(len(batch["offer"]) for batch in store.scan("observation", Filter(), ["offer"]))


def test_a_user_is_needed(server: ElasticServer) -> None:
    for url in (f"{server.url}/auth", f"{server.url.replace('://', '://ana:wrong@')}/auth"):
        store = ElasticStore(url)
        for ask in (store.current_version, lambda store=store: store.write(rows(1))):
            with pytest.raises(StoreError, match=r"wants a user .*401.*USER:PASSWORD") as caught:
                ask()
            assert "wrong@" not in str(caught.value)
        store.close()
    stranger = at(server, "bob", "auth")
    with pytest.raises(StoreError, match=r"refuses us \(403\).*may read and write"):
        stranger.write(rows(1))
    stranger.close()
    known = at(server, "ana", "auth")
    assert known.write(rows(5)).written == 5
    assert count(known) == 5
    known.close()


def test_a_disk_at_flood_stage(server: ElasticServer) -> None:
    store = at(server, "ana", "flood")
    store.write(rows(10))
    mark = "cluster.routing.allocation.disk.watermark"

    def set_marks(value: str | None) -> None:
        store.client.cluster.put_settings(persistent={f"{mark}.{name}": value for name in (
            "low", "high", "flood_stage", "low.max_headroom", "high.max_headroom", "flood_stage.max_headroom")
            if value is None or "." not in name})

    def blocked() -> bool:
        found = store.client.indices.get_settings(index="flood-observations-*", flat_settings=True)
        return any("index.blocks.read_only_allow_delete" in each["settings"] for each in found.body.values())

    def wait(wanted: bool) -> None:
        deadline = time.monotonic() + 60
        while blocked() != wanted and time.monotonic() < deadline:
            time.sleep(0.3)
        assert blocked() == wanted

    try:
        set_marks("100000gb")  # of free space: the disk is fuller than that
        wait(True)
        with pytest.raises(StoreError, match=r"takes no writes.*Free disk space"):
            store.write(rows(20))
        assert count(store) == 10
    finally:
        set_marks(None)
    wait(False)
    report = store.write(rows(20))
    assert (report.written, report.unchanged) == (10, 10)
    store.close()


def test_an_overloaded_cluster_is_waited_for(server: ElasticServer) -> None:
    markets = [f"m{number}" for number in range(4)]
    setup = at(server, "ana", "busy")
    setup.write(rows(1))

    def load(market: str) -> int:
        store = at(server, "ana", "busy")
        report = store.write(rows(3000, market=market))
        store.close()
        assert report.failed == ()
        return report.written + report.unchanged

    with ThreadPoolExecutor(len(markets)) as pool:
        assert list(pool.map(load, markets)) == [3000] * len(markets)
    assert count(setup) == 12_001
    pools = setup.client.nodes.stats(metric="thread_pool")["nodes"]
    assert sum(node["thread_pool"]["write"]["rejected"] for node in pools.values()) > 0, "nothing was turned away"
    setup.close()


class SlowProxy:
    """Passes bytes on to a port of loopback, after `delay` seconds a chunk."""

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            self._ends += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if source in self._ends[1::2]:
                    time.sleep(self.delay)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.close()
        for end in self._ends:
            end.close()


def test_a_slow_cluster(server: ElasticServer) -> None:
    proxy = SlowProxy(int(server.url.rpartition(":")[2]))
    store = ElasticStore(
        f"http://ana:{USERS['ana'][0]}@127.0.0.1:{proxy.port}/slow", timeout=1.5, patience=Patience((0.1,), "1s"))
    store.client.options(request_timeout=30).cluster.health()
    try:
        slower = ElasticStore(f"http://ana:{USERS['ana'][0]}@127.0.0.1:{proxy.port}/slow", timeout=30)
        assert slower.write(rows(10)).written == 10
        slower.close()
        proxy.delay = 3.0
        start = time.monotonic()
        for ask in (lambda: store.write(rows(20)), lambda: count(store), lambda: store.search("item", Filter())):
            with pytest.raises(StoreError, match=r"no answer in time.*run the command again"):
                ask()
        assert time.monotonic() - start < 30
        proxy.delay = 0.0
        patient = at(server, "ana", "slow")
        report = patient.write(rows(20))
        assert report.written + report.unchanged == 20
        assert count(patient) == 20
        patient.close()
    finally:
        proxy.close()
        store.close()
