"""Taking records out of the cluster: single ones, a version, old months, and what is to be forgotten; packs go first,
since they hold pseudonyms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import get_args

import numpy as np
from elasticsearch import Elasticsearch

from config.errors import StoreError, UsageError
from index.elastic import documents as docs
from index.elastic.client import Patience, bulk
from index.elastic.counting import Counting
from index.elastic.day_packs import DayPacks
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
)
from index.elastic.reading import iter_pages
from index.store import Filter, RecordName


class Removing:
    """Removals under one prefix. Methods raise the client's errors, StoreError and UsageError. `refresh` makes visible
    what was done to an index."""

    def __init__(
        self, client: Elasticsearch, indices: Indices, patience: Patience, counting: Counting, day_packs: DayPacks,
        shown: str, refresh: Callable[[str], None],
    ) -> None:
        self.client, self._indices, self._patience, self._shown = client, indices, patience, shown
        self._counting, self._day_packs, self._refresh = counting, day_packs, refresh
        self.prefix = indices.prefix

    def every(self, record: RecordName) -> str:
        """The pattern of all indices of a record."""
        return f"{alias_name(self.prefix, record)}-*"

    def count(self, pattern: str, query: Body | None = None) -> int:
        """Documents of an index or pattern, with what was written a moment ago."""
        self.client.indices.refresh(index=pattern, ignore_unavailable=True)
        answer = self.client.search(
            index=pattern, size=0, query=query, track_total_hits=True, allow_partial_search_results=False)
        return int(answer["hits"]["total"]["value"])

    def drop(self, record: RecordName, index: str, where: Filter, kept: Iterable[int] = ()) -> int:
        """Deletes what the filter finds, but not the ids that begin (16 hex digits) as a number in `kept`. Among three
        million ids the odds that one to delete begins as one to keep are one in four million."""
        query = docs.build_query(docs.build_filter(record, where))
        spared = np.unique(np.array(kept, dtype=np.uint64))
        removed = 0
        if len(spared) and self.count(index, query) == len(spared):
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
                f"{self._shown}: {len(outcome.failed)} documents could not be deleted: {outcome.failed[0][1]}.",
                remedy="Run the same command again.")
        return len(outcome.done)

    def drop_version(self, version: str) -> int:
        """Removes every observation and offer-day of a version that is not the current one; returns rows removed."""
        if self._indices.current() == version:
            raise UsageError(
                f"readers see version {version}.", remedy="Flip to another one first.")
        patterns = [index_name(self.prefix, record, version, "*") for record in RECORDS]
        removed = sum(self.count(pattern) for pattern in patterns)
        for pattern in (*patterns, *(pack_index(self.prefix, kind, version) for kind in get_args(PackKind))):
            self._indices.drop(self._indices.names(pattern))
        return removed

    def drop_before(self, first_kept: date) -> int:
        """As `Store.drop_before`, of the first of a month."""
        before = Filter(last=first_kept - timedelta(days=1))
        removed = 0
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
            for name in self._indices.names(self.every(record)):
                part = name.rpartition("@")[2]
                if part != BASE and part < month_of(first_kept):
                    removed += self.count(name)
                    self._indices.drop([name])
        return removed

    def forget(self, *, crawl: str | None = None, vendor: str | None = None, market: str | None = None) -> int:
        """As `Store.forget`."""
        if [crawl, vendor, market].count(None) != 2:
            raise UsageError("forget takes exactly one of crawl, vendor and market.")
        removed = 0
        if crawl is not None:
            self._counting.forget(Filter(crawl=(crawl,)))
            removed += self._drop_days_of(crawl)
            removed += self.drop("observation", self.every("observation"), Filter(crawl=(crawl,)))
        else:
            where = Filter(vendor=(vendor,)) if vendor is not None else Filter(market=(market or "",))
            self._counting.forget(where)
            self._day_packs.forget(where)
            for record in RECORDS:
                removed += self.drop(record, self.every(record), where)
        if vendor is None:
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
        for hits in iter_pages(
            self.client, self.every("observation"), query, ["_shard_doc"], ["market", "offer", "day", "version"]
        ):
            sources = [hit["_source"] for hit in hits]
            touched = {
                docs.offer_day_id(row["market"], row["offer"], row["day"], row["version"]): index_name(
                    self.prefix, "offer_day", row["version"], month_of(date.fromisoformat(row["day"])))
                for row in sources}
            self._day_packs.drop({docs.day_pack_id(row["market"], row["day"]) for row in sources})
            removed += self._delete([
                Document(index, number, number, b"", "") for number, index in touched.items()])
        self._refresh(self.every("offer_day"))
        return removed
