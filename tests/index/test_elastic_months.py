"""Versions, months and the alias on a real Elasticsearch: flips, drops, and exact quantiles over several months."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from config.errors import StoreError, UsageError
from extract.observation import Flag, Observation
from index.elastic.mappings import alias_name, build_mapping, index_name, write_alias
from index.elastic.store import ElasticStore
from index.offer_day import OfferDay
from index.quantiles import quantiles_by_scan
from index.sqlite.store import SqliteStore
from index.store import Filter

START = datetime(2031, 1, 20, 12, tzinfo=UTC)
pytestmark = pytest.mark.elasticsearch


@pytest.fixture
def store(elastic_url: str) -> Iterator[ElasticStore]:
    opened = ElasticStore(f"{elastic_url}/months-{uuid.uuid4().hex[:10]}")
    yield opened
    opened.destroy()
    opened.close()


def seen(day: int, version: str = "1", count: int = 3) -> list[Observation]:
    moment = START + timedelta(days=day)
    return [
        Observation(
            market="lantern", listing=f"L{number}", offer=f"o{number:04d}", crawl=f"c{day}", version=version,
            observed_at=moment, day=moment.date(), title=f"Item {number}", vendor="k:1")
        for number in range(count)]


def days(count: int, version: str = "1", seed: int = 3) -> list[OfferDay]:
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        moment = START + timedelta(days=chance.randrange(80))
        price = chance.choice((None, chance.randrange(10**9)))
        rows.append(OfferDay(
            market=chance.choice(("lantern", "harbour")), listing=f"L{number}", offer=f"o{number:05d}",
            day=moment.date(), version=version, sightings=1, first_seen=moment, last_seen=moment,
            substance=chance.choice((None, "mdma", "cocaine")), region=chance.choice((None, "GE-TB", "GE-AJ")),
            unit=chance.choice((None, "g", "g", "unit")), unit_price=price, currency=chance.choice((None, "RUB", "USD")),
            unit_price_usd=None if price is None else price // 7,
            flags=(Flag.OUTLIER,) if chance.random() < 0.1 else ()))
    return rows


def behind(store: ElasticStore) -> set[str]:
    return set(store.client.indices.get_alias(name=alias_name(store.prefix, "observation")).body)


def offers(store: ElasticStore, version: str | None = None) -> int:
    return sum(len(batch["offer"]) for batch in store.scan("observation", Filter(), ["offer"], version))


def test_months_stand_behind_the_alias_of_their_version_only(store: ElasticStore) -> None:
    store.write([*seen(0), *seen(20), *seen(50)])
    first = {index_name(store.prefix, "observation", "1", part) for part in ("base", "2031-01", "2031-02", "2031-03")}
    assert behind(store) == first
    other = ElasticStore(f"{store.address.nodes[0]}/{store.prefix}")
    other.write([*seen(0, "2"), *seen(20, "2")])
    assert behind(store) == first
    store.set_current_version("2")
    second = {index_name(store.prefix, "observation", "2", part) for part in ("base", "2031-01", "2031-02")}
    assert behind(store) == second
    # the other store does not know of the flip: its new months go behind the alias of the version they belong to
    other.write([*seen(80, "1"), *seen(50, "2")])
    assert behind(store) == second | {index_name(store.prefix, "observation", "2", "2031-03")}
    assert (offers(store), offers(store, "1"), offers(store, "2")) == (9, 12, 9)
    other.close()


def test_readers_never_see_two_versions_while_months_come_and_go(store: ElasticStore) -> None:
    store.write(seen(0))
    store.write(seen(0, "2"))
    stop = threading.Event()
    mixed: list[set[str]] = []

    def watch() -> None:
        while not stop.is_set():
            versions = {name.partition("@")[0] for name in behind(store)}
            if len(versions) != 1:
                mixed.append(versions)

    watcher = threading.Thread(target=watch)
    watcher.start()

    def flip() -> None:
        for number in range(8):
            store.set_current_version("12"[number % 2])

    flipper = threading.Thread(target=flip)
    flipper.start()
    writer = ElasticStore(f"{store.address.nodes[0]}/{store.prefix}")
    for day in (30, 60, 90, 120):
        writer.write([*seen(day, "1"), *seen(day, "2")])
    flipper.join()
    stop.set()
    watcher.join()
    assert mixed == []
    assert offers(store) == offers(store, "1") == offers(store, "2") == 15
    writer.close()


def test_versions_are_listed_and_dropped(store: ElasticStore) -> None:
    assert store.versions() == []
    store.write([*seen(0), *seen(20), *seen(0, "2+b")])
    store.write_offer_days(days(5, "2+b"))
    store.set_current_version("3")
    store.set_current_version("1")
    assert store.versions() == ["1", "2+b"]
    with pytest.raises(UsageError, match=r"readers see version 1\. Flip"):
        store.drop_version("1")
    assert store.drop_version("2+b") == 8
    assert store.drop_version("2+b") == 0
    assert store.drop_version("never") == 0
    assert store.versions() == ["1"]
    assert offers(store) == 6
    # a writer that still knows the dropped indices is told, rather than one being made with a mapping of chance
    again = ElasticStore(f"{store.address.nodes[0]}/{store.prefix}")
    again.write(seen(0, "2+b"))
    store.drop_version("2+b")
    with pytest.raises(StoreError, match=r"deleted while it was written to.*again"):
        again.write(seen(1, "2+b"))
    assert again.write(seen(1, "2+b")).written == 3
    again.close()


def test_old_months_go_whole(store: ElasticStore, tmp_path: Path) -> None:
    plain = SqliteStore(tmp_path / "plain.db")
    rows = [row for day in (0, 5, 15, 20, 50) for row in seen(day)]
    store.write(rows)
    store.write_offer_days(days(40))
    kept = [row for row in rows if row.day >= date(2031, 2, 1)]
    kept_days = [row for row in days(40) if row.day >= date(2031, 2, 1)]
    plain.write(kept)
    plain.write_offer_days(kept_days)
    assert store.drop_before(date(2031, 2, 1)) == len(rows) + 40 - len(kept) - len(kept_days)
    assert not store.client.indices.exists(index=index_name(store.prefix, "observation", "1", "2031-01"))
    assert dict(store.digest()) == dict(plain.digest())
    assert store.drop_before(date(2031, 2, 1)) == 0
    packed = {(row.market, row.day.isoformat()[:9]) for row in kept_days}
    assert store.rebuild() == {"packs": 3, "day packs": len(packed)}
    assert store.current_version() == "1"
    plain.close()


def test_quantiles_are_those_of_the_rows(store: ElasticStore) -> None:
    store.write_offer_days([*days(6000), *days(50, "2", seed=4)])
    asked = [
        (Filter(), "week", ("region",), "unit_price_usd"),
        (Filter(substance=("mdma", "unknown")), "month", ("substance", "market"), "unit_price"),
        (Filter(first=date(2031, 2, 3), last=date(2031, 3, 4)), "day", (), "unit_price_usd"),
        (Filter(market=("nowhere",)), "week", (), "unit_price"),
    ]
    for question in asked:
        for flagged in (False, True):
            found = store.quantiles(*question, (0.1, 0.25, 0.5, 0.75), with_flagged=flagged)  # type: ignore[arg-type]
            right = quantiles_by_scan(
                store, *question, (0.1, 0.25, 0.5, 0.75), with_flagged=flagged)  # type: ignore[arg-type]
            assert [row.model_copy(update={"values": ()}) for row in found] == [
                row.model_copy(update={"values": ()}) for row in right]
            for ours, plain in zip(found, right, strict=True):
                np.testing.assert_allclose(ours.values, plain.values, rtol=1e-9)
    assert sum(row.n for row in store.quantiles(Filter(), "month", (), "unit_price", (0.5,), version="2")) > 10
    assert store.quantiles(Filter(), "week", (), "unit_price", (0.5,), version="never") == []
    with pytest.raises(UsageError):
        store.quantiles(Filter(), "week", ("title",), "unit_price", (0.5,))


def test_an_index_of_the_first_layout_is_refused_untouched(store: ElasticStore) -> None:
    old = f"{store.prefix}-observations-1"
    mapping = build_mapping("observation", "1")
    mapping["_meta"]["schema"] = 1
    store.client.indices.create(index=old, mappings=mapping, aliases={f"{store.prefix}-observations": {}})
    for ask in (store.current_version, lambda: store.write(seen(0))):
        with pytest.raises(StoreError, match=r"schema 1.*Nothing was changed.*reextract"):
            ask()
    assert behind(store) == {old}
    assert write_alias(index_name(store.prefix, "observation", "1")) not in store._indices.names(f"{store.prefix}-*")
