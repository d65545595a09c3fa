"""Offer-days from observations: what one offer showed on one market-local day.

Rules, per offer, over its sightings in the order of time (DESIGN.md, "What the numbers mean"):

- A *fall* is a lower `ready` than at the sighting before, where both state it. It is booked on the day of the later
  sighting, also across midnight. A sighting without `ready` breaks the chain. The first sighting and a disappearance
  are no sale.
- A fall is *reversed* by min(rise, fall) where the very next sighting shows more again. That is booked on the day of
  the rise (the day of the fall, if that is the same), so that no day once past ever changes.
- `long_falls` are falls across more than 24 h; `exposure_hours` adds up the gaps before the day's sightings, each
  at most 24 h.
- Prices: of the day's unflagged sightings; of the flagged ones (then `flags` holds their flags) only where there is no
  other. `unit_price` and `price_low` are in the currency of the last of them; medians of an even count are the mean of
  the middle two, rounded half up.
- Everything else is as at the day's last sighting; `feedback` as last stated that day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from config.errors import StoreError
from extract.observation import Flag, Kind, Stash
from index.content import EPOCH
from index.offer_day import OfferDay
from index.store import Filter, Store

LONG_GAP_HOURS = 24.0

_SEEN = ("offer", "day", "observed_at", "ready", "feedback")
_PRICE = ("flags", "currency", "unit_price", "unit_price_usd", "amount", "amount_usd")
_STEADY = (
    "listing", "vendor", "kind", "substance", "group", "form", "quantity", "unit", "region", "stash", "ships_from",
    "ships_to",
)
_SCANNED = (*_SEEN, *_PRICE, *_STEADY)
_DERIVED = (
    "market", "version", "offer", "day", "sightings", "first_seen", "last_seen", "first_ready", "last_ready",
    "lowest_ready", "falls", "reversed", "long_falls", "exposure_hours", "open_fall", "feedback", *_STEADY, "flags",
    "currency", "unit_price", "unit_price_usd", "price_low", "price_low_usd",
)
_WHOLE = frozenset({"ready", "feedback", "unit_price", "unit_price_usd", "amount", "amount_usd"})
_ENUMS: dict[str, dict[str | None, Any]] = {
    "kind": {str(kind): kind for kind in Kind}, "stash": {None: None, **{str(stash): stash for stash in Stash}}}
_Price = tuple[tuple[str, ...], str | None, int | None, int | None, int | None, int | None]
"""Values of `_PRICE`: of a day `amount` and `amount_usd` are those of the lowest price."""
_UNPRICED = (None, None, None, None)


@dataclass(slots=True)
class _Chain:
    """What the next sighting of an offer is compared with."""

    seen: float | None = None
    ready: int | None = None
    open_fall: int = 0


@dataclass(slots=True)
class _Day:
    """One offer-day in the making. Times in Unix seconds."""

    offer: str
    day: str
    first_seen: float
    last_seen: float = 0.0
    ready: list[int | None] = field(default_factory=list)
    """Of each sighting."""
    falls: int = 0
    put_back: int = 0
    long_falls: int = 0
    exposure: float = 0.0
    feedback: int | None = None
    prices: list[_Price] = field(default_factory=list)
    steady: tuple[Any, ...] = ()

    def add(self, chain: _Chain, seen: float, ready: int | None) -> None:
        """Takes the next sighting and moves the chain on."""
        fall = 0
        if chain.seen is not None:
            gap = (seen - chain.seen) / 3600
            self.exposure += min(gap, LONG_GAP_HOURS)
            if ready is not None and chain.ready is not None:
                fall = max(chain.ready - ready, 0)
                self.falls += fall
                self.put_back += min(max(ready - chain.ready, 0), chain.open_fall)
                if gap > LONG_GAP_HOURS:
                    self.long_falls += fall
        chain.seen, chain.ready, chain.open_fall = seen, ready, fall
        self.last_seen = seen
        self.ready.append(ready)


def _median(values: Sequence[int]) -> int | None:
    if not values:
        return None
    ranked = sorted(values)
    low, high = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
    return (low + high + 1) // 2


def _price(prices: list[_Price]) -> _Price:
    """The day's, of those of its sightings."""
    trusted = [price for price in prices if not price[0]]
    if len(trusted) == 1:
        return trusted[0]
    used = trusted or prices
    if not used:
        return (), None, None, None, None, None
    currency = used[-1][1]
    same = [price for price in used if price[1] == currency]
    flagged = {name for price in used for name in price[0]}
    return (
        tuple(flag for flag in Flag if flag in flagged), currency,
        _median([price[2] for price in same if price[2] is not None]),
        _median([price[3] for price in used if price[3] is not None]),
        min((price[4] for price in same if price[4] is not None), default=None),
        min((price[5] for price in used if price[5] is not None), default=None))


