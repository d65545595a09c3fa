"""Exact distinct counts: by paging through the index where a question touches little, else from packs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import elastic_transport
from elasticsearch import ApiError, Elasticsearch, NotFoundError

from extract.observation import Observation
from index.elastic.client import Patience, bulk
from index.elastic.documents import (
    Body,
    Document,
    build_filter,
    build_groups,
    build_pack_document,
    build_query,
    read_group,
)
from index.elastic.indices import Indices
from index.elastic.mappings import PACK_MAPPING, SMALL, index_name, pack_index, write_alias
from index.elastic.packs import (
    SOURCE_FIELDS,
    Growing,
    Pack,
    Tally,
    agrees,
    columns_from,
    columns_of,
    dump_pack,
    load_pack,
)
from index.elastic.reading import checked, iter_groups, iter_pages
from index.store import Distinct, Filter

FEW = 20_000
"""Observations that are paged through rather than counted from packs."""
_MOST_CRAWLS = 60_000
_HELD_ROWS = 100_000
"""Rows of crawls being written that are kept for their packs."""
_AT_ONCE = 64
"""Packs of one request: some 5 MB."""

Groups = list[tuple[tuple[str | None, ...], int]]


class Counting:
    """Counts and packs of one prefix. Methods raise the client's errors."""

    def __init__(self, client: Elasticsearch, indices: Indices, patience: Patience, few: int) -> None:
        self.client, self._indices, self._patience, self._few = client, indices, patience, few
        self._writing: dict[tuple[str, str], Growing] = {}
        self._unsettled: set[tuple[str, str]] = set()
        """Crawls of `_writing` whose stored pack is older than what is kept of them."""

    def ask(self, where: Filter, by: Sequence[str], of: Distinct, version: str) -> Groups:
        """Unsorted counts of a version."""
        index = index_name(self._indices.prefix, "observation", version, "*")
        query = build_query(build_filter("observation", where))
        total = checked(dict(self.client.search(
            index=index, query=query, size=0, track_total_hits=self._few + 1, allow_partial_search_results=False).body))
        few = total["hits"]["total"]["value"] <= self._few
        crawls = None if few or where.listing else self._weigh(index, where)
        if crawls is None:
            counts: Counter[tuple[str | None, ...]] = Counter()
            for key in iter_groups(self.client, index, query, build_groups(by, of)):
                group, counted = read_group(by, key)
                counts[group] += counted
            return list(counts.items())
        tally = Tally(where, by, of)
        for crawl, pack in self._iter_packs(version, where, crawls):
            tally.add(crawl, pack)
        return list(tally.result().items())

    def _weigh(self, index: str, where: Filter) -> dict[str, tuple[int, float]] | None:
        """Rows and sum of marks of every crawl within the filter's markets, days and crawls. None: too many crawls."""
        coarse = Filter(market=where.market, crawl=where.crawl, first=where.first, last=where.last)
        answer = checked(dict(self.client.search(
            index=index, query=build_query(build_filter("observation", coarse)), size=0, track_total_hits=False,
            aggs={"crawls": {"terms": {"field": "crawl", "size": _MOST_CRAWLS}, "aggs": {
                "marks": {"sum": {"field": "mark"}}}}}, allow_partial_search_results=False).body))
        if "aggregations" not in answer:
            return {}
        found = answer["aggregations"]["crawls"]
        if found["sum_other_doc_count"]:
            return None
        return {each["key"]: (each["doc_count"], each["marks"]["value"]) for each in found["buckets"]}

    def _iter_packs(
        self, version: str, where: Filter, crawls: dict[str, tuple[int, float]]
    ) -> Iterator[tuple[str, Pack]]:
        """The pack of every crawl: the stored one where it agrees with the index, else one made now."""
        names = sorted(crawls)
        index = pack_index(self._indices.prefix, version)
        for place in range(0, len(names), _AT_ONCE):
            asked = names[place : place + _AT_ONCE]
            stored: dict[str, str] = {}
            with suppress(NotFoundError):  # no pack was ever made
                answer = self.client.mget(index=index, ids=asked, source=["pack"])
                stored = {each["_id"]: each["_source"]["pack"] for each in answer["docs"] if each.get("found")}
            made: dict[str, Pack] = {}
            for crawl in asked:
                pack = load_pack(stored.pop(crawl)) if crawl in stored else None
                if pack is None or not agrees(pack, where, *crawls[crawl]):
                    pack = made[crawl] = self._make(version, crawl)
                yield crawl, pack
            if made:
                # a reader without the right to write makes them each time
                with suppress(ApiError, elastic_transport.TransportError):
                    self._store(version, made)

    def _make(self, version: str, crawl: str) -> Pack:
        index = index_name(self._indices.prefix, "observation", version, "*")
        query = build_query(build_filter("observation", Filter(crawl=(crawl,))))
        pack = Growing()
        for hits in iter_pages(self.client, index, query, ["_shard_doc"], SOURCE_FIELDS):
            pack.add([hit["_index"] + hit["_id"] for hit in hits], columns_from([hit["_source"] for hit in hits]))
        return pack.build()

    def _store(self, version: str, packs: dict[str, Pack]) -> None:
        index = pack_index(self._indices.prefix, version)
        self._indices.make(index, PACK_MAPPING, SMALL)
        documents = [build_pack_document(write_alias(index), crawl, len(pack), dump_pack(pack))
                     for crawl, pack in packs.items()]
        bulk(self.client, "index", documents, self._patience)

    def rebuild(self, version: str, progress: Callable[[str, int, int], None]) -> int:
        """Makes every pack of a version anew; returns how many."""
        index = index_name(self._indices.prefix, "observation", version, "*")
        sources: list[Body] = [{"crawl": {"terms": {"field": "crawl"}}}]
        crawls = [key["crawl"] for key in iter_groups(self.client, index, {"match_all": {}}, sources)]
        for done, crawl in enumerate(crawls, start=1):
            self._store(version, {crawl: self._make(version, crawl)})
            progress("packs", done, len(crawls))
        return len(crawls)

    # packs made while a crawl is written, so that the first question need not read it

    def watch(self, rows: Sequence[Observation], documents: Sequence[Document]) -> None:
        """Keeps what the packs of these rows need."""
        by_crawl: dict[tuple[str, str], tuple[list[Observation], list[Document]]] = {}
        for row, document in zip(rows, documents, strict=True):
            mine, made = by_crawl.setdefault((row.version, row.crawl), ([], []))
            mine.append(row)
            made.append(document)
        for crawl, (mine, made) in by_crawl.items():
            held = self._writing.setdefault(crawl, Growing())
            held.add([document.id for document in made], columns_of(mine, [document.digest for document in made]))
        self._unsettled |= by_crawl.keys()

    def settle(self) -> None:
        """Stores the packs of what was written; the latest crawls are kept, since more of them may come."""
        by_version: dict[str, dict[str, Pack]] = {}
        for version, crawl in self._unsettled:
            by_version.setdefault(version, {})[crawl] = self._writing[version, crawl].build()
        for version, packs in by_version.items():
            self._store(version, packs)
        self._unsettled.clear()
        self._trim(_HELD_ROWS)

    def settle_if_many(self) -> None:
        """`settle` where the rows kept are too many to keep."""
        if sum(map(len, self._writing.values())) > _HELD_ROWS:
            self.settle()
            self._trim(_HELD_ROWS // 2)

    def _trim(self, most: int) -> None:
        held = sum(map(len, self._writing.values()))
        for key in list(self._writing):
            if held <= most:
                return
            held -= len(self._writing.pop(key))

    def forget(self, where: Filter) -> None:
        """Deletes the packs of every crawl that has a row in the filter: they hold pseudonyms."""
        self._writing.clear()
        self._unsettled.clear()
        pattern = f"{self._indices.prefix}-observations-*"
        sources: list[Body] = [{"crawl": {"terms": {"field": "crawl"}}}]
        query = build_query(build_filter("observation", where))
        crawls = [key["crawl"] for key in iter_groups(self.client, pattern, query, sources)]
        for index in self._indices.names(f"{self._indices.prefix}-packs-*"):
            gone = [Document(index, crawl, crawl, b"", "") for crawl in crawls]
            bulk(self.client, "delete", gone, self._patience)
            self.client.indices.refresh(index=index)
