"""Distinct counts from packs: the same as on SQLite, whatever happened to the observations since a pack was made."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.observation import Kind, Observation, Stash
from index.columns import COUNT_FIELDS
from index.content import sort_groups
from index.elastic.documents import read_pack_document
from index.elastic.mappings import pack_index
from index.elastic.packs import FIELDS, Growing, Pack, agrees, dump_pack, load_pack
from index.elastic.store import ElasticStore
from index.elastic.tally import Numbers, Tally
from index.packed import load_column
from index.sqlite.store import SqliteStore
from index.store import Distinct, Filter

START = datetime(2031, 3, 29, 12, tzinfo=UTC)
OF: tuple[Distinct, ...] = get_args(Distinct)


def observations(seed: int, offers: int = 120, crawls: int = 5) -> list[Observation]:
    chance = random.Random(seed)
    rows = []
    for number in range(offers):
        fields: dict[str, Any] = {
            "market": chance.choice(("lantern", "harbour")), "listing": f"L{number // 3}", "offer": f"o{number:04d}",
            "vendor": chance.choice((None, "k:1", "k:2", "k:3")), "form": chance.choice((None, "pill")),
            "substances": chance.choice(((), ("mdma",), ("cocaine", "mdma"))), "title": f"Item {number}",
            "region": chance.choice((None, "GE", "GE-TB", "GE-AJ", "GEX")), "stash": chance.choice((None, *Stash)),
            "kind": chance.choice((Kind.OFFER, Kind.JOB)), "ships_from": chance.choice(((), ("DE",), ("DE", "NL"))),
            "ships_to": chance.choice(((), ("EU",), ("WORLD", "EU")))}
        for crawl in range(crawls):
            if chance.random() < 0.8:
                moment = START + timedelta(days=crawl, seconds=number)
                rows.append(Observation(
                    **fields, version="1", crawl=f"{fields['market']}-{crawl}", observed_at=moment, day=moment.date(),
                    ready=chance.randrange(9)))
    return rows


@pytest.fixture
def stores(elastic_url: str, tmp_path: Path) -> Iterator[tuple[ElasticStore, SqliteStore]]:
    cluster = ElasticStore(f"{elastic_url}/counts-{uuid.uuid4().hex[:10]}", few=-1)  # never too few for packs
    plain = SqliteStore(tmp_path / "plain.db")
    yield cluster, plain
    cluster.destroy()
    cluster.close()
    plain.close()


QUESTIONS = [
    (Filter(), ()),
    (Filter(), ("crawl",)),
    (Filter(), ("crawl", "substance", "vendor")),
    (Filter(region=("GE",)), ("crawl", "stash")),
    (Filter(region=("GE-TB",), kind=("offer",)), ("day", "form")),
    (Filter(substance=("unknown", "mdma")), ("substance", "market")),
    (Filter(vendor=("k:1", "k:3"), ships_to=("EU",)), ("ships_from", "ships_to")),
    (Filter(first=date(2031, 3, 30), last=date(2031, 4, 1)), ("region", "kind")),
    (Filter(market=("harbour",), crawl=("harbour-1", "harbour-2")), ("market", "group")),
    (Filter(listing=("L3",)), ("crawl",)),
    (Filter(stash=("magnet",), form=("pill",)), ("ships_to",)),
    (Filter(market=("nowhere",)), ("crawl",)),
    (Filter(), COUNT_FIELDS),
    # kept ready, by crawl
    (Filter(region=("GE",)), ("market", "crawl", "region", "substance")),
    (Filter(substance=("unknown",), market=("lantern",)), ("crawl",)),
    (Filter(substance=("unknown", "cocaine")), ("crawl", "substance")),
    (Filter(first=date(2031, 3, 30), last=date(2031, 4, 1), stash=("magnet",)), ("crawl",)),
    (Filter(crawl=("harbour-1", "lantern-2")), ("crawl", "kind")),
    (Filter(crawl=("harbour-1", "lantern-2")), ("region", "substance")),
]


def assert_same(cluster: ElasticStore, plain: SqliteStore) -> None:
    for where, by in QUESTIONS:
        for of in OF:
            assert cluster.count_distinct(where, by, of) == plain.count_distinct(where, by, of), (where, by, of)


def packs(cluster: ElasticStore) -> int:
    cluster.client.indices.refresh(index=f"{cluster.prefix}-packs-*")
    return int(cluster.client.count(index=f"{cluster.prefix}-packs-*")["count"])


@pytest.mark.elasticsearch
def test_counts_are_those_of_sqlite_after_whatever_happens(stores: tuple[ElasticStore, SqliteStore]) -> None:
    cluster, plain = stores
    rows = observations(1)
    for store in stores:
        store.write(rows)
    assert packs(cluster) == 10
    assert_same(cluster, plain)
    # a few rows of old crawls change: the packs that this writes know only those, and are seen through
    again = ElasticStore(f"{cluster.address.nodes[0]}/{cluster.prefix}", few=-1)
    changed = [row.model_copy(update={"form": "crystal", "vendor": "k:9"}) for row in rows[5:300:29]]
    for store in (again, plain):
        assert store.write(changed).written == len(changed)
    assert_same(again, plain)
    # a crawl moves over the end of a month
    moved = [
        row.model_copy(update={"observed_at": row.observed_at + timedelta(days=4), "day": row.day + timedelta(days=4)})
        for row in rows if row.crawl == "lantern-1"]
    for store in (again, plain):
        store.write(moved)
    assert_same(cluster, plain)
    assert dict(again.digest()) == dict(plain.digest())
    # packs that are gone or damaged by someone are made anew
    cluster.client.indices.delete(index=pack_index(cluster.prefix, "packs", "1"))
    cluster.client.indices.delete(index=pack_index(cluster.prefix, "counts", "1"))
    fresh = ElasticStore(f"{cluster.address.nodes[0]}/{cluster.prefix}", few=-1)
    assert_same(fresh, plain)
    assert packs(fresh) == 10
    for store in (fresh, plain):
        store.forget(vendor="k:1")
        store.forget(crawl="harbour-2")
    pattern = f"{cluster.prefix}-packs-*"
    for hit in cluster.client.search(index=pattern, size=100)["hits"]["hits"]:
        _, _, columns = read_pack_document(hit["_source"])
        assert "k:1" not in load_column(columns["vendor"])[1]
    assert_same(fresh, plain)
    again.close()
    fresh.close()


@pytest.mark.elasticsearch
def test_few_rows_are_paged_through(stores: tuple[ElasticStore, SqliteStore]) -> None:
    cluster, plain = stores
    for store in stores:
        store.write(observations(2))
    paging = ElasticStore(f"{cluster.address.nodes[0]}/{cluster.prefix}")
    assert_same(paging, plain)
    paging.close()


ROWS = st.lists(
    st.tuples(
        st.sampled_from(("2031-03-01", "2031-03-02")), st.sampled_from(("a", "b")),
        *(st.sampled_from((None, "x", "й")) for _ in range(5)), st.sampled_from(("offer", "job")),
        st.sampled_from((None, "v", "w")), *(st.sampled_from(((), ("DE",), ("NL", "DE"))) for _ in range(2)),
        st.sampled_from("LMN"), st.sampled_from("opqr"), st.integers(0, 2**32 - 1)),
    max_size=40)


Row = tuple[Any, ...]


def build_pack(rows: list[Row]) -> Pack:
    """In two parts, of which the second brings some of the first anew."""
    growing = Growing()
    for start, end in ((0, len(rows) // 2), (len(rows) // 4, len(rows))):
        part = rows[start:end]
        growing.add([str(number) for number in range(start, end)], [
            [row[place] for row in part] for place in range(len(FIELDS) + 3)])
    assert len(growing) == len(rows)
    return growing.build()


@given(rows=ROWS, by=st.lists(st.sampled_from((*FIELDS, "crawl")), unique=True, max_size=4), of=st.sampled_from(OF))
@settings(max_examples=150, deadline=None)
def test_a_pack_counts_as_a_plain_loop_does(rows: list[Row], by: list[str], of: Distinct) -> None:
    halves = {"c1": rows[: len(rows) // 2], "c2": rows[len(rows) // 2 :]}
    tally = Tally(Filter(), by, of, Numbers())
    right: dict[tuple[Any, ...], set[tuple[str, str]]] = {}
    for crawl, half in halves.items():
        pack = build_pack(half)
        tally.add(crawl, load_pack(len(pack), dump_pack(pack)))
        for row in half:
            thing = {"listing": row[-3], "offer": row[-2], "vendor": row[8]}[of]
            keys: list[tuple[Any, ...]] = [()]
            for field in by:
                value = crawl if field == "crawl" else row[FIELDS.index(field)]
                values = (value or (None,)) if isinstance(value, tuple) else (value,)
                keys = [(*key, each) for key in keys for each in values]
            for key in keys:
                found = right.setdefault(key, set())
                if thing is not None:
                    found.add((row[1], thing))
    assert tally.result() == sort_groups([(key, len(things)) for key, things in right.items()])


def test_a_pack_of_other_rows_does_not_agree() -> None:
    rows: list[Row] = [
        (f"2031-03-0{number % 3 + 1}", "a", *[None] * 5, "offer", None, (), (), f"L{number}", f"o{number}", number)
        for number in range(9)]
    pack = build_pack(rows)
    assert agrees(pack, Filter(), 9, 36.0)
    assert agrees(pack, Filter(first=date(2031, 3, 2)), 6, 27.0)
    assert not agrees(pack, Filter(), 9, 37.0)
    assert not agrees(pack, Filter(), 8, 36.0)
    assert not agrees(pack, Filter(market=("b",)), 9, 36.0)


def asked(store: ElasticStore) -> int:
    """Searches that the cluster's shards of this prefix have answered."""
    stats = store.client.indices.stats(index=f"{store.prefix}-*", metric="search")
    return int(stats["_all"]["primaries"]["search"]["query_total"])


