"""Offer-days as columns of small integers, packed by ten days: what measures read of them, without reading a row.

A row of `day_packs` is one column of one (version, market, period); the period is the first nine characters of the ISO
day (`2031-03-1`: the 10th to the 19th). Derived from `offer_days`. Triggers of the file itself note every period whose
offer-days change in `stale_days`, whoever writes; its packs are gone when that write ends, and readers then go by the
rows until it is packed anew: an answer never rests on a stale pack.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from index.coded import Coded
from index.columns import field_kinds
from index.sqlite.rows import unpack
from index.store import Filter

LABELS = (
    "offer", "listing", "vendor", "kind", "substance", "group", "form", "unit", "region", "stash", "currency",
    "ships_from", "ships_to", "flags")
NUMBERS = (
    "quantity", "sightings", "first_ready", "last_ready", "falls", "reversed", "long_falls", "exposure_hours",
    "unit_price", "unit_price_usd", "price_low", "price_low_usd", "feedback")
FIELDS = frozenset({"market", "day", *LABELS, *NUMBERS})
"""What can be read from packs."""
PERIODS_AT_ONCE = 6
"""Periods whose columns are held at once while packing."""
HEALED = 4
"""Periods of other markets packed besides a market's own: an unpacked file heals by itself."""
_FETCH = 20_000
_COLUMNS = ("day", *LABELS, *NUMBERS)
_TEXT_LISTS = frozenset({"ships_from", "ships_to", "flags"})
_EPOCH = np.datetime64("1970-01-01", "D")

TABLES = """
CREATE TABLE IF NOT EXISTS day_packs (
    id INTEGER PRIMARY KEY, version TEXT NOT NULL, market TEXT NOT NULL, period TEXT NOT NULL, field TEXT NOT NULL,
    body BLOB NOT NULL, UNIQUE (version, market, period, field));
CREATE TABLE IF NOT EXISTS stale_days (
    version TEXT NOT NULL, market TEXT NOT NULL, period TEXT NOT NULL,
    PRIMARY KEY (version, market, period)) WITHOUT ROWID;
"""
_TRIGGER = """CREATE TRIGGER IF NOT EXISTS stale_days_{event} AFTER {event} ON offer_days BEGIN
INSERT INTO stale_days SELECT {row}.version, {row}.market, substr({row}.day, 1, 9) WHERE NOT EXISTS (
SELECT 1 FROM stale_days WHERE version = {row}.version AND market = {row}.market AND period = substr({row}.day, 1, 9));
END"""


def ensure(connection: sqlite3.Connection) -> None:
    """The tables and triggers, inside the caller's transaction; offer-days that were there before are noted as to be
    packed. Files of before have none: their readers go by the rows."""
    if exists(connection):
        return
    for statement in TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    for event, row in (("insert", "NEW"), ("update", "NEW"), ("delete", "OLD")):
        connection.execute(_TRIGGER.format(event=event, row=row))
    connection.execute(
        "INSERT INTO stale_days SELECT DISTINCT version, market, substr(day, 1, 9) FROM offer_days")


def exists(connection: sqlite3.Connection) -> bool:
    """Whether the file has packs of offer-days at all."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'stale_days'").fetchone() is not None


def drop_stale(connection: sqlite3.Connection) -> None:
    """Takes away the packs of what is noted as stale; at the end of every write."""
    connection.execute(
        "DELETE FROM day_packs WHERE id IN (SELECT p.id FROM stale_days s CROSS JOIN day_packs p "
        "ON p.version = s.version AND p.market = s.market AND p.period = s.period)")


def pack_market(connection: sqlite3.Connection, version: str, market: str) -> int:
    """Packs the stale periods of a market, inside the caller's transaction; returns how many."""
    periods = [period for (period,) in connection.execute(
        "SELECT period FROM stale_days WHERE version = ? AND market = ? ORDER BY period", (version, market))]
    for start in range(0, len(periods), PERIODS_AT_ONCE):
        _pack(connection, version, market, periods[start : start + PERIODS_AT_ONCE])
    return len(periods)


def pack_some(connection: sqlite3.Connection, most: int = HEALED) -> int:
    """Packs up to so many stale periods of one market, whichever; returns how many there were."""
    first = connection.execute("SELECT version, market FROM stale_days LIMIT 1").fetchone()
    if first is None:
        return 0
    version, market = first
    periods = [period for (period,) in connection.execute(
        "SELECT period FROM stale_days WHERE version = ? AND market = ? ORDER BY period LIMIT ?",
        (version, market, most))]
    _pack(connection, version, market, periods)
    return len(periods)


def drop_all(connection: sqlite3.Connection) -> None:
    """Every pack anew: all periods are noted as stale."""
    connection.execute("INSERT OR IGNORE INTO stale_days SELECT DISTINCT version, market, period FROM day_packs")
    connection.execute("DELETE FROM day_packs")


