"""A question, checked: which measure, of what, in which buckets, split by what; and the crawls it may rest on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal, NoReturn, get_args

from config.errors import UsageError
from extract.observation import Kind
from index.buckets import Buckets, By, bucket_of, check_by
from index.coverage import Panel, Status, crawl_day
from index.measures.row import Extra, TrendRow
from index.store import Filter, Store

Money = Literal["usd", "quoted"]
Of = Literal[
    "listings", "offers", "vendors", "new", "withdrawn", "price", "price-index", "turnover", "concentration", "share"
]
"""What a measure may be taken of; which of them, each measure says."""
Series = tuple[str | None, ...]
"""Values of the split fields, in their order."""

SPLITS = ("substance", "group", "form", "region", "market", "stash", "kind", "vendor", "ships-from", "ships-to")
UNKNOWN = "unknown"
"""How a missing main substance is called, in filters and in answers."""


def refuse(what: str, name: str, known: Iterable[str]) -> NoReturn:
    """Raises UsageError for a name nobody knows, with the nearest known one."""
    names = list(known)
    near = difflib.get_close_matches(name.lower().replace("_", "-"), names, n=1, cutoff=0.5)
    remedy = f"Did you mean '{near[0]}'? " if near else ""
    raise UsageError(f"'{name}' is no {what}.", remedy=f"{remedy}Known: {', '.join(names)}.")


@dataclass(frozen=True)
class Ask:
    """A checked question. `where` has the dates as asked, `buckets` what they come to."""

    store: Store
    where: Filter
    splits: tuple[str, ...]
    """Names as in the command."""
    buckets: Buckets
    panel: Panel
    with_flagged: bool = False
    currency: Money = "usd"
    of: Of | None = None
    """What `share`, `concentration`, `flows` and `event` are of; None: their own default."""
    seed: int = 0
    method: str = "stock"
    """How sales are estimated (`index.measures.turnover.METHODS`)."""
    at: date | None = None
    """The day of `event`."""
    control: Filter | None = None
    """The series that `event` is held against."""
    without_relists: bool = False
    """Whether `new` leaves out old listings put up again under a new id (`Crawl.relists`)."""

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """Split fields as records spell them."""
        return tuple(name.replace("-", "_") for name in self.splits)

    def narrowed(self, **fields: Any) -> Filter:
        """The filter with some fields replaced."""
        return self.where.model_copy(update=fields)

    def offers_only(self) -> Filter:
        """The filter with `kind` set to offers where the question leaves it open; price and sales are about those."""
        return self.where if self.where.kind or "kind" in self.splits else self.narrowed(kind=(Kind.OFFER.value,))

    def market_of(self, series: Series) -> str | None:
        """The market of a series, where the question is split by it."""
        return series[self.splits.index("market")] if "market" in self.splits else None

    def regions_of(self, series: Series) -> tuple[str, ...]:
        """The regions whose coverage decides about a series."""
        region = series[self.splits.index("region")] if "region" in self.splits else None
        return self.where.region if region is None else (region,)

    def status(self, position: int, series: Series, *, every: bool = True) -> Status:
        """What the crawls of a bucket allow for a series (`index.coverage.Panel.status`)."""
        return self.panel.status(position, self.market_of(series), self.regions_of(series), every=every)

    def series(self, seen: Iterable[Series]) -> list[Series]:
        """Every series to answer for, in order: those seen, and those the question names though none was seen."""
        found = set(seen)
        if not self.splits:
            found.add(())
        elif len(self.splits) == 1 and self.splits[0] != "region":
            name = self.fields[0]
            found |= {(value,) for value in getattr(self.where, name)}
            if name == "market" and not self.where.market:
                found |= {(market,) for market in self.panel.markets}
        return sorted(found, key=lambda key: tuple((value is None, value or "") for value in key))

    def row(
        self, position: int, series: Series, status: Status, value: float | None, *, n: int = 0,
        interval: tuple[float | None, float | None] = (None, None), reason: str | None = None, **extras: Extra,
    ) -> TrendRow:
        """A row of the answer. Where the crawls do not allow a value there is none, and the crawls' reason stands."""
        if status.reason is not None:
            value, n, reason = None, 0, status.reason
        low, high = interval if value is not None else (None, None)
        # made by us, unchecked, and with one set of names for all: there may be a hundred thousand rows
        return TrendRow.model_construct(
            _EVERY, bucket=self.buckets.starts[position],
            splits=dict(zip(self.splits, series, strict=True)),
            value=None if value is None else float(value), low=low, high=high, n=n, crawls=status.crawls,
            coverage=None if status.coverage is None else min(1.0, status.coverage),
            tz=self.panel.zone(self.market_of(series)), extras=extras, reason=reason,
        )

    def cells(self, series: Sequence[Series]) -> Iterator[tuple[int, int, int, Series]]:
        """(cell, bucket position, series position, series), by bucket, then series; cell = series x size + bucket."""
        for position in range(len(self.buckets)):
            for number, key in enumerate(series):
                yield number * len(self.buckets) + position, position, number, key


_EVERY = set(TrendRow.model_fields)


def build_ask(
    store: Store, where: Filter, *, by: By, split: Sequence[str], with_flagged: bool, currency: Money, of: Of | None,
    seed: int, method: str = "stock", at: date | None = None, control: Filter | None = None,
    without_relists: bool = False,
) -> Ask | None:
    """Check a question and find its crawls. None: there is nothing yet to ask about, not even dates.

    Raises UsageError: unknown bucket, split or currency; dates in the wrong order.
    """
    check_by(by)
    splits = tuple(dict.fromkeys(name.replace("_", "-") for name in split))
    for name in splits:
        if name not in SPLITS:
            refuse("field to split by", name, SPLITS)
    if currency not in get_args(Money):
        refuse("currency", currency, get_args(Money))
    if where.first and where.last and where.first > where.last:
        raise UsageError(
            f"The first day ({where.first}) is after the last ({where.last}).",
            remedy="Swap the two dates (--from, --to).",
        )
    crawls = [crawl for crawl in store.crawls(where.market) if not where.crawl or crawl.id in where.crawl]
    days = [crawl_day(crawl) for crawl in crawls]
    first, last = _range(where, days)
    if first is None or last is None:
        return None
    kept_from = store.purged_before()
    if where.first is None and kept_from is not None and (bucket := bucket_of(first, by)) < kept_from:
        first = bucket  # nobody asked to cut off what was purged of it
    buckets = Buckets.build(first, last, by)
    panel = Panel(crawls, buckets, kept_from)
    return Ask(
        store, where, splits, buckets, panel, with_flagged, currency, of, seed, method, at, control, without_relists
    )


def _range(where: Filter, days: Sequence[date]) -> tuple[date | None, date | None]:
    first = where.first or min(days, default=where.last)
    last = where.last or max(days, default=where.first)
    if first is not None and last is not None and first > last:
        # one end was left open and the data does not reach the other: the asked day alone is answered (with a gap)
        asked = where.first or where.last
        return asked, asked
    return first, last
