"""The writing of offer-days inside a transaction, with the packs of their prices and of themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import date

from index.content import add_reports, in_batches, last_of_each, offer_day_key, storable
from index.offer_day import OfferDay
from index.sqlite import day_packs, price_packs
from index.sqlite.rows import OFFER_DAY_FIELDS, offer_day_row
from index.store import WriteReport

DAY_NAMES = ", ".join(f'"{name}"' for name in OFFER_DAY_FIELDS)
_SET = ", ".join(f'"{name}" = excluded."{name}"' for name in OFFER_DAY_FIELDS[4:])
_OLD, _NEW = (", ".join(f'{table}."{name}"' for name in OFFER_DAY_FIELDS[4:]) for table in ("offer_days", "excluded"))
_PUT_DAY = (
    f"INSERT INTO offer_days ({DAY_NAMES}) VALUES ({', '.join('?' * len(OFFER_DAY_FIELDS))}) "  # noqa: S608
    f"ON CONFLICT (version, market, offer, day) DO UPDATE SET {_SET} WHERE ({_OLD}) IS NOT ({_NEW})"
)


def put_days(connection: sqlite3.Connection, batch: list[OfferDay]) -> WriteReport:
    """Upserts offer-days; the packs of the weeks they are in are gone."""
    report, written = _put_days(connection, batch)
    if report.written:
        price_packs.drop_weeks(connection, {
            (day.version, day.market, price_packs.week_of(day.day.isoformat())[0]) for day in written})
    return report


def replace_days(
    connection: sqlite3.Connection, market: str, version: str, first: date, days: Iterable[OfferDay]
) -> WriteReport:
    """As `Store.replace_offer_days`."""
    total, execute = WriteReport(), connection.execute
    execute("CREATE TEMP TABLE IF NOT EXISTS kept (offer TEXT, day TEXT, PRIMARY KEY (offer, day)) WITHOUT ROWID")
    execute("DELETE FROM temp.kept")
    cells, repeated = price_packs.PriceCells(), False
    for batch in in_batches(days):
        report, written = _put_days(connection, batch)
        total = add_reports(total, report)
        new = connection.executemany(
            "INSERT OR IGNORE INTO temp.kept VALUES (?, ?)", [(day.offer, day.day.isoformat()) for day in written],
        ).rowcount
        repeated = repeated or new < len(written)
        cells.add_days(written)
    execute(
        "DELETE FROM offer_days WHERE version = ? AND market = ? AND day >= ? "
        "AND (offer, day) NOT IN (SELECT offer, day FROM temp.kept)", (version, market, first.isoformat()))
    if repeated:  # of an offer and day given twice the last stands: only the rows tell which
        price_packs.drop_range(connection, version, market, first, None)
        price_packs.drop_weeks(connection, {(version, market, key[0]) for key in cells.cells})
        price_packs.pack_waiting(connection, version, market)
    else:
        price_packs.put_since(connection, version, market, first, cells)
    execute("DELETE FROM temp.kept")
    day_packs.pack_market(connection, version, market)
    day_packs.pack_some(connection)
    return total


def _put_days(connection: sqlite3.Connection, batch: list[OfferDay]) -> tuple[WriteReport, list[OfferDay]]:
    """Upserts inside the caller's transaction; also returns the rows that are there now."""
    kept, repeated = last_of_each(batch, offer_day_key)
    failed: list[tuple[str, str]] = []
    connection.execute("SAVEPOINT days")
    try:
        # not `total_changes`, which counts what triggers do as well
        written = connection.executemany(_PUT_DAY, map(offer_day_row, kept)).rowcount if kept else 0
    except (OverflowError, UnicodeEncodeError):
        connection.execute("ROLLBACK TO days")
        kept, failed = storable(kept, offer_day_key)
        written = connection.executemany(_PUT_DAY, map(offer_day_row, kept)).rowcount if kept else 0
    connection.execute("RELEASE days")
    if kept:
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('current_version', ?)", (kept[0].version,))
    return WriteReport(written=written, unchanged=len(kept) - written + repeated, failed=tuple(failed)), kept
