"""What the kind of a crawl means: full reads every listing's own page anew, incremental those that are due."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from crawler_lab import ITEMS, Shop, lab_market, open_shop

from config.errors import UsageError
from crawler.items import Crawl, CrawlKind, Listing, PageOutcome
from crawler.job import begin_job
from crawler.log import iter_log
from crawler.pages import PageObject
from crawler.privacy import Masker
from crawler.project import build_project_job
from crawler.run import crawl
from crawler.transport import Loopback

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
MASKER = Masker("0badcafe", b"1" * 32)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as server:
        yield server


def run(shop: Shop, folder: Path, day: int, kind: CrawlKind | None) -> tuple[Crawl, dict[str, Listing]]:
    moment = START + timedelta(days=day)
    shop.hits.clear()
    done = asyncio.run(
        crawl(lab_market(), started=moment, transport=Loopback(shop.address, demo=True), masker=MASKER,
              data_dir=folder, clock=lambda: moment, kind=kind)
    )  # fmt: skip
    return done, {item.listing: item for item in iter_log(folder / "logs" / "lab" / f"{done.id}.jsonl")[1]}


def test_the_first_is_full_and_then_incremental(shop: Shop, tmp_path: Path) -> None:
    kinds = [run(shop, tmp_path, day, None)[0].kind for day in range(3)]
    assert kinds == [CrawlKind.FULL, CrawlKind.INCREMENTAL, CrawlKind.INCREMENTAL]


def test_a_full_crawl_reads_every_page_anew(shop: Shop, tmp_path: Path) -> None:
    run(shop, tmp_path, 0, None)
    shop.price = 200
    done, listings = run(shop, tmp_path, 1, CrawlKind.INCREMENTAL)
    assert done.pages == {PageOutcome.INDEX: 3}
    done, listings = run(shop, tmp_path, 2, CrawlKind.FULL)
    assert (done.kind, done.pages[PageOutcome.LISTING]) == (CrawlKind.FULL, ITEMS)
    assert sorted(shop.hits) == sorted(set(shop.hits))  # each page once
    assert all(item.seen_on == "detail" and item.offers[1].price == f"USD {4 * (200 + int(item.listing))}"
               for item in listings.values())  # fmt: skip


def test_a_page_that_a_full_crawl_could_not_have_keeps_its_last_reading(shop: Shop, tmp_path: Path) -> None:
    run(shop, tmp_path, 0, None)
    shop.busy = {"/item/3": 99}
    _, listings = run(shop, tmp_path, 1, CrawlKind.FULL)
    assert listings["3"].seen_on == "index"
    assert listings["3"].description == "Dried leaves.\nTin 3"
    assert listings["4"].seen_on == "detail"


def test_an_unfinished_crawl_stays_what_it_was_begun_as(tmp_path: Path) -> None:
    market, bases = lab_market(), ("http://127.0.0.1:1",)

    def begin(kind: CrawlKind | None, hours: int) -> CrawlKind:
        moment = START + timedelta(hours=hours)
        job = begin_job(market, PageObject(market), started=moment, bases=bases, masker=MASKER, data_dir=tmp_path,
                        clock=lambda: moment, kind=kind)  # fmt: skip
        job.close()  # as a kill leaves it
        return job.crawl.kind

    assert begin(CrawlKind.FULL, 0) is CrawlKind.FULL
    assert begin(CrawlKind.INCREMENTAL, 1) is CrawlKind.FULL


def test_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="no kind of crawl"):
        build_project_job(None, "stash", "import")  # type: ignore[arg-type]
