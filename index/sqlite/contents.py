"""Whole records out of the file (for its digest and for copying), and their removal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date
from typing import Any

import orjson

from extract.observation import Crawl, Observation
from index.content import canonical, canonical_fields
from index.sqlite.crawl_packs import drop_packs
from index.sqlite.facts_packs import rebuild as rebuild_facts
from index.sqlite.price_packs import drop_weeks, week_of
from index.sqlite.rows import OFFER_DAY_FIELDS, TUPLES, moment, read_offer_day, unpack
from index.sqlite.sql import build_all_observations
from index.stem import build_stems

_OBSERVATION_FIELDS = tuple(Observation.model_fields)


def _read_observation(row: tuple[Any, ...]) -> dict[str, Any]:
    """Values of the fields, from a row in the order of the record's fields."""
    fields: dict[str, Any] = dict(zip(_OBSERVATION_FIELDS, row, strict=True))
    for name in TUPLES:
        fields[name] = unpack(fields[name])
    fields["spans"] = tuple(orjson.loads(fields["spans"])) if fields["spans"] else ()
    fields["observed_at"] = moment(fields["observed_at"])
    fields["day"] = date.fromordinal(fields["day"])
    return fields


def iter_contents(connection: sqlite3.Connection, record: str) -> Iterator[bytes]:
    """Canonical content of every record of a kind (observation, offer_day, crawl), in no order. Observations and
    offer-days come as they lie: who makes records of them validates."""
    if record == "observation":
        for row in connection.execute(build_all_observations(_OBSERVATION_FIELDS)):
            yield canonical_fields(_read_observation(row))
    elif record == "offer_day":
        names = ", ".join(f'"{name}"' for name in OFFER_DAY_FIELDS)
        for row in connection.execute(f"SELECT {names} FROM offer_days"):  # noqa: S608 - our own column names
            yield canonical_fields(read_offer_day(row))
    else:
        for (body,) in connection.execute("SELECT body FROM crawls"):
            yield canonical(Crawl.model_validate_json(body))


def forget_rows(
    connection: sqlite3.Connection, *, crawl: str | None, vendor: str | None, market: str | None
) -> int:
    """Deletes and returns the number of observations, offer-days and crawls that went. Offer-days know no crawl: after
    a crawl is forgotten the days it touched are dropped, and the caller derives them again."""
    execute = connection.execute
    removed = 0
    if crawl is not None:
        touched = execute(
            "SELECT DISTINCT f.version, f.market, f.offer, b.day FROM observations b JOIN facts f ON f.id = b.facts "
            "WHERE b.crawl = (SELECT id FROM names WHERE name = ?)", (crawl,)).fetchall()
        drop_weeks(connection, {
            (version, of_market, day - (day - 1) % 7) for version, of_market, _, day in touched})
        for version, of_market, offer, day in touched:
            removed += execute(
                "DELETE FROM offer_days WHERE version = ? AND market = ? AND offer = ? AND day = ?",
                (version, of_market, offer, date.fromordinal(day).isoformat())).rowcount
        _drop_packs(connection, "crawl = (SELECT id FROM names WHERE name = ?)", crawl)
        removed += execute(
            "DELETE FROM observations WHERE crawl = (SELECT id FROM names WHERE name = ?)", (crawl,)).rowcount
        removed += execute("DELETE FROM crawls WHERE id = ?", (crawl,)).rowcount
    elif vendor is not None:
        drop_weeks(connection, {
            (version, of_market, week_of(day)[0]) for version, of_market, day in execute(
                "SELECT DISTINCT version, market, day FROM offer_days WHERE vendor = ?", (vendor,))})
        _drop_packs(connection, "facts IN (SELECT id FROM facts WHERE vendor = ?)", vendor)
        removed += execute("DELETE FROM offer_days WHERE vendor = ?", (vendor,)).rowcount
        removed += execute(
            "DELETE FROM observations WHERE facts IN (SELECT id FROM facts WHERE vendor = ?)", (vendor,)).rowcount
    else:
        assert market is not None
        for table in ("price_packs", "unpriced"):
            execute(f"DELETE FROM {table} WHERE market = ?", (market,))  # noqa: S608 - our own names
        _drop_packs(connection, "facts IN (SELECT id FROM facts WHERE market = ?)", market)
        removed += execute("DELETE FROM offer_days WHERE market = ?", (market,)).rowcount
        removed += execute(
            "DELETE FROM observations WHERE facts IN (SELECT id FROM facts WHERE market = ?)", (market,)).rowcount
        removed += execute("DELETE FROM crawls WHERE market = ?", (market,)).rowcount
    drop_orphans(connection)
    return removed


def _drop_packs(connection: sqlite3.Connection, condition: str, value: str) -> None:
    crawls = connection.execute(
        f"SELECT DISTINCT crawl FROM observations WHERE {condition}", (value,))  # noqa: S608 - our own conditions
    drop_packs(connection, [crawl for (crawl,) in crawls.fetchall()])


def drop_orphans(connection: sqlite3.Connection) -> None:
    """Removes every dictionary row that nothing points at: forgotten texts and pseudonyms must not linger."""
    execute = connection.execute
    execute("DELETE FROM facts WHERE id NOT IN (SELECT facts FROM observations)")
    rebuild_facts(connection)  # pseudonyms stand in the packs too
    execute("DELETE FROM unpacked WHERE crawl NOT IN (SELECT crawl FROM observations)")
    gone = execute(
        "SELECT id, title, description FROM texts WHERE id NOT IN (SELECT text FROM facts)").fetchall()
    for number, title, description in gone:
        execute(
            "INSERT INTO texts_fts (texts_fts, rowid, stems) VALUES ('delete', ?, ?)",
            (number, " ".join(build_stems(title, description))))
        execute("DELETE FROM texts WHERE id = ?", (number,))
    execute("DELETE FROM quotes WHERE id NOT IN (SELECT quote FROM observations)")
    execute(
        "DELETE FROM names WHERE id NOT IN (SELECT crawl FROM observations UNION SELECT key FROM observations "
        "UNION SELECT price_text FROM observations WHERE price_text IS NOT NULL "
        "UNION SELECT flags FROM observations WHERE flags IS NOT NULL "
        "UNION SELECT listing_key FROM facts UNION SELECT offer_key FROM facts UNION SELECT key FROM facts "
        "UNION SELECT vendor_key FROM facts WHERE vendor_key IS NOT NULL)")
