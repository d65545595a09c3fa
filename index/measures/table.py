"""Columns of the store as compact numbers: labels become small integers, batch by batch, so that memory stays low."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.coded import Coded, CodedStore
from index.measures.ask import UNKNOWN, Ask, Series
from index.store import Columns, Filter, RecordName

_LISTS = ("ships_from", "ships_to")
Whole = NDArray[np.int64]
PIECE = 200_000
"""Rows of a piece of a table."""


class Coder:
    """Labels to integers in order of first sight."""

    def __init__(self) -> None:
        self.codes: dict[Any, int] = {}

    def encode(self, labels: Iterable[Any]) -> Whole:
        codes = self.codes
        return np.fromiter((codes.setdefault(label, len(codes)) for label in labels), dtype=np.int64)

    def encode_codes(self, codes: NDArray[Any], label: Callable[[int], Any]) -> NDArray[np.int32]:
        """`encode` of the labels behind small codes, the same integers without a look at every row."""
        first = np.full(int(codes.max(initial=-1)) + 1, -1, dtype=np.int64)
        first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
        place = np.zeros(len(first), dtype=np.int32)
        used = np.flatnonzero(first >= 0)
        for code in used[np.argsort(first[used])].tolist():
            place[code] = self.codes.setdefault(label(code), len(self.codes))
        found: NDArray[np.int32] = place[codes]
        return found

    @property
    def labels(self) -> list[Any]:
        return list(self.codes)


@dataclass(frozen=True)
class Table:
    """Rows of one question. Arrays are of equal length; codes point into the lists of labels beside them.

    An offer that ships from two places stands in the table once for each where the question is split by that.
    """

    series: Whole
    series_labels: list[Series]
    """One label a code: the values of the split fields."""
    vendor: Whole
    vendor_labels: list[tuple[str, str | None]]
    """(market, pseudonym or None)."""
    offer: Whole
    """Code of (market, offer)."""
    market: Whole
    market_labels: list[str]
    days: NDArray[np.datetime64]
    numbers: dict[str, NDArray[np.float64]]
    labels: dict[str, NDArray[np.object_]]

    def __len__(self) -> int:
        return len(self.series)

    def vendor_keys(self) -> list[str]:
        """What the bootstrap knows a seller by."""
        return [f"{market}\0{vendor or ''}" for market, vendor in self.vendor_labels]

    def vendor_known(self) -> NDArray[np.bool_]:
        return np.array([vendor is not None for _, vendor in self.vendor_labels], dtype=bool)

    def take(self, rows: NDArray[Any]) -> Table:
        """The rows at some positions (or where a mask is true)."""
        return Table(
            self.series[rows], self.series_labels, self.vendor[rows], self.vendor_labels, self.offer[rows],
            self.market[rows], self.market_labels, self.days[rows],
            {name: column[rows] for name, column in self.numbers.items()},
            {name: column[rows] for name, column in self.labels.items()},
        )


class Coders:
    """The codes that several tables of one question share: each has the labels of all before it."""

    def __init__(self) -> None:
        self.series, self.vendors, self.identities, self.markets = Coder(), Coder(), Coder(), Coder()
        self._words: dict[Any, Any] = {}

    def shared(self, cells: Iterable[Any]) -> NDArray[np.object_]:
        """The cells with equal ones as one object: a store makes a new text for every row."""
        words = self._words
        found = [words.setdefault(cell, cell) for cell in cells]
        column = np.empty(len(found), dtype=object)
        column[:] = found
        return column


def read_table(
    ask: Ask, where: Filter, *, record: RecordName = "offer_day", identity: str = "offer", numbers: Sequence[str] = (),
    labels: Sequence[str] = (), coders: Coders | None = None,
) -> Table:
    """Scan a record for a question. `identity` is what `offer` codes stand for (`offer` or `listing`)."""
    coders = coders or Coders()
    parts = list(_parts(ask, where, record, identity, numbers, labels, coders))
    return _build(parts, ask, numbers, labels, coders)


def iter_tables(
    ask: Ask, where: Filter, *, record: RecordName = "offer_day", numbers: Sequence[str] = (),
    labels: Sequence[str] = (), coders: Coders | None = None,
) -> Iterator[Table]:
    """The same table in pieces of about `PIECE` rows, no offer in two of them; codes are the same in all. At least one.
    For what is known of each offer alone: memory does not grow with the number of rows."""
    coders = coders or Coders()
    held: list[list[Any]] = []
    rows = 0
    for part in _parts(ask, where, record, "offer", numbers, labels, coders):
        held.append(part)
        rows += len(part[0])
        if rows >= PIECE:
            # the last offer may go on in the next batch
            last = part[2][-1]
            cut = int(np.argmax(part[2] == last))
            if cut:
                held[-1] = [column[:cut] for column in part]
                yield _build(held, ask, numbers, labels, coders)
                held = [[column[cut:] for column in part]]
                rows = len(held[0][0])
    yield _build(held, ask, numbers, labels, coders)


def iter_markets(ask: Ask) -> Iterator[Filter]:
    """The question's filter for each market alone: nothing that is followed over time lies in two of them."""
    # by crawl: stores keep such counts, while one over all crawls has to go through everything
    counts = ask.store.count_distinct(Filter(market=ask.where.market), ("crawl", "market"), "offer")
    known = {str(key[1]) for key, _ in counts}
    markets = sorted(known | set(ask.panel.markets))
    yield from (ask.narrowed(market=(market,)) for market in markets)
    if not markets:
        yield ask.where


