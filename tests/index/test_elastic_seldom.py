"""A word that few observations have is asked of all days at once, another of the last days first: the hits are the same,
also when it grows common."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from extract.observation import Observation
from index.elastic import searching
from index.elastic.store import ElasticStore
from index.sqlite.store import SqliteStore
from index.store import Filter

START = datetime(2031, 1, 10, 9, tzinfo=UTC)


def seen(day: int, listings: range, word: str) -> list[Observation]:
    moment = START + timedelta(days=day)
    return [
        Observation(
            market="lantern", listing=f"L{number}", offer=f"o{number}", crawl=f"c{day}", version="1", title=word,
            observed_at=moment, day=moment.date(), description="always the same")
        for number in listings]


@pytest.fixture
def stores(elastic_url: str, tmp_path: Path) -> Iterator[tuple[ElasticStore, SqliteStore]]:
    cluster = ElasticStore(f"{elastic_url}/seldom-{uuid.uuid4().hex[:10]}")
    plain = SqliteStore(tmp_path / "plain.db")
    yield cluster, plain
    cluster.destroy()
    cluster.close()
    plain.close()


def test_a_seldom_word_that_becomes_common(stores: tuple[ElasticStore, SqliteStore]) -> None:
    cluster, plain = stores

    def check(times: int) -> None:
        for _ in range(times):
            for text, limit, offset in (("lilac", 20, 0), ("lilac", 5, 3), ("same", 20, 0), ("same", 30, 10)):
                assert cluster.search(text, Filter(), limit, offset) == plain.search(text, Filter(), limit, offset)

    def write(rows: list[Observation]) -> None:
        cluster.write(rows)
        plain.write(rows)

    write(seen(0, range(12), "lilac") + seen(40, range(20, 60), "oak"))
    check(3)
    assert len(cluster.search("lilac", Filter())) == 12
    write(seen(41, range(50, 90), "lilac"))
    check(60)  # what is remembered of a search changes no answer
    assert cluster.search("lilac", Filter(), 1)[0].day == (START + timedelta(days=41)).date()


@pytest.mark.parametrize("most", [1, 5, 50])
def test_shards_that_stop_early(
    stores: tuple[ElasticStore, SqliteStore], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """An answer of which a shard did not see all its hits is none."""
    monkeypatch.setattr(searching, "_SEEN", most)
    for store in stores:
        store.write(seen(0, range(30), "lilac") + seen(31, range(20, 26), "lilac") + seen(62, range(24, 60), "oak"))
    for text in ("lilac", "oak", "same", "lilac always", "-oak always", "none"):
        for limit, offset in ((20, 0), (5, 3), (100, 0), (10, 25)):
            for where in (Filter(), Filter(last=(START + timedelta(days=40)).date()), Filter(listing=("L25", "L3"))):
                found = [store.search(text, where, limit, offset) for store in stores]
                assert found[0] == found[1], (text, limit, offset, where)
