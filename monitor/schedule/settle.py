"""Upkeep of what is derived: what killed crawls have left unstored, coverage of imports, offer-days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from config.settings import Settings
from crawler.log import iter_log
from crawler.market import list_markets, load_market
from index.store import Store
from monitor.acceptance import judge_crawl
from monitor.crawling import find_unstored, load_market_pages, own_identities
from monitor.held import accepted_before, hold
from monitor.ingest import Ingester
from monitor.workspace import build_masker, build_observation_builder


@dataclass(frozen=True, slots=True)
class Settled:
    """What was done for one market."""

    market: str
    stored: int
    """Logs of crawls that were killed before they were stored."""
    held: int
    """Those of them that the market's bounds did not accept."""
    offer_days: int


def settle_all(settings: Settings, store: Store, now: datetime) -> list[Settled]:
    """Every market that has logs or crawls in the store. Run again it changes nothing.

    Tables that an import was killed over are not touched: run that import again.
    """
    crawls = store.crawls()
    folders = (folder.name for folder in settings.logs_dir.glob("*") if folder.is_dir())
    markets = sorted({*(one.market for one in crawls), *folders})
    if not markets:
        return []
    known = set(list_markets((settings.markets_dir,)))
    ingester = Ingester(store, build_observation_builder(settings), settings)
    done: list[Settled] = []
    for market in markets:
        mine = [one for one in crawls if one.market == market]
        stored, held = _store_left(settings, ingester, market, now) if market in known else (0, 0)
        if mine:
            ingester.touch(mine[-1])
        done.append(Settled(market, stored, held, ingester.settle()))
    return done


def _store_left(settings: Settings, ingester: Ingester, market: str, now: datetime) -> tuple[int, int]:
    """As `dropline crawl` does before it stores its own."""
    before = ingester.store.crawls(market=(market,))
    logs = find_unstored(settings.logs_dir, market, {one.id for one in before}, ingester.store.purged_before())
    if not logs:
        return 0, 0
    bounds = load_market(market, (settings.markets_dir,)).bounds
    held = 0
    for log in logs:
        if iter_log(log)[0].market != market:
            continue
        broken = judge_crawl(bounds, log, ingester.builder)
        if not broken:
            ingester.add_log(log)
            continue
        held += 1
        hold(
            settings.data_dir, log, broken, load_market_pages(settings, market), build_masker(settings), now=now,
            good=accepted_before(before), identities=own_identities(settings),
        )  # fmt: skip
    return len(logs) - held, held
