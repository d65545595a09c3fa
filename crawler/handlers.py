"""The last gate: the download handlers. They fail closed.

Built on Scrapy's private httpx handler (Scrapy is pinned to the minor version this was tested with): the default
handler cannot speak SOCKS. Redirects are requests of their own and pass here again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

from scrapy.core.downloader.handlers._httpx import HttpxDownloadHandler
from scrapy.exceptions import DownloadCancelledError, DownloadTimeoutError

from config.errors import TransportRefused
from crawler.transport import Loopback, Tor, is_loopback, is_onion

if TYPE_CHECKING:
    import httpx2
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

TRANSPORT = "DROPLINE_TRANSPORT"
"""Setting that holds the Transport record. An object: no command line and no settings file can give it."""
IDENTITY = "DROPLINE_IDENTITY"
"""Setting that holds the market's id: the SOCKS identity."""
TOTAL_SECONDS = "DROPLINE_TOTAL_SECONDS"
"""Setting: total seconds of one page. DOWNLOAD_TIMEOUT is per read: a byte a second would pass for ever."""

_UNWANTED = (b"image/", b"video/", b"audio/", b"font/", b"text/css", b"text/javascript", b"application/javascript",
             b"application/x-javascript", b"application/octet-stream", b"application/zip", b"application/pdf")


class _LimitedHandler(HttpxDownloadHandler):
    """Total time limit; media, scripts and styles are not read even where a page's address leads to one."""

    experimental = False  # we pin and test it; the warning would come with every crawl

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._total = crawler.settings.getfloat(TOTAL_SECONDS, 0)
        if self._total <= 0:
            raise TransportRefused("No total time limit is set.", remedy="Crawl by crawler.run, which sets it.")
        if not self._default_maxsize:
            raise TransportRefused("No size limit is set.", remedy="Crawl by crawler.run, which sets it.")

    def _check(self, request: Request) -> None:
        raise NotImplementedError

    async def download_request(self, request: Request) -> Response:
        self._check(request)
        if request.method != "GET" or request.body:
            raise TransportRefused(f"{request.method} requests are never sent: pages are only read.")
        try:
            async with asyncio.timeout(self._total):
                return await super().download_request(request)
        except TimeoutError as error:
            raise DownloadTimeoutError(f"{request.url} took longer than {self._total} s in all.") from error

    async def _read_response(self, response: httpx2.Response, request: Request) -> Response:
        kind = response.headers.get("content-type", "").lower().encode("ascii", "replace").lstrip()
        if kind.startswith(_UNWANTED):
            raise DownloadCancelledError(f"{request.url} is {kind.decode()}: only pages are read.")
        return await super()._read_response(response, request)


class OnionHandler(_LimitedHandler):
    """Version-3 onion services through the configured SOCKS proxy, with remote DNS. A direct client does not exist."""

    def __init__(self, crawler: Crawler) -> None:
        transport = crawler.settings.get(TRANSPORT)
        self._proxy: str | None = None
        if isinstance(transport, Tor):
            self._proxy = transport.proxy_of(crawler.settings.get(IDENTITY) or "")
        super().__init__(crawler)

    def _check(self, request: Request) -> None:
        if not is_onion(request.url):
            raise TransportRefused(f"{request.url} is not an onion service: it is never requested.")
        if self._proxy is None:
            raise TransportRefused(
                "No SOCKS proxy is configured: nothing is requested.", remedy="Start Tor and set tor_socks."
            )
        if request.meta.get("proxy") != self._proxy or b"Proxy-Authorization" in request.headers:
            raise TransportRefused(f"{request.url} does not go through the market's SOCKS identity.")

    def _make_client(self, proxy_url: str | None = None) -> Any:
        # The base class makes a direct client at once: here there is none to be used by mistake.
        if proxy_url is None:
            return _NoClient()
        if not proxy_url.startswith("socks5h://") or proxy_url != self._proxy:
            raise TransportRefused("Only the configured SOCKS proxy is used, with remote DNS (socks5h).")
        return super()._make_client(proxy_url)


class _NoClient:
    """Stands where the direct client would be."""

    def stream(self, *_: object, **__: object) -> NoReturn:
        raise TransportRefused("A request without SOCKS proxy was stopped.")

    async def aclose(self) -> None:
        """Nothing to close."""


class LoopbackHandler(_LimitedHandler):
    """The demo's own server on this machine. Refuses everything else, and every crawl that the demo did not build."""

    def __init__(self, crawler: Crawler) -> None:
        transport = crawler.settings.get(TRANSPORT)
        if not (isinstance(transport, Loopback) and transport.demo):
            raise TransportRefused("The loopback transport belongs to the demo.", remedy="Crawl through Tor.")
        super().__init__(crawler)

    def _check(self, request: Request) -> None:
        if not is_loopback(request.url):
            raise TransportRefused(f"{request.url} is not this machine: it is never requested.")
        if request.meta.get("proxy"):
            raise TransportRefused("The loopback transport uses no proxy.")
