"""The fault matrix, over a real private Tor network and a real onion service: for each fault what the operator sees,
what is in the log, what the coverage says, and that the listings logged are the truth minus the declared gap."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from crawler_lab import ITEMS, Shop, lab_market, open_shop

from config.settings import Settings
from crawler.items import Crawl, CrawlOutcome, Listing, PageOutcome
from crawler.log import iter_log
from crawler.privacy import Masker
from crawler.run import crawl
from crawler.transport import Tor
from monitor.crawling import Planned, run_crawl
from monitor.state import MarketPaused, State, state_path

if TYPE_CHECKING:
    from monitor.demo.tor_network import TorNetwork

pytestmark = pytest.mark.tor
NOW = datetime(2026, 5, 1, tzinfo=UTC)
MASKER = Masker("0badcafe", b"1" * 32)
TRUTH = {str(number) for number in range(ITEMS)}
LAST_PAGE = {str(number) for number in range(16, ITEMS)}
BUDGET = {"in_flight": 8, "delay": 0, "page_seconds": 4, "page_bytes": 200_000, "retries": 1}


@dataclass
class Onion:
    """A shop behind an onion service of the private network."""

    shop: Shop
    address: str
    network: TorNetwork

    @property
    def transport(self) -> Tor:
        return Tor(self.network.socks_address, (self.address,))


@pytest.fixture(scope="module")
def served(tor_network: TorNetwork) -> Iterator[Onion]:
    with open_shop() as shop:
        yield Onion(shop, tor_network.publish(shop.server_address[1]), tor_network)


@pytest.fixture
def onion(served: Onion) -> Onion:
    """The same service for every test, sound again."""
    shop = served.shop
    shop.hits.clear()
    shop.headers_seen.clear()
    shop.times.clear()
    shop.faults, shop.extra, shop.sound, shop.pause = {}, [], 0, 0.0
    return served


def run(onion: Onion, folder: Path, **budget: object) -> tuple[Crawl, dict[str, Listing]]:
    done = asyncio.run(
        crawl(
            lab_market(budget={**BUDGET, **budget}),
            started=NOW,
            transport=onion.transport,
            masker=MASKER,
            data_dir=folder,
            clock=lambda: NOW,
        )
    )
    return done, listings_of(folder, done)


def listings_of(folder: Path, done: Crawl) -> dict[str, Listing]:
    logged, items = iter_log(folder / "logs" / "lab" / f"{done.id}.jsonl")
    assert logged == done
    listings = list(items)
    assert len({item.listing for item in listings}) == len(listings) == done.listings
    assert not list((folder / "frontier").rglob("*.jsonl"))
    return {item.listing: item for item in listings}


@dataclass
class Fault:
    """A page that fails, and how that is told: page outcomes, or reasons in `dropped`, each once per failing page."""

    what: str
    pages: dict[PageOutcome, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)


BAD = PageOutcome
SIZE, REFUSED = "too large or not a page", "refused address"
FAULTS = [
    Fault("503 0", {BAD.SERVER_ERROR: 2}),
    Fault("429 0", {BAD.SERVER_ERROR: 2}),
    Fault("hang 9", {BAD.SERVER_ERROR: 2}),
    Fault("drip", {BAD.SERVER_ERROR: 2}),
    Fault("cut", {BAD.TRUNCATED: 2}),
    Fault("bomb", dropped={SIZE: 2}),
    Fault("huge", dropped={SIZE: 2}),
    Fault("loop", dropped={SIZE: 2}),
    Fault("to http://example.org/", dropped={REFUSED: 2}),
    Fault("to http://127.0.0.1/list", dropped={REFUSED: 2}),
    Fault(f"to http://{'b' * 55}d.onion/", dropped={REFUSED: 2}),
    Fault("captcha", {BAD.CHALLENGE: 2}),
    Fault("layout", {BAD.UNKNOWN_LAYOUT: 2}),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what[:24])
def test_one_detail_page_and_one_index_page_fail(fault: Fault, onion: Onion, tmp_path: Path) -> None:
    """The last index page is lost with its 8 listings (a declared gap); a listing whose own page fails is still there,
    as the index showed it."""
    onion.shop.faults = {"/item/3": fault.what, "/list?p=2": fault.what}
    done, listings = run(onion, tmp_path)
    assert set(listings) == TRUTH - LAST_PAGE
    assert done.outcome is CrawlOutcome.PARTIAL
    assert (done.coverage[0].seen, done.coverage[0].expected) == (16, 24)
    assert not done.coverage[0].complete_enough
    assert done.pages == {BAD.INDEX: 2, BAD.LISTING: 15, **fault.pages}
    assert done.dropped == fault.dropped
    assert listings["3"].seen_on == "index"
    assert all(item.seen_on == "detail" for name, item in listings.items() if name != "3")
    assert all(host["Host"] == onion.address.removeprefix("http://") for host in onion.shop.headers_seen)


@pytest.mark.parametrize("status", ["503", "429"])
def test_retry_after_is_heeded(status: str, onion: Onion, tmp_path: Path) -> None:
    onion.shop.faults = {"/list?p=1": f"{status} 2 once"}
    done, listings = run(onion, tmp_path)
    first, second = onion.shop.times["/list?p=1"]
    assert second - first >= 2
    assert set(listings) == TRUTH
    assert done.outcome is CrawlOutcome.COMPLETE


@pytest.mark.parametrize(
    ("fault", "outcome", "page"),
    [
        ("captcha", CrawlOutcome.CHALLENGED, PageOutcome.CHALLENGE),
        ("login", CrawlOutcome.LOGIN_NEEDED, PageOutcome.LOGIN),
    ],
)
def test_a_captcha_or_an_expired_login_midway_pauses_the_market(
    fault: str, outcome: CrawlOutcome, page: PageOutcome, onion: Onion, tmp_path: Path
) -> None:
    onion.shop.faults, onion.shop.sound = {"*": fault}, 10
    settings = Settings(data_dir=tmp_path, tor_socks=onion.network.socks_address)
    plan = Planned(lab_market(budget={**BUDGET, "in_flight": 2}), onion.transport)
    done = asyncio.run(run_crawl(settings, plan, masker=MASKER, clock=lambda: NOW))
    listings = listings_of(tmp_path, done)
    assert done.outcome is outcome
    # Three in a row end it. Two may stand before a sound page that came late; two more are in flight when the third is
    # read. None is asked for again.
    assert 3 <= done.pages[page] <= 7
    assert max(len(times) for times in onion.shop.times.values()) == 1
    assert set(listings) == {str(n) for n in range(done.coverage[0].seen)}
    assert not done.coverage[0].complete_enough or len(listings) == ITEMS
    assert list((tmp_path / "archive" / "lab").glob("*.warc.gz"))
    with State(state_path(tmp_path)) as state:
        (pause,) = state.pauses()
        assert (pause.market, pause.crawl, pause.since) == ("lab", done.id, NOW)
        with pytest.raises(MarketPaused, match="session set lab"):
            state.check_not_paused("lab")


def test_a_layout_that_changed_is_no_empty_market(onion: Onion, tmp_path: Path) -> None:
    onion.shop.faults = {"*": "layout"}
    done, listings = run(onion, tmp_path)
    assert (done.outcome, done.pages, listings) == (CrawlOutcome.FAILED, {BAD.UNKNOWN_LAYOUT: 1}, {})
    assert not done.coverage[0].complete_enough


def test_the_same_listings_under_ever_new_addresses(onion: Onion, tmp_path: Path) -> None:
    onion.shop.extra = ["/copy?s=0"]
    done, listings = run(onion, tmp_path)
    assert set(listings) == TRUTH
    assert done.outcome is CrawlOutcome.COMPLETE
    assert done.dropped["links of pages without news"] > 0
    assert len(onion.shop.hits) < 300


def test_a_calendar_is_no_trap(onion: Onion, tmp_path: Path) -> None:
    onion.shop.extra = ["/calendar?day=1"]
    done, listings = run(onion, tmp_path)
    assert set(listings) == TRUTH
    assert done.outcome is CrawlOutcome.COMPLETE
    assert done.dropped["links of pages without news"] > 0
    assert len(onion.shop.hits) < 300


def disturb(onion: Onion, after: int, action: Callable[[], None]) -> threading.Thread:
    """Does it once the shop has been asked that often."""

    def wait() -> None:
        end = time.monotonic() + 10
        while len(onion.shop.hits) < after:
            if time.monotonic() > end:
                return
            time.sleep(0.005)
        action()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.fixture
def socks_refusals() -> Iterator[None]:
    """httpcore leaves the socket of a refused SOCKS connection to the garbage collector, which then warns: collected
    here, so that it warns nobody else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("socks_refusals")
