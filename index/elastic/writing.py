"""Writing documents: batches are built in Python while earlier ones are on their way, and every write is idempotent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

import orjson
from elasticsearch import ApiError, Elasticsearch

from extract.observation import Observation, Record
from index.content import add_reports, in_batches, storable
from index.elastic.client import Patience, bulk, is_dropped, persevere
from index.elastic.documents import Document, build_query
from index.elastic.indices import Indices
from index.elastic.mappings import index_name, month_of, write_alias
from index.offer_day import OfferDay
from index.store import RecordName, WriteReport

R = TypeVar("R", Observation, OfferDay)
_LANES = 2
"""Bulk requests under way at once. More gain nothing on a node of two cores and cost memory."""


@dataclass(frozen=True)
class Shape(Generic[R]):
    """How records of one kind become documents."""

    record: RecordName
    key: Callable[[R], tuple[str, ...]]
    build: Callable[[R, str], Document]


class Writer:
    """Puts records into the indices of their months."""

    def __init__(self, client: Elasticsearch, indices: Indices, patience: Patience) -> None:
        self.client, self.indices, self._patience = client, indices, patience
        self.touched: set[str] = set()
        """Indices written to since they were last refreshed."""
        self._homes: dict[tuple[str, str], set[str]] = {}

    def write(
        self, shape: Shape[R], records: Iterable[R], each: Callable[[list[R], list[Document]], None] | None = None
    ) -> WriteReport:
        """Upserts all; each batch is durable when the call returns. `each` is told every batch as it is sent.

        A batch waits for an earlier one that holds one of its keys, so that the later record stands.
        """
        total = WriteReport()
        sent: deque[tuple[Future[WriteReport], set[str]]] = deque()
        with ThreadPoolExecutor(_LANES) as pool:
            for batch in in_batches(records):
                rows, documents, aside = self._build(shape, batch)
                total = add_reports(total, aside)
                ids = {document.id for document in documents}
                while sent and (len(sent) > _LANES or any(not ids.isdisjoint(other) for _, other in sent)):
                    total = add_reports(total, sent.popleft()[0].result())
                strays = self._find_strays(rows, documents)
                if each is not None:
                    each(rows, documents)
                sent.append((pool.submit(self._send, documents, strays), ids))
            while sent:
                total = add_reports(total, sent.popleft()[0].result())
        return total

    def _build(self, shape: Shape[R], batch: list[R]) -> tuple[list[R], list[Document], WriteReport]:
        """Rows and their documents, the last of each key; and what is not to be sent."""
        rows, failed = batch, list[tuple[str, str]]()
        names: dict[tuple[str, date], str] = {}

        def home(row: R) -> str:
            name = names.get((row.version, row.day))
            if name is None:
                part = month_of(row.day)
                self.indices.make_parts(shape.record, row.version, [part])
                index = index_name(self.indices.prefix, shape.record, row.version, part)
                self.touched.add(index)
                name = names[row.version, row.day] = write_alias(index)
            return name

        try:
            documents = [shape.build(row, home(row)) for row in rows]
        except orjson.JSONEncodeError:
            rows, failed = storable(rows, shape.key)
            documents = [shape.build(row, home(row)) for row in rows]
        last = {document.id: place for place, document in enumerate(documents)}
        repeated = len(documents) - len(last)
        if repeated:
            rows, documents = [rows[place] for place in last.values()], [documents[place] for place in last.values()]
        return rows, documents, WriteReport(unchanged=repeated, failed=tuple(failed))

    def _send(self, documents: Sequence[Document], strays: Sequence[Document]) -> WriteReport:
        try:
            report = upsert(self.client, documents, self._patience)
            if strays:  # only now: a reader may see a record twice for a moment, but never miss it
                bulk(self.client, "delete", strays, self._patience)
        except ApiError as error:
            if is_dropped(error):
                self.indices.forget_made()
            raise
        return report

    def _find_strays(self, rows: Sequence[Record], documents: Sequence[Document]) -> list[Document]:
        """Documents of the same key in another month: a record whose day was moved across the month's end. Only crawls
        that have rows in more than one month can have any, so that most loads ask one question a crawl."""
        if len(self._homes) > 50_000:  # bounded; what is forgotten is asked again
            self._homes.clear()
        places = {
            (row.version, row.crawl, document.index) for row, document in zip(rows, documents, strict=True)
            if isinstance(row, Observation)}
        strange = {(version, crawl) for version, crawl, _ in places} - self._homes.keys()
        for version in {version for version, _ in strange}:
            self._learn_homes(version, sorted(crawl for of, crawl in strange if of == version))
        others: dict[str, list[Document]] = {}
        for version, crawl, index in places:
            self._homes[version, crawl].add(index)
        if any(len(self._homes[version, crawl]) > 1 for version, crawl, _ in places):
            for row, document in zip(rows, documents, strict=True):
                if isinstance(row, Observation):
                    for index in self._homes[row.version, row.crawl] - {document.index}:
                        others.setdefault(index, []).append(document)
        strays: list[Document] = []
        for index, wanted in others.items():
            self.touched.add(index)
            for place in range(0, len(wanted), 5000):
                ids = [document.id for document in wanted[place : place + 5000]]
                answer = self.client.mget(index=index, ids=ids, source=False)
                strays += [
                    Document(index, found["_id"], found["_id"], b"", "") for found in answer["docs"]
                    if found.get("found")]
        return strays

    def _learn_homes(self, version: str, crawls: Sequence[str]) -> None:
        pattern = index_name(self.indices.prefix, "observation", version, "*")
        for crawl in crawls:
            self._homes[version, crawl] = set()
        for place in range(0, len(crawls), 1000):
            asked = list(crawls[place : place + 1000])
            body = {"crawls": {"terms": {"field": "crawl", "size": len(asked)}, "aggs": {
                "homes": {"terms": {"field": "_index", "size": 1000}}}}}
            answer = persevere(self._patience, lambda asked=asked, body=body: self.client.search(  # type: ignore[misc]
                index=pattern, query=build_query([{"terms": {"crawl": asked}}]), size=0, aggs=body,
                allow_partial_search_results=False))
            for bucket in answer.body.get("aggregations", {}).get("crawls", {}).get("buckets", ()):
                self._homes[version, bucket["key"]] = {
                    write_alias(home["key"]) for home in bucket["homes"]["buckets"]}


def upsert(client: Elasticsearch, documents: Sequence[Document], patience: Patience) -> WriteReport:
    """Creates what is not there, compares the rest by digest and writes what differs: as many requests as needed, and
    none to read on a first load."""
    created = bulk(client, "create", documents, patience)
    written, unchanged, failed = len(created.done), 0, created.failed
    for place in range(0, len(created.there), 5000):
        there = created.there[place : place + 5000]
        answer = client.mget(
            docs=[{"_index": document.index, "_id": document.id, "_source": ["digest"]} for document in there])
        changed = [
            document for document, stored in zip(there, answer["docs"], strict=True)
            if not stored.get("found") or stored["_source"]["digest"] != document.digest]
        unchanged += len(there) - len(changed)
        replaced = bulk(client, "index", changed, patience)
        written += len(replaced.done)
        failed = failed + replaced.failed
    return WriteReport(written=written, unchanged=unchanged, failed=tuple(failed))
