"""First appearance of a value of a field (substance, region, unknown term) in a market, after burn-in.

This test has a signature of its own: it is given the set of values of each bucket, not a series of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar, Literal

from pydantic import Field

from index.detect.base import GAP, TestSettings
from index.detect.series import Judgement


@dataclass(frozen=True, slots=True)
class Sightings:
    """What one bucket of one market holds."""

    bucket: date
    values: Mapping[str, int] | None
    """Listings (or offers) by value of the field; None: a gap, of which nothing follows."""
    vocabulary: str = ""
    """Version of the vocabulary the bucket was read with."""
    known: frozenset[str] = field(default_factory=frozenset)
    """Values this version could name when it was read, if the caller knows: a value that an earlier version could name
    too is news in spite of the new version's burn-in. Empty: not known, all are held in the burn-in."""


class FirstSettings(TestSettings):
    """Fires once for a value never seen before in the market, when it has been confirmed."""

    kind: Literal["first"] = "first"
    burn_in_days: int = Field(28, ge=0, description="Days after the market's first known bucket: all is new then.")
    burn_in_buckets: int = Field(3, ge=1, description="Known buckets of the market that must have passed as well.")
    vocabulary_burn_in_days: int = Field(
        7, ge=0, description="Days after a new vocabulary version, which finds what had been there: learned only."
    )
    confirm_buckets: int = Field(
        2, ge=1, description="Known buckets in which the value must have been seen. One misreading is not news."
    )
    confirm_count: int = Field(
        3, ge=1, description="Or: so many listings in one bucket. Several misreadings at once are unlikely."
    )
    confirm_within_days: int = Field(28, ge=1, description="The sightings that confirm must lie within so many days.")
    forget_days: int | None = Field(
        None, ge=1, description="A value not seen for so long is new again. None: once known, always known."
    )

    tuned: ClassVar[str] = "confirm_buckets"
    grid: ClassVar[tuple[float, float]] = (1, 20)


def judge(
    sightings: Sequence[Sightings], settings: FirstSettings, since: date | None = None
) -> dict[str, list[Judgement]]:
    """Judgements by value, oldest first, of one market's buckets: one fired judgement at the bucket that confirms a
    value, and skipped ones at the buckets before (seen, not confirmed yet; or learned in a burn-in).

    `value` and `n` are the listings seen in the bucket, `score` the known buckets with a sighting so far; notes:
    first (the bucket of the first sighting, ISO). Only what is in or before a bucket is used for it.
    """
    known_until: dict[str, date] = {}
    pending: dict[str, list[date]] = {}
    named: set[str] = set()
    began: date | None = None
    buckets = 0
    version: str | None = None
    version_began: date | None = None
    rows: dict[str, list[Judgement]] = {}

    def note(value: str, row: Judgement) -> None:
        if since is None or row.bucket >= since:
            rows.setdefault(value, []).append(row)

    for row in sightings:
        if row.values is None:
            continue
        began = began or row.bucket
        if row.vocabulary != version:
            # The first version of all needs no burn-in of its own: the market's covers it.
            version_began = None if version is None else row.bucket
            version = row.vocabulary
        in_market = (row.bucket - began).days < settings.burn_in_days or buckets < settings.burn_in_buckets
        in_version = version_began is not None and (row.bucket - version_began).days < settings.vocabulary_burn_in_days
        buckets += 1
        for value, count in sorted(row.values.items()):
            if count <= 0:
                continue
            last = known_until.get(value)
            forgotten = (
                last is not None and settings.forget_days is not None
                and (row.bucket - last).days > settings.forget_days
            )  # fmt: skip
            if last is not None and not forgotten:
                known_until[value] = row.bucket
                continue
            if in_market or (in_version and value not in named and last is None and value not in pending):
                known_until[value] = row.bucket
                why = "burn-in of the market" if in_market else "burn-in of the vocabulary"
                note(value, Judgement(row.bucket, False, float(count), score=1.0, n=count, skipped=why))
                continue
            dates = [day for day in pending.get(value, ()) if (row.bucket - day).days <= settings.confirm_within_days]
            dates.append(row.bucket)
            pending[value] = dates
            fired = len(dates) >= settings.confirm_buckets or count >= settings.confirm_count
            note(
                value,
                Judgement(
                    row.bucket, fired, float(count), baseline=0.0, score=float(len(dates)), n=count,
                    skipped=None if fired else "not confirmed yet", notes={"first": dates[0].isoformat()},
                ),
            )
            if fired:
                known_until[value] = row.bucket
                del pending[value]
        # What this version can name counts as nameable only from the next version on.
        named |= row.known
    return rows


def gaps(sightings: Sequence[Sightings], since: date | None = None) -> list[Judgement]:
    """One skipped judgement for each gap: for a back-test that shows where the test was blind."""
    return [
        Judgement(row.bucket, False, None, skipped=GAP)
        for row in sightings
        if row.values is None and (since is None or row.bucket >= since)
    ]
