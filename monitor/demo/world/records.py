"""What the synthetic world is made of. Plain frozen records; money is in major units of the quoting currency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

MarketId = Literal["stash", "postal"]
Down = Literal["outage", "maintenance", "challenge", "wait", "login", "partial", "seized"]


@dataclass(frozen=True, slots=True)
class Place:
    """A city of the stash market. `code` is ISO 3166-2; districts are shown by the site and read by nobody."""

    name: str
    code: str
    districts: tuple[str, ...]
    nicknames: tuple[str, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class Product:
    """What vendors may sell: one substance in one form, with the ladder of quantities usual for it.

    `price` is the usual price of one base unit at the first quantity (RUB on stash, USD on postal).
    """

    key: str
    substance: str | None
    form: str | None
    unit: Literal["g", "ml", "unit"]
    ladder: tuple[float, ...]
    price: float
    weight: float
    category: tuple[str, ...]
    kind: str = "offer"


@dataclass(frozen=True, slots=True)
class Vendor:
    name: str
    slug: str
    products: tuple[str, ...]
    size: float
    price_factor: float
    currency: str
    price_style: int
    quantity_style: int
    country: str = ""
    ships_to: tuple[str, ...] = ()
    ships_except: tuple[str, ...] = ()
    shipping: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfferTruth:
    """One offer, as it stays while the listing lives. `quantity` in the base unit; `key` is unique within a listing."""

    key: int
    quantity: float
    unit: Literal["g", "ml", "unit"]
    quantity_text: str
    place: str | None = None
    region: str | None = None
    district: str | None = None
    stash: str | None = None
    stash_text: str | None = None


@dataclass(frozen=True, slots=True)
class ListingTruth:
    """One listing and what it truly is. `substance` None: nobody could tell from its text."""

    market: MarketId
    id: str
    vendor: Vendor
    product: str
    kind: str
    substance: str | None
    form: str | None
    mentioned: tuple[str, ...]
    """Other substances that its text names, canonical ids."""
    title: str
    description: str
    category: tuple[str, ...]
    offers: tuple[OfferTruth, ...]
    ships_from: str | None = None
    ships_to: tuple[str, ...] = ()
    ships_except: tuple[str, ...] = ()
    """ISO 3166-1 codes, `EU` or `WORLD`."""


@dataclass(frozen=True, slots=True)
class OfferState:
    """One offer on one day. `sold` counts packages since the day before; `ready` None: the site does not say."""

    offer: OfferTruth
    price: float
    currency: str
    price_text: str
    ready: int | None = None
    preorder: int | None = None
    sold: int = 0
    held: bool = False
    """The price is a holding or placeholder price: nobody sells at it."""


@dataclass(frozen=True, slots=True)
class ListingState:
    listing: ListingTruth
    offers: tuple[OfferState, ...]
    feedback: int | None = None
    rating: float | None = None


@dataclass(frozen=True, slots=True)
class MarketDay:
    """One market on one market-local day: what is alive, and whether a visitor can see it.

    `down` says why a crawl of the day cannot be complete (None: open); `seized` means closed for good, with no
    listings. On other down days the listings are alive behind the closed door.
    """

    market: MarketId
    day: date
    listings: tuple[ListingState, ...]
    down: Down | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A planted event. `kind`: price-shock, first-substance, region-dry, market-closed, gap."""

    kind: str
    market: MarketId
    first: date
    last: date | None = None
    substance: str | None = None
    region: str | None = None
    factor: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class FxRow:
    """One rate: `rate` units of `quote` for one `base` on `date`."""

    date: date
    base: str
    quote: str
    rate: float
    source: str = "demo world"
