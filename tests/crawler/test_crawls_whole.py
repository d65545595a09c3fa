"""Whole crawls of a real shop on loopback: index first, details once, coverage, faults, several at once."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from crawler_lab import ITEMS, Shop, lab_market, open_shop, open_socks

from config.errors import InputError, TransportRefused
from crawler.items import CoverageBasis, Crawl, CrawlOutcome, Listing, Offer, PageOutcome
from crawler.log import iter_log
from crawler.market import Market
from crawler.privacy import Masker
from crawler.run import crawl
from crawler.transport import Loopback, Tor, Transport

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
MASKER = Masker("0badcafe", b"1" * 32)
ONION = f"http://{'a' * 55}d.onion"


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as server:
        yield server


def run(
    shop: Shop, folder: Path, day: float = 0, market: Market | None = None, transport: Transport | None = None
) -> tuple[Crawl, dict[str, Listing]]:
    moment = START + timedelta(days=day)
    chosen = market or lab_market()
    done = asyncio.run(
        crawl(
            chosen,
            started=moment,
            transport=transport or Loopback(shop.address, demo=True),
            masker=MASKER,
            data_dir=folder,
            clock=lambda: moment,
        )
    )
    logged, items = iter_log(folder / "logs" / chosen.id / f"{done.id}.jsonl")
    assert logged == done
    listings = {item.listing: item for item in items}
    assert all(item.observed_at == moment and item.crawl == done.id for item in listings.values())
    return done, listings


def test_first_crawl_reads_details_and_covers_the_site(shop: Shop, tmp_path: Path) -> None:
    done, listings = run(shop, tmp_path)
    assert done.outcome is CrawlOutcome.COMPLETE
    assert done.pages == {PageOutcome.INDEX: 3, PageOutcome.LISTING: ITEMS}
    assert (done.listings, len(listings)) == (ITEMS, ITEMS)
    market = done.coverage[0]
    assert (market.scope, market.seen, market.expected, market.basis) == ("market", 24, 24, CoverageBasis.SITE_TOTAL)
    assert market.complete_enough
    item = listings["5"]
    assert item.seen_on == "detail"
    assert item.description == "Dried leaves.\nTin 5"
    assert item.offers == (Offer(price="USD 105", quantity="1 g"), Offer(price="USD 420", quantity="5 g"))
    assert item.vendor is not None
    assert item.vendor.startswith("0badcafe:")
    assert len({listing.vendor for listing in listings.values()}) == 3
    text = (tmp_path / "logs" / "lab" / f"{done.id}.jsonl").read_text()
    assert "Tea House" not in text
    # headers give no referrer, and nothing but pages was asked for
    assert all("Referer" not in headers for headers in shop.headers_seen)


def test_second_crawl_carries_details_forward(shop: Shop, tmp_path: Path) -> None:
    run(shop, tmp_path)
    shop.hits.clear()
    shop.items, shop.price = 20, 200
    done, listings = run(shop, tmp_path, day=1, market=lab_market(index_offers="first"))
    assert done.pages == {PageOutcome.INDEX: 3}
    assert not [path for path in shop.hits if path.startswith("/item/")]
    assert len(listings) == 20
    item = listings["5"]
    assert item.seen_on == "index"
    assert item.description == "Dried leaves.\nTin 5"
    # the index states the first price anew; the other tier is remembered
    assert item.offers == (Offer(price="USD 205", quantity="1 g"), Offer(price="USD 420", quantity="5 g"))


def test_index_offers_full_and_none(shop: Shop, tmp_path: Path) -> None:
    run(shop, tmp_path)
    shop.price = 200
    _, full = run(shop, tmp_path, day=1)
    assert full["5"].offers == (Offer(price="USD 205"),)
    _, none = run(shop, tmp_path, day=2, market=lab_market(index_offers="none"))
    assert [offer.price for offer in none["5"].offers] == ["USD 105", "USD 420"]


def test_old_readings_and_new_listings_are_read(shop: Shop, tmp_path: Path) -> None:
    shop.items = 10
    run(shop, tmp_path)
    shop.items = 12
    done, _ = run(shop, tmp_path, day=6.9)
    assert done.pages[PageOutcome.LISTING] == 2
    done, _ = run(shop, tmp_path, day=7)
    assert done.pages[PageOutcome.LISTING] == 10


def test_no_index_page_is_no_empty_market(shop: Shop, tmp_path: Path) -> None:
    done, listings = run(shop, tmp_path, market=lab_market(start=["/login"]))
    assert done.outcome is CrawlOutcome.LOGIN_NEEDED
    assert listings == {}
    assert not done.coverage[0].complete_enough
    shop.challenge_after = 0
    done, _ = run(shop, tmp_path, day=1)
    assert done.outcome is CrawlOutcome.CHALLENGED
    done, _ = run(shop, tmp_path, day=2, market=lab_market(start=["/nothing-here"]))
    assert done.outcome is CrawlOutcome.CHALLENGED


def test_a_challenge_midway_stops_the_crawl_and_keeps_what_was_seen(shop: Shop, tmp_path: Path) -> None:
    shop.challenge_after = 6
    done, listings = run(shop, tmp_path)
    assert done.outcome is CrawlOutcome.CHALLENGED
    assert done.pages[PageOutcome.CHALLENGE] >= 3
    assert len(shop.hits) <= 20  # it did not go on knocking (three refusals, and what was in flight)
    assert len(listings) >= 8  # what the index showed is logged though its details were refused


def test_busy_server_is_tried_again_with_bounds(shop: Shop, tmp_path: Path) -> None:
    shop.busy = {"/list?p=1": 2, "/item/3": 9}
    done, listings = run(shop, tmp_path)
    assert done.outcome is CrawlOutcome.COMPLETE
    assert shop.hits.count("/list?p=1") == 3
    assert shop.hits.count("/item/3") == 3
    assert done.pages[PageOutcome.SERVER_ERROR] == 1
    assert listings["3"].seen_on == "index"  # present, though its page could not be had


def test_missing_index_pages_lower_the_coverage(shop: Shop, tmp_path: Path) -> None:
    shop.total = False
    shop.busy = {"/list?p=1": 99}
    done, listings = run(shop, tmp_path)
    assert done.outcome is CrawlOutcome.PARTIAL
    assert done.coverage[0].basis is CoverageBasis.FRONTIER
    assert done.coverage[0].value == 0.5  # one of the two index pages known
    assert len(listings) == 8


def test_refused_and_oversized_addresses_are_counted(shop: Shop, tmp_path: Path) -> None:
    shop.extra = ["/to/http://example.org/", f"/to/{ONION}/", "/big", "/bomb", "/image", "/to//list", "/cut", "/drip"]
    hasty = {"in_flight": 4, "delay": 0, "page_seconds": 0.7, "page_bytes": 200_000, "retries": 1}
    done, _ = run(shop, tmp_path, market=lab_market(budget=hasty))
    assert done.dropped["refused address"] == 2
    assert done.dropped["too large or not a page"] == 3
    assert done.pages[PageOutcome.TRUNCATED] == 1
    assert done.pages[PageOutcome.SERVER_ERROR] == 1  # the dripping page ran into the total time limit


def test_redirect_off_the_onion_is_refused_through_socks(shop: Shop, tmp_path: Path) -> None:
    shop.extra = ["/to/http://example.org/", f"/to/{shop.address}/list", f"/to/http://{'b' * 55}d.onion/", "/gzip"]
    with open_socks(shop.server_address[1]) as socks:
        done, listings = run(shop, tmp_path, transport=Tor(socks.address, (ONION,), {"sid": "s 1"}))
    assert done.outcome is CrawlOutcome.COMPLETE
    assert len(listings) == ITEMS + 1  # /gzip holds a listing page
    assert done.dropped["refused address"] == 3
    assert {asked[3] for asked in socks.asked} == {f"{'a' * 55}d.onion"}
    assert all("sid=s 1" in headers.get("Cookie", "") for headers in shop.headers_seen)


SCRIPT = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from crawler_lab import lab_market, open_shop, open_socks
import httpcore2  # loaded before the watch: it loads trio where that is (browser tests bring it), which asks ldconfig
from crawler.privacy import Masker
from crawler.run import crawl
from crawler.transport import Tor
seen = set()
def hook(event, args):
    if event == "socket.getaddrinfo":
        seen.add(("name", str(args[0])))
    elif event == "socket.connect":
        seen.add(("connect", str(args[1][0])))
    elif event in {"subprocess.Popen", "os.system"}:
        seen.add(("process", event))
moment = datetime(2026, 5, 1, tzinfo=UTC)
onion = "http://" + "a" * 55 + "d.onion"
with open_shop() as shop, open_socks(shop.server_address[1]) as socks:
    shop.extra = ["/cookie", "/to/http://example.org/"]
    sys.addaudithook(hook)
    done = asyncio.run(crawl(lab_market(), started=moment, transport=Tor(socks.address, (onion,), {"sid": "s1"}),
        masker=Masker("0badcafe", b"1" * 32), data_dir=Path(sys.argv[1]), clock=lambda: moment))
    assert done.listings == 24, done
    last = shop.headers_seen[-1]["Cookie"]
    assert "sid=s1" in last and "fresh=yes" in last, last
print(sorted(seen))
"""


