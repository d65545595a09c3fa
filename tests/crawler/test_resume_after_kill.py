"""A crawl that is killed goes on: no page lost, none fetched again beyond those in flight, one crawl with honest counts."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from crawler_lab import ITEMS, Shop, lab_market, open_shop

from config.errors import UsageError
from crawler.frontier import MarketLock
from crawler.items import Crawl, CrawlOutcome, Listing, Page, PageOutcome
from crawler.log import iter_log
from crawler.privacy import Masker
from crawler.run import crawl
from crawler.transport import Loopback

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
MASKER = Masker("0badcafe", b"1" * 32)
IN_FLIGHT = 4


def go_on(shop: Shop, folder: Path, hours: float = 0, keep: Callable[[Page], None] | None = None) -> Crawl:
    moment = START + timedelta(hours=hours)
    return asyncio.run(
        crawl(
            lab_market(),
            started=moment,
            transport=Loopback(shop.address, demo=True),
            masker=MASKER,
            data_dir=folder,
            clock=lambda: moment,
            keep=keep,
        )
    )


def logged(folder: Path) -> dict[str, Listing]:
    (path,) = (folder / "logs" / "lab").iterdir()
    listings = list(iter_log(path)[1])
    by_id = {listing.listing: listing for listing in listings}
    assert len(by_id) == len(listings)
    return by_id


def told(listings: dict[str, Listing]) -> dict[str, Listing]:
    return {ident: listing.model_copy(update={"observed_at": START}) for ident, listing in listings.items()}


SCRIPT = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from crawler_lab import lab_market
from crawler.privacy import Masker
from crawler.run import crawl
from crawler.transport import Loopback
now = lambda: datetime.now(UTC)
done = asyncio.run(crawl(lab_market(), started=now(), transport=Loopback(sys.argv[2], demo=True),
    masker=Masker("0badcafe", b"1" * 32), data_dir=Path(sys.argv[1]), clock=now))
print(done.id, done.outcome)
"""


def test_killed_with_signal_9_at_random_moments(tmp_path: Path) -> None:
    dice = random.Random(20260501)
    kills = 0
    with open_shop() as shop:
        shop.pause = 0.05
        for _ in range(12):
            child = subprocess.Popen(
                [sys.executable, "-c", SCRIPT, str(tmp_path), shop.address],
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
            )
            begun, wanted = len(shop.hits), dice.randint(1, 5)
            while child.poll() is None and len(shop.hits) < begun + wanted:
                time.sleep(0.002)
            if kills < 4 and child.poll() is None:
                time.sleep(dice.random() * 0.02)
                child.send_signal(signal.SIGKILL)
                kills += 1
            output, _ = child.communicate(timeout=60)
            if child.returncode == 0:
                break
        else:
            pytest.fail("the crawl never ended")
        assert kills >= 2
        hits = Counter(shop.hits)
        assert b"complete" in output
        # every page once, and again only what was in flight at a kill
        assert sum(hits.values()) <= 3 + ITEMS + kills * IN_FLIGHT
        assert len(hits) == 3 + ITEMS
        whole = go_on(shop, tmp_path / "whole")
    (path,) = (tmp_path / "logs" / "lab").iterdir()
    done, _ = iter_log(path)
    assert done.finished is not None
    assert (done.outcome, done.pages, done.listings) == (whole.outcome, whole.pages, whole.listings)
    assert done.coverage == whole.coverage
    found, truth = logged(tmp_path), logged(tmp_path / "whole")
    assert told({k: v.model_copy(update={"crawl": whole.id}) for k, v in found.items()}) == told(truth)
    assert not list((tmp_path / "frontier").rglob("*.jsonl"))


def test_from_every_page_on_and_with_torn_files(tmp_path: Path) -> None:
    """The data folder as it stood before each page, its newest files cut at random as a power cut may: all go on to the
    same end."""
    dice = random.Random(7)
    with open_shop() as shop:
        count = 0

        def snapshot(_: Page) -> None:
            nonlocal count
            shutil.copytree(tmp_path / "whole", tmp_path / f"at-{count:03d}")
            count += 1

        whole = go_on(shop, tmp_path / "whole", keep=snapshot)
        truth = logged(tmp_path / "whole")
        assert whole.outcome is CrawlOutcome.COMPLETE
        for number in range(0, count, 2):
            folder = tmp_path / f"at-{number:03d}"
            if number % 4:
                for file in (folder / "logs" / "lab" / f"{whole.id}.jsonl", folder / "frontier" / "lab" / f"{whole.id}.jsonl"):
                    first = file.read_bytes().index(b"\n") + 1
                    os.truncate(file, max(first, file.stat().st_size - dice.randint(0, 3000)))
            done = go_on(shop, folder, hours=1)
            assert done.id == whole.id
            assert (done.outcome, done.listings) == (whole.outcome, whole.listings)
            assert done.pages[PageOutcome.INDEX] == 3
            found = logged(folder)
            assert set(found) == set(truth)
            for ident, listing in found.items():
                assert (listing.description, listing.vendor) == (truth[ident].description, truth[ident].vendor)


def test_an_old_unfinished_crawl_is_ended_and_a_new_one_begins(tmp_path: Path) -> None:
    with open_shop() as shop:
        def stop(page: Page) -> None:
            if page.url.endswith("/item/9"):
                shutil.copytree(tmp_path / "a", tmp_path / "b")

        first = go_on(shop, tmp_path / "a", keep=stop)
        done = go_on(shop, tmp_path / "b", hours=25)
    assert done.id != first.id
    crawls = sorted((iter_log(path)[0] for path in (tmp_path / "b" / "logs" / "lab").iterdir()), key=lambda one: one.id)
    assert [one.id for one in crawls] == [first.id, done.id]
    assert all(one.finished is not None for one in crawls)
    assert crawls[0].pages[PageOutcome.LISTING] < ITEMS
    assert crawls[0].finished == START


def test_two_crawls_of_one_market_at_a_time_are_refused(tmp_path: Path) -> None:
    lock = MarketLock(tmp_path, "lab")
    with open_shop() as shop:
        with pytest.raises(UsageError, match="already"):
            go_on(shop, tmp_path)
        assert shop.hits == []
        lock.release()
        assert go_on(shop, tmp_path).outcome is CrawlOutcome.COMPLETE


def test_the_journal_is_for_the_operator_alone(tmp_path: Path) -> None:
    modes: set[int] = set()

    def look(page: Page) -> None:
        (file,) = (tmp_path / "frontier" / "lab").glob("*.jsonl")
        modes.add(file.stat().st_mode & 0o777)
        assert b"127.0.0.1" not in file.read_bytes()  # paths, no hosts

    with open_shop() as shop:
        go_on(shop, tmp_path, keep=look)
    assert modes == {0o600}
