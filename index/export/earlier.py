"""What earlier packages make unsafe: figures whose difference to published ones would be about a few people."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from config.errors import UsageError
from index.buckets import bucket_end
from index.export.crowd import Cell, cell_of
from index.export.package import Sealed
from index.export.question import Control, Question
from index.export.suppress import SUPPRESSED, Family, family_of
from index.export.verify import read_columns, read_descriptor, read_sealed
from index.measures import TrendRow
from index.measures.ask import build_ask
from index.measures.table import read_table
from index.store import Store

Element = tuple[int, str, str, str | None]
"""(day since 1970, market, listing, vendor): one listing on one day."""
Elements = dict[Cell, set[Element]]
Published = tuple[date, date, set[Element]]
"""First and last day of a published cell's bucket, and who stands behind it."""
_ALIKE = ("substance", "group", "form", "market", "stash", "kind")
"""Fields of which a filter by one value and a split mean the same (by region a filter takes all below it, too)."""
_NAMED = ("unit", "currency", "method")
_TOLERANCE = 1e-9


def cell_id(
    question: Question, measure: str, bucket: date, splits: Mapping[str, str | None], extras: Mapping[str, object]
) -> str:
    """Names what a figure is of, whether that was asked by a filter or by a split."""
    where = {name: value for name, value in question.where.model_dump(mode="json").items() if value}
    fields = {name: sorted(values) for name, values in where.items() if name not in {"first", "last"}}
    for name, value in splits.items():
        field = name.replace("-", "_")
        fields[field if field in _ALIKE and value is not None else f"={field}"] = [str(value)]
    how = [question.by, question.with_flagged, question.of]
    named = {name: extras.get(name) for name in _NAMED if extras.get(name) is not None}
    return json.dumps([measure, bucket.isoformat(), how, named, fields], sort_keys=True)


class Judge:
    """Says which rows of a new release earlier packages make unsafe:

    - what an earlier package withheld stays withheld (another choice of what to withhold would give both away);
    - what was published with another value from the same extractor (the difference is what came in since);
    - a cell whose listings, less those of published cells within it, are too few; or the other way round. What they
      were is asked of the store as it is now.
    """

    def __init__(self, question: Question, control: Control) -> None:
        self.question, self.control = question, control
        self.ids: list[str] = []
        self.withheld: set[str] = set()
        self.values: dict[str, list[float]] = defaultdict(list)
        self.unsafe: set[tuple[Family, Cell]] = set()

    def already(self, measure: str, row: TrendRow) -> bool:
        """Whether a row must be withheld for what was published before."""
        family = family_of(measure, self.question)
        if family == "none":
            return False
        name = cell_id(self.question, measure, row.bucket, row.splits, row.extras)
        if name in self.withheld:
            return True
        if family == "price" or row.value is None:
            return False  # the difference of two medians is no median
        old = self.values.get(name, ())
        return (family, cell_of(row)) in self.unsafe or any(_differs(value, row.value) for value in old)


def _differs(one: float, other: float) -> bool:
    return abs(one - other) > _TOLERANCE * max(1.0, abs(one), abs(other))


def build_judge(store: Store, question: Question, control: Control, folders: Sequence[Path]) -> Judge:
    """Read earlier packages and hold a question against them. A restricted release is not judged.

    UsageError, InputError: a folder is no package, or a restricted one: that was not published.
    """
    judge = Judge(question, control)
    if control.level == "restricted":
        return judge
    published: dict[Family, list[Published]] = defaultdict(list)
    for folder in folders:
        sealed = read_sealed(folder)
        if sealed.control.level == "restricted":
            raise UsageError(
                "a restricted package was never published.", file=folder, remedy="Leave it out of --against."
            )
        judge.ids.append(str(read_descriptor(folder).get("id")))
        _take_in(store, judge, sealed, folder, published)
    mine: dict[tuple[str, ...], Elements] = {}
    for measure in question.measures:
        family, splits = family_of(measure, question), splits_of(question, measure)
        if published[family]:
            if splits not in mine:
                mine[splits] = _elements(store, question, splits)
            unsafe = find_differences(mine[splits], question, published[family], control)
            judge.unsafe |= {(family, cell) for cell in unsafe}
    return judge


def splits_of(question: Question, measure: str) -> tuple[str, ...]:
    """Fields a measure of a question is split by."""
    return question.split or (("substance",) if measure == "share" else ())


def _take_in(
    store: Store, judge: Judge, sealed: Sealed, folder: Path, published: dict[Family, list[Published]]
) -> None:
    """Take in one earlier package: what it withheld, what it told, and of whom."""
    old, same_reading = sealed.question, sealed.versions.extractor == store.current_version()
    told: dict[tuple[Family, tuple[str, ...]], set[Cell]] = defaultdict(set)
    for measure in sealed.rows:
        columns = read_columns(folder, measure)
        splits = tuple(name for name in splits_of(old, measure) if name in columns)
        for at, bucket in enumerate(columns.get("bucket", ())):
            row = {name: cells[at] for name, cells in columns.items()}
            name = cell_id(old, measure, bucket, {split: row[split] for split in splits}, row)
            if row["reason"] == SUPPRESSED:
                judge.withheld.add(name)
            elif row["value"] is not None:
                if same_reading:
                    judge.values[name].append(row["value"])
                told[family_of(measure, old), splits].add((bucket, tuple(row[split] for split in splits)))
    for (family, fields), cells in told.items():
        if family not in {"none", "price"}:
            published[family] += [
                (cell[0], bucket_end(cell[0], old.by), some)
                for cell, some in _elements(store, old, fields).items() if cell in cells
            ]


def find_differences(
    new: Elements, question: Question, published: Sequence[Published], control: Control
) -> set[Cell]:
    """Cells of a new release from which published ones can be taken, one or all, leaving too few listings or vendors;
    and those that can be taken from a published one so. Other bucket widths count too: six days from a week."""
    found = set()
    for cell, mine in new.items():
        start, end = cell[0], bucket_end(cell[0], question.by)
        within: set[Element] = set()
        for left, right, theirs in published:
            if right < start or left > end:
                continue
            if theirs <= mine:
                within |= theirs
                rest = mine - theirs
            elif mine < theirs:
                rest = theirs - mine
            else:
                continue
            if _too_few(rest, control):
                found.add(cell)
        if _too_few(mine - within, control):
            found.add(cell)
    return found


def _too_few(rest: set[Element], control: Control) -> bool:
    listings = {(market, listing) for _, market, listing, _ in rest}
    vendors = {(market, vendor) for _, market, _, vendor in rest if vendor is not None}
    return bool(rest) and (len(listings) < control.k or len(vendors) < control.vendors)


def _elements(store: Store, question: Question, splits: tuple[str, ...]) -> Elements:
    """The listings of every cell, day by day."""
    found: Elements = defaultdict(set)
    ask = build_ask(
        store, question.where, by=question.by, split=splits, with_flagged=False, currency="usd", of=None, seed=0
    )
    if ask is None:
        return found
    where = question.where.model_copy(update={"first": ask.buckets.first, "last": ask.buckets.last})
    table = read_table(ask, where, labels=("listing",))
    positions = ask.buckets.positions(table.days)
    numbers = table.days.astype(np.int64)
    for at in np.flatnonzero(positions >= 0).tolist():
        market, vendor = table.vendor_labels[table.vendor[at]]
        cell = (ask.buckets.starts[positions[at]], table.series_labels[table.series[at]])
        found[cell].add((int(numbers[at]), market, table.labels["listing"][at], vendor))
    return found
