"""`market.yml`: what is particular about one market, as a checked record.

One folder `crawler/markets/<id>/` is one market: `market.yml` (this model), optionally `pages.py` (a class `Pages`, see
`crawler.pages`) and `fixtures/`. Who may crawl it, and at which addresses, is the operator's own file
(`crawler.authorisation`), never this one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from config.errors import UsageError
from config.yamlfile import load_yaml
from crawler.items import PageOutcome, check_zone

ONION_HOST = re.compile(r"(?:[a-z0-9-]+\.)*[a-z2-7]{56}\.onion", re.IGNORECASE)
"""A version-3 onion name (56 base32 characters), perhaps with sub-domains."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _check_regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


Regex = Annotated[str, AfterValidator(_check_regex)]


class Selector(_Part):
    """Where a value stands. Exactly one of `css`, `xpath`, `url`, `text`.

    In YAML a bare string is short for `{css: …}`, or for `{xpath: …}` if it starts with `/`, `./` or `(`. CSS knows
    Scrapy's `::text` and `::attr(name)`. `url` is a regular expression on the page's address; `text` is a fixed text.
    `re` cuts the value (its first group, else the whole match); then `split` (a regular expression) makes several
    values of one; then `values` replaces whole values (`{"нет": "0"}`; the empty text means 'not stated').
    `lines` keeps line breaks (descriptions).
    A declared field that is not found is counted as unread, unless `optional`.
    """

    css: str | None = None
    xpath: str | None = None
    url: Regex | None = None
    text: str | None = None
    re: Regex | None = None
    split: Regex | None = None
    values: dict[str, str] = Field(default_factory=dict)
    lines: bool = False
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"xpath" if value.startswith(("/", "./", "(")) else "css": value}
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Selector:
        if sum(place is not None for place in (self.css, self.xpath, self.url, self.text)) != 1:
            raise ValueError("give exactly one of css, xpath, url, text")
        return self


class OfferBlock(_Part):
    """Offers of one listing: one per match of `row` (without `row`: one, from the listing's own element).

    Of several blocks every one contributes; a block with `otherwise: true` only when those before it gave none.
    """

    row: Selector | None = None
    otherwise: bool = False
    price: Selector | None = None
    quantity: Selector | None = None
    place: Selector | None = None
    stash: Selector | None = None
    ready: Selector | None = None
    preorder: Selector | None = None


class ListingFields(_Part):
    """Selectors of a Listing's fields, relative to the row (index pages) or the page (detail pages)."""

    listing: Selector | None = None
    title: Selector | None = None
    description: Selector | None = None
    category: Selector | None = None
    vendor: Selector | None = None
    ships_from: Selector | None = None
    ships_to: Selector | None = None
    ships_except: Selector | None = None
    shipping: Selector | None = None
    feedback: Selector | None = None
    sold: Selector | None = None
    rating: Selector | None = None
    offers: tuple[OfferBlock, ...] = ()


class Scope(_Part):
    """A part of the market that its index pages (and their stated totals) belong to."""

    kind: Literal["place", "category"]
    name: Selector


class IndexLayout(_Part):
    """An index page (category, search result, vendor page): rows of listings, and links to more index pages."""

    when: Selector
    """The page is an index page if this matches."""
    row: Selector
    detail: Selector | None = None
    """Address of a row's detail page, relative to the row."""
    empty: Selector | None = None
    """Matches only where the site itself says that nothing is listed here."""
    total: Selector | None = None
    """How many listings the site says there are (in `scope`, else in the market)."""
    scope: Scope | None = None
    links: tuple[Selector, ...] = ()
    """Addresses of further index pages: pagination, categories."""
    fields: ListingFields


class DetailLayout(_Part):
    """A listing's own page."""

    when: Selector
    fields: ListingFields


class Marker(_Part):
    """What gives a page's outcome away, before the generic rules are asked."""

    outcome: PageOutcome
    when: Selector | None = None
    text: Regex | None = None
    """Searched for in the page's visible text, ignoring case."""

    @model_validator(mode="after")
    def _something(self) -> Marker:
        if self.when is None and self.text is None:
            raise ValueError("give `when` or `text`")
        if self.outcome in {PageOutcome.LISTING, PageOutcome.INDEX, PageOutcome.EMPTY}:
            raise ValueError("listing, index and empty are declared by their layouts")
        return self


