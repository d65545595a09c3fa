"""Offer-days of one market as codes and numbers: what a store may give beside `scan` to who needs no text a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from index.store import Filter


@dataclass(frozen=True)
class Coded:
    """Rows of one market, ordered by offer and day; all arrays are of equal length."""

    market: str
    days: NDArray[np.int32]
    """Days since 1970."""
    codes: dict[str, tuple[NDArray[np.int32], list[Any]]]
    """By field: a code a row, and what the codes stand for, as `Store.scan` gives it."""
    numbers: dict[str, NDArray[Any]]
    """By field; NaN where one is missing (columns in which none is may be of integers)."""


@runtime_checkable
class CodedStore(Protocol):
    """A store that can read offer-days so."""

    def scan_coded(self, where: Filter, fields: Sequence[str], version: str | None = None) -> Iterator[Coded] | None:
        """The rows of `Store.scan("offer_day", …)`, a batch or more a market, markets in order, no offer in two
        batches. None: not this time, the rows have to be read."""
        ...
