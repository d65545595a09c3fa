"""What a package answers: one question for several measures, and the rules by which small cells are withheld."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Literal

from pydantic import Field

from config.errors import UsageError
from extract.observation import Record
from index.buckets import By, bucket_end
from index.measures import TrendRow, covered, trends
from index.measures.ask import Money, Of
from index.store import Filter, Store

TAKEN_OF = frozenset({"share", "concentration"})
"""Measures that `of` is about."""


class Question(Record):
    """The options of `dropline trends`, for one or more measures."""

    measures: tuple[str, ...] = Field(min_length=1)
    where: Filter = Filter()
    by: By = "week"
    split: tuple[str, ...] = ()
    with_flagged: bool = False
    currency: Money | None = None
    method: str = "stock"
    of: Of | None = None
    seed: int = 0


class Control(Record):
    """Disclosure control of a release. Defaults are DESIGN.md's; the rules are in Hundepool et al. 2012, ch. 4."""

    level: Literal["public", "restricted"] = "public"
    """`restricted`: nothing is withheld; for named colleagues under an agreement, never for publication."""
    k: int = Field(default=10, ge=1)
    """Fewest listings behind a published cell."""
    vendors: int = Field(default=5, ge=1)
    """Fewest vendors behind it."""
    dominance: float = Field(default=85.0, gt=0, le=100)
    """Largest part (per cent) of a cell's money that one vendor may have: the (1, k)-dominance rule."""
    p: float = Field(default=10.0, ge=0, le=100)
    """The p % rule: the second largest vendor must not be able to estimate the largest to within p per cent."""
    lag_days: int = Field(default=0, ge=0)
    """Days a bucket must have been over before it is released."""
    as_of: date
    """Day of the release."""


def run_question(store: Store, question: Question) -> dict[str, list[TrendRow]]:
    """Rows of every measure, as `index.measures.trends` gives them."""
    return {measure: run_measure(store, question, measure) for measure in question.measures}


def run_measure(
    store: Store, question: Question, measure: str, split: tuple[str, ...] | None = None
) -> list[TrendRow]:
    """Rows of one measure of a question; `split` in the place of the question's own. Coverage, which belongs to crawls,
    is split only by what it can be."""
    splits = question.split if split is None else split
    if measure == "coverage":
        splits = tuple(name for name in splits if name in covered.SPLITS)
    return trends(
        store, measure, question.where, by=question.by,
        split=splits, with_flagged=question.with_flagged,
        currency=question.currency, method=question.method if measure == "turnover" else "stock",
        of=question.of if measure in TAKEN_OF else None, seed=question.seed,
    )


def is_due(bucket: date, question: Question, control: Control) -> bool:
    """Whether a bucket may be in the release: whole (not cut by the dates asked) and over for `lag_days`.

    Two releases with different last days would otherwise give, by subtraction, the days between them.
    """
    end = bucket_end(bucket, question.by)
    first, last = question.where.first, question.where.last
    whole = (first is None or first <= bucket) and (last is None or last >= end)
    return whole and end <= control.as_of - timedelta(days=control.lag_days)


def check_question(question: Question, control: Control) -> None:
    """UsageError for what a package must not hold."""
    named = [name for name in ("vendor", "listing") if getattr(question.where, name)]
    if named:
        raise UsageError(
            f"A package cannot be about one {named[0]}.", remedy=f"Leave the filter by {named[0]} out."
        )
    shared = (question.split or ("substance",))[0].replace("-", "_")
    if control.level == "public" and "share" in question.measures and getattr(question.where, shared):
        raise UsageError(
            f"Shares are of all values of {shared}: published for some alone, they would tell the sum of the others.",
            remedy=f"Leave the filter by {shared} out, or leave share out.",
        )
    if "vendor" in question.split and control.level == "public":
        raise UsageError(
            "Split by vendor every cell has one vendor and would be suppressed.",
            remedy="Leave --split vendor out, or make a package for colleagues with --level restricted.",
        )


def fresh_pseudonym(vendor: str, key: bytes) -> str:
    """A vendor's name in one package alone: HMAC-SHA256 of the pseudonym under the package's own key."""
    return f"v:{hmac.new(key, vendor.encode(), hashlib.sha256).hexdigest()[:20]}"


def rename_vendors(rows: list[TrendRow], key: bytes) -> list[TrendRow]:
    """Rows with vendors under a fresh key, by bucket and then the new names: the old order would tell who is who."""
    if not any("vendor" in row.splits for row in rows):
        return rows
    renamed = [
        row.model_copy(update={"splits": {**row.splits, "vendor": fresh_pseudonym(vendor, key) if vendor else None}})
        for row in rows for vendor in (row.splits.get("vendor"),)
    ]
    return sorted(renamed, key=lambda row: (row.bucket, order_of(row.splits)))


def order_of(values: Mapping[str, Any]) -> tuple[tuple[bool, str], ...]:
    """Sorts values that may be missing: those last."""
    return tuple((value is None, str(value)) for value in values.values())
