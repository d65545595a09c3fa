"""From the end of a crawl to its numbers in `dropline trends`: acceptance, extraction, storing, offer-days and the
question itself, for one crawl of N listings whose texts were never seen. The log is written before the clock starts;
starting the program and loading the vocabulary is in it.

    python bench/crawl_visible.py --listings 10000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from large_market import PER_PAGE, LargeMarket, bench_market

from config.settings import Settings
from crawler.items import Coverage, CoverageBasis, Crawl, CrawlKind, CrawlOutcome, Page, PageOutcome, build_crawl_id
from crawler.log import CrawlLog
from crawler.pages import PageObject
from crawler.privacy import Masker

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
_STORE = """
import sys
from pathlib import Path
from config.settings import Settings
from index.open import open_store
from large_market import bench_market
from monitor.acceptance import judge_crawl
from monitor.ingest import Ingester
from monitor.workspace import build_observation_builder
settings = Settings(data_dir=Path(sys.argv[1]))
store = open_store(settings.store_url)
ingester = Ingester(store, build_observation_builder(settings), settings)
assert not judge_crawl(bench_market().bounds, Path(sys.argv[2]), ingester.builder)
ingester.add_log(Path(sys.argv[2]))
ingester.settle()
store.close()
"""


def write_log(folder: Path, count: int) -> Path:
    made, market = LargeMarket(count), bench_market()
    pages, masker = PageObject(market), Masker("0badcafe", b"1" * 32)
    crawl = Crawl(
        id=build_crawl_id(market.id, NOW), market=market.id, kind=CrawlKind.FULL, started=NOW,
        outcome=CrawlOutcome.PARTIAL,
    )  # fmt: skip
    with CrawlLog(Settings(data_dir=folder).logs_dir, crawl) as log:
        for number in range(count):
            page = Page(market=market.id, crawl=crawl.id, url="", status=200, body=made.detail(number), fetched_at=NOW)
            log.append(masker.mask_listing(listing) for listing in pages.parse(page).listings)
        whole = Coverage(seen=count, expected=count, value=1.0, basis=CoverageBasis.SITE_TOTAL)
        log.finish(
            crawl.model_copy(
                update={"finished": NOW, "outcome": CrawlOutcome.COMPLETE, "listings": count, "coverage": (whole,),
                        "pages": {PageOutcome.INDEX: -(-count // PER_PAGE), PageOutcome.LISTING: count}}
            )
        )  # fmt: skip
        return log.path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listings", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dropline-bench-") as scratch:
        log = write_log(Path(scratch), given.listings)
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", _STORE, scratch, str(log)], check=True, cwd=Path(__file__).parent)
        stored = time.perf_counter()
        ask = "from monitor.cli import main; main()"
        command = ["--data-dir", scratch, "--format", "json", "trends", "price", "--split", "substance", "--by", "day"]
        answer = subprocess.run([sys.executable, "-c", ask, *command], check=True, capture_output=True, text=True)
        ended = time.perf_counter()
    assert '"n"' in answer.stdout
    print(f"{given.listings:,} listings: stored after {stored - begun:.1f} s, in trends after {ended - begun:.1f} s")


if __name__ == "__main__":
    main()
