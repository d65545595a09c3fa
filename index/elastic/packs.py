"""Packs: what a crawl's observations are counted by, as one compact record a crawl, so that distinct counts are exact
and need no row of the index.

A pack is derived and never trusted: it holds a mark of every row (32 bits of its content's digest), and is used only
where the number of rows and the sum of their marks, as the cluster counts them now, are those of the pack. Any other is
made anew from the index. Listings, offers and vendors are told apart by 64-bit BLAKE2b: among ten million of them the
odds that any two are taken for one are 3 in a million. Beside the columns stand counts of the commonest groupings
(`index.ready_counts`), under the same marks.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from extract.observation import Observation
from index.content import sort_groups
from index.elastic.documents import Body, mark_of
from index.packed import dump_labels, dump_numbers, dump_whole, load_column
from index.packed_days import pack_list
from index.ready_counts import Wanted, wanted
from index.store import Distinct, Filter

FIELDS = (
    "day", "market", "substance", "group", "form", "region", "stash", "kind", "vendor", "ships_from", "ships_to")
"""What a pack knows of a row, beside its listing, offer and mark."""
SOURCE_FIELDS = [*FIELDS, "listing", "offer", "mark"]
_LISTS = ("ships_from", "ships_to")
Columns = list[list[Any]]
"""Values of FIELDS (lists as tuples), then listing, offer, mark: a list for each, of one length."""
Whole = NDArray[Any]
Group = tuple[str | None, ...]
_MOST_CODES = 10_000
"""Codes up to which a flag for each is quicker than sorting."""
_UP = 32
_MOST_PAIRS = 4_000_000
"""Pairs of group and thing that are held before they are brought down to the distinct ones."""


def columns_of(rows: Sequence[Observation], digests: Iterable[str]) -> Columns:
    """The columns of observations."""
    seen = [row.__dict__ for row in rows]
    columns: Columns = [[row[name] for row in seen] for name in ("day", "market", "substances", *FIELDS[3:])]
    days = {day: day.isoformat() for day in set(columns[0])}
    columns[0] = [days[day] for day in columns[0]]
    columns[2] = [names[0] if names else None for names in columns[2]]
    for place in (6, 7):  # stash and kind: an enum's hash is a slow one
        columns[place] = [value and str(value) for value in columns[place]]
    return [*columns, [row["listing"] for row in seen], [row["offer"] for row in seen], list(map(mark_of, digests))]


def columns_from(sources: Sequence[Body]) -> Columns:
    """The columns of documents."""
    return [
        *([source.get(name) for source in sources] for name in FIELDS[:-2]),
        *([tuple(source.get(name) or ()) for source in sources] for name in _LISTS),
        *([source[name] for source in sources] for name in ("listing", "offer", "mark"))]


def _hash(*parts: str) -> int:
    return int.from_bytes(blake2b("\0".join(parts).encode(), digest_size=8).digest(), "little")


def _narrow(codes: array[int], size: int, rows: Whole | None) -> Whole:
    whole = np.array(codes, dtype=np.uint8 if size <= 256 else np.uint16 if size <= 65_536 else np.uint32)
    return whole if rows is None else whole[rows]


@dataclass(frozen=True)
class Pack:
    """One crawl's rows, or some of their columns. `codes` point into `labels`; `things` are the distinct listings and
    offers as hashes."""

    size: int
    labels: dict[str, list[Any]]
    codes: dict[str, Whole]
    things: dict[str, Whole]
    marks: Whole

    def __len__(self) -> int:
        return self.size

    @property
    def weight(self) -> int:
        """The sum of the marks."""
        return int(self.marks.sum(dtype=np.uint64))


class Growing:
    """A crawl's pack while its rows come in. Only small integers are held of each row."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        """Where the last row of each id stands."""
        self._known: list[dict[Any, int]] = [{} for _ in range(len(FIELDS) + 2)]
        self._codes: list[array[int]] = [array("I") for _ in range(len(FIELDS) + 2)]
        self._marks = array("I")

    def __len__(self) -> int:
        """Distinct rows."""
        return len(self._places)

    def add(self, ids: Sequence[str], columns: Columns) -> None:
        """Rows by their id: a later one takes the place of an earlier one."""
        first = len(self._marks)
        self._places.update(zip(ids, range(first, first + len(ids)), strict=True))
        *values, listings, offers, marks = columns
        markets = values[1]
        every = (*values, zip(markets, listings, strict=True), zip(markets, offers, strict=True))
        for known, codes, column in zip(self._known, self._codes, every, strict=True):
            codes.extend([known.setdefault(value, len(known)) for value in column])
        self._marks.extend(marks)

    def build(self) -> Pack:
        """The pack of what came so far."""
        rows = None if len(self._places) == len(self._marks) else np.array(list(self._places.values()), dtype=np.int64)
        codes: dict[str, Whole] = {}
        for name, known, each in zip((*FIELDS, "listing", "offer"), self._known, self._codes, strict=True):
            codes[name] = _narrow(each, len(known), rows)
        return Pack(
            len(self), {name: list(known) for name, known in zip(FIELDS, self._known, strict=False)}, codes,
            {name: np.array([_hash(*each) for each in known], dtype=np.uint64)
             for name, known in zip(("listing", "offer"), self._known[-2:], strict=True)},
            _narrow(self._marks, 2**32, rows))


