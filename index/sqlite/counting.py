"""Distinct counts from packs: the ready-made ones where they answer the question, else by marking packed sightings."""

from __future__ import annotations

import math
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from index.columns import iso_day
from index.content import sort_groups
from index.ready_counts import Wanted, allowed_of, grouping_of, wanted
from index.sqlite.crawl_packs import Pack, Whole, cell_key, iter_packs, make_packs, unpacked
from index.sqlite.facts_packs import Facts, read_facts
from index.sqlite.rows import unpack
from index.store import Distinct, Filter

Group = tuple[str | None, ...]
Counts = list[tuple[Group, int]]

_KEY = {"listing": "listing_key", "offer": "offer_key", "vendor": "vendor_key"}
_LISTS = ("ships_from", "ships_to")
_LABELLED = ("substance", "group", "form", "market", "stash", "kind", "vendor")
_MOST_NAMED = 100
"""Cells that are looked up one by one rather than found among all of a grouping."""
_REMEMBERED = 4
"""Questions whose pairs are kept: a measure asks the same about one set of crawls after the other."""


@dataclass(frozen=True)
class _Pairs:
    """What each fact adds to a count. A pair is one value of what is counted in one group."""

    flat: NDArray[np.int32]
    """Pairs, fact after fact."""
    start: Whole | None
    """Where the pairs of each fact begin, with the end of the last; None: the one of each fact stands at its id."""
    group: NDArray[np.int32]
    """The group of each pair."""
    countable: NDArray[np.bool_]
    """False: there is no value to count, but the group was seen."""
    labels: list[Group]

    def of(self, facts: NDArray[np.int32]) -> NDArray[np.int32]:
        """Pairs of some facts, -1 for those that the filter leaves out."""
        if self.start is None:
            plain: NDArray[np.int32] = self.flat[facts]
            return plain
        begin = self.start[facts]
        size = self.start[facts + 1] - begin
        ends = np.cumsum(size)
        several: NDArray[np.int32] = self.flat[
            np.repeat(begin - ends + size, size) + np.arange(ends[-1] if len(ends) else 0)]
        return several


class Counter:
    """Counts over one file; keeps what it read of the facts. For one thread at a time."""

    def __init__(self) -> None:
        self.facts: Facts | None = None
        self._pairs: OrderedDict[tuple[object, ...], _Pairs] = OrderedDict()

    def count(
        self, connection: sqlite3.Connection, where: Filter, by: Sequence[str], of: Distinct, version: str
    ) -> Counts:
        """As `Store.count_distinct`. Runs inside the caller's transaction."""
        waiting = unpacked(connection)
        crawls = None if not where.crawl else name_ids(connection, where.crawl)
        if crawls is not None:
            waiting = [crawl for crawl in waiting if crawl in crawls]
        if not waiting:
            ready = _ready_made(connection, where, by, of, version, crawls)
            if ready is not None:
                return sort_groups(ready)
        facts = self.read(connection)
        pairs = self._pairs_of(connection, facts, where, by, of, version)
        live = (pack for crawl in waiting for pack in make_packs(connection, facts, crawl))
        chosen = (pack for pack in live if pack.version == version)
        stored = iter_packs(connection, version, crawls, _ordinal(where, "first"), _ordinal(where, "last"))
        packs = _merged(stored, chosen)
        if by and by[0] == "crawl" and by.count("crawl") == 1 and "day" not in by:
            return _each_crawl(connection, pairs, where, packs)
        return sort_groups(_mark(connection, pairs, where, by, packs))

    def read(self, connection: sqlite3.Connection) -> Facts:
        """The facts of the file as they are now."""
        self.facts = read_facts(connection, self.facts)
        return self.facts

    def _pairs_of(
        self, connection: sqlite3.Connection, facts: Facts, where: Filter, by: Sequence[str], of: Distinct, version: str
    ) -> _Pairs:
        still = where.model_copy(update={"crawl": (), "first": None, "last": None})
        key = (facts.generation, facts.last, still, tuple(by), of, version)
        found = self._pairs.get(key)
        if found is None:
            fits = fitting(connection, facts, still, version)
            found = self._pairs[key] = _build_pairs(facts, np.flatnonzero(fits), by, of)
            while len(self._pairs) > _REMEMBERED:
                self._pairs.popitem(last=False)
        self._pairs.move_to_end(key)
        return found