def test_questions_of_one_look_weigh_the_crawls_once(stores: tuple[ElasticStore, SqliteStore]) -> None:
    cluster, plain = stores
    rows = observations(3)
    for store in stores:
        store.write(rows)
        store.set_current_version("1")
    crawls = sorted({row.crawl for row in rows})
    wheres = [Filter(crawl=(crawl,)) for crawl in crawls]

    def ask(store: ElasticStore | SqliteStore) -> list[Any]:
        return [store.count_distinct(where, ("substance", "vendor"), "offer") for where in wheres]

    begun = asked(cluster)
    apart = ask(cluster)
    between = asked(cluster)
    with cluster.steady(), cluster.steady():
        together = ask(cluster)
        ended = asked(cluster)
    assert apart == together == ask(plain)
    assert 0 < (ended - between) * len(crawls) == between - begun
    late = observations(4)
    for store in stores:
        store.write(late)
    assert ask(cluster) == ask(plain) != together


def test_sets_of_crawls_are_counted_one_after_the_other(stores: tuple[ElasticStore, SqliteStore]) -> None:
    for store in stores:  # still empty
        assert list(store.count_each(Filter(), [("a",), ("b",)], (), "offer")) == [[], []]
    rows = observations(5, crawls=6)
    for store in stores:
        store.write(rows)
        store.set_current_version("1")
    crawls = sorted({row.crawl for row in rows})
    # in any order, one crawl in several sets, one that is not there, more of them than one request fetches
    sets = [tuple(crawls), (crawls[3], crawls[0]), ("nothing",), *((one,) for one in crawls * 8), tuple(crawls[2:5])]
    for where in (Filter(), Filter(substance=("mdma",), market=("lantern",)), Filter(first=date(2031, 3, 30))):
        for by in ((), ("substance", "ships_to"), ("vendor",)):
            expected = [stores[1].count_distinct(where.model_copy(update={"crawl": some}), by, "offer") for some in sets]
            for store in stores:
                assert list(store.count_each(where, sets, by, "offer")) == expected


def test_a_pack_made_anew_within_one_look_is_numbered_anew() -> None:
    numbers = Numbers()
    hashes = np.array([9, 3, 7, 2**63], dtype=np.uint64)
    first = numbers.of_crawl("a", hashes)
    assert numbers.of_crawl("a", hashes[::-1].copy()).tolist() == first[::-1].tolist()
    assert numbers.of_crawl("b", hashes[1:3].copy()).tolist() == first[1:3].tolist()
    assert sorted({*first.tolist(), *numbers.of(np.array([1, 7], dtype=np.uint64)).tolist()}) == [0, 1, 2, 3, 4]
