"""A made-up market of any size for the benchmarks of crawling: the synthetic postal market's listings, each under many
ids with words of its own, in pages of about 11 KB as real ones are. `serve` runs it in a process of its own on
127.0.0.1.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crawler.market import Market, load_market
from monitor.demo.world import World, html_postal
from monitor.demo.world.records import ListingState

PER_PAGE = 50
_SYLLABLES = "ka lo mi ren tu sha po vel dri nam eb oss qui zet fal gru hin jor".split()
_NAV = "".join(f"<li class='n{i}'><a href='/help/{i}'>Help and rules, part {i}</a></li>" for i in range(110))
_BOILERPLATE = f"<ul class='help'>{_NAV}</ul><p class='legal'>{'Read the rules before you write to anyone. ' * 40}</p>"


def bench_market(in_flight: int = 16) -> Market:
    """The postal market without its budget of pages."""
    budget = {"in_flight": in_flight, "delay": 0, "pages_per_day": 10**7, "bytes_per_day": 10**13, "page_seconds": 60}
    made = load_market("postal").model_dump()
    return Market.model_validate({**made, "budget": budget, "bounds": {"min_listings": 1}})


class LargeMarket:
    """`listings` of them; a page is a pure function of its number."""

    def __init__(self, listings: int, seed: int = 1, *, small: bool = False) -> None:
        world = World(seed, 30)
        self.listings = listings
        self._boilerplate = "" if small else _BOILERPLATE
        self.rows = [row for row in world.day("postal", world.last).listings if row.listing.kind == "offer"]

    def row(self, number: int) -> ListingState:
        base = self.rows[number % len(self.rows)]
        dice = random.Random(number)
        words = " ".join("".join(dice.choices(_SYLLABLES, k=3)) for _ in range(6))
        item = dataclasses.replace(
            base.listing, id=f"{number:08x}", title=f"{base.listing.title} {words.split()[0]}",
            description=f"{base.listing.description}\n{words}.",
        )  # fmt: skip
        return dataclasses.replace(base, listing=item)

    def detail(self, number: int) -> bytes:
        return self._fill(html_postal.detail(self.row(number)))

    def index(self, page: int) -> bytes | None:
        """Page from 1 on."""
        first = (page - 1) * PER_PAGE
        if not 0 <= first < max(1, self.listings):
            return None
        rows = "".join(html_postal._row(self.row(n)) for n in range(first, min(self.listings, first + PER_PAGE)))
        more = f'<a class="pg" href="/listings?p={page + 1}">next</a>' if first + PER_PAGE < self.listings else ""
        head = f'<p id="count">{self.listings:,} listings</p>'
        body = f'{head}<table id="results">{rows}</table><div id="pager">{more}</div>'
        return self._fill(html_postal.page("All listings", body))

    def _fill(self, page: str) -> bytes:
        return page.replace('<div id="foot">', f'{self._boilerplate}<div id="foot">').encode()

    def respond(self, target: str) -> tuple[int, bytes]:
        path, _, query = target.partition("?")
        body: bytes | None = None
        if path == "/listings":
            body = self.index(int(query.removeprefix("p=") or 1))
        elif path.startswith("/listing/"):
            body = self.detail(int(path.removeprefix("/listing/"), 16))
        return (404, b"<html><h1>404 Not Found</h1></html>") if body is None else (200, body)


class _Door(asyncio.Protocol):
    """GET with keep-alive, nothing else."""

    def __init__(self, market: LargeMarket) -> None:
        self.market, self.buffer = market, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head, self.buffer = self.buffer[:end], self.buffer[end + 4 :]
            status, body = self.market.respond(head.split(b" ", 2)[1].decode("latin-1"))
            self.transport.write(
                f"HTTP/1.1 {status} -\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
                .encode() + body
            )


async def _serve(listings: int, *, small: bool) -> None:
    market = LargeMarket(listings, small=small)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Door(market), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)  # ends with its parent
    server.close()


@contextmanager
def serve(listings: int, *, small: bool = False) -> Iterator[int]:
    """The market on 127.0.0.1; its port. `small`: pages of about 2 KB."""
    command = [sys.executable, str(Path(__file__).resolve()), "--listings", str(listings)]
    command += ["--small"] if small else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--listings", type=int, required=True)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    asyncio.run(_serve(given.listings, small=given.small))
