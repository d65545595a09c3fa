"""Invented crawls in logs and a store, and a process that re-extracts them (to be killed)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.settings import Settings
from crawler.items import (
    Coverage,
    CoverageBasis,
    Crawl,
    CrawlKind,
    CrawlOutcome,
    Listing,
    Offer,
    build_crawl_id,
)
from crawler.log import CrawlLog, log_path
from index.open import open_store
from index.store import Store
from monitor.ingest import Ingester
from monitor.reextract import Reextractor, ReextractReport
from monitor.rereading import read_here
from monitor.state import State, state_path
from monitor.workspace import build_observation_builder

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
UNKNOWN = "zyrvonitazene"
"""Shaped like the name of an opioid; there is none of that name."""
TITLES = (
    "Mephedrone crystal 1g", f"{UNKNOWN} powder 1g", "Amphetamine paste 1g", f"Pure {UNKNOWN} 1 g", "Cocaine 1g uncut",
)  # fmt: skip


def write_log(
    settings: Settings, day: int, titles: Sequence[str] = TITLES, market: str = "lab", price: int = 20, currency: str = "USD"
) -> Crawl:
    """One complete crawl of that many listings on that day."""
    started = START + timedelta(days=day)
    crawl = Crawl(
        id=build_crawl_id(market, started), market=market, kind=CrawlKind.FULL, started=started, finished=started,
        outcome=CrawlOutcome.COMPLETE, listings=len(titles), tz="UTC",
        coverage=(Coverage(seen=len(titles), expected=len(titles), value=1.0, basis=CoverageBasis.SITE_TOTAL),),
    )  # fmt: skip
    with CrawlLog(settings.logs_dir, crawl) as log:
        log.append(
            Listing(
                market=market, listing=f"l{number}", crawl=crawl.id, observed_at=started, title=title, parser="lab-1",
                vendor=f"{'a' * 8}:{number % 3:032x}", offers=(Offer(price=f"{price + number} {currency}", quantity="1 g", ready=50 - day),),
            )
            for number, title in enumerate(titles)
        )  # fmt: skip
        log.finish(crawl)
    return crawl


def ingest(settings: Settings, store: Store, *crawls: Crawl) -> Ingester:
    """Into the store with the extractor of the moment."""
    ingester = Ingester(store, build_observation_builder(settings), settings)
    for crawl in crawls:
        ingester.add_log(log_path(settings.logs_dir, crawl))
    ingester.settle()
    return ingester


def reextract(settings: Settings, store: Store, *, slow: float = 0.0) -> ReextractReport:
    """A re-extraction in this process. `slow`: seconds to wait after each log (so that a kill finds it at work)."""
    import time

    builder = build_observation_builder(settings)
    with State(state_path(settings.data_dir)) as state:
        worker = Reextractor(
            store, settings, state, builder.version, lambda work, version: read_here(builder, work, version),
            lambda: datetime.now(UTC),
        )  # fmt: skip

        def tell(what: str, done: int, total: int) -> None:
            if slow:
                print(what, done, total, flush=True)
                time.sleep(slow)

        return worker.run(tell)


def reextractor(settings: Settings, store: Store, state: State) -> Reextractor:
    """One that reads in this process."""
    builder = build_observation_builder(settings)
    return Reextractor(
        store, settings, state, builder.version, lambda work, version: read_here(builder, work, version),
        lambda: datetime.now(UTC),
    )  # fmt: skip


def silent(what: str, done: int, total: int) -> None:
    """A progress that nobody sees."""


if __name__ == "__main__":
    chosen = Settings(data_dir=Path(sys.argv[1]))
    opened = open_store(chosen.store_url)
    reextract(chosen, opened, slow=float(sys.argv[2]))
    opened.close()
