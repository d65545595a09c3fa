"""`coverage`: how much of the market the crawls of a bucket saw, the base of every other measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config.errors import UsageError
from extract.observation import CoverageBasis, Crawl
from index.coverage import scope_coverage
from index.measures.ask import Ask, Series
from index.measures.row import TrendRow

SPLITS = ("market", "region")
BASES = tuple(basis for basis in CoverageBasis if basis is not CoverageBasis.UNKNOWN)


def coverage(ask: Ask) -> list[TrendRow]:
    """Rows of `coverage`: the mean over the bucket's crawls whose coverage is known, with `best`, `worst`, `attempts`,
    `basis` (several joined by a plus) and, under the name of each basis, the mean of what crawls state on it: where
    they state several, these can be held against one another. `n` is the number of crawls of known coverage, `crawls`
    of the complete-enough ones.

    Raises UsageError for a split other than market and region: coverage belongs to crawls, not to listings.
    """
    for name in ask.splits:
        if name not in SPLITS:
            raise UsageError(f"Coverage cannot be split by {name}.", remedy=f"Split by {' or '.join(SPLITS)}.")
    rows = []
    for _, position, _, key in ask.cells(_series(ask)):
        market, regions = ask.market_of(key), ask.regions_of(key)
        crawls = ask.panel.attempts(position, market)
        scopes = [ask.panel.coverage(crawl, regions) for crawl in crawls]
        values = [scope.value for scope in scopes if scope.value is not None]
        status = ask.panel.status(position, market, regions, every=False)
        if values:
            value, reason = sum(values) / len(values), None
            # known, though perhaps not enough for other measures
            status = type(status)(status.used, status.attempts, value, None)
        else:
            value, reason = None, status.reason
        basis = "+".join(sorted({scope.basis.value for scope in scopes if scope.value is not None})) or None
        on_basis: dict[str, Any] = {each.value: _mean_on(each, crawls, regions) for each in BASES}
        rows.append(ask.row(
            position, key, status, value, reason=reason, n=len(values), attempts=status.attempts,
            best=max(values, default=None), worst=min(values, default=None), basis=basis,
            **on_basis))
    return rows


def _mean_on(basis: CoverageBasis, crawls: Sequence[Crawl], regions: tuple[str, ...]) -> float | None:
    """Mean coverage on one basis over the crawls that state it for the scope asked."""
    values = []
    for crawl in crawls:
        stated = tuple(scope for scope in crawl.coverage if scope.basis is basis)
        if stated:
            value = scope_coverage(crawl.model_copy(update={"coverage": stated}), regions).value
            values += [] if value is None else [value]
    return sum(values) / len(values) if values else None


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
