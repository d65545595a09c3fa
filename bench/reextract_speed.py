"""Observations a second of a re-extraction, logs to store and offer-days, beside an anchor measured in the same run.

Anchor: iterating the same logs alone (`crawler.log.iter_log`). The logs are made up (`extraction_texts.py`):
`repeating` is what crawls leave, the same listings with two offers each seen again and again; `new` is the worst case,
texts that never come again. Times are wall-clock seconds, start-up of the reading processes included.

    python bench/reextract_speed.py [observations a shape] [processes…]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from extraction_texts import Texts

from config.settings import Settings
from crawler.items import Crawl, CrawlKind, CrawlOutcome, Listing, Offer, build_crawl_id
from crawler.log import CrawlLog, iter_log
from index.open import open_store
from monitor.cli.reviewing import build_reader
from monitor.reextract import Reextractor
from monitor.state import State, state_path
from monitor.workspace import build_observation_builder

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
CRAWLS = 10
OFFERS = 2


def make_logs(settings: Settings, texts: list[str], *, repeating: bool) -> Iterator[Crawl]:
    """Ten crawls: each of all texts, or each of its own tenth."""
    for number in range(CRAWLS):
        started = START + timedelta(days=number)
        crawl = Crawl(
            id=build_crawl_id("bench", started), market="bench", kind=CrawlKind.FULL, started=started,
            outcome=CrawlOutcome.COMPLETE, tz="UTC",
        )  # fmt: skip
        with CrawlLog(settings.logs_dir, crawl) as log:
            chosen = range(len(texts)) if repeating else range(number, len(texts), CRAWLS)
            log.append(
                Listing(
                    market="bench", listing=f"l{at}", crawl=crawl.id, observed_at=started, title=texts[at][:60],
                    description=texts[at], parser="bench-1",
                    offers=tuple(
                        Offer(price=f"{10 * (step + 1) + at % 50} USD", quantity=f"{step + 1} g")
                        for step in range(OFFERS)
                    ),
                )
                for at in chosen
            )
            log.finish(crawl)
        yield crawl


def measure(shape: str, count: int, processes: list[int]) -> None:
    repeating = shape == "repeating"
    texts = Texts(1).make(count // OFFERS // (CRAWLS if repeating else 1))
    with tempfile.TemporaryDirectory() as folder:
        for number in processes:
            settings = Settings(data_dir=Path(folder) / f"{shape}-{number}")
            crawls = list(make_logs(settings, texts, repeating=repeating))
            builder = build_observation_builder(settings)
            start = time.perf_counter()
            listings = sum(1 for path in settings.logs_dir.glob("*/*.jsonl") for _ in iter_log(path)[1])
            anchor = listings * OFFERS / (time.perf_counter() - start)
            store = open_store(settings.store_url)
            store.set_current_version("1-before")
            for crawl in crawls:
                store.write_crawl(crawl)
            start = time.perf_counter()
            with State(state_path(settings.data_dir)) as state:
                report = Reextractor(
                    store, settings, state, builder.version, build_reader(settings, builder, number),
                    lambda: datetime.now(UTC),
                ).run(lambda *_: None)  # fmt: skip
            seconds = time.perf_counter() - start
            store.close()
            ours = report.observations / seconds
            print(
                f"{shape}, {number} process(es): {report.observations} observations in {seconds:.1f} s, {ours:,.0f}/s; "
                f"anchor {anchor:,.0f}/s; ratio {ours / anchor:.3f}; {report.offer_days} offer-days"
            )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    processes = [int(text) for text in sys.argv[2:]] or [1, 2]
    for shape in ("repeating", "new"):
        measure(shape, count, processes)


if __name__ == "__main__":  # reading processes import this file
    main()
