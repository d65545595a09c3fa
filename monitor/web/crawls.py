"""Crawls by market: what came of each, how much of the market it saw, and why there are gaps."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from config.errors import UsageError
from crawler.market import list_markets
from extract.observation import COMPLETE_ENOUGH, Crawl
from monitor.held import discard, find_held, iter_held
from monitor.state import State, state_path
from monitor.web.visit import Missing, Visit

LATEST, A_PAGE = 10, 60


def _row(crawl: Crawl) -> dict[str, Any]:
    scope = crawl.coverage_of()
    value = None if scope is None else scope.value
    enough = scope is not None and scope.complete_enough
    basis = "" if scope is None else scope.basis.value
    pages = ", ".join(f"{count} {outcome.value}" for outcome, count in sorted(crawl.pages.items()))
    gap = ""
    if not enough:
        gap = "coverage not known" if value is None else f"saw {value:.0%}, and {COMPLETE_ENOUGH:.0%} is enough"
    return {
        "id": crawl.id, "started": crawl.started, "finished": crawl.finished, "kind": crawl.kind.value,
        "outcome": crawl.outcome.value, "listings": crawl.listings, "coverage": value, "basis": basis, "enough": enough,
        "gap": gap, "pages": pages, "tz": crawl.tz,
    }  # fmt: skip


def show_all(visit: Visit) -> Response:
    """The latest crawls of every market."""
    with visit.house.store() as store:
        crawls = store.crawls()
    by_market: dict[str, list[Crawl]] = {}
    for crawl in crawls:
        by_market.setdefault(crawl.market, []).append(crawl)
    markets = [
        {"market": name, "rows": [_row(one) for one in reversed(some[-LATEST:])], "count": len(some)}
        for name, some in sorted(by_market.items())
    ]  # fmt: skip
    with State(state_path(visit.house.settings.data_dir)) as state:
        pauses = state.pauses()
    return visit.show(
        "crawls.html", markets=markets, pauses=pauses, held=list(iter_held(visit.house.settings.data_dir))
    )


def show_one(visit: Visit) -> Response:
    """All crawls of a market, the newest first."""
    name, page = visit.path["market"], visit.page_number()
    with visit.house.store() as store:
        crawls = store.crawls([name])
    if not crawls:
        raise Missing(f"The store holds no crawl of {name!r}. The page of crawls lists the markets it has.")
    newest = crawls[::-1][(page - 1) * A_PAGE : page * A_PAGE]
    with State(state_path(visit.house.settings.data_dir)) as state:
        pause = next((one for one in state.pauses() if one.market == name), None)
    return visit.show(
        "market.html", market=name, rows=[_row(one) for one in newest], page=page, more=len(crawls) > page * A_PAGE,
        count=len(crawls), pause=pause,
    )  # fmt: skip


def accept_held(visit: Visit) -> Response:
    """A held crawl is stored after all."""
    settings = visit.house.settings
    held = find_held(settings.data_dir, visit.path["crawl"])
    from monitor.accepting import accept  # with spaCy and the vocabulary: only where it is wanted

    with visit.house.store() as store:
        accept(store, settings, held)
    return visit.go(f"/crawls/{held.market}")


def discard_held(visit: Visit) -> Response:
    """A held crawl is removed for good; its day stays a gap."""
    settings = visit.house.settings
    held = find_held(settings.data_dir, visit.path["crawl"])
    if visit.given("sure") != "yes":
        raise UsageError(f"Nothing was discarded: {held.crawl} would be gone for good.", remedy="Tick the box if so.")
    discard(settings.data_dir, held)
    return visit.go("/crawls")


def pause(visit: Visit) -> Response:
    """A person stops the crawls of a market that is defined, or has been crawled."""
    market = visit.path["market"]
    with visit.house.store() as store:
        crawled = bool(store.crawls([market]))
    if not crawled and market not in list_markets((visit.house.settings.markets_dir,)):
        raise Missing(f"There is no market {market!r}.")
    reason = visit.given("reason")[:300] or "paused in the dashboard"
    with State(state_path(visit.house.settings.data_dir)) as state:
        state.pause(market, f"{reason} ({visit.who.name})", visit.now)
    return visit.go(f"/crawls/{market}")


def resume(visit: Visit) -> Response:
    """A person lets them go on, with the session as it is."""
    with State(state_path(visit.house.settings.data_dir)) as state:
        state.resume(visit.path["market"])
    return visit.go(f"/crawls/{visit.path['market']}")
