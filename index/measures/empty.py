"""Why an answer is empty: which part of a filter excluded everything, in words with a remedy."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from index.measures.table import name_labels
from index.store import Filter, Store

FIELDS = (
    "market", "substance", "group", "form", "kind", "stash", "region", "ships_from", "ships_to", "vendor", "listing",
    "crawl",
)
_COUNTED = frozenset(FIELDS) - {"listing"}


def explain_empty(store: Store, where: Filter) -> str:
    """One sentence or two that say what excluded everything, and what is there instead; empty if something matches."""
    if _count(store, where):
        return ""
    kept_from = store.purged_before()
    if not _count(store, Filter()):
        if kept_from is not None:
            return f"The store holds no observations: everything before {kept_from} was purged."
        return "The store holds no observations yet: crawl a market or import a table first."
    if kept_from is not None and where.last is not None and where.last < kept_from:
        return f"Everything before {kept_from} was purged."
    parts = [(field, getattr(where, field)) for field in FIELDS if getattr(where, field)]
    # a part that matches nothing even alone is the first thing to mend
    for field, values in parts:
        if not _count(store, Filter(**{field: values})):
            return f"Nothing in the store has {_name(field, values)}.{_instead(store, field, values)}"
    if where.first is not None or where.last is not None:
        undated = where.model_copy(update={"first": None, "last": None})
        if matches := _count(store, undated):
            days = [key[0] for key, _ in store.count_distinct(undated, ("day",), "offer")]
            return (
                f"No observation lies {_dates(where)}; without the dates {_offers(matches)} match, "
                f"from {min(map(str, days))} to {max(map(str, days))}."
            )
    for field, values in parts:
        rest = where.model_copy(update={field: ()})
        if matches := _count(store, rest):
            return (
                f"{_name(field, values)} excludes everything: without it {_offers(matches)} match."
                f"{_instead(store, field, values, rest)}"
            )
    named = [_name(field, values) for field, values in parts]
    if where.first is not None or where.last is not None:
        named.append(f"dates {_dates(where)}")
    return f"Each part matches something, but no offer has all of: {', '.join(named)}. Leave out more than one of them."


def _count(store: Store, where: Filter) -> int:
    return sum(count for _, count in store.count_distinct(where, (), "offer"))


def _name(field: str, values: Sequence[str]) -> str:
    return f"{field.replace('_', '-')} {' or '.join(values)}"


def _offers(count: int) -> str:
    return f"{count:,} offer{'' if count == 1 else 's'}"


def _dates(where: Filter) -> str:
    if where.first is None:
        return f"up to {where.last}"
    return f"from {where.first} on" if where.last is None else f"between {where.first} and {where.last}"


def _instead(store: Store, field: str, values: Sequence[str], where: Filter | None = None) -> str:
    """What the field holds where the rest of the filter matches: near spellings first, else the commonest values."""
    if field not in _COUNTED or field in {"vendor", "crawl"}:
        return ""
    counts: list[tuple[Any, int]] = [
        (name_labels(field, [key[0]])[0], count)
        for key, count in store.count_distinct(where or Filter(), (field,), "offer")
    ]
    there = {str(value): count for value, count in counts if value is not None}
    near = [name for value in values for name in difflib.get_close_matches(value.lower(), list(there), n=2, cutoff=0.6)]
    if near:
        return f" Did you mean {' or '.join(dict.fromkeys(near))}?"
    most = sorted(there, key=lambda name: (-there[name], name))[:5]
    return f" There is: {', '.join(most)}." if most else ""
