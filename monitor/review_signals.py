"""What the review queue tells alerts: terms nobody has seen before, once they are more than one listing's oddity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from monitor.operator_values import FIELDS
from monitor.state import State

REPEATED = 2
"""Distinct listings that make an unreviewed term a signal: one alone is mostly a slip of the pen."""


@dataclass(frozen=True, slots=True)
class FirstSeen:
    """The first appearance of a term in one market. Times are in UTC."""

    term: str
    rule: str
    market: str
    first_seen: datetime
    signalled: datetime
    """When it became a signal: its first sighting where a person had accepted it, else that of its second listing."""
    listings: int
    vendors: int
    """Distinct vendors known of those listings."""
    substance: str | None
    """What a person accepted it as; None: open."""
    elsewhere: bool
    """Another market had it before."""
    example: str
    """Masked title of its first listing."""


def first_seen_terms(state: State, since: datetime, *, until: datetime | None = None) -> list[FirstSeen]:
    """Terms that became a signal at or after `since`, the earliest first: accepted ones, and open ones of at least two
    listings of a market. Rejected terms and values of fields are none. Burn-in of a market is the caller's.

    `until`: only what was known then (sightings and decisions), so that a rule can be tested on the past.
    """
    end = (until or datetime.max.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="microseconds")
    rows = state.db.execute(
        "SELECT t.term, t.rule, t.status, t.substance, t.decided, l.market, l.vendor, l.title, l.first_seen"
        " FROM review_term t JOIN review_listing l ON l.term = t.term WHERE l.first_seen <= ?"
        " ORDER BY t.term, l.market, l.first_seen, l.listing",
        (end,),
    ).fetchall()
    groups: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    earliest: dict[str, str] = {}
    for row in rows:
        if row[1] not in FIELDS:
            groups.setdefault((row[0], row[5]), []).append(row)
            earliest[row[0]] = min(earliest.get(row[0], row[8]), row[8])
    start = since.astimezone(UTC)
    found = []
    for (term, market), seen in groups.items():
        rule, status, substance, decided = seen[0][1:5]
        if status != "open" and until is not None and decided and datetime.fromisoformat(decided) > until:
            status, substance = "open", ""
        if status == "rejected" or (status == "open" and len(seen) < REPEATED):
            continue
        first = datetime.fromisoformat(seen[0][8])
        signalled = first if status == "accepted" else datetime.fromisoformat(seen[REPEATED - 1][8])
        if signalled >= start:
            one = FirstSeen(
                term, rule, market, first, signalled, len(seen), len({row[6] for row in seen if row[6]}),
                substance or None, earliest[term] < seen[0][8], seen[0][7],
            )  # fmt: skip
            found.append(one)
    return sorted(found, key=lambda one: (one.signalled, one.term, one.market))
