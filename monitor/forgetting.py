"""Forgetting: out of the store, and out of all else that holds a listing, so that nothing brings it back."""

from __future__ import annotations

import difflib
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import orjson

from config.errors import UsageError
from crawler.archive import archive_files
from crawler.items import Crawl
from crawler.readings import Readings
from index.derive import derive_offer_days
from index.store import Store
from monitor.alerts.asking import RowCache
from monitor.alerts.records import Records
from monitor.delivery.outbox import Outbox
from monitor.review import ReviewQueue
from monitor.state import State, state_path

MARKET_ROOMS = ("logs", "archive", "frontier")
MARKET_ID = re.compile(r"[a-z0-9][a-z0-9-]*")


def forget_crawls(store: Store, data_dir: Path, crawls: Iterable[Crawl]) -> int:
    """Remove crawls with their observations, logs and archives; the offer-days they touched are derived anew.

    Returns rows removed from the store."""
    removed = 0
    markets: set[str] = set()
    for crawl in crawls:
        removed += store.forget(crawl=crawl.id)
        (data_dir / "logs" / crawl.market / f"{crawl.id}.jsonl").unlink(missing_ok=True)
        for path in archive_files(data_dir / "archive", crawl.market, crawl.id):
            path.unlink(missing_ok=True)
        _forget_state(data_dir, crawl=crawl.id)
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


def forget_market(store: Store, data_dir: Path, market: str) -> int:
    """Remove a market: store, logs, archives, last readings, frontier, review queue. UsageError for what is no id, or
    of which nothing is here: a slip of the pen would leave all that was to go."""
    if not MARKET_ID.fullmatch(market):
        raise UsageError(f"{market!r} is no market's id.", remedy="`dropline status` lists them.")
    there = _markets_held(store, data_dir)
    if market not in there:
        near = difflib.get_close_matches(market, sorted(there), n=2, cutoff=0.6)
        known = f"There is: {', '.join(sorted(there)) or 'no market'}."
        remedy = f"Did you mean {' or '.join(near)}?" if near else known
        raise UsageError(f"nothing is here of a market {market!r}.", remedy=remedy)
    removed = store.forget(market=market)
    _forget_state(data_dir, market=market)
    for room in MARKET_ROOMS:  # last: while one is left, a removal that was broken off can be run again
        shutil.rmtree(data_dir / room / market, ignore_errors=True)
    (data_dir / "readings" / f"{market}.sqlite").unlink(missing_ok=True)
    return removed


def _markets_held(store: Store, data_dir: Path) -> set[str]:
    """Markets that the store or a folder has anything of: what a removal that was broken off has left counts too."""
    folders = {path.name for room in MARKET_ROOMS for path in (data_dir / room).glob("*") if path.is_dir()}
    return {crawl.market for crawl in store.crawls()} | folders | {
        path.stem for path in (data_dir / "readings").glob("*.sqlite")
    }


def _forget_state(data_dir: Path, **what: str) -> None:
    with State(state_path(data_dir)) as state:
        ReviewQueue(state, data_dir).forget(**what)
        with state.writing() as db:
            RowCache(db).clear()  # what alert rules remember of earlier answers holds what is forgotten
            if "vendor" in what:
                Records(state).forget_naming(what["vendor"])
                Outbox(state).forget_naming(what["vendor"])


def forget_vendor(store: Store, data_dir: Path, vendor: str) -> int:
    """Remove a vendor's observations, last readings, review entries and alerts; rewrite the logs without the vendor.

    Archived pages hold vendors under their names and cannot be searched by pseudonym: they go with `purge`."""
    removed = store.forget(vendor=vendor)
    _forget_state(data_dir, vendor=vendor)
    for file in sorted((data_dir / "readings").glob("*.sqlite")):
        readings = Readings(data_dir, file.stem)
        try:
            readings.forget(vendor)
        finally:
            readings.close()
    for path in sorted([*(data_dir / "logs").glob("*/*.jsonl"), *(data_dir / "logs").glob("*/held/*.jsonl")]):
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
        return True  # torn or broken: nobody can read more of it than that name
    listing = loaded.get("listing") if isinstance(loaded, dict) else None
    return isinstance(listing, dict) and listing.get("vendor") == vendor
