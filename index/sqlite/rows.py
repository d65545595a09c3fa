"""Records to rows of the SQLite file and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from functools import lru_cache
from operator import itemgetter
from typing import Any

import orjson

from extract.observation import Flag, Kind, Stash
from index.content import EPOCH, micros
from index.offer_day import OfferDay

Row = tuple[Any, ...]

STABLE_FIELDS = (
    "market", "listing", "offer", "version", "vendor", "title", "description", "category", "kind", "substances",
    "group", "form", "quantity_text", "quantity", "unit", "dose_mg", "purity", "ships_from", "ships_to",
    "ships_except", "place", "region", "stash", "spans", "confidence",
)
"""What an offer says of itself: kept once in `facts`, however many crawls see it."""

stable_values = itemgetter(*STABLE_FIELDS)
quote_values = itemgetter("currency", "fx_rate", "fx_date", "fx_source")
volatile_values = itemgetter("amount", "unit_price", "unit_price_usd", "amount_usd")
count_values = itemgetter("ready", "preorder", "feedback")

OFFER_DAY_FIELDS = (
    "version", "market", "offer", "day", *(
        name for name in OfferDay.model_fields if name not in {"version", "market", "offer", "day"}))

TUPLES = frozenset({"category", "substances", "ships_from", "ships_to", "ships_except", "flags"})


def moment(stamp: int) -> datetime:
    """The UTC time of `micros`."""
    return EPOCH + timedelta(microseconds=stamp)


def span_dict(span: Any) -> dict[str, Any]:
    """For orjson: a Span as its fields."""
    return dict(span.__dict__)


def pack(values: Sequence[Any]) -> str | None:
    """A tuple of strings as a JSON array; None for an empty one."""
    return orjson.dumps(values, default=span_dict, option=orjson.OPT_SORT_KEYS).decode() if values else None


@lru_cache(maxsize=65536)
def unpack(text: str | None) -> tuple[str, ...]:
    """The tuple behind `pack`."""
    return tuple(orjson.loads(text)) if text else ()


def plain(value: Any) -> Any:
    """A field's value as SQLite keeps it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return pack(value)
    if isinstance(value, datetime):
        return micros(value)
    if isinstance(value, date):
        return value.isoformat()
    return value


_day_values = itemgetter(*OFFER_DAY_FIELDS)
_TURNS: dict[str, Callable[[Any], Any]] = {
    "day": date.isoformat, "kind": str, "stash": lambda stash: None if stash is None else str(stash),
    "ships_from": pack, "ships_to": pack, "flags": pack, "first_seen": micros, "last_seen": micros}


def offer_day_columns(days: Sequence[OfferDay]) -> dict[str, tuple[Any, ...]]:
    """What the table holds of offer-days (at least one), by field in the order of OFFER_DAY_FIELDS."""
    rows = [_day_values(day.__dict__) for day in days]
    columns = dict(zip(OFFER_DAY_FIELDS, zip(*rows, strict=True), strict=True))
    for name, turn in _TURNS.items():
        columns[name] = tuple(map(turn, columns[name]))
    return columns


def build_offer_day(row: Row) -> OfferDay:
    """The offer-day of a row in the order of OFFER_DAY_FIELDS."""
    fields = read_offer_day(row)
    fields["day"], fields["kind"] = date.fromisoformat(fields["day"]), Kind(fields["kind"])
    fields["stash"], fields["flags"] = fields["stash"] and Stash(fields["stash"]), tuple(map(Flag, fields["flags"]))
    return OfferDay.of_valid(fields)


def read_offer_day(row: Row) -> dict[str, Any]:
    """Values of an offer-day's fields, from a row in the order of OFFER_DAY_FIELDS."""
    fields: dict[str, Any] = dict(zip(OFFER_DAY_FIELDS, row, strict=True))
    for name in ("ships_from", "ships_to", "flags"):
        fields[name] = unpack(fields[name])
    for name in ("first_seen", "last_seen"):
        fields[name] = moment(fields[name])
    return fields
