"""The Store on an Elasticsearch cluster. One index per record and extractor version; readers of the current version are
led by an alias (`<prefix>-observations`, `<prefix>-offer-days`) that flips in one step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import TypeVar

import orjson
from elastic_transport import TransportError
from elasticsearch import ApiError, BadRequestError, NotFoundError

from config.errors import StoreError, UsageError
from extract.observation import Crawl, Observation, Record
from index.columns import build_column, check_fields, check_groups, field_kinds
from index.content import (
    Fold,
    add_reports,
    canonical,
    check_page,
    clean,
    in_batches,
    last_of_each,
    observation_key,
    offer_day_key,
    sort_groups,
    storable,
)
from index.elastic import documents as docs
from index.elastic.client import Patience, bulk, connect, guard, parse_address, upsert
from index.elastic.documents import Body, Document
from index.elastic.mappings import (
    CRAWL_MAPPING,
    SCHEMA_VERSION,
    alias_name,
    build_mapping,
    build_settings,
    crawl_index,
    index_name,
)
from index.elastic.reading import PAGE, PointInTime, iter_groups, iter_pages
from index.offer_day import OfferDay
from index.stem import parse_query
from index.store import Columns, Distinct, Filter, RecordName, SearchHit, WriteReport

R = TypeVar("R", bound=Record)

_RECORDS: tuple[RecordName, RecordName] = ("observation", "offer_day")
_LONG_TEXTS = frozenset({"title", "description", "spans"})


class ElasticStore:
    """`index.store.Store` at `http(s)://[user:pass@]HOST:PORT[/PREFIX]`; indices are made at the first write.

    Counts in a WriteReport may call a document unchanged that this very call wrote, where a node went away between the
    writing and the answer; the content is right all the same.
    """

    def __init__(self, url: str, *, timeout: float = 60.0, patience: Patience | None = None) -> None:
        self.address = parse_address(url)
        self.prefix = self.address.prefix
        self.client = connect(self.address, timeout)
        self._patience = patience or Patience()
        self._made: set[str] = set()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with guard(self.address.shown):
            yield

    # indices and versions

    def _check_schema(self, mapping: Body, index: str) -> None:
        schema = mapping.get("_meta", {}).get("schema")
        if schema != SCHEMA_VERSION:
            raise StoreError(
                f"{self.address.shown}: index {index} has schema {schema}, this dropline knows {SCHEMA_VERSION}.",
                remedy="Use another prefix, or rebuild it with `dropline reextract`.")

    def _make(self, index: str, mapping: Body, settings: Body | None = None) -> None:
        """Makes the index if it is not there."""
        if index in self._made:
            return
        found = self.client.indices.get_mapping(index=index, ignore_unavailable=True).body
        if index in found:
            self._check_schema(found[index]["mappings"], index)
        else:
            try:
                self.client.indices.create(index=index, mappings=mapping, settings=settings or {})
            except BadRequestError as error:
                if "resource_already_exists" not in str(error):  # another process was quicker
                    raise
        self._made.add(index)

    def _make_version(self, version: str) -> None:
        """Both indices of a version; the first one ever made becomes current."""
        names = [index_name(self.prefix, record, version) for record in _RECORDS]
        if all(name in self._made for name in names):
            return
        for record, name in zip(_RECORDS, names, strict=True):
            self._make(name, build_mapping(record, version), build_settings(record))
        if self._current() is None:
            self._flip(version)

    def _flip(self, version: str) -> None:
        actions: list[Body] = []
        for record in _RECORDS:
            alias = alias_name(self.prefix, record)
            actions += [
                {"remove": {"index": f"{alias}-*", "alias": alias, "must_exist": False}},
                {"add": {"index": index_name(self.prefix, record, version), "alias": alias}}]
        self.client.indices.update_aliases(actions=actions)

    def _current(self) -> str | None:
        alias = alias_name(self.prefix, "observation")
        try:
            found = self.client.indices.get_mapping(index=alias).body
        except NotFoundError:
            return None
        if len(found) != 1:
            raise StoreError(
                f"{self.address.shown}: alias {alias} points at {len(found)} indices.", remedy="Let it point at one.")
        index, body = next(iter(found.items()))
        self._check_schema(body["mappings"], index)
        return str(body["mappings"]["_meta"]["version"])

    def current_version(self) -> str | None:
        with self._guard():
            return self._current()

    def set_current_version(self, version: str) -> None:
        with self._guard():
            self._make_version(version)
            self._flip(version)

    def _target(self, record: RecordName, version: str | None) -> str:
        return alias_name(self.prefix, record) if version is None else index_name(self.prefix, record, version)

    def _every(self, record: RecordName) -> str:
        return f"{alias_name(self.prefix, record)}-*"

    # crawls

    def write_crawl(self, crawl: Crawl) -> None:
        crawl = clean(crawl)
        with self._guard():
            index = crawl_index(self.prefix)
            self._make(index, CRAWL_MAPPING)
            self.client.index(index=index, id=crawl.id, document=docs.build_crawl(crawl), refresh=True)

    def _iter_crawls(self, query: Body) -> Iterator[Crawl]:
        for hits in iter_pages(self.client, crawl_index(self.prefix), query, [{"id": "asc"}], ["body"], size=1000):
            for hit in hits:
                yield Crawl.model_validate_json(hit["_source"]["body"])

    def crawls(self, market: Sequence[str] = (), first: date | None = None, last: date | None = None) -> list[Crawl]:
        query = docs.build_query(docs.build_filter("observation", Filter(market=tuple(market), first=first, last=last)))
        with self._guard():
            return sorted(self._iter_crawls(query), key=lambda crawl: (crawl.started, crawl.id))

    # writing

    def _upsert(
        self,
        record: RecordName,
        batch: list[R],
        key: Callable[[R], tuple[str, ...]],
        build: Callable[[R, str], Document],
        version: Callable[[R], str],
    ) -> tuple[WriteReport, list[Document]]:
        rows, repeated = last_of_each(batch, key)
        failed: list[tuple[str, str]] = []

        def make(row: R) -> Document:
            return build(row, index_name(self.prefix, record, version(row)))

        with self._guard():
            for name in {version(row) for row in rows}:
                self._make_version(name)
            try:
                made = [make(row) for row in rows]
            except orjson.JSONEncodeError:
                rows, failed = storable(rows, key)
                made = [make(row) for row in rows]
            report = upsert(self.client, made, self._patience)
        return add_reports(report, WriteReport(unchanged=repeated, failed=tuple(failed))), made

    def _refresh(self, record: RecordName) -> None:
        with self._guard():
            self.client.indices.refresh(index=self._every(record))

    def write(self, observations: Iterable[Observation]) -> WriteReport:
        total = WriteReport()
        try:
            for batch in in_batches(observations):
                total = add_reports(total, self._upsert(
                    "observation", batch, observation_key, docs.build_observation, lambda row: row.version)[0])
        except BaseException:
            # what is durable shall be seen; a cluster that is in trouble must not hold up the error that says so
            with suppress(ApiError, TransportError):
                self.client.options(request_timeout=5, max_retries=0).indices.refresh(index=self._every("observation"))
            raise
        self._refresh("observation")
        return total

    def _write_days(self, batch: list[OfferDay]) -> tuple[WriteReport, list[Document]]:
        return self._upsert("offer_day", batch, offer_day_key, docs.build_offer_day, lambda row: row.version)

    def write_offer_days(self, days: Iterable[OfferDay]) -> WriteReport:
        total = WriteReport()
        for batch in in_batches(days):
            total = add_reports(total, self._write_days(batch)[0])
        self._refresh("offer_day")
        return total

    def replace_offer_days(self, market: str, version: str, first: date, days: Iterable[OfferDay]) -> WriteReport:
        total = WriteReport()
        kept: set[str] = set()
        for batch in in_batches(days):
            report, made = self._write_days(batch)
            total = add_reports(total, report)
            kept.update(document.id for document in made)
        self._refresh("offer_day")
        self._drop("offer_day", self._target("offer_day", version), Filter(market=(market,), first=first), kept)
        return total

    def drop_offer_days(self, market: str, version: str, first: date, last: date | None = None) -> int:
        return self._drop(
            "offer_day", self._target("offer_day", version), Filter(market=(market,), first=first, last=last))

    def _drop(self, record: RecordName, index: str, where: Filter, kept: set[str] | None = None) -> int:
        """Deletes what the filter finds, but not the ids in `kept`."""
        query = docs.build_query(docs.build_filter(record, where))
        removed = 0
        with self._guard():
            for hits in iter_pages(self.client, index, query, ["_shard_doc"], False):
                gone = [
                    Document(hit["_index"], hit["_id"], hit["_id"], b"", "") for hit in hits
                    if not kept or hit["_id"] not in kept]
                removed += self._delete(gone)
        self._refresh(record)
        return removed

    def _delete(self, gone: list[Document]) -> int:
        outcome = bulk(self.client, "delete", gone, self._patience)
        if outcome.failed:
            raise StoreError(
                f"{self.address.shown}: {len(outcome.failed)} documents could not be deleted: {outcome.failed[0][1]}.",
                remedy="Run the same command again.")
        return len(outcome.done)

    # reading

    def last_offer_days(self, market: str, before: date, version: str) -> Iterator[OfferDay]:
        with self._guard(), PointInTime(self.client, self._target("offer_day", version)) as view:
            after: Body | None = None
            while view.id is not None:
                found = view.search(**docs.build_last_days(market, before, after, 1000))["aggregations"]["offers"]
                for bucket in found["buckets"]:
                    source = bucket["last"]["hits"]["hits"][0]["_source"]
                    yield OfferDay(**docs.read_record("offer_day", source))
                after = found.get("after_key")
                if after is None:
                    return

    def scan(
        self, record: RecordName, where: Filter, fields: Sequence[str], version: str | None = None
    ) -> Iterator[Columns]:
        check_fields(record, fields)
        kinds = field_kinds(record)
        names = {field: docs.source_field(field, kinds[field]) for field in fields}
        query = docs.build_query(docs.build_filter(record, where))
        with self._guard():
            for hits in iter_pages(
                self.client,
                self._target(record, version),
                query,
                docs.SCAN_ORDER[record],
                list(names.values()) or False,
                size=1000 if _LONG_TEXTS.intersection(fields) else PAGE,
            ):
                sources = [hit.get("_source", {}) for hit in hits]
                yield {
                    field: build_column(
                        kinds[field], [docs.read_value(kinds[field], source.get(name)) for source in sources])
                    for field, name in names.items()}

    def count_distinct(
        self, where: Filter, by: Sequence[str], of: Distinct, version: str | None = None
    ) -> list[tuple[tuple[str | None, ...], int]]:
        check_groups(by)
        query = docs.build_query(docs.build_filter("observation", where))
        counts: Counter[tuple[str | None, ...]] = Counter()
        with self._guard():
            wanted = version if version is not None else self._current()
            if wanted is None:
                return []
            for key in iter_groups(
                self.client, self._target("observation", version), query, docs.build_groups(by, of)
            ):
                group, counted = docs.read_group(by, key)
                counts[group] += counted
        if not by:
            counts[()] += 0
        return sort_groups(list(counts.items()))

    def search(self, text: str, where: Filter, limit: int = 20, offset: int = 0) -> list[SearchHit]:
        check_page(limit, offset)
        query = parse_query(text)
        if query.empty and text.strip():
            return []
        with self._guard():
            try:
                answer = self.client.search(
                    index=self._target("observation", None), allow_partial_search_results=False,
                    **docs.build_search(query, where, limit, offset))
            except NotFoundError:
                return []
        return [
            SearchHit(**{"vendor": None, "substances": (), "score": 1.0} | hit["_source"])
            for hit in answer["hits"]["hits"]
        ]

    # care

    def forget(self, *, crawl: str | None = None, vendor: str | None = None, market: str | None = None) -> int:
        if [crawl, vendor, market].count(None) != 2:
            raise UsageError("forget takes exactly one of crawl, vendor and market.")
        removed = 0
        if crawl is not None:
            removed += self._drop_days_of(crawl)
            removed += self._drop("observation", self._every("observation"), Filter(crawl=(crawl,)))
        else:
            where = Filter(vendor=(vendor,)) if vendor is not None else Filter(market=(market or "",))
            for record in _RECORDS:
                removed += self._drop(record, self._every(record), where)
        if vendor is None:
            with self._guard():
                field, value = ("id", crawl) if crawl is not None else ("market", market)
                for hits in iter_pages(
                    self.client, crawl_index(self.prefix), {"term": {field: {"value": value}}}, ["_shard_doc"], False
                ):
                    removed += self._delete([Document(hit["_index"], hit["_id"], hit["_id"], b"", "") for hit in hits])
                self.client.indices.refresh(index=crawl_index(self.prefix), ignore_unavailable=True)
        return removed

    def _drop_days_of(self, crawl: str) -> int:
        """Offer-days know no crawl: those of the days on which the crawl saw the offer go, to be derived again."""
        query = docs.build_query(docs.build_filter("observation", Filter(crawl=(crawl,))))
        removed = 0
        with self._guard():
            for hits in iter_pages(
                self.client, self._every("observation"), query, ["_shard_doc"], ["market", "offer", "day", "version"]
            ):
                sources = [hit["_source"] for hit in hits]
                touched = {
                    docs.offer_day_id(row["market"], row["offer"], row["day"], row["version"]): row["version"]
                    for row in sources}
                removed += self._delete([
                    Document(index_name(self.prefix, "offer_day", version), number, number, b"", "")
                    for number, version in touched.items()])
        self._refresh("offer_day")
        return removed

    def digest(self) -> Mapping[str, str]:
        with self._guard():
            digests: dict[str, str] = {record: Fold(self.iter_contents(record)).hexdigest() for record in _RECORDS}
            return {**digests, "crawl": Fold(map(canonical, self._iter_crawls({"match_all": {}}))).hexdigest()}

    def iter_contents(self, record: RecordName) -> Iterator[bytes]:
        with self._guard():
            every = self._every(record)
            for hits in iter_pages(self.client, every, {"match_all": {}}, ["_shard_doc"], True, size=2000):
                for hit in hits:
                    yield orjson.dumps(docs.read_record(record, hit["_source"]), option=orjson.OPT_SORT_KEYS)

    def destroy(self) -> None:
        """Deletes every index of this prefix. For tests and for a demo's end."""
        with self._guard():
            found = self.client.indices.get(
                index=f"{self.prefix}-*", ignore_unavailable=True, allow_no_indices=True, expand_wildcards="all")
            for index in found.body:
                self.client.indices.delete(index=index, ignore_unavailable=True)
            self._made.clear()

    def close(self) -> None:
        self.client.close()
