"""Downloader middlewares: the market's gate, its session cookies, and waiting before another try.

`MarketGate` refuses what does not belong to the market before it is queued at the handler (which checks again), and
gives each request its SOCKS identity. `Backoff` tries again after failures that pass: bounded, longer each time,
`Retry-After` heeded. Scrapy's own retry, proxy and robots middlewares are off.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)

from config.errors import TransportRefused
from crawler.handlers import IDENTITY, TRANSPORT
from crawler.transport import Loopback, Tor, is_loopback, is_onion

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

ALLOWED_HOSTS = "DROPLINE_HOSTS"
"""Setting: netlocs of the market's mirrors; nothing else is requested."""
RETRIES = "DROPLINE_RETRIES"
"""Setting: tries after the first."""
BACKOFF_SECONDS = "DROPLINE_BACKOFF"
"""Setting: first pause; it doubles with each further try."""
LONGEST_PAUSE = 120.0
MAX_COOKIES = 50

_PASSING = frozenset({429, 500, 502, 503, 504})
_PASSING_ERRORS = (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
)
_FILES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".svg", ".bmp", ".ico", ".css", ".js", ".mp4", ".webm", ".woff2")


class OffMarket(IgnoreRequest):
    """A request that does not belong to the market."""


class Stopping(IgnoreRequest):
    """A request that was still waiting when the crawl decided to end."""


class MarketGate:
    """Only pages of the market's own mirrors, only by GET, each with the market's SOCKS identity; none once the crawl
    has decided to end."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        transport = crawler.settings.get(TRANSPORT)
        if not isinstance(transport, Tor | Loopback):
            remedy = "Use `dropline crawl`, or `scrapy crawl market`."
            raise TransportRefused("No transport is configured: nothing is requested.", remedy=remedy)
        self._hosts = frozenset(crawler.settings.getlist(ALLOWED_HOSTS))
        self._is_ours = is_onion if isinstance(transport, Tor) else is_loopback
        self._proxy = None
        if isinstance(transport, Tor):
            self._proxy = transport.proxy_of(crawler.settings.get(IDENTITY) or "")

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> MarketGate:
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        if getattr(self._crawler.spider, "stopping", False):
            raise Stopping(f"not asked for any more: {request.url}")
        parts = urlsplit(request.url)
        if not self._is_ours(request.url):
            raise OffMarket(f"refused, not an address this crawl may reach: {request.url}")
        if parts.netloc.lower() not in self._hosts:
            raise OffMarket(f"refused, another site than the market: {request.url}")
        if request.method != "GET":
            raise OffMarket(f"refused, not a GET: {request.url}")
        if parts.path.lower().endswith(_FILES):
            raise OffMarket(f"refused, not a page: {request.url}")
        if self._proxy is not None:
            request.meta["proxy"] = self._proxy


class Session:
    """The market's cookies: the operator's own, and what the market sets. One jar for a market and all its mirrors;
    nothing is kept beyond the crawl."""

    def __init__(self, crawler: Crawler) -> None:
        transport = crawler.settings.get(TRANSPORT)
        self._jar: dict[str, str] = dict(transport.cookies) if isinstance(transport, Tor | Loopback) else {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Session:
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        request.headers.pop("Cookie", None)
        if self._jar:
            request.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._jar.items())

    def process_response(self, request: Request, response: Response) -> Response:
        for header in response.headers.getlist("Set-Cookie"):
            first, *attributes = header.decode("latin-1").split(";")
            name, equals, value = first.strip().partition("=")
            if not equals or not name or len(self._jar) >= MAX_COOKIES:
                continue
            if any(item.strip().lower().replace(" ", "") == "max-age=0" for item in attributes) or not value:
                self._jar.pop(name, None)
            else:
                self._jar[name] = value
        return response


class Backoff:
    """Tries a page again after a failure that passes (429, 5xx, lost or refused connections)."""

    def __init__(self, crawler: Crawler) -> None:
        self._retries = crawler.settings.getint(RETRIES, 0)
        self._first = crawler.settings.getfloat(BACKOFF_SECONDS, 2.0)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Backoff:
        return cls(crawler)

    async def process_response(self, request: Request, response: Response) -> Request | Response:
        if response.status not in _PASSING:
            return response
        return await self._again(request, retry_after(response)) or response

    async def process_exception(self, request: Request, exception: Exception) -> Request | None:
        return await self._again(request, 0.0) if isinstance(exception, _PASSING_ERRORS) else None

    async def _again(self, request: Request, at_least: float) -> Request | None:
        tries = int(request.meta.get("tries", 0))
        if tries >= self._retries or at_least > LONGEST_PAUSE:
            return None
        await asyncio.sleep(min(LONGEST_PAUSE, max(at_least, self._first * 2**tries)))
        again: Request = request.replace(dont_filter=True)
        again.meta["tries"] = tries + 1
        return again


def retry_after(response: Response) -> float:
    """Seconds of a Retry-After header; 0 where there is none (dates are not read: clocks of such sites are wrong)."""
    value = (response.headers.get("Retry-After") or b"").strip()
    return float(value) if value.isdigit() and len(value) < 7 else 0.0
