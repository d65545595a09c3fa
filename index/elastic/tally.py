"""Distinct things counted over the packs of many crawls."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.content import sort_groups
from index.elastic.packs import (
    LISTS,
    Group,
    Pack,
    Whole,
    count_pairs,
    distinct,
    groups_of,
    hash_of,
    mask_fine,
    renumber,
)
from index.store import Distinct, Filter

_UP = 32
_MOST_PAIRS = 4_000_000
"""Pairs of group and thing that are held before they are brought down to the distinct ones."""


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
        found = np.full(len(hashes), -1, dtype=np.int32)
        inside = np.flatnonzero(places < len(self._hashes))
        inside = inside[self._hashes[places[inside]] == hashes[inside]]
        found[inside] = self._numbers[places[inside]]
        if len(inside) < len(hashes):
            new = np.flatnonzero(found < 0)
            new = new[np.argsort(hashes[new])]
            found[new] = np.arange(len(self._hashes), len(self._hashes) + len(new), dtype=np.int32)
            self._hashes = np.insert(self._hashes, places[new], hashes[new])
            self._numbers = np.insert(self._numbers, places[new], found[new])
        return found


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
            if field in LISTS:  # a row counts under each of its values, or under none
                rows, keys, values, labels = _spread(rows, keys, codes, labels)
            else:
                values = codes[rows]
            keys = keys * max(len(labels), 1) + values
            options.append(labels)
        things, hashes, known = self._identify(pack, rows)
        present, keys = renumber(keys, math.prod(max(len(labels), 1) for labels in options))
        groups = groups_of(present, options)
        keys, things = keys[known], things[known]
        if "crawl" in self._by:  # no other pack has anything to say about these groups
            counts = count_pairs(keys, len(groups), things)
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
        present, places = np.unique(pairs, return_inverse=True)
        hashes = np.array([
            hash_of(markets[pair // size], vendors[pair % size] or "") for pair in present.tolist()], dtype=np.uint64)
        known = np.array([vendors[pair % size] is not None for pair in present.tolist()], dtype=bool)
        return places.reshape(-1), hashes, known[places.reshape(-1)] if len(known) else np.zeros(0, dtype=bool)

    def _fold(self) -> None:
        if self._pairs:
            self._pairs = [distinct(np.concatenate(self._pairs))]
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
