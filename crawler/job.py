"""One crawl in the making: what the spider works with, and the Crawl record it ends in. No Scrapy here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from crawler.items import Crawl, CrawlKind, CrawlOutcome, Listing, Page, build_crawl_id
from crawler.log import CrawlLog
from crawler.market import Market
from crawler.pages import PageObject
from crawler.readings import Readings
from crawler.tally import Tally

logger = logging.getLogger(__name__)


class ListingMasker(Protocol):
    """What the spider needs of `crawler.privacy.Masker`."""

    def mask_listing(self, listing: Listing) -> Listing: ...


@dataclass(slots=True)
class CrawlJob:
    """`clock` gives the (aware) time a page was read at; `keep` gets every page before parsing (an archive)."""

    market: Market
    pages: PageObject
    crawl: Crawl
    bases: tuple[str, ...]
    masker: ListingMasker
    log: CrawlLog
    readings: Readings
    clock: Callable[[], datetime]
    keep: Callable[[Page], None] | None = None
    tally: Tally = field(default_factory=Tally)
    result: Crawl | None = None
    failure: Exception | None = None
    """Of our own side (a full disk, an unmasked listing): the first one; the crawl then counts as failed."""

    def fail(self, error: Exception) -> None:
        """Notes an error that ends the crawl."""
        self.failure = self.failure or error
        self.tally.stopped = CrawlOutcome.FAILED

    def finish(self) -> Crawl:
        """Ends the log with the finished Crawl. A second call changes nothing."""
        if self.result is not None:
            return self.result
        tally, bounds = self.tally, self.market.bounds
        coverage = tally.coverage()
        unread = {f"unread {name}": count for name, count in sorted(tally.unread.items())}
        self.result = self.crawl.model_copy(
            update={
                "finished": max(self.crawl.started, self.clock()),
                "outcome": tally.outcome(bounds, coverage),
                "pages": dict(tally.pages),
                "listings": len(tally.listings),
                "coverage": coverage,
                "dropped": {**dict(sorted(tally.dropped.items())), **unread},
            }
        )
        if bounds.max_listings is not None and len(tally.listings) > bounds.max_listings:
            logger.warning("%s: %d listings, more than max_listings", self.crawl.id, len(tally.listings))
        try:
            self.log.finish(self.result)
        except OSError as error:
            self.fail(error)
        finally:
            self.readings.close()
        return self.result


def begin_job(
    market: Market,
    pages: PageObject,
    *,
    started: datetime,
    bases: tuple[str, ...],
    masker: ListingMasker,
    data_dir: Path,
    clock: Callable[[], datetime],
    kind: CrawlKind = CrawlKind.FULL,
    keep: Callable[[Page], None] | None = None,
) -> CrawlJob:
    """Opens the crawl's log and the market's readings under `data_dir`. Raises InputError if that crawl exists."""
    crawl = Crawl(
        id=build_crawl_id(market.id, started),
        market=market.id,
        kind=kind,
        started=started,
        outcome=CrawlOutcome.PARTIAL,
        tz=market.tz,
    )
    readings = Readings(data_dir, market.id)
    try:
        log = CrawlLog(data_dir / "logs", crawl)
    except BaseException:
        readings.close()
        raise
    return CrawlJob(
        market=market,
        pages=pages,
        crawl=crawl,
        bases=bases,
        masker=masker,
        log=log,
        readings=readings,
        clock=clock,
        keep=keep,
    )
