"""Drift: whether what a crawl read still looks like the market. A layout that changed in part gives listings with empty
fields; the market's `bounds` say how much of that is believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from crawler.items import Listing
from crawler.market import Bounds

ENOUGH = 10
"""Listings below which a share says nothing."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A bound that a crawl does not keep. `field` is what a person looks at first; `text` says by how much."""

    field: str
    text: str
    examples: tuple[str, ...] = ()
    """(Masked) ids of listings that show it, some at most."""


@dataclass(slots=True)
class Fill:
    """How many of the listings carry each field. `offer.…` counts listings with it in at least one offer."""

    listings: int = 0
    fields: Counter[str] = field(default_factory=Counter)

    def share(self, name: str) -> float:
        return self.fields[name] / self.listings if self.listings else 0.0


LISTING_FIELDS = ("description", "category", "vendor", "ships_from", "ships_to", "ships_except", "shipping", "offers",
                  "feedback", "sold", "rating")
OFFER_FIELDS = ("price", "quantity", "place", "stash", "ready", "preorder")
FIELDS = frozenset({*LISTING_FIELDS, *(f"offer.{name}" for name in OFFER_FIELDS)})
"""What `bounds.fill` may name."""


def filled_fields(listing: Listing) -> list[str]:
    """The fields that say something."""
    names = [name for name in LISTING_FIELDS if getattr(listing, name) not in (None, (), "")]
    return names + [
        f"offer.{name}" for name in OFFER_FIELDS if any(getattr(offer, name) is not None for offer in listing.offers)
    ]


def measure_fill(listings: Iterable[Listing]) -> Fill:
    """The fill of a crawl's listings, each given once."""
    fill = Fill()
    for listing in listings:
        fill.listings += 1
        fill.fields.update(filled_fields(listing))
    return fill


def broken_bounds(bounds: Bounds, fill: Fill, unread: Mapping[str, int], read: int) -> list[Broken]:
    """Each broken bound: fields unread too often, fields filled too seldom. `read`: listings and detail pages that were
    read."""
    shares = {name: count / max(1, read) for name, count in sorted(unread.items())}
    broken = [
        Broken(name, f"field {name} unread {share:.0%} of the time, more than {bounds.max_unread_share:.0%}")
        for name, share in shares.items()
        if share > bounds.max_unread_share
    ]
    if fill.listings >= ENOUGH:
        broken += [
            Broken(name, f"field {name} filled in {fill.share(name):.0%} of listings, less than {least:.0%}")
            for name, least in sorted(bounds.fill.items())
            if fill.share(name) < least
        ]
    return broken
