"""Exact distinct counts: by paging through the index where a question touches little, else from packs of crawls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import Any

import elastic_transport
from elasticsearch import ApiError, Elasticsearch

from extract.observation import Observation
from index.content import sort_groups
from index.elastic.client import Patience
from index.elastic.documents import (
    Body,
    Document,
    build_crawl_weights,
    build_filter,
    build_groups,
    build_query,
    iso_of,
    read_group,
)
from index.elastic.indices import Indices
from index.elastic.look import Look
from index.elastic.mappings import index_name
from index.elastic.packs import (
    COUNTED,
    SOURCE_FIELDS,
    Growing,
    Pack,
    agrees,
    columns_for,
    columns_from,
    columns_of,
    dump_counts,
    dump_pack,
    load_counts,
    load_pack,
)
from index.elastic.reading import checked, iter_groups, iter_pages
from index.elastic.shelf import Shelf, Stored
from index.elastic.tally import Numbers, Tally
from index.ready_counts import GROUPINGS, allowed_of, grouping_of
from index.store import Distinct, Filter

FEW = 20_000
"""Observations that are paged through rather than counted from packs."""
_MOST_CRAWLS = 60_000
_HELD_ROWS = 100_000
"""Rows of crawls being written that are kept for their packs."""
_AT_ONCE = 64
"""Packs of one request: some 5 MB."""
_COUNTS_AT_ONCE = 500

Groups = list[tuple[tuple[str | None, ...], int]]


@dataclass(frozen=True)
class Weight:
    """What the cluster says of a crawl: its rows, the sum of their marks, and its days (ISO, inclusive)."""

    rows: int
    marks: int
    first: str
    last: str

    def lies_in(self, where: Filter) -> bool | None:
        """Whether the filter's days hold all of it, or (None) a part; False: nothing."""
        low = "" if where.first is None else where.first.isoformat()
        high = "~" if where.last is None else where.last.isoformat()
        if self.last < low or self.first > high:
            return False
        return True if low <= self.first and self.last <= high else None


