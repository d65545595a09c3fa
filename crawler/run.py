"""Running crawls: many in one process, on one asyncio event loop.

`crawl` is one crawl of one market; await several with `asyncio.gather`. Time comes from `clock`, so that the demo can
crawl simulated days; the log stands at `DATA/logs/<market>/<crawl id>.jsonl` before the Crawl is returned.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from scrapy.crawler import AsyncCrawlerRunner
from scrapy.settings import Settings

from crawler.items import Crawl, CrawlKind, CrawlOutcome, Page
from crawler.job import ListingMasker, begin_job
from crawler.market import Market
from crawler.pages import PageObject, load_pages
from crawler.project import LOCK, market_settings
from crawler.spiders.market import MarketSpider
from crawler.transport import Transport


async def crawl(
    market: Market,
    *,
    started: datetime,
    transport: Transport,
    masker: ListingMasker,
    data_dir: Path,
    clock: Callable[[], datetime],
    kind: CrawlKind | None = None,
    pages: PageObject | None = None,
    keep: Callable[[Page], None] | None = None,
    release: Callable[[], None] | None = None,
) -> Crawl:
    """Crawls the market once and returns the finished record.

    `started` (aware) makes the crawl's id; `clock` gives the time each page was read at; `pages` saves compiling the
    page object for every one of many crawls; `kind` (full or incremental; None: full where nothing of the market was
    read before) says whether every listing's own page is read anew, or those that are due; `keep` gets each page before
    parsing, `release` is called at the end.
    Raises TransportRefused for a transport the market may not use, InputError where a crawl of that moment exists, and
    whatever kept a listing from being logged (the log then ends as failed).
    """
    gates = market_settings(market, transport)
    settings = Settings()
    settings.setmodule(importlib.import_module("crawler.settings"), priority="project")
    settings.update(gates, priority=LOCK)
    job = begin_job(
        market,
        pages or load_pages(market),
        started=started,
        bases=transport.bases,
        masker=masker,
        data_dir=data_dir,
        clock=clock,
        kind=kind,
        keep=keep,
        release=release,
    )
    try:
        await AsyncCrawlerRunner(settings).crawl(MarketSpider, job=job)
    except BaseException:  # interrupted: what was seen is kept, and the log says that it is not all
        job.tally.stopped = job.tally.stopped or CrawlOutcome.PARTIAL
        raise
    finally:
        result = job.finish()
    if job.failure is not None:
        raise job.failure
    return result
