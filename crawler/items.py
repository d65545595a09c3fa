"""The records of the crawler's side: Page, Listing, Offer, Crawl. Plain: no Scrapy here.

Records are frozen and closed (an unknown field is an error). Times are aware and in UTC.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

YEARS = range(2000, 2100)
"""In which an observation can lie: no market is older, and what lacks its time is often dated 1970 or 1980."""


class Record(BaseModel):
    """Base of every record: frozen, typed, closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    @classmethod
    def of_valid(cls, fields: dict[str, Any]) -> Self:
        """The record as unpickling would make it, for who has every field's value out of records that were validated:
        doing so again is dear."""
        one = cls.__new__(cls)
        for name, value in (
            ("__dict__", fields), ("__pydantic_fields_set__", _names(cls)), ("__pydantic_extra__", None),
            ("__pydantic_private__", None),
        ):  # fmt: skip
            object.__setattr__(one, name, value)
        return one


@cache
def _names(record: type[Record]) -> set[str]:
    """One for all: a set of 34 names for each record takes longer to make than its other parts."""
    return set(record.model_fields)


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{moment} lies outside the calendar in UTC") from error


UtcTime = Annotated[AwareDatetime, AfterValidator(_to_utc)]


def check_zone(name: str) -> str:
    """The name of an IANA zone. Raises ValueError for another."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Moscow") from error
    return name


def digest_id(*parts: str, length: int = 16) -> str:
    """Deterministic id of `length` hex digits: SHA-256 over the parts, each closed by a NUL (so that parts cannot run
    into one another)."""
    return hashlib.sha256("".join(f"{part}\0" for part in parts).encode("utf-8", "surrogatepass")).hexdigest()[:length]


class PageOutcome(StrEnum):
    """What a fetched page turned out to be. A challenge or an unknown layout never becomes 'no listings'."""

    LISTING = "listing"
    INDEX = "index"
    EMPTY = "empty"
    LOGIN = "login"
    CHALLENGE = "challenge"
    WAIT = "wait"
    MAINTENANCE = "maintenance"
    SEIZED = "seized"
    NOT_FOUND = "not-found"
    SERVER_ERROR = "server-error"
    TRUNCATED = "truncated"
    UNKNOWN_LAYOUT = "unknown-layout"


class Page(Record):
    """One fetched (or saved) page, before parsing.

    `url` is the address as requested (for a saved page: its path inside the archive); `fetched_at` is UTC.
    """

    market: str
    crawl: str
    url: str
    status: int = Field(ge=100, le=599)
    content_type: str = "text/html"
    body: bytes
    fetched_at: UtcTime


COUNTABLE = 10**15
"""Packages and feedback below it are counts; so a day of thousands of sightings adds up to what a store can hold."""


class Offer(Record):
    """One offer of a listing, as written on the page: a price for a quantity, perhaps at a place."""

    price: str | None = None
    quantity: str | None = None
    place: str | None = None
    stash: str | None = None
    ready: int | None = Field(default=None, ge=0)
    """Packages in stock. None: not stated."""
    preorder: int | None = Field(default=None, ge=0)


class Listing(Record):
    """One listing as one crawl saw it. Masked (`crawler.privacy`) before it touches a disk.

    `listing` is the site's id (hashed where it contains a name; for tables without one, made from vendor and title).
    `vendor` is a pseudonym `kid:hex` once masked, and never written otherwise.
    Presence is counted from index pages, details come from the last reading; `seen_on` says where this one was seen.
    """

    market: str
    listing: str
    crawl: str
    observed_at: UtcTime
    title: str
    description: str = ""
    category: tuple[str, ...] = ()
    vendor: str | None = None
    ships_from: str | None = None
    ships_to: tuple[str, ...] = ()
    ships_except: tuple[str, ...] = ()
    shipping: tuple[str, ...] = ()
    """Shipping methods as written."""
    offers: tuple[Offer, ...] = ()
    feedback: int | None = Field(default=None, ge=0)
    sold: int | None = Field(default=None, ge=0)
    rating: float | None = None
    seen_on: Literal["index", "detail"] = "index"
    parser: str
    """Version of the page object or mapping that read it."""


class CrawlKind(StrEnum):
    FULL = "full"
    INCREMENTAL = "incremental"
    IMPORT = "import"
    REPLAY = "replay"


class CrawlOutcome(StrEnum):
    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    CHALLENGED = "challenged"
    LOGIN_NEEDED = "login-needed"


class CoverageBasis(StrEnum):
    """What a coverage was measured against."""

    SITE_TOTAL = "site-total"
    ROUTES = "routes"
    FRONTIER = "frontier"
    NEIGHBOURS = "neighbours"
    UNKNOWN = "unknown"


COMPLETE_ENOUGH = 0.9
"""A crawl is complete enough for a scope if its coverage on a known basis is at least this."""


class Coverage(Record):
    """Coverage of one scope of one crawl: the whole market, or a place or category that was crawled apart."""

    scope: Literal["market", "place", "category"] = "market"
    name: str = ""
    """Place or category as the site writes it; empty for the market."""
    region: str | None = None
    """ISO code of a place scope, filled in at ingestion."""
    seen: int = Field(ge=0)
    expected: float | None = Field(default=None, ge=0)
    value: float | None = Field(default=None, ge=0, le=1)
    basis: CoverageBasis = CoverageBasis.UNKNOWN

    @property
    def complete_enough(self) -> bool:
        return self.basis is not CoverageBasis.UNKNOWN and self.value is not None and self.value >= COMPLETE_ENOUGH


class Crawl(Record):
    """One crawl (or import, or replay) of one market."""

    id: str
    market: str
    kind: CrawlKind
    started: UtcTime
    finished: UtcTime | None = None
    outcome: CrawlOutcome
    pages: dict[PageOutcome, int] = Field(default_factory=dict)
    listings: int = Field(default=0, ge=0)
    """Distinct listings seen."""
    coverage: tuple[Coverage, ...] = ()
    """The market's own scope comes first."""
    tz: str = "UTC"
    """IANA zone of the market: its local date is what is counted by."""
    country: str | None = None
    """ISO alpha-2, where all places of the market lie in one country: it settles names that several countries have."""
    pieces_as_grams: bool = False
    """The site labels every quantity in grams, ten pills as well."""
    source: str | None = None
    """For imports and replays: the file's name (never its path)."""
    dropped: dict[str, int] = Field(default_factory=dict)
    """Rows or pages not stored, by reason."""
    routes: dict[str, int] = Field(default_factory=dict)
    """Listings by the discovery routes that found them (capture histories): `catalogue`, `catalogue+search`, …"""
    relists: dict[str, str] = Field(default_factory=dict)
    """Listings recognised as old ones put up again under a new id: new id -> the one that had gone."""

    def coverage_of(self, region: str | None = None) -> Coverage | None:
        """Coverage of the place scope of that region if the crawl has one, else of the market."""
        if region is not None:
            for scope in self.coverage:
                if scope.scope == "place" and scope.region == region:
                    return scope
        return next((scope for scope in self.coverage if scope.scope == "market"), None)


def build_crawl_id(market: str, started: datetime, content: str = "") -> str:
    """`market-YYYYMMDDTHHMMSSZ`, with 12 hex digits of `content`'s digest where several share a moment (imports)."""
    stamp = f"{market}-{started.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"{stamp}-{digest_id(content, length=12)}" if content else stamp
