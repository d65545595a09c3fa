"""A fired alert: the record that is kept, shown and sent."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from extract.observation import Record


class Severity(StrEnum):
    """How much it matters, least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlertState(StrEnum):
    """Where an alert stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RECOVERED = "recovered"
    DISMISSED = "dismissed"


class Verdict(StrEnum):
    """What the reviewer found."""

    TRUE = "true"
    FALSE = "false"
    UNCLEAR = "unclear"


class Alert(Record):
    """One firing of one rule for one series. Times are UTC, buckets market-local dates."""

    id: str
    """Deterministic: a digest of rule, rule version, series and first bucket. Receivers deduplicate by it."""
    rule: str
    rule_version: str
    test: str
    """Kind of the test: threshold, change, surge, drift, first, down, quality."""
    measure: str
    series: dict[str, str | None] = Field(default_factory=dict)
    """Value of each split field, by its name in the command."""
    severity: Severity
    owner: str
    recipients: tuple[str, ...]
    """Names of channels."""
    first_bucket: date
    bucket: date
    """The bucket that fired; the latest one of a firing that lasts."""
    fired_at: datetime
    value: float | None
    baseline: float | None = None
    low: float | None = None
    high: float | None = None
    score: float | None = None
    n: int = 0
    vendors: int | None = None
    """For the suppression of small cells; None: not known, so treated as too few."""
    coverage: float | None = None
    why: str = ""
    """One plain sentence."""
    query: str = ""
    """The `dropline rows` or `dropline trends` command that shows the evidence; it needs the analyst's access."""
    state: AlertState = AlertState.OPEN
    verdict: Verdict | None = None
    recent: tuple[tuple[date, float | None], ...] = ()
    """The buckets before and with this one, oldest first, for the chart in a mail."""
    recent_crowd: tuple[tuple[int, int | None], ...] = ()
    """(n, vendors) of each bucket of `recent`, in the same order. A bucket without it is not drawn: who stands behind
    it is not known."""
    unit: str = ""
    """Of `value` and `baseline`, as a person reads it ("USD/g", "listings")."""
