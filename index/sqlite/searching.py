"""Search for words that many listings have: from the newest day back, over packed sightings, until the page is full.

Hits come newest first, so that the first days tell them; joining every match with its last sighting, as
`sql.build_search` does, takes a second where a word stands in half of the facts. Both give the same hits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.sqlite.counting import Counter, fitting, name_ids
from index.sqlite.crawl_packs import Pack, make_packs, read_pack, unpacked
from index.sqlite.facts_packs import Facts
from index.sqlite.sql import match_all, match_none, sighting_conditions
from index.stem import Query
from index.store import Filter

FEW = 2_000
"""Texts up to which looking up every match is quicker."""
_MOST_LIVE = 16
"""Crawls without a pack up to which they are packed for one answer."""


def newest_hits(
    connection: sqlite3.Connection, counter: Counter, query: Query, where: Filter, version: str, limit: int, offset: int
) -> list[Any] | None:
    """(market, listing, title, vendor, substances, day) of a page, inside the caller's transaction. None: the other way
    is quicker."""
    texts = _texts(connection, query)
    waiting = unpacked(connection)
    if (texts is not None and len(texts) <= FEW) or len(waiting) > _MOST_LIVE:
        return None
    facts = counter.read(connection)
    fits = fitting(connection, facts, where, version)
    if texts is not None:
        fits &= _marked(texts, facts)
    if query.none_of:
        fits &= ~_marked(_matches(connection, match_none(query)), facts)
    crawls = name_ids(connection, where.crawl) if where.crawl else None
    live = [
        pack for crawl in waiting if crawls is None or crawl in crawls
        for pack in make_packs(connection, facts, crawl) if pack.version == version]
    known = np.zeros(int(facts.keys["listing_key"].max(initial=0)) + 1, dtype=bool)
    page: list[tuple[int, int, NDArray[np.int32]]] = []
    passed = 0
    for day, seen in _days_back(connection, version, where, crawls, live):
        hits = seen[fits[seen]]
        listings = facts.keys["listing_key"][hits]
        fresh = ~known[listings]
        hits, listings = hits[fresh], listings[fresh]
        new = np.unique(listings)
        known[new] = True
        if passed + len(new) > offset:
            begin = max(offset - passed, 0)
            ordered = _in_order(connection, facts, new, hits, listings)
            page += [(day, key, hits[listings == key]) for key in ordered[begin : begin + limit - len(page)]]
        passed += len(new)
        if len(page) >= limit:
            break
    return [_row(connection, where, day, found) for day, _, found in page]


def _texts(connection: sqlite3.Connection, query: Query) -> NDArray[np.int64] | None:
    """Ids of the texts that have every word; None where no word is asked for."""
    return _matches(connection, match_all(query)) if query.all_of else None


def _matches(connection: sqlite3.Connection, match: str) -> NDArray[np.int64]:
    rows = connection.execute("SELECT rowid FROM texts_fts WHERE texts_fts MATCH ?", (match,))
    return np.fromiter((number for (number,) in rows), dtype=np.int64)


def _marked(texts: NDArray[np.int64], facts: Facts) -> NDArray[np.bool_]:
    """Facts with one of these texts."""
    of = facts.keys["text"]
    size = max(int(of.max(initial=0)), int(texts.max(initial=0))) + 1
    wanted = np.zeros(size, dtype=bool)
    wanted[texts] = True
    marked: NDArray[np.bool_] = wanted[of]
    return marked


def _days_back(
    connection: sqlite3.Connection, version: str, where: Filter, crawls: set[int] | None, live: list[Pack]
) -> Iterator[tuple[int, NDArray[np.int32]]]:
    """Days with a sighting, the newest first, and the facts seen on each."""
    first = where.first.toordinal() if where.first else 0
    newest = where.last.toordinal() if where.last else 4_000_000
    rows = connection.execute(
        "SELECT id, last, crawl, market FROM crawl_packs WHERE version = ? AND last >= ? AND first <= ? "
        "ORDER BY last DESC", (version, first, newest)).fetchall()
    stored = [
        (last, number) for number, last, crawl, market in rows
        if (crawls is None or crawl in crawls) and (not where.market or market in where.market)]
    # the newest at the end, to be taken off
    ahead: list[tuple[int, int | Pack]] = sorted(
        [*stored, *((pack.last, pack) for pack in live)], key=lambda each: each[0])
    here: list[Pack] = []
    day = newest
    while ahead or here:
        day = min(day, max([pack.last for pack in here] + [ahead[-1][0]] if ahead else [pack.last for pack in here]))
        if day < first:
            return
        while ahead and ahead[-1][0] >= day:
            pack = ahead.pop()[1]
            here.append(pack if isinstance(pack, Pack) else read_pack(connection, pack))
        parts = [
            pack.facts if pack.days is None else pack.facts[pack.days == day]
            for pack in here if pack.first <= day <= pack.last]
        if parts:
            yield day, np.unique(np.concatenate(parts))
        here = [pack for pack in here if pack.first < day]
        day -= 1


def _in_order(
    connection: sqlite3.Connection, facts: Facts, keys: NDArray[np.int32], hits: NDArray[np.int32],
    listings: NDArray[np.int32],
) -> list[int]:
    """Listings by id, then market."""
    markets = facts.labels["market"]
    firsts = np.unique(listings, return_index=True)[1]
    names = []
    for key, hit in zip(keys.tolist(), hits[firsts].tolist(), strict=True):
        market = str(markets[facts.codes["market"][hit]])
        name = connection.execute("SELECT name FROM names WHERE id = ?", (key,)).fetchone()[0]
        names.append((name[len(market) + 1 :], market, key))
    return [key for _, _, key in sorted(names)]


def _row(connection: sqlite3.Connection, where: Filter, day: int, facts: NDArray[np.int32]) -> Any:
    """The last sighting of that day among some facts."""
    conditions, values = sighting_conditions(where.model_copy(update={"first": None, "last": None}))
    marks = ", ".join("?" * len(facts))
    return connection.execute(
        "SELECT f.market, f.listing, t.title, f.vendor, f.substances, b.day FROM facts f "  # noqa: S608 - marks only
        "JOIN observations b ON b.facts = f.id JOIN texts t ON t.id = f.text "
        f"WHERE {' AND '.join([f'f.id IN ({marks})', 'b.day = ?', *conditions])} "
        "ORDER BY b.observed_at DESC, f.offer LIMIT 1", [*facts.tolist(), day, *values]).fetchone()
