"""Making the packs of the file, some at a time, so that others can write in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from index.sqlite import crawl_packs, day_packs, facts_packs, price_packs
from index.sqlite.writer import Writer

Transaction = Callable[[], AbstractContextManager[Writer]]
Progress = Callable[[str, int, int], None]
"""Told what is being packed, how many are done, of how many."""


def pack_crawls(writer: Writer, first: str | None = None) -> int:
    """Packs some crawls that have no pack, the one of that name before others; returns how many are left."""
    writer.facts, left = crawl_packs.pack_pending(
        writer.connection, writer.facts, first=first, most=crawl_packs.AT_ONCE)
    return left


def pack_crawls_all(transaction: Transaction, progress: Progress = lambda what, done, total: None) -> int:
    """Packs every crawl that has no pack; returns how many."""
    with transaction() as writer:
        waiting = len(crawl_packs.unpacked(writer.connection))
    total, left = 0, 1
    while left:
        with transaction() as writer:
            left = pack_crawls(writer)
        total = total or left
        progress("crawls", total - left, total)
    return waiting


def pack_days_all(transaction: Transaction) -> None:
    """Packs the offer-days that have no pack."""
    left = 1
    while left:
        with transaction() as writer:
            left = day_packs.pack_some(writer.connection, day_packs.PERIODS_AT_ONCE)


def rebuild(transaction: Transaction, progress: Progress, *, only_stale: bool) -> Mapping[str, int]:
    """As `Store.rebuild`."""
    with transaction() as writer:
        writer.forget_caches()
        markets = price_packs.markets(writer.connection)
        if not only_stale:
            facts_packs.rebuild(writer.connection)
            day_packs.drop_all(writer.connection)
            crawl_packs.drop_strays(writer.connection)
        crawls = [] if only_stale else crawl_packs.all_crawls(writer.connection)
    for start in range(0, len(crawls), crawl_packs.AT_ONCE):
        progress("crawls", start, len(crawls))
        with transaction() as writer:
            crawl_packs.drop_packs(writer.connection, crawls[start : start + crawl_packs.AT_ONCE])
            pack_crawls(writer)
    packed = max(len(crawls), pack_crawls_all(transaction, progress))
    packs = 0
    for done, (version, market) in enumerate(markets):
        progress("markets", done, len(markets))
        with transaction() as writer:
            pack_prices = price_packs.pack_waiting if only_stale else price_packs.repack
            packs += pack_prices(writer.connection, version, market)
            day_packs.pack_market(writer.connection, version, market)
    return {"crawls": packed, "prices": packs}
