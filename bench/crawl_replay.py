"""Replay of saved pages, from HTML to observations in SQLite, against lxml alone in the same run.

Anchors: `lxml`, every page parsed to a tree by lxml.html and the fields of its listing read by compiled XPath (what a
plain scraper does, nothing checked or kept); `tree`, parsing alone. Ours: pages out of a zip, page object, masking,
log, extraction, observations and offer-days in SQLite. The extractor is made before the clock starts: it is the same
for one page and a million. Rates are pages per second of processor time, so that a machine with other work to do gives
the same ratios; the wall clock is told beside it.

Three archives: invented pages of one market, every text new; real listing pages of four markets (`real_archive`), every
text new; the same crawled several times, where a crawl finds `--new` of its listings for the first time, an archive
for each crawl and market.

    python bench/crawl_replay.py --pages 3000 --real-pages 690 --shared ../shared/data
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import statistics
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from large_market import LargeMarket, bench_market
from lxml import etree, html
from real_archive import MARKETS, RealPages, field_paths, read_real_pages, write_crawl

from config.settings import Settings
from crawler.log import log_path
from crawler.pages import PageObject
from crawler.privacy import Masker
from crawler.replay import replay_saved
from index.open import open_store
from monitor.cli.collect import REMEMBERED
from monitor.ingest import Ingester
from monitor.workspace import build_observation_builder

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
WARM = 50
"""Pages read before the clock starts."""
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


ANCHORS = ("lxml fields", "lxml tree")
Body = tuple[bytes, Sequence[etree.XPath]]
Replay = tuple[PageObject, Path, datetime]


@dataclass
class Timed:
    """Processor and wall-clock seconds of a part."""

    cpu: float = 0.0
    wall: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall


def by_lxml(pages: Sequence[Body], *, read: bool = True) -> Timed:
    taken = Timed()
    with taken.running():
        for body, fields in pages:
            tree = html.document_fromstring(body)
            for field in fields if read else ():
                field(tree)
    return taken


def by_us(replays: list[Replay], warm: list[Replay], folder: Path, count: int) -> dict[str, Timed]:
    """All archives as `dropline replay --each` does it, one after the other in one process; `count` listings in all.
    `warm` goes before, into a store of its own and untimed: it has every table loaded."""
    builder = build_observation_builder(Settings(data_dir=folder))
    masker = Masker("0badcafe", b"1" * 32, remember=REMEMBERED)

    def run(part: list[Replay], data: Path) -> tuple[Timed, Timed, int]:
        settings, to_log, to_store = Settings(data_dir=data), Timed(), Timed()
        with closing(open_store(f"sqlite:///{data / 's.db'}")) as store:
            ingester = Ingester(store, builder, settings)
            for reader, archive, moment in part:
                with to_log.running():
                    done, _ = replay_saved(
                        reader.market, [archive], masker=masker, observed_at=moment, data_dir=data, page_object=reader
                    )
                with to_store.running():
                    ingester.add_log(log_path(settings.logs_dir, done))
            with to_store.running():
                ingester.settle()
        return to_log, to_store, ingester.report.listings

    run(warm, folder / "warm")
    gc.collect()  # its first walk over the vocabulary is the same for one page and a million too
    to_log, to_store, listings = run(replays, folder / "data")
    assert listings == count, listings
    whole = Timed(to_log.cpu + to_store.cpu, to_log.wall + to_store.wall)
    return {"replay": whole, "  to the log": to_log, "  from there to store": to_store}


def compare(name: str, pages: list[Body], replays: list[Replay], warm: list[Replay], folder: Path, rounds: int) -> None:
    """Prints what one archive took beside its anchors: of `rounds` the middle one."""
    count = len(pages)
    print(f"{name}: {count} pages of {sum(len(body) for body, _ in pages) / count / 1024:.1f} KB on average")
    found: list[dict[str, Timed]] = []
    for number in range(rounds):
        tree, before = by_lxml(pages, read=False), by_lxml(pages)
        ours = by_us(replays, warm, folder / f"round-{number}", count)
        after = by_lxml(pages)
        fields = Timed((before.cpu + after.cpu) / 2, (before.wall + after.wall) / 2)
        found.append({"lxml tree": tree, "lxml fields": fields, **ours})

    for what in found[0]:
        rate = statistics.median(count / one[what].cpu for one in found)
        said = f"  {what:22} {rate:7,.0f} pages/s"
        for anchor in () if what in ANCHORS else ANCHORS:
            ratio = statistics.median(one[anchor].cpu / one[what].cpu for one in found)
            wall = statistics.median(one[anchor].wall / one[what].wall for one in found)
            said += f"; {ratio:.2f} of {anchor} (wall {wall:.2f})"
        print(said)


def invented(count: int, folder: Path, rounds: int) -> None:
    made = LargeMarket(count + WARM)
    bodies = [made.detail(number) for number in range(count + WARM)]
    reader = PageObject(bench_market())
    replays = []
    for name, part in {"pages": bodies[:count], "warm": bodies[count:]}.items():
        replays.append((reader, folder / f"{name}.zip", NOW))
        with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_STORED) as packed:
            for number, body in enumerate(part):
                packed.writestr(f"{number:08}.html", body)
    pages = [(body, FIELDS) for body in bodies[:count]]
    compare("invented, every text new", pages, replays[:1], replays[1:], folder, rounds)


def real(name: str, pages: RealPages, crawls: list[list[int]], folder: Path, rounds: int) -> None:
    """`crawls`: the listings that each of them finds, a day apart."""
    folder.mkdir()
    seen: list[Body] = []
    replays: list[Replay] = []
    for crawl, numbers in enumerate([[10**6 + n for n in range(WARM)], *crawls]):
        for market in MARKETS:
            archive, reader = folder / f"{market}_{crawl}.zip", pages.readers[market]
            bodies = write_crawl(pages, market, numbers, crawl, archive)
            replays.append((reader, archive, NOW + timedelta(days=crawl)))
            if crawl:
                paths = field_paths(reader)
                seen += [(body, paths) for body in bodies]
    compare(name, seen, replays[len(MARKETS) :], replays[: len(MARKETS)], folder, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1_500, help="invented pages; 0: none")
    parser.add_argument("--real-pages", type=int, default=690, help="made of real ones, every text new; 0: none")
    parser.add_argument("--listings", type=int, default=138, help="of each crawl of the archive of several; 0: none")
    parser.add_argument("--crawls", type=int, default=10)
    parser.add_argument("--new", type=float, default=0.03, help="share of the listings that are new in a crawl")
    parser.add_argument("--shared", type=Path, help="folder with pages/market-pages.tar.xz")
    parser.add_argument("--longest", type=int, default=10**6, help="leave out descriptions of more characters")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    pages = None if given.shared is None else read_real_pages(given.shared, given.longest)
    with tempfile.TemporaryDirectory(prefix="dropline-bench-") as scratch, profiled(given.profile):
        if given.pages:
            invented(given.pages, Path(scratch), given.rounds)
        if pages is None:
            print("no real pages (--shared): left out")
            return
        if given.real_pages:
            real("real, every text new", pages, [list(range(given.real_pages))], Path(scratch) / "new", given.rounds)
        if given.listings:
            fresh = round(given.listings * given.new)
            crawls = [list(range(n * fresh, n * fresh + given.listings)) for n in range(given.crawls)]
            name = f"real, {given.crawls} crawls, {fresh / given.listings:.1%} new in each"
            real(name, pages, crawls, Path(scratch) / "crawls", given.rounds)


@contextmanager
def _profile() -> Iterator[None]:
    with cProfile.Profile() as profile:
        yield
    pstats.Stats(profile).sort_stats("tottime").print_stats(60)


def profiled(wanted: bool) -> Any:
    return _profile() if wanted else nullcontext()


if __name__ == "__main__":
    main()
