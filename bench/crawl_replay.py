"""Replay of saved pages, from HTML to observations in SQLite, against lxml alone in the same run.

Anchors: `lxml`, every page parsed to a tree by lxml.html and the fields of its listing read by compiled XPath (what a
plain scraper does, nothing checked or kept); `tree`, parsing alone. Ours: pages out of a zip, page object, masking,
log, extraction, observations and offer-days in SQLite. Every text is new (nothing is read twice). The extractor is made
before the clock starts: it is the same for one page and a million. Rates are pages per second of processor time, so
that a machine with other work to do gives the same ratios.

    python bench/crawl_replay.py --pages 4000
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from large_market import LargeMarket, bench_market
from lxml import etree, html

from config.settings import Settings
from crawler.log import log_path
from crawler.pages import PageObject
from crawler.privacy import Masker
from crawler.replay import replay_saved
from index.open import open_store
from monitor.ingest import Ingester
from monitor.workspace import build_observation_builder

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
FIELDS = [
    etree.XPath(path)
    for path in (
        "string(//div[@id='listing']/@data-listing)", "string(//div[@id='listing']/h1)",
        "string(//div[@id='description'])", "string(//div[@id='listing']/p[@class='c'])", "string(//p[@class='by']/a)",
        "string(//dd[@class='from'])", "string(//dd[@class='to'])", "string(//dd[@class='how'])",
        "string(//p[@class='by']/span[@class='f'])", "string(//p[@class='by']/span[@class='r'])",
        "//table[@id='tiers']//tr[@class='tier']/td/text()",
    )
]  # fmt: skip


def by_lxml(bodies: list[bytes], fields: list[etree.XPath]) -> float:
    begun = time.process_time()
    for body in bodies:
        tree = html.document_fromstring(body)
        for field in fields:
            field(tree)
    return len(bodies) / (time.process_time() - begun)


def by_us(archive: Path, folder: Path, count: int) -> dict[str, float]:
    settings = Settings(data_dir=folder)
    market = bench_market()
    builder = build_observation_builder(settings)
    store = open_store(f"sqlite:///{folder / 's.db'}")
    try:
        begun = time.process_time()
        done, _ = replay_saved(
            market, [archive], masker=Masker("0badcafe", b"1" * 32), observed_at=NOW, data_dir=folder,
            page_object=PageObject(market),
        )  # fmt: skip
        read = time.process_time()
        ingester = Ingester(store, builder, settings)
        ingester.add_log(log_path(settings.logs_dir, done))
        ingester.settle()
        ended = time.process_time()
        assert done.listings == count, done
    finally:
        store.close()
    seconds = {"all": ended - begun, "to the log": read - begun, "to the store": ended - read}
    return {name: count / spent for name, spent in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=4_000)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    made = LargeMarket(given.pages)
    bodies = [made.detail(number) for number in range(given.pages)]
    print(f"{len(bodies)} pages of {sum(map(len, bodies)) / len(bodies) / 1024:.1f} KB")
    with tempfile.TemporaryDirectory(prefix="dropline-bench-") as scratch:
        archive = Path(scratch) / "pages.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
            for number, body in enumerate(bodies):
                packed.writestr(f"{number:08}.html", body)
        tree, lxml = by_lxml(bodies, []), by_lxml(bodies, FIELDS)

        def run() -> dict[str, float]:
            return by_us(archive, Path(scratch) / "data", given.pages)

        ours = profiled(run) if given.profile else run()
        again = by_lxml(bodies, FIELDS)
    anchor = (lxml + again) / 2
    print(f"tree {tree:,.0f} pages/s; lxml fields {anchor:,.0f} pages/s ({lxml:,.0f}, {again:,.0f})")
    for name, rate in ours.items():
        print(f"replay {name}: {rate:,.0f} pages/s = {rate / anchor:.2f} of lxml fields, {rate / tree:.2f} of tree")


def profiled(run: Callable[[], dict[str, float]]) -> dict[str, float]:
    profile = cProfile.Profile()
    found = profile.runcall(run)
    pstats.Stats(profile).sort_stats("tottime").print_stats(45)
    return found


if __name__ == "__main__":
    main()
