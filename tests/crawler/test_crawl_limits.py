"""Working hours, the stop file, mirrors and clones, drift: what keeps a crawl polite and its data honest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from crawler_lab import ITEMS, Shop, lab_market, open_shop, open_socks

from config.errors import UsageError
from crawler.items import Crawl, CrawlOutcome, Listing, Page
from crawler.limits import is_working_hour
from crawler.log import iter_log
from crawler.market import Market
from crawler.privacy import Masker
from crawler.project import market_settings
from crawler.run import crawl
from crawler.transport import Loopback, Tor, Transport

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
MASKER = Masker("0badcafe", b"1" * 32)
FIRST, SECOND = f"{'a' * 55}d.onion", f"{'c' * 55}d.onion"


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as server:
        yield server


def run(
    shop: Shop,
    folder: Path,
    market: Market | None = None,
    *,
    moment: datetime = START,
    clock: Callable[[], datetime] | None = None,
    transport: Transport | None = None,
    keep: Callable[[Page], None] | None = None,
) -> tuple[Crawl, dict[str, Listing]]:
    chosen = market or lab_market()
    done = asyncio.run(
        crawl(
            chosen,
            started=moment,
            transport=transport or Loopback(shop.address, demo=True),
            masker=MASKER,
            data_dir=folder,
            clock=clock or (lambda: moment),
            keep=keep,
        )
    )
    return done, {item.listing: item for item in iter_log(folder / "logs" / "lab" / f"{done.id}.jsonl")[1]}


def hours(*spans: str, tz: str = "UTC") -> Market:
    return lab_market(tz=tz, budget={"in_flight": 1, "delay": 0, "hours": list(spans)})


@pytest.mark.parametrize(
    ("span", "time", "open_"),
    [
        ("09:00-17:00", "09:00", True),
        ("09:00-17:00", "17:00", False),
        ("22:00-06:30", "23:59", True),
        ("22:00-06:30", "06:29", True),
        ("22:00-06:30", "12:00", False),
        ("00:00-00:00", "12:00", True),
    ],
)
def test_hours(span: str, time: str, open_: bool) -> None:
    moment = datetime.fromisoformat(f"2026-05-01T{time}:00+00:00")
    assert is_working_hour(hours(span), moment) is open_
    # the market's own zone decides: Moscow is three hours ahead
    assert is_working_hour(hours(span, tz="Europe/Moscow"), moment - timedelta(hours=3)) is open_


def test_outside_its_hours_a_market_is_not_asked(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="22:00-06:00"):
        run(shop, tmp_path, hours("22:00-06:00"))
    assert shop.hits == []
    assert not (tmp_path / "logs").exists()
    with pytest.raises(ValueError, match="hours"):
        hours("25:00-26:00")


def test_when_its_hours_end_the_crawl_ends(shop: Shop, tmp_path: Path) -> None:
    def clock() -> datetime:
        return START + timedelta(minutes=len(shop.hits))

    done, listings = run(shop, tmp_path, hours("12:00-12:06"), clock=clock)
    assert done.dropped["outside working hours"] == 1
    assert len(shop.hits) in {6, 7}  # one may be in flight
    assert len(listings) >= 8


def test_the_stop_file_ends_and_refuses_crawls(shop: Shop, tmp_path: Path) -> None:
    def keep(page: Page) -> None:
        if len(shop.hits) >= 5:
            (tmp_path / "STOP").touch()

    done, listings = run(shop, tmp_path, lab_market(budget={"in_flight": 1, "delay": 0}), keep=keep)
    assert done.dropped["stopped by the operator"] == 1
    assert len(shop.hits) <= 7
    assert len(listings) >= 8
    with pytest.raises(UsageError, match="Remove that file"):
        run(shop, tmp_path, moment=START + timedelta(hours=1))
    (tmp_path / "STOP").unlink()
    done, _ = run(shop, tmp_path, moment=START + timedelta(hours=1))
    assert done.outcome is CrawlOutcome.COMPLETE


def test_real_crawls_are_throttled_and_their_beat_varies() -> None:
    settings = market_settings(lab_market(demo=False, budget={"delay": 3}), Tor("127.0.0.1:9050", (FIRST,)))
    assert "AUTOTHROTTLE_ENABLED" not in settings  # the project's own: on
    assert settings["DOWNLOAD_DELAY_JITTER"] == 0.5
    assert (settings["DOWNLOAD_DELAY"], settings["AUTOTHROTTLE_START_DELAY"]) == (3, 3)


def test_a_clone_among_the_mirrors_is_refused(shop: Shop, tmp_path: Path) -> None:
    run(shop, tmp_path)
    with open_shop(first=500) as clone, open_socks(shop.server_address[1]) as socks:
        socks.others = {SECOND: clone.server_address[1]}
        both = Tor(socks.address, (SECOND, FIRST))
        shop.hits.clear()
        later = START + timedelta(days=1)
        done, listings = run(shop, tmp_path, moment=later, transport=both)
        assert len(clone.hits) == 1
        assert set(listings) == {str(number) for number in range(ITEMS)}
        assert done.outcome is CrawlOutcome.COMPLETE
        assert done.dropped == {"mirror refused: it shows none of the market's listings": 1}
        # next time the sound one is asked first
        clone.hits.clear()
        run(shop, tmp_path, moment=later + timedelta(days=1), transport=both)
        assert clone.hits == []


def test_a_mirror_that_dies_midway_hands_over(shop: Shop, tmp_path: Path) -> None:
    with open_socks(shop.server_address[1]) as socks:
        def keep(page: Page) -> None:
            if len(shop.hits) >= 9 and FIRST in page.url:
                socks.dead.add(FIRST)

        market = lab_market(budget={"in_flight": 1, "delay": 0, "page_seconds": 3, "retries": 0})
        shop.hang_up = True  # every page on a connection of its own, so that a dead mirror is seen at once
        done, listings = run(shop, tmp_path, market, transport=Tor(socks.address, (FIRST, SECOND)), keep=keep)
    assert done.outcome is CrawlOutcome.COMPLETE
    assert len(listings) == ITEMS
    assert all(item.seen_on == "detail" for item in listings.values())
    assert {headers["Host"] for headers in shop.headers_seen} == {FIRST, SECOND}


def test_broken_bounds_name_the_field_and_are_no_complete_crawl(shop: Shop, tmp_path: Path) -> None:
    market = lab_market(bounds={"fill": {"vendor": 0.9, "ships_from": 0.5, "offer.price": 1.0, "offer.quantity": 0.5}})
    done, listings = run(shop, tmp_path, market)
    assert len(listings) == ITEMS
    assert done.outcome is CrawlOutcome.PARTIAL
    assert done.dropped == {"bound: field ships_from filled in 0% of listings, less than 50%": 1}
    done, _ = run(shop, tmp_path, lab_market(bounds={"max_listings": 10}), moment=START + timedelta(days=1))
    assert done.outcome is CrawlOutcome.COMPLETE  # too many only warns


def test_bounds_name_fields_that_there_are() -> None:
    with pytest.raises(ValueError, match="no field"):
        lab_market(bounds={"fill": {"vendour": 0.9}})
    with pytest.raises(ValueError, match="share"):
        lab_market(bounds={"fill": {"vendor": 90}})
