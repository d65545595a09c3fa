"""One row of an answer: a bucket of a series with its value, its uncertainty and what it rests on."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from extract.observation import Record

Extra = float | int | str | None


class TrendRow(Record):
    """One bucket of one series. `value` None: not known, and `reason` says why (never a zero in its place)."""

    bucket: date
    """The day, the Monday of the week, or the 1st of the month; market-local."""
    splits: dict[str, str | None] = Field(default_factory=dict)
    """Value of each split field, by its name in the command (`ships-from`). None: not stated by the market."""
    value: float | None
    low: float | None = None
    high: float | None = None
    """95 % interval (`index.bootstrap`); None below 10 vendors, and where the method has none."""
    n: int = Field(ge=0)
    """Contributing offers (for `coverage`: crawls whose coverage is known)."""
    crawls: int = Field(ge=0)
    """Complete-enough crawls of the bucket."""
    coverage: float | None = Field(default=None, ge=0, le=1)
    """Mean coverage of those; where there is none, the best known one."""
    tz: str
    """IANA zone of the local dates, or `mixed`."""
    extras: dict[str, Extra] = Field(default_factory=dict)
    """What the measure adds, for instance `q25`, `unit`, `packages`."""
    reason: str | None = None


def to_json(row: TrendRow) -> dict[str, Extra]:
    """A flat object: bucket, splits, value, low, high, n, crawls, coverage, tz, the measure's own fields, reason."""
    return {
        "bucket": row.bucket.isoformat(),
        **row.splits,
        "value": row.value,
        "low": row.low,
        "high": row.high,
        "n": row.n,
        "crawls": row.crawls,
        "coverage": row.coverage,
        "tz": row.tz,
        **row.extras,
        "reason": row.reason,
    }
