"""One crawl in the making: what the spider works with, and the Crawl record it ends in. No Scrapy here.

`begin_job` begins a crawl, or goes on with the one that a kill left unfinished.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from config.errors import DroplineError
from crawler.drift import measure_fill
from crawler.frontier import Journal, MarketLock, Step, find_journals, frontier_path, read_steps
from crawler.items import Crawl, CrawlKind, CrawlOutcome, Listing, Page, build_crawl_id
from crawler.limits import Limits
from crawler.log import CrawlLog, is_finished, iter_log
from crawler.market import Market
from crawler.mirrors import Mirrors
from crawler.pages import PageObject
from crawler.readings import Readings, carry
from crawler.seen import Seen
from crawler.tally import Pending, Tally

logger = logging.getLogger(__name__)

RESUME_WITHIN = timedelta(hours=24)
"""A crawl begun longer ago than this is not gone on with: its first pages are no sight of the market any more."""
SYNC_STEPS = 64
"""Pages after which log and journal are forced to the disk."""
_CARRIED = 500
"""Listings whose last reading is looked up at a time."""


class ListingMasker(Protocol):
    """What the spider needs of `crawler.privacy.Masker`."""

    def mask_listing(self, listing: Listing) -> Listing: ...


@dataclass(slots=True)
class CrawlJob:
    """`clock` gives the (aware) time a page was read at; `keep` gets every page before parsing (an archive)."""

    market: Market
    pages: PageObject
    crawl: Crawl
    mirrors: Mirrors
    masker: ListingMasker
    lock: MarketLock
    limits: Limits
    readings: Readings
    clock: Callable[[], datetime]
    log: CrawlLog = field(init=False)
    journal: Journal = field(init=False)
    keep: Callable[[Page], None] | None = None
    release: Callable[[], None] | None = None
    """Called at the end, after all else is closed (the archive's `close`)."""
    tally: Tally = field(default_factory=Tally)
    seen: Seen = field(init=False)
    """The listings logged so far, as last logged."""
    result: Crawl | None = None
    failure: Exception | None = None
    """Of our own side (a full disk, an unmasked listing): the first one; the crawl then counts as failed."""
    _unsynced: int = 0

    def take(self, step: Step, listings: Iterable[Listing] = ()) -> list[Pending]:
        """Writes the listings, then the step that says where they came from; the addresses the step adds."""
        fresh = list(listings)
        self.seen.note(fresh, self.log.append(fresh))
        self.readings.sightings.add(fresh, self.crawl.started)
        step = step.model_copy(update={"log": self.log.size})
        self.journal.write(step)
        self._unsynced += 1
        if self._unsynced >= SYNC_STEPS:
            self._unsynced = 0
            self.log.sync()
            self.journal.sync()
        return self.tally.apply(step)

    def fail(self, error: Exception) -> None:
        """Notes an error that ends the crawl."""
        self.failure = self.failure or error
        self.tally.stopped = CrawlOutcome.FAILED

    def finish(self) -> Crawl:
        """Ends the log with the finished Crawl. A second call changes nothing."""
        if self.result is not None:
            return self.result
        finished = max(self.crawl.started, self.clock())
        self._carry_unread()
        result = build_finished(self.crawl, self.market, self.tally, self.seen.values(), finished)
        if result.outcome is CrawlOutcome.COMPLETE:  # else what is not there may only not have been seen
            result = result.model_copy(update={"relists": self.readings.sightings.judge(self.crawl.started)})
        self.result = result
        try:
            self.log.finish(self.result)
            self.journal.remove()
            self.mirrors.finish()
        except OSError as error:
            self.fail(error)
        finally:
            self.close()
        return result

    def _carry_unread(self) -> None:
        """Listings whose own page was asked for and not had keep the details of their last reading."""
        waiting = [ident for ident in self.seen.undetailed() if self.tally.was_asked(ident)]
        for start in range(0, len(waiting), _CARRIED):
            carried = []
            for ident, reading in sorted(self.readings.last(waiting[start : start + _CARRIED]).items()):
                shown = self.seen.get(ident)
                if shown is not None:
                    carried.append(carry(shown, reading, self.market.index_offers))
            try:
                self.seen.note(carried, self.log.append(carried))
            except (DroplineError, OSError) as error:
                self.fail(error)
                return

    def close(self) -> None:
        """Lets go of every file without ending the crawl."""
        self.journal.close()
        self.log.close()
        self.seen.close()
        self.readings.close()
        self.lock.release()
        if self.release is not None:
            self.release()


def build_finished(
    crawl: Crawl, market: Market, tally: Tally, listings: Iterable[Listing], finished: datetime
) -> Crawl:
    """The record a crawl ends in. Broken bounds stand in `dropped`, in words, and in the log of the program."""
    tally.fill = measure_fill(listings)
    coverage = tally.coverage()
    broken = tally.broken(market.bounds)
    for one in broken:
        logger.warning("%s: %s", crawl.id, one.text)
    if market.bounds.max_listings is not None and len(tally.known) > market.bounds.max_listings:
        logger.warning("%s: %d listings, more than max_listings", crawl.id, len(tally.known))
    unread = {f"unread {name}": count for name, count in sorted(tally.unread.items())}
    return crawl.model_copy(
        update={
            "finished": finished,
            "outcome": tally.outcome(market.bounds, coverage),
            "pages": dict(tally.pages),
            "listings": len(tally.known),
            "coverage": coverage,
            "routes": tally.histories(),
            "dropped": {**dict(sorted(tally.dropped.items())), **unread, **{f"bound: {one.text}": 1 for one in broken}},
        }
    )


def begin_job(
    market: Market,
    pages: PageObject,
    *,
    started: datetime,
    bases: tuple[str, ...],
    masker: ListingMasker,
    data_dir: Path,
    clock: Callable[[], datetime],
    kind: CrawlKind | None = None,
    keep: Callable[[Page], None] | None = None,
    release: Callable[[], None] | None = None,
) -> CrawlJob:
    """Opens the crawl's log, its journal and the market's readings under `data_dir`.

    `kind` None: full where nothing of the market was read before, else incremental. An unfinished crawl of that market,
    begun within 24 hours before `started`, is gone on with as what it was begun as; older ones are ended as they are.
    Raises InputError if a crawl of that moment exists, UsageError where another process crawls the market, the operator
    has stopped crawling, or it is outside the market's working hours.
    """
    lock = MarketLock(data_dir, market.id)
    try:
        readings = Readings(data_dir, market.id)
        try:
            limits = Limits(market, data_dir, readings)
            limits.check_may_begin(started)
            crawl = _find_unfinished(market, data_dir, started)
            kind = kind or (CrawlKind.INCREMENTAL if readings.has_any() else CrawlKind.FULL)
            job = CrawlJob(
                market=market,
                pages=pages,
                crawl=crawl or _begin(market, started, kind),
                mirrors=Mirrors(bases, readings, started),
                masker=masker,
                lock=lock,
                limits=limits,
                readings=readings,
                clock=clock,
                keep=keep,
                release=release,
            )
            if crawl is None:
                job.log = CrawlLog(data_dir / "logs", job.crawl)
                job.journal = Journal(frontier_path(data_dir, market.id, job.crawl.id))
                job.seen = Seen(job.log.path)
            else:
                logger.info("going on with crawl %s", crawl.id)
                job.log, job.journal, job.tally, job.seen = _take_up(crawl, data_dir)
        except BaseException:
            readings.close()
            raise
    except BaseException:
        lock.release()
        raise
    return job


def _begin(market: Market, started: datetime, kind: CrawlKind) -> Crawl:
    return Crawl(
        id=build_crawl_id(market.id, started),
        market=market.id,
        kind=kind,
        started=started,
        outcome=CrawlOutcome.PARTIAL,
        tz=market.tz,
        country=market.country,
        pieces_as_grams=market.pieces_as_grams,
    )


def _take_up(crawl: Crawl, data_dir: Path) -> tuple[CrawlLog, Journal, Tally, Seen]:
    """What an unfinished crawl had come to; log and journal are cut to what holds and stand open for more."""
    log = CrawlLog(data_dir / "logs", crawl, resume=True)
    path = frontier_path(data_dir, crawl.market, crawl.id)
    steps, size = read_steps(path, log.size)
    tally = Tally()
    for step in steps:
        tally.apply(step)
    seen = Seen(log.path)
    seen.take_up()
    return log, Journal(path, keep=size), tally, seen


def _find_unfinished(market: Market, data_dir: Path, started: datetime) -> Crawl | None:
    """The newest crawl that never ended, if it is young enough. Older ones are ended here; journals that no crawl
    needs are removed."""
    found: Crawl | None = None
    for path in list(find_journals(data_dir, market.id)):
        log = data_dir / "logs" / market.id / path.name
        if not log.is_file() or log.stat().st_size == 0 or is_finished(log):
            path.unlink()
            continue
        crawl = iter_log(log)[0]
        if found is None and started - crawl.started < RESUME_WITHIN:
            found = crawl
            continue
        opened, journal, tally, seen = _take_up(crawl, data_dir)
        with seen:
            last = max((listing.observed_at for listing in seen.values()), default=crawl.started)
            opened.finish(build_finished(crawl, market, tally, seen.values(), last))
        journal.remove()
    return found
