"""`dropline status`: how the installation is, at a glance and for programs."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from config.errors import StoreError
from monitor.cli.app import Context, app, current
from monitor.cli.output import Format, note, write_rows

if TYPE_CHECKING:
    from monitor.schedule.health import Health


@app.command()
def status(
    context: typer.Context,
    about: Annotated[
        Literal["markets", "jobs", "needs"] | None,
        typer.Option(help="One part alone. Default: all as tables; as JSON or CSV the markets."),
    ] = None,
) -> None:
    """Markets (crawls, last and next runs, coverage, age of data, pauses), jobs, and what they need: service, Tor,
    store, disk, undelivered alerts."""
    from monitor.schedule.health import gather

    state = current(context)
    now = datetime.now(UTC)
    markets: dict[str, dict[str, Any]] = {}
    version: str | None = None
    failed: StoreError | None = None
    try:
        markets, version = _markets(state, now)
    except StoreError as error:  # the rest is worth seeing all the more
        failed = error
    health = gather(state.settings, now)
    for row in health.jobs:
        if row.market is not None:
            markets.setdefault(row.market, {"market": row.market, "crawls": 0})
            markets[row.market] |= _scheduled(row, now) | {"paused": row.paused}
    jobs = [{"job": row.id, **_scheduled(row, now)} for row in health.jobs if row.market is None]
    needs = [{"what": name, "state": how, "about": told} for name, how, told in _needs(health, version)]
    parts: dict[str, list[dict[str, Any]]] = {"markets": list(markets.values()), "jobs": jobs, "needs": needs}
    if about is not None or state.form is not Format.TABLE:
        write_rows(parts[about or "markets"], state.form)
    else:
        for title, rows in parts.items():
            if rows:
                write_rows(rows, state.form, title=title.capitalize())
    if failed is None and not any(row["crawls"] for row in markets.values()) and about in {None, "markets"}:
        note("The store is empty: try `dropline demo`, or import a table.")
    for line in (*health.reasons, *health.warnings):
        note(line)
    if failed is not None:
        raise failed


def _markets(state: Context, now: datetime) -> tuple[dict[str, dict[str, Any]], str | None]:
    """By market what the store holds of it; and the extractor version readers see."""
    found: dict[str, dict[str, Any]] = {}
    with state.store() as store:
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
                "listings in the last": last.listings,
                "coverage": None if scope is None else scope.value,
                "data age h": round((now - with_data[-1].started).total_seconds() / 3600, 1) if with_data else None,
                "paused": None,
            }
        return found, store.current_version()


def _scheduled(row: Any, now: datetime) -> dict[str, Any]:
    from monitor.schedule.health import describe_job

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
        ("disk", "ok", f"{health.disk_free / 1e9:,.1f} GB free"),
        ("undelivered alerts", str(pending), f"{pending} messages wait, {parked} were refused for good"),
        ("health", "failing" if health.reasons else "ok", f"{len(health.reasons)} faults"),
    ]
