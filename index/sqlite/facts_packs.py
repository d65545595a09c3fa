"""The facts of the file as columns of small integers: what counting needs of them, without reading a row.

`facts_packs` holds blocks of them, derived from `facts` and rebuilt by `rebuild`. A fact never changes; the blocks end
where the last packing did, and what came later is read from the table itself. Where facts are deleted the blocks are
made anew in the same transaction, so that nothing forgotten stays in them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

Codes = NDArray[np.int32]

LABELS = (
    "market", "version", "vendor", "substance", "group", "form", "region", "stash", "kind", "ships_from", "ships_to")
"""Fields kept as codes of their values; the lists as the JSON text of the row."""
COUNTED = ("listing_key", "offer_key", "vendor_key")
"""Fields kept as they are: ids of `names`; -1 where there is no vendor."""
KEYS = (*COUNTED, "text")
BLOCK = 4096
_GENERATION = "facts_generation"
_SELECT = "SELECT id, listing_key, offer_key, COALESCE(vendor_key, -1), text, " + ", ".join(
    f'"{name}"' for name in LABELS)


@dataclass(frozen=True)
class Facts:
    """Columns by the id of the fact (row 0 and the rows of deleted facts mean nothing)."""

    generation: int
    last: int
    keys: dict[str, Codes]
    codes: dict[str, Codes]
    labels: dict[str, list[str | None]]
    """The values behind the codes of a field."""

    @property
    def size(self) -> int:
        return self.last + 1


_EMPTY = Facts(
    -1, 0, {name: np.zeros(1, dtype=np.int32) for name in KEYS},
    {name: np.zeros(1, dtype=np.int32) for name in LABELS}, {name: [] for name in LABELS})


def read_facts(connection: sqlite3.Connection, known: Facts | None = None) -> Facts:
    """All facts, inside the caller's transaction; `known`, read before, is only added to where it still holds."""
    generation = _generation(connection)
    facts = known if known is not None and known.generation == generation else _EMPTY
    blocks = [
        _unpack(body) for (body,) in connection.execute(
            "SELECT body FROM facts_packs WHERE last > ? ORDER BY first", (facts.last,))]
    packed = max([int(block[0][-1]) for block in blocks], default=facts.last)
    rows = connection.execute(f"{_SELECT} FROM facts WHERE id > ? ORDER BY id", (packed,)).fetchall()
    blocks += [_columns(rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK)]
    return _extended(facts, generation, blocks)


_Block = tuple[Codes, dict[str, Codes], dict[str, Codes], dict[str, list[str | None]]]
"""Ids, keys, codes, and the labels behind the block's own codes."""


def _extended(facts: Facts, generation: int, blocks: Sequence[_Block]) -> Facts:
    if not blocks:
        return facts if facts.generation == generation else Facts(
            generation, facts.last, facts.keys, facts.codes, facts.labels)
    last = int(blocks[-1][0][-1])
    keys = {name: _grown(column, last + 1) for name, column in facts.keys.items()}
    codes = {name: _grown(column, last + 1) for name, column in facts.codes.items()}
    labels = {name: list(values) for name, values in facts.labels.items()}
    known = {name: {value: code for code, value in enumerate(values)} for name, values in labels.items()}
    for ids, own_keys, own_codes, own_labels in blocks:
        for name in KEYS:
            keys[name][ids] = own_keys[name]
        for name in LABELS:
            seen = known[name]
            places = np.array([seen.setdefault(value, len(seen)) for value in own_labels[name]], dtype=np.int32)
            codes[name][ids] = places[own_codes[name]]
    return Facts(generation, last, keys, codes, {name: list(seen) for name, seen in known.items()})


def _grown(column: Codes, size: int) -> Codes:
    grown = np.zeros(size, dtype=np.int32)
    grown[: len(column)] = column
    return grown


def _columns(rows: Sequence[tuple[Any, ...]]) -> _Block:
    columns = list(zip(*rows, strict=True))
    ids, *keys = (np.array(column, dtype=np.int32) for column in columns[: 1 + len(KEYS)])
    codes, labels = {}, {}
    for name, column in zip(LABELS, columns[1 + len(KEYS) :], strict=True):
        seen: dict[str | None, int] = {}
        codes[name] = np.array([seen.setdefault(value, len(seen)) for value in column], dtype=np.int32)
        labels[name] = list(seen)
    return ids, dict(zip(KEYS, keys, strict=True)), codes, labels


def _pack(block: _Block) -> bytes:
    ids, keys, codes, labels = block
    head = orjson.dumps([len(ids), [labels[name] for name in LABELS]])
    columns = [ids, *(keys[name] for name in KEYS), *(codes[name] for name in LABELS)]
    return len(head).to_bytes(4, "little") + head + b"".join(column.astype("<i4").tobytes() for column in columns)


def _unpack(body: bytes) -> _Block:
    size = int.from_bytes(body[:4], "little")
    rows, labels = orjson.loads(body[4 : 4 + size])
    columns = np.frombuffer(body, dtype="<i4", offset=4 + size).reshape(-1, rows)
    split = 1 + len(KEYS)
    return (
        columns[0], dict(zip(KEYS, columns[1:split], strict=True)), dict(zip(LABELS, columns[split:], strict=True)),
        dict(zip(LABELS, labels, strict=True)))


def _generation(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (_GENERATION,)).fetchone()
    return 0 if row is None else int(row[0])


def pack_new(connection: sqlite3.Connection) -> None:
    """Packs the facts that came since the last packing; the last block is filled up first."""
    row = connection.execute("SELECT first, last, size FROM facts_packs ORDER BY first DESC LIMIT 1").fetchone()
    after = 0
    if row is not None:
        first, last, size = row
        if connection.execute("SELECT 1 FROM facts WHERE id > ? LIMIT 1", (last,)).fetchone() is None:
            return
        after = first - 1 if size < BLOCK else last
        if size < BLOCK:
            connection.execute("DELETE FROM facts_packs WHERE first = ?", (first,))
    cursor = connection.execute(f"{_SELECT} FROM facts WHERE id > ? ORDER BY id", (after,))
    connection.executemany("INSERT INTO facts_packs VALUES (?, ?, ?, ?)", _packed(cursor))


def _packed(cursor: sqlite3.Cursor) -> Iterable[tuple[int, int, int, bytes]]:
    while rows := cursor.fetchmany(BLOCK):
        block = _columns(rows)
        yield int(block[0][0]), int(block[0][-1]), len(rows), _pack(block)


def rebuild(connection: sqlite3.Connection) -> None:
    """All blocks anew; what readers hold of them in memory is void from then on."""
    connection.execute("DELETE FROM facts_packs")
    connection.execute(
        "INSERT INTO meta VALUES (?, '1') ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1",
        (_GENERATION,))
    pack_new(connection)