class Budget(_Part):
    """Politeness: what one market may be asked for. Seconds and bytes."""

    in_flight: int = Field(default=2, ge=1, le=64)
    delay: float = Field(default=2.0, ge=0)
    """Seconds between two requests (AutoThrottle may lengthen it)."""
    pages_per_day: int = Field(default=5_000, ge=1)
    bytes_per_day: int = Field(default=2_000_000_000, ge=1)
    page_seconds: float = Field(default=120, gt=0)
    """Total time of one page, from the request to the last byte."""
    page_bytes: int = Field(default=4_000_000, ge=1_000)
    """Largest page, before and after decompression."""
    retries: int = Field(default=3, ge=0, le=10)
    hours: tuple[Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")], ...] = ()
    """When the market is crawled at all, in its own zone: `22:00-06:30`. None: always."""


def check_paths(values: tuple[str, ...]) -> tuple[str, ...]:
    """The paths as they are; ValueError for what is no path of this site."""
    for value in values:
        if not value.startswith("/") or value.startswith("//"):
            raise ValueError(f"{value!r} is not a path: begin with one slash")
    return values


class Route(_Part):
    """A way of discovering listings (`crawler.routes`). Index pages belong to the first route whose pattern `path` is
    found in their path (with query)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    path: Regex
    start: Annotated[tuple[str, ...], AfterValidator(check_paths)] = ()
    """Paths that it begins with, such as a search; they are asked for beside the market's own `start`."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of its addresses that is followed at all: a sample is enough to measure another route by."""


class ArchiveRules(_Part):
    """What the archive of pages leaves out, beside scripts and inline images."""

    cut: tuple[Selector, ...] = ()
    """Elements with buyers' names in them: never kept."""
    cut_buyers: bool = True
    """Also cut what looks like buyers' feedback, reviews or comments, where no declared selector reads in it."""


class PriceBound(_Part):
    """US dollars for one package, as Dropline converts them: at least `share` of the priced offers lie between."""

    min: float = Field(gt=0)
    max: float = Field(gt=0)
    share: float = Field(default=0.9, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> PriceBound:
        if self.min >= self.max:
            raise ValueError("min must be less than max")
        return self


class Bounds(_Part):
    """What a crawl must yield to be accepted into the store (`monitor.acceptance`); else it is held for a person.

    A market that is crawled must state `min_listings`, `fill`, `max_unknown_share` and `price_usd`; the last two may be
    `null`, which says that they do not apply (a site without prices, a market of other goods).
    """

    min_listings: int = Field(default=0, ge=0)
    max_listings: int | None = Field(default=None, ge=1)
    max_unread_share: float = Field(default=0.2, ge=0, le=1)
    """Unread values per listing and field above which the crawl is only partial."""
    max_unknown_pages: float = Field(default=0.2, ge=0, le=1)
    """Share of pages of unknown layout."""
    max_unknown_share: float | None = Field(default=None, ge=0, le=1)
    """Share of listings of no known substance; of quantities and of prices that stand there and are not understood."""
    price_usd: PriceBound | None = None
    fill: dict[str, float] = Field(default_factory=dict)
    """By field (`vendor`, `description`, `offer.price`, …): the share of listings that carry it, at least."""

    @field_validator("fill")
    @classmethod
    def _shares(cls, values: dict[str, float]) -> dict[str, float]:
        for name, share in values.items():
            part = OfferBlock if name.startswith("offer.") else ListingFields
            if name.removeprefix("offer.") not in part.model_fields:
                raise ValueError(f"{name!r} is no field of a listing")
            if not 0 <= share <= 1:
                raise ValueError(f"{name}: a share lies between 0 and 1")
        return values


class Market(_Part):
    """One market, as its `market.yml` says."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    name: str = Field(min_length=1)
    closed: bool = False
    """A market that no longer exists: only saved pages can be read."""
    demo: bool = False
    """A market of the bundled synthetic world."""
    tz: str = "UTC"
    """IANA zone of the market's own days."""
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    """ISO 3166-1 alpha-2, where all the market's places lie in one country."""
    pieces_as_grams: bool = False
    """The site labels every quantity in grams, ten pills as well."""
    languages: tuple[str, ...] = Field(min_length=1)
    addresses: tuple[str, ...] = ()
    """Onion mirrors, without path. Normally left to the operator's file."""
    start: Annotated[tuple[str, ...], AfterValidator(check_paths)] = ("/",)
    """Paths that a crawl begins with."""
    parser: str = Field(default="1", min_length=1)
    """Version of selectors and page object: raise it with every change of meaning."""
    encoding: str | None = None
    """Of pages that declare none (default: UTF-8 where it decodes, else cp1252)."""
    closing: str | None = "</html"
    """A page with an opening <html> that does not end with this is truncated. null: do not judge."""
    index_offers: Literal["full", "first", "none"] = "full"
    """How many of a listing's offers index pages show."""
    detail_days: float = Field(default=7, ge=0)
    """A detail page read longer ago than this is read again, as long as nothing is known of how often it changes."""
    detail_flex: float = Field(default=4, ge=1)
    """How far what is known of it may shorten or lengthen that (`crawler.sightings.revisit_after`). 1: not at all."""
    details: bool = True
    """Whether detail pages are read at all."""
    markers: tuple[Marker, ...] = ()
    index: tuple[IndexLayout, ...] = ()
    detail: DetailLayout | None = None
    routes: tuple[Route, ...] = ()
    """Ways of discovering listings, two or more: coverage is then estimated from what they have in common."""
    budget: Budget = Budget()
    bounds: Bounds = Bounds()
    archive: ArchiveRules = ArchiveRules()

    @property
    def detail_age(self) -> timedelta:
        return timedelta(days=self.detail_days)

    @field_validator("tz")
    @classmethod
    def _zone(cls, value: str) -> str:
        return check_zone(value)

    @field_validator("addresses")
    @classmethod
    def _onions(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_onion_address(value) for value in values)

    @field_validator("routes")
    @classmethod
    def _ways(cls, values: tuple[Route, ...]) -> tuple[Route, ...]:
        if len(values) == 1:
            raise ValueError("one route alone measures nothing: declare two or more, or none")
        if len({route.name for route in values}) < len(values):
            raise ValueError("two routes have the same name")
        return values


def check_onion_address(value: str) -> str:
    """`http://…onion` of a version-3 name without path, from that or the bare name. ValueError otherwise."""
    name = value.strip().rstrip("/").lower()
    scheme, _, rest = name.rpartition("://")
    if scheme not in {"", "http", "https"} or not ONION_HOST.fullmatch(rest):
        raise ValueError(f"{value!r} is not a version-3 onion address (56 characters and .onion, no path)")
    return f"{scheme or 'http'}://{rest}"


def check_bounds_stated(market: Market, file: Path) -> None:
    """Raises UsageError where a market is to be crawled whose bounds do not say what a crawl must yield. Markets of the
    demo need none: their truth is known."""
    bounds = market.bounds
    stated = {
        "min_listings": bounds.min_listings > 0,
        "fill": bool(bounds.fill),
        "max_unknown_share": "max_unknown_share" in bounds.model_fields_set,
        "price_usd": "price_usd" in bounds.model_fields_set,
    }
    missing = [name for name, there in stated.items() if not there]
    if missing and not market.demo:
        raise UsageError(
            f"bounds do not say: {', '.join(missing)}. A changed layout would pass for a changed market.",
            file=file,
            remedy="State them (docs/crawling.md, Bounds); `dropline market check` shows what pages fill.",
        )


def _folders(extra: Sequence[Path]) -> dict[str, Path]:
    """Market folders by id; the operator's own come before the bundled."""
    found: dict[str, Path] = {}
    for parent in (*extra, Path(str(resources.files("crawler.markets")))):
        if parent.is_dir():
            for folder in sorted(parent.iterdir()):
                if (folder / "market.yml").is_file():
                    found.setdefault(folder.name, folder)
    return found


def list_markets(extra: Sequence[Path] = ()) -> list[str]:
    """Ids of all markets there is a folder for, sorted. `extra`: folders of the operator's own markets."""
    return sorted(_folders(extra))


def market_folder(market: str, extra: Sequence[Path] = ()) -> Path:
    """The folder of a market. Raises UsageError for an unknown one."""
    folders = _folders(extra)
    if market not in folders:
        known = ", ".join(sorted(folders)) or "none"
        raise UsageError(
            f"There is no market {market!r}.", remedy=f"Known markets: {known}. `dropline market new` begins another."
        )
    return folders[market]


def load_market(market: str, extra: Sequence[Path] = ()) -> Market:
    """The market of that id. Raises UsageError (unknown, or its market.yml broken: file and line)."""
    file = market_folder(market, extra) / "market.yml"
    loaded = load_yaml(file, Market)
    if loaded.id != market:
        raise UsageError(f"The id is {loaded.id!r} but the folder is {market!r}.", file=file, remedy="Make them equal.")
    return loaded
