"""Observations as rows for people: what stands behind a filter."""

from __future__ import annotations

import math
from typing import Any

from index.store import Filter, Store

FIELDS = (
    "day",
    "market",
    "listing",
    "offer",
    "crawl",
    "vendor",
    "title",
    "kind",
    "substance",
    "form",
    "quantity",
    "unit",
    "currency",
    "amount",
    "unit_price_usd",
    "flags",
    "region",
    "stash",
    "ready",
    "preorder",
)


def observation_rows(store: Store, where: Filter, limit: int) -> list[dict[str, Any]]:
    """The first `limit` observations of the filter by market, offer and time. `unit_price_usd` comes in US dollars per
    base unit, `amount` in minor units of `currency`, `key` as `dropline explain` takes it."""
    found: list[dict[str, Any]] = []
    for batch in store.scan("observation", where, FIELDS):
        for values in zip(*(batch[name] for name in FIELDS), strict=True):
            row = {name: _plain(value) for name, value in zip(FIELDS, values, strict=True)}
            if row["unit_price_usd"] is not None:
                row["unit_price_usd"] /= 10_000
            row["key"] = "/".join(str(row[name]) for name in ("market", "listing", "offer", "crawl"))
            found.append(row)
            if len(found) == limit:
                return found
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return int(value) if float(value).is_integer() else float(value)
    return value.item() if hasattr(value, "item") else value
