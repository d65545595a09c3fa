"""From Listings to Observations: what the site states apart (price, quantity, place of an offer) joined with what the
pipeline read out of the texts. One Observation per offer and crawl."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from config.collection import no_collection
from crawler.items import Crawl, Listing, Offer
from extract.flags import price_flags
from extract.found import FoundPrice, FoundQuantity
from extract.fx import RateTable
from extract.gazetteer import load_gazetteer
from extract.money import MINOR_DIGITS, parse_price, to_minor
from extract.numbers import parse_quantity
from extract.observation import COUNTABLE, STORABLE, Flag, Kind, Observation, Span, Stash, Unit, build_offer_id
from extract.pipeline import BATCH, Extractor
from extract.pipeline import CACHE as READINGS
from extract.reading import Mention, QuantityMention, Reading, Role
from extract.tiers import Tier, is_of_same, parse_tier

COUNTED_FORMS = frozenset({"pill", "blotter", "capsule"})
"""Sold by the piece: sites that know only grams label them so."""
CACHE = 100_000
PRICE_SCALE = 10_000
"""Prices per base unit are integers of this fraction of a major unit."""


LISTED = frozenset({"each", "order", "item", "listing", "lot", "pack", "package", "box"})
"""Units of a site that say no more than one of what the title offers: each of `20 x "EVIL EYE"` are twenty."""
OWN_FIELDS = {"from": "ships_from", "to": "ships_to"}
"""Where a market says it apart; a `ships_from` of the whole world says nothing."""


class _Amount(NamedTuple):
    text: str | None
    base: float | None
    unit: Unit | None
    dose_mg: float | None
    doubtful: bool
    tier: Tier | None = None
    """Of a step of a price list: its price is for one, the amount for the least that it is given for."""


class _Said(NamedTuple):
    """What a Reading says in the terms of an Observation: the same for every offer, and each time its text comes."""

    reading: Reading
    """Held, so that no other one takes its identity."""
    texts: dict[str, Any]
    """Fields of an Observation."""
    place: str | None
    stash: Stash | None
    dose: float | None
    sold: QuantityMention | None
    """The first quantity that is sold."""
    whole: QuantityMention | None
    """What the title says is sold, if it says one thing."""
    weights: tuple[Decimal, ...]
    pieces: tuple[Decimal, ...]
    """Of the title, in base units."""
    amounts: dict[tuple[str | None, bool], _Amount]
    """As read so far: by what an offer states, and whether its site labels pieces in grams."""


class _Money(NamedTuple):
    fields: dict[str, Any]
    flags: tuple[Flag, ...]


class ObservationBuilder:
    """Listings in, Observations out, in the same order.

    Equal texts are read once.
    """

    def __init__(self, extractor: Extractor, rates: RateTable) -> None:
        self.extractor, self.rates = extractor, rates
        self.gazetteer = load_gazetteer()
        self.version = extractor.version
        self._quantity = lru_cache(CACHE)(parse_quantity)
        self._price = lru_cache(CACHE)(parse_price)
        self._region = lru_cache(CACHE)(self.gazetteer.region_of)
        self._stash = lru_cache(1_000)(self._read_stash)
        self._money = lru_cache(CACHE)(self._convert)
        self._said: dict[int, _Said] = {}

    def build(
        self, listings: Iterable[Listing], crawl: Crawl, on_reading: Callable[[Listing, Reading], None] | None = None
    ) -> Iterator[Observation]:
        """Observations of masked listings. A listing without offers gives one with what its text says; offers of one
        listing that come to the same id are one (the first). `on_reading` is told what each listing's text said."""
        zone = ZoneInfo(crawl.tz)
        kept = list(listings)
        read = zip(kept, self.extractor.read_many(self._fields(listing) for listing in kept), strict=True)
        while batch := list(islice(read, BATCH)):
            made: list[Observation] = []
            with no_collection():  # a third of the time where every text is new
                for listing, reading in batch:
                    if on_reading is not None:
                        on_reading(listing, reading)
                    made += self._observations(listing, reading, zone, crawl)
            yield from made

    @staticmethod
    def _fields(listing: Listing) -> dict[str, str]:
        fields = {
            "title": listing.title,
            "description": listing.description,
            "category": " > ".join(listing.category),
            "ships_from": listing.ships_from or "",
            "ships_to": ", ".join(listing.ships_to),
            "ships_except": ", ".join(listing.ships_except),
        }
        return {name: text for name, text in fields.items() if text}

    def _observations(self, listing: Listing, reading: Reading, zone: ZoneInfo, crawl: Crawl) -> Iterator[Observation]:
        said = self._say(reading)
        day = listing.observed_at.astimezone(zone).date()
        common = {
            "market": listing.market,
            "listing": listing.listing,
            "crawl": listing.crawl,
            "version": self.version,
            "observed_at": listing.observed_at,
            "day": day,
            "vendor": listing.vendor,
            "title": listing.title,
            "description": listing.description,
            "category": listing.category,
            "feedback": _count(listing.feedback),
            **said.texts,
        }
        seen: set[str] = set()
        own: Decimal | None = None
        """The listing's own price per base unit."""
        for offer in listing.offers or (Offer(),):
            stated = (offer.quantity, crawl.pieces_as_grams)
            amount = said.amounts.get(stated)
            if amount is None:
                amount = said.amounts[stated] = self._stated(said, *stated)
            price = self._offer_price(offer, reading)
            if amount.tier is not None and price is not None:
                amount, price = self._step(amount, amount.tier, price, own)
            elif own is None and price is not None and amount.base:
                own = price.amount / Decimal(repr(amount.base))
            stash = self._stash(offer.stash) if offer.stash else said.stash
            offer_id = build_offer_id(listing.listing, amount.base, amount.unit, reading.form, offer.place, stash)
            if offer_id in seen:
                continue
            seen.add(offer_id)
            money = self._money(
                None if price is None else price.amount, None if price is None else price.currency, day, reading.kind,
                amount.base, amount.unit, amount.doubtful,
            )  # fmt: skip
            yield Observation(
                **common,
                offer=offer_id,
                quantity_text=amount.text,
                quantity=amount.base,
                unit=amount.unit,
                dose_mg=amount.dose_mg,
                price_text=offer.price or (reading.prices[0].text if reading.prices and not listing.offers else None),
                flags=money.flags,
                place=offer.place,
                region=self._region(offer.place, crawl.country) if offer.place else said.place or crawl.country,
                stash=stash,
                ready=_count(offer.ready),
                preorder=_count(offer.preorder),
                **money.fields,
            )

    def _say(self, reading: Reading) -> _Said:
        """Once for each reading: equal texts have the same one."""
        known = self._said.get(id(reading))
        if known is None:
            if len(self._said) >= READINGS:
                self._said.clear()
            known = self._said[id(reading)] = _summarise(reading)
        return known

    def _stated(self, said: _Said, text: str | None, pieces_as_grams: bool) -> _Amount:
        """What an offer states, be it a step of a price list."""
        tier = None if text is None else parse_tier(text)
        if tier is None:
            return self._amount(said, text, pieces_as_grams)
        one = self._amount(said, tier.unit or None, pieces_as_grams)
        return one._replace(text=text, base=None if one.base is None else one.base * tier.least, tier=tier)

    @staticmethod
    def _step(amount: _Amount, tier: Tier, price: FoundPrice, own: Decimal | None) -> tuple[_Amount, FoundPrice]:
        """A step of a price list as a package: the least that its price is given for, at so many times that price.

        Where it says no unit it is so many times what the listing sells, or, where its price tells otherwise, so many
        pieces (`5k+ bars, $3,750; from qty 10000: $0.70`); where neither goes with the listing's price, nobody knows.
        """
        whole = price._replace(amount=price.amount * tier.least)
        if tier.unit or own is None or amount.base is None:
            return amount, whole
        if is_of_same(whole.amount / Decimal(repr(amount.base)), own):
            return amount, whole
        if amount.unit == "unit" and is_of_same(price.amount, own):
            return amount._replace(base=float(tier.least)), whole
        return amount._replace(base=None, unit=None), price

    def _amount(self, said: _Said, text: str | None, pieces_as_grams: bool) -> _Amount:
        """The quantity of an offer: what the site states for it, else the first one in the text.

        Where the title names the same number as pieces and no weight agrees, the number is of pieces. A site that
        labels all in grams (`pieces_as_grams`) says '10 гр' of ten pills: there a counted form and a whole number are
        enough. Where a title names another number of pieces and no weight, the unit is doubtful. Only the title is
        asked: descriptions name pieces of all kinds ('from 3 pcs a bonus').
        """
        dose = said.dose
        if text is not None and said.whole is not None and text.strip().casefold() in LISTED:
            return _Amount(text, float(said.whole.base_amount), said.whole.base_unit, dose, doubtful=False)
        stated: FoundQuantity | None = self._quantity(text) if text else None
        if stated is None:
            first = said.sold
            if text is None and first is not None:
                return _Amount(first.text, float(first.base_amount), first.base_unit, dose, doubtful=False)
            return _Amount(text, None, None, dose, doubtful=False)
        base, unit = stated.base_amount, _unit(stated.base_unit)
        if stated.dose_mg is not None:
            dose = float(stated.dose_mg)
        doubtful = False
        if unit == "g":
            weights, pieces, form = said.weights, said.pieces, said.reading.form
            counted = pieces_as_grams and form in COUNTED_FORMS
            if base not in weights:
                if base in pieces or (counted and base == base.to_integral_value()):
                    unit, doubtful = "unit", counted and bool(weights)
                elif pieces and not weights and (form is None or form in COUNTED_FORMS):
                    doubtful = True
        return _Amount(text, float(base) if base > 0 else None, unit if base > 0 else None, dose, doubtful)

    def _offer_price(self, offer: Offer, reading: Reading) -> FoundPrice | None:
        if offer.price:
            return self._price(offer.price)
        if reading.prices and offer == Offer():
            first = reading.prices[0]
            return FoundPrice(first.amount, first.currency, first.minimum, first.start, first.end)
        return None

    def _convert(
        self, price: Decimal | None, currency: str | None, day: date, kind: Kind, quantity: float | None,
        unit: Unit | None, doubtful: bool,
    ) -> _Money:  # fmt: skip
        money = {} if price is None or currency is None else self._in_integers(price, currency, day, quantity)
        flags = price_flags(
            kind=kind, quantity=quantity, unit=unit, amount=price, amount_usd=money.get("amount_usd"),
            unit_doubtful=doubtful,
        )  # fmt: skip
        return _Money(money, flags)

    def _in_integers(self, price: Decimal, currency: str, day: date, quantity: float | None) -> dict[str, Any]:
        """The integers of a price, and by which rate: nothing for a price beyond all bounds, which is as good as unread
        (the offer is there all the same)."""
        if currency not in MINOR_DIGITS or (amount := to_minor(price, currency)) >= STORABLE:
            return {}
        money: dict[str, Any] = {"currency": currency, "amount": amount}
        per_unit = None if quantity is None else price / Decimal(repr(quantity))
        if per_unit is not None:
            money["unit_price"] = round(per_unit * PRICE_SCALE)
        rate = self.rates.to_usd(currency, day)
        if rate is not None:
            in_dollars = Decimal(repr(rate.rate))
            money |= {"fx_rate": rate.rate, "fx_date": rate.date, "fx_source": rate.source}
            money["amount_usd"] = round(price * in_dollars * 100)
            if per_unit is not None:
                money["unit_price_usd"] = round(per_unit * in_dollars * PRICE_SCALE)
        return {name: one for name, one in money.items() if not isinstance(one, int) or one < STORABLE}

    def _read_stash(self, text: str) -> Stash:
        found = self.extractor.read({"title": text}).stash
        return found[0].type if found else Stash.OTHER


