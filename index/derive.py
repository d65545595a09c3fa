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

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from config.errors import StoreError
from extract.observation import Flag
from index.content import EPOCH
from index.offer_day import OfferDay
from index.store import Filter, Store

LONG_GAP_HOURS = 24.0

_STEADY = (
    "listing", "vendor", "kind", "substance", "group", "form", "quantity", "unit", "region", "stash", "ships_from",
    "ships_to",
)
_MOVING = (
    "offer", "day", "observed_at", "ready", "feedback", "flags", "currency", "unit_price", "unit_price_usd", "amount",
    "amount_usd",
)
_Price = tuple[tuple[str, ...], str | None, int | None, int | None, int | None, int | None]
"""flags, currency, unit price, the same in USD, price of the package, the same in USD."""


@dataclass
class _Chain:
    """What the next sighting of an offer is compared with."""

    seen: float | None = None
    ready: int | None = None
    open_fall: int = 0


@dataclass
class _Day:
    """One offer-day in the making. Times in Unix seconds."""

    offer: str
    day: str
    first_seen: float
    last_seen: float = 0.0
    sightings: int = 0
    ready: list[int | None] = field(default_factory=list)
    falls: int = 0
    put_back: int = 0
    long_falls: int = 0
    exposure: float = 0.0
    feedback: int | None = None
    prices: list[_Price] = field(default_factory=list)
    steady: tuple[Any, ...] = ()

    def add(self, chain: _Chain, seen: float, ready: int | None) -> None:
        """Takes the next sighting and moves the chain on."""
        gap = 0.0 if chain.seen is None else (seen - chain.seen) / 3600
        self.exposure += min(gap, LONG_GAP_HOURS)
        fall = 0
        if ready is not None and chain.ready is not None:
            fall = max(chain.ready - ready, 0)
            self.falls += fall
            self.put_back += min(max(ready - chain.ready, 0), chain.open_fall)
            if gap > LONG_GAP_HOURS:
                self.long_falls += fall
        chain.seen, chain.ready, chain.open_fall = seen, ready, fall
        self.last_seen = seen
        self.sightings += 1
        self.ready.append(ready)


def _whole(number: float) -> int | None:
    return None if math.isnan(number) else int(number)


def _median(values: Sequence[int]) -> int | None:
    if not values:
        return None
    ranked = sorted(values)
    low, high = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
    return (low + high + 1) // 2


def _prices(prices: list[_Price]) -> dict[str, Any]:
    trusted = [price for price in prices if not price[0]]
    used = trusted or prices
    if not used:
        return {}
    currency = used[-1][1]
    same = [price for price in used if price[1] == currency]
    flagged = {name for price in used for name in price[0]}
    return {
        "currency": currency,
        "unit_price": _median([price[2] for price in same if price[2] is not None]),
        "unit_price_usd": _median([price[3] for price in used if price[3] is not None]),
        "price_low": min((price[4] for price in same if price[4] is not None), default=None),
        "price_low_usd": min((price[5] for price in used if price[5] is not None), default=None),
        "flags": tuple(flag for flag in Flag if flag in flagged),
    }


def _build(day: _Day, chain: _Chain, market: str, version: str) -> OfferDay:
    stated = [ready for ready in day.ready if ready is not None]
    return OfferDay(
        market=market, version=version, offer=day.offer, day=date.fromisoformat(day.day), sightings=day.sightings,
        first_seen=EPOCH + timedelta(microseconds=round(day.first_seen * 1e6)),
        last_seen=EPOCH + timedelta(microseconds=round(day.last_seen * 1e6)),
        first_ready=day.ready[0], last_ready=day.ready[-1], lowest_ready=min(stated, default=None),
        falls=day.falls, reversed=day.put_back, long_falls=day.long_falls, exposure_hours=round(day.exposure, 6),
        open_fall=chain.open_fall, feedback=day.feedback, **dict(zip(_STEADY, day.steady, strict=True)),
        **_prices(day.prices))


def iter_offer_days(store: Store, market: str, version: str, since: date) -> Iterator[OfferDay]:
    """The market's offer-days from `since` on, by offer and day. Reads the store as a stream; writes nothing."""
    chains = {
        last.offer: _Chain((last.last_seen - EPOCH) / timedelta(seconds=1), last.last_ready, last.open_fall)
        for last in store.last_offer_days(market, since, version)}
    chain, day = _Chain(), None
    for batch in store.scan("observation", Filter(market=(market,), first=since), (*_MOVING, *_STEADY), version):
        moving = zip(*(batch[name].tolist() for name in _MOVING), strict=True)
        steady = zip(*(_without_nan(batch[name].tolist()) for name in _STEADY), strict=True)
        for (offer, iso, seen, ready_at, feedback, flags, *price), rest in zip(moving, steady, strict=True):
            if day is None or day.day != iso or day.offer != offer:
                if day is not None:
                    yield _build(day, chain, market, version)
                if day is None or day.offer != offer:
                    chain = chains.pop(offer, _Chain())
                day = _Day(offer, iso, seen)
            day.add(chain, seen, _whole(ready_at))
            day.steady = rest
            day.feedback = day.feedback if math.isnan(feedback) else int(feedback)
            currency, *amounts = price
            numbers = [_whole(amount) for amount in amounts]
            if any(number is not None for number in numbers):
                day.prices.append((flags, currency, numbers[0], numbers[1], numbers[2], numbers[3]))
    if day is not None:
        yield _build(day, chain, market, version)


def _without_nan(values: list[Any]) -> list[Any]:
    return [None if value != value else value for value in values]  # noqa: PLR0124 - only NaN differs from itself


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
