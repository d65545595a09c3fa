"""What of an answer may be published: small cells are withheld, and with them what would give them back.

Primary rules (Hundepool et al. 2012, Statistical Disclosure Control, 4.2): fewer than k listings or too few vendors;
for money also one vendor beyond the dominance limit, or the p % rule. Secondary: `index.export.lines`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

from pydantic import Field

from config.errors import UsageError
from extract.observation import Record
from index.export.crowd import (
    Amounts,
    Cell,
    Crowd,
    Variant,
    cell_of,
    count_amounts,
    count_crowd,
    splits_of,
    variant_of,
)
from index.export.lines import build_lines, close_pattern
from index.export.question import TAKEN_OF, Control, Question, is_due
from index.measures import MEASURES, TrendRow
from index.measures.ask import UNKNOWN, refuse
from index.measures.row import Extra
from index.store import Store

SUPPRESSED = "suppressed"
Family = Literal["none", "price", "money", "count"]
_CHURN = ("new", "withdrawn", "returned")
_COUNTED_IN = {"listings": "k", "offers": "k", "flows": "k", "vendors": "vendors"} | dict.fromkeys(_CHURN, "k")
JUDGED = frozenset(_COUNTED_IN) | {
    "price", "price-index", "turnover", "share", "concentration", "availability", "coverage",
}
"""Measures for which it is known who stands behind a figure."""
_NO_VARIANT: Variant = (None, None, None)
Unsafe = Callable[[Collection[Cell]], bool]


class Released(Record):
    """A row as it may leave the house. Like `TrendRow`; `n` is null where the row is suppressed."""

    row: TrendRow
    suppressed: bool = False

    @property
    def n(self) -> int | None:
        return None if self.suppressed else self.row.n


class Release(Record):
    """What a package holds, by measure, and how much was withheld."""

    rows: dict[str, tuple[Released, ...]]
    undue: int = Field(ge=0)
    """Rows left out whole: their bucket was cut by the dates asked, or not over for long enough."""

    def count_suppressed(self, measure: str) -> int:
        return sum(each.suppressed for each in self.rows[measure])


def family_of(measure: str, question: Question) -> Family:
    """By which rules a measure's cells are judged. UsageError for one of which nobody has said who stands behind it."""
    if measure not in MEASURES:
        refuse("measure", measure, MEASURES)
    if measure not in JUDGED:
        raise UsageError(
            f"'{measure}' cannot be checked for small groups.",
            remedy="Leave it out of the package, or make a package with --level restricted.",
        )
    if measure == "coverage":
        return "none"  # about crawls: nobody stands behind it
    if measure in {"price", "price-index"}:
        return "price"
    taken_of = question.of or {"concentration": "turnover"}.get(measure, "listings")
    money = measure == "turnover" or (measure in TAKEN_OF and taken_of == "turnover")
    return "money" if money else "count"


def release_rows(
    store: Store, question: Question, control: Control, rows: Mapping[str, Sequence[TrendRow]],
    already: Callable[[str, TrendRow], bool] = lambda measure, row: False,
) -> Release:
    """The rows of a release. `already` says of a row whether an earlier release makes it unsafe now."""
    due = {measure: [row for row in given if is_due(row.bucket, question, control)] for measure, given in rows.items()}
    undue = sum(len(given) for given in rows.values()) - sum(map(len, due.values()))
    if control.level == "restricted":
        return Release(rows={name: tuple(map(_openly, given)) for name, given in due.items()}, undue=undue)
    groups: dict[tuple[Family, tuple[str, ...]], list[str]] = defaultdict(list)
    for measure, given in due.items():
        if given:
            family = family_of(measure, question)
            groups[family, () if family == "none" else splits_of(measure, given)].append(measure)
    released: dict[str, tuple[Released, ...]] = dict.fromkeys(due, ())
    for (family, splits), measures in groups.items():
        some = {measure: due[measure] for measure in measures}
        if family == "none":
            released |= {name: tuple(map(_openly, some[name])) for name in measures}
        elif family == "price":
            released |= {
                name: _release_prices(store, question, control, splits, name, some[name], already) for name in measures
            }
        else:
            released |= _release_sums(store, question, control, splits, some, family, already)
    return Release(rows=released, undue=undue)


def _openly(row: TrendRow) -> Released:
    return Released(row=row)


def _release_prices(
    store: Store, question: Question, control: Control, splits: tuple[str, ...], measure: str,
    rows: Sequence[TrendRow], already: Callable[[str, TrendRow], bool],
) -> tuple[Released, ...]:
    """Medians do not add up: a price is judged alone, by who asks it."""
    quoted = (question.currency or ("quoted" if measure == "price-index" else "usd")) == "quoted"
    crowd = count_crowd(store, question, splits, priced=True, quoted=quoted)
    found = []
    for row in rows:
        listings, vendors = crowd.size([(cell_of(row), variant_of(row))])
        small = (listings > 0 or row.n > 0) and (listings < control.k or vendors < control.vendors)
        found.append(withhold(row) if small or already(measure, row) else Released(row=row))
    return tuple(found)