def _moment(seen: float) -> datetime:
    return EPOCH + timedelta(microseconds=round(seen * 1e6))


def _build(day: _Day, chain: _Chain, market: str, version: str) -> OfferDay:
    first = _moment(day.first_seen)
    # not validated: every value comes from observations that were, and doing so again takes as long as all else here
    return OfferDay.of_valid(dict(zip(_DERIVED, (
        market, version, day.offer, date.fromisoformat(day.day), len(day.ready), first,
        first if day.last_seen == day.first_seen else _moment(day.last_seen), day.ready[0], day.ready[-1],
        min([ready for ready in day.ready if ready is not None], default=None), day.falls, day.put_back,
        day.long_falls, round(day.exposure, 6), chain.open_fall, day.feedback, *day.steady, *_price(day.prices),
    ), strict=True)))


def _column(name: str, values: list[Any]) -> list[Any]:
    """A scanned column as the fields of a record are."""
    if name in _WHOLE:
        return [None if value != value else int(value) for value in values]  # noqa: PLR0124 - only NaN differs
    if name == "quantity":
        return [None if value != value else value for value in values]  # noqa: PLR0124
    return [_ENUMS[name][value] for value in values] if name in _ENUMS else values


def iter_offer_days(store: Store, market: str, version: str, since: date) -> Iterator[OfferDay]:
    """The market's offer-days from `since` on, by offer and day. Reads the store as a stream; writes nothing."""
    chains = {
        last.offer: _Chain((last.last_seen - EPOCH) / timedelta(seconds=1), last.last_ready, last.open_fall)
        for last in store.last_offer_days(market, since, version)}
    chain, day = _Chain(), None
    for batch in store.scan("observation", Filter(market=(market,), first=since), _SCANNED, version):
        seen_as, prices, steadies = (
            zip(*(_column(name, batch[name].tolist()) for name in names), strict=True)
            for names in (_SEEN, _PRICE, _STEADY))
        for (offer, iso, seen, ready, feedback), price, steady in zip(seen_as, prices, steadies, strict=True):
            if day is None or day.day != iso or day.offer != offer:
                if day is not None:
                    yield _build(day, chain, market, version)
                if day is None or day.offer != offer:
                    chain = chains.pop(offer, _Chain())
                day = _Day(offer, iso, seen)
            day.add(chain, seen, ready)
            day.steady = steady
            if feedback is not None:
                day.feedback = feedback
            if price[2:] != _UNPRICED:
                day.prices.append(price)
    if day is not None:
        yield _build(day, chain, market, version)


def derive_offer_days(store: Store, market: str, version: str, since: date) -> int:
    """Makes the market's offer-days from `since` on anew and puts them in the place of those there; returns how many.

    Earlier days are left as they are and carried on from: after a crawl, `since` is the first day it touched (a day
    in the past makes all later ones anew too). Idempotent; a rebuild from the first day gives the same rows.
    StoreError where a row could not be written.
    """
    report = store.replace_offer_days(market, version, since, iter_offer_days(store, market, version, since))
    if report.failed:
        key, reason = report.failed[0]
        raise StoreError(
            f"{len(report.failed)} offer-days of {market} could not be written; the first is {key}: {reason}.",
            remedy="Run the same command again once the store is well.")
    return report.written + report.unchanged
