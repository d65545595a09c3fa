"""The truth of the measures, from the model alone. The definitions are DESIGN.md's ("What the numbers mean").

A count is the number of distinct listings, offers or vendors on each day, averaged over the days of the bucket on which
the market exists; several markets are added. A price is the median over offer-days, a turnover the sum of true sales at
the asking price. Days on which the site is down count: what lives behind the closed door is alive. Days after a closing
do not count; a bucket with none but those has no value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from statistics import median
from typing import Literal, TypedDict

from monitor.demo.world.records import ListingState, MarketDay, MarketId, OfferState

Measure = Literal["listings", "offers", "vendors", "price", "turnover"]
By = Literal["day", "week", "month"]
UNKNOWN = "unknown"


class TruthRow(TypedDict):
    """`down`: market-days on which a crawl could not be complete; `closed`: markets that closed in or before the
    bucket; `unit` only where a value is per unit; money is in US dollars."""

    bucket: str
    value: float | None
    unit: str | None
    days: int
    down: int
    closed: list[str]


def bucket_of(day: date, by: By) -> date:
    """The day itself, the Monday of its week, or the first of its month."""
    if by == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if by == "month" else day


def matching(
    state: MarketDay, substance: str | None, region: str | None
) -> Iterator[tuple[ListingState, tuple[OfferState, ...]]]:
    """Listings of that main substance (`unknown`: of none) with their offers in that region (or below it)."""
    for row in state.listings:
        if substance is not None and (row.listing.substance or UNKNOWN) != substance:
            continue
        offers = row.offers
        if region is not None:
            offers = tuple(o for o in offers if o.offer.region and (o.offer.region + "-").startswith(region + "-"))
        if offers:
            yield row, offers


def _count(state: MarketDay, measure: Measure, substance: str | None, region: str | None) -> int:
    found = matching(state, substance, region)
    if measure == "offers":
        return sum(len(offers) for _, offers in found)
    if measure == "vendors":
        return len({row.listing.vendor.slug for row, _ in found})
    return sum(1 for _ in found)


def truth_rows(
    markets: Mapping[MarketId, Sequence[MarketDay]], rate: Callable[[date, str], float], measure: Measure,
    substance: str | None, *, by: By, region: str | None,
) -> list[TruthRow]:  # fmt: skip
    """Rows by bucket, oldest first; every bucket of the world has one (`price`: one for each base unit in use)."""
    buckets: dict[date, dict[MarketId, list[MarketDay]]] = defaultdict(dict)
    for market, days in markets.items():
        for state in days:
            buckets[bucket_of(state.day, by)].setdefault(market, []).append(state)
    rows: list[TruthRow] = []
    units: set[str] = set()
    values: list[tuple[TruthRow, dict[str, float]]] = []
    for bucket, parts in sorted(buckets.items()):
        alive = {market: [day for day in days if day.down != "seized"] for market, days in parts.items()}
        alive = {market: days for market, days in alive.items() if days}
        row = TruthRow(
            bucket=bucket.isoformat(), value=None, unit=None, days=sum(map(len, alive.values())),
            down=sum(1 for days in alive.values() for day in days if day.down),
            closed=[market for market, days in parts.items() if any(day.down == "seized" for day in days)],
        )  # fmt: skip
        if measure == "price":
            by_unit = _medians([day for days in alive.values() for day in days], rate, substance, region)
            units |= set(by_unit)
            values.append((row, by_unit))
            continue
        if alive and measure == "turnover":
            row["value"] = sum(_turnover(day, rate, substance, region) for days in alive.values() for day in days)
        elif alive:
            row["value"] = sum(
                sum(_count(day, measure, substance, region) for day in days) / len(days) for days in alive.values()
            )
        rows.append(row)
    for row, by_unit in values:
        for unit in sorted(units):
            filled = row.copy()
            filled["unit"], filled["value"] = unit, by_unit.get(unit)
            rows.append(filled)
    return rows


def _medians(
    days: Sequence[MarketDay], rate: Callable[[date, str], float], substance: str | None, region: str | None
) -> dict[str, float]:
    """Median US dollars per base unit over offer-days of kind `offer`, by unit; held prices left out."""
    found: dict[str, list[float]] = defaultdict(list)
    for state in days:
        for row, offers in matching(state, substance, region):
            if row.listing.kind != "offer":
                continue
            for offer in offers:
                if not offer.held:
                    usd = offer.price * rate(state.day, offer.currency)
                    found[offer.offer.unit].append(usd / offer.offer.quantity)
    return {unit: median(prices) for unit, prices in found.items()}


def _turnover(
    state: MarketDay, rate: Callable[[date, str], float], substance: str | None, region: str | None
) -> float:
    return sum(
        offer.sold * offer.price * rate(state.day, offer.currency)
        for row, offers in matching(state, substance, region) if row.listing.kind == "offer"
        for offer in offers
    )  # fmt: skip