def dump_pack(pack: Pack) -> dict[str, bytes]:
    """The columns of a whole pack: fields by name, things and their hashes, marks."""
    columns = {}
    for name, codes in pack.codes.items():
        if name in _LISTS:
            columns[name] = dump_labels(codes, [pack_list(label) for label in pack.labels[name]])
        elif name in FIELDS:
            columns[name] = dump_labels(codes, pack.labels[name])
        else:
            columns[name] = dump_numbers(codes.astype(np.int64))
            columns[f"{name}-hash"] = dump_whole(pack.things[name])
    return columns | {"mark": dump_whole(pack.marks)}


def load_pack(rows: int, columns: Mapping[str, bytes], words: dict[Any, Any] | None = None) -> Pack:
    """The inverse of `dump_pack` for some of its columns. `words`: labels of the packs before, so that equal ones are
    one object."""
    words = {} if words is None else words
    labels: dict[str, list[Any]] = {}
    codes: dict[str, Whole] = {}
    things: dict[str, Whole] = {}
    marks: Whole = np.zeros(0, dtype=np.uint32)
    for name, body in columns.items():
        column, told, _ = load_column(body)
        if name == "mark":
            marks = column
        elif name.endswith("-hash"):
            things[name.removesuffix("-hash")] = column
        else:
            codes[name] = column
            if name in FIELDS:
                whole = [tuple(orjson.loads(each or "[]")) for each in told] if name in _LISTS else told
                labels[name] = [words.setdefault(each, each) for each in whole]
    return Pack(rows, labels, codes, things, marks)


_FINE = ("group", "form", "stash", "kind", "vendor", "substance", "region", *_LISTS)


def columns_for(where: Filter, by: Collection[str], of: Distinct, *, cut: bool) -> list[str]:
    """The columns that a question needs. `cut`: of a crawl only some days, or days of another market, are asked."""
    names = {"market", *(field for field in by if field != "crawl"), *(
        field for field in _FINE if getattr(where, field))}
    names |= {"vendor"} if of == "vendor" else {of, f"{of}-hash"}
    return sorted(names | {"day", "mark"} if cut else names)


COUNTED: tuple[Distinct, ...] = ("listing", "offer", "vendor")