def _ordinal(where: Filter, end: str) -> int | None:
    day = getattr(where, end)
    return None if day is None else int(day.toordinal())


def name_ids(connection: sqlite3.Connection, names: Sequence[str]) -> set[int]:
    found = (connection.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone() for name in names)
    return {int(row[0]) for row in found if row is not None}


def _merged(stored: Iterator[Pack], live: Iterator[Pack]) -> Iterator[Pack]:
    """By first day, so that a day is through once a pack begins after it."""
    fresh = sorted(live, key=lambda pack: pack.first)
    for pack in stored:
        while fresh and fresh[0].first <= pack.first:
            yield fresh.pop(0)
        yield pack
    yield from fresh


# the ready-made counts


def _ready_made(
    connection: sqlite3.Connection, where: Filter, by: Sequence[str], of: Distinct, version: str,
    crawls: set[int] | None,
) -> Counts | None:
    """Counts by crawl, where a kept grouping holds every field asked about; None where none does."""
    fields = grouping_of(where, by)
    if fields is None:
        return None
    first, last = _ordinal(where, "first"), _ordinal(where, "last")
    allowed = allowed_of(where, fields)
    statement, values = _cells(version, fields, of, allowed, first, last)
    names: dict[int, str] = dict(connection.execute(
        "SELECT id, name FROM names WHERE id IN (SELECT crawl FROM crawl_packs)").fetchall())
    found: dict[Group, int] = {}
    place_of = {"crawl": 0, "market": 1, **{field: place for place, field in enumerate(fields, start=2)}}
    places = [place_of[field] for field in by]
    cells: dict[str, tuple[str | None, ...] | None] = {}
    for crawl, market, begin, end, count, key in connection.execute(statement, values):
        if (where.market and market not in where.market) or (crawls is not None and crawl not in crawls):
            continue
        if (first is not None and begin < first) or (last is not None and end > last):
            return None  # part of a crawl is asked for
        if key not in cells:
            cell = tuple(orjson.loads(key))
            cells[key] = cell if all(
                each is None or value in each for value, each in zip(cell, allowed, strict=True)) else None
        rest = cells[key]
        if rest is not None:
            row = (names[crawl], market, *rest)
            group = tuple([row[place] for place in places])
            # nothing is counted in two markets: those of one crawl add up
            found[group] = found.get(group, 0) + count
    return list(found.items())


def _cells(
    version: str, fields: Sequence[str], of: Distinct, allowed: Sequence[Wanted | None], first: int | None,
    last: int | None,
) -> tuple[str, list[Any]]:
    """The statement for the cells of a grouping; only those asked for, where these can be named."""
    statement = (
        f'SELECT crawl, market, first, last, {of}s, "values" FROM crawl_counts '  # noqa: S608 - one of three words
        "WHERE version = ? AND fields = ? AND last >= ? AND first <= ?")
    values: list[Any] = [
        version, ",".join(fields), first if first is not None else 0, last if last is not None else 4_000_000]
    named = [sorted(each.exact, key=str) for each in allowed if each is not None and not each.below]
    if len(named) == len(fields) and fields and math.prod(map(len, named)) <= _MOST_NAMED:
        keys = [cell_key(cell) for cell in product(*named)]
        statement += f' AND "values" IN ({", ".join("?" * len(keys))})'
        values += keys
    return statement, values


# any count


def fitting(connection: sqlite3.Connection, facts: Facts, where: Filter, version: str) -> NDArray[np.bool_]:
    """Which facts a filter lets through, but for its crawls and dates (row 0 never)."""
    fits = np.ones(facts.size, dtype=bool)
    fits[0] = False
    fits &= _those(facts, "version", {version})
    for field in (*_LABELLED, "region"):
        if getattr(where, field):
            let_through = wanted(where, field)
            fits &= _those(facts, field, {label for label in facts.labels[field] if label in let_through})
    for field in _LISTS:
        if getattr(where, field):
            values = set(getattr(where, field))
            fits &= _those(facts, field, {
                label for label in facts.labels[field] if not values.isdisjoint(unpack(label))})
    if where.listing:
        fits &= np.isin(facts.keys["listing_key"], _listing_keys(connection, facts, where))
    return fits


