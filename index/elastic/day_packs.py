"""Packs of offer-days (`index.packed_days`) on the cluster: what measures and alerts read of them, without a document.

A pack holds a market's offer-days of ten days; every offer-day names its own. As with the packs of crawls none is
trusted: one aggregation counts the rows of every pack and adds up their marks (each index remembers its part until it
changes), and a pack that weighs something else is made anew from the rows. So whoever writes what, and wherever a
writer dies, an answer is that of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import partial

import elastic_transport
from elasticsearch import ApiError, Elasticsearch

from index.elastic.client import Patience, bulk
from index.elastic.documents import (
    Body,
    Document,
    build_day_weights,
    build_filter,
    build_offer_day,
    build_query,
    build_without_pack,
    day_pack_id,
    mark_of,
    read_record,
)
from index.elastic.indices import Indices
from index.elastic.look import Look
from index.elastic.mappings import alias_name, index_name, write_alias
from index.elastic.reading import checked, iter_groups, iter_pages
from index.elastic.shelf import Shelf, Stored
from index.offer_day import OfferDay
from index.packed import load_column
from index.packed_days import COLUMNS, LABELS, LISTS, MOST_HELD, NUMBERS, Bodies, Packing, pack_list, wanted_columns
from index.store import Filter

_MOST_PACKS = 60_000
_AT_ONCE = 6
"""Packs of one request: those of a large market are megabytes."""
_EVERY = (*COLUMNS, "mark")
_SOURCE = [*COLUMNS, "mark"]


class Written:
    """What the packs of rows that are being written need; given up where they are too many."""

    def __init__(self) -> None:
        self.packing: Packing | None = Packing(("mark",))

    def add(self, rows: Sequence[OfferDay], documents: Sequence[Document]) -> None:
        if self.packing is None:
            return
        if self.packing.rows + len(rows) > MOST_HELD:
            self.packing = None
            return
        seen = [row.__dict__ for row in rows]
        columns = {name: [row[name] for row in seen] for name in (*LABELS, *NUMBERS)}
        for name in LISTS:
            columns[name] = [pack_list(value) for value in columns[name]]
        for name in ("kind", "unit", "stash"):  # an enum's hash is a slow one
            columns[name] = [value and str(value) for value in columns[name]]
        columns["day"] = [row["day"].isoformat() for row in seen]
        columns["mark"] = [mark_of(document.digest) for document in documents]
        self.packing.add(columns)


class DayPacks:
    """The packs of one prefix. Methods raise the client's errors."""

    def __init__(self, client: Elasticsearch, indices: Indices, patience: Patience, look: Look) -> None:
        self._client, self._indices, self._patience, self._look = client, indices, patience, look
        self._shelf = Shelf(client, indices, patience, "day-packs")

    def _index(self, version: str) -> str:
        return index_name(self._indices.prefix, "offer_day", version, "*")

    def _weigh(self, version: str) -> dict[str, tuple[int, int]] | None:
        """Rows and sum of marks that every pack should have, by id. None: offer-days of an older schema name no pack,
        or there are too many."""
        answer = checked(dict(self._client.search(
            index=self._index(version), allow_partial_search_results=False, **build_day_weights(_MOST_PACKS)).body))
        if "aggregations" not in answer:
            return {}
        found = answer["aggregations"]["packs"]
        weights = {each["key"]: (each["doc_count"], int(each["marks"]["value"])) for each in found["buckets"]}
        return None if found["sum_other_doc_count"] or "" in weights else dict(sorted(weights.items()))

    def read(
        self, version: str, where: Filter, fields: Sequence[str]
    ) -> Iterator[tuple[str, list[Bodies]]] | None:
        """Markets in order, with the columns of their packs by period. None: not all offer-days have a pack."""
        weights = self._look.once(("offer-days", version), partial(self._weigh, version))
        if weights is None:
            return None
        low = where.first.isoformat()[:9] if where.first else ""
        high = where.last.isoformat()[:9] if where.last else "~"
        by_market: dict[str, dict[str, tuple[int, int]]] = {}
        for name, weight in weights.items():
            period, market = _parse(name)
            if low <= period <= high and (not where.market or market in where.market):
                by_market.setdefault(market, {})[name] = weight
        return self._iter_markets(version, by_market, wanted_columns(where, fields))

    def _iter_markets(
        self, version: str, by_market: Mapping[str, dict[str, tuple[int, int]]], columns: Sequence[str]
    ) -> Iterator[tuple[str, list[Bodies]]]:
        for market in sorted(by_market):
            weights = by_market[market]
            packs = self._shelf.iter_right(
                version, list(weights), weights, columns, partial(self._make_kept, version), _AT_ONCE)
            yield market, [{name: pack.columns[name] for name in columns} for _, pack in packs]

    def _make(self, version: str, name: str) -> Stored:
        """A pack from the rows that name it."""
        packing = Packing(("mark",))
        query = build_query([{"term": {"pack": name}}])
        for hits in iter_pages(self._client, self._index(version), query, ["_shard_doc"], _SOURCE):
            sources = [hit["_source"] for hit in hits]
            packing.add({
                column: [pack_list(source.get(column)) for source in sources] if column in LISTS
                else [source.get(column) for source in sources] for column in _EVERY})
        return _stored(packing.build(_parse(name)[0]))

    def _make_kept(self, version: str, name: str) -> Stored:
        made = self._make(version, name)
        # a reader without the right to write makes them each time
        with suppress(ApiError, elastic_transport.TransportError):
            self._shelf.put(version, {name: made})
        return made

    def settle(self, version: str, market: str, first: date, written: Written) -> None:
        """After a market's offer-days from a day on were replaced by those in `written`: their packs."""
        start = first.isoformat()
        weights = {
            name: weight for name, weight in (self._weigh(version) or {}).items()
            if _parse(name)[1] == market and name[:9] >= start[:9]}
        packing = written.packing
        names = self._stale(version, weights)
        if packing is not None:
            begun = day_pack_id(market, start)
            if begun in names:
                old = self._shelf.get(version, [begun], _EVERY).get(begun)
                if old is not None and old.columns.keys() >= set(_EVERY):
                    packing.add_pack(start[:9], old.columns, start)
        for name in names:
            period = _parse(name)[0]
            made = None
            if packing is not None and period in packing:
                made = _stored(packing.build(period))
            if made is None or made.weight != weights[name]:
                made = self._make(version, name)
            self._shelf.put(version, {name: made})

    def _stale(self, version: str, weights: Mapping[str, tuple[int, int]]) -> list[str]:
        """Packs that are not of the rows there now."""
        names, stale = list(weights), []
        for place in range(0, len(names), _AT_ONCE):
            asked = names[place : place + _AT_ONCE]
            found = self._shelf.get(version, asked, ())
            stale += [name for name in asked if name not in found or found[name].weight != weights[name]]
        return stale

    def rebuild(self, version: str, progress: Callable[[str, int, int], None], *, only_stale: bool) -> int:
        """Makes the packs of a version anew, all or those that are not of the rows there now; returns how many."""
        if not only_stale:
            self._rewrite(version)
        weights = self._weigh(version) or {}
        names = self._stale(version, weights) if only_stale else list(weights)
        for done, name in enumerate(names, start=1):
            self._shelf.put(version, {name: self._make(version, name)})
            progress("packs of offer-days", done, len(names))
        return len(names)

    def _rewrite(self, version: str) -> None:
        """Writes offer-days of an older schema, which name no pack, anew."""
        index = self._index(version)
        for hits in iter_pages(self._client, index, build_without_pack(), ["_shard_doc"], True, size=2000):
            self._indices.make_parts("offer_day", version, {hit["_index"].rpartition("@")[2] for hit in hits})
            bulk(self._client, "index", [
                build_offer_day(OfferDay(**read_record("offer_day", hit["_source"])), write_alias(hit["_index"]))
                for hit in hits], self._patience)
        self._client.indices.refresh(index=index, ignore_unavailable=True)

    def forget(self, where: Filter) -> None:
        """Deletes every pack that has a row in the filter: they hold pseudonyms."""
        pattern = f"{alias_name(self._indices.prefix, 'offer_day')}-*"
        sources: list[Body] = [{"pack": {"terms": {"field": "pack"}}}]
        query = build_query(build_filter("offer_day", where))
        self.drop({key["pack"] for key in iter_groups(self._client, pattern, query, sources)})

    def drop(self, names: set[str]) -> None:
        """Deletes packs of every version."""
        self._shelf.drop(sorted(names))


def _parse(name: str) -> tuple[str, str]:
    """Period and market of a pack's id."""
    return name[:9], name[10:]


def _stored(bodies: Bodies) -> Stored:
    marks = load_column(bodies["mark"])[0]
    return Stored(len(marks), int(marks.astype("i8").sum()), bodies)