def dump_counts(pack: Pack, fields: Sequence[str]) -> bytes:
    """Distinct listings, offers and vendors for each market and combination of some fields: rows of a JSON array."""
    group = np.zeros(len(pack), dtype=np.int64)
    for field in ("market", *fields):
        group = group * max(len(pack.labels[field]), 1) + pack.codes[field]
    groups, place = np.unique(group, return_inverse=True)
    place = place.reshape(-1)
    counts = []
    for of in COUNTED:
        codes = pack.codes[of].astype(np.int64)
        if of == "vendor":
            known = np.array([label is not None for label in pack.labels[of]], dtype=bool)[codes]
            codes, mine = codes[known], place[known]
        else:
            mine = place
        width = int(codes.max(initial=0)) + 1
        counts.append(np.bincount(np.unique(mine * width + codes) // width, minlength=len(groups)).tolist())
    options = [pack.labels[field] for field in ("market", *fields)]
    cells = [[*_group(code, options), *each] for code, *each in zip(groups.tolist(), *counts, strict=True)]
    return zlib.compress(orjson.dumps(cells), 1)


def load_counts(body: bytes) -> list[list[Any]]:
    """The inverse of `dump_counts`."""
    found: list[list[Any]] = orjson.loads(zlib.decompress(body))
    return found


def _keep(pack: Pack, field: str, good: Iterable[bool]) -> NDArray[np.bool_]:
    return np.fromiter(good, dtype=bool)[pack.codes[field]]


def mask_coarse(pack: Pack, where: Filter) -> NDArray[np.bool_]:
    """Rows within the markets and days of a filter."""
    mask = np.ones(len(pack), dtype=bool)
    if where.market:
        mask &= _keep(pack, "market", (label in where.market for label in pack.labels["market"]))
    first = where.first.isoformat() if where.first else ""
    last = where.last.isoformat() if where.last else "~"
    if "day" in pack.codes and (where.first or where.last):  # read only of a crawl that the days cut
        mask &= _keep(pack, "day", (first <= label <= last for label in pack.labels["day"]))
    return mask


def mask_fine(pack: Pack, where: Filter) -> NDArray[np.bool_]:
    """Rows within all of a filter but its crawls and listings."""
    mask = mask_coarse(pack, where)
    for field in _FINE:
        values = getattr(where, field)
        if not values:
            continue
        if field in _LISTS:
            mask &= _keep(pack, field, (not set(values).isdisjoint(label) for label in pack.labels[field]))
        else:
            let_through: Wanted = wanted(where, field)
            mask &= _keep(pack, field, (label in let_through for label in pack.labels[field]))
    return mask


def agrees(pack: Pack, where: Filter, rows: int, marks: float) -> bool:
    """Whether the pack's rows within the filter's markets and days are those that the cluster counts there."""
    mask = mask_coarse(pack, where)
    return int(mask.sum()) == rows and float(pack.marks[mask].sum(dtype=np.uint64)) == marks


class Numbers:
    """Hashes numbered as they come, for tallies of the same kind of thing."""

    def __init__(self) -> None:
        self._hashes = np.zeros(0, dtype=np.uint64)
        self._numbers = np.zeros(0, dtype=np.int32)
        """Of the hashes, which stand in order."""
        self._of_crawl: dict[str, tuple[int, NDArray[np.int32]]] = {}
        """With a checksum of the hashes: a pack made anew may have them in another order."""

    def of_crawl(self, crawl: str, hashes: Whole) -> Whole:
        """The numbers of all that a crawl's pack holds, looked up once."""
        check = zlib.crc32(hashes.tobytes())
        known = self._of_crawl.get(crawl)
        if known is None or known[0] != check or len(known[1]) != len(hashes):
            known = self._of_crawl[crawl] = check, self.of(hashes)
        return known[1]

    def of(self, hashes: Whole) -> Whole:
        """The numbers of distinct hashes."""
        places = np.searchsorted(self._hashes, hashes)
        there = np.zeros(len(hashes), dtype=bool)
        inside = np.flatnonzero(places < len(self._hashes))
        there[inside] = self._hashes[places[inside]] == hashes[inside]
        if not there.all():
            new = np.sort(hashes[~there])
            at = np.searchsorted(self._hashes, new)
            fresh = np.arange(len(self._hashes), len(self._hashes) + len(new), dtype=np.int32)
            self._hashes, self._numbers = np.insert(self._hashes, at, new), np.insert(self._numbers, at, fresh)
            places = np.searchsorted(self._hashes, hashes)
        return self._numbers[places]


class Tally:
    """Distinct things by group over many packs."""

    def __init__(self, where: Filter, by: Sequence[str], of: Distinct, numbers: Numbers) -> None:
        self._where, self._by, self._of, self._things = where, by, of, numbers
        self._numbers: dict[Group, int] = {}
        self._counts: list[tuple[Group, int]] = []
        self._in_order, self._last = True, ""
        self._pairs: list[Whole] = []
        """The number of a group, 32 bits up, and that of a thing seen in it."""
        self._held = 0

    def add(self, crawl: str, pack: Pack) -> None:
        """Counts a crawl's rows. Crawls that come in order need not be sorted at the end."""
        self._in_order, self._last = self._in_order and crawl > self._last, crawl
        rows = np.flatnonzero(mask_fine(pack, self._where))
        if not len(rows):
            return
        keys = np.zeros(len(rows), dtype=np.int64)
        options: list[list[Any]] = []
        for field in self._by:
            if field == "crawl":
                options.append([crawl])
                continue
            codes, labels = pack.codes[field].astype(np.int64), pack.labels[field]
            if field in _LISTS:  # a row counts under each of its values, or under none
                rows, keys, values, labels = _spread(rows, keys, codes, labels)
            else:
                values = codes[rows]
            keys = keys * max(len(labels), 1) + values
            options.append(labels)
        things, hashes, known = self._identify(pack, rows)
        present, keys = _renumber(keys, math.prod(max(len(labels), 1) for labels in options))
        groups = [_group(key, options) for key in present.tolist()]
        keys, things = keys[known], things[known]
        if "crawl" in self._by:  # no other pack has anything to say about these groups
            owners = _distinct(keys << _UP | things) >> _UP
            counts = np.bincount(owners, minlength=len(groups)).tolist()
            self._counts += sort_groups(list(zip(groups, counts, strict=True)))
            return
        numbers = np.array(
            [self._numbers.setdefault(group, len(self._numbers)) for group in groups], dtype=np.int64)
        mine = self._things.of(hashes) if self._of == "vendor" else self._things.of_crawl(crawl, hashes)
        self._pairs.append(numbers[keys] << _UP | mine[things])
        self._held += len(keys)
        if self._held > _MOST_PAIRS:
            self._fold()

    def _identify(self, pack: Pack, rows: Whole) -> tuple[Whole, Whole, NDArray[np.bool_]]:
        """For rows: code of the thing, the hashes that the codes point to, and whether there is a thing at all."""
        if self._of != "vendor":
            return pack.codes[self._of].astype(np.int64)[rows], pack.things[self._of], np.ones(len(rows), dtype=bool)
        vendors, markets = pack.labels["vendor"], pack.labels["market"]
        size = max(len(vendors), 1)
        pairs = (pack.codes["market"].astype(np.int64) * size + pack.codes["vendor"])[rows]
        distinct, places = np.unique(pairs, return_inverse=True)
        hashes = np.array([
            _hash(markets[pair // size], vendors[pair % size] or "") for pair in distinct.tolist()], dtype=np.uint64)
        known = np.array([vendors[pair % size] is not None for pair in distinct.tolist()], dtype=bool)
        return places.reshape(-1), hashes, known[places.reshape(-1)] if len(known) else np.zeros(0, dtype=bool)

    def _fold(self) -> None:
        if self._pairs:
            self._pairs = [_distinct(np.concatenate(self._pairs))]
            self._held = len(self._pairs[0])

    def result(self) -> list[tuple[Group, int]]:
        """Counts by group, sorted; also groups that have rows but nothing to count."""
        self._fold()
        if self._in_order and self._by and self._by[0] == "crawl":
            return self._counts
        found = self._counts
        if self._numbers:
            counts = np.bincount(self._pairs[0] >> _UP, minlength=len(self._numbers))
            found = list(zip(self._numbers, counts.tolist(), strict=True))
        return sort_groups(found)


def _distinct(numbers: Whole) -> Whole:
    """The distinct ones, ascending. numpy's own `unique` goes by a hash table, which is slower for so few."""
    ordered = np.sort(numbers)
    new = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    found: Whole = ordered[new]
    return found


def _renumber(codes: Whole, size: int) -> tuple[Whole, Whole]:
    """The distinct ones of codes below a size, ascending, and each code's place among them."""
    if size > _MOST_CODES:
        present = _distinct(codes)
        return present, np.searchsorted(present, codes)
    there = np.zeros(size, dtype=bool)
    there[codes] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[codes]


def _spread(rows: Whole, keys: Whole, codes: Whole, labels: Sequence[tuple[str, ...]]) -> tuple[
    Whole, Whole, Whole, list[str | None]
]:
    known: dict[str | None, int] = {}
    lists = [[known.setdefault(value, len(known)) for value in dict.fromkeys(label or (None,))] for label in labels]
    sizes = np.array([len(each) for each in lists], dtype=np.int64)
    flat = np.array([value for each in lists for value in each], dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(sizes)))[:-1]
    mine = codes[rows]
    times = sizes[mine]
    within = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
    values = flat[np.repeat(starts[mine], times) + within]
    return np.repeat(rows, times), np.repeat(keys, times), values, list(known)


def _group(key: int, options: Sequence[Sequence[Any]]) -> Group:
    found = []
    for labels in reversed(options):
        key, place = divmod(key, max(len(labels), 1))
        found.append(labels[place])
    return tuple(reversed(found))
