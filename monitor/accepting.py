"""A person takes a held crawl in after all."""

from __future__ import annotations

from config.settings import Settings
from crawler.items import Crawl
from index.store import Store
from monitor.held import Held, take_back
from monitor.ingest import Ingester
from monitor.workspace import build_observation_builder


def accept(store: Store, settings: Settings, held: Held) -> tuple[Crawl, int]:
    """Stores it: its pages were read well, the market itself has changed. The crawl, and how many rows were written."""
    ingester = Ingester(store, build_observation_builder(settings), settings)
    stored = ingester.add_log(take_back(settings.data_dir, held))
    ingester.settle()
    return stored, ingester.report.written