def test_nothing_but_the_proxy_is_ever_contacted_or_resolved(tmp_path: Path) -> None:
    """Watched by the interpreter itself (audit hook), in a process of its own: every name looked up, every address."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    assert done.returncode == 0, done.stderr
    assert set(ast.literal_eval(done.stdout)) <= {("connect", "127.0.0.1"), ("name", "127.0.0.1")}


def test_loopback_is_refused_for_real_markets(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(TransportRefused, match="Tor"):
        run(shop, tmp_path, market=lab_market(demo=False))
    assert shop.hits == []
    assert not (tmp_path / "logs").exists()


def test_a_dead_proxy_fails_the_crawl_and_says_so(shop: Shop, tmp_path: Path) -> None:
    done, _ = run(shop, tmp_path, transport=Tor("127.0.0.1:9", (ONION,)))
    assert done.outcome is CrawlOutcome.FAILED
    assert shop.hits == []


def test_the_next_mirror_is_tried_where_the_first_is_dead(shop: Shop, tmp_path: Path) -> None:
    second = f"{'c' * 55}d.onion"
    with open_socks(shop.server_address[1]) as socks:
        socks.dead = {f"{'a' * 55}d.onion"}
        done, listings = run(shop, tmp_path, transport=Tor(socks.address, (ONION, second)))
    assert done.outcome is CrawlOutcome.COMPLETE
    assert len(listings) == ITEMS
    assert {headers["Host"] for headers in shop.headers_seen} == {second}


def test_budget_of_the_day(shop: Shop, tmp_path: Path) -> None:
    budget = {"in_flight": 1, "delay": 0, "page_seconds": 3, "pages_per_day": 10}
    done, _ = run(shop, tmp_path, market=lab_market(budget=budget))
    assert sum(done.pages.values()) in {10, 11}  # one may be in flight
    assert done.dropped["budget of the day spent"] >= 1
    shop.hits.clear()
    done, _ = run(shop, tmp_path, day=0.1, market=lab_market(budget=budget))
    assert shop.hits == []
    assert done.outcome is CrawlOutcome.FAILED
    done, _ = run(shop, tmp_path, day=1, market=lab_market(budget=budget))
    assert sum(done.pages.values()) in {10, 11}


def test_bounds_make_a_thin_crawl_partial(shop: Shop, tmp_path: Path) -> None:
    done, _ = run(shop, tmp_path, market=lab_market(bounds={"min_listings": 25}))
    assert done.outcome is CrawlOutcome.PARTIAL


def test_two_markets_and_many_days_on_one_loop(tmp_path: Path) -> None:
    async def world() -> list[Crawl]:
        done: list[Crawl] = []
        with open_shop() as one, open_shop() as two:
            two.items = 9
            for day in range(3):
                moment = START + timedelta(days=day)
                done += await asyncio.gather(
                    *(
                        crawl(
                            lab_market(id=name),
                            started=moment,
                            transport=Loopback(server.address, demo=True),
                            masker=MASKER,
                            data_dir=tmp_path,
                            clock=lambda moment=moment: moment,
                        )
                        for name, server in (("lab", one), ("kiosk", two))
                    )
                )
        return done

    done = asyncio.run(world())
    assert [crawl.listings for crawl in done] == [24, 9] * 3
    assert {crawl.outcome for crawl in done} == {CrawlOutcome.COMPLETE}


def test_the_same_moment_twice_is_an_error(shop: Shop, tmp_path: Path) -> None:
    run(shop, tmp_path)
    with pytest.raises(InputError, match="already"):
        run(shop, tmp_path)


class Careless:
    """A masker that does nothing."""

    def mask_listing(self, listing: Listing) -> Listing:
        return listing


def test_a_crawl_that_cannot_log_fails_loudly(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pseudonym"):
        asyncio.run(
            crawl(
                lab_market(details=False),
                started=START,
                transport=Loopback(shop.address, demo=True),
                masker=Careless(),
                data_dir=tmp_path,
                clock=lambda: START,
            )
        )
    (log,) = (tmp_path / "logs" / "lab").iterdir()
    done, items = iter_log(log)
    assert done.outcome is CrawlOutcome.FAILED
    assert list(items) == []
