"""Packs of offer-days on a real Elasticsearch: the same rows as a scan gives, whoever wrote what since and wherever a
writer died; the same measures as on SQLite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from scale_world import DAY, FILTERS, MARKETS, coded_rows, crawl_of, observations, scanned_rows

from extract.observation import Coverage, CoverageBasis, Observation
from index.derive import derive_offer_days
from index.elastic import day_packs
from index.elastic.documents import day_pack_id, read_pack_document
from index.elastic.mappings import EXTRAS, index_name, pack_index
from index.elastic.store import ElasticStore
from index.measures import trends
from index.packed import load_column
from index.sqlite.store import SqliteStore
from index.store import Filter, Store
from index.transfer import copy_store

pytestmark = pytest.mark.elasticsearch


def history(crawls: int = 16) -> list[Observation]:
    """Three weeks: over two ends of a period, into a second month with more."""
    return [
        row.model_copy(update={"feedback": row.observed_at.toordinal() % 50 if row.ready else None})
        for row in observations(3, crawls=crawls, offers=24)]


def fill(store: Store, crawls: int = 16) -> None:
    store.write(history(crawls))
    full = Coverage(seen=10, expected=10, value=1.0, basis=CoverageBasis.SITE_TOTAL)
    for market, number in product(MARKETS, range(crawls)):
        store.write_crawl(crawl_of(market, number).model_copy(update={"coverage": (full,)}))
    for market in MARKETS:
        derive_offer_days(store, market, "v1", DAY)


@pytest.fixture
def store(elastic_url: str) -> Iterator[ElasticStore]:
    opened = ElasticStore(f"{elastic_url}/days-{uuid.uuid4().hex[:10]}")
    fill(opened)
    yield opened
    opened.destroy()
    opened.close()


def check(store: ElasticStore, version: str = "v1") -> None:
    for where in FILTERS:
        found = coded_rows(store, where, version)
        assert found is not None
        assert found == scanned_rows(store, where, version), where


def stored(store: ElasticStore) -> dict[str, dict[str, Any]]:
    """Packs as they are kept, by id."""
    pattern = pack_index(store.prefix, "day-packs", None)
    store.client.indices.refresh(index=pattern)
    hits = store.client.search(index=pattern, size=1000)["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


def stale(store: ElasticStore, version: str = "v1") -> int:
    weights = store._day_packs._weigh(version)
    assert weights is not None
    return len(store._day_packs._stale(version, weights))


def test_the_rows_of_the_index(store: ElasticStore) -> None:
    assert stale(store) == 0  # deriving made them
    assert len(stored(store)) == 6
    check(store)
    assert len(coded_rows(store, Filter()) or ()) > 300
    assert store.scan_coded(Filter(), ["offer", "first_seen"]) is None  # not packed: the rows tell
    assert store.scan_coded(Filter(crawl=("ash-001",)), ["offer"]) is None
    assert coded_rows(store, Filter(), "never") == []


def test_what_changed_since_is_made_anew(store: ElasticStore) -> None:
    days = list(store.last_offer_days("ash", DAY + timedelta(days=30), "v1"))[:9]
    report = store.write_offer_days(day.model_copy(update={"unit_price_usd": 7, "flags": ()}) for day in days)
    assert report.written + report.unchanged == 9
    assert stale(store) > 0
    check(store)
    assert stale(store) == 0  # the question made them
    store.drop_offer_days("yew", "v1", DAY + timedelta(days=2), DAY + timedelta(days=4))
    check(store)
    assert store.write_offer_days(days).written == report.written
    assert stale(store) > 0
    assert store.rebuild(only_stale=True)["day packs"] > 0
    assert stale(store) == 0
    check(store)
    derive_offer_days(store, "ash", "v1", DAY + timedelta(days=5))
    check(store)


def test_a_day_joins_the_pack_of_its_period(store: ElasticStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a crawl a day costs: packs are not read back from the rows."""
    made: list[str] = []
    make = day_packs.DayPacks._make

    def watched(packs: day_packs.DayPacks, version: str, name: str) -> Any:
        made.append(name)
        return make(packs, version, name)

    monkeypatch.setattr(day_packs.DayPacks, "_make", watched)
    later = [row for row in history(17) if row.crawl.endswith("-016")]
    store.write(later)
    first = min(row.day for row in later)
    for market in MARKETS:
        derive_offer_days(store, market, "v1", first)
    assert (stale(store), made) == (0, [])
    check(store)
    # a day in the past makes all later ones anew; offers that are gone leave no row behind
    store.forget(crawl="ash-003")
    derive_offer_days(store, "ash", "v1", crawl_of("ash", 3).started.date())
    assert stale(store) == 0
    check(store)
    # more rows than are kept: from the index
    monkeypatch.setattr(day_packs, "MOST_HELD", 20)
    store.write(row.model_copy(update={"ready": 9}) for row in history() if row.market == "yew")
    derive_offer_days(store, "yew", "v1", DAY)
    assert made != []
    assert stale(store) == 0
    check(store)


def derive_and_check(store: ElasticStore) -> None:
    """Deriving makes every pack right again."""
    for market in MARKETS:
        derive_offer_days(store, market, "v1", DAY)
    assert stale(store) == 0
    check(store)


@pytest.mark.parametrize("what", [{"crawl": "ash-003"}, {"vendor": "k:b"}, {"market": "yew"}])
def test_forgetting(store: ElasticStore, what: dict[str, str]) -> None:
    assert store.forget(**what) > 0
    for name, source in stored(store).items():
        assert name[10:] != what.get("market")
        assert what.get("vendor", "none") not in load_column(read_pack_document(source)[2]["vendor"])[1]
    check(store)
    derive_and_check(store)


