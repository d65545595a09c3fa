"""Offer-day: one offer on one market-local day. A pure function of observations (`index.derive` makes them)."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from extract.observation import Flag, Kind, Record, Stash, Unit, UtcTime


class OfferDay(Record):
    """One offer on one market-local day. Key: (market, offer, day, version).

    Stock falls are between successive sightings of the offer, carried over midnight and booked on the later day.
    A disappearance is no sale; an absence between two sightings says nothing.
    """

    market: str
    listing: str
    offer: str
    day: date
    version: str
    vendor: str | None = None
    kind: Kind = Kind.OFFER
    substance: str | None = None
    """Main substance; None: unknown."""
    group: str | None = None
    form: str | None = None
    quantity: float | None = None
    unit: Unit | None = None
    region: str | None = None
    stash: Stash | None = None
    ships_from: tuple[str, ...] = ()
    ships_to: tuple[str, ...] = ()
    sightings: int = Field(ge=1)
    first_seen: UtcTime
    last_seen: UtcTime
    first_ready: int | None = None
    last_ready: int | None = None
    lowest_ready: int | None = None
    falls: int = Field(default=0, ge=0)
    """Packages: the sum of falls of `ready` booked on this day."""
    reversed: int = Field(default=0, ge=0)
    """Packages of those (or of the last fall before) that the next sighting put back."""
    long_falls: int = Field(default=0, ge=0)
    """Packages of `falls` that fell across more than 24 h without a sighting (flagged)."""
    exposure_hours: float = Field(default=0, ge=0)
    """Hours between this day's sightings and the sighting before each, at most 24 h a gap."""
    open_fall: int = Field(default=0, ge=0)
    """The last fall, not yet confirmed by a next sighting: carried so that a reversal on a later day is seen."""
    currency: str | None = None
    unit_price: int | None = None
    """Median of the day, per base unit in the quoting currency x 10^4 (unflagged sightings; flagged ones where the day
    has no other, see `flags`)."""
    unit_price_usd: int | None = None
    price_low: int | None = None
    """The day's lowest price of the package, minor units of `currency`."""
    price_low_usd: int | None = None
    """The same in US cents."""
    flags: tuple[Flag, ...] = ()
    feedback: int | None = None
    """Feedback count at the last sighting of the day."""