def _those(facts: Facts, field: str, values: set[str | None]) -> NDArray[np.bool_]:
    fitting = np.array([label in values for label in facts.labels[field]], dtype=bool)
    return fitting[facts.codes[field]] if len(fitting) else np.zeros(facts.size, dtype=bool)


def _listing_keys(connection: sqlite3.Connection, facts: Facts, where: Filter) -> Whole:
    names = [f"{market}\0{listing}" for market in facts.labels["market"] for listing in where.listing]
    return np.array(sorted(name_ids(connection, names)), dtype=np.int64)


def _build_pairs(facts: Facts, rows: Whole, by: Sequence[str], of: Distinct) -> _Pairs:
    fields = [field for field in by if field not in ("crawl", "day")]
    group = np.zeros(len(rows), dtype=np.int64)
    owner = np.arange(len(rows))
    values: list[list[str | None]] = []
    for field in fields:
        codes, labels, times = _labelled(facts, field, rows)
        if times is not None:  # a row under each of its values
            repeat = times[owner]
            starts = np.cumsum(times) - times
            ends = np.cumsum(repeat)
            at = np.repeat(starts[owner] - ends + repeat, repeat) + np.arange(ends[-1] if len(ends) else 0)
            owner, group, codes = np.repeat(owner, repeat), np.repeat(group, repeat), codes[at]
        else:
            codes = codes[owner]
        group = group * max(len(labels), 1) + codes
        values.append(labels)
    groups, place = np.unique(group, return_inverse=True)
    counted = facts.keys[_KEY[of]][rows[owner]].astype(np.int64)
    width = int(counted.max(initial=0)) + 2
    pairs, flat = np.unique(place * width + counted + 1, return_inverse=True)
    of_group, which = np.divmod(pairs, width)
    labels_of = _names(groups, values)
    if len(owner) == len(rows):
        whole = np.full(facts.size, -1, dtype=np.int32)
        whole[rows] = flat
        return _Pairs(whole, None, of_group.astype(np.int32), which > 0, labels_of)
    start = np.zeros(facts.size + 1, dtype=np.int64)
    start[1:] = np.cumsum(np.bincount(rows[owner], minlength=facts.size))
    return _Pairs(flat.astype(np.int32), start, of_group.astype(np.int32), which > 0, labels_of)


def _labelled(facts: Facts, field: str, rows: Whole) -> tuple[Whole, list[str | None], Whole | None]:
    """Codes of the rows, their labels, and how many of the codes each row has (None: one each)."""
    codes = facts.codes[field][rows].astype(np.int64)
    if field not in _LISTS:
        return codes, facts.labels[field], None
    seen: dict[str | None, int] = {}
    each = [
        np.array([seen.setdefault(value, len(seen)) for value in dict.fromkeys(unpack(label)) or (None,)])
        for label in facts.labels[field]]
    sizes = np.array([len(part) for part in each], dtype=np.int64)
    if not len(codes):
        return codes, list(seen), codes
    return np.concatenate([each[code] for code in codes.tolist()]), list(seen), sizes[codes]


def _names(groups: Whole, values: Sequence[list[str | None]]) -> list[Group]:
    names = []
    for code in groups.tolist():
        parts: list[str | None] = []
        rest = code
        for labels in reversed(values):
            rest, own = divmod(rest, max(len(labels), 1))
            parts.append(labels[own])
        names.append(tuple(reversed(parts)))
    return names


