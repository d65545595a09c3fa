"""What each crawl saw, packed: the facts of its sightings as one array, and the commonest counts ready made.

A row of `crawl_packs` is one (crawl, version, market): facts of the sightings ascending, and the local day of each
where there are several. A row of `crawl_counts` holds the distinct listings, offers and vendors of that pack for one
combination of values (a JSON array) of one grouping. Both are derived from `observations`. A crawl that was written to
since it was packed stands in `unpacked` and has no pack: readers then make one for themselves, so that an answer never
rests on a stale one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from index.ready_counts import GROUPINGS
from index.sqlite.facts_packs import COUNTED, Codes, Facts, pack_new, read_facts

Whole = NDArray[np.int64]
AT_ONCE = 16
"""Crawls packed besides its own when a crawl's record is written: an unpacked file heals by itself."""


@dataclass(frozen=True)
class Pack:
    """The sightings of one crawl, version and market. `days`: the ordinal of each where they differ, else None."""

    crawl: int
    version: str
    market: str
    first: int
    last: int
    facts: Codes
    days: NDArray[np.int64] | None


def iter_packs(
    connection: sqlite3.Connection, version: str, crawls: Collection[int] | None = None,
    first: int | None = None, last: int | None = None,
) -> Iterator[Pack]:
    """Stored packs that have a day asked, by their first day. Run inside a transaction, together with `iter_live`."""
    conditions, values = ["version = ?"], list[Any]([version])
    for name, sign, bound in (("last", ">=", first), ("first", "<=", last)):
        if bound is not None:
            conditions.append(f"{name} {sign} ?")
            values.append(bound)
    where = " AND ".join(conditions)
    if crawls is not None:
        marks = ", ".join(str(int(crawl)) for crawl in crawls)
        where += f" AND crawl IN ({marks})"
    # the ids first: SQLite would sort the packs themselves
    found = connection.execute(f"SELECT id FROM crawl_packs WHERE {where} ORDER BY first", values)  # noqa: S608
    for (number,) in found.fetchall():
        yield read_pack(connection, number)


def read_pack(connection: sqlite3.Connection, number: int) -> Pack:
    """The stored pack of an id."""
    return _stored(connection.execute(
        "SELECT crawl, version, market, first, last, facts, days FROM crawl_packs WHERE id = ?", (number,)).fetchone())


def _stored(row: tuple[Any, ...]) -> Pack:
    crawl, version, market, first, last, facts, days = row
    return Pack(
        crawl, version, market, first, last, np.frombuffer(facts, dtype="<i4"),
        None if days is None else np.frombuffer(days, dtype="<i2").astype(np.int64) + first)


def unpacked(connection: sqlite3.Connection) -> list[int]:
    """Crawls without a valid pack."""
    return [crawl for (crawl,) in connection.execute("SELECT crawl FROM unpacked ORDER BY crawl")]


