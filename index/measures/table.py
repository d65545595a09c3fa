"""Columns of the store as compact numbers: labels become small integers, batch by batch, so that memory stays low."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.measures.ask import UNKNOWN, Ask, Series
from index.store import Columns, Filter, RecordName

_LISTS = ("ships_from", "ships_to")
Whole = NDArray[np.int64]


class Coder:
    """Labels to integers in order of first sight."""

    def __init__(self) -> None:
        self.codes: dict[Any, int] = {}

    def encode(self, labels: Iterable[Any]) -> Whole:
        codes = self.codes
        return np.fromiter((codes.setdefault(label, len(codes)) for label in labels), dtype=np.int64)

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


def read_table(
    ask: Ask, where: Filter, *, record: RecordName = "offer_day", identity: str = "offer", numbers: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> Table:
    """Scan a record for a question. `identity` is what `offer` codes stand for (`offer` or `listing`)."""
    series, vendors, offers, markets = Coder(), Coder(), Coder(), Coder()
    parts: list[tuple[Any, ...]] = []
    wanted = ("market", identity, "vendor", "day", *ask.fields, *numbers, *labels)
    for batch in ask.store.scan(record, where, list(dict.fromkeys(wanted))):
        rows = _rows(batch, ask.fields)
        market = batch["market"].tolist()
        parts.append((
            series.encode(_split_labels(batch, ask.fields)) if ask.fields else np.zeros(len(rows), dtype=np.int64),
            vendors.encode(zip(market, batch["vendor"].tolist(), strict=True))[rows],
            offers.encode(zip(market, batch[identity].tolist(), strict=True))[rows],
            markets.encode(market)[rows],
            batch["day"].astype("datetime64[D]")[rows],
            *(np.asarray(batch[name], dtype=np.float64)[rows] for name in numbers),
            *(np.asarray(batch[name], dtype=object)[rows] for name in labels),
        ))
    if not parts:
        empty = np.zeros(0, dtype=np.int64)
        amounts_, words_ = (empty.astype(np.float64) for _ in numbers), (empty.astype(object) for _ in labels)
        parts = [(empty, empty, empty, empty, empty.astype("datetime64[D]"), *amounts_, *words_)]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    amounts = dict(zip(numbers, columns[5 : 5 + len(numbers)], strict=True))
    words = dict(zip(labels, columns[5 + len(numbers) :], strict=True))
    return Table(
        columns[0], series.labels if ask.fields else [()], columns[1], vendors.labels, columns[2], columns[3],
        markets.labels, columns[4], amounts, words,
    )


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


def kinds_of_series(series: Whole, kind: Whole, kinds: int) -> dict[int, list[int]]:
    """For each series code the kinds (of unit, of currency) that it has, the commonest first."""
    pairs, counts = np.unique(series * max(kinds, 1) + kind, return_counts=True)
    found: dict[int, list[tuple[int, int]]] = {}
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        found.setdefault(pair // max(kinds, 1), []).append((-count, pair % max(kinds, 1)))
    return {code: [kind for _, kind in sorted(tally)] for code, tally in found.items()}
