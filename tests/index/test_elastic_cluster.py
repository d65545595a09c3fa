"""Three real nodes, one replica: nodes killed in the middle of a load and of questions. Nothing is lost, and an answer is
right or an error; it is never a part."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.errors import StoreError
from extract.observation import Observation
from index.elastic.client import Patience
from index.elastic.store import ElasticStore
from index.sqlite.store import SqliteStore
from index.store import Filter
from monitor.demo.elastic_server import ElasticServer

START = datetime(2031, 3, 28, tzinfo=UTC)
CRAWLS, OFFERS = 6, 2000
BY = ("crawl", "substance")
pytestmark = pytest.mark.elasticsearch


@pytest.fixture(scope="module")
def cluster(elastic_parts: None) -> Iterator[ElasticServer]:
    with ElasticServer(os.environ, nodes=3, heap_mb=512, hasty=True) as server:
        yield server


def iter_rows() -> Iterator[Observation]:
    """Six daily crawls over the end of a month."""
    chance = random.Random(6)
    for crawl in range(CRAWLS):
        moment = START + timedelta(days=crawl)
        for number in range(OFFERS):
            yield Observation(
                market="lantern", listing=f"L{number // 3}", offer=f"o{number:05d}", crawl=f"c{crawl}", version="1",
                observed_at=moment + timedelta(seconds=number), day=moment.date(), title=f"Fresh pills {number % 50}",
                substances=(chance.choice(("mdma", "ketamine", "cocaine")),), ready=chance.randrange(20),
                vendor=f"k1:{number % 70}")


def test_killed_nodes_lose_nothing_and_answer_nothing_wrong(cluster: ElasticServer, tmp_path: Path) -> None:
    hosts = ",".join(url.removeprefix("http://") for url in cluster.urls)
    store = ElasticStore(f"http://{hosts}/nodes", timeout=30)
    plain = SqliteStore(tmp_path / "plain.db")
    plain.write(iter_rows())

    def deadly() -> Iterator[Observation]:
        for place, row in enumerate(iter_rows()):
            if place == CRAWLS * OFFERS // 2:
                cluster.kill(1)
            yield row

    report = store.write(deadly())
    assert report.failed == ()
    # what a dying node acknowledged to nobody may have been written by it: then it is there already
    assert report.written + report.unchanged == CRAWLS * OFFERS
    assert dict(store.digest()) == dict(plain.digest())

    cluster.restart(1)
    _wait_green(store)
    counted = plain.count_distinct(Filter(), BY, "listing")
    hits = plain.search("fresh pill 7", Filter())
    fields = ["offer", "crawl", "ready"]
    right = wrong = 0
    refused: list[str] = []
    killer = threading.Timer(0.7, cluster.kill, (2,))
    killer.start()
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        try:
            same = (
                store.count_distinct(Filter(), BY, "listing") == counted
                and store.search("fresh pill 7", Filter()) == hits
                and sum(len(batch["offer"]) for batch in store.scan("observation", Filter(), fields)) == CRAWLS * OFFERS
            )
            right, wrong = right + same, wrong + (not same)
        except StoreError as error:
            refused.append(str(error))
    killer.join()
    assert wrong == 0
    assert right > 0
    assert all("run the command again" in message for message in refused), refused
    assert dict(store.digest()) == dict(plain.digest())
    assert store.write(list(iter_rows())[:OFFERS]).unchanged == OFFERS

    # the last two copies of some shard are gone now: no answer at all, rather than what is left
    cluster.kill(1)
    hasty = ElasticStore(f"http://{hosts}/nodes", timeout=10, patience=Patience((0.1, 0.1), "1s"))
    for ask in (
        lambda: hasty.count_distinct(Filter(), BY, "listing"),
        hasty.digest,
        lambda: hasty.write(list(iter_rows())[:10]),
    ):
        answer: object = None
        with suppress(StoreError):
            answer = ask()
        assert answer is None or answer in (counted, dict(plain.digest()))
    hasty.close()
    store.close()
    plain.close()


def _wait_green(store: ElasticStore) -> None:
    health = store.client.options(request_timeout=60).cluster.health(wait_for_status="green", timeout="45s")
    assert health["status"] == "green"
    assert health["number_of_nodes"] == 3
