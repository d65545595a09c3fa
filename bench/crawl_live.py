"""A live crawl with everything on (page objects, masking, log, journal, readings, archive) against Scrapy that only
fetches the same pages, through the same private Tor network and onion service, in turns. Scrapy fetches twice: with its
own default of 100 workers for what a page leads to, and with the one that we set (it has nothing for them to do, yet
makes them for every page).

    python bench/crawl_live.py --listings 1000 --rounds 2
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from large_market import PER_PAGE, bench_market, serve
from scrapy import Request, Spider
from scrapy.crawler import AsyncCrawlerRunner
from scrapy.http import Response
from scrapy.settings import Settings as ScrapySettings

from config.settings import Settings
from crawler.market import Market
from crawler.pages import PageObject
from crawler.privacy import Masker
from crawler.project import LOCK, market_settings
from crawler.transport import Loopback, Tor
from monitor.crawling import Planned, run_crawl
from monitor.demo.tor_network import TorNetwork

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Fetcher(Spider):
    """Asks for the same pages and looks at none."""

    name = "fetcher"
    got = 0

    def __init__(self, base: str, listings: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.paths = [f"{base}/listings?p={page}" for page in range(1, -(-listings // PER_PAGE) + 1)]
        self.paths += [f"{base}/listing/{number:08x}" for number in range(listings)]

    async def start(self) -> AsyncIterator[Request]:
        for path in self.paths:
            yield Request(path, callback=self.count, dont_filter=True)

    def count(self, response: Response) -> None:
        Fetcher.got += response.status == 200


Rates = tuple[float, float]
"""Pages per second of wall clock and of processor time."""
SCRAPY_ITEMS = 100


async def fetch_only(
    market: Market, transport: Tor | Loopback, listings: int, items: int | None = None
) -> Rates:
    settings = ScrapySettings()
    settings.setmodule(importlib.import_module("crawler.settings"), priority="project")
    settings.update(market_settings(market, transport), priority=LOCK)
    if items is not None:
        settings.set("CONCURRENT_ITEMS", items, priority=LOCK)
    Fetcher.got = 0
    begun, cpu = time.perf_counter(), time.process_time()
    await AsyncCrawlerRunner(settings).crawl(Fetcher, base=transport.bases[0], listings=listings)
    return Fetcher.got / (time.perf_counter() - begun), Fetcher.got / (time.process_time() - cpu)


async def whole(market: Market, transport: Any, folder: Path, moment: datetime) -> Rates:
    begun, cpu = time.perf_counter(), time.process_time()
    done = await run_crawl(
        Settings(data_dir=folder), Planned(market, transport, PageObject(market)),
        masker=Masker("0badcafe", b"1" * 32), clock=lambda: moment,
    )  # fmt: skip
    assert done.outcome == "complete", done
    pages = sum(done.pages.values())
    return pages / (time.perf_counter() - begun), pages / (time.process_time() - cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listings", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--direct", action="store_true", help="Over loopback, without Tor: what our own work costs.")
    given = parser.parse_args()
    market = bench_market(given.in_flight)
    ours, theirs, lean = list[Rates](), list[Rates](), list[Rates]()
    with serve(given.listings) as port, tempfile.TemporaryDirectory(prefix="dropline-bench-") as scratch:

        def measure(transport: Any) -> None:
            for number in range(given.rounds):
                # a folder a round: nothing is known, every listing's own page is read
                theirs.append(asyncio.run(fetch_only(market, transport, given.listings, SCRAPY_ITEMS)))
                moment = NOW + timedelta(days=number)
                ours.append(asyncio.run(whole(market, transport, Path(scratch) / str(number), moment)))
                lean.append(asyncio.run(fetch_only(market, transport, given.listings)))
                print(f"round {number + 1}: fetch only {theirs[-1][0]:,.0f} and {lean[-1][0]:,.0f} pages/s,"
                      f" everything {ours[-1][0]:,.0f}", flush=True)  # fmt: skip

        if given.direct:
            measure(Loopback(f"http://127.0.0.1:{port}", demo=True))
        else:
            with TorNetwork() as network:
                measure(Tor(network.socks_address, (network.publish(port),)))
    for at, name in ((0, "wall clock"), (1, "processor time")):
        one, other, bare = (median(rate[at] for rate in rates) for rates in (ours, theirs, lean))
        print(f"{name}: everything {one:,.0f} pages/s, fetch only {other:,.0f} pages/s: {one / other:.2f};"
              f" with one worker {bare:,.0f}: {one / bare:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
