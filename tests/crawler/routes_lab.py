"""A synthetic market whose site hides part of itself, served on loopback for tests of discovery routes."""

from __future__ import annotations

import http.server
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from crawler_lab import serving

from crawler.market import Market, load_market
from monitor.demo.world.site import Site


def silent_market(name: str, share: float) -> Market:
    """A synthetic market that states no totals, with that share of its categories as the second route."""
    made: dict[str, Any] = load_market(name).model_dump()
    made["routes"][1]["share"] = share
    made["bounds"] = {"min_listings": 1}
    made["budget"]["retries"] = 0
    made["details"] = False
    for layout in made["index"]:
        layout["total"] = None
    return Market.model_validate(made)


class SiteServer(http.server.ThreadingHTTPServer):
    """The pages of a `Site`; `refused` says which paths answer 503, `depth` beyond which page a list is not shown."""

    daemon_threads = True

    def __init__(self, site: Site) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.site = site
        self.refused: Callable[[str], bool] = lambda _: False
        self.depth: int | None = None
        self.hits: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str) -> tuple[int, bytes]:
        self.hits.append(path)
        if self.refused(path):
            return 503, b"<html><body>busy</body></html>"
        found = self.site.respond(path)
        body = found.body
        if self.depth is not None:  # as sites do that show the newest pages of a list and no more
            for number in re.findall(rb'href="[^"]*[?](?:page|p)=([0-9]+)"', body):
                if int(number) > self.depth:
                    body = re.sub(rb'<a[^>]*href="[^"]*[?](?:page|p)=%s">[^<]*</a>' % number, b"", body)
        return found.status, body


class _Handler(http.server.BaseHTTPRequestHandler):
    server: SiteServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""

    def do_GET(self) -> None:
        status, body = self.server.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serve_site(site: Site) -> Iterator[SiteServer]:
    """The site, served until the block ends."""
    with serving(SiteServer(site)) as server:
        yield server
