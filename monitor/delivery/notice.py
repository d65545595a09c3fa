"""What may be told of an alert: the alert without the figures that would point at few people.

The limits are those of published packages (`index.export.question.Control`): fewer than k listings, or too few vendors.
Nobody is behind the coverage of crawls, nor behind a zero. The dominance of one vendor in a sum of money is judged
where the alert is made (`monitor.alerts.crowd`): its `vendors` is None then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from extract.observation import Record, UtcTime
from monitor.alerts.alert import Alert, AlertState, Severity
from monitor.delivery.harmless import one_line

ABOUT_CRAWLS = frozenset({"coverage", "held", "paused", "unreviewed"})
"""The measures that nobody stands behind. A test of kind `down` reads listings, `quality` any share."""
_COUNTS = frozenset({"listings", "offers", "flows", "new", "withdrawn", "returned"})
K, VENDORS = 10, 5
"""Fewest listings and vendors behind a figure. Those of `Control`, held together by a test: importing it would load
numpy and all measures into every deliverer."""
WITHHELD = "withheld: it would describe too few listings or vendors"
_PLAIN_WHY: Mapping[str, str] = {
    "threshold": "The measure crossed the limit of the rule.",
    "change": "The measure moved away from what it was before.",
    "surge": "More appeared than the time before lets one expect.",
    "drift": "The measure moves slowly in one direction.",
    "first": "This was seen here for the first time.",
    "down": "The market could not be read.",
    "quality": "The data are not as they should be.",
    "standing": "Something waits for a person.",
}


class Event(StrEnum):
    """What happened to an alert."""

    FIRED = "fired"
    FIRED_AGAIN = "fired-again"
    RECOVERED = "recovered"
    TEST = "test"


class Notice(Record):
    """One event of one alert as it may leave the house. Texts are single lines; a figure that is not told is None and
    stands in `withheld` with what to say instead. Buckets are market-local dates."""

    alert: str
    event: Event
    at: UtcTime
    """When the event was recorded."""
    rule: str
    rule_version: str
    test: str
    measure: str
    unit: str = ""
    series: dict[str, str | None] = Field(default_factory=dict)
    severity: Severity
    owner: str
    state: AlertState
    first_bucket: date
    bucket: date
    fired_at: datetime
    value: float | None
    baseline: float | None
    low: float | None
    high: float | None
    score: float | None
    n: int | None
    vendors: int | None
    coverage: float | None
    why: str
    query: str
    recent: tuple[tuple[date, float | None], ...]
    withheld: dict[str, str] = Field(default_factory=dict)


def build_notice(alert: Alert, event: Event, at: datetime) -> Notice:
    """What may be told of `alert`. Pure: the same alert, event and time give the same notice."""
    named = alert.series.get("vendor")
    safe = alert.measure in ABOUT_CRAWLS
    nobody = not safe and alert.n == 0 and not alert.vendors and not alert.value
    withheld: dict[str, str] = {}
    figures: dict[str, float | None] = {
        name: _finite(getattr(alert, name)) for name in ("value", "baseline", "low", "high", "score")
    }
    n, vendors = (None, None) if safe else (alert.n, alert.vendors)
    if not safe and not nobody:
        if alert.n < K:
            withheld["n"], n = f"fewer than {K}", None
        if alert.vendors is None or alert.vendors < VENDORS:
            withheld["vendors"], vendors = f"fewer than {VENDORS}", None
            if alert.vendors is None:
                withheld["vendors"] = "not known"
    small = bool(withheld) or (named is not None and not safe)
    history = _history(alert, safe)
    if not safe:
        for name, figure in figures.items():
            stands_in_rule = name in {"low", "high"} and alert.test == "threshold"
            if figure is None or (nobody and (name == "value" or stands_in_rule)):
                continue
            if small or (nobody and not _all_told(alert, history)):
                withheld[name] = WITHHELD
            elif name in {"value", "baseline"} and 0 < figure < _least(alert.measure):
                withheld[name] = f"fewer than {_least(alert.measure)}"
        if "value" in withheld and withheld["value"] != WITHHELD:  # its interval and score would give it back
            withheld |= {name: WITHHELD for name in ("low", "high", "score") if figures[name] is not None}
    if small and not nobody:
        history = ()
    told = {name: None if name in withheld else figure for name, figure in figures.items()}
    why = alert.why if not {"value", "baseline"} & set(withheld) else _PLAIN_WHY.get(alert.test, "The rule fired.")
    return Notice(
        alert=one_line(alert.id, 100),
        event=event,
        at=at,
        rule=one_line(alert.rule, 200),
        rule_version=one_line(alert.rule_version, 100),
        test=one_line(alert.test, 50),
        measure=one_line(alert.measure, 100),
        unit=one_line(alert.unit, 50),
        series={one_line(name, 50): _series_value(name, value) for name, value in alert.series.items()},
        severity=alert.severity,
        owner=one_line(alert.owner, 100),
        state=alert.state,
        first_bucket=alert.first_bucket,
        bucket=alert.bucket,
        fired_at=alert.fired_at,
        **told,
        n=n,
        vendors=vendors,
        coverage=_finite(alert.coverage),
        why=one_line(_unnamed(why, named)),
        query=one_line(_unnamed(alert.query, named)),
        recent=history,
        withheld=withheld,
    )


def _finite(figure: float | None) -> float | None:
    return figure if figure is not None and math.isfinite(figure) else None


def _least(measure: str) -> int:
    """Below which a count is itself too small to be told, however many stood on the shelf."""
    return VENDORS if measure == "vendors" else K if measure in _COUNTS else 0


def _history(alert: Alert, safe: bool) -> tuple[tuple[date, float | None], ...]:
    """The earlier points that may be drawn: those with enough listings and vendors of their own."""
    crowds = dict(zip((day for day, _ in alert.recent), alert.recent_crowd, strict=False))
    crowds.setdefault(alert.bucket, (alert.n, alert.vendors))
    shown: list[tuple[date, float | None]] = []
    for day, value in alert.recent:
        n, vendors = crowds.get(day, (0, None))
        enough = n >= K and vendors is not None and vendors >= VENDORS
        zero = value == 0 and n == 0 and not vendors and day in crowds
        known = safe or zero or (enough and (value is None or not 0 < value < _least(alert.measure)))
        shown.append((day, _finite(value) if known else None))
    return tuple(shown)


def _all_told(alert: Alert, history: tuple[tuple[date, float | None], ...]) -> bool:
    """Whether every point before this one may be told, so that what is made of them may be, too."""
    pairs = zip(alert.recent, history, strict=True)
    before = [given == told for (day, given), (_, told) in pairs if day < alert.bucket]
    return bool(before) and all(before)


def _series_value(name: str, value: str | None) -> str | None:
    # a message goes to people who may not see pseudonyms
    return "one vendor" if name == "vendor" and value is not None else None if value is None else one_line(value, 200)


def _unnamed(text: str, vendor: str | None) -> str:
    # a rule may watch several vendors: then the label has a comma between them
    for one in (vendor or "").split(","):
        text = text.replace(one, "VENDOR") if one else text
    return text
