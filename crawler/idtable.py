"""A small table from texts to whole numbers for very many short texts: 16 to 48 bytes each, whatever their length.

A crawl remembers each listing it has met; with Python's own dictionaries and sets that was some 600 bytes a listing,
and the memory of a crawl grew with it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

_BITS = 2**64 - 1
_FIRST = 8


class IdTable:
    """Numbers from 0 to 2^64 - 1 by text. Kept are the texts' hashes (64 bits, keyed by the process: nobody outside can
    make two meet): two of a million texts are taken for one another with a probability of 3e-8."""

    def __init__(self) -> None:
        self._keys = array("Q", bytes(8 * _FIRST))
        """Hashes by slot, 0: free. Open addressing."""
        self._values = array("Q", bytes(8 * _FIRST))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, text: str) -> bool:
        return bool(self._keys[self._slot(_hash(text))])

    def get(self, text: str) -> int | None:
        slot = self._slot(_hash(text))
        return self._values[slot] if self._keys[slot] else None

    def put(self, text: str, value: int) -> None:
        """Sets the number of that text."""
        self._put(_hash(text), value)

    def mark(self, text: str, bits: int = 0) -> None:
        """Adds bits to the number of that text (0 where it was not there)."""
        key = _hash(text)
        slot = self._slot(key)
        if self._keys[slot]:
            self._values[slot] |= bits
        else:
            self._put(key, bits)

    def values(self) -> Iterator[int]:
        """Every number, in no order."""
        return (value for key, value in zip(self._keys, self._values, strict=True) if key)

    def _slot(self, key: int) -> int:
        keys = self._keys
        last = len(keys) - 1
        at = key & last
        while keys[at] and keys[at] != key:
            at = (at + 1) & last
        return at

    def _put(self, key: int, value: int) -> None:
        slot = self._slot(key)
        if not self._keys[slot]:
            if (self._count + 1) * 3 > len(self._keys) * 2:
                self._grow()
                slot = self._slot(key)
            self._count += 1
            self._keys[slot] = key
        self._values[slot] = value

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._keys = array("Q", bytes(16 * len(keys)))
        self._values = array("Q", bytes(16 * len(keys)))
        for key, value in zip(keys, values, strict=True):
            if key:
                slot = self._slot(key)
                self._keys[slot], self._values[slot] = key, value


def _hash(text: str) -> int:
    return hash(text) & _BITS or 1
