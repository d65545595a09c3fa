"""Which questions about distinct counts can be answered from counts that are kept ready by crawl: the same ones on both
stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from index.store import Filter

GROUPINGS = (
    (), ("substance",), ("region",), ("kind",), ("group",), ("form",), ("stash",), ("region", "substance"),
)
"""Field names in the order of the alphabet; counts of each crawl by these are kept, each market's apart."""
_LISTS = ("ships_from", "ships_to")
_FIELDS = ("substance", "group", "form", "region", "stash", "kind")


@dataclass(frozen=True)
class Wanted:
    """What a filter lets through of one field: exact values, and the beginnings of others."""

    exact: frozenset[str | None]
    below: tuple[str, ...] = ()

    def __contains__(self, value: str | None) -> bool:
        return value in self.exact or (value is not None and value.startswith(self.below) if self.below else False)


def wanted(where: Filter, field: str) -> Wanted:
    """Of one field of a filter that has values."""
    values = getattr(where, field)
    if field == "substance":
        return Wanted(frozenset(None if value == "unknown" else value for value in values))
    return Wanted(frozenset(values), tuple(f"{value}-" for value in values) if field == "region" else ())


def grouping_of(where: Filter, by: Sequence[str]) -> tuple[str, ...] | None:
    """The kept grouping that answers a question by crawl; None where none does."""
    if "crawl" not in by or len(set(by)) < len(by) or set(by) & {"day", "vendor", *_LISTS}:
        return None
    if where.vendor or where.listing or where.ships_from or where.ships_to:
        return None
    filtered = [field for field in _FIELDS if getattr(where, field)]
    fields = tuple(sorted({*filtered, *(field for field in by if field not in ("crawl", "market"))}))
    if fields not in GROUPINGS:
        return None
    # a field filtered by and not shown must come down to one cell: distinct counts do not add up
    hidden = [field for field in filtered if field not in by]
    if any(field == "region" or len(getattr(where, field)) > 1 for field in hidden):
        return None
    return fields


def allowed_of(where: Filter, fields: Sequence[str]) -> list[Wanted | None]:
    """What the filter lets through of each field of a grouping; None: everything."""
    return [wanted(where, field) if getattr(where, field) else None for field in fields]
