"""Several threads, each with a store of its own, write at once: what they share must not mix."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from extract.observation import Observation
from index.elastic.store import ElasticStore
from index.sqlite.store import SqliteStore
from index.store import Filter

START = datetime(2031, 1, 30, 9, tzinfo=UTC)
BEGINNINGS = ["пере", "за", "под", "раз", "from", "under", "with", "out"]
STEMS = ["ключ", "лист", "вод", "свет", "lamp", "river", "stone", "paper", "harbour"]
ENDINGS = ["ами", "ов", "ённый", "ость", "ing", "ed", "s", "ation"]
THREADS = 4


def observations(market: str) -> list[Observation]:
    """Texts of many words that stem, over two months; every text comes again in later crawls."""
    chance = random.Random(market)

    def words(count: int) -> str:
        return " ".join("".join(map(chance.choice, (BEGINNINGS, STEMS, ENDINGS))) for _ in range(count))

    texts = [(words(4), words(20)) for _ in range(60)]
    return [
        Observation(
            market=market, listing=f"L{number}", offer=f"o{number}", crawl=f"{market}-{crawl}", version="1",
            observed_at=START + timedelta(days=crawl, seconds=number), day=(START + timedelta(days=crawl)).date(),
            title=title, description=f"{description} alone{market}{number}", ready=chance.randrange(9))
        for crawl in range(8) for number, (title, description) in enumerate(texts)]


@pytest.fixture
def address(elastic_url: str) -> Iterator[str]:
    address = f"{elastic_url}/threads-{uuid.uuid4().hex[:10]}"
    yield address
    store = ElasticStore(address)
    store.destroy()
    store.close()


def test_threads_with_a_store_each_write_what_one_alone_does(address: str, tmp_path: Path) -> None:
    markets = [f"market{number}" for number in range(THREADS)]

    def load(market: str) -> int:
        store = ElasticStore(address)
        try:
            return sum(store.write(rows).written for rows in (observations(market)[:200], observations(market)[150:]))
        finally:
            store.close()

    with ThreadPoolExecutor(THREADS) as pool:
        written = list(pool.map(load, markets))
    assert written == [480] * THREADS
    together, plain = ElasticStore(address), SqliteStore(tmp_path / "plain.db")
    for market in markets:
        plain.write(observations(market))
    try:
        assert dict(together.digest()) == dict(plain.digest())
        for word in ("лампа", "ключ", "перелистами", "перелистов", "underriver", "alonemarket259", "withstonesation"):
            assert together.search(word, Filter(), 400) == plain.search(word, Filter(), 400), word
        assert len(together.search("alonemarket259", Filter())) == 1
        by = ("crawl", "market")
        assert together.count_distinct(Filter(), by, "offer") == plain.count_distinct(Filter(), by, "offer")
    finally:
        together.close()
        plain.close()