def _count(stated: int | None) -> int | None:
    return None if stated is None or stated >= COUNTABLE else stated


def _unit(name: str) -> Unit:
    if name == "g":
        return "g"
    return "ml" if name == "ml" else "unit"


_SPANS = TypeAdapter(tuple[Span, ...])
"""All spans of a reading are checked in one call: one by one they take three times as long."""


def _summarise(reading: Reading) -> _Said:
    roles = {role: _codes(reading, role) for role in ("place", "from", "to", "except")}
    quantities = reading.quantities
    in_title = [one for one in quantities if one.field == "title"]
    packages = [one for one in in_title if _is_sold(one)]
    return _Said(
        reading=reading,
        texts={
            "kind": reading.kind,
            "substances": tuple(dict.fromkeys([mention.id for mention in reading.substances])),
            "group": reading.group,
            "form": reading.form,
            "purity": None if reading.purity is None else float(reading.purity),
            "ships_from": roles["from"],
            "ships_to": roles["to"],
            "ships_except": roles["except"],
            "spans": _SPANS.validate_python(tuple(_spans(reading))),
        },
        place=roles["place"][0] if roles["place"] else None,
        stash=reading.stash[0].type if reading.stash else None,
        dose=next((float(one.dose_mg) for one in quantities if one.dose_mg is not None), None),
        sold=next(filter(_is_sold, quantities), None),
        whole=packages[0] if len(packages) == 1 else None,
        weights=tuple([one.base_amount for one in in_title if one.base_unit == "g"]),
        pieces=tuple([one.base_amount for one in in_title if one.base_unit == "unit"]),
        amounts={},
    )


