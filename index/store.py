"""The narrow Store: write, scan, aggregate, search. Two backends answer alike (`index.sqlite`, `index.elastic`).

Only `index.elastic.documents` builds Elasticsearch documents and queries, only `index.sqlite.sql` builds SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from extract.observation import Crawl, Observation, Record
from index.offer_day import OfferDay

if TYPE_CHECKING:
    from index.buckets import By
    from index.quantiles import PriceField, Quantiles

Columns = dict[str, NDArray[Any]]
"""Equal-length columns by field name. Strings and dates are object arrays of `str | None` (ISO dates); integers that
may be missing are float64 with NaN only where `Column` says so, else object arrays are avoided."""

RecordName = Literal["observation", "offer_day"]
Distinct = Literal["listing", "offer", "vendor"]


class Traits(Record):
    """What is asked for. Within a field the values are alternatives, between fields all must hold; empty means no
    restriction.

    `substance` is the main substance (`unknown` for none). `region` takes a code and everything below it (`GE` takes
    `GE-TB`).
    """

    substance: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    form: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    ships_from: tuple[str, ...] = ()
    ships_to: tuple[str, ...] = ()
    market: tuple[str, ...] = ()
    stash: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    vendor: tuple[str, ...] = ()


class Filter(Traits):
    """What part of the data is asked for, and when it was seen. Dates are market-local and inclusive at both ends."""

    crawl: tuple[str, ...] = ()
    listing: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None


class WriteReport(Record):
    """What a write did. `written` counts new or changed rows, `unchanged` rows that were there already; `failed` holds
    the key and reason of rows that could not be written after retries: never dropped in silence."""

    written: int = 0
    unchanged: int = 0
    failed: tuple[tuple[str, str], ...] = ()


class SearchHit(Record):
    """One listing text found: the latest observation of each listing that matches."""

    market: str
    listing: str
    title: str
    vendor: str | None
    substances: tuple[str, ...]
    day: date
    score: float


class Store(Protocol):
    """Where observations live. Every write is idempotent: running it twice changes nothing.

    All reads see the current extractor version (`current_version`) unless `version` is given.
    Errors: `config.errors.StoreError` (unreachable, locked, full, corrupt, other schema), with a remedy.
    """

    def current_version(self) -> str | None:
        """Extractor version that readers see; None: the store is empty."""
        ...

    def set_current_version(self, version: str) -> None:
        """Flip the alias: readers see that version from now on."""
        ...

    def write_crawl(self, crawl: Crawl) -> None: ...

    def write_crawls(self, crawls: Sequence[Crawl]) -> None:
        """The same for many at once. What is derived from their observations is left to `rebuild`."""
        ...

    def crawls(self, market: Sequence[str] = (), first: date | None = None, last: date | None = None) -> list[Crawl]:
        """Crawls by market-local date of `started`, oldest first."""
        ...

    def write(self, observations: Iterable[Observation]) -> WriteReport:
        """Upsert observations in batches; each batch is durable when the call returns."""
        ...

    def write_offer_days(self, days: Iterable[OfferDay]) -> WriteReport: ...

    def drop_offer_days(self, market: str, version: str, first: date, last: date | None = None) -> int: ...

    def replace_offer_days(self, market: str, version: str, first: date, days: Iterable[OfferDay]) -> WriteReport:
        """Put `days` (all of that market and version, none before `first`) in the place of those from `first` on. A
        reader never finds a day missing meanwhile. `days` may itself read the store."""
        ...

    def last_offer_days(self, market: str, before: date, version: str) -> Iterator[OfferDay]:
        """For every offer of the market its latest offer-day before that date, by offer."""
        ...

    def last_day(self, market: str, before: date, version: str) -> date | None:
        """The market's latest day before that date that has offer-days; None: there is none."""
        ...

    def steady(self) -> AbstractContextManager[None]:
        """For many questions of one thread: inside, they may rest on one look at what the store holds, so that what
        others write meanwhile shows in none or some of the answers. Not for who writes inside."""
        ...

    def scan(
        self, record: RecordName, where: Filter, fields: Sequence[str], version: str | None = None
    ) -> Iterator[Columns]:
        """Batches of columns, ordered by (market, offer, time): observations by `observed_at`, offer-days by `day`.
        `substance` is offered for both records (main one, None: unknown). Times are float64 Unix seconds, dates are
        ISO strings, missing numbers NaN."""
        ...

    def count_distinct(
        self, where: Filter, by: Sequence[str], of: Distinct, version: str | None = None
    ) -> list[tuple[tuple[str | None, ...], int]]:
        """Exact distinct counts of observations' listings, offers or vendors by group, sorted. `by` fields:
        crawl, day, market, substance, group, form, region, stash, kind, vendor, ships_from, ships_to (the last two
        count an observation under each of its values)."""
        ...

    def count_each(
        self, where: Filter, crawls: Sequence[tuple[str, ...]], by: Sequence[str], of: Distinct,
        version: str | None = None,
    ) -> Iterator[list[tuple[tuple[str | None, ...], int]]]:
        """`count_distinct` within one set of crawls after the other."""
        ...

    def search(self, text: str, where: Filter, limit: int = 20, offset: int = 0) -> list[SearchHit]:
        """Full text over titles and descriptions, Russian and English stems alike; same hits on both stores."""
        ...

    def quantiles(
        self, where: Filter, by: By, split: Sequence[str], field: PriceField, at: Sequence[float],
        *, with_flagged: bool = False, version: str | None = None,
    ) -> list[Quantiles]:
        """Exact quantiles of the prices of offer-days by bucket, split (`index.quantiles.SPLITS`), unit and, for
        `unit_price`, currency; ordered so. Offer-days with neither price nor unit are out, flagged ones unless
        `with_flagged`. As `index.quantiles.quantiles_by_scan`, but without reading every row where that can be."""
        ...

    def versions(self) -> list[str]:
        """Extractor versions of which there is any observation or offer-day, sorted."""
        ...

    def drop_version(self, version: str) -> int:
        """Remove all observations and offer-days of a version that readers do not see; returns rows removed. Broken
        off it may be run again. UsageError for the current version."""
        ...

    def rebuild(
        self, progress: Callable[[str, int, int], None] = lambda what, done, total: None, *, only_stale: bool = False
    ) -> Mapping[str, int]:
        """Make everything anew that the store derives for itself from its records (`only_stale`: what is missing or out
        of date); how much of what. Answers are the same before, meanwhile and after. `progress`: what, how many, of how
        many."""
        ...

    def forget(self, *, crawl: str | None = None, vendor: str | None = None, market: str | None = None) -> int:
        """Remove a crawl (or import), a vendor or a market with all that hangs on it; returns rows removed."""
        ...

    def purged_before(self) -> date | None:
        """First market-local day that is kept, always the first of a month; None: nothing was ever purged. Earlier
        days are gaps to every measure, whatever rows a broken-off purge has left of them."""
        ...

    def drop_before(self, first_kept: date) -> int:
        """Remove the crawls begun before a market-local day, and all observations and offer-days of earlier days, of
        every version; returns rows removed. A day already purged up to is never taken back. Days are gaps from the
        first moment on; broken off, it may be run again. UsageError unless `first_kept` is the first of a month."""
        ...

    def digest(self) -> Mapping[str, str]:
        """SHA-256 of the content by record (observation, offer_day, crawl), the same on both stores for one content."""
        ...

    def iter_contents(self, record: RecordName) -> Iterator[bytes]:
        """Every record of every version as JSON (fields that are missing or empty left out), in no order: for copying
        a store whole."""
        ...

    def close(self) -> None: ...


def concat(batches: Iterable[Columns], fields: Sequence[str]) -> Columns:
    """Join batches of columns into one (empty object columns where there is none)."""
    parts = list(batches)
    if not parts:
        return {field: np.empty(0, dtype=object) for field in fields}
    return {field: np.concatenate([part[field] for part in parts]) for field in fields}