def _parts(
    ask: Ask, where: Filter, record: RecordName, identity: str, numbers: Sequence[str], labels: Sequence[str],
    coders: Coders,
) -> Iterator[list[Any]]:
    """Columns batch by batch: series, vendor, identity, market, day, then the numbers and the labels."""
    wanted = list(dict.fromkeys(("market", identity, "vendor", "day", *ask.fields, *numbers, *labels)))
    if record == "offer_day" and isinstance(ask.store, CodedStore) and not set(_LISTS).intersection(ask.fields):
        coded = ask.store.scan_coded(where, [*wanted, "offer"])
        if coded is not None:
            for one in coded:
                yield from _coded_parts(one, ask, identity, numbers, labels, coders)
            return
    for batch in ask.store.scan(record, where, wanted):
        rows = _rows(batch, ask.fields)
        market = batch["market"].tolist()
        series = (
            coders.series.encode(_split_labels(batch, ask.fields)) if ask.fields
            else np.zeros(len(rows), dtype=np.int64))
        codes = [
            series, coders.vendors.encode(zip(market, batch["vendor"].tolist(), strict=True))[rows],
            coders.identities.encode(zip(market, batch[identity].tolist(), strict=True))[rows],
            coders.markets.encode(market)[rows]]
        yield [
            *(column.astype(np.int32) for column in codes), batch["day"].astype("datetime64[D]")[rows],
            *(np.asarray(batch[name], dtype=np.float64)[rows] for name in numbers),
            *(coders.shared(batch[name].tolist())[rows] for name in labels)]


def _coded_parts(
    batch: Coded, ask: Ask, identity: str, numbers: Sequence[str], labels: Sequence[str], coders: Coders
) -> Iterator[list[Any]]:
    """The same from codes: the same integers, in pieces that begin where the offers do not matter."""
    market = batch.market
    series = np.zeros(len(batch.days), dtype=np.int32)
    if ask.fields:
        joint, names = _joint(batch, ask.fields)
        series = coders.series.encode_codes(joint, names)
        del joint
    vendor, vendors = batch.codes["vendor"]
    held, known = batch.codes[identity]
    seller = coders.vendors.encode_codes(vendor, lambda code: (market, vendors[code]))
    thing = coders.identities.encode_codes(held, lambda code: (market, known[code]))
    number = int(coders.markets.encode([market])[0])
    words = {}
    for name in labels:
        words[name] = np.empty(len(batch.codes[name][1]), dtype=object)
        words[name][:] = coders.shared(batch.codes[name][1])
    for start in range(0, len(batch.days), PIECE):
        rows = slice(start, start + PIECE)
        yield [
            series[rows], seller[rows], thing[rows], np.full(len(series[rows]), number, dtype=np.int32),
            batch.days[rows].astype("datetime64[D]"),
            *(batch.numbers[name][rows].astype(np.float64) for name in numbers),
            *(words[name][batch.codes[name][0][rows]] for name in labels)]


