"""The one generic spider: driven by a market's market.yml and page object.

Index pages come first (start paths, categories, pagination); detail pages follow for listings that were never read, or
read longer ago than the market's `detail_days`, or whose title changed. Every listing is masked, then logged durably,
before anything else happens to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urljoin

from scrapy import Request, Spider
from scrapy.exceptions import CloseSpider, DownloadCancelledError, IgnoreRequest, ResponseDataLossError

from config.errors import DroplineError, TransportRefused
from crawler.items import Listing, Page, PageOutcome
from crawler.job import CrawlJob
from crawler.middlewares import BACKOFF_SECONDS, RETRIES, OffMarket
from crawler.pages import ParsedPage
from crawler.readings import carry, fill

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from twisted.python.failure import Failure

_TRY_AGAIN = frozenset({PageOutcome.TRUNCATED, PageOutcome.WAIT})
_INDEX_PRIORITY, _DETAIL_PRIORITY = 10, 0


class MarketSpider(Spider):
    """Crawls one market once. Made by `crawler.run.crawl`; `scrapy crawl market -a market=ID` builds the same job."""

    name = "market"

    def __init__(self, job: CrawlJob | None = None, market: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if job is None:
            raise TransportRefused(
                "This spider is not started without a crawl job.", remedy="Use `scrapy crawl market -a market=ID`."
            )
        self.job = job
        self._waiting: dict[str, Listing] = {}
        self._seen: dict[str, Listing] = {}
        self._base = job.bases[0]

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> MarketSpider:
        if kwargs.get("job") is None:
            from crawler.project import build_project_job

            kwargs["job"] = build_project_job(crawler, kwargs.get("market"))
        return super().from_crawler(crawler, *args, **kwargs)

    # requests ---------------------------------------------------------------------------------------------------

    async def start(self) -> AsyncIterator[Request]:
        if self._is_spent(self.job.clock()):
            return
        for path in self.job.market.start:
            request = self._index_request(urljoin(f"{self._base}/", path))
            if request is not None:
                yield request

    def _index_request(self, url: str) -> Request | None:
        url = urldefrag(url).url
        if url in self.job.tally.frontier or not self._is_own(url):
            return None
        self.job.tally.frontier.add(url)
        return self._request(url, _INDEX_PRIORITY, {"index": url})

    def _request(self, url: str, priority: int, meta: dict[str, Any]) -> Request:
        return Request(
            url,
            callback=self.parse_page,
            errback=self.count_failure,
            priority=priority,
            dont_filter=True,
            meta=meta,
        )

    def _is_own(self, url: str) -> bool:
        return any(url == base or url.startswith(f"{base}/") for base in self.job.bases)

    # answers ----------------------------------------------------------------------------------------------------

    async def parse_page(self, response: Response) -> AsyncIterator[Request]:
        try:
            async for request in self._take_page(response):
                yield request
        except CloseSpider:
            raise
        except Exception as error:
            # Scrapy would log it and go on: a crawl that cannot keep what it sees must not end as complete
            self.job.fail(error)
            raise CloseSpider("error") from error

    async def _take_page(self, response: Response) -> AsyncIterator[Request]:
        job = self.job
        moment = job.clock()
        job.readings.spend(moment, 1, len(response.body))
        page = Page(
            market=job.market.id,
            crawl=job.crawl.id,
            url=response.url,
            status=response.status,
            content_type=(response.headers.get("Content-Type") or b"text/html").decode("latin-1"),
            body=response.body,
            fetched_at=moment,
        )
        if job.keep is not None:
            job.keep(page)
        parsed = job.pages.parse(page)
        if parsed.outcome in _TRY_AGAIN:
            again = await self._again(response.request)
            if again is not None:
                yield again
                return
        stop = job.tally.count_page(parsed.outcome)
        job.tally.unread.update(parsed.unread)
        if parsed.outcome is PageOutcome.LISTING:
            self._take_detail(parsed)
        elif parsed.outcome in {PageOutcome.INDEX, PageOutcome.EMPTY}:
            for request in self._take_index(str(response.meta.get("index", response.url)), parsed):
                yield request
        else:
            self.logger.info("%s: %s (%s)", response.url, parsed.outcome.value, parsed.reason)
            self._give_up(response.meta.get("listing"))
        if stop:
            raise CloseSpider(str(job.tally.stopped))
        if self._is_spent(moment):
            raise CloseSpider("budget")

    async def _again(self, request: Request | None) -> Request | None:
        """The request once more after a pause, as long as tries are left."""
        if request is None:
            return None
        tries = int(request.meta.get("tries", 0))
        if tries >= self.settings.getint(RETRIES, 0):
            return None
        await asyncio.sleep(self.settings.getfloat(BACKOFF_SECONDS, 2.0) * 2**tries)
        again: Request = request.replace(dont_filter=True)
        again.meta["tries"] = tries + 1
        return again

    def _is_spent(self, moment: datetime) -> bool:
        pages, size = self.job.readings.spent(moment)
        budget = self.job.market.budget
        if pages < budget.pages_per_day and size < budget.bytes_per_day:
            return False
        self.job.tally.dropped["budget of the day spent"] += 1
        return True

    def _take_index(self, url: str, parsed: ParsedPage) -> list[Request]:
        job = self.job
        masked = {raw.listing: job.masker.mask_listing(raw) for raw in parsed.listings}
        job.tally.count_index(url, parsed, [listing.listing for listing in masked.values()])
        readings = job.readings.last(listing.listing for listing in masked.values())
        requests, ready = [], []
        links = {detail.listing: detail.url for detail in parsed.details} if job.market.details else {}
        for raw, shown in masked.items():
            ident = shown.listing
            reading = readings.get(ident)
            listing = shown if reading is None else carry(shown, reading, job.market.index_offers)
            before = self._seen.get(ident)
            if before is not None:
                if before.seen_on == "detail":
                    continue
                listing = _join(before, listing)
                if listing == before:
                    continue
            self._seen[ident] = listing
            if ident in self._waiting:
                self._waiting[ident] = listing
                continue
            link = links.get(raw)
            if before is None and link is not None and self._is_stale(shown, reading) and self._is_own(link):
                self._waiting[ident] = listing
                requests.append(self._request(link, _DETAIL_PRIORITY, {"listing": ident}))
            else:
                ready.append(listing)
        job.log.append(ready)
        for link in parsed.links:
            request = self._index_request(link)
            if request is not None:
                requests.append(request)
        return requests

    def _is_stale(self, shown: Listing, reading: Listing | None) -> bool:
        if reading is None or reading.title != shown.title:
            return True
        return shown.observed_at - reading.observed_at >= self.job.market.detail_age

    def _take_detail(self, parsed: ParsedPage) -> None:
        job = self.job
        listing = job.masker.mask_listing(parsed.listings[0])
        job.tally.listings.add(listing.listing)
        shown = self._waiting.pop(listing.listing, None)
        if shown is not None:
            listing = fill(listing, shown)
        self._seen[listing.listing] = listing
        job.log.append([listing])
        job.readings.save([listing])

    # failures ---------------------------------------------------------------------------------------------------

    def _give_up(self, ident: str | None) -> None:
        """The detail page cannot be had: what the index page showed is kept."""
        shown = None if ident is None else self._waiting.pop(ident, None)
        if shown is not None:
            self.job.log.append([shown])

    def count_failure(self, failure: Failure) -> list[Request]:
        error, request = failure.value, getattr(failure, "request", None)
        tally = self.job.tally
        self.logger.info("%s: %s", getattr(request, "url", "?"), error)
        if isinstance(error, OffMarket | TransportRefused):
            tally.dropped["refused address"] += 1
        elif isinstance(error, ResponseDataLossError):
            tally.count_page(PageOutcome.TRUNCATED)
        elif isinstance(error, DownloadCancelledError | IgnoreRequest):
            tally.dropped["too large or not a page"] += 1
        else:
            tally.count_page(PageOutcome.SERVER_ERROR)
        if request is None:
            return []
        try:
            self._give_up(request.meta.get("listing"))
        except (DroplineError, OSError) as failed:
            self.job.fail(failed)
        return self._next_mirror(request.url)

    def _next_mirror(self, url: str) -> list[Request]:
        """Where the first mirror gave nothing at all, the start paths of the next one."""
        tally, later = self.job.tally, self.job.bases[self.job.bases.index(self._base) + 1 :]
        if tally.read or not later or not url.startswith(self._base):
            return []
        self._base = later[0]
        tally.frontier.clear()
        made = [self._index_request(urljoin(f"{self._base}/", path)) for path in self.job.market.start]
        return [request for request in made if request is not None]

    def closed(self, reason: str) -> None:
        """Called by Scrapy at the end: what still waits for a detail page is logged as the index showed it."""
        waiting, self._waiting = list(self._waiting.values()), {}
        try:
            if self.job.failure is None:
                self.job.log.append(waiting)
        except (DroplineError, OSError) as error:
            self.job.fail(error)
        self.job.finish()
        self.logger.debug("crawl %s closed: %s", self.job.crawl.id, reason)


def _join(before: Listing, again: Listing) -> Listing:
    """A listing met on a second index page: the same, with the offers of both (a page per place shows its own)."""
    offers = tuple(dict.fromkeys((*before.offers, *again.offers)))
    return before if offers == before.offers else before.model_copy(update={"offers": offers})
