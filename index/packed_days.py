"""Offer-days as columns of small integers, packed by market and ten days: what both stores keep beside the rows.

A period is the first nine characters of an ISO day (`2031-03-1`: the 10th to the 19th). How packs are kept and when
they may be trusted is each store's own; here is how rows become one and what is read out of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from index.coded import Coded
from index.columns import field_kinds
from index.packed import dump_labels, dump_numbers, load_column
from index.store import Filter

LABELS = (
    "offer", "listing", "vendor", "kind", "substance", "group", "form", "unit", "region", "stash", "currency",
    "ships_from", "ships_to", "flags")
NUMBERS = (
    "quantity", "sightings", "first_ready", "last_ready", "falls", "reversed", "long_falls", "exposure_hours",
    "unit_price", "unit_price_usd", "price_low", "price_low_usd", "feedback")
COLUMNS = ("day", *LABELS, *NUMBERS)
FIELDS = frozenset({"market", *COLUMNS})
"""What can be read from packs."""
LISTS = frozenset({"ships_from", "ships_to", "flags"})
"""Labels that are JSON arrays (missing: an empty one)."""
_EPOCH = np.datetime64("1970-01-01", "D")
MOST_HELD = 200_000
"""Rows being written that are kept for their packs: some 40 MB. Of more, packs are made from what is stored."""
Bodies = dict[str, bytes]
"""The columns of one pack."""


class Packing:
    """The packs of one market while its rows come in, in any order. `more`: whole numbers packed beside the fields."""

    def __init__(self, more: Sequence[str] = ()) -> None:
        self._more = tuple(more)
        self._coders: dict[str, dict[Any, int]] = {name: defaultdict(count().__next__) for name in LABELS}
        self._parts: dict[str, list[dict[str, NDArray[Any]]]] = defaultdict(list)
        self.rows = 0

    def __contains__(self, period: str) -> bool:
        return period in self._parts

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Rows by column: days as ISO text, lists as JSON or None."""
        of = np.array([day[:9] for day in columns["day"]])
        coded: dict[str, NDArray[Any]] = {
            "day": np.array(columns["day"], dtype="datetime64[D]").astype(np.int32)}
        for name in LABELS:
            coded[name] = np.fromiter(map(self._coders[name].__getitem__, columns[name]), dtype=np.int32)
        for name in (*NUMBERS, *self._more):
            coded[name] = np.array(columns[name], dtype=np.float64)
        self.rows += len(of)
        for period in np.unique(of).tolist():
            chosen = of == period
            self._parts[period].append({name: column[chosen] for name, column in coded.items()})

    def add_pack(self, period: str, bodies: Bodies, before: str) -> None:
        """The rows of a pack on days before an ISO day."""
        day = load_column(bodies["day"])[0].astype(np.int32)
        rows = np.flatnonzero(day < int((np.datetime64(before) - _EPOCH).astype(np.int64)))
        if not len(rows):
            return
        coded: dict[str, NDArray[Any]] = {"day": day[rows]}
        for name in LABELS:
            codes, labels, _ = load_column(bodies[name])
            coded[name] = np.fromiter(map(self._coders[name].__getitem__, labels), dtype=np.int32)[codes[rows]]
        for name in (*NUMBERS, *self._more):
            coded[name] = _numbers(bodies[name])[rows].astype(np.float64)
        self.rows += len(rows)
        self._parts[period].append(coded)

    def build(self, period: str) -> Bodies:
        """The pack of a period, by offer and day; it is let go. Of one that has no rows, an empty one."""
        parts = self._parts.pop(period, None) or [{
            "day": np.zeros(0, dtype=np.int32), **{name: np.zeros(0, dtype=np.int32) for name in LABELS},
            **{name: np.zeros(0) for name in (*NUMBERS, *self._more)}}]
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        names = list(self._coders["offer"])
        used, place = np.unique(whole["offer"], return_inverse=True)
        rank = np.empty(len(used), dtype=np.int32)
        rank[sorted(range(len(used)), key=[names[code] for code in used.tolist()].__getitem__)] = np.arange(len(used))
        order = np.lexsort((whole["day"], rank[place.reshape(-1)]))
        bodies: Bodies = {}
        for name in list(whole):
            column = whole.pop(name)[order]
            bodies[name] = (
                dump_labels(column, list(self._coders[name])) if name in self._coders else dump_numbers(column))
        return bodies


