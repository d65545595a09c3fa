"""Full text, newest first, in one request where that can be.

A word that few observations have is looked up in all months at once: each shard stops after some hits, and an answer of
which none did stop is whole. Of any other word the newest days are asked, since hits stand in the order of their day,
and everything only where those have too few: a common word is then looked up in a few days and not in years. Which of
the two a word is, is counted when it is asked for the first time.
"""

from __future__ import annotations

from datetime import date, timedelta

from elasticsearch import Elasticsearch, NotFoundError

from index.elastic.documents import NEWEST_DAY, Body, build_search, iso_of
from index.elastic.reading import checked
from index.stem import Query
from index.store import Filter

_RECENT = timedelta(days=2)
_SEEN = 1_000
"""Hits after which a shard gives up: it sorts so many in less than a millisecond."""
_MOST_KNOWN = 1_000
"""Searches remembered."""


class Searching:
    """Searches of one prefix. Which have many hits is remembered, with about the day of their newest one (None: few
    hits): any day would give the same hits, a late one gives them sooner."""

    def __init__(self, client: Elasticsearch) -> None:
        self._client = client
        self._known: dict[tuple[Query, Filter], date | None] = {}

    def ask(self, index: str, query: Query, where: Filter, limit: int, offset: int) -> list[Body]:
        """Hits of `Store.search`: the latest matching observation of each listing, by day (newest first) and listing.

        A listing that is found within the last days has its latest observation there, and stands before all others.
        """
        try:
            return self._ask(index, query, where, limit, offset)
        except NotFoundError:
            return []

    def _ask(self, index: str, query: Query, where: Filter, limit: int, offset: int) -> list[Body]:
        asked, body = (query, where), build_search(query, where, limit, offset)
        newest = self._known.get(asked)
        if newest is None:
            few = asked in self._known
            # to count a few is quicker than to put in order what may be too many
            counted = self._search(index, body | {
                "size": limit if few else 0, "terminate_after": _SEEN, "aggs": NEWEST_DAY})
            newest = _newest_of(counted)
            if counted.get("terminated_early") is False:
                self._remember(asked, None)
                return list((counted if few or newest is None else self._search(index, body))["hits"]["hits"])
        found: list[Body] = []
        for part in (_since(where, newest), where):
            if part is not None and len(found) < limit:
                found = self._search(index, build_search(query, part, limit, offset))["hits"]["hits"]
        if found and not offset:
            self._remember(asked, date.fromisoformat(found[0]["_source"]["day"]))
        return found

    def _remember(self, asked: tuple[Query, Filter], newest: date | None) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[asked] = newest

    def _search(self, index: str, body: Body) -> Body:
        return checked(dict(self._client.search(index=index, allow_partial_search_results=False, **body).body))


def _newest_of(answer: Body) -> date | None:
    """The newest day among the hits that the shards came to see: others may be newer."""
    value = answer.get("aggregations", {}).get("newest", {}).get("value")
    return None if value is None else date.fromisoformat(iso_of(int(value)))


def _since(where: Filter, newest: date | None) -> Filter | None:
    """The filter from shortly before a day on; None where that is no narrower."""
    if newest is None:
        return None
    first = newest - _RECENT
    return None if where.first is not None and where.first >= first else where.model_copy(update={"first": first})
