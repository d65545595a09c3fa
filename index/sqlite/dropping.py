"""Versions of the file: which there are, and the removal of one in steps that hold the write lock for seconds."""

from __future__ import annotations

import sqlite3

FACTS_AT_ONCE = 10_000


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
