"""What a market's definition makes of saved pages, field by field: for `dropline market check`. Nothing is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from crawler.drift import LISTING_FIELDS, OFFER_FIELDS, filled_fields
from crawler.items import Listing, PageOutcome
from crawler.job import ListingMasker
from crawler.pages import PageObject
from crawler.saved import SavedPage
from crawler.scrub import Scrubber

EXAMPLES = 3


@dataclass(slots=True)
class FieldCheck:
    """One field, on index or detail pages."""

    seen_on: str
    name: str
    listings: int = 0
    filled: int = 0
    unread: int = 0
    """Declared, and not found or not understood."""
    examples: list[str] = field(default_factory=list)
    """Different values, masked, at most 3."""


@dataclass(slots=True)
class MarketCheck:
    """What came of the pages."""

    outcomes: Counter[str] = field(default_factory=Counter)
    fields: dict[tuple[str, str], FieldCheck] = field(default_factory=dict)
    pages: list[tuple[str, str, int, str]] = field(default_factory=list)
    """(file, outcome, listings, reason) of each page."""
    archive_differs: list[str] = field(default_factory=list)
    """Pages that read otherwise once the archive has cut out what is not kept."""

    @property
    def unread(self) -> int:
        return sum(one.unread for one in self.fields.values())


def check_market(
    reader: PageObject, saved: Iterable[SavedPage], *, masker: ListingMasker, now: datetime
) -> MarketCheck:
    """Reads each page, counts which fields are filled, and compares with what its archived form gives."""
    scrubber = Scrubber(reader)
    check = MarketCheck()
    for one in saved:
        if one.refused:
            check.outcomes["not readable"] += 1
            check.pages.append((one.name, "not readable", 0, one.refused))
            continue
        page = one.as_page(reader.market.id, "check", now)
        parsed = reader.parse(page)
        check.outcomes[parsed.outcome.value] += 1
        check.pages.append((one.name, parsed.outcome.value, len(parsed.listings), parsed.reason))
        kept = scrubber.scrub(page.body, page.content_type)
        again = reader.parse(page.model_copy(update={"body": kept, "content_type": "text/html; charset=utf-8"}))
        if again.listings != parsed.listings:
            check.archive_differs.append(one.name)
        seen_on = "detail" if parsed.outcome is PageOutcome.LISTING else "index"
        for listing in parsed.listings:
            _count(check, seen_on, masker.mask_listing(listing))
        for name, count in parsed.unread.items():
            _field(check, seen_on, name).unread += count
    return check


def _field(check: MarketCheck, seen_on: str, name: str) -> FieldCheck:
    return check.fields.setdefault((seen_on, name), FieldCheck(seen_on, name))


def _count(check: MarketCheck, seen_on: str, listing: Listing) -> None:
    filled = {"listing", "title", *filled_fields(listing)}
    for name in ("listing", "title", *LISTING_FIELDS, *(f"offer.{name}" for name in OFFER_FIELDS)):
        counted = _field(check, seen_on, name)
        counted.listings += 1
        if name in filled:
            counted.filled += 1
            example = _show(listing, name)
            if example not in counted.examples and len(counted.examples) < EXAMPLES:
                counted.examples.append(example)


def _show(listing: Listing, name: str) -> str:
    if name == "offers":
        return str(len(listing.offers))
    if name.startswith("offer."):
        part = name.removeprefix("offer.")
        return str(next(value for offer in listing.offers if (value := getattr(offer, part)) is not None))[:60]
    value = getattr(listing, name)
    text = " / ".join(value) if isinstance(value, tuple) else str(value)
    return " ".join(text.split())[:60]