def _is_sold(one: QuantityMention) -> bool:
    """Not the dose of one piece (`Xanax 2 mg`)."""
    return one.base_unit != "g" or one.dose_mg is None


def _codes(reading: Reading, role: Role) -> tuple[str, ...]:
    """Regions of a role. Where a field of the market's own says a land, running text adds none: `Germany` it comes
    from, whatever days of delivery a description lists."""
    regions = [one for one in reading.regions if one.role == role]
    stated = [one for one in regions if one.field == OWN_FIELDS.get(role)]
    if any(one.code != "WORLD" for one in stated) or (stated and role == "to"):
        regions = stated
    return tuple(dict.fromkeys([one.code for one in regions]))


def _spans(reading: Reading) -> Iterator[dict[str, Any]]:
    for one in reading.substances:
        yield _span("substance", one, one.id)
    for quantity in reading.quantities:
        yield _span("quantity", quantity, f"{quantity.base_amount.normalize():f} {quantity.base_unit}")
    for price in reading.prices:
        yield _span("price", price, f"{price.amount:f} {price.currency}")
    for region in reading.regions:
        yield _span("region", region, f"{region.role} {region.code}")
    for stash in reading.stash:
        yield _span("stash", stash, stash.type)


def _span(label: str, mention: Mention, value: str) -> dict[str, Any]:
    return {"label": label, "field": mention.field, "start": mention.start, "end": mention.end, "value": value}