def make_packs(connection: sqlite3.Connection, facts: Facts, crawl: int) -> list[Pack]:
    """The packs of one crawl from its observations."""
    rows = np.array(
        connection.execute("SELECT facts, day FROM observations WHERE crawl = ?", (crawl,)).fetchall(), dtype=np.int64
    ).reshape(-1, 2)
    ids, days = rows[:, 0], rows[:, 1]
    # at most one version and market, as a rule
    width = max(len(facts.labels["market"]), 1)
    part = facts.codes["version"][ids].astype(np.int64) * width + facts.codes["market"][ids]
    found = []
    for code in np.unique(part).tolist():
        chosen = np.flatnonzero(part == code)
        chosen = chosen[np.argsort(ids[chosen], kind="stable")]
        first, last = int(days[chosen].min()), int(days[chosen].max())
        found.append(Pack(
            crawl, str(facts.labels["version"][code // width]), str(facts.labels["market"][code % width]), first, last,
            ids[chosen].astype(np.int32), days[chosen] if last > first else None))
    return found


def count_cells(facts: Facts, ids: Codes, fields: tuple[str, ...]) -> list[tuple[str, int, int, int]]:
    """(values of the fields, listings, offers, vendors), one for each combination that was seen."""
    group = np.zeros(len(ids), dtype=np.int64)
    for field in fields:
        group = group * max(len(facts.labels[field]), 1) + facts.codes[field][ids]
    groups, place = np.unique(group, return_inverse=True)
    counts: list[list[int]] = []
    for key in COUNTED:
        codes = facts.keys[key][ids].astype(np.int64)
        pairs = np.unique(place * (int(codes.max(initial=0)) + 2) + codes + 1)
        of, which = np.divmod(pairs, int(codes.max(initial=0)) + 2)
        counts.append(np.bincount(of[which > 0], minlength=len(groups)).tolist())
    cells = []
    for number, code in enumerate(groups.tolist()):
        values: list[str | None] = []
        rest = code
        for field in reversed(fields):
            rest, own = divmod(rest, max(len(facts.labels[field]), 1))
            values.append(facts.labels[field][own])
        listings, offers, vendors = (count[number] for count in counts)
        cells.append((cell_key(values[::-1]), listings, offers, vendors))
    return cells


def cell_key(values: Sequence[str | None]) -> str:
    """How a combination of values is kept."""
    return orjson.dumps(values).decode()


def pack_crawl(connection: sqlite3.Connection, facts: Facts, crawl: int) -> None:
    """Stores the packs and counts of one crawl, inside the caller's transaction."""
    drop_packs(connection, [crawl])
    for pack in make_packs(connection, facts, crawl):
        days = None if pack.days is None else (pack.days - pack.first).astype("<i2").tobytes()
        connection.execute(
            "INSERT INTO crawl_packs (crawl, version, market, first, last, facts, days) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (crawl, pack.version, pack.market, pack.first, pack.last, pack.facts.astype("<i4").tobytes(), days))
        connection.executemany("INSERT INTO crawl_counts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [
            (pack.version, ",".join(fields), values, crawl, pack.market, pack.first, pack.last, *counts)
            for fields in GROUPINGS for values, *counts in count_cells(facts, pack.facts, fields)])
    connection.execute("DELETE FROM unpacked WHERE crawl = ?", (crawl,))


def drop_packs(connection: sqlite3.Connection, crawls: Collection[int]) -> None:
    """Packs of crawls that changed: gone, and noted as to be made."""
    for crawl in crawls:
        connection.execute("DELETE FROM crawl_packs WHERE crawl = ?", (crawl,))
        connection.execute("DELETE FROM crawl_counts WHERE crawl = ?", (crawl,))
        connection.execute("INSERT OR IGNORE INTO unpacked VALUES (?)", (crawl,))


def pack_pending(
    connection: sqlite3.Connection, facts: Facts | None = None, *, first: str | None = None, most: int | None = None
) -> tuple[Facts, int]:
    """Packs up to `most` crawls that have no valid pack (None: all), the crawl of that name before the others. Returns
    the facts as read and how many crawls are left."""
    waiting = unpacked(connection)
    if not waiting:
        return facts or read_facts(connection), 0
    pack_new(connection)
    facts = read_facts(connection, facts)
    if first is not None:
        row = connection.execute("SELECT id FROM names WHERE name = ?", (first,)).fetchone()
        if row is not None and row[0] in waiting:
            waiting.remove(row[0])
            waiting.insert(0, row[0])
    chosen = waiting if most is None else waiting[:most]
    for crawl in chosen:
        pack_crawl(connection, facts, crawl)
    return facts, len(waiting) - len(chosen)


def note_unpacked(connection: sqlite3.Connection) -> None:
    """Notes every crawl of the file as to be packed."""
    connection.executemany("INSERT OR IGNORE INTO unpacked VALUES (?)", [(crawl,) for crawl in all_crawls(connection)])


def all_crawls(connection: sqlite3.Connection) -> list[int]:
    """Ids of all crawls that have observations."""
    # one look-up a crawl: DISTINCT would read every observation
    rows = connection.execute(
        "WITH RECURSIVE each (crawl) AS (SELECT MIN(crawl) FROM observations UNION ALL "
        "SELECT (SELECT MIN(o.crawl) FROM observations o WHERE o.crawl > each.crawl) FROM each "
        "WHERE each.crawl IS NOT NULL) SELECT crawl FROM each WHERE crawl IS NOT NULL")
    return [crawl for (crawl,) in rows]


def drop_strays(connection: sqlite3.Connection) -> None:
    """Packs of crawls that have no observations (there are none, unless the file was mended by hand)."""
    for table in ("crawl_packs", "crawl_counts", "unpacked"):
        connection.execute(
            f"DELETE FROM {table} WHERE NOT EXISTS "  # noqa: S608 - our own names
            f"(SELECT 1 FROM observations o WHERE o.crawl = {table}.crawl)")
