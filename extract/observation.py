"""The record that everything downstream counts: one Observation per offer and crawl."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import Field

from crawler.items import (
    COMPLETE_ENOUGH,
    COUNTABLE,
    Coverage,
    CoverageBasis,
    Crawl,
    CrawlKind,
    CrawlOutcome,
    Record,
    UtcTime,
    digest_id,
)

__all__ = [
    "COMPLETE_ENOUGH",
    "COUNTABLE",
    "Coverage",
    "CoverageBasis",
    "Crawl",
    "CrawlKind",
    "CrawlOutcome",
    "Flag",
    "Kind",
    "Observation",
    "Record",
    "Span",
    "Stash",
    "Unit",
    "UtcTime",
    "build_offer_id",
    "digest_id",
]


class Kind(StrEnum):
    """Kind of listing. Only `offer` counts in price statistics."""

    OFFER = "offer"
    JOB = "job"
    SERVICE = "service"
    COMBO = "combo"
    SAMPLE = "sample"
    LOTTERY = "lottery"
    CUSTOM = "custom"
    PRECURSOR = "precursor"
    EQUIPMENT = "equipment"
    DOCUMENT = "document"
    OTHER = "other"


class Stash(StrEnum):
    """How a package is hidden (stash markets)."""

    CACHE = "cache"
    BURIED = "buried"
    MAGNET = "magnet"
    SNOW = "snow"
    STAIRWELL = "stairwell"
    OTHER = "other"


class Flag(StrEnum):
    """Why a price is not to be trusted; flagged prices are out of price statistics unless asked for."""

    PLACEHOLDER = "placeholder"
    HOLDING = "holding"
    OUTLIER = "outlier"
    UNIT_DOUBTFUL = "unit-doubtful"


Unit = Literal["g", "ml", "unit"]
STORABLE = 2**63 - 1023
"""Stores keep integers below it: scans hand numbers on as floats, and a float of a larger one is 2^63."""


class Span(Record):
    """Where something was read: code points `start`..`end` of the original field's text."""

    label: Literal["substance", "quantity", "price", "region", "stash", "purity"]
    field: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    value: str


class Observation(Record):
    """One offer as one crawl saw it and one extractor version read it.

    Key: (market, listing, offer, crawl, version). Money is in integers: `amount` in minor units of `currency` (cents,
    kopecks, satoshi), `unit_price*` per base unit (g, ml or unit) in major units x 10^4.
    """

    market: str
    listing: str
    offer: str
    crawl: str
    version: str
    observed_at: UtcTime
    day: date
    """The market-local date of `observed_at`."""
    vendor: str | None = None
    title: str
    description: str = ""
    category: tuple[str, ...] = ()
    kind: Kind = Kind.OFFER
    substances: tuple[str, ...] = ()
    """Canonical ids, the main one first; empty: unknown."""
    group: str | None = None
    form: str | None = None
    quantity_text: str | None = None
    quantity: float | None = Field(default=None, gt=0)
    """Amount in the base unit."""
    unit: Unit | None = None
    dose_mg: float | None = Field(default=None, gt=0)
    purity: float | None = Field(default=None, ge=0, le=100)
    """Purity claimed, per cent."""
    price_text: str | None = None
    currency: str | None = None
    """ISO 4217, or BTC, XMR, LTC, USDT."""
    amount: int | None = Field(default=None, ge=0)
    unit_price: int | None = Field(default=None, ge=0)
    """In the quoting currency, x 10^4."""
    unit_price_usd: int | None = Field(default=None, ge=0)
    amount_usd: int | None = Field(default=None, ge=0)
    """Price of the package in US cents."""
    fx_rate: float | None = Field(default=None, gt=0)
    """US dollars for one unit of `currency`."""
    fx_date: date | None = None
    fx_source: str | None = None
    flags: tuple[Flag, ...] = ()
    ships_from: tuple[str, ...] = ()
    ships_to: tuple[str, ...] = ()
    ships_except: tuple[str, ...] = ()
    place: str | None = None
    """As written."""
    region: str | None = None
    """ISO 3166-2 (or 3166-1) code of the place."""
    stash: Stash | None = None
    ready: int | None = Field(default=None, ge=0)
    preorder: int | None = Field(default=None, ge=0)
    feedback: int | None = Field(default=None, ge=0)
    spans: tuple[Span, ...] = ()
    confidence: float = Field(default=1.0, ge=0, le=1)

    @property
    def substance(self) -> str | None:
        """The main substance."""
        return self.substances[0] if self.substances else None


def build_offer_id(
    listing: str, quantity: float | None, unit: str | None, form: str | None, place: str | None, stash: str | None
) -> str:
    """An offer is a listing with a base quantity, form, place and stash type; never its price or stock."""
    amount = "" if quantity is None else f"{quantity:.6g}"
    return digest_id(listing, amount, unit or "", form or "", (place or "").casefold().strip(), stash or "")