def _pack(connection: sqlite3.Connection, version: str, market: str, periods: Sequence[str]) -> None:
    where = (version, market, min(periods), max(periods) + "~")
    cursor = connection.execute(
        f"SELECT {', '.join(f'd.{chr(34)}{name}{chr(34)}' for name in _COLUMNS)} FROM offer_days d "  # noqa: S608
        "WHERE d.version = ? AND d.market = ? AND d.day >= ? AND d.day <= ? ORDER BY d.offer, d.day", where)
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    coders: dict[str, dict[str | None, int]] = {name: {} for name in LABELS}
    wanted = set(periods)
    while rows := cursor.fetchmany(_FETCH):
        columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
        of = np.array([day[:9] for day in columns["day"]])
        coded: dict[str, Any] = {"day": np.array(columns["day"], dtype="datetime64[D]").astype(np.int32)}
        for name in LABELS:
            seen = coders[name]
            coded[name] = np.array([seen.setdefault(value, len(seen)) for value in columns[name]], dtype=np.int32)
        for name in NUMBERS:
            coded[name] = np.array(columns[name], dtype=np.float64)
        for period in np.unique(of).tolist():
            if period in wanted:
                chosen = of == period
                parts[period].append({name: column[chosen] for name, column in coded.items()})
    labels = {name: list(seen) for name, seen in coders.items()}
    for period in periods:
        connection.execute(
            "DELETE FROM day_packs WHERE version = ? AND market = ? AND period = ?", (version, market, period))
        if parts[period]:
            connection.executemany(
                "INSERT INTO day_packs (version, market, period, field, body) VALUES (?, ?, ?, ?, ?)",
                [(version, market, period, name, _body(name, [part[name] for part in parts[period]], labels))
                 for name in _COLUMNS])
        connection.execute(
            "DELETE FROM stale_days WHERE version = ? AND market = ? AND period = ?", (version, market, period))


def _body(name: str, parts: list[NDArray[Any]], labels: dict[str, list[str | None]]) -> bytes:
    column = np.concatenate(parts)
    head: list[Any] = [len(column), "", False, None]
    if name in labels:
        used, column = np.unique(column, return_inverse=True)
        head[3] = [labels[name][code] for code in used.tolist()]
    elif name in NUMBERS:
        known = column[np.isfinite(column)]
        if np.array_equal(known, np.floor(known)) and (not len(known) or np.abs(known).max() < 2**53):
            # whole numbers, the missing ones as one less than the least
            least = int(known.min()) if len(known) else 0
            head[2] = len(known) < len(column)
            if head[2]:
                head[3] = least - 1
                column = np.where(np.isfinite(column), column, least - 1)
            column = column.astype(np.int64)
    if column.dtype != np.float64:
        low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
        column = column.astype(next(
            kind for kind in ("<i1", "<i2", "<i4", "<i8") if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max))
    head[1] = column.dtype.newbyteorder("<").str
    told = orjson.dumps(head)
    return len(told).to_bytes(4, "little") + told + zlib.compress(column.tobytes(), 1)


def _column(body: bytes) -> tuple[NDArray[Any], Any, bool]:
    """The column, its labels (or what stands for a missing number), and whether numbers are missing."""
    size = int.from_bytes(body[:4], "little")
    _, kind, missing, rest = orjson.loads(body[4 : 4 + size])
    return np.frombuffer(zlib.decompress(body[4 + size :]), dtype=kind), rest, missing


# reading

_Packs = dict[str, list[dict[str, bytes]]]
"""By market: the columns of each period."""
Allowed = Callable[[str, Sequence[Any]], NDArray[np.bool_] | None]


def read_packs(
    connection: sqlite3.Connection, where: Filter, fields: Sequence[str], version: str
) -> _Packs | None:
    """The packed columns that answer a scan of offer-days, by market; None where packs cannot: a field or part of the
    filter they do not know, or days that are not packed. Inside the caller's transaction."""
    if where.crawl or not FIELDS.issuperset(fields) or not exists(connection):
        return None
    low = where.first.isoformat()[:9] if where.first else ""
    high = where.last.isoformat()[:9] if where.last else "~"
    bounds = (version, low, high)
    for (market,) in connection.execute(
        "SELECT DISTINCT market FROM stale_days WHERE version = ? AND period >= ? AND period <= ?", bounds
    ):
        if not where.market or market in where.market:
            return None
    markets = [market for (market,) in connection.execute(
        "SELECT DISTINCT market FROM day_packs WHERE version = ? ORDER BY market", (version,))]
    wanted = sorted({"day", "offer", *fields, *_filtered(where)} - {"market"})
    found: _Packs = {}
    for market in markets:
        if where.market and market not in where.market:
            continue
        periods: dict[str, dict[str, bytes]] = defaultdict(dict)
        for period, field, body in connection.execute(
            f"SELECT period, field, body FROM day_packs WHERE version = ? AND market = ? AND period >= ? "  # noqa: S608
            f"AND period <= ? AND field IN ({', '.join('?' * len(wanted))}) ORDER BY period",
            (version, market, low, high, *wanted),
        ):
            periods[period][field] = body
        found[market] = list(periods.values())
    return found