def _numbers(body: bytes) -> NDArray[Any]:
    column, least, missing = load_column(body)
    return np.where(column == least, np.nan, column.astype(np.float64)) if missing else column


def pack_list(values: Sequence[str] | None) -> str | None:
    """A list as label."""
    return orjson.dumps(values).decode() if values else None


def _unpack(label: str | None) -> tuple[str, ...]:
    return tuple(orjson.loads(label)) if label else ()


# reading


def is_packed(where: Filter, fields: Sequence[str]) -> bool:
    """Whether packs know all that a scan asks."""
    return not where.crawl and FIELDS.issuperset(fields)


def wanted_columns(where: Filter, fields: Sequence[str]) -> list[str]:
    """The columns that a scan of packs needs."""
    return sorted({"day", "offer", *fields, *_filtered(where)} - {"market"})


def _filtered(where: Filter) -> list[str]:
    names = ("substance", "group", "form", "region", "ships_from", "ships_to", "stash", "kind", "vendor", "listing")
    return [name for name in names if getattr(where, name)]


def iter_coded(
    packs: Iterator[tuple[str, list[Bodies]]], where: Filter, fields: Sequence[str]
) -> Iterator[Coded]:
    """The rows that a filter lets through, one batch a market, each ordered by offer and day. `packs`: markets in order
    with the packs of each by period; these are emptied."""
    for market, periods in packs:
        batch = _read_market(market, periods, where, fields)
        if len(batch.days):
            yield batch


def _read_market(market: str, periods: list[Bodies], where: Filter, fields: Sequence[str]) -> Coded:
    coders: dict[str, dict[Any, int]] = {}
    days: list[NDArray[Any]] = []
    columns: dict[str, list[NDArray[Any]]] = defaultdict(list)
    held = sorted({"offer", *fields} - {"market", "day"})
    for bodies in periods:
        day = load_column(bodies["day"])[0].astype(np.int32)
        fits = np.ones(len(day), dtype=bool)
        for bound, keep in ((where.first, np.greater_equal), (where.last, np.less_equal)):
            if bound is not None:
                fits &= keep(day, int((np.datetime64(bound) - _EPOCH).astype(np.int64)))
        for name in _filtered(where):
            codes, labels, _ = load_column(bodies[name])
            fits &= _those(where, name, labels)[codes]
        rows = None if fits.all() else np.flatnonzero(fits)
        if rows is not None and not len(rows):
            continue
        days.append(day if rows is None else day[rows])
        for name in held:
            column, rest, missing = load_column(bodies[name])
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
    # as both stores order text: by its bytes
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
            codes[name] = (column[order], [_unpack(each) for each in labels] if name in LISTS else labels)
        elif name in NUMBERS:
            numbers[name] = np.concatenate(columns.pop(name))[order]
    return Coded(market, day[order], codes, numbers)


def _those(where: Filter, name: str, labels: Sequence[Any]) -> NDArray[np.bool_]:
    """Which labels a filter lets through."""
    values = getattr(where, name)
    if name == "region":
        below = tuple(f"{value}-" for value in values)
        found = [label is not None and (label in values or label.startswith(below)) for label in labels]
    elif name in LISTS:
        found = [not set(values).isdisjoint(_unpack(label)) for label in labels]
    elif name == "substance":
        found = [("unknown" if label is None else label) in values for label in labels]
    else:
        found = [label in values for label in labels]
    return np.array(found, dtype=bool)


assert set(NUMBERS) | set(LABELS) <= set(field_kinds("offer_day"))
