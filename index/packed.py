"""One column of a pack as bytes: small integers, compressed, with what they stand for."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

_KINDS = ("<i1", "<i2", "<i4", "<u4", "<i8")


def dump_labels(codes: NDArray[Any], labels: Sequence[Any]) -> bytes:
    """A column of codes. Only the labels that are used are kept."""
    used, codes = np.unique(codes, return_inverse=True)
    return _dump(codes.reshape(-1), False, [labels[code] for code in used.tolist()])


def dump_numbers(column: NDArray[Any]) -> bytes:
    """A column of numbers, NaN where one is missing."""
    known = column[np.isfinite(column)] if column.dtype.kind == "f" else column
    missing = len(known) < len(column)
    if not np.array_equal(known, np.floor(known)) or (len(known) and np.abs(known).max() >= 2**53):
        return _dump(column.astype(np.float64), False, None)
    # whole numbers, the missing ones as one less than the least
    least = int(known.min()) if len(known) else 0
    if missing:
        column = np.where(np.isfinite(column), column, least - 1)
    return _dump(column.astype(np.int64), missing, least - 1 if missing else None)


def dump_whole(column: NDArray[Any]) -> bytes:
    """A column of integers of any size, as they are."""
    return _dump(column, False, None, narrow=False)


def _dump(column: NDArray[Any], missing: bool, rest: Any, *, narrow: bool = True) -> bytes:
    if narrow and column.dtype != np.float64:
        low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
        column = column.astype(next(
            kind for kind in _KINDS if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max))
    told = orjson.dumps([len(column), column.dtype.newbyteorder("<").str, missing, rest])
    return len(told).to_bytes(4, "little") + told + zlib.compress(column.tobytes(), 1)


def load_column(body: bytes) -> tuple[NDArray[Any], Any, bool]:
    """The column, its labels (or what stands for a missing number), and whether numbers are missing."""
    size = int.from_bytes(body[:4], "little")
    _, kind, missing, rest = orjson.loads(body[4 : 4 + size])
    return np.frombuffer(zlib.decompress(body[4 + size :]), dtype=kind), rest, missing
