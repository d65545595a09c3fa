"""Which crawls may be counted: complete enough for the scope asked, bucket by bucket, market by market.

A crawl is complete enough for a scope if its coverage there is at least 0.9 on a known basis. The scope of a question
without region is the market. With regions it is, for each of them: the crawl's place scope of that very region; else
its place scopes below it, together; else the nearest place scope above it; else the market.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from config.errors import StoreError
from extract.observation import COMPLETE_ENOUGH, Coverage, CoverageBasis, Crawl
from index.buckets import Buckets


@dataclass(frozen=True)
class ScopeCoverage:
    """Coverage of one crawl for one question. `value` is None where nobody knows it."""

    value: float | None
    basis: CoverageBasis = CoverageBasis.UNKNOWN

    @property
    def complete_enough(self) -> bool:
        return self.value is not None and self.value >= COMPLETE_ENOUGH


def scope_coverage(crawl: Crawl, regions: Sequence[str] = ()) -> ScopeCoverage:
    """Coverage of a crawl for a market (no region) or for some regions together.

    Several scopes together: seen over expected where every scope states what it expected, else the lowest value.
    A scope whose basis is unknown makes the whole unknown.
    """
    scopes: dict[tuple[str, str], Coverage] = {}
    for region in regions or (None,):
        found = _scopes_of(crawl, region)
        if not found:
            return ScopeCoverage(None)
        scopes.update({(scope.scope, scope.name): scope for scope in found})
    return _join(tuple(scopes.values()))


def _scopes_of(crawl: Crawl, region: str | None) -> list[Coverage]:
    places = [scope for scope in crawl.coverage if scope.scope == "place" and scope.region]
    if region is not None and places:
        exact = [scope for scope in places if scope.region == region]
        if exact:
            return exact
        below = [scope for scope in places if str(scope.region).startswith(f"{region}-")]
        if below:
            return below
        above = [scope for scope in places if region.startswith(f"{scope.region}-")]
        if above:
            nearest = max(len(str(scope.region)) for scope in above)
            return [scope for scope in above if len(str(scope.region)) == nearest]
    return [scope for scope in crawl.coverage if scope.scope == "market"][:1]


def _join(scopes: tuple[Coverage, ...]) -> ScopeCoverage:
    if any(scope.basis is CoverageBasis.UNKNOWN or scope.value is None for scope in scopes):
        return ScopeCoverage(None)
    if len(scopes) == 1:
        return ScopeCoverage(scopes[0].value, scopes[0].basis)
    basis = scopes[0].basis
    expected = [scope.expected for scope in scopes]
    total = sum(amount for amount in expected if amount is not None)
    if None not in expected and total > 0:
        # a scope in which more was seen than expected must not make up for one in which too little was
        seen = sum(min(scope.seen, scope.expected or 0) for scope in scopes)
        return ScopeCoverage(seen / total, basis)
    return ScopeCoverage(min(scope.value for scope in scopes if scope.value is not None), basis)


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The IANA zone of a market. Raises StoreError for a name nobody knows."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise StoreError(
            f"A crawl in the store names the time zone '{name}', which is unknown.",
            remedy="Use an IANA name such as Asia/Tbilisi in market.yml or in the mapping, and load it again.",
        ) from error


@lru_cache(maxsize=65_536)
def local_day(moment: datetime, zone: str) -> date:
    """Market-local date of a moment."""
    return moment.astimezone(zone_of(zone)).date()


def crawl_day(crawl: Crawl) -> date:
    """Market-local date a crawl is counted on: that of its start."""
    return local_day(crawl.started, crawl.tz)


@dataclass(frozen=True)
class Status:
    """What one bucket has for one scope. `reason` says why it may not be counted, None if it may."""

    used: dict[str, tuple[str, ...]]
    """Complete-enough crawls by market of the panel; a market without one is there with an empty tuple."""
    attempts: int
    coverage: float | None
    """Mean coverage of the crawls used; where none is, the best known one."""
    reason: str | None

    @property
    def crawls(self) -> int:
        return sum(len(crawls) for crawls in self.used.values())


class Panel:
    """The crawls of a question. A market belongs to the panel of a bucket that lies between its first and last attempt.

    `crawls` are all attempts of the markets asked, at any date: the panel must not depend on the dates asked.
    A bucket with a day before `kept_from` is a gap: what was purged cannot be told from what never was.
    """

    def __init__(self, crawls: Iterable[Crawl], buckets: Buckets, kept_from: date | None = None) -> None:
        self.buckets, self.kept_from = buckets, kept_from
        self._attempts: dict[str, dict[int, list[Crawl]]] = defaultdict(lambda: defaultdict(list))
        self._life: dict[str, tuple[date, date]] = {}
        self._zones: dict[str, set[str]] = defaultdict(set)
        self._days: dict[str, dict[str, date]] = defaultdict(dict)
        self.position_of: dict[str, int] = {}
        """Bucket of each crawl started on a day asked."""
        self._crawls: dict[str, list[Crawl]] = defaultdict(list)
        for crawl in crawls:
            day = crawl_day(crawl)
            first, last = self._life.get(crawl.market, (day, day))
            self._life[crawl.market] = (min(first, day), max(last, day))
            self._zones[crawl.market].add(crawl.tz)
            self._crawls[crawl.market].append(crawl)
            position = buckets.position(day)
            if position >= 0:
                self._attempts[crawl.market][position].append(crawl)
                self.position_of[crawl.id] = position
        self._cache: dict[tuple[int, str | None, tuple[str, ...], bool], Status] = {}
        self._parts: dict[tuple[str, int, tuple[str, ...]], _Part] = {}
        self._scopes: dict[tuple[str, tuple[str, ...]], ScopeCoverage] = {}
        self._complete: dict[tuple[str, tuple[str, ...]], list[date]] = {}

    @property
    def markets(self) -> tuple[str, ...]:
        return tuple(sorted(self._life))

    def zone(self, market: str | None = None) -> str:
        """The zone the local dates are in; `mixed` where there are several, UTC where there is no crawl."""
        names = self._zones.get(market, set()) if market is not None else set().union(*self._zones.values())
        return next(iter(names)) if len(names) == 1 else "mixed" if names else "UTC"

    def coverage(self, crawl: Crawl, regions: tuple[str, ...]) -> ScopeCoverage:
        """`scope_coverage`, remembered."""
        found = self._scopes.get((crawl.id, regions))
        if found is None:
            found = self._scopes[crawl.id, regions] = scope_coverage(crawl, regions)
        return found

    def share(self, scopes: dict[tuple[str, tuple[str, ...]], ScopeCoverage]) -> None:
        """Remembers coverages in `scopes`, with other panels over the very same crawls."""
        self._scopes = scopes

    def attempts(self, position: int, market: str | None = None) -> list[Crawl]:
        """Crawls begun in a bucket, complete or not (a bucket that is purged in part may have some)."""
        markets = self.markets if market is None else (market,)
        return [crawl for name in markets if name in self._attempts for crawl in self._attempts[name].get(position, ())]

    def complete_days(self, market: str, regions: tuple[str, ...]) -> list[date]:
        """Local days, at any date, with a crawl that is complete enough for the scope; ascending, each once."""
        found = self._complete.get((market, regions))
        if found is None:
            crawls = self._crawls.get(market, [])
            found = sorted({crawl_day(crawl) for crawl in crawls if self.coverage(crawl, regions).complete_enough})
            self._complete[market, regions] = found
        return found

    def status(
        self, position: int, market: str | None = None, regions: tuple[str, ...] = (), *, every: bool = True
    ) -> Status:
        """What a bucket has for one market (or all) and some regions.

        With `every` each market of the panel must have a complete-enough crawl, else one of them is enough.
        """
        key = (position, market, regions, every)
        found = self._cache.get(key)
        if found is None:
            found = self._cache[key] = self._status(position, market, regions, every)
        return found

    def _status(self, position: int, market: str | None, regions: tuple[str, ...], every: bool) -> Status:
        first, last = self.buckets.span(position)
        if self.kept_from is not None and first < self.kept_from:
            return Status({}, 0, None, "purged" if last < self.kept_from else f"purged before {self.kept_from}")
        markets = self.markets if market is None else (market,)
        panel = [m for m in markets if m in self._life and self._life[m][0] <= last and self._life[m][1] >= first]
        used: dict[str, tuple[str, ...]] = {}
        values: list[float] = []
        best: list[float] = []
        reasons: list[str] = []
        attempts = 0
        for name in panel:
            part = self._part(name, position, regions)
            attempts += part.attempts
            used[name] = part.used
            values += part.values
            best += part.best
            if not part.used:
                reasons.append((f"{name}: " if len(panel) > 1 else "") + part.why)
        lacking = not panel or bool(reasons if every else not any(used.values()))
        coverage = sum(values) / len(values) if values else max(best, default=None)
        return Status(used, attempts, coverage, ("; ".join(reasons) or "no crawl") if lacking else None)

    def _part(self, market: str, position: int, regions: tuple[str, ...]) -> _Part:
        key = (market, position, regions)
        found = self._parts.get(key)
        if found is None:
            crawls = self._attempts[market].get(position, []) if market in self._attempts else []
            scopes = [(crawl, self.coverage(crawl, regions)) for crawl in crawls]
            good = [(crawl.id, scope.value) for crawl, scope in scopes if scope.complete_enough]
            found = self._parts[key] = _Part(
                tuple(crawl for crawl, _ in good), [value for _, value in good if value is not None],
                [scope.value for _, scope in scopes if scope.value is not None], len(crawls),
                "" if good else _why(scopes))
        return found


@dataclass(frozen=True)
class _Part:
    """What one market adds to a status: its complete-enough crawls and their coverage, all known coverages, and why
    there is none that counts."""

    used: tuple[str, ...]
    values: list[float]
    best: list[float]
    attempts: int
    why: str


def _why(scopes: Sequence[tuple[Crawl, ScopeCoverage]]) -> str:
    if not scopes:
        return "no crawl"
    known = [scope.value for _, scope in scopes if scope.value is not None]
    if known:
        # rounded down: 0.899 must not be shown as 0.90, which would have been enough
        detail = f"best {int(max(known) * 100 + 1e-9) / 100:.2f}"
    else:
        detail = f"coverage unknown; {', '.join(sorted({crawl.outcome.value for crawl, _ in scopes}))}"
    return f"{len(scopes)} crawl{'s' if len(scopes) > 1 else ''}, none complete enough ({detail})"
