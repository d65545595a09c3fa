"""One real crawl of one market, with all that surrounds it: authorisation, pause, session, Tor, archive, the pause that
follows a challenge. For `dropline crawl` and for the scheduler."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from config.settings import Settings
from crawler.archive import Archive
from crawler.authorisation import check_authorised
from crawler.items import Crawl, CrawlKind, CrawlOutcome
from crawler.job import ListingMasker
from crawler.log import is_finished
from crawler.market import Market, load_market
from crawler.pages import load_pages
from crawler.run import crawl
from crawler.session import load_session
from crawler.transport import Tor
from monitor.state import State, state_path

REASONS = {
    CrawlOutcome.CHALLENGED: "it shows a challenge, which only a person may answer",
    CrawlOutcome.LOGIN_NEEDED: "it wants a login: the session has expired, or there is none",
}
"""Outcomes that pause a market: nothing is asked of it again until its operator has done something."""


def find_unstored(logs_dir: Path, market: str, stored: Collection[str]) -> list[Path]:
    """Logs of ended crawls of that market that are not among `stored` (ids): a kill came between crawl and store."""
    logs = sorted((logs_dir / market).glob("*.jsonl"))
    return [log for log in logs if log.stem not in stored and log.stat().st_size and is_finished(log)]


@dataclass(frozen=True, slots=True)
class Planned:
    """A crawl that may begin."""

    market: Market
    transport: Tor


def plan_crawl(settings: Settings, market_id: str, now: datetime) -> Planned:
    """Whether and how that market may be crawled at `now` (aware). Nothing is requested yet.

    Raises UsageError (unknown market), NotAuthorised, MarketPaused.
    """
    market = load_market(market_id)
    entry = check_authorised(market.id, settings.authorisations_path, now.date())
    with State(state_path(settings.data_dir)) as state:
        state.check_not_paused(market.id)
    session = load_session(settings.data_dir, market.id)
    cookies = entry.cookies if session is None else {**entry.cookies, **session.cookies}
    return Planned(market, Tor(settings.tor_socks, entry.addresses or market.addresses, cookies))


async def run_crawl(
    settings: Settings,
    planned: Planned,
    *,
    masker: ListingMasker,
    clock: Callable[[], datetime],
    kind: CrawlKind = CrawlKind.FULL,
    archive: bool = True,
) -> Crawl:
    """Crawls, keeps the pages (unless `archive` is false), and pauses the market where it asks for a person."""
    pages = load_pages(planned.market)
    keeper = Archive(settings.data_dir / "archive", pages) if archive else None
    done = await crawl(
        planned.market,
        started=clock().replace(microsecond=0),
        transport=planned.transport,
        masker=masker,
        data_dir=settings.data_dir,
        clock=clock,
        kind=kind,
        pages=pages,
        keep=None if keeper is None else keeper.keep,
    )
    reason = REASONS.get(done.outcome)
    if reason is not None:
        with State(state_path(settings.data_dir)) as state:
            state.pause(done.market, reason, clock(), done.id)
    return done