def test_purging_and_versions(store: ElasticStore) -> None:
    later = [row.model_copy(update={
        "observed_at": row.observed_at + timedelta(days=31), "day": row.day + timedelta(days=31),
        "crawl": f"{row.crawl}-later", "offer": f"{row.offer}-later"}) for row in history(4)]
    store.write(later)
    store.write(row.model_copy(update={"version": "v2"}) for row in history(6))
    for market in MARKETS:
        derive_offer_days(store, market, "v1", min(row.day for row in later))
        derive_offer_days(store, market, "v2", DAY)
    check(store)
    check(store, "v2")
    store.set_current_version("v2")
    batches = store.scan_coded(Filter(), ["offer"])
    assert batches is not None
    assert sum(len(batch.days) for batch in batches) == len(scanned_rows(store, Filter(), "v2"))
    store.drop_before(date(2031, 4, 1))
    assert {name[:7] for name in stored(store)} == {"2031-04"}
    check(store)
    check(store, "v2")
    assert store.drop_version("v1") > 0
    assert stored(store) == {}


DERIVE = """
import sys
from datetime import date
from index.derive import derive_offer_days
from index.elastic.store import ElasticStore
store = ElasticStore(sys.argv[1])
print("begun", flush=True)
for turn in range(1000):
    rows = [row.model_copy(update={"unit_price_usd": turn}) for row in
            [day for market in ("ash", "yew") for day in store.last_offer_days(market, date(2032, 1, 1), "v1")]]
    store.write_offer_days(rows)
    print("turn", flush=True)
    for market in ("ash", "yew"):
        derive_offer_days(store, market, "v1", date(2031, 3, 8))
"""


def test_a_killed_writer(store: ElasticStore) -> None:
    """Between its rows and their packs, or in the middle of either: what readers get are the rows."""
    url = f"{store.address.nodes[0]}/{store.prefix}"
    for wait in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", DERIVE, url], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        ) as writer:
            assert writer.stdout is not None
            for _ in range(wait + 2):
                assert writer.stdout.readline()
            os.kill(writer.pid, signal.SIGKILL)
        store.client.indices.refresh(index=f"{store.prefix}-*")  # what the dead one wrote and did not show
        check(store)
    derive_and_check(store)


def test_an_older_schema_is_moved_forward(store: ElasticStore) -> None:
    """Offer-days that name no pack are read row by row, and named by a rebuild."""
    right = scanned_rows(store, Filter())
    index = index_name(store.prefix, "offer_day", "v1", "2031-03")
    mapping = store.client.indices.get_mapping(index=index).body[index]["mappings"]
    settings = store.client.indices.get_settings(index=index).body[index]["settings"]["index"]
    hits = store.client.search(index=index, size=10_000)["hits"]["hits"]
    store.client.indices.delete(index=index)
    for name in ("mark", "pack"):
        del mapping["properties"][name]
    mapping["_meta"]["schema"] = 2
    store.client.indices.create(
        index=index, mappings=mapping, settings={"sort": settings["sort"]},
        aliases={f"{store.prefix}-offer-days": {}, index.replace("@", "+"): {}})
    store.client.bulk(index=index, refresh=True, operations=[
        line for hit in hits for line in (
            {"create": {"_id": hit["_id"]}}, {k: v for k, v in hit["_source"].items() if k not in ("mark", "pack")})])
    again = ElasticStore(f"{store.address.nodes[0]}/{store.prefix}")
    assert coded_rows(again, Filter()) is None
    assert scanned_rows(again, Filter()) == right
    digest = dict(again.digest())
    again.rebuild()
    assert stale(again) == 0
    check(again)
    assert scanned_rows(again, Filter()) == right
    assert dict(again.digest()) == digest
    moved = store.client.indices.get_mapping(index=index).body[index]["mappings"]
    assert moved["_meta"] == {"schema": 3, "version": "v1"}
    assert moved["properties"].keys() >= EXTRAS["offer_day"].keys()
    again.close()


MEASURES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("new", {}), ("new", {"split": ["region", "market"]}), ("withdrawn", {"split": ["substance"]}), ("returned", {}),
    ("price", {"split": ["region"]}), ("price", {"currency": "quoted"}), ("price-index", {}),
    ("turnover", {"split": ["market"]}), ("turnover", {"method": "feedback"}), ("turnover", {"split": ["ships-to"]}),
    ("concentration", {}), ("availability", {}), ("survival", {}), ("listings", {"split": ["substance", "region"]}),
    ("vendors", {"split": ["region"]}), ("offers", {}),
)


def test_copied_and_asked_as_on_sqlite(elastic_url: str, tmp_path: Path) -> None:
    plain = SqliteStore(tmp_path / "plain.db")
    fill(plain)
    cluster = ElasticStore(f"{elastic_url}/days-{uuid.uuid4().hex[:10]}", few=-1)
    copy_store(plain, cluster)
    assert stale(cluster) == 0
    assert set(stored(cluster)) == {day_pack_id(market, f"2031-03-{tens}5") for market in MARKETS for tens in "012"}
    for where in (Filter(), Filter(region=("GE",), first=DAY + timedelta(days=9))):
        for measure, options in MEASURES:
            found = [trends(store, measure, where, by="week", **options) for store in (plain, cluster)]
            assert found[0] == found[1], measure
    cluster.destroy()
    for store in (plain, cluster):
        store.close()
