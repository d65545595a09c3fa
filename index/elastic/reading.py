"""Paging through a cluster's answers: consistent while others write (point in time), never partial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import elastic_transport
from elasticsearch import ApiError, Elasticsearch, NotFoundError

from index.elastic.documents import Body

_KEEP = "5m"
PAGE = 10_000


class PointInTime:
    """A frozen view of indices, as a context manager. `id` is None where no such index exists."""

    def __init__(self, client: Elasticsearch, index: str) -> None:
        self.client, self.index = client, index
        self.id: str | None = None

    def __enter__(self) -> PointInTime:
        with suppress(NotFoundError):
            self.id = self.client.open_point_in_time(
                index=self.index, keep_alive=_KEEP, allow_partial_search_results=False)["id"]
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
        return dict(answer.body)


def iter_pages(
    client: Elasticsearch, index: str, query: Body, sort: Sequence[Body | str], source: Any, *, size: int = PAGE
) -> Iterator[list[Body]]:
    """Pages of hits in the order of `sort`."""
    with PointInTime(client, index) as view:
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


def iter_groups(client: Elasticsearch, index: str, query: Body, sources: Sequence[Body]) -> Iterator[Body]:
    """Keys of every bucket of a composite aggregation."""
    with PointInTime(client, index) as view:
        after: Body | None = None
        while view.id is not None:
            composite: Body = {"size": PAGE, "sources": list(sources)}
            if after is not None:
                composite["after"] = after
            found = view.search(
                query=query, size=0, track_total_hits=False, aggs={"groups": {"composite": composite}},
            )["aggregations"]["groups"]
            for bucket in found["buckets"]:
                yield bucket["key"]
            after = found.get("after_key")
            if after is None or len(found["buckets"]) < PAGE:
                return
