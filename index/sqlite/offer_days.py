"""The writing of offer-days inside a transaction, with the packs of their prices and of themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import date
from operator import lt
from typing import Any

from index.content import add_reports, in_batches, last_of_each, offer_day_key, storable
from index.offer_day import OfferDay
from index.sqlite import day_packs, price_packs
from index.sqlite.rows import OFFER_DAY_FIELDS, offer_day_columns
from index.store import WriteReport

_NAMES = ", ".join(f'"{name}"' for name in OFFER_DAY_FIELDS)
DAY_NAMES = ", ".join(f'd."{name}"' for name in OFFER_DAY_FIELDS)
_SET = ", ".join(f'"{name}" = excluded."{name}"' for name in OFFER_DAY_FIELDS[4:])
_OLD, _NEW = (", ".join(f'{table}."{name}"' for name in OFFER_DAY_FIELDS[4:]) for table in ("offer_days", "excluded"))
_PUT_DAY = (
    f"INSERT INTO offer_days ({_NAMES}) VALUES ({', '.join('?' * len(OFFER_DAY_FIELDS))}) "  # noqa: S608
    f"ON CONFLICT (version, market, offer, day) DO UPDATE SET {_SET} WHERE ({_OLD}) IS NOT ({_NEW})"
)
# one look-up an offer: GROUP BY would read every day there is
LAST_DAYS = (
    "WITH RECURSIVE each (offer) AS (SELECT MIN(offer) FROM offer_days WHERE version = ?1 AND market = ?2 UNION ALL "  # noqa: S608
    "SELECT (SELECT MIN(d.offer) FROM offer_days d WHERE d.version = ?1 AND d.market = ?2 AND d.offer > each.offer) "
    f"FROM each WHERE each.offer IS NOT NULL) SELECT {DAY_NAMES} FROM each CROSS JOIN offer_days d "
    "ON d.version = ?1 AND d.market = ?2 AND d.offer = each.offer AND d.day = (SELECT MAX(l.day) FROM offer_days l "
    "WHERE l.version = ?1 AND l.market = ?2 AND l.offer = each.offer AND l.day < ?3)")
"""For every offer of a version and market its latest offer-day before a date, by offer."""
Columns = dict[str, tuple[Any, ...]]


def put_days(connection: sqlite3.Connection, batch: list[OfferDay]) -> WriteReport:
    """Upserts offer-days; the packs of the weeks they are in are gone."""
    report, columns = _put_days(connection, batch)
    if report.written:
        days = set(zip(columns["version"], columns["market"], columns["day"], strict=True))
        price_packs.drop_weeks(connection, {
            (version, market, price_packs.week_of(day)[0]) for version, market, day in days})
    return report


def replace_days(
    connection: sqlite3.Connection, market: str, version: str, first: date, days: Iterable[OfferDay]
) -> WriteReport:
    """As `Store.replace_offer_days`."""
    total, execute = WriteReport(), connection.execute
    execute("CREATE TEMP TABLE IF NOT EXISTS kept (offer TEXT, day TEXT, PRIMARY KEY (offer, day)) WITHOUT ROWID")
    execute("DELETE FROM temp.kept")
    there = execute(
        "SELECT 1 FROM offer_days WHERE version = ? AND market = ? AND day >= ? LIMIT 1",
        (version, market, first.isoformat())).fetchone() is not None
    cells, packed = price_packs.PriceCells(), day_packs.Packed(connection, version, market, first)
    before, ascending = ("", ""), True
    for batch in in_batches(days):
        report, columns = _put_days(connection, batch)
        total = add_reports(total, report)
        if not columns:
            continue
        keys = list(zip(columns["offer"], columns["day"], strict=True))
        ascending = ascending and all(map(lt, (before, *keys), keys))
        before = keys[-1]
        if there:
            connection.executemany("INSERT OR IGNORE INTO temp.kept VALUES (?, ?)", keys)
        cells.add(zip(*(columns[name] for name in price_packs.PRICED), strict=True))
        packed.add(columns)
    if there:
        execute(
            "DELETE FROM offer_days WHERE version = ? AND market = ? AND day >= ? "
            "AND (offer, day) NOT IN (SELECT offer, day FROM temp.kept)", (version, market, first.isoformat()))
        execute("DELETE FROM temp.kept")
    if ascending:
        price_packs.put_since(connection, version, market, first, cells)
        packed.pack(connection)
    else:  # an offer and day may have been given twice: only the rows tell which stands
        price_packs.drop_range(connection, version, market, first, None)
        price_packs.drop_weeks(connection, {(version, market, key[0]) for key in cells.cells})
        price_packs.pack_waiting(connection, version, market)
    day_packs.pack_market(connection, version, market)
    day_packs.pack_some(connection)
    return total


def _put_days(connection: sqlite3.Connection, batch: list[OfferDay]) -> tuple[WriteReport, Columns]:
    """Upserts inside the caller's transaction; also returns the rows that are there now, by column (none: no rows)."""
    kept, repeated = last_of_each(batch, offer_day_key)
    failed: list[tuple[str, str]] = []
    connection.execute("SAVEPOINT days")
    try:
        written, columns = _upsert(connection, kept)
    except (OverflowError, UnicodeEncodeError):
        connection.execute("ROLLBACK TO days")
        kept, failed = storable(kept, offer_day_key)
        written, columns = _upsert(connection, kept)
    connection.execute("RELEASE days")
    if kept:
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('current_version', ?)", (kept[0].version,))
    return WriteReport(written=written, unchanged=len(kept) - written + repeated, failed=tuple(failed)), columns


def _upsert(connection: sqlite3.Connection, days: list[OfferDay]) -> tuple[int, Columns]:
    if not days:
        return 0, {}
    columns = offer_day_columns(days)
    # not `total_changes`, which counts what triggers do as well
    return connection.executemany(_PUT_DAY, zip(*columns.values(), strict=True)).rowcount, columns
