"""Full text, newest first. Hits stand in the order of their day, so that the newest days are asked first and the rest
only where those have too few: a common word is then looked up in a few days and not in years."""

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
_FEW = 20


class Searching:
    """Searches of one prefix. Where the last days begin is remembered for some searches: any day would give the same
    hits, a late one gives them sooner."""

    def __init__(self, client: Elasticsearch) -> None:
        self._client = client
        self._newest: dict[Filter, tuple[int, date | None]] = {}
        self._seldom: dict[tuple[Query, Filter], int] = {}
        """Searches that the last days had few hits for, and how often they were put since: they are asked of all days
        at once."""

    def ask(self, index: str, query: Query, where: Filter, limit: int, offset: int) -> list[Body]:
        """Hits of `Store.search`: the latest matching observation of each listing, by day (newest first) and listing.

        A listing that is found within the last days has its latest observation there, and stands before all others.
        """
        found: list[Body] = []
        asked = (query, where)
        uses = self._seldom.get(asked, 0)
        recent = None if uses % _USES else self._recent(index, where)
        for part in (recent, where):
            if part is None:
                continue
            try:
                answer = self._client.search(
                    index=index, allow_partial_search_results=False, **build_search(query, part, limit, offset))
            except NotFoundError:
                return []
            found = checked(dict(answer.body))["hits"]["hits"]
            if part is recent and offset == 0 and len(found) < min(limit, _FEW):
                uses += 1
            if len(found) == limit:
                break
        if uses:
            if len(self._seldom) > 1000:
                self._seldom.clear()
            self._seldom[asked] = uses + (recent is None)
        return found

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
        try:
            answer: dict[str, Any] = checked(dict(self._client.search(
                index=index, allow_partial_search_results=False, **build_newest(coarse)).body))
        except NotFoundError:
            return None
        newest = answer.get("aggregations", {}).get("newest", {}).get("value")
        return None if newest is None else date.fromisoformat(iso_of(int(newest)))
