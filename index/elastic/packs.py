"""Packs: what a crawl's observations are counted by, as one compact record a crawl, so that distinct counts are exact
and need no row of the index.

A pack is derived and never trusted: it holds a mark of every row (32 bits of its content's digest), and is used only
where the number of rows and the sum of their marks, as the cluster counts them now, are those of the pack. Any other is
made anew from the index. Listings, offers and vendors are told apart by 64-bit BLAKE2b: among ten million of them the
odds that any two are taken for one are 3 in a million. Beside the columns stand counts of the commonest groupings
(`index.ready_counts`), under the same marks.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from extract.observation import Observation
from index.elastic.documents import Body, mark_of
from index.packed import dump_labels, dump_numbers, dump_whole, load_column
from index.packed_days import pack_list
from index.ready_counts import Wanted, wanted
from index.store import Distinct, Filter

FIELDS = (
    "day", "market", "substance", "group", "form", "region", "stash", "kind", "vendor", "ships_from", "ships_to")
"""What a pack knows of a row, beside its listing, offer and mark."""
SOURCE_FIELDS = [*FIELDS, "listing", "offer", "mark"]
LISTS = ("ships_from", "ships_to")
Columns = list[list[Any]]
"""Values of FIELDS (lists as tuples), then listing, offer, mark: a list for each, of one length."""
Whole = NDArray[Any]
Group = tuple[str | None, ...]
_FEW_CODES = 10_000
"""Codes up to which a flag for each is quicker than sorting."""
_FEW_CELLS = 2_000_000
"""The same for pairs of group and thing."""


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
        *([tuple(source.get(name) or ()) for source in sources] for name in LISTS),
        *([source[name] for source in sources] for name in ("listing", "offer", "mark"))]


@lru_cache(maxsize=65_536)  # the next crawl has mostly the same
def hash_of(*parts: str) -> int:
    """64 bits that tell a market's listing, offer or vendor from any other."""
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
            {name: np.array([hash_of(*each) for each in known], dtype=np.uint64)
             for name, known in zip(("listing", "offer"), self._known[-2:], strict=True)},
            _narrow(self._marks, 2**32, rows))


def dump_pack(pack: Pack) -> dict[str, bytes]:
    """The columns of a whole pack: fields by name, things and their hashes, marks."""
    columns = {}
    for name, codes in pack.codes.items():
        if name in LISTS:
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
                whole = [tuple(orjson.loads(each or "[]")) for each in told] if name in LISTS else told
                labels[name] = [words.setdefault(each, each) for each in whole]
    return Pack(rows, labels, codes, things, marks)


_FINE = ("group", "form", "stash", "kind", "vendor", "substance", "region", *LISTS)


def columns_for(where: Filter, by: Collection[str], of: Distinct, *, cut: bool) -> list[str]:
    """The columns that a question needs. `cut`: of a crawl only some days, or days of another market, are asked."""
    names = {"market", *(field for field in by if field != "crawl"), *(
        field for field in _FINE if getattr(where, field))}
    names |= {"vendor"} if of == "vendor" else {of, f"{of}-hash"}
    return sorted(names | {"day", "mark"} if cut else names)


COUNTED: tuple[Distinct, ...] = ("listing", "offer", "vendor")


def dump_counts(pack: Pack, fields: Sequence[str]) -> bytes:
    """Distinct listings, offers and vendors for each market and combination of some fields: rows of a JSON array."""
    group, size = np.zeros(len(pack), dtype=np.int64), 1
    for field in ("market", *fields):
        group = group * max(len(pack.labels[field]), 1) + pack.codes[field]
        size *= max(len(pack.labels[field]), 1)
    groups, place = renumber(group, size)
    counts = []
    for of in COUNTED:
        codes = pack.codes[of].astype(np.int64)
        if of == "vendor":
            known = np.array([label is not None for label in pack.labels[of]], dtype=bool)[codes]
            codes, mine = codes[known], place[known]
        else:
            mine = place
        counts.append(count_pairs(mine, len(groups), codes))
    options = [pack.labels[field] for field in ("market", *fields)]
    cells = [[*group, *each] for group, *each in zip(groups_of(groups, options), *counts, strict=True)]
    return zlib.compress(orjson.dumps(cells), 1)


def count_pairs(groups: Whole, size: int, things: Whole) -> list[int]:
    """Distinct things of each of so many groups."""
    width = int(things.max(initial=0)) + 1
    if size * width > _FEW_CELLS:
        counts = np.bincount(distinct(groups * width + things) // width, minlength=size)
    else:
        there = np.zeros((size, width), dtype=bool)
        there[groups, things] = True
        counts = there.sum(axis=1)
    found: list[int] = counts.tolist()
    return found


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
        if field in LISTS:
            mask &= _keep(pack, field, (not set(values).isdisjoint(label) for label in pack.labels[field]))
        else:
            let_through: Wanted = wanted(where, field)
            mask &= _keep(pack, field, (label in let_through for label in pack.labels[field]))
    return mask


def agrees(pack: Pack, where: Filter, rows: int, marks: float) -> bool:
    """Whether the pack's rows within the filter's markets and days are those that the cluster counts there."""
    mask = mask_coarse(pack, where)
    return int(mask.sum()) == rows and float(pack.marks[mask].sum(dtype=np.uint64)) == marks


def groups_of(codes: Whole, options: Sequence[Sequence[Any]]) -> list[Group]:
    """The labels behind codes of several fields together."""
    columns: list[list[Any]] = []
    for labels in reversed(options):
        codes, places = np.divmod(codes, max(len(labels), 1))
        columns.append([labels[place] for place in places.tolist()])
    return list(zip(*reversed(columns), strict=True)) if columns else [()] * len(codes)


def distinct(numbers: Whole) -> Whole:
    """The distinct ones, ascending. numpy's own `unique` goes by a hash table, which is slower for so few."""
    ordered = np.sort(numbers)
    new = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    found: Whole = ordered[new]
    return found


def renumber(codes: Whole, size: int) -> tuple[Whole, Whole]:
    """The distinct ones of codes below a size, ascending, and each code's place among them."""
    if size > _FEW_CODES:
        present = distinct(codes)
        return present, np.searchsorted(present, codes)
    there = np.zeros(size, dtype=bool)
    there[codes] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[codes]
