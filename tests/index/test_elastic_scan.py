"""Rows in the order of offers, some offers at a time: what one long sorted search gives, and no offer cut in two runs."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from extract.observation import Observation
from index.elastic.documents import SCAN_ORDER, build_filter, build_query
from index.elastic.mappings import alias_name
from index.elastic.reading import iter_by_offer, iter_pages
from index.elastic.store import ElasticStore
from index.store import Filter

START = datetime(2031, 1, 10, 9, tzinfo=UTC)
MARKETS = ("lantern", "мост", "a b")


@pytest.fixture(scope="module")
def store(elastic_url: str) -> Iterator[ElasticStore]:
    cluster = ElasticStore(f"{elastic_url}/scan-{uuid.uuid4().hex[:10]}")
    chance = random.Random(5)
    rows = []
    for number in range(60):
        # one offer alone has more rows than a page
        seen = range(40) if number == 30 else sorted(chance.sample(range(40), chance.randrange(1, 9)))
        for day in seen:
            moment = START + timedelta(days=day, minutes=number)
            rows.append(Observation(
                market=MARKETS[number % 3], listing=f"L{number}", offer=f"{chance.choice('oOж')}{number}" if number % 7
                else f"o{number}", crawl=f"c{day}", version="1", title="oak", observed_at=moment, day=moment.date(),
                kind="offer"))
    cluster.write(rows)
    yield cluster
    cluster.destroy()
    cluster.close()


@pytest.mark.parametrize("size", [1, 2, 7, 25, 10_000])
@pytest.mark.parametrize("where", [Filter(), Filter(market=("мост",)), Filter(last=START.date()), Filter(form=("none",))])
def test_the_same_rows_in_the_same_order(store: ElasticStore, size: int, where: Filter) -> None:
    query, index = build_query(build_filter("observation", where)), alias_name(store.prefix, "observation")
    order = SCAN_ORDER["observation"]
    right = [hit["_id"] for hits in iter_pages(store.client, index, query, order, False) for hit in hits]
    pages = list(iter_by_offer(store.client, index, query, order, False, size=size))
    assert [hit["_id"] for hits in pages for hit in hits] == right
    assert all(0 < len(hits) <= size for hits in pages)
    assert bool(right) == bool(pages) == (where != Filter(form=("none",)))


def test_no_index(store: ElasticStore) -> None:
    query = build_query([])
    assert list(iter_by_offer(store.client, "scan-nowhere-*", query, SCAN_ORDER["observation"], False)) == []
