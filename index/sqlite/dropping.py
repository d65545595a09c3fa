"""Versions of the file and months that are purged: their removal in steps that hold the write lock for seconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import date, timedelta
from typing import Protocol

import numpy as np

from index.sqlite import crawl_packs, day_packs, price_packs
from index.sqlite.contents import drop_orphans

FACTS_AT_ONCE = 10_000
CRAWLS_AT_ONCE = 4
OFFERS_AT_ONCE = 2_000
_PURGED, _UNDER_WAY = "purged_before", "purge_under_way"


class Holder(Protocol):
    """What holds the connection while the write lock is held (`index.sqlite.writer.Writer`)."""

    connection: sqlite3.Connection

    def forget_caches(self) -> None: ...


class Begin(Protocol):
    """Takes the write lock, commits at the end."""

    def __call__(self) -> AbstractContextManager[Holder]: ...


def versions(connection: sqlite3.Connection) -> list[str]:
    """Versions of any observation or offer-day, sorted."""
    # one look-up a version: DISTINCT would read every offer-day
    rows = connection.execute(
        "WITH RECURSIVE each (version) AS (SELECT MIN(version) FROM offer_days UNION ALL "
        "SELECT (SELECT MIN(d.version) FROM offer_days d WHERE d.version > each.version) FROM each "
        "WHERE each.version IS NOT NULL) SELECT version FROM each WHERE version IS NOT NULL "
        "UNION SELECT DISTINCT version FROM facts ORDER BY 1")
    return [version for (version,) in rows]


def drop_derived(connection: sqlite3.Connection, version: str) -> None:
    """The packs of a version, and what is noted as to be packed of it."""
    for table in ("crawl_packs", "crawl_counts", "price_packs", "unpriced"):
        connection.execute(f"DELETE FROM {table} WHERE version = ?", (version,))  # noqa: S608 - our own names


def drop_days(connection: sqlite3.Connection, version: str) -> int:
    """The offer-days of the first market that has any of that version; returns how many."""
    return connection.execute(
        "DELETE FROM offer_days WHERE version = ?1 AND market = (SELECT MIN(market) FROM offer_days "
        "WHERE version = ?1)", (version,)).rowcount


def drop_observations(connection: sqlite3.Connection, version: str) -> int | None:
    """Some facts of a version with the observations that show them; None: there are none left."""
    facts = connection.execute(
        "SELECT id FROM facts WHERE version = ? ORDER BY id LIMIT ?", (version, FACTS_AT_ONCE)).fetchall()
    if not facts:
        return None
    removed = 0
    for fact in facts:
        removed += connection.execute("DELETE FROM observations WHERE facts = ?", fact).rowcount
    connection.executemany("DELETE FROM facts WHERE id = ?", facts)
    return removed


def purged_before(connection: sqlite3.Connection) -> date | None:
    """First day that is kept; None: nothing was ever purged."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (_PURGED,)).fetchone()
    return None if row is None else date.fromisoformat(row[0])


def purge(begin: Begin, first_kept: date) -> int:
    """`Store.drop_before`: the mark, the crawls and the packed prices first, all in one step, so that no answer ever
    rests on what is half gone; then the rows, some at a time; at the end what nothing points at any more."""
    with begin() as held:
        first_kept = max(first_kept, purged_before(held.connection) or first_kept)
        removed = _mark(held.connection, first_kept)
        crawls = _crawls_before(held.connection, first_kept)
        markets = list(_markets(held.connection))
    for start in range(0, len(crawls), CRAWLS_AT_ONCE):
        with begin() as held:
            for crawl in crawls[start : start + CRAWLS_AT_ONCE]:
                removed += _purge_crawl(held.connection, crawl, first_kept)
    for version, market in markets:
        after: str | None = ""
        while after is not None:
            with begin() as held:
                gone, after = _purge_days(held.connection, version, market, after, first_kept)
                removed += gone
        with begin() as held:
            price_packs.pack_waiting(held.connection, version, market)
            if day_packs.exists(held.connection):  # noted as stale by the deletions, with nothing left to pack
                held.connection.execute(
                    "DELETE FROM stale_days WHERE version = ? AND market = ? AND period < ?",
                    (version, market, first_kept.isoformat()[:9]))
    with begin() as held:
        if held.connection.execute("SELECT 1 FROM meta WHERE name = ?", (_UNDER_WAY,)).fetchone() or removed:
            drop_orphans(held.connection)
            held.connection.execute("DELETE FROM meta WHERE name = ?", (_UNDER_WAY,))
        held.forget_caches()
    return removed


