"""Paging through a cluster's answers: consistent while others write (point in time), never partial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

import elastic_transport
from elasticsearch import ApiError, Elasticsearch, NotFoundError

from config.errors import StoreError
from index.elastic.documents import OFFERS, Body, build_offers

T = TypeVar("T")
_KEEP = "5m"
PAGE = 10_000


def ahead(steps: Iterator[T]) -> Iterator[T]:
    """The steps, each begun (in a thread of its own) while the one before is worked on."""
    with ThreadPoolExecutor(1, "dropline-ahead") as pool:
        coming = pool.submit(list, islice(steps, 1))
        while step := coming.result():
            coming = pool.submit(list, islice(steps, 1))
            yield from step


def checked(answer: Body) -> Body:
    """The answer if every shard gave its part in time. Asked for without partial results, none other should come."""
    shards = answer["_shards"]
    if answer["timed_out"] or shards["failed"]:
        raise StoreError(
            f"the cluster answered with a part only: {shards['failed']} of {shards['total']} shards failed"
            f"{', out of time' if answer['timed_out'] else ''}.",
            remedy="Look at GET /_cluster/health; then run the command again.")
    return answer


class PointInTime:
    """A frozen view of indices, as a context manager. `id` is None where no such index exists."""

    def __init__(self, client: Elasticsearch, index: str) -> None:
        self.client, self.index = client, index
        self.id: str | None = None

    def __enter__(self) -> PointInTime:
        with suppress(NotFoundError):
            answer = self.client.open_point_in_time(
                index=self.index, keep_alive=_KEEP, allow_partial_search_results=False)
            self.id = answer["id"] if answer["_shards"]["total"] else None
        return self

    def __exit__(self, *_: object) -> None:
        if self.id is not None:
            with suppress(ApiError, elastic_transport.TransportError):  # it ends by itself after `_KEEP`
                self.client.close_point_in_time(id=self.id)

    def search(self, **body: Any) -> Body:
        """One page; raises rather than answer with some shards missing."""
        answer = self.client.search(
            pit={"id": self.id, "keep_alive": _KEEP}, allow_partial_search_results=False, **body)
        self.id = answer.get("pit_id", self.id)
        return checked(dict(answer.body))


def iter_pages(
    client: Elasticsearch, index: str, query: Body, sort: Sequence[Body | str], source: Any, *, size: int = PAGE
) -> Iterator[list[Body]]:
    """Pages of hits in the order of `sort`."""
    with PointInTime(client, index) as view:
        yield from _iter_view(view, query, sort, source, size)


def _iter_view(
    view: PointInTime, query: Body, sort: Sequence[Body | str], source: Any, size: int
) -> Iterator[list[Body]]:
    after: list[Any] | None = None
    while view.id is not None:
        more: Body = {} if after is None else {"search_after": after}
        hits = view.search(
            query=query, sort=list(sort), source=source, size=size, track_total_hits=False, **more)["hits"]["hits"]
        if hits:
            yield hits
            after = hits[-1]["sort"]
        if len(hits) < size:
            return


def iter_by_offer(
    client: Elasticsearch, index: str, query: Body, sort: Sequence[Body], source: Any, *, size: int = PAGE
) -> Iterator[list[Body]]:
    """The same in a `sort` that begins with market and offer. Every page of `iter_pages` goes through all rows there
    are: where one page will not do, some offers at a time are asked for, and only their rows are gone through. While a
    page is worked on, the next is on its way."""
    with PointInTime(client, index) as view:
        whole = list(islice(_iter_view(view, query, sort, source, size), 1))
        if not whole or len(whole[0]) < size:
            yield from whole
            return
        del whole
        yield from ahead(
            hits for run in _iter_runs(view, query, size)
            for hits in _iter_view(view, build_offers(query, *run), sort, source, size))


def _iter_runs(view: PointInTime, query: Body, size: int) -> Iterator[tuple[str, str, str]]:
    """Market, first and last offer of runs of offers that have fewer than `size` rows together, or are one offer."""
    run: tuple[str, str, str] | None = None
    rows = 0
    for bucket in _iter_view_buckets(view, query, OFFERS):
        market, offer = bucket["key"]["market"], bucket["key"]["offer"]
        rows += bucket["doc_count"]
        if run is not None and run[0] == market and rows < size:
            run = (market, run[1], offer)
            continue
        if run is not None:
            yield run
        run, rows = (market, offer, offer), bucket["doc_count"]
    if run is not None:
        yield run


def iter_buckets(
    client: Elasticsearch, index: str, query: Body, sources: Sequence[Body], aggs: Body | None = None
) -> Iterator[Body]:
    """Every bucket of a composite aggregation with what `aggs` says of each. One request where one page will do; pages
    of one frozen view where not."""
    body = _composite(query, sources, aggs)
    try:
        answer = checked(dict(client.search(index=index, allow_partial_search_results=False, **body).body))
    except NotFoundError:  # no such index
        return
    found = answer.get("aggregations", {"groups": {"buckets": []}})["groups"]["buckets"]
    if len(found) < PAGE:
        yield from found
        return
    with PointInTime(client, index) as view:
        yield from _iter_view_buckets(view, query, sources, aggs)


def _iter_view_buckets(
    view: PointInTime, query: Body, sources: Sequence[Body], aggs: Body | None = None
) -> Iterator[Body]:
    body = _composite(query, sources, aggs)
    while view.id is not None:
        page = view.search(**body)["aggregations"]["groups"]
        yield from page["buckets"]
        if page.get("after_key") is None or len(page["buckets"]) < PAGE:
            return
        body["aggs"]["groups"]["composite"]["after"] = page["after_key"]


def _composite(query: Body, sources: Sequence[Body], aggs: Body | None) -> Body:
    groups: Body = {"composite": {"size": PAGE, "sources": list(sources)}}
    if aggs is not None:
        groups["aggs"] = aggs
    return {"query": query, "size": 0, "track_total_hits": False, "aggs": {"groups": groups}}


def iter_groups(client: Elasticsearch, index: str, query: Body, sources: Sequence[Body]) -> Iterator[Body]:
    """Keys of every bucket of a composite aggregation."""
    for bucket in iter_buckets(client, index, query, sources):
        yield bucket["key"]
