"""The one generic spider: driven by a market's market.yml and page object.

Index pages come first (start paths, categories, pagination); detail pages follow: in a full crawl of every listing, in
an incremental one of listings that were never read, whose title changed, or whose last reading is old for how often
they change (about `detail_days`). Every listing is masked, then logged durably, before anything else happens to it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from scrapy import Request, Spider
from scrapy.exceptions import CloseSpider, DownloadCancelledError, IgnoreRequest, ResponseDataLossError

from config.errors import DroplineError, TransportRefused
from crawler.frontier import Step
from crawler.items import CrawlKind, Listing, Page, PageOutcome
from crawler.job import CrawlJob
from crawler.middlewares import BACKOFF_SECONDS, RETRIES, OffMarket, Stopping
from crawler.pages import ParsedPage
from crawler.readings import carry, fill
from crawler.routes import Routes
from crawler.tally import Pending

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from twisted.python.failure import Failure

_TRY_AGAIN = frozenset({PageOutcome.TRUNCATED, PageOutcome.WAIT})
_INDEX_PRIORITY, _DETAIL_PRIORITY = 10, 0


class MarketSpider(Spider):
    """Crawls one market once. Made by `crawler.run.crawl`; `scrapy crawl market -a market=ID` builds the same job."""

    name = "market"

    def __init__(
        self, job: CrawlJob | None = None, market: str | None = None, kind: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if job is None:
            raise TransportRefused(
                "This spider is not started without a crawl job.", remedy="Use `scrapy crawl market -a market=ID`."
            )
        self.job = job
        self._mirrors, self._routes = job.mirrors, Routes(job.market)
        self._later: deque[str] = deque()
        """Paths of listings' own pages that are asked for when there is room."""
        self._asked, self._most = 0, max(8, 4 * job.market.budget.in_flight)
        """Requests that are not answered yet, and how many there may be before listings' own pages have to wait."""
        self.stopping = False
        """Set when the crawl has decided to end: the gate lets nothing pass any more."""

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> MarketSpider:
        if kwargs.get("job") is None:
            from crawler.project import build_project_job

            kwargs["job"] = build_project_job(crawler, kwargs.get("market"), kwargs.get("kind"))
        return super().from_crawler(crawler, *args, **kwargs)

    # requests ---------------------------------------------------------------------------------------------------

    async def start(self) -> AsyncIterator[Request]:
        if self._should_end(self.job.clock()):
            return
        if not self.job.tally.frontier:
            start = map(self._own_path, (*self.job.market.start, *self._routes.start))
            self.job.take(Step(index=tuple(dict.fromkeys(path for path in start if path is not None))))
        for request in self._ask(self.job.tally.waiting()):
            yield request

    def _own_path(self, path: str) -> str | None:
        return self._mirrors.path_of(urljoin(f"{self._mirrors.bases[0]}/", path))

    def _ask(self, found: Iterable[Pending]) -> list[Request]:
        """Requests for index pages at once; for listings' own pages as many as may wait in Scrapy's memory, the others
        later: a large market has more of them than fit there."""
        made = []
        for pending in found:
            if pending.detail:
                self._later.append(pending.path)
            else:
                made.append(self._request(pending))
                self._asked += 1
        while self._later and self._asked < self._most:
            made.append(self._request(Pending(self._later.popleft(), detail=True)))
            self._asked += 1
        return made

    def _request(self, pending: Pending, mirror: int | None = None) -> Request:
        at = self._mirrors.current if mirror is None else mirror
        return Request(
            self._mirrors.url_of(pending.path, at),
            callback=self.parse_page,
            errback=self.count_failure,
            priority=_DETAIL_PRIORITY if pending.detail else _INDEX_PRIORITY - min(pending.barren, 9),
            dont_filter=True,
            meta={"pending": pending, "mirror": at},
        )

    # answers ----------------------------------------------------------------------------------------------------

    async def parse_page(self, response: Response) -> AsyncIterator[Request]:
        self._asked -= 1
        try:
            async for request in self._take_page(response):
                yield request
            for request in self._ask(()):
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
        mirror, pending = int(response.meta["mirror"]), response.meta["pending"]
        if self._mirrors.is_refused(mirror):
            for request in self._elsewhere(pending, mirror, self._mirrors.refuse(mirror)):
                yield request
            return
        try:
            parsed = job.pages.parse(page)
        finally:
            if job.keep is not None:
                job.keep(page)  # after parsing: the archive goes on with the page's tree
        if parsed.outcome in _TRY_AGAIN:
            again = await self._again(response.request)
            if again is not None:
                self._asked += 1
                yield again
                return
        self._mirrors.answered(mirror)
        made: list[Request] = []
        with job.readings.together():
            if parsed.outcome is PageOutcome.LISTING:
                self._take_detail(pending, parsed)
            elif parsed.outcome in {PageOutcome.INDEX, PageOutcome.EMPTY}:
                made = self._take_index(pending, mirror, parsed)
            else:
                self.logger.info("%s: %s (%s)", response.url, parsed.outcome.value, parsed.reason)
                job.take(Step(path=pending.path, outcome=parsed.outcome, unread=dict(parsed.unread)))
        for request in made:
            yield request
        if job.tally.stopped is not None:
            self.stopping = True
            raise CloseSpider(str(job.tally.stopped))
        if self._should_end(moment):
            raise CloseSpider("limits")

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

    def _should_end(self, moment: datetime) -> bool:
        reason = self.job.limits.reason_to_end(moment)
        if reason is not None and not self.stopping:
            self.stopping = True
            self.job.take(Step(dropped=reason))
        return reason is not None

    def _take_index(self, pending: Pending, mirror: int, parsed: ParsedPage) -> list[Request]:
        job, tally = self.job, self.job.tally
        masked = {raw.listing: job.masker.mask_listing(raw) for raw in parsed.listings}
        if self._mirrors.is_clone(mirror, masked.values()):
            self.logger.warning("%s shows none of the market's listings: refused", self._mirrors.bases[mirror])
            job.take(Step(dropped="mirror refused: it shows none of the market's listings"))
            return self._elsewhere(pending, mirror, self._mirrors.refuse(mirror))
        readings = job.readings.last(listing.listing for listing in masked.values())
        ages = job.readings.sightings.intervals(readings, job.market.detail_age, job.market.detail_flex)
        details = {detail.listing: detail.url for detail in parsed.details} if job.market.details else {}
        anew = job.crawl.kind is CrawlKind.FULL
        fresh: list[Listing] = []
        asked: dict[str, str] = {}
        for raw, shown in masked.items():
            ident = shown.listing
            reading = readings.get(ident)
            if job.seen.is_detailed(ident):
                continue
            before = job.seen.get(ident)
            path = self._mirrors.path_of(details.get(raw, ""))
            waits = tally.was_asked(ident)
            if path is not None and path not in tally.pending and not waits and path not in asked:
                waits = anew or reading is None or _is_stale(shown, reading, ages.get(ident, job.market.detail_age))
                if waits:
                    asked[path] = ident
            # what is about to be read anew is not carried forward, or a field that is gone would seem to be there
            listing = shown if reading is None or waits else carry(shown, reading, job.market.index_offers)
            if before is not None:
                listing = _join(before, listing)
            if listing != before:
                fresh.append(listing)
        seen = [listing.listing for listing in masked.values()]
        route = self._routes.of(pending.path)
        barren = 0 if tally.has_news(seen, route) else pending.barren + 1
        found = dict.fromkeys(path for path in map(self._mirrors.path_of, parsed.links) if path is not None)
        links = [path for path in found if path not in tally.frontier and self._routes.follows(path)]
        followed = tally.may_follow(barren, len(links))
        step = Step(
            path=pending.path,
            outcome=parsed.outcome,
            seen=tuple(seen),
            total=parsed.total,
            scope=parsed.scope,
            route=route,
            unread=dict(parsed.unread),
            index=tuple(links[:followed]),
            details=tuple((ident, path) for path, ident in asked.items()),
            barren=barren,
            withheld=len(links) - followed,
        )
        return self._ask(job.take(step, fresh))

    def _take_detail(self, pending: Pending, parsed: ParsedPage) -> None:
        job = self.job
        listing = job.masker.mask_listing(parsed.listings[0])
        shown = job.seen.get(listing.listing)
        if shown is not None:
            listing = fill(listing, shown)
        step = Step(
            path=pending.path, outcome=parsed.outcome, seen=(listing.listing,), unread=dict(parsed.unread)
        )
        job.readings.save([listing])
        job.take(step, [listing])

    # failures ---------------------------------------------------------------------------------------------------

    def count_failure(self, failure: Failure) -> list[Request]:
        self._asked -= 1
        return [*self._count_failure(failure), *self._ask(())]

    def _count_failure(self, failure: Failure) -> list[Request]:
        error, request = failure.value, getattr(failure, "request", None)
        if isinstance(error, Stopping):
            return []
        self.logger.info("%s: %s", getattr(request, "url", "?"), error)
        pending = None if request is None else request.meta["pending"]
        path = None if pending is None else pending.path
        try:
            if isinstance(error, OffMarket | TransportRefused):
                self.job.take(Step(path=path, dropped="refused address"))
            elif isinstance(error, ResponseDataLossError):
                self.job.take(Step(path=path, outcome=PageOutcome.TRUNCATED))
            elif isinstance(error, DownloadCancelledError | IgnoreRequest):
                self.job.take(Step(path=path, dropped="too large or not a page"))
            elif request is not None and pending is not None:
                mirror = int(request.meta["mirror"])
                return self._elsewhere(pending, mirror, self._mirrors.failed(mirror))
            else:
                self.job.take(Step(outcome=PageOutcome.SERVER_ERROR))
        except (DroplineError, OSError) as failed:
            self.job.fail(failed)
        return []

    def _elsewhere(self, pending: Pending, mirror: int, other: int | None) -> list[Request]:
        """The same page from another mirror; where there is none, it is counted as not had."""
        if other is not None and other != mirror:
            self._asked += 1
            return [self._request(pending, other)]
        self.job.take(Step(path=pending.path, outcome=PageOutcome.SERVER_ERROR))
        return []

    def closed(self, reason: str) -> None:
        """Called by Scrapy at the end."""
        self.job.finish()
        self.logger.debug("crawl %s closed: %s", self.job.crawl.id, reason)


def _is_stale(shown: Listing, reading: Listing, age: timedelta) -> bool:
    return reading.title != shown.title or shown.observed_at - reading.observed_at >= age


def _join(before: Listing, again: Listing) -> Listing:
    """A listing met on a second index page: the same, with the offers of both (a page per place shows its own), and
    with what only the second one says."""
    offers = tuple(dict.fromkeys((*before.offers, *again.offers)))
    joined = fill(before, again)
    return joined if offers == joined.offers else joined.model_copy(update={"offers": offers})
