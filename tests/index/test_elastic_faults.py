"""The Elasticsearch store when the cluster is away, silent, read-only, red or of another schema."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.errors import StoreError, UsageError
from extract.observation import Observation
from index.columns import RECORDS
from index.elastic.address import parse_address
from index.elastic.client import Patience
from index.elastic.mappings import build_mapping, index_name, write_alias
from index.elastic.store import ElasticStore
from index.offer_day import OfferDay
from index.store import Filter

START = datetime(2031, 3, 1, tzinfo=UTC)


def rows(count: int) -> list[Observation]:
    return [
        Observation(
            market="lantern", listing=f"L{number}", offer=f"o{number:03d}", crawl="c1", version="1", day=START.date(),
            observed_at=START + timedelta(seconds=number), title=f"Item {number}", ready=number)
        for number in range(count)]


def offers(store: ElasticStore) -> int:
    return sum(len(batch["offer"]) for batch in store.scan("observation", Filter(), ["offer"]))


@pytest.fixture
def store(elastic_url: str, elastic_prefix: str) -> Iterator[ElasticStore]:
    opened = ElasticStore(f"{elastic_url}/{elastic_prefix}faults", patience=Patience((0.1, 0.1), "1s"))
    yield opened
    opened.close()


def test_addresses() -> None:
    address = parse_address("https://ana:p%40ss@search.example:9243/my-study")
    assert (address.nodes, address.prefix, address.user, address.password) == (
        ("https://search.example:9243",), "my-study", "ana", "p@ss")
    assert "p@ss" not in address.shown
    assert parse_address("http://localhost").nodes == ("http://localhost:9200",)
    assert parse_address("http://localhost").prefix == "dropline"
    for wrong in ("http://localhost/Upper", "http://localhost/a/b", "http://localhost/-x", "http://localhost:99999"):
        with pytest.raises(UsageError):
            parse_address(wrong)


def test_every_field_has_a_strict_mapping() -> None:
    for record, model in RECORDS.items():
        mapping = build_mapping(record, "1")
        assert mapping["dynamic"] == "strict"
        assert set(model.model_fields) <= set(mapping["properties"])
    properties = build_mapping("observation", "1")["properties"]
    assert (properties["amount"], properties["quantity"]) == ({"type": "long"}, {"type": "double"})
    assert build_mapping("offer_day", "1")["properties"]["falls"] == {"type": "long"}
    assert "reversed" in OfferDay.model_fields


def test_names_of_indices() -> None:
    assert index_name("dropline", "observation", "1.2") == "dropline-observations-1.2@base"
    assert index_name("dropline", "offer_day", "1.2") == "dropline-offer-days-1.2@base"
    strange = {index_name("p", "observation", version) for version in ("A+b", "a+b", "a-b", "a b", "a/b", "Ж" * 300)}
    assert len(strange) == 6
    assert all(name == name.lower() and len(name) < 200 and not set(name) & set('+ /"*') for name in strange)


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = ElasticStore(f"http://ana:secret@127.0.0.1:{port}")
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        store.current_version()
    assert "secret" not in str(caught.value)
    assert "--store" in str(caught.value)
    with pytest.raises(StoreError, match="cannot be reached"):
        store.write(rows(1))
    store.close()


def test_a_silent_server() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = ElasticStore(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.3)
        with pytest.raises(StoreError, match="in time"):
            list(store.scan("observation", Filter(), ["offer"]))
        store.close()


def test_a_read_only_index(store: ElasticStore) -> None:
    store.write(rows(3))
    index = index_name(store.prefix, "observation", "1", "2031-03")
    store.client.indices.put_settings(index=index, settings={"index.blocks.read_only_allow_delete": True})
    with pytest.raises(StoreError, match="Free disk space"):
        store.write(rows(5))
    assert offers(store) == 3
    store.client.indices.put_settings(index=index, settings={"index.blocks.read_only_allow_delete": None})
    report = store.write(rows(5))
    assert (report.written, report.unchanged) == (2, 3)


def test_a_red_index_is_told_and_waited_for(store: ElasticStore, elastic_url: str) -> None:
    index = index_name(store.prefix, "observation", "1", "2031-03")
    store.client.indices.create(
        index=index, mappings=build_mapping("observation", "1"), wait_for_active_shards="0",
        aliases={write_alias(index): {}},
        settings={"index.routing.allocation.enable": "none"})
    with pytest.raises(StoreError, match="_cluster/health"):
        store.write(rows(5))
    with pytest.raises(StoreError, match="_cluster/health"):
        offers(store)
    pauses: list[float] = []

    def heal(seconds: float) -> None:
        if not pauses:
            store.client.indices.put_settings(index=index, settings={"index.routing.allocation.enable": "all"})
            store.client.cluster.health(index=index, wait_for_status="yellow", timeout="20s")
        pauses.append(seconds)

    patient = ElasticStore(f"{elastic_url}/{store.prefix}", patience=Patience((0.01, 0.02), "1s", heal))
    report = patient.write(rows(5))
    assert pauses == [0.01]
    assert (report.written, report.unchanged, report.failed) == (5, 0, ())
    assert offers(patient) == 5
    patient.close()


def test_another_schema_is_refused(store: ElasticStore) -> None:
    index = index_name(store.prefix, "observation", "1", "2031-03")
    mapping: dict[str, Any] = build_mapping("observation", "1")
    mapping["_meta"]["schema"] = 99
    store.client.indices.create(index=index, mappings=mapping)
    with pytest.raises(StoreError, match="schema 99"):
        store.write(rows(1))


def test_a_refused_document_is_reported_and_the_rest_written(store: ElasticStore) -> None:
    whole = rows(4)
    report = store.write([*whole[:2], whole[2].model_copy(update={"vendor": "v" * 40_000}), whole[3]])
    assert report.written == 3
    assert len(report.failed) == 1
    assert "o002" in report.failed[0][0]
    assert report.failed[0][1]
