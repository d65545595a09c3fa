"""What both stores share: batches, keys, cleaning, the canonical content of a record and the digest over it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import orjson
from pydantic import BaseModel

from config.errors import UsageError
from extract.observation import STORABLE, Crawl, Observation, Record
from index.offer_day import OfferDay
from index.store import WriteReport

T = TypeVar("T")
R = TypeVar("R", bound=Record)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BATCH = 5000
"""Records in one transaction (SQLite) or one bulk request (Elasticsearch)."""

DEEPEST_PAGE = 10_000
"""Hits that can be paged through: Elasticsearch's own limit, held by both stores."""


def in_batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Lists of up to `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def observation_key(row: Observation) -> tuple[str, ...]:
    """(market, listing, offer, crawl, version)."""
    return (row.market, row.listing, row.offer, row.crawl, row.version)


def offer_day_key(row: OfferDay) -> tuple[str, ...]:
    """(market, offer, day, version)."""
    return (row.market, row.offer, row.day.isoformat(), row.version)


def last_of_each(batch: list[T], key: Callable[[T], tuple[str, ...]]) -> tuple[list[T], int]:
    """Within a batch the last record of a key stands; also returns how many earlier ones it replaced."""
    kept = {key(row): row for row in batch}
    return (batch, 0) if len(kept) == len(batch) else (list(kept.values()), len(batch) - len(kept))


def _clean_value(value: Any) -> Any:
    if isinstance(value, str) and type(value) is str:
        return value.encode("utf-8", "replace").decode() if _is_broken(value) else value
    if isinstance(value, tuple):
        return tuple(_clean_value(part) for part in value)
    if isinstance(value, dict):
        return {_clean_value(name): _clean_value(part) for name, part in value.items()}
    return clean(value) if isinstance(value, Record) else value


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def clean(record: R) -> R:
    """The record with lone surrogates, which no store can hold, replaced by `?`; itself where it has none."""
    changed = {}
    for name, value in record.__dict__.items():
        cleaned = _clean_value(value)
        if cleaned is not value and cleaned != value:
            changed[name] = cleaned
    return record.model_copy(update=changed) if changed else record


_FLOATS = ("quantity", "dose_mg", "purity", "fx_rate", "confidence", "exposure_hours")


_NOTHING = ()
"""There is one empty tuple: asking whether a value is it takes half the time of comparing."""


def _default(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: part for name, part in value.__dict__.items() if part is not None and part != ()}
    raise TypeError(type(value).__name__)


def canonical(record: Record) -> bytes:
    """The record's content as JSON: sorted names, times in UTC with `Z`, nothing that is missing or empty."""
    return canonical_fields(record.__dict__)


def canonical_fields(values: Mapping[str, Any]) -> bytes:
    """`canonical` of a record whose fields have these values."""
    fields = {name: value for name, value in values.items() if value is not None and value is not _NOTHING}
    for name in _FLOATS:
        if type(fields.get(name)) is int:  # a default of 0 is no 0.0, but both stores give 0.0 back
            fields[name] = float(fields[name])
    return orjson.dumps(
        fields, default=_default, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


class Fold:
    """SHA-256 over the SHA-256 of every content, added up modulo 2^256: the order they come in does not matter, so that
    a store can give them in the order that is cheapest."""

    def __init__(self, contents: Iterable[bytes] = ()) -> None:
        self.count, self._total = 0, 0
        for content in contents:
            self.add(content)

    def add(self, content: bytes) -> None:
        """Takes one content more."""
        self.count += 1
        self._total += int.from_bytes(hashlib.sha256(content).digest(), "big")

    def hexdigest(self) -> str:
        return hashlib.sha256(self.count.to_bytes(8, "big") + (self._total % 2**256).to_bytes(32, "big")).hexdigest()


def sort_groups(groups: list[tuple[tuple[str | None, ...], int]]) -> list[tuple[tuple[str | None, ...], int]]:
    """Groups by their values; a missing value comes first."""
    try:
        return sorted(groups)
    except TypeError:  # some value is missing where others are not
        return sorted(groups, key=lambda group: tuple((value is not None, value or "") for value in group[0]))


def check_page(limit: int, offset: int) -> None:
    """UsageError beyond what both stores can page through."""
    if limit < 0 or offset < 0 or limit + offset > DEEPEST_PAGE:
        raise UsageError(
            f"limit {limit} and offset {offset} are out of range.",
            remedy=f"Together they reach {DEEPEST_PAGE} at most: narrow the filter, or use `dropline rows`.")


def check_month(day: date) -> None:
    """UsageError unless the day is the first of a month: only whole months are purged."""
    if day.day != 1:
        raise UsageError(
            f"{day} is not the first day of a month: whole months are purged.",
            remedy=f"Give {day.replace(day=1)}, which keeps that month, or the first of the next.")


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    gap = moment - EPOCH
    return (gap.days * 86400 + gap.seconds) * 1_000_000 + gap.microseconds


def started_day(crawl: Crawl) -> str:
    """The market-local date on which a crawl began, ISO."""
    return crawl.started.astimezone(ZoneInfo(crawl.tz)).date().isoformat()


def storable(rows: Iterable[R], key: Callable[[R], tuple[str, ...]]) -> tuple[list[R], list[tuple[str, str]]]:
    """Cleaned rows without those whose integers are over 64 bits, and (key, reason) of the latter."""
    good: list[R] = []
    failed: list[tuple[str, str]] = []
    for row in map(clean, rows):
        big = [name for name, value in row.__dict__.items() if isinstance(value, int) and abs(value) >= STORABLE]
        if big:
            failed.append(("/".join(key(row)), f"{big[0]} does not fit 64 bits"))
        else:
            good.append(row)
    return good, failed


def add_reports(one: WriteReport, other: WriteReport) -> WriteReport:
    """The sum of two reports."""
    return WriteReport(
        written=one.written + other.written, unchanged=one.unchanged + other.unchanged,
        failed=one.failed + other.failed)
