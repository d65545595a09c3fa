"""How the installation is, as tables: for `dropline status`, the dashboard and /api/status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.errors import StoreError
from config.settings import Settings
from index.store import Store
from monitor.schedule.health import Health, JobHealth, describe_job, gather

COUNTED = "listings in the last"
"""Column of the markets that counts listings, however few."""
Opens = Callable[[], AbstractContextManager[Store]]


@dataclass(frozen=True)
class Status:
    """Rows for people. `failed`: the store could not be asked; what else there is to see stands here all the same."""

    markets: list[dict[str, Any]]
    jobs: list[dict[str, Any]]
    needs: list[dict[str, Any]]
    reasons: tuple[str, ...]
    """Why the installation does not do its work."""
    warnings: tuple[str, ...]
    failed: StoreError | None = None

    @property
    def empty(self) -> bool:
        """Whether the store was asked and holds no crawl."""
        return self.failed is None and not any(row["crawls"] for row in self.markets)


def build_status(settings: Settings, open_store: Opens, now: datetime) -> Status:
    """Looks at everything once; a few seconds at most where something does not answer."""
    markets: dict[str, dict[str, Any]] = {}
    version: str | None = None
    failed: StoreError | None = None
    try:
        markets, version = _markets(open_store, now)
    except StoreError as error:  # the rest is worth seeing all the more
        failed = error
    health = gather(settings, now)
    for row in health.jobs:
        if row.market is not None:
            markets.setdefault(row.market, {"market": row.market, "crawls": 0})
            markets[row.market] |= _scheduled(row, now) | {"paused": row.paused}
    jobs = [{"job": row.id, **_scheduled(row, now)} for row in health.jobs if row.market is None]
    needs = [{"what": name, "state": how, "about": told} for name, how, told in _needs(health, version)]
    return Status(list(markets.values()), jobs, needs, health.reasons, health.warnings, failed)


def _markets(open_: Opens, now: datetime) -> tuple[dict[str, dict[str, Any]], str | None]:
    """By market what the store holds of it; and the extractor version readers see."""
    found: dict[str, dict[str, Any]] = {}
    with open_() as store:
        by_market: dict[str, list[Any]] = {}
        for crawl in store.crawls():
            by_market.setdefault(crawl.market, []).append(crawl)
        for market, crawls in sorted(by_market.items()):
            outcomes = Counter(str(crawl.outcome) for crawl in crawls)
            last = crawls[-1]
            with_data = [one for one in crawls if str(one.outcome) in {"complete", "partial"}]
            scope = last.coverage_of()
            found[market] = {
                "market": market,
                "crawls": len(crawls),
                **{name: outcomes[name] for name in sorted(outcomes)},
                "first": crawls[0].started.isoformat(),
                "last": last.started.isoformat(),
                "last outcome": str(last.outcome),
                COUNTED: last.listings,
                "coverage": None if scope is None else scope.value,
                "data age h": round((now - with_data[-1].started).total_seconds() / 3600, 1) if with_data else None,
                "paused": None,
            }
        return found, store.current_version()


def _scheduled(row: JobHealth, now: datetime) -> dict[str, Any]:
    told = describe_job(row, now)
    return {name: told[name] for name in ("when", "state", "next", "last state", "why")} | {"last run": told["last"]}


def _needs(health: Health, version: str | None) -> list[tuple[str, str, str]]:
    def word(ok: bool) -> str:
        return "ok" if ok else "missing"

    service = "not running" if not health.jobs else "does not run: dropline schedule run"
    if health.alive and health.service is not None:
        service = f"process {health.service.pid}, sign of life {health.service.beat:%Y-%m-%d %H:%M:%S} UTC"
        service += f", {health.service.page}" if health.service.page else ""
    planned = any(row.rule is not None for row in health.jobs)
    pending, parked = health.messages.get("pending", 0), health.messages.get("parked", 0)
    return [
        ("service", word(health.alive) if planned else "not used", service if planned or health.alive else "no plan"),
        ("tor", word(health.tor.ok), health.tor.about),
        ("store", word(health.store.ok), f"{health.store.about}; extractor version {version or 'none yet'}"),
        ("disk", "ok" if health.disk_free >= health.disk_least else "full", f"{health.disk_free / 1e9:,.1f} GB free"),
        ("undelivered alerts", str(pending), f"{pending} messages wait, {parked} were refused for good"),
        ("health", "failing" if health.reasons else "ok", f"{len(health.reasons)} faults"),
    ]
