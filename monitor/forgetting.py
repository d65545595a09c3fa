"""Forgetting: out of the store and out of the logs, so that reading the logs again does not bring it back."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import orjson

from crawler.items import Crawl
from index.derive import derive_offer_days
from index.store import Store


def forget_crawls(store: Store, logs_dir: Path, crawls: Iterable[Crawl]) -> int:
    """Remove crawls with their observations and logs; the offer-days of the days they touched are derived anew.

    Returns rows removed from the store."""
    removed = 0
    markets: set[str] = set()
    for crawl in crawls:
        removed += store.forget(crawl=crawl.id)
        (logs_dir / crawl.market / f"{crawl.id}.jsonl").unlink(missing_ok=True)
        markets.add(crawl.market)
    version = store.current_version()
    for market in sorted(markets):
        left = store.crawls(market=(market,))
        if not left:
            removed += store.forget(market=market)
        elif version is not None:
            first = min(crawl.started for crawl in left).date()
            derive_offer_days(store, market, version, first)
    return removed


def forget_market(store: Store, logs_dir: Path, market: str) -> int:
    """Remove a market from store and logs."""
    removed = store.forget(market=market)
    for path in sorted((logs_dir / market).glob("*.jsonl")) if market not in ("", ".", "..") else ():
        path.unlink()
    return removed


def forget_vendor(store: Store, logs_dir: Path, vendor: str) -> int:
    """Remove a vendor's observations, and rewrite the logs without the vendor's listings."""
    removed = store.forget(vendor=vendor)
    for path in sorted(logs_dir.glob("*/*.jsonl")):
        lines = path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if not _is_of(line, vendor)]
        if len(kept) != len(lines):
            fresh = path.with_suffix(".rewritten")
            with fresh.open("wb") as stream:
                stream.writelines(kept)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(path)
    return removed


def _is_of(line: bytes, vendor: str) -> bool:
    if vendor.encode() not in line:
        return False
    try:
        loaded = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    listing = loaded.get("listing")
    return isinstance(listing, dict) and listing.get("vendor") == vendor
