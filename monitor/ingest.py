"""From a crawl's durable log to the store: extract in batches, write observations, then the crawl, then its offer-days.

The crawl's record is written after its observations: until then no measure takes the crawl for complete. Every step is
idempotent, so an ingestion that was killed is simply run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from config.errors import StoreError
from crawler.coverage import neighbour_coverage
from crawler.items import Crawl, CrawlKind, Listing
from crawler.log import iter_log
from extract.build import ObservationBuilder
from extract.observation import Observation
from index.derive import derive_offer_days
from index.store import Store

BATCH = 2_000
"""Listings extracted and written at a time: bounds memory, and what a kill can cost."""


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


class Ingester:
    """Logs into one store with one extractor."""

    def __init__(self, store: Store, builder: ObservationBuilder) -> None:
        self.store, self.builder = store, builder
        self.report = IngestReport()
        current = store.current_version()
        if current is None:
            store.set_current_version(builder.version)
        elif current != builder.version:
            raise StoreError(
                f"the store was filled by extractor version {current}; this is version {builder.version}.",
                remedy="Run `dropline reextract` to read the logs again with this version, or use another --store.",
            )

    def add_log(self, path: Path, country: str | None = None) -> Crawl:
        """Extract and write one log. `country` (ISO alpha-2) narrows place names of a market of one country.

        Returns the crawl as stored. Call `settle` once all logs are in.
        """
        crawl, listings = iter_log(path)
        for batch in _batches(listings, BATCH):
            self._write(self.builder.build(batch, crawl.tz, country))
            self.report.listings += len(batch)
        stored = self._with_regions(crawl, country)
        self.store.write_crawl(stored)
        self.report.crawls += 1
        first = crawl.started.astimezone(ZoneInfo(crawl.tz)).date()
        self.report.since[crawl.market] = min(first, self.report.since.get(crawl.market, first))
        return stored

    def _write(self, observations: Iterable[Observation]) -> None:
        done = self.store.write(observations)
        self.report.written += done.written
        self.report.unchanged += done.unchanged
        self.report.failed += done.failed

    def _with_regions(self, crawl: Crawl, country: str | None) -> Crawl:
        scopes = tuple(
            scope.model_copy(update={"region": self.builder.gazetteer.region_of(scope.name, country)})
            if scope.scope == "place" and scope.region is None
            else scope
            for scope in crawl.coverage
        )
        return crawl.model_copy(update={"coverage": scopes})

    def settle(self) -> int:
        """Bring what is derived up to date: coverage of imported crawls, offer-days of the markets touched.

        Returns the number of offer-days written."""
        derived = 0
        for market, since in sorted(self.report.since.items()):
            crawls = self.store.crawls(market=(market,))
            imported = [crawl for crawl in crawls if crawl.kind is CrawlKind.IMPORT]
            for old, new in zip(imported, neighbour_coverage(imported), strict=True):
                if old != new:
                    self.store.write_crawl(new)
            derived += derive_offer_days(self.store, market, self.builder.version, since)
        self.report.since.clear()
        return derived


def _batches(listings: Iterator[Listing], size: int) -> Iterator[list[Listing]]:
    while batch := list(islice(listings, size)):
        yield batch
