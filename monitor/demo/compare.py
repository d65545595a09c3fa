"""What came out of the pipe beside what is so: the demo's series, their values and the world's truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple, get_args

from config.errors import UsageError
from index.buckets import By
from index.measures import to_json, trends
from index.store import Filter, Store
from monitor.demo.world import World
from monitor.demo.world.records import MarketId
from monitor.demo.world.truth import Measure

SUBSTANCES = 4
"""Commonest substances of a market that get a price series, beside those of planted events."""
WHOLE: tuple[Measure, ...] = ("listings", "offers", "vendors", "turnover")
"""Measures shown for each market as a whole."""
MONEY: frozenset[str] = frozenset({"price", "turnover"})


class Series(NamedTuple):
    measure: Measure
    market: MarketId
    substance: str | None = None
    region: str | None = None

    @property
    def name(self) -> str:
        return " · ".join(part for part in (self.measure, self.market, self.substance, self.region) if part)


def demo_series(world: World) -> list[Series]:
    """Counts and turnover of each market; prices of its commonest substances; what the planted events touch."""
    series = [
        Series(measure, market)
        for market in world.markets
        for measure in WHOLE
        if measure != "turnover" or _states_stock(world, market)
    ]
    for market in world.markets:
        common = Counter(
            row.listing.substance
            for day in world.dates()[::7]
            for row in world.day(market, day).listings
            if row.listing.substance and row.listing.kind == "offer"
        )
        series += [Series("price", market, name) for name, _ in common.most_common(SUBSTANCES)]
    for event in world.events:
        if event.kind == "price-shock":
            series.append(Series("price", event.market, event.substance))
        elif event.kind == "first-substance":
            series.append(Series("listings", event.market, event.substance))
        elif event.kind == "region-dry":
            series.append(Series("offers", event.market, None, event.region))
    return list(dict.fromkeys(series))


def _states_stock(world: World, market: MarketId) -> bool:
    """Whether the market's pages say how many packages are ready (turnover by stock needs that)."""
    return any(offer.ready is not None for row in world.day(market, world.start).listings for offer in row.offers)


def compare(store: Store, world: World, by: str = "week") -> list[dict[str, Any]]:
    """One row per series and bucket: value, truth, relative difference, and what `trends` says beside (n, crawls,
    coverage, interval, reason of a gap). Money in US dollars. `closed` names a market that closed by then: no crawl can
    see it, so its value is a gap, and its truth is what was there before in that bucket."""
    if by not in get_args(By):
        raise UsageError(f"--by {by!r} is unknown.", remedy="day, week or month.")
    bucket: By = by  # type: ignore[assignment]
    return [row for series in demo_series(world) for row in _rows(store, world, series, bucket)]


def _rows(store: Store, world: World, series: Series, by: By) -> Iterator[dict[str, Any]]:
    where = Filter(
        market=(series.market,),
        substance=(series.substance,) if series.substance else (),
        region=(series.region,) if series.region else (),
        first=world.start,
        last=world.last,
    )
    found = [to_json(row) for row in trends(store, series.measure, where, by=by)]
    truths = world.truth(series.measure, series.market, series.substance, by, series.region)
    if series.measure == "price" and truths:
        # one base unit a series: the one most of the world's buckets have
        unit = Counter(row["unit"] for row in truths if row["value"] is not None).most_common(1)
        unit_name = unit[0][0] if unit else None
        truths = [row for row in truths if row["unit"] == unit_name]
        found = [row for row in found if row.get("unit") in (unit_name, None)]
    values = {row["bucket"]: row for row in found}
    for truth in truths:
        row = values.get(truth["bucket"], {})
        value, true = row.get("value"), truth["value"]
        yield {
            "series": series.name,
            "measure": series.measure,
            "market": series.market,
            "substance": series.substance,
            "region": series.region,
            "unit": truth["unit"] or ("USD" if series.measure in MONEY else None),
            "bucket": truth["bucket"],
            "value": value,
            "truth": true,
            "difference": _difference(value, true),
            "low": row.get("low"),
            "high": row.get("high"),
            "n": row.get("n", 0),
            "crawls": row.get("crawls", 0),
            "coverage": row.get("coverage"),
            "closed": series.market in truth["closed"],
            "reason": row.get("reason") or (None if value is not None else "nothing was observed"),
        }


def _difference(value: Any, truth: float | None) -> float | None:
    """(value - truth) / truth; None where either is missing, 0 where both are zero."""
    if value is None or truth is None:
        return None
    if truth == 0:
        return 0.0 if value == 0 else None
    return (float(value) - truth) / truth + 0.0  # no minus zero


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a series: buckets compared, gaps, median and largest relative difference in per cent."""
    summary = []
    for name in dict.fromkeys(row["series"] for row in rows):
        of_series = [row for row in rows if row["series"] == name]
        apart = [abs(row["difference"]) * 100 for row in of_series if row["difference"] is not None]
        summary.append(
            {
                "series": name,
                "buckets": len(of_series),
                "gaps": sum(row["value"] is None for row in of_series),
                "median difference %": round(median(apart), 2) if apart else None,
                "largest %": round(max(apart), 2) if apart else None,
            }
        )
    return summary