def _each_crawl(connection: sqlite3.Connection, pairs: _Pairs, where: Filter, packs: Iterator[Pack]) -> Counts:
    """Counts by crawl, then by the labels: put in order by codes, since there may be a million of them."""
    first, last = _ordinal(where, "first"), _ordinal(where, "last")
    order = sort_groups([(label, code) for code, label in enumerate(pairs.labels)])
    ranked = [label for label, _ in order]
    rank = np.argsort(np.array([code for _, code in order], dtype=np.int64))
    group, width = rank[pairs.group], len(ranked)
    found: dict[int, list[tuple[NDArray[np.int32], NDArray[np.int32]]]] = {}
    for pack in packs:
        if where.market and pack.market not in where.market:
            continue
        for _, part in _by_day(pack, first, last, apart=False):
            seen = np.zeros(len(pairs.group) + 1, dtype=bool)
            seen[pairs.of(part)] = True
            hit = np.flatnonzero(seen[:-1])
            here = np.flatnonzero(np.bincount(group[hit], minlength=width))
            counts = np.bincount(group[hit[pairs.countable[hit]]], minlength=width)[here]
            found.setdefault(pack.crawl, []).append((here.astype(np.int32), counts.astype(np.int32)))
    names = sorted(
        (connection.execute("SELECT name FROM names WHERE id = ?", (crawl,)).fetchone()[0], crawl) for crawl in found)
    answer: Counts = []
    for name, crawl in names:
        parts = found.pop(crawl)
        if len(parts) > 1:  # nothing is counted in two markets: those of one crawl add up
            codes, place = np.unique(np.concatenate([part for part, _ in parts]), return_inverse=True)
            sums = np.bincount(place, np.concatenate([count for _, count in parts]))
            parts = [(codes.astype(np.int32), sums.astype(np.int32))]
        answer += [
            ((name, *ranked[code]), count)
            for code, count in zip(parts[0][0].tolist(), parts[0][1].tolist(), strict=True)]
    return answer


def _mark(
    connection: sqlite3.Connection, pairs: _Pairs, where: Filter, by: Sequence[str], packs: Iterator[Pack]
) -> Counts:
    """Counts over packs: by crawl, by day, by both, or all together."""
    first, last = _ordinal(where, "first"), _ordinal(where, "last")
    by_crawl, by_day = "crawl" in by, "day" in by
    open_days: dict[int | None, NDArray[np.bool_]] = {}
    found: dict[Group, int] = {}
    names: dict[int, str] = {}

    def close(crawl: int | None, day: int | None, seen: NDArray[np.bool_]) -> None:
        hit = np.flatnonzero(seen)
        of = pairs.group[hit]
        present = np.bincount(of, minlength=len(pairs.labels))
        counts = np.bincount(of[pairs.countable[hit]], minlength=len(pairs.labels))
        told = {"crawl": names.get(-1 if crawl is None else crawl), "day": iso_day(day)}
        rest = [place for place, field in enumerate(by) if field not in told]
        for code in np.flatnonzero(present).tolist():
            group = [told.get(field) for field in by]
            for place, value in zip(rest, pairs.labels[code], strict=True):
                group[place] = value
            # nothing is counted in two markets: those of one crawl add up
            found[tuple(group)] = found.get(tuple(group), 0) + int(counts[code])

    for pack in packs:
        if where.market and pack.market not in where.market:
            continue
        if by_crawl and pack.crawl not in names:
            names[pack.crawl] = connection.execute("SELECT name FROM names WHERE id = ?", (pack.crawl,)).fetchone()[0]
        for past in [day for day in open_days if day is not None and day < pack.first]:
            close(None, past, open_days.pop(past))
        for day, part in _by_day(pack, first, last, apart=by_day):
            at = pairs.of(part)
            if by_crawl:
                seen = np.zeros(len(pairs.group) + 1, dtype=bool)
            elif day in open_days:
                seen = open_days[day]
            else:
                seen = open_days[day] = np.zeros(len(pairs.group) + 1, dtype=bool)
            seen[at] = True  # -1 is the place at the end, which nobody counts
            seen[-1] = False
            if by_crawl:
                close(pack.crawl, day, seen)
    for left, marked in open_days.items():
        close(None, left, marked)
    return list(found.items()) or ([((), 0)] if not by else [])


def _by_day(
    pack: Pack, first: int | None, last: int | None, *, apart: bool
) -> Iterator[tuple[int | None, NDArray[np.int32]]]:
    """The facts of a pack on the days asked; with `apart` day by day."""
    low = max(pack.first, pack.first if first is None else first)
    high = min(pack.last, pack.last if last is None else last)
    if low > high:
        return
    if pack.days is None:
        yield (pack.first if apart else None), pack.facts
    elif apart:
        for day in range(low, high + 1):
            part = pack.facts[pack.days == day]
            if len(part):
                yield day, part
    elif low == pack.first and high == pack.last:
        yield None, pack.facts
    else:
        yield None, pack.facts[(pack.days >= low) & (pack.days <= high)]
