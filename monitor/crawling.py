"""One real crawl of one market, with all that surrounds it: authorisation, pause, session, Tor, archive, the pause that
follows a challenge, and whether what it saw is accepted into the store. For `dropline crawl` and for the scheduler."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from config.settings import Settings
from crawler.archive import Archive
from crawler.authorisation import check_authorised
from crawler.encryption import Identities, load_identities, parse_recipient
from crawler.items import Crawl, CrawlKind, CrawlOutcome
from crawler.job import ListingMasker
from crawler.log import is_finished, iter_log, log_path
from crawler.market import Market, check_bounds_stated, load_market, market_folder
from crawler.pages import PageObject, load_pages
from crawler.run import crawl as crawl_market
from crawler.session import load_session
from crawler.transport import Tor
from monitor.acceptance import judge_crawl
from monitor.held import Held, accepted_before, hold
from monitor.ingest import Ingester
from monitor.purging import begun_day
from monitor.state import State, state_path

REASONS = {
    CrawlOutcome.CHALLENGED: "it shows a challenge, which only a person may answer",
    CrawlOutcome.LOGIN_NEEDED: "it wants a login: the session has expired, or there is none",
}
"""Outcomes that pause a market: nothing is asked of it again until its operator has done something."""


def find_unstored(
    logs_dir: Path, market: str, stored: Collection[str], kept_from: date | None = None
) -> list[Path]:
    """Logs of ended crawls of that market that are not among `stored` (ids): a kill came between crawl and store. Those
    begun before `kept_from` are not in the store because they were purged."""
    logs = sorted((logs_dir / market).glob("*.jsonl"))
    left = [log for log in logs if log.stem not in stored and log.stat().st_size and is_finished(log)]
    return left if kept_from is None else [log for log in left if (begun_day(log) or kept_from) >= kept_from]


@dataclass(frozen=True, slots=True)
class Planned:
    """A crawl that may begin. `pages`: its page object; None: made from the market."""

    market: Market
    transport: Tor
    pages: PageObject | None = None

    def page_object(self) -> PageObject:
        return self.pages or load_pages(self.market)


def load_market_pages(settings: Settings, market_id: str) -> PageObject:
    """The page object of a market, bundled or the operator's own (`DATA/markets`). Raises UsageError."""
    return load_pages(market_id, (settings.markets_dir,))


def own_identities(settings: Settings, file: Path | None = None) -> Identities:
    """Secret keys for reading archives: of `file`, else of the settings; none where neither is given."""
    chosen = file or settings.age_identity
    return () if chosen is None else load_identities(chosen)


def plan_crawl(settings: Settings, market_id: str, now: datetime) -> Planned:
    """Whether and how that market may be crawled at `now` (aware). Nothing is requested yet.

    Raises UsageError (unknown market, no bounds stated), NotAuthorised, MarketPaused.
    """
    own = (settings.markets_dir,)
    market = load_market(market_id, own)
    entry = check_authorised(market.id, settings.authorisations_path, now.date())
    check_bounds_stated(market, market_folder(market.id, own) / "market.yml")
    with State(state_path(settings.data_dir)) as state:
        state.check_not_paused(market.id)
    session = load_session(settings.data_dir, market.id)
    cookies = entry.cookies if session is None else {**entry.cookies, **session.cookies}
    transport = Tor(settings.tor_socks, entry.addresses or market.addresses, cookies)
    return Planned(market, transport, load_market_pages(settings, market.id))


async def run_crawl(
    settings: Settings,
    planned: Planned,
    *,
    masker: ListingMasker,
    clock: Callable[[], datetime],
    kind: CrawlKind | None = None,
    archive: bool = True,
) -> Crawl:
    """Crawls (`kind` as `crawler.run.crawl` has it), keeps the pages (unless `archive` is false), and pauses the market
    where it asks for a person."""
    pages = planned.page_object()
    recipient = None if settings.age_recipient is None else parse_recipient(settings.age_recipient)
    keeper = Archive(settings.data_dir / "archive", pages, recipient=recipient) if archive else None
    done = await crawl_market(
        planned.market,
        started=clock().replace(microsecond=0),
        transport=planned.transport,
        masker=masker,
        data_dir=settings.data_dir,
        clock=clock,
        kind=kind,
        pages=pages,
        keep=None if keeper is None else keeper.keep,
        release=None if keeper is None else keeper.close,
    )
    reason = REASONS.get(done.outcome)
    if reason is not None:
        with State(state_path(settings.data_dir)) as state:
            state.pause(done.market, reason, clock(), done.id)
    return done


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a crawl: in the store (`held` is None), or kept aside until a person has looked."""

    crawl: Crawl
    held: Held | None = None


def store_crawl(
    settings: Settings, planned: Planned, done: Crawl, ingester: Ingester, *, masker: ListingMasker, now: datetime
) -> list[Stored]:
    """An ended crawl into the store if its market's bounds accept it, else aside; before it, crawls of that market
    that a kill kept from the store. The last one is `done`. The caller calls `ingester.settle()`."""
    market = planned.market.id
    before = ingester.store.crawls(market=(market,))
    stored = {*(one.id for one in before), done.id}
    left_over = find_unstored(settings.logs_dir, market, stored, ingester.store.purged_before())
    results = []
    for log in (*left_over, log_path(settings.logs_dir, done)):
        crawl = iter_log(log)[0]
        broken = judge_crawl(planned.market.bounds, log, ingester.builder)
        if not broken:
            results.append(Stored(ingester.add_log(log)))
            continue
        held = hold(
            settings.data_dir, log, broken, planned.page_object(), masker, now=now, good=accepted_before(before),
            identities=own_identities(settings),
        )  # fmt: skip
        results.append(Stored(crawl, held))
    return results