def _filtered(where: Filter) -> list[str]:
    names = ("substance", "group", "form", "region", "ships_from", "ships_to", "stash", "kind", "vendor", "listing")
    return [name for name in names if getattr(where, name)]


def iter_coded(packs: _Packs, where: Filter, fields: Sequence[str]) -> Iterator[Coded]:
    """The rows of packs that a filter lets through, one batch a market; each ordered by offer and day."""
    while packs:
        market = next(iter(packs))
        batch = _read_market(market, packs.pop(market), where, fields)
        if len(batch.days):
            yield batch


def _read_market(market: str, periods: list[dict[str, bytes]], where: Filter, fields: Sequence[str]) -> Coded:
    coders: dict[str, dict[Any, int]] = {}
    days: list[NDArray[Any]] = []
    columns: dict[str, list[NDArray[Any]]] = defaultdict(list)
    held = sorted({"offer", *fields} - {"market", "day"})
    for bodies in periods:
        day = _column(bodies["day"])[0].astype(np.int32)
        fits = np.ones(len(day), dtype=bool)
        for bound, keep in ((where.first, np.greater_equal), (where.last, np.less_equal)):
            if bound is not None:
                fits &= keep(day, int((np.datetime64(bound) - _EPOCH).astype(np.int64)))
        for name in _filtered(where):
            codes, labels, _ = _column(bodies[name])
            fits &= _those(where, name, labels)[codes]
        rows = None if fits.all() else np.flatnonzero(fits)
        if rows is not None and not len(rows):
            continue
        days.append(day if rows is None else day[rows])
        for name in held:
            column, rest, missing = _column(bodies[name])
            column = column if rows is None else column[rows]
            if name in LABELS:
                seen = coders.setdefault(name, {})
                # only the labels of rows that are kept: codes must not tell of what the filter leaves out
                used = range(len(rest)) if rows is None else np.unique(column).tolist()
                places = np.zeros(len(rest), dtype=np.int32)
                for code in used:
                    places[code] = seen.setdefault(rest[code], len(seen))
                columns[name].append(places[column])
            elif missing:
                columns[name].append(np.where(column == rest, np.nan, column.astype(np.float64)))
            else:
                columns[name].append(column)
        bodies.clear()
    return _ordered(market, days, columns, coders, fields)


def _ordered(
    market: str, days: list[NDArray[Any]], columns: dict[str, list[NDArray[Any]]], coders: dict[str, dict[Any, int]],
    fields: Sequence[str],
) -> Coded:
    if not days:
        return Coded(market, np.zeros(0, dtype=np.int32), {}, {})
    day = np.concatenate(days)
    names = list(coders["offer"])
    rank = np.empty(len(names), dtype=np.int64)
    # as SQLite orders text: by its bytes
    rank[sorted(range(len(names)), key=lambda code: names[code].encode("utf-8", "surrogatepass"))] = np.arange(
        len(names))
    low = int(day.min())
    offer = np.concatenate(columns["offer"])
    order = np.argsort(rank[offer] * (int(day.max()) - low + 1) + (day - low), kind="stable")
    codes: dict[str, tuple[NDArray[np.int32], list[Any]]] = {}
    numbers: dict[str, NDArray[Any]] = {}
    for name in fields:
        if name in coders:
            column = offer if name == "offer" else np.concatenate(columns.pop(name))
            labels = list(coders[name])
            codes[name] = (column[order], [unpack(each) for each in labels] if name in _TEXT_LISTS else labels)
        elif name in NUMBERS:
            numbers[name] = np.concatenate(columns.pop(name))[order]
    return Coded(market, day[order], codes, numbers)


def _those(where: Filter, name: str, labels: Sequence[Any]) -> NDArray[np.bool_]:
    """Which labels a filter lets through."""
    values = getattr(where, name)
    if name == "region":
        below = tuple(f"{value}-" for value in values)
        found = [label is not None and (label in values or label.startswith(below)) for label in labels]
    elif name in _TEXT_LISTS:
        found = [not set(values).isdisjoint(unpack(label)) for label in labels]
    elif name == "substance":
        found = [("unknown" if label is None else label) in values for label in labels]
    else:
        found = [label in values for label in labels]
    return np.array(found, dtype=bool)


assert set(NUMBERS) | set(LABELS) <= set(field_kinds("offer_day"))