def _joint(batch: Coded, fields: Sequence[str]) -> tuple[Whole, Callable[[int], Series]]:
    """One code for the values of all split fields of each row, and what it stands for."""
    joint = np.zeros(len(batch.days), dtype=np.int64)
    values: list[Sequence[str | None]] = []
    for field in fields:
        if field == "market":
            values.append([batch.market])
            continue
        codes, labels = batch.codes[field]
        joint = joint * max(len(labels), 1) + codes
        values.append(name_labels(field, labels))
    used, joint = np.unique(joint, return_inverse=True)

    def names(code: int) -> Series:
        rest, found = int(used[code]), []
        for labels in reversed(values):
            rest, own = divmod(rest, max(len(labels), 1))
            found.append(labels[own])
        return tuple(reversed(found))

    return joint, names


def _build(
    parts: list[list[Any]], ask: Ask, numbers: Sequence[str], labels: Sequence[str], coders: Coders
) -> Table:
    """Joins parts into a table, column by column, and lets go of each on the way."""
    kinds = ["<i4"] * 4 + ["datetime64[D]"] + ["<f8"] * len(numbers) + ["O"] * len(labels)
    columns: list[Any] = []
    for place, kind in enumerate(kinds):
        pieces = [part[place] for part in parts]
        for part in parts:
            part[place] = None
        joined = np.concatenate(pieces) if pieces else np.zeros(0, dtype=kind)
        columns.append(joined.astype(np.int64) if kind == "<i4" else joined)
    return Table(
        columns[0], coders.series.labels if ask.fields else [()], columns[1], coders.vendors.labels, columns[2],
        columns[3], coders.markets.labels, columns[4],
        dict(zip(numbers, columns[5 : 5 + len(numbers)], strict=True)),
        dict(zip(labels, columns[5 + len(numbers) :], strict=True)))


def _rows(batch: Columns, fields: Sequence[str]) -> Whole:
    """Positions of the batch's rows, each as often as its split lists have values (once where a list is empty)."""
    times = np.ones(len(batch["market"]), dtype=np.int64)
    for field in fields:
        if field in _LISTS:
            # with two lists a row stands once for every pair
            times *= np.array([len(_values(cell)) for cell in batch[field]], dtype=np.int64)
    return np.repeat(np.arange(len(times)), times)


def _split_labels(batch: Columns, fields: Sequence[str]) -> Iterable[Series]:
    """Series of each row, a row with several values in a list once for each; in the order of `_rows`."""
    if not any(field in _LISTS for field in fields):
        return zip(*(name_labels(field, batch[field].tolist()) for field in fields), strict=True)
    found: list[Series] = []
    for row in range(len(batch["market"])):
        keys: list[Series] = [()]
        for field in fields:
            cell = batch[field][row]
            options = _values(cell) if field in _LISTS else name_labels(field, [cell])
            keys = [(*key, option) for key in keys for option in options]
        found += keys
    return found


def name_labels(field: str, labels: Sequence[Any]) -> Sequence[str | None]:
    """A missing main substance is called `unknown`; other missing labels stay None."""
    return [label or UNKNOWN for label in labels] if field == "substance" else labels


def _values(cell: Any) -> tuple[str | None, ...]:
    """Values of a list field, each once; (None,) where it is empty."""
    return tuple(dict.fromkeys(cell)) if cell else (None,)


def kinds_of_series(series: Whole, kind: Whole, kinds: int, times: Whole | None = None) -> dict[int, list[int]]:
    """For each series code the kinds (of unit, of currency) that it has, the commonest first. `times`: how often each
    pair stands (None: once)."""
    pairs, where = np.unique(series * max(kinds, 1) + kind, return_inverse=True)
    counts = np.bincount(where, times, len(pairs)).astype(np.int64)
    found: dict[int, list[tuple[int, int]]] = {}
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        found.setdefault(pair // max(kinds, 1), []).append((-count, pair % max(kinds, 1)))
    return {code: [kind for _, kind in sorted(tally)] for code, tally in found.items()}