@pytest.mark.parametrize("node", ["host", "client", "relay2"])
def test_a_tor_that_is_killed_midway_and_comes_back(node: str, onion: Onion, tmp_path: Path) -> None:
    """The crawl waits and goes on: nothing is missing.

    With a killed host this may take minutes. Seen from a fresh circuit the service itself answers again after 5 to 7 s,
    now and then only after 50: that is tor, which keeps the old descriptor. The crawl's pause, which doubles, then adds up
    to as long again."""
    onion.shop.pause = 0.1
    thread = disturb(onion, 6, lambda: onion.network.restart(node))
    market = lab_market(demo=False, budget={**BUDGET, "in_flight": 2, "page_seconds": 20, "retries": 7})
    try:
        done = asyncio.run(
            crawl(market, started=NOW, transport=onion.transport, masker=MASKER, data_dir=tmp_path, clock=lambda: NOW)
        )
    finally:
        thread.join()
    assert set(listings_of(tmp_path, done)) == TRUTH
    assert done.outcome is CrawlOutcome.COMPLETE
    assert done.pages == {BAD.INDEX: 3, BAD.LISTING: ITEMS}


@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("socks_refusals")
def test_a_host_that_stays_away_is_a_declared_gap(onion: Onion, tmp_path: Path) -> None:
    """Last: the service is gone afterwards."""
    onion.shop.pause = 0.1
    thread = disturb(onion, 2, lambda: onion.network.kill("host"))
    try:
        done, listings = run(onion, tmp_path, in_flight=2, retries=0)
    finally:
        thread.join()
        onion.network.restart("host")
    assert done.outcome is CrawlOutcome.PARTIAL
    assert set(listings) < TRUTH
    assert done.pages[BAD.SERVER_ERROR] >= 1
    assert (done.coverage[0].seen, done.coverage[0].expected) == (len(listings), ITEMS)
