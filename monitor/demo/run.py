"""The demo: the whole job on the synthetic world. Served, crawled day by day, read, indexed, asked, and held against
the truth. Simulated time: every crawl starts at noon of the market's own day."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from config.errors import UsageError
from config.settings import Settings
from crawler.items import Crawl, CrawlKind
from crawler.log import log_path
from crawler.market import Market, load_market
from crawler.pages import PageObject, load_pages
from crawler.privacy import Masker, build_kid
from crawler.run import crawl
from crawler.transport import Loopback, Tor, Transport
from extract.fx import Rate, write_rates
from index.store import Store
from monitor.demo.tor_network import TorNetwork
from monitor.demo.world import World
from monitor.demo.world.records import MarketId
from monitor.demo.world.server import WorldServer
from monitor.ingest import Ingester
from monitor.workspace import build_observation_builder, rates_folder

MARKER = ".dropline-demo"
NOON = time(12)


@dataclass
class DemoRun:
    """What a demo did."""

    world: World
    crawls: list[Crawl] = field(default_factory=list)
    observations: int = 0
    offer_days: int = 0

    @property
    def pages(self) -> int:
        return sum(count for one in self.crawls for count in one.pages.values())

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(str(one.outcome) for one in self.crawls)


def prepare_folder(folder: Path) -> None:
    """An empty folder for a demo. One that an earlier demo left is emptied; any other with content is refused."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).is_file():
            raise UsageError(
                "this folder holds something that no demo left there.", file=folder, remedy="Name another with --out."
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text("Made by `dropline demo`; emptied by the next one.\n", encoding="utf-8")


def run_demo(
    world: World, settings: Settings, store: Store, *, tor: bool, progress: Callable[[str, int, int], None]
) -> DemoRun:
    """Crawl every day of the world into `settings.data_dir`, extract and index into `store`.

    `tor` goes through onion services of a private Tor network on this machine, else through the demo's loopback
    transport. `progress` is told what is being done, how far, of how many.
    """
    done = DemoRun(world)
    _write_rates(world, rates_folder(settings))
    markets = {name: load_market(name) for name in world.markets}
    pages = {name: load_pages(market) for name, market in markets.items()}
    for name in markets:
        store.forget(market=name)
    ingester = Ingester(store, build_observation_builder(settings), settings)
    # a key of the world's own: pseudonyms, and with them the intervals' draws, are the same whenever it is run again
    key = hashlib.sha256(f"dropline demo world {world.seed}".encode()).digest()
    masker = Masker(build_kid(key), key)
    progress("starting Tor" if tor else "starting the world", 0, world.days)
    with WorldServer(world.seed, world.days) as server, _transports(server, tor=tor) as transports:
        days = world.dates()
        for number, day in enumerate(days, start=1):
            progress(f"crawling {day}", number - 1, world.days)
            server.set_day(day)
            kind = CrawlKind.FULL if number == 1 else CrawlKind.INCREMENTAL
            for finished in asyncio.run(_crawl_day(day, markets, pages, transports, masker, settings.data_dir, kind)):
                done.crawls.append(finished)
                ingester.add_log(log_path(settings.logs_dir, finished))
        progress("offer-days", world.days, world.days)
        done.offer_days = ingester.settle()
    done.observations = ingester.report.written
    return done


def _write_rates(world: World, folder: Path) -> None:
    """The world's exchange rates where `dropline fx import` would put them: reading the logs again finds them there."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rates((Rate.model_validate(asdict(row)) for row in world.fx_rows()), folder / "demo-world.csv")


@contextmanager
def _transports(server: WorldServer, *, tor: bool) -> Iterator[dict[MarketId, Transport]]:
    if not tor:
        yield {name: Loopback(f"http://127.0.0.1:{port}", demo=True) for name, port in server.ports.items()}
        return
    with TorNetwork() as network:
        yield {
            name: Tor(socks=network.socks_address, addresses=(f"http://{network.publish(port)}",))
            for name, port in server.ports.items()
        }


async def _crawl_day(
    day: date,
    markets: dict[MarketId, Market],
    pages: dict[MarketId, PageObject],
    transports: dict[MarketId, Transport],
    masker: Masker,
    data_dir: Path,
    kind: CrawlKind,
) -> list[Crawl]:
    """Both markets at once, on one event loop."""
    return list(
        await asyncio.gather(
            *(
                _crawl_market(day, market, pages[name], transports[name], masker, data_dir, kind)
                for name, market in markets.items()
            )
        )
    )


async def _crawl_market(
    day: date,
    market: Market,
    pages: PageObject,
    transport: Transport,
    masker: Masker,
    data_dir: Path,
    kind: CrawlKind,
) -> Crawl:
    started = datetime.combine(day, NOON, ZoneInfo(market.tz))
    return await crawl(
        market,
        started=started,
        transport=transport,
        masker=masker,
        data_dir=data_dir,
        clock=lambda: started,
        kind=kind,
        pages=pages,
    )
