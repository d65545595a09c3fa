"""The store as one evaluation sees it: its crawls are read once, and counts are asked of the crawls that matter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta

from extract.observation import Crawl
from index.coded import Coded, CodedStore
from index.coverage import ScopeCoverage, crawl_day
from index.store import Columns, Distinct, Filter, RecordName, Store

NARROW = 0.5
"""Below this part of all crawls a count is asked by crawl: stores keep observations by crawl."""
MOST_NAMED = 2_000
"""Crawls named in one question at most."""
MOST_HELD = 200_000
"""Counts that are remembered: some 50 MB."""
Counts = list[tuple[tuple[str | None, ...], int]]


class Reading:
    """What measures ask of a Store (`crawls`, `count_distinct`, `scan`, `purged_before`), read only.

    With `known_at` crawls that ended later are not known yet: for back-tests. A day that only such crawls saw is then a
    gap to every measure; offer-days of a day that earlier crawls saw as well are as they are now.
    """

    def __init__(self, store: Store, known_at: datetime | None = None) -> None:
        self.store = store
        self._all = [one for one in store.crawls() if known_at is None or known_since(one) <= known_at]
        self._kept_from = store.purged_before()
        self._day = {one.id: crawl_day(one) for one in self._all}
        self._digest: dict[str, str] = {}
        self._pooled: dict[tuple[Filter, tuple[str, ...], Distinct, str | None], Counts] = {}
        self._held = 0
        self.scopes: dict[tuple[str, tuple[str, ...]], ScopeCoverage] = {}
        """Coverages that the panels of all questions share."""

    def current_version(self) -> str | None:
        return self.store.current_version()

    def purged_before(self) -> date | None:
        return self._kept_from

    def crawls(self, market: Sequence[str] = (), first: date | None = None, last: date | None = None) -> list[Crawl]:
        return [
            one for one in self._all
            if (not market or one.market in market)
            and (first is None or self._day[one.id] >= first) and (last is None or self._day[one.id] <= last)
        ]  # fmt: skip

    def steady(self) -> AbstractContextManager[None]:
        return self.store.steady()

    def digest_of(self, crawl: Crawl) -> str:
        """Digest of a crawl's record: it changes where the crawl is written anew."""
        found = self._digest.get(crawl.id)
        if found is None:
            body = crawl.model_dump_json().encode("utf-8", "surrogatepass")
            found = self._digest[crawl.id] = hashlib.sha256(body).hexdigest()[:16]
        return found

    def count_distinct(
        self, where: Filter, by: Sequence[str], of: Distinct, version: str | None = None
    ) -> Counts:
        """As the store counts; a few days are asked by the crawls that ran on them. Counts over several crawls are
        remembered: every count of a bucket tells how many offers were behind it."""
        if where.first is not None and not where.crawl:
            # a crawl begun up to two days before may have seen something on the first day
            early = where.first - timedelta(days=2)
            named = tuple(
                one.id for one in self.crawls(where.market)
                if early <= self._day[one.id] and (where.last is None or self._day[one.id] <= where.last)
            )  # fmt: skip
            if not named:
                return []
            if len(named) <= min(MOST_NAMED, NARROW * len(self._all)):
                where = where.model_copy(update={"crawl": named})
        if "crawl" in by:
            return self.store.count_distinct(where, by, of, version)
        key = (where, tuple(by), of, version)
        found = self._pooled.get(key)
        if found is None:
            found = self._keep(key, self.store.count_distinct(where, by, of, version))
        return found

    def count_each(
        self, where: Filter, crawls: Sequence[tuple[str, ...]], by: Sequence[str], of: Distinct,
        version: str | None = None,
    ) -> Iterator[Counts]:
        keys = [(where.model_copy(update={"crawl": some}), tuple(by), of, version) for some in crawls]
        missing = [place for place, key in enumerate(keys) if key not in self._pooled]
        fresh = self.store.count_each(where, [crawls[place] for place in missing], by, of, version)
        new = set(missing)
        for place, key in enumerate(keys):
            known = None if place in new else self._pooled.get(key)
            if place in new:
                known = self._keep(key, next(fresh))
            yield self.store.count_distinct(*key) if known is None else known

    def _keep(self, key: tuple[Filter, tuple[str, ...], Distinct, str | None], found: Counts) -> Counts:
        if self._held + len(found) > MOST_HELD:
            self._pooled.clear()
            self._held = 0
        self._pooled[key] = found
        self._held += len(found)
        return found

    def scan(
        self, record: RecordName, where: Filter, fields: Sequence[str], version: str | None = None
    ) -> Iterator[Columns]:
        return self.store.scan(record, where, fields, version)

    def scan_coded(self, where: Filter, fields: Sequence[str], version: str | None = None) -> Iterator[Coded] | None:
        return self.store.scan_coded(where, fields, version) if isinstance(self.store, CodedStore) else None


def known_since(crawl: Crawl) -> datetime:
    """When a crawl was known: at its end; UTC."""
    return crawl.finished or crawl.started