class Counting:
    """Counts and packs of one prefix. Methods raise the client's errors."""

    def __init__(
        self, client: Elasticsearch, indices: Indices, patience: Patience, look: Look, few: int
    ) -> None:
        self.client, self._indices, self._look, self._few = client, indices, look, few
        self._packs = Shelf(client, indices, patience, "packs")
        self._counts = Shelf(client, indices, patience, "counts")
        self._writing: dict[tuple[str, str], Growing] = {}
        self._unsettled: set[tuple[str, str]] = set()
        """Crawls of `_writing` whose stored pack is older than what is kept of them."""

    def ask(self, where: Filter, by: Sequence[str], of: Distinct, version: str) -> Groups:
        """Counts of a version, sorted."""
        index = _index(self._indices.prefix, version)
        weights = None if where.listing else self._look.once(("crawls", index), partial(self._weigh, index))
        if weights is None:
            return self._page(index, where, by, of)
        if where.crawl:
            weights = {crawl: weights[crawl] for crawl in where.crawl if crawl in weights}
        lying = {crawl: weight.lies_in(where) for crawl, weight in weights.items()}
        whole = {crawl: weight for crawl, weight in weights.items() if lying[crawl]}
        cut = [crawl for crawl, inside in lying.items() if inside is None]
        grouping = grouping_of(where, by)
        if grouping is not None and not cut:
            return self._add_up(version, whole, where, by, of, grouping)
        if not where.crawl and self._is_few(index, where):
            return self._page(index, where, by, of)
        tally = Tally(where, by, of, self._numbers(version, of))
        for crawl, pack in self._iter_packs(version, where, by, of, whole, cut):
            tally.add(crawl, pack)
        return tally.result()

    def ask_each(
        self, where: Filter, crawls: Sequence[tuple[str, ...]], by: Sequence[str], of: Distinct, version: str
    ) -> Iterator[Groups]:
        """Counts within one set of crawls after the other; their packs are read as one sequence."""
        index = _index(self._indices.prefix, version)
        weights = self._look.once(("crawls", index), partial(self._weigh, index))
        if weights is None or where.listing or where.first or where.last:
            for some in crawls:
                yield self.ask(where.model_copy(update={"crawl": some}), by, of, version)
            return
        here = [[crawl for crawl in sorted(some) if crawl in weights] for some in crawls]
        packs = self._iter_whole(version, where, by, of, [crawl for some in here for crawl in some], weights)
        numbers = self._numbers(version, of)
        for found in here:
            tally = Tally(where, by, of, numbers)
            for crawl, pack in islice(packs, len(found)):
                tally.add(crawl, pack)
            yield tally.result()

    def _numbers(self, version: str, of: Distinct) -> Numbers:
        return self._look.once(("numbers", version, of), Numbers)

    def _is_few(self, index: str, where: Filter) -> bool:
        found = checked(dict(self.client.search(
            index=index, query=build_query(build_filter("observation", where)), size=0,
            track_total_hits=self._few + 1, allow_partial_search_results=False).body))
        return bool(found["hits"]["total"]["value"] <= self._few)

    def _page(self, index: str, where: Filter, by: Sequence[str], of: Distinct) -> Groups:
        counts: Counter[tuple[str | None, ...]] = Counter()
        query = build_query(build_filter("observation", where))
        for key in iter_groups(self.client, index, query, build_groups(by, of)):
            group, counted = read_group(by, key)
            counts[group] += counted
        return sort_groups(list(counts.items()))

    def _weigh(self, index: str, query: Body | None = None) -> dict[str, Weight] | None:
        """Every crawl as the cluster has it now. Without a query each index remembers its part until it changes. None:
        too many crawls."""
        answer = checked(dict(self.client.search(
            index=index, allow_partial_search_results=False, **build_crawl_weights(_MOST_CRAWLS, query)).body))
        if "aggregations" not in answer:
            return {}
        found = answer["aggregations"]["crawls"]
        if found["sum_other_doc_count"]:
            return None
        return {
            each["key"]: Weight(
                each["doc_count"], int(each["marks"]["value"]), iso_of(int(each["first"]["value"])),
                iso_of(int(each["last"]["value"])))
            for each in found["buckets"]}

    def _add_up(
        self, version: str, weights: Mapping[str, Weight], where: Filter, by: Sequence[str], of: Distinct,
        fields: Sequence[str],
    ) -> Groups:
        """Counts of whole crawls from those kept of a grouping."""
        allowed = allowed_of(where, fields)
        place_of = {"crawl": -1, "market": 0, **{field: place for place, field in enumerate(fields, start=1)}}
        places = [place_of[field] for field in by]
        group_of = itemgetter(*places, places[0])  # twice, so that it always gives a tuple
        column = len(fields) + 1 + COUNTED.index(of)
        name = _name(fields)
        found: Groups = []
        make = partial(self._make_kept, version, show=_counted)
        for crawl, stored in self._counts.iter_right(
            version, sorted(weights), _sizes(weights), [name], make, _COUNTS_AT_ONCE
        ):
            cells = load_counts(stored.columns[name])
            if where.market:
                cells = [cell for cell in cells if cell[0] in where.market]
            for place, each in enumerate(allowed, start=1):
                if each is not None:
                    cells = [cell for cell in cells if cell[place] in each]
            for cell in cells:
                cell.append(crawl)
            mine: Groups = [(group_of(cell)[:-1], cell[column]) for cell in cells]
            if len({cell[0] for cell in cells}) > 1:  # nothing is counted in two markets: those of one crawl add up
                sums: Counter[tuple[str | None, ...]] = Counter()
                for group, count in mine:
                    sums[group] += count
                mine = list(sums.items())
            found += sort_groups(mine) if by[0] == "crawl" else mine
        return found if by[0] == "crawl" else sort_groups(found)

    def _iter_packs(
        self, version: str, where: Filter, by: Sequence[str], of: Distinct, whole: Mapping[str, Weight],
        cut: Collection[str],
    ) -> Iterator[tuple[str, Pack]]:
        """What the question needs of every crawl."""
        yield from self._iter_whole(version, where, by, of, sorted(whole), whole)
        if not cut:
            return
        days = Filter(market=where.market, first=where.first, last=where.last, crawl=tuple(cut))
        asked = self._weigh(_index(self._indices.prefix, version), build_query(build_filter("observation", days)))
        for crawl, weight in (asked or {}).items():
            found = self._packs.get(version, [crawl], columns_for(where, by, of, cut=True)).get(crawl)
            pack = None if found is None or not found.columns else load_pack(found.rows, found.columns)
            if pack is None or not agrees(pack, where, weight.rows, weight.marks):
                pack = self._make(version, crawl)
            yield crawl, pack

    def _iter_whole(
        self, version: str, where: Filter, by: Sequence[str], of: Distinct, crawls: Sequence[str],
        weights: Mapping[str, Weight],
    ) -> Iterator[tuple[str, Pack]]:
        """What the question needs of each of some crawls, all days of it."""
        columns = columns_for(where, by, of, cut=False)
        words: dict[Any, Any] = {}
        for crawl, stored in self._packs.iter_right(
            version, crawls, _sizes(weights), columns, partial(self._make_kept, version, show=_stored), _AT_ONCE
        ):
            yield crawl, load_pack(stored.rows, stored.columns, words)

    def _make(self, version: str, crawl: str) -> Pack:
        query = build_query(build_filter("observation", Filter(crawl=(crawl,))))
        pack = Growing()
        pages = iter_pages(
            self.client, _index(self._indices.prefix, version), query, ["_shard_doc"], SOURCE_FIELDS)
        for hits in pages:
            pack.add([hit["_index"] + hit["_id"] for hit in hits], columns_from([hit["_source"] for hit in hits]))
        return pack.build()

    def _make_kept(self, version: str, crawl: str, show: Callable[[Pack], Stored]) -> Stored:
        pack = self._make(version, crawl)
        # a reader without the right to write makes them each time
        with suppress(ApiError, elastic_transport.TransportError):
            self._store(version, {crawl: pack})
        return show(pack)

    def _store(self, version: str, packs: Mapping[str, Pack]) -> None:
        self._packs.put(version, {crawl: _stored(pack) for crawl, pack in packs.items()})
        self._counts.put(version, {crawl: _counted(pack) for crawl, pack in packs.items()})

    def rebuild(self, version: str, progress: Callable[[str, int, int], None], *, only_stale: bool) -> int:
        """Makes the packs of a version anew, all or those that are not of the rows there now; returns how many."""
        weights = self._weigh(_index(self._indices.prefix, version)) or {}
        crawls = list(weights)
        if only_stale:
            sizes, right = _sizes(weights), set(crawls)
            for place in range(0, len(crawls), _COUNTS_AT_ONCE):
                asked = crawls[place : place + _COUNTS_AT_ONCE]
                for shelf in (self._packs, self._counts):
                    found = shelf.get(version, asked, ())
                    right -= {each for each in asked if each not in found or found[each].weight != sizes[each]}
            crawls = [crawl for crawl in crawls if crawl not in right]
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
        for shelf in (self._packs, self._counts):
            shelf.drop(crawls)


def _index(prefix: str, version: str) -> str:
    return index_name(prefix, "observation", version, "*")


def _name(fields: Sequence[str]) -> str:
    """Of the column that holds the counts of a grouping."""
    return "_".join(fields) or "all"


def _sizes(weights: Mapping[str, Weight]) -> dict[str, tuple[int, int]]:
    return {crawl: (weight.rows, weight.marks) for crawl, weight in weights.items()}


def _stored(pack: Pack) -> Stored:
    return Stored(len(pack), pack.weight, dump_pack(pack))


def _counted(pack: Pack) -> Stored:
    return Stored(len(pack), pack.weight, {_name(fields): dump_counts(pack, fields) for fields in GROUPINGS})
