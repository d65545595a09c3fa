"""The Store on an Elasticsearch cluster. For each record and extractor version one index a month; readers of the
current version are led by an alias (`<prefix>-observations`, `<prefix>-offer-days`) that flips in one step
(`indices.py`)."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date
from functools import partial
from typing import TypeVar

import orjson
from elastic_transport import TransportError
from elasticsearch import ApiError

from config.errors import StoreError
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
)
from index.elastic import documents as docs
from index.elastic.address import parse_address
from index.elastic.client import Patience, bulk, connect, guard, persevere
from index.elastic.counting import FEW, Counting
from index.elastic.day_packs import DayPacks, Written
from index.elastic.documents import Body, Document
from index.elastic.indices import RECORDS, Indices
from index.elastic.look import Look
from index.elastic.mappings import (
    CRAWL_MAPPING,
    SMALL,
    alias_name,
    crawl_index,
    index_name,
    write_alias,
)
from index.elastic.quantiles import ask_quantiles
from index.elastic.reading import PAGE, PointInTime, iter_by_offer, iter_pages
from index.elastic.removing import Removing
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
        self._look = Look()
        self._counting = Counting(self.client, self._indices, self._patience, self._look, few)
        self._day_packs = DayPacks(self.client, self._indices, self._patience, self._look)
        self._removing = Removing(
            self.client, self._indices, self._patience, self._counting, self._day_packs, self.address.shown,
            self._refresh)

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
        with self._guard():
            return self._removing.drop_version(version)

    def versions(self) -> list[str]:
        """Versions of which there is any observation or offer-day, sorted."""
        with self._guard():
            found = set()
            for record in RECORDS:
                for name in self._indices.names(self._removing.every(record)):
                    version = self._indices.version_of(name)
                    if version not in found and self._removing.count(index_name(self.prefix, record, version, "*")):
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
        with self._guard():
            return self._removing.drop_before(first_kept)

    def _target(self, record: RecordName, version: str | None) -> str:
        return alias_name(self.prefix, record) if version is None else index_name(self.prefix, record, version, "*")

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
                    hasty.indices.refresh(index=self._removing.every(record))
            raise
        self._show_written()

    def write(self, observations: Iterable[Observation]) -> WriteReport:
        def watch(rows: list[Observation], made: list[Document]) -> None:
            self._counting.watch(rows, made)
            self._counting.settle_if_many()

        with self._writing():
            report = self._writer.write(_OBSERVATIONS, observations, watch)
            with ThreadPoolExecutor(1) as pool:  # the cluster's work and ours at once
                shown = pool.submit(self._show_written)
                self._counting.settle()
                shown.result()
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
        with self._guard():
            self._removing.drop(
                "offer_day", self._target("offer_day", version), Filter(market=(market,), first=first), kept)
            self._day_packs.settle(version, market, first, written)
        return report

    def drop_offer_days(self, market: str, version: str, first: date, last: date | None = None) -> int:
        where = Filter(market=(market,), first=first, last=last)
        with self._guard():
            self._day_packs.forget(where)
            return self._removing.drop("offer_day", self._target("offer_day", version), where)

    # reading

    def steady(self) -> AbstractContextManager[None]:
        return self._look.hold()

    def _current(self) -> str | None:
        return self._look.once("current", self._indices.current)

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

    def last_day(self, market: str, before: date, version: str) -> date | None:
        with self._guard(), PointInTime(self.client, self._target("offer_day", version)) as view:
            if view.id is None:
                return None
            found = view.search(**docs.build_last_day(market, before))["aggregations"]["newest"]["value"]
        return None if found is None else date.fromisoformat(docs.iso_of(int(found)))

    def scan(
        self, record: RecordName, where: Filter, fields: Sequence[str], version: str | None = None
    ) -> Iterator[Columns]:
        check_fields(record, fields)
        kinds = field_kinds(record)
        names = {field: docs.source_field(field, kinds[field]) for field in fields}
        query = docs.build_query(docs.build_filter(record, where))
        with self._guard():
            for hits in iter_by_offer(
                self.client,
                self._target(record, version),
                query,
                docs.SCAN_ORDER[record],
                list(names.values()) or False,
                size=1000 if _LONG_TEXTS.intersection(fields) else PAGE,
            ):
                sources = [hit.get("_source", {}) for hit in hits]
                yield {
                    field: build_column(kinds[field], docs.read_values(kinds[field], name, sources))
                    for field, name in names.items()}

    def scan_coded(self, where: Filter, fields: Sequence[str], version: str | None = None) -> Iterator[Coded] | None:
        """`index.coded.CodedStore`: from packs, a batch a market; None where these cannot tell."""
        check_fields("offer_day", fields)
        with self._guard():
            wanted = version if version is not None else self._current()
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
            wanted = version if version is not None else self._current()
            if wanted is None:
                return []
        counts = self._ask(partial(self._counting.ask, where, by, of, wanted))
        return counts or ([] if by else [((), 0)])

    def count_each(
        self, where: Filter, crawls: Sequence[tuple[str, ...]], by: Sequence[str], of: Distinct,
        version: str | None = None,
    ) -> Iterator[list[tuple[tuple[str | None, ...], int]]]:
        check_groups(by)
        wanted = version if version is not None else self._ask(self._current)
        if wanted is None:
            yield from ([] for _ in crawls)
            return
        counted: Iterator[list[tuple[tuple[str | None, ...], int]]] | None = None

        def count(rest: Sequence[tuple[str, ...]]) -> list[tuple[tuple[str | None, ...], int]]:
            nonlocal counted
            if counted is None:  # begun, or begun anew where the cluster was busy
                counted = self._counting.ask_each(where, rest, by, of, wanted)
            try:
                return next(counted)
            except ApiError:
                counted = None
                raise

        for place in range(len(crawls)):
            yield self._ask(partial(count, crawls[place:])) or ([] if by else [((), 0)])

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
        with self._guard():
            return self._removing.forget(crawl=crawl, vendor=vendor, market=market)

    def digest(self) -> Mapping[str, str]:
        with self._guard():
            digests: dict[str, str] = {record: Fold(self.iter_contents(record)).hexdigest() for record in RECORDS}
            return {**digests, "crawl": Fold(map(canonical, self._iter_crawls({"match_all": {}}))).hexdigest()}

    def iter_contents(self, record: RecordName) -> Iterator[bytes]:
        with self._guard():
            every = self._removing.every(record)
            for hits in iter_pages(self.client, every, {"match_all": {}}, ["_shard_doc"], True, size=2000):
                for hit in hits:
                    yield orjson.dumps(docs.read_record(record, hit["_source"]), option=orjson.OPT_SORT_KEYS)

    def destroy(self) -> None:
        """Deletes every index of this prefix. For tests and for a demo's end."""
        with self._guard():
            self._indices.drop(self._indices.names(f"{self.prefix}-*"))

    def close(self) -> None:
        self.client.close()
