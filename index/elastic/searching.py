"""Full text, newest first, in one request where that can be.

A word that few observations have is looked up in all months at once: each shard stops after some hits, and an answer of
which none did stop is whole. Of any other word the newest days are asked, since hits stand in the order of their day,
and everything only where those have too few: a common word is then looked up in a few days and not in years.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from index.elastic.documents import Body, build_newest, build_search, iso_of
from index.elastic.reading import checked
from index.stem import Query
from index.store import Filter

_RECENT = timedelta(days=2)
_USES = 50
_SEEN = 1_000
"""Hits after which a shard gives up: it sorts so many in less than a millisecond."""


class Searching:
    """Searches of one prefix. Where the last days begin is remembered for some searches: any day would give the same
    hits, a late one gives them sooner; so is which searches have many hits."""

    def __init__(self, client: Elasticsearch) -> None:
        self._client = client
        self._newest: dict[Filter, tuple[int, date | None]] = {}
        self._common: set[tuple[Query, Filter]] = set()

    def ask(self, index: str, query: Query, where: Filter, limit: int, offset: int) -> list[Body]:
        """Hits of `Store.search`: the latest matching observation of each listing, by day (newest first) and listing.

        A listing that is found within the last days has its latest observation there, and stands before all others.
        """
        asked = (query, where)
        try:
            if asked not in self._common:
                answer = self._search(index, build_search(query, where, limit, offset) | {"terminate_after": _SEEN})
                if answer.get("terminated_early") is False:
                    return list(answer["hits"]["hits"])
                if len(self._common) > 1000:
                    self._common.clear()
                self._common.add(asked)
            recent = self._recent(index, where)
            found: list[Body] = []
            for part in (recent, where):
                if part is not None and len(found) < limit:
                    found = self._search(index, build_search(query, part, limit, offset))["hits"]["hits"]
            return found
        except NotFoundError:
            return []

    def _search(self, index: str, body: Body) -> Body:
        return checked(dict(self._client.search(index=index, allow_partial_search_results=False, **body).body))

    def _recent(self, index: str, where: Filter) -> Filter | None:
        """The filter over the last days that it has at all; None where that is no narrower, or there is nothing."""
        coarse = Filter(market=where.market, first=where.first, last=where.last)
        uses, newest = self._newest.get(coarse, (0, None))
        if uses % _USES == 0 or newest is None:
            newest = self._ask_newest(index, coarse)
        if len(self._newest) > 1000:
            self._newest.clear()
        self._newest[coarse] = (uses + 1, newest)
        if newest is None:
            return None
        first = newest - _RECENT
        return None if where.first is not None and where.first >= first else where.model_copy(update={"first": first})

    def _ask_newest(self, index: str, coarse: Filter) -> date | None:
        answer: dict[str, Any] = self._search(index, build_newest(coarse))
        newest = answer.get("aggregations", {}).get("newest", {}).get("value")
        return None if newest is None else date.fromisoformat(iso_of(int(newest)))
