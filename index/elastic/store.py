"""The Store on an Elasticsearch cluster. For each record and extractor version one index a month; readers of the
current version are led by an alias (`<prefix>-observations`, `<prefix>-offer-days`) that flips in one step
(`indices.py`)."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from functools import partial
from typing import TypeVar, get_args

import numpy as np
import orjson
from elastic_transport import TransportError
from elasticsearch import ApiError

from config.errors import StoreError, UsageError
from extract.observation import Crawl, Observation
from index.buckets import By
from index.coded import Coded
from index.columns import build_column, check_fields, check_groups, field_kinds
from index.content import (
    Fold,
    canonical,
    check_month,
    check_page,
    clean,
    observation_key,
    offer_day_key,
    sort_groups,
)
from index.elastic import documents as docs
from index.elastic.address import parse_address
from index.elastic.client import Patience, bulk, connect, guard, persevere
from index.elastic.counting import FEW, Counting
from index.elastic.day_packs import DayPacks, Written
from index.elastic.documents import Body, Document
from index.elastic.indices import RECORDS, Indices
from index.elastic.mappings import (
    BASE,
    CRAWL_MAPPING,
    SMALL,
    PackKind,
    alias_name,
    crawl_index,
    index_name,
    month_of,
    pack_index,
    write_alias,
)
from index.elastic.quantiles import ask_quantiles
from index.elastic.reading import PAGE, PointInTime, iter_pages
from index.elastic.searching import Searching
from index.elastic.writing import Shape, Writer
from index.offer_day import OfferDay
from index.packed_days import is_packed, iter_coded
from index.quantiles import PriceField, Quantiles, check_question
from index.stem import parse_query
from index.store import Columns, Distinct, Filter, RecordName, SearchHit, WriteReport

T = TypeVar("T")

_LONG_TEXTS = frozenset({"title", "description", "spans"})
_OBSERVATIONS: Shape[Observation] = Shape("observation", observation_key, docs.build_observation)
_OFFER_DAYS: Shape[OfferDay] = Shape("offer_day", offer_day_key, docs.build_offer_day)


class ElasticStore:
    """`index.store.Store` at `http(s)://[user:pass@]HOST:PORT[,HOST:PORT...][/PREFIX]`; any of the nodes is asked, and
    another where one is away. Indices are made at the first write.

    Counts in a WriteReport may call a document unchanged that this very call wrote, where a node went away between the
    writing and the answer; the content is right all the same.
    """

    def __init__(self, url: str, *, timeout: float = 60.0, patience: Patience | None = None, few: int = FEW) -> None:
        self.address = parse_address(url)
        self.prefix = self.address.prefix
        self.client = connect(self.address, timeout)
        self._patience = patience or Patience()
        self._indices = Indices(self.client, self.prefix, self.address.shown)
        self._writer = Writer(self.client, self._indices, self._patience)
        self._searching = Searching(self.client)
        self._counting = Counting(self.client, self._indices, self._patience, few)
        self._day_packs = DayPacks(self.client, self._indices, self._patience)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with guard(self.address.shown):
            yield

    def _ask(self, ask: Callable[[], T]) -> T:
        """The answer to a question that is put again where the cluster was busy moving shards."""
        with self._guard():
            return persevere(self._patience, ask)

    # versions

    def current_version(self) -> str | None:
        return self._ask(self._indices.current)

    def set_current_version(self, version: str) -> None:
        with self._guard():
            self._indices.make_version(version)
            self._indices.flip(version)

    def drop_version(self, version: str) -> int:
        """Removes every observation and offer-day of a version that is not the current one; returns rows removed."""
        with self._guard():
            if self._indices.current() == version:
                raise UsageError(
                    f"readers see version {version}.", remedy="Flip to another one first.")
            patterns = [index_name(self.prefix, record, version, "*") for record in RECORDS]
            removed = sum(self._count(pattern) for pattern in patterns)
            for pattern in (*patterns, *(pack_index(self.prefix, kind, version) for kind in get_args(PackKind))):
                self._indices.drop(self._indices.names(pattern))
            return removed

    def versions(self) -> list[str]:
        """Versions of which there is any observation or offer-day, sorted."""
        with self._guard():
            found = set()
            for record in RECORDS:
                for name in self._indices.names(self._every(record)):
                    version = self._indices.version_of(name)
                    if version not in found and self._count(index_name(self.prefix, record, version, "*")):
                        found.add(version)
            return sorted(found)

    def rebuild(
        self, progress: Callable[[str, int, int], None] = lambda what, done, whole: None, *, only_stale: bool = False
    ) -> Mapping[str, int]:
        """The packs of crawls (`packs`) and of offer-days (`day_packs`)."""
        crawls = days = 0
        with self._guard():
            for version in self.versions():
                crawls += self._counting.rebuild(version, progress, only_stale=only_stale)
                days += self._day_packs.rebuild(version, progress, only_stale=only_stale)
        return {"packs": crawls, "day packs": days}

    def purged_before(self) -> date | None:
        return self._ask(lambda: self._indices.purged_before(crawl_index(self.prefix)))

    def drop_before(self, first_kept: date) -> int:
        check_month(first_kept)
        first_kept = max(first_kept, self.purged_before() or first_kept)
        before = Filter(last=first_kept - timedelta(days=1))
        removed = 0
        with self._guard():
            crawls = crawl_index(self.prefix)
            if self._indices.current() is None and not self._indices.names(crawls):
                return 0
            self._indices.make(crawls, CRAWL_MAPPING, SMALL)
            self._indices.mark_purged(crawls, first_kept)
            query = docs.build_query(docs.build_filter("observation", before))  # a crawl's document has a day as well
            for hits in iter_pages(self.client, crawls, query, ["_shard_doc"], False):
                removed += self._delete([Document(hit["_index"], hit["_id"], hit["_id"], b"", "") for hit in hits])
            self.client.indices.refresh(index=crawls, ignore_unavailable=True)
            self._counting.forget(before)
            self._day_packs.forget(before)
            for record in RECORDS:
                for name in self._indices.names(self._every(record)):
                    part = name.rpartition("@")[2]
                    if part != BASE and part < month_of(first_kept):
                        removed += self._count(name)
                        self._indices.drop([name])
        return removed

    def _count(self, pattern: str, query: Body | None = None) -> int:
        self.client.indices.refresh(index=pattern, ignore_unavailable=True)
        answer = self.client.search(
            index=pattern, size=0, query=query, track_total_hits=True, allow_partial_search_results=False)
        return int(answer["hits"]["total"]["value"])

    def _target(self, record: RecordName, version: str | None) -> str:
        return alias_name(self.prefix, record) if version is None else index_name(self.prefix, record, version, "*")

    def _every(self, record: RecordName) -> str:
        return f"{alias_name(self.prefix, record)}-*"

    # crawls

    def write_crawl(self, crawl: Crawl) -> None:
        self.write_crawls((crawl,))

    def write_crawls(self, crawls: Sequence[Crawl]) -> None:
        with self._guard():
            index = crawl_index(self.prefix)
            self._indices.make(index, CRAWL_MAPPING, SMALL)
            self._put([docs.build_crawl(write_alias(index), clean(crawl)) for crawl in crawls])
            self._refresh(index)

    def _put(self, documents: Sequence[Document]) -> None:
        outcome = bulk(self.client, "index", documents, self._patience)
        if outcome.failed:
            raise StoreError(
                f"{self.address.shown}: {len(outcome.failed)} documents could not be written: {outcome.failed[0][1]}.",
                remedy="Run the same command again.")

    def _iter_crawls(self, query: Body) -> Iterator[Crawl]:
        for hits in iter_pages(self.client, crawl_index(self.prefix), query, [{"id": "asc"}], ["body"], size=1000):
            for hit in hits:
                yield Crawl.model_validate_json(hit["_source"]["body"])

    def crawls(self, market: Sequence[str] = (), first: date | None = None, last: date | None = None) -> list[Crawl]:
        query = docs.build_query(docs.build_filter("observation", Filter(market=tuple(market), first=first, last=last)))
        with self._guard():
            return sorted(self._iter_crawls(query), key=lambda crawl: (crawl.started, crawl.id))

    # writing

    def _refresh(self, *indices: str) -> None:
        """Makes what was written visible. It is durable either way."""
        if not indices:
            return
        with self._guard():
            for pause in (*self._patience.pauses, None):
                answer = self.client.indices.refresh(index=",".join(indices), ignore_unavailable=True)
                if not answer["_shards"]["failed"]:
                    return
                if pause is not None:
                    self._patience.sleep(pause)
        raise StoreError(
            f"{self.address.shown}: what was written is safe but cannot be seen yet: "
            f"{answer['_shards']['failed']} shards do not answer.",
            remedy="Look at GET /_cluster/health; then run the same command again.")

    def _show_written(self) -> None:
        touched = sorted(self._writer.touched)
        for place in range(0, len(touched), 30):  # names of indices go into a request's first line: at most 4 KB
            self._refresh(*touched[place : place + 30])
        self._writer.touched.clear()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._guard():
                yield
        except BaseException:
            # what is durable shall be seen; a cluster that is in trouble must not hold up the error that says so
            with suppress(ApiError, TransportError):
                hasty = self.client.options(request_timeout=5, max_retries=0)
                for record in RECORDS:
                    hasty.indices.refresh(index=self._every(record))
            raise
        self._show_written()

    def write(self, observations: Iterable[Observation]) -> WriteReport:
        def watch(rows: list[Observation], made: list[Document]) -> None:
            self._counting.watch(rows, made)
            self._counting.settle_if_many()

        with self._writing():
            report = self._writer.write(_OBSERVATIONS, observations, watch)
            self._counting.settle()
        return report

    def write_offer_days(self, days: Iterable[OfferDay]) -> WriteReport:
        with self._writing():
            return self._writer.write(_OFFER_DAYS, days)

    def replace_offer_days(self, market: str, version: str, first: date, days: Iterable[OfferDay]) -> WriteReport:
        kept, written = array("Q"), Written()

        def watch(rows: list[OfferDay], made: list[Document]) -> None:
            kept.extend([int(document.id[:16], 16) for document in made])
            written.add(rows, made)

        with self._writing():
            report = self._writer.write(_OFFER_DAYS, days, watch)
        self._drop(
            "offer_day", self._target("offer_day", version), Filter(market=(market,), first=first), kept)
        with self._guard():
            self._day_packs.settle(version, market, first, written)
        return report

    def drop_offer_days(self, market: str, version: str, first: date, last: date | None = None) -> int:
        where = Filter(market=(market,), first=first, last=last)
        with self._guard():
            self._day_packs.forget(where)
        return self._drop("offer_day", self._target("offer_day", version), where)

    def _drop(self, record: RecordName, index: str, where: Filter, kept: Iterable[int] = ()) -> int:
        """Deletes what the filter finds, but not the ids that begin (16 hex digits) as a number in `kept`. Among three
        million ids the odds that one to delete begins as one to keep are one in four million."""
        query = docs.build_query(docs.build_filter(record, where))
        spared = np.unique(np.array(kept, dtype=np.uint64))
        removed = 0
        with self._guard():
            if len(spared) and self._count(index, query) == len(spared):
                return 0
            for hits in iter_pages(self.client, index, query, ["_shard_doc"], False):
                begun = np.array([int(hit["_id"][:16], 16) for hit in hits], dtype=np.uint64)
                gone = [hits[place] for place in np.flatnonzero(~np.isin(begun, spared)).tolist()]
                removed += self._delete([Document(hit["_index"], hit["_id"], hit["_id"], b"", "") for hit in gone])
        self._refresh(index)
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

    def scan_coded(self, where: Filter, fields: Sequence[str], version: str | None = None) -> Iterator[Coded] | None:
        """`index.coded.CodedStore`: from packs, a batch a market; None where these cannot tell."""
        check_fields("offer_day", fields)
        wanted = self.current_version() if version is None else version
        if wanted is None or not is_packed(where, fields):
            return None
        packs = self._ask(partial(self._day_packs.read, wanted, where, fields))
        return None if packs is None else self._guarded(iter_coded(packs, where, fields))

    def _guarded(self, batches: Iterator[Coded]) -> Iterator[Coded]:
        with self._guard():
            yield from batches

    def count_distinct(
        self, where: Filter, by: Sequence[str], of: Distinct, version: str | None = None
    ) -> list[tuple[tuple[str | None, ...], int]]:
        check_groups(by)
        with self._guard():
            wanted = version if version is not None else self._indices.current()
            if wanted is None:
                return []
        counts = self._ask(partial(self._counting.ask, where, by, of, wanted))
        return sort_groups(counts or ([] if by else [((), 0)]))

    def quantiles(
        self, where: Filter, by: By, split: Sequence[str], field: PriceField, at: Sequence[float], *,
        with_flagged: bool = False, version: str | None = None,
    ) -> list[Quantiles]:
        check_question(by, split, at)
        return self._ask(partial(
            ask_quantiles, self.client, self._target("offer_day", version), where, by, split, field, at,
            with_flagged=with_flagged))

    def search(self, text: str, where: Filter, limit: int = 20, offset: int = 0) -> list[SearchHit]:
        check_page(limit, offset)
        query = parse_query(text)
        if query.empty and text.strip():
            return []
        hits = self._ask(partial(
            self._searching.ask, self._target("observation", None), query, where, limit, offset))
        return [SearchHit(**{"vendor": None, "substances": (), "score": 1.0} | hit["_source"]) for hit in hits]

    # care

    def forget(self, *, crawl: str | None = None, vendor: str | None = None, market: str | None = None) -> int:
        if [crawl, vendor, market].count(None) != 2:
            raise UsageError("forget takes exactly one of crawl, vendor and market.")
        removed = 0
        if crawl is not None:
            with self._guard():
                self._counting.forget(Filter(crawl=(crawl,)))
            removed += self._drop_days_of(crawl)
            removed += self._drop("observation", self._every("observation"), Filter(crawl=(crawl,)))
        else:
            where = Filter(vendor=(vendor,)) if vendor is not None else Filter(market=(market or "",))
            with self._guard():
                self._counting.forget(where)
                self._day_packs.forget(where)
            for record in RECORDS:
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
                    docs.offer_day_id(row["market"], row["offer"], row["day"], row["version"]): index_name(
                        self.prefix, "offer_day", row["version"], month_of(date.fromisoformat(row["day"])))
                    for row in sources}
                self._day_packs.drop({docs.day_pack_id(row["market"], row["day"]) for row in sources})
                removed += self._delete([
                    Document(index, number, number, b"", "") for number, index in touched.items()])
        self._refresh(self._every("offer_day"))
        return removed

    def digest(self) -> Mapping[str, str]:
        with self._guard():
            digests: dict[str, str] = {record: Fold(self.iter_contents(record)).hexdigest() for record in RECORDS}
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
            self._indices.drop(self._indices.names(f"{self.prefix}-*"))

    def close(self) -> None:
        self.client.close()
