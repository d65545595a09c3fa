"""Whether a crawl is accepted into the store: what its market's `bounds` say that it must yield.

Field by field from all its listings (filled, unread); what the words come to (substances known, prices in US dollars)
from at most 1,000 listings, evenly spaced through the log. Pages that were not had are no reason: coverage says that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from crawler.drift import ENOUGH, Broken, Fill, broken_bounds, filled_fields
from crawler.items import Crawl, CrawlKind, Listing, PageOutcome
from crawler.log import iter_log
from crawler.market import Bounds, PriceBound
from extract.build import ObservationBuilder
from extract.observation import Kind, Observation

SAMPLE = 1_000
"""Listings whose words are read."""
EXAMPLES = 20


@dataclass(slots=True)
class _Share:
    """How many of those looked at are bad, and some of them."""

    of: int = 0
    bad: int = 0
    examples: dict[str, None] = field(default_factory=dict)

    def add(self, listing: str, *, bad: bool) -> None:
        self.of += 1
        self.bad += bad
        if bad and len(self.examples) < EXAMPLES:
            self.examples[listing] = None

    @property
    def share(self) -> float:
        return self.bad / self.of if self.of else 0.0


def judge_crawl(bounds: Bounds, log: Path, builder: ObservationBuilder) -> list[Broken]:
    """The bounds that an ended crawl does not keep; empty: it is accepted. One without listings always is: there is
    nothing in it that could be wrong. So is what a person has brought in (imports, replays)."""
    crawl, listings = iter_log(log)
    if not crawl.listings or crawl.kind in {CrawlKind.IMPORT, CrawlKind.REPLAY}:
        return []
    fill, sample, empty = _measure(listings, crawl.listings, bounds)
    parts = ((reason.partition("unread "), count) for reason, count in crawl.dropped.items())
    unread = {name: count for (before, sign, name), count in parts if sign and not before}
    read = crawl.pages.get(PageOutcome.LISTING, 0) + crawl.listings
    broken = [
        replace(one, examples=tuple(empty.get(one.field, ()))) for one in broken_bounds(bounds, fill, unread, read)
    ]
    broken += _broken_counts(bounds, crawl)
    if len(sample) >= ENOUGH and (bounds.max_unknown_share is not None or bounds.price_usd is not None):
        broken += _broken_words(bounds, list(builder.build(sample, crawl)))
    return broken


def _measure(
    listings: Iterator[Listing], count: int, bounds: Bounds
) -> tuple[Fill, list[Listing], dict[str, dict[str, None]]]:
    """Fill of all; a sample; by bounded field some listings that lack it."""
    fill, sample = Fill(), []
    step = max(1, math.ceil(count / SAMPLE))
    lacking: dict[str, dict[str, None]] = {name: {} for name in bounds.fill}
    for number, listing in enumerate(listings):
        filled = set(filled_fields(listing))
        fill.listings += 1
        fill.fields.update(filled)
        for name, found in lacking.items():
            if name not in filled and len(found) < EXAMPLES:
                found[listing.listing] = None
        if number % step == 0:
            sample.append(listing)
    return fill, sample, lacking


def _broken_counts(bounds: Bounds, crawl: Crawl) -> list[Broken]:
    broken = []
    whole = bool(crawl.coverage) and crawl.coverage[0].complete_enough
    if whole and crawl.listings < bounds.min_listings:
        broken.append(Broken("listings", f"{crawl.listings} listings, fewer than {bounds.min_listings}"))
    if bounds.max_listings is not None and crawl.listings > bounds.max_listings:
        broken.append(Broken("listings", f"{crawl.listings} listings, more than {bounds.max_listings}"))
    pages = sum(crawl.pages.values())
    unknown = crawl.pages.get(PageOutcome.UNKNOWN_LAYOUT, 0)
    if pages >= ENOUGH and unknown / pages > bounds.max_unknown_pages:
        share = f"{unknown / pages:.0%} of pages are of unknown layout, more than {bounds.max_unknown_pages:.0%}"
        broken.append(Broken("pages", share))
    return broken


def _broken_words(bounds: Bounds, observations: Sequence[Observation]) -> list[Broken]:
    substance, quantity, price = _Share(), _Share(), _Share()
    seen: set[str] = set()
    for one in observations:
        if one.listing not in seen and one.kind is Kind.OFFER:
            seen.add(one.listing)
            substance.add(one.listing, bad=not one.substances)
        if one.quantity_text:
            quantity.add(one.listing, bad=one.quantity is None)
        if one.price_text:
            price.add(one.listing, bad=one.amount is None)
    broken = []
    limit = bounds.max_unknown_share
    if limit is not None:
        broken = [
            Broken(name, f"{name} unknown in {share.share:.0%}, more than {limit:.0%}", tuple(share.examples))
            for name, share in (("substance", substance), ("offer.quantity", quantity), ("offer.price", price))
            if share.of >= ENOUGH and share.share > limit
        ]
    return broken if bounds.price_usd is None else [*broken, *_broken_price(bounds.price_usd, observations)]


def _broken_price(bound: PriceBound, observations: Sequence[Observation]) -> list[Broken]:
    share = _Share()
    for one in observations:
        if one.amount_usd is not None and one.kind is Kind.OFFER:
            share.add(one.listing, bad=not bound.min <= one.amount_usd / 100 <= bound.max)
    if share.of < ENOUGH or 1 - share.share >= bound.share:
        return []
    text = (f"{1 - share.share:.0%} of {share.of} prices lie between {bound.min:g} and {bound.max:g} US dollars,"
            f" less than {bound.share:.0%}")  # fmt: skip
    return [Broken("offer.price", text, tuple(share.examples))]
