"""Fields of the two scanned records, and batches of columns made from rows: the same for both stores."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from types import NoneType
from typing import Any, Literal, get_args

import numpy as np

from config.errors import UsageError
from extract.observation import Observation, UtcTime
from index.offer_day import OfferDay
from index.store import Columns, RecordName

FieldKind = Literal["text", "number", "integer", "time", "date", "tuple", "spans"]
"""`number` is float64 with NaN for a missing one (also nullable integers), `integer` int64 and never missing, `time`
float64 Unix seconds; `text`, `date` (ISO) and `tuple` are object arrays; `spans` a JSON text."""

RECORDS: dict[RecordName, type[Observation] | type[OfferDay]] = {"observation": Observation, "offer_day": OfferDay}


def _kind_of(name: str, annotation: Any) -> FieldKind:
    if name == "spans":
        return "spans"
    inner = [part for part in get_args(annotation) if part is not NoneType]
    optional = NoneType in get_args(annotation)
    plain = inner[0] if optional and len(inner) == 1 else annotation
    if getattr(plain, "__origin__", plain) is tuple:
        return "tuple"
    if plain is date:
        return "date"
    if plain is int:
        return "number" if optional else "integer"
    return "number" if plain is float else "text"


@lru_cache(maxsize=2)
def field_kinds(record: RecordName) -> dict[str, FieldKind]:
    """Kind of every field that `scan` offers, by name."""
    times = {name for name, info in RECORDS[record].model_fields.items() if info.annotation is get_args(UtcTime)[0]}
    kinds: dict[str, FieldKind] = {
        name: _kind_of(name, info.annotation) for name, info in RECORDS[record].model_fields.items()}
    for name in times:
        kinds[name] = "time"
    kinds["substance"] = "text"
    return kinds


def check_fields(record: RecordName, fields: Sequence[str]) -> None:
    """UsageError that suggests the right name where a field is unknown."""
    known = field_kinds(record)
    for field in fields:
        if field not in known:
            near = difflib.get_close_matches(field, known, 1)
            raise UsageError(
                f"{record} has no field {field!r}.", remedy=f"Did you mean {near[0]!r}?" if near else
                f"Known: {', '.join(sorted(known))}.")


COUNT_FIELDS = (
    "crawl", "day", "market", "substance", "group", "form", "region", "stash", "kind", "vendor", "ships_from",
    "ships_to")
"""What `count_distinct` groups by."""


def check_groups(by: Sequence[str]) -> None:
    """UsageError for a field that cannot be counted by."""
    for field in by:
        if field not in COUNT_FIELDS:
            raise UsageError(f"cannot count by {field!r}.", remedy=f"Known: {', '.join(COUNT_FIELDS)}.")


@lru_cache(maxsize=4096)
def iso_day(ordinal: int | None) -> str | None:
    """ISO date of a proleptic ordinal."""
    return None if ordinal is None else date.fromordinal(ordinal).isoformat()


def build_column(kind: FieldKind, values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """One column: times come in microseconds since 1970 and leave in seconds; the rest as `FieldKind` says."""
    if kind == "integer":
        return np.array(values, dtype=np.int64)
    if kind == "number":
        return np.array(values, dtype=np.float64)
    if kind == "time":
        return np.array(values, dtype=np.int64) / 1e6
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def empty_columns(record: RecordName, fields: Sequence[str]) -> Columns:
    """Columns of no rows, with the right types."""
    kinds = field_kinds(record)
    return {field: build_column(kinds[field], []) for field in fields}
