"""Memory of one crawl over very many pages: the resident set, read at every tenth of the way. Over loopback (the demo's
direct transport), because the network is not what is measured; everything else is on, the archive too.

    python bench/crawl_memory.py --listings 98000        # 100,000 pages
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from large_market import PER_PAGE, bench_market, serve

from crawler.archive import Archive
from crawler.items import Page
from crawler.pages import PageObject
from crawler.privacy import Masker
from crawler.run import crawl
from crawler.transport import Loopback

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PAGE_SIZE = 4_096


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_SIZE / 1e6


@dataclass
class Watch:
    """Notes the resident set as pages go by."""

    archive: Archive
    step: int
    pages: int = 0
    begun: float = field(default_factory=time.perf_counter)
    seen: list[tuple[int, float]] = field(default_factory=list)

    def keep(self, page: Page) -> None:
        self.archive.keep(page)
        self.pages += 1
        if self.pages % self.step == 0:
            self.seen.append((self.pages, resident_mb()))
            rate = self.pages / (time.perf_counter() - self.begun)
            print(f"{self.pages:,} pages: {self.seen[-1][1]:,.0f} MB, {rate:,.0f} pages/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listings", type=int, default=98_000)
    parser.add_argument("--small", action="store_true", help="Pages of 2 KB: as many of them, in half the time.")
    given = parser.parse_args()
    market = bench_market()
    pages = PageObject(market)
    total = given.listings + -(-given.listings // PER_PAGE)
    server = serve(given.listings, small=given.small)
    with server as port, tempfile.TemporaryDirectory(prefix="dropline-bench-") as scratch:
        watch = Watch(Archive(Path(scratch) / "archive", pages), max(1, total // 10))
        done = asyncio.run(
            crawl(
                market, started=NOW, transport=Loopback(f"http://127.0.0.1:{port}", demo=True),
                masker=Masker("0badcafe", b"1" * 32), data_dir=Path(scratch), clock=lambda: NOW, pages=pages,
                keep=watch.keep, release=watch.archive.close,
            )
        )  # fmt: skip
        assert done.listings == given.listings, done
    (first, before), (last, after) = watch.seen[len(watch.seen) // 3], watch.seen[-1]
    growth = (after - before) / (last - first) * 1_000
    print(f"from {first:,} to {last:,} pages: {before:,.0f} MB to {after:,.0f} MB, {growth:+.2f} MB for 1,000 pages")


if __name__ == "__main__":
    main()
