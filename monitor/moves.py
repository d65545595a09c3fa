"""How trends move from one extractor version to another: the same questions asked of both, substance by substance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import cast

from extract.observation import Crawl, Kind
from index.buckets import By
from index.measures import TrendRow, trends
from index.store import Columns, Distinct, Filter, RecordName, Store

MEASURES = ("listings", "offers", "price", "turnover")
SAME = 1e-9
"""Values that differ by less, relatively, are equal: sums may be made in another order."""


@dataclass(frozen=True, slots=True)
class VersionReader:
    """A store as readers of one version see it: the questions that measures ask."""

    store: Store
    version: str

    def crawls(self, market: Sequence[str] = (), first: date | None = None, last: date | None = None) -> list[Crawl]:
        return self.store.crawls(market, first, last)

    def purged_before(self) -> date | None:
        return self.store.purged_before()

    def steady(self) -> AbstractContextManager[None]:
        return self.store.steady()

    def scan(
        self, record: RecordName, where: Filter, fields: Sequence[str], version: str | None = None
    ) -> Iterator[Columns]:
        return self.store.scan(record, where, fields, version or self.version)

    def count_distinct(
        self, where: Filter, by: Sequence[str], of: Distinct, version: str | None = None
    ) -> list[tuple[tuple[str | None, ...], int]]:
        return self.store.count_distinct(where, by, of, version or self.version)

    def count_each(
        self, where: Filter, crawls: Sequence[tuple[str, ...]], by: Sequence[str], of: Distinct,
        version: str | None = None,
    ) -> Iterator[list[tuple[tuple[str | None, ...], int]]]:
        return self.store.count_each(where, crawls, by, of, version or self.version)


@dataclass(frozen=True, slots=True)
class Move:
    """One series of one measure, old against new. `old` and `new` are means over the buckets that have a value (for
    turnover: sums); `changed` counts the buckets whose value differs, appears or goes."""

    measure: str
    substance: str | None
    buckets: int
    changed: int
    old: float | None
    new: float | None
    bucket: str | None
    """Bucket of the largest move, with both its values."""
    bucket_old: float | None
    bucket_new: float | None

    @property
    def share_changed(self) -> float:
        return self.changed / self.buckets if self.buckets else 0.0

    @property
    def change(self) -> float | None:
        """Relative change of the whole; None where there was, or is, nothing."""
        if self.old is None or self.new is None or self.old == 0:
            return None
        return self.new / self.old - 1


def choose_by(crawls: Sequence[Crawl]) -> By:
    """Weeks up to a year of data, else months."""
    if not crawls:
        return "week"
    span = max(crawl.started for crawl in crawls) - min(crawl.started for crawl in crawls)
    return "week" if span.days <= 366 else "month"


def compare(
    store: Store, old: str, new: str, *, by: By, measures: Sequence[str] = MEASURES,
    progress: Callable[[str, int, int], None],
) -> list[Move]:
    """Moves of offers' measures, split by substance: within a measure the largest first, series that stand still last.
    Currency is US dollars where money is asked."""
    moves: list[Move] = []
    for number, measure in enumerate(measures):
        progress(f"comparing {measure}", number, len(measures))
        sides = [_values(_ask(VersionReader(store, version), measure, by)) for version in (old, new)]
        series = {key[0] for side in sides for key in side}
        found = [_move(measure, one, *sides) for one in series]
        moves += sorted((one for one in found if one.buckets), key=_weight)
    return moves


def _ask(reader: VersionReader, measure: str, by: By) -> list[TrendRow]:
    # measures take only crawls, count_distinct and scan of a store (index.measures says so)
    return trends(cast(Store, reader), measure, Filter(kind=(Kind.OFFER.value,)), by=by, split=("substance",))


Values = dict[tuple[str | None, str], float | None]


def _values(rows: Sequence[TrendRow]) -> Values:
    return {(row.splits["substance"], row.bucket.isoformat()): row.value for row in rows}


def _move(measure: str, substance: str | None, old: Values, new: Values) -> Move:
    buckets = sorted({bucket for side in (old, new) for name, bucket in side if name == substance})
    pairs = [(bucket, old.get((substance, bucket)), new.get((substance, bucket))) for bucket in buckets]
    pairs = [pair for pair in pairs if pair[1] is not None or pair[2] is not None]
    changed = [pair for pair in pairs if _differs(pair[1], pair[2])]
    largest = max(changed, key=lambda pair: abs((pair[2] or 0.0) - (pair[1] or 0.0)), default=(None, None, None))
    return Move(
        measure, substance, len(pairs), len(changed), _whole(measure, [pair[1] for pair in pairs]),
        _whole(measure, [pair[2] for pair in pairs]), *largest,
    )  # fmt: skip


def _differs(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is not new
    return abs(old - new) > SAME * max(abs(old), abs(new))


def _whole(measure: str, values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return sum(known) if measure == "turnover" else sum(known) / len(known)


def _weight(move: Move) -> tuple[float, str]:
    return -abs((move.new or 0.0) - (move.old or 0.0)), move.substance or ""


def iter_rows(moves: Sequence[Move]) -> Iterator[dict[str, object]]:
    """As `dropline reextract` shows them."""
    for one in moves:
        yield {
            "measure": one.measure, "substance": one.substance or "unknown", "old": one.old, "new": one.new,
            "change": one.change, "buckets": one.buckets, "changed": one.changed, "share_changed": one.share_changed,
            "bucket": one.bucket, "bucket_old": one.bucket_old, "bucket_new": one.bucket_new,
        }  # fmt: skip