def _mark(connection: sqlite3.Connection, first_kept: date) -> int:
    """Notes the first day kept; removes the crawls begun before it and the packs of prices of earlier days."""
    if purged_before(connection) != first_kept:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_PURGED, first_kept.isoformat()))
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, '')", (_UNDER_WAY,))
    monday = first_kept - timedelta(days=first_kept.weekday())
    packed = connection.execute(
        "SELECT version, market FROM price_packs WHERE week < ?1 UNION SELECT version, market FROM unpriced "
        "WHERE week < ?1", (first_kept.toordinal(),)).fetchall()
    for version, market in packed:
        for table in ("price_packs", "unpriced"):
            connection.execute(
                f"DELETE FROM {table} WHERE version = ? AND market = ? AND week < ?",  # noqa: S608 - our own names
                (version, market, monday.toordinal()))
        _trim_week(connection, version, market, monday.toordinal(), first_kept.weekday())
    return connection.execute("DELETE FROM crawls WHERE day < ?", (first_kept.isoformat(),)).rowcount


def _trim_week(connection: sqlite3.Connection, version: str, market: str, week: int, weekday: int) -> None:
    """Takes the prices of the days before that weekday out of the packs of one week: to make them anew, every offer-day
    of the market would have to be read."""
    rows = connection.execute(
        "SELECT id, usd, usd_days, quoted, quoted_days FROM price_packs WHERE version = ? AND market = ? AND week = ?",
        (version, market, week)).fetchall() if weekday else []
    for number, *packed in rows:
        kept: list[bytes] = []
        for prices, days in (packed[:2], packed[2:]):
            of = np.frombuffer(days, dtype=np.int8)
            late = of >= weekday
            kept += [np.frombuffer(prices, dtype="<i8")[late].tobytes(), of[late].tobytes()]
        if any(kept):
            connection.execute(
                "UPDATE price_packs SET usd = ?, usd_days = ?, quoted = ?, quoted_days = ? WHERE id = ?",
                (*kept, number))
        else:
            connection.execute("DELETE FROM price_packs WHERE id = ?", (number,))


def _crawls_before(connection: sqlite3.Connection, first_kept: date) -> list[int]:
    """Crawls that saw anything before that day."""
    first = dict(connection.execute("SELECT crawl, MIN(first) FROM crawl_packs GROUP BY crawl"))
    for crawl in crawl_packs.all_crawls(connection):
        if crawl not in first:
            (first[crawl],) = connection.execute(
                "SELECT MIN(day) FROM observations WHERE crawl = ?", (crawl,)).fetchone()
    return sorted(crawl for crawl, day in first.items() if day < first_kept.toordinal())


def _purge_crawl(connection: sqlite3.Connection, crawl: int, first_kept: date) -> int:
    removed = connection.execute(
        "DELETE FROM observations WHERE crawl = ? AND day < ?", (crawl, first_kept.toordinal())).rowcount
    crawl_packs.drop_packs(connection, [crawl])
    if connection.execute("SELECT 1 FROM observations WHERE crawl = ? LIMIT 1", (crawl,)).fetchone() is None:
        connection.execute("DELETE FROM unpacked WHERE crawl = ?", (crawl,))
    return removed


def _markets(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Every (version, market) that has offer-days, by one look-up each."""
    found = ("", "")
    while True:
        row = connection.execute(
            "SELECT version, market FROM offer_days WHERE (version, market) > (?, ?) ORDER BY version, market LIMIT 1",
            found).fetchone()
        if row is None:
            return
        found = row
        yield found


def _purge_days(
    connection: sqlite3.Connection, version: str, market: str, after: str, first_kept: date
) -> tuple[int, str | None]:
    """The offer-days before that day of the next offers; how many went, and the last of those offers (None: of all)."""
    part = "version = ? AND market = ? AND offer > ?"
    values: tuple[str, ...] = (version, market, after)
    row = connection.execute(
        f"SELECT DISTINCT offer FROM offer_days WHERE {part} ORDER BY offer LIMIT 1 OFFSET ?",  # noqa: S608 - our words
        (*values, OFFERS_AT_ONCE - 1)).fetchone()
    if row is not None:
        part, values = f"{part} AND offer <= ?", (*values, row[0])
    gone = connection.execute(
        f"DELETE FROM offer_days WHERE {part} AND day < ?", (*values, first_kept.isoformat())).rowcount  # noqa: S608
    return gone, None if row is None else row[0]
