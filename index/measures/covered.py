"""`coverage`: how much of the market the crawls of a bucket saw, the base of every other measure."""

from __future__ import annotations

from config.errors import UsageError
from index.measures.ask import Ask, Series
from index.measures.row import TrendRow

SPLITS = ("market", "region")


def coverage(ask: Ask) -> list[TrendRow]:
    """Rows of `coverage`: the mean over the bucket's crawls whose coverage is known, with `best`, `worst`, `attempts`
    and `basis` (several joined by a plus). `n` is the number of those crawls, `crawls` of the complete-enough ones.

    Raises UsageError for a split other than market and region: coverage belongs to crawls, not to listings.
    """
    for name in ask.splits:
        if name not in SPLITS:
            raise UsageError(f"Coverage cannot be split by {name}.", remedy=f"Split by {' or '.join(SPLITS)}.")
    rows = []
    for _, position, _, key in ask.cells(_series(ask)):
        market, regions = ask.market_of(key), ask.regions_of(key)
        scopes = [ask.panel.coverage(crawl, regions) for crawl in ask.panel.attempts(position, market)]
        values = [scope.value for scope in scopes if scope.value is not None]
        status = ask.panel.status(position, market, regions, every=False)
        if values:
            value, reason = sum(values) / len(values), None
            # known, though perhaps not enough for other measures
            status = type(status)(status.used, status.attempts, value, None)
        else:
            value, reason = None, status.reason
        basis = "+".join(sorted({scope.basis.value for scope in scopes if scope.value is not None})) or None
        rows.append(ask.row(
            position, key, status, value, reason=reason, n=len(values), attempts=status.attempts,
            best=max(values, default=None), worst=min(values, default=None), basis=basis))
    return rows


def _series(ask: Ask) -> list[Series]:
    """Markets of the crawls, and the regions of their place scopes, as split."""
    if not ask.splits:
        return [()]
    seen: set[Series] = set()
    for position in range(len(ask.buckets)):
        for crawl in ask.panel.attempts(position):
            regions: set[str | None] = {None}
            if "region" in ask.splits:
                regions = {scope.region for scope in crawl.coverage if scope.scope == "place"} - {None} or {None}
            for region in regions:
                values = {"market": crawl.market, "region": region}
                seen.add(tuple(values[name] for name in ask.splits))
    if ask.where.region and "region" in ask.splits:
        place = ask.splits.index("region")
        seen = {key for key in seen if _within(key[place], ask.where.region)}
    return ask.series(seen)


def _within(region: str | None, wanted: tuple[str, ...]) -> bool:
    return region is not None and any(region == code or region.startswith(f"{code}-") for code in wanted)