def _release_sums(
    store: Store, question: Question, control: Control, splits: tuple[str, ...],
    rows: Mapping[str, Sequence[TrendRow]], family: Family, already: Callable[[str, TrendRow], bool],
) -> dict[str, tuple[Released, ...]]:
    """Measures that add up are judged together: what one withholds another must not tell."""
    crowd = count_crowd(store, question, splits)
    checks = [_crowd_check(crowd, control), *(_value_check(name, some, control) for name, some in rows.items())]
    if family == "money":
        checks.append(_money_check(count_amounts(store, question, "turnover", splits), control))
    churn = [name for name in _CHURN if name in rows]
    checks += [_churn_check(count_amounts(store, question, name, splits), control) for name in churn]

    def unsafe(cells: Collection[Cell]) -> bool:
        return any(check(cells) for check in checks)

    told = {cell_of(row) for some in rows.values() for row in some if row.value is not None or row.n}
    # a zero where nothing was on the shelf is about nobody; a figure that nobody is known to stand behind is withheld
    counted = {cell_of(row) for some in rows.values() for row in some if row.value or row.n}
    told = {cell for cell in told if cell in counted or (cell, _NO_VARIANT) in crowd.listings}
    first = {cell for cell in told if unsafe([cell])}
    first |= {cell_of(row) for name, some in rows.items() for row in some if already(name, row)}
    lines = build_lines(sorted(told, key=str), splits, question.by, shares="share" in rows)
    pattern = close_pattern(first, lines, unsafe, lambda cell: crowd.size([(cell, _NO_VARIANT)])[0])
    return {
        name: tuple(
            withhold(row) if cell_of(row) in pattern
            else Released(row=_without_unknown(row, splits, pattern) if name == "share" else row)
            for row in some
        )
        for name, some in rows.items()
    }


def _crowd_check(crowd: Crowd, control: Control) -> Unsafe:
    def unsafe(cells: Collection[Cell]) -> bool:
        listings, vendors = crowd.size((cell, _NO_VARIANT) for cell in cells)
        return listings < control.k or vendors < control.vendors

    return unsafe


def _value_check(measure: str, rows: Sequence[TrendRow], control: Control) -> Unsafe:
    """Counts that are themselves too small, however many stood on the shelf in the whole bucket."""
    limit = {"k": control.k, "vendors": control.vendors}.get(_COUNTED_IN.get(measure, ""), 0)
    values: dict[Cell, float] = {cell_of(row): row.value for row in rows if row.value} if limit else {}

    def unsafe(cells: Collection[Cell]) -> bool:
        total = sum(values.get(cell, 0.0) for cell in cells)
        return 0 < total < limit

    return unsafe


def _money_check(amounts: Amounts, control: Control) -> Unsafe:
    """Too few vendors with sales, the dominance rule, the p % rule; in any of a cell's variants."""

    def unsafe(cells: Collection[Cell]) -> bool:
        return any(breaks_money_rules(list(each.values()), control) for each in _join(amounts, cells))

    return unsafe


def _churn_check(amounts: Amounts, control: Control) -> Unsafe:
    def unsafe(cells: Collection[Cell]) -> bool:
        return any(0 < len(each) < control.vendors for each in _join(amounts, cells))

    return unsafe


def _join(amounts: Amounts, cells: Collection[Cell]) -> list[dict[str, float]]:
    """What each vendor adds to some cells together, by variant."""
    found: dict[Variant, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for cell in cells:
        for variant, each in amounts.get(cell, {}).items():
            for vendor, amount in each.items():
                found[variant][vendor] += amount
    return list(found.values())


def breaks_money_rules(amounts: Sequence[float], control: Control) -> bool:
    """Whether the money of some vendors together may not be told; none at all may be."""
    ordered = sorted((amount for amount in amounts if amount > 0), reverse=True)
    total = sum(ordered)
    if not ordered:
        return False
    if len(ordered) < control.vendors or ordered[0] > control.dominance / 100 * total:
        return True
    # the second largest knows its own part: what is left over is how far off its estimate of the largest can be
    return total - ordered[0] - ordered[1] < control.p / 100 * ordered[0]


def withhold(row: TrendRow) -> Released:
    """A row without its figures. What only names things (unit, currency) stays; a gap keeps its own reason."""
    extras: dict[str, Extra] = {name: one if isinstance(one, str) else None for name, one in row.extras.items()}
    reason = SUPPRESSED if row.value is not None or row.reason is None else row.reason
    blank = {"value": None, "low": None, "high": None, "n": 0, "extras": extras, "reason": reason}
    return Released(row=row.model_copy(update=blank), suppressed=True)


def _without_unknown(row: TrendRow, splits: tuple[str, ...], pattern: set[Cell]) -> TrendRow:
    """Every row of `share` repeats the amount of the unknown: it goes where that cell is withheld."""
    if not splits or splits[0] != "substance":
        # the unknown of other splits is no cell of this table: nobody checked it
        return row.model_copy(update={"extras": {**row.extras, "unknown": None}})
    series = (UNKNOWN, *tuple(row.splits.values())[1:])
    if (row.bucket, series) not in pattern:
        return row
    return row.model_copy(update={"extras": {**row.extras, "unknown": None}})
