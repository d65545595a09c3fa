"""From a crawl's durable log to the store: extract in batches, write observations, then the crawl, then its offer-days.

The crawl's record is written after its observations: until then no measure takes the crawl for complete. Every step is
idempotent, so an ingestion that was killed is simply run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from config.collection import no_collection
from config.errors import StoreError
from config.settings import Settings
from crawler.coverage import neighbour_coverage
from crawler.items import Crawl, CrawlKind, Listing
from crawler.log import iter_log
from extract.build import ObservationBuilder
from extract.observation import Kind, Observation
from index.derive import derive_offer_days
from index.store import Store
from monitor.purging import refuse_purged
from monitor.review import ReviewQueue, Sighting, find_unknown
from monitor.state import State, state_path
from monitor.versions import Mark, Versions, store_name

BATCH = 2_000
"""Listings extracted and written at a time: bounds memory, and what a kill can cost."""
MOST_EXAMPLES = 3


@dataclass
class Lack:
    """How many offers lack a figure that their text was to give, and a few of those texts."""

    offers: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.offers += 1
        if len(self.examples) < MOST_EXAMPLES and text not in self.examples:
            self.examples.append(text)


@dataclass
class IngestReport:
    """What an ingestion did; add several up with `+=`-like `add`."""

    crawls: int = 0
    listings: int = 0
    written: int = 0
    unchanged: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    since: dict[str, date] = field(default_factory=dict)
    """By market the earliest local day touched: offer-days are derived from there on."""
    offers: int = 0
    """Observations of kind offer; `lacking` is about these."""
    lacking: dict[str, Lack] = field(default_factory=lambda: {name: Lack() for name in ("quantity", "price", "rate")})
    """Quantities and prices written down that could not be read, and currencies without a rate to US dollars."""


class Ingester:
    """Logs into one store with one extractor."""

    def __init__(self, store: Store, builder: ObservationBuilder, settings: Settings | None = None) -> None:
        """`settings` tell whose review queue takes unknown terms and whose re-extractions are known; None: neither."""
        self.store, self.builder, self.settings = store, builder, settings
        self.report = IngestReport()
        self._versions = self._targets()
        self._beside: set[str] = set()
        """Other versions written to since the last `settle`."""

    def _targets(self) -> tuple[str, ...]:
        """Versions to write to: ours, and beside it the one that readers still see while a re-extraction to ours is
        under way or waits for its flip (what is read by this extractor then stands under both names: no gap).

        StoreError where readers see another version and no re-extraction leads from it to ours."""
        ours, current = self.builder.version, self.store.current_version()
        if current is None:
            self.store.set_current_version(ours)
        elif current != ours:
            with self._state() as state:
                known = None if state is None else state[1].find(ours)
            if known is None or known.base != current:
                raise StoreError(
                    f"the store was filled by extractor version {current}; this is version {ours}.",
                    remedy="Run `dropline reextract` to read the logs again with this version, or use another --store.",
                )
            return ours, current
        return (ours,)

    @contextmanager
    def _state(self) -> Iterator[tuple[ReviewQueue, Versions] | None]:
        if self.settings is None:
            yield None
            return
        with State(state_path(self.settings.data_dir)) as state:
            yield ReviewQueue(state, self.settings.data_dir), Versions(state, store_name(self.settings))

    def add_log(self, path: Path) -> Crawl:
        """Extract and write one log.

        Returns the crawl as stored. Call `settle` once all logs are in. PurgedMonth for a crawl of a month that went.
        """
        refuse_purged(self.store, path)
        self._versions = self._targets()  # another process may have flipped meanwhile
        size = path.stat().st_size if path.is_file() else 0
        crawl, listings = iter_log(path)
        failed, offers = len(self.report.failed), set[str]()
        with self._state() as state:
            for batch in _batches(listings, BATCH):
                unknown: list[Sighting] = []
                with no_collection():
                    observations = list(
                        self.builder.build(batch, crawl, lambda *read, found=unknown: found.extend(find_unknown(*read)))
                    )
                    self._write(observations)
                    self._note_lacking(observations)
                offers.update(one.offer for one in observations)
                self.report.listings += len(batch)
                if state is not None:
                    state[0].add(unknown)
            if state is not None and len(self.report.failed) == failed:
                for version in self._versions:
                    state[1].mark(version, crawl.id, Mark(size, len(offers)))
        stored = self._with_regions(crawl)
        self.store.write_crawl(stored)
        self.report.crawls += 1
        self.touch(crawl)
        return stored

    def touch(self, crawl: Crawl) -> None:
        """What is derived from that crawl on shall be brought up to date by `settle`, stored now or in an earlier run
        that may have been killed before it settled."""
        first = _local_day(crawl)
        self.report.since[crawl.market] = min(first, self.report.since.get(crawl.market, first))

    def _write(self, observations: list[Observation]) -> None:
        for version in self._versions[1:]:
            self._beside.add(version)
            done = self.store.write(one.model_copy(update={"version": version}) for one in observations)
            self.report.failed += done.failed
        done = self.store.write(observations)
        self.report.written += done.written
        self.report.unchanged += done.unchanged
        self.report.failed += done.failed

    def _note_lacking(self, observations: list[Observation]) -> None:
        for one in observations:
            if one.kind is not Kind.OFFER:
                continue
            self.report.offers += 1
            if one.quantity_text and one.quantity is None:
                self.report.lacking["quantity"].add(one.quantity_text)
            if one.amount is None and one.price_text:
                self.report.lacking["price"].add(one.price_text)
            elif one.currency is not None and one.amount_usd is None:
                self.report.lacking["rate"].add(one.currency)

    def _with_regions(self, crawl: Crawl) -> Crawl:
        scopes = tuple(
            scope.model_copy(update={"region": self.builder.gazetteer.region_of(scope.name, crawl.country)})
            if scope.scope == "place" and scope.region is None
            else scope
            for scope in crawl.coverage
        )
        return crawl.model_copy(update={"coverage": scopes})

    def _derived_until(self, market: str, before: date, crawls: list[Crawl]) -> date:
        """The last day before that one which has offer-days; the market's first day where none has: a run that was
        killed before it settled leaves days without."""
        last = self.store.last_day(market, before, self.builder.version)
        return last or min(map(_local_day, crawls), default=before)

    def settle(self) -> int:
        """Bring what is derived up to date: coverage of imported crawls, offer-days of the markets touched.

        Returns the number of offer-days written."""
        derived = 0
        for market, touched in sorted(self.report.since.items()):
            crawls = self.store.crawls(market=(market,))
            since = min(touched, self._derived_until(market, touched, crawls))
            imported = [crawl for crawl in crawls if crawl.kind is CrawlKind.IMPORT]
            for old, new in zip(imported, neighbour_coverage(imported), strict=True):
                if old != new:
                    self.store.write_crawl(new)
            for version in sorted(self._beside):
                derive_offer_days(self.store, market, version, since)
            derived += derive_offer_days(self.store, market, self.builder.version, since)
        self.report.since.clear()
        self._beside.clear()
        return derived


def _local_day(crawl: Crawl) -> date:
    return crawl.started.astimezone(ZoneInfo(crawl.tz)).date()


def _batches(listings: Iterator[Listing], size: int) -> Iterator[list[Listing]]:
    while batch := list(islice(listings, size)):
        yield batch
