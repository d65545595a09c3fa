"""From a market and a transport to Scrapy settings, and the job behind `scrapy crawl market -a market=ID`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from config.errors import UsageError
from config.settings import load_settings
from crawler import settings as project
from crawler.archive import Archive
from crawler.authorisation import check_authorised
from crawler.encryption import parse_recipient
from crawler.handlers import IDENTITY, TOTAL_SECONDS, TRANSPORT
from crawler.items import CrawlKind
from crawler.job import CrawlJob, begin_job
from crawler.market import Market, check_bounds_stated, load_market, market_folder
from crawler.middlewares import ALLOWED_HOSTS, BACKOFF_SECONDS, RETRIES
from crawler.pages import load_pages
from crawler.privacy import Masker, load_or_make_key
from crawler.session import load_session
from crawler.transport import Loopback, Tor, Transport, check_transport

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


LOCK = 100
"""Priority above Scrapy's command line (40): what follows from the gates cannot be lifted by `-s`."""
_LOCKED = (
    "DOWNLOADER_MIDDLEWARES",
    "COOKIES_ENABLED",
    "HTTPPROXY_ENABLED",
    "METAREFRESH_ENABLED",
    "RETRY_ENABLED",
    "REFERRER_POLICY",
    "HTTPCACHE_ENABLED",
    "DOWNLOAD_FAIL_ON_DATALOSS",
    "TELNETCONSOLE_ENABLED",
)


def market_settings(market: Market, transport: Transport) -> dict[str, Any]:
    """The settings that follow from a market's budget and a transport, to be set with priority `LOCK`.

    Raises TransportRefused for a transport that the market may not be crawled by.
    """
    check_transport(market, transport)
    budget = market.budget
    settings: dict[str, Any] = {
        **{name: getattr(project, name) for name in _LOCKED},
        "DOWNLOAD_HANDLERS": dict(project.DOWNLOAD_HANDLERS),
        TRANSPORT: transport,
        IDENTITY: market.id,
        ALLOWED_HOSTS: [urlsplit(base).netloc for base in transport.bases],
        TOTAL_SECONDS: budget.page_seconds,
        "DOWNLOAD_TIMEOUT": min(60.0, budget.page_seconds),
        "DOWNLOAD_MAXSIZE": budget.page_bytes,
        RETRIES: budget.retries,
        "CONCURRENT_REQUESTS": budget.in_flight,
        "CONCURRENT_REQUESTS_PER_DOMAIN": budget.in_flight,
        "DOWNLOAD_DELAY": budget.delay,
        # between two requests 0.5 to 1.5 times the delay: a fixed beat would tell a machine
        "DOWNLOAD_DELAY_JITTER": 0.5,
        "AUTOTHROTTLE_START_DELAY": budget.delay,
        "AUTOTHROTTLE_TARGET_CONCURRENCY": float(budget.in_flight),
    }
    if market.demo:  # our own server: nobody to be polite to
        settings |= {"AUTOTHROTTLE_ENABLED": False, BACKOFF_SECONDS: 0.02}
    if isinstance(transport, Loopback):
        settings["DOWNLOAD_HANDLERS"] |= {"http": "crawler.handlers.LoopbackHandler", "https": None}
    return settings


def build_project_job(crawler: Crawler, market_id: str | None, kind: str | None = None) -> CrawlJob:
    """The job of `scrapy crawl market -a market=ID [-a kind=full|incremental]`: the same gates as `dropline crawl`.
    Settings come from the environment (`config.settings`). Raises UsageError, NotAuthorised, TransportRefused."""
    if not market_id:
        raise UsageError("No market is named.", remedy="Use `scrapy crawl market -a market=ID`.")
    if kind not in {None, CrawlKind.FULL, CrawlKind.INCREMENTAL}:
        raise UsageError(f"{kind!r} is no kind of crawl.", remedy="Use kind=full or kind=incremental.")
    settings = load_settings()
    own = (settings.markets_dir,)
    market = load_market(market_id, own)
    check_bounds_stated(market, market_folder(market.id, own) / "market.yml")
    started = datetime.now(UTC)
    entry = check_authorised(market.id, settings.authorisations_path, started.date())
    session = load_session(settings.data_dir, market.id)
    cookies = entry.cookies if session is None else {**entry.cookies, **session.cookies}
    transport = Tor(settings.tor_socks, entry.addresses or market.addresses, cookies)
    for name, value in market_settings(market, transport).items():
        crawler.settings.set(name, value, priority=LOCK)
    pages = load_pages(market, own)
    recipient = None if settings.age_recipient is None else parse_recipient(settings.age_recipient)
    archive = Archive(settings.data_dir / "archive", pages, recipient=recipient)
    return begin_job(
        market,
        pages,
        started=started,
        bases=transport.bases,
        masker=Masker(*load_or_make_key(settings.key_path)),
        data_dir=settings.data_dir,
        clock=lambda: datetime.now(UTC),
        kind=None if kind is None else CrawlKind(kind),
        keep=archive.keep,
        release=archive.close,
    )
