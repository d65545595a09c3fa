"""From Listings to Observations: what the site states apart (price, quantity, place of an offer) joined with what the
pipeline read out of the texts. One Observation per offer and crawl."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from crawler.items import Crawl, Listing, Offer
from extract.flags import price_flags
from extract.found import FoundPrice, FoundQuantity
from extract.fx import RateTable
from extract.gazetteer import Gazetteer
from extract.money import MINOR_DIGITS, parse_price, to_minor
from extract.numbers import parse_quantity
from extract.observation import Observation, Span, Stash, Unit, build_offer_id
from extract.pipeline import Extractor
from extract.reading import Reading

COUNTED_FORMS = frozenset({"pill", "blotter", "capsule"})
"""Sold by the piece: sites that know only grams label them so."""
CACHE = 100_000
PRICE_SCALE = 10_000
"""Prices per base unit are integers of this fraction of a major unit."""


class _Amount(NamedTuple):
    text: str | None
    base: float | None
    unit: Unit | None
    dose_mg: float | None
    doubtful: bool


class ObservationBuilder:
    """Listings in, Observations out, in the same order.

    Equal texts are read once.
    """

    def __init__(self, extractor: Extractor, rates: RateTable, gazetteer: Gazetteer | None = None) -> None:
        self.extractor, self.rates = extractor, rates
        self.gazetteer = gazetteer or Gazetteer()
        self.version = extractor.version
        self._quantity = lru_cache(CACHE)(parse_quantity)
        self._price = lru_cache(CACHE)(parse_price)
        self._region = lru_cache(CACHE)(self.gazetteer.region_of)
        self._stash = lru_cache(1_000)(self._read_stash)

    def build(
        self, listings: Iterable[Listing], crawl: Crawl, on_reading: Callable[[Listing, Reading], None] | None = None
    ) -> Iterator[Observation]:
        """Observations of masked listings. A listing without offers gives one with what its text says; offers of one
        listing that come to the same id are one (the first). `on_reading` is told what each listing's text said."""
        zone = ZoneInfo(crawl.tz)
        kept = list(listings)
        readings = self.extractor.read_many(self._fields(listing) for listing in kept)
        for listing, reading in zip(kept, readings, strict=True):
            if on_reading is not None:
                on_reading(listing, reading)
            yield from self._observations(listing, reading, zone, crawl)

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

    def _observations(
        self, listing: Listing, reading: Reading, zone: ZoneInfo, crawl: Crawl
    ) -> Iterator[Observation]:
        substances = tuple(dict.fromkeys(mention.id for mention in reading.substances))
        spans = tuple(_spans(reading))
        day = listing.observed_at.astimezone(zone).date()
        roles = {
            role: tuple(dict.fromkeys(region.code for region in reading.regions if region.role == role))
            for role in ("place", "from", "to", "except")
        }
        country = crawl.country
        seen: set[str] = set()
        for offer in listing.offers or (Offer(),):
            amount = self._amount(offer, reading, crawl)
            price = self._offer_price(offer, reading)
            region = self._region(offer.place, country) if offer.place else (roles["place"] or (country,))[0]
            stash = self._stash(offer.stash) if offer.stash else (reading.stash[0].type if reading.stash else None)
            offer_id = build_offer_id(listing.listing, amount.base, amount.unit, reading.form, offer.place, stash)
            if offer_id in seen:
                continue
            seen.add(offer_id)
            money = self._money(price, amount, day)
            yield Observation(
                market=listing.market,
                listing=listing.listing,
                offer=offer_id,
                crawl=listing.crawl,
                version=self.version,
                observed_at=listing.observed_at,
                day=day,
                vendor=listing.vendor,
                title=listing.title,
                description=listing.description,
                category=listing.category,
                kind=reading.kind,
                substances=substances,
                group=reading.group,
                form=reading.form,
                quantity_text=amount.text,
                quantity=amount.base,
                unit=amount.unit,
                dose_mg=amount.dose_mg,
                purity=None if reading.purity is None else float(reading.purity),
                price_text=offer.price or (reading.prices[0].text if reading.prices and not listing.offers else None),
                flags=price_flags(
                    kind=reading.kind,
                    quantity=amount.base,
                    unit=amount.unit,
                    amount=None if price is None else price.amount,
                    amount_usd=money.get("amount_usd"),
                    unit_doubtful=amount.doubtful,
                ),
                ships_from=roles["from"],
                ships_to=roles["to"],
                ships_except=roles["except"],
                place=offer.place,
                region=region,
                stash=stash,
                ready=offer.ready,
                preorder=offer.preorder,
                feedback=listing.feedback,
                spans=spans,
                **money,
            )

    def _amount(self, offer: Offer, reading: Reading, crawl: Crawl) -> _Amount:
        """The quantity of an offer: what the site states for it, else the first one in the text.

        Where the title names the same number as pieces and no weight agrees, the number is of pieces. A site that
        labels all in grams (`pieces_as_grams`) says '10 гр' of ten pills: there a counted form and a whole number are
        enough. Where a title names another number of pieces and no weight, the unit is doubtful. Only the title is
        asked: descriptions name pieces of all kinds ('from 3 pcs a bonus').
        """
        dose = next((float(one.dose_mg) for one in reading.quantities if one.dose_mg is not None), None)
        stated: FoundQuantity | None = self._quantity(offer.quantity) if offer.quantity else None
        if stated is None:
            # a weight that is the dose of one piece (`Xanax 2 mg`) is not what is sold
            amounts = [one for one in reading.quantities if one.base_unit != "g" or one.dose_mg is None]
            if offer.quantity is None and amounts:
                first = amounts[0]
                return _Amount(first.text, float(first.base_amount), first.base_unit, dose, doubtful=False)
            return _Amount(offer.quantity, None, None, dose, doubtful=False)
        base, unit = stated.base_amount, _unit(stated.base_unit)
        if stated.dose_mg is not None:
            dose = float(stated.dose_mg)
        doubtful = False
        if unit == "g":
            in_title = [one for one in reading.quantities if one.field == "title"]
            weights = [one.base_amount for one in in_title if one.base_unit == "g"]
            pieces = [one.base_amount for one in in_title if one.base_unit == "unit"]
            counted = crawl.pieces_as_grams and reading.form in COUNTED_FORMS
            if base not in weights:
                if base in pieces or (counted and base == base.to_integral_value()):
                    unit, doubtful = "unit", counted and bool(weights)
                elif pieces and not weights and (reading.form is None or reading.form in COUNTED_FORMS):
                    doubtful = True
        return _Amount(offer.quantity, float(base) if base > 0 else None, unit if base > 0 else None, dose, doubtful)

    def _offer_price(self, offer: Offer, reading: Reading) -> FoundPrice | None:
        if offer.price:
            return self._price(offer.price)
        if reading.prices and offer == Offer():
            first = reading.prices[0]
            return FoundPrice(first.amount, first.currency, first.minimum, first.start, first.end)
        return None

    def _money(self, price: FoundPrice | None, amount: _Amount, day: date) -> dict[str, Any]:
        if price is None or price.currency not in MINOR_DIGITS:
            return {}
        money: dict[str, Any] = {"currency": price.currency, "amount": to_minor(price.amount, price.currency)}
        per_unit = None if amount.base is None else price.amount / Decimal(repr(amount.base))
        if per_unit is not None:
            money["unit_price"] = round(per_unit * PRICE_SCALE)
        rate = self.rates.to_usd(price.currency, day)
        if rate is not None:
            in_dollars = Decimal(repr(rate.rate))
            money |= {"fx_rate": rate.rate, "fx_date": rate.date, "fx_source": rate.source}
            money["amount_usd"] = round(price.amount * in_dollars * 100)
            if per_unit is not None:
                money["unit_price_usd"] = round(per_unit * in_dollars * PRICE_SCALE)
        return money

    def _read_stash(self, text: str) -> Stash:
        found = self.extractor.read({"title": text}).stash
        return found[0].type if found else Stash.OTHER


def _unit(name: str) -> Unit:
    if name == "g":
        return "g"
    return "ml" if name == "ml" else "unit"


def _spans(reading: Reading) -> Iterator[Span]:
    for one in reading.substances:
        yield Span(label="substance", field=one.field, start=one.start, end=one.end, value=one.id)
    for quantity in reading.quantities:
        yield Span(
            label="quantity",
            field=quantity.field,
            start=quantity.start,
            end=quantity.end,
            value=f"{quantity.base_amount.normalize():f} {quantity.base_unit}",
        )
    for price in reading.prices:
        yield Span(
            label="price",
            field=price.field,
            start=price.start,
            end=price.end,
            value=f"{price.amount:f} {price.currency}",
        )
    for region in reading.regions:
        yield Span(
            label="region", field=region.field, start=region.start, end=region.end, value=f"{region.role} {region.code}"
        )
    for stash in reading.stash:
        yield Span(label="stash", field=stash.field, start=stash.start, end=stash.end, value=stash.type)
