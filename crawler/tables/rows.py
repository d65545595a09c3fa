"""One row of a stranger's table to one Listing, by a mapping. Pure: no files, no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from crawler.items import COUNTABLE, YEARS, Listing, Offer, digest_id
from crawler.tables.mapping import Column, Mapping, TextField

NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
EXPONENT = re.compile(r"\d+(?:\.\d+)?[eE][+-]?\d{1,2}")
NEGATIVE = re.compile(r"[-\u2212]\s?(?:[$€£₽]\s?)?[.,]?\d")
"""How a cell begins that holds a debt or a mark for "none" (`-1`): in running text a dash before a number is a dash."""
SEVERAL: tuple[TextField, ...] = ("category", "ships_to", "ships_except", "shipping")


@dataclass
class RowReading:
    """A Listing (with one Offer), or the reason why there is none; and the fields that could not be read."""

    listing: Listing | None = None
    reason: str | None = None
    detail: str = ""
    unread: list[str] = field(default_factory=list)


class RowReader:
    """Reads rows of one table (`crawl` is the crawl they belong to; set it per row where the mapping says so)."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping, self.zone = mapping, ZoneInfo(mapping.tz)
        self._times: dict[str, datetime | None] = {}

    def observed_at(self, cells: MappingABC[str, str]) -> datetime | None:
        """The row's time in UTC; None where it cannot be read."""
        text = _cell(self.mapping.observed_at, cells)
        if text not in self._times:
            if len(self._times) > 100_000:
                self._times.clear()
            self._times[text] = self._parse_time(text)
        return self._times[text]

    def _parse_time(self, text: str) -> datetime | None:
        given = self.mapping.observed_at.format
        try:
            moment = datetime.strptime(text, given) if given else datetime.fromisoformat(text)  # noqa: DTZ007
        except ValueError:
            return None
        if moment.year not in YEARS:
            return None
        # fold=0: of an hour that comes twice (clocks put back) the first is taken
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).astimezone(UTC)

    def read(self, cells: MappingABC[str, str], crawl: str) -> RowReading:
        mapping = self.mapping
        title = self._text("title", cells)
        if not title:
            return RowReading(reason="not-a-listing", detail="no title")
        moment = self.observed_at(cells)
        if moment is None:
            return RowReading(reason="unreadable", detail=f"time in column {mapping.observed_at.column!r}")
        unread: list[str] = []
        vendor = self._text("vendor", cells) or None
        numbers = {name: self._number(name, column, cells, unread) for name, column in mapping.numbers.items()}
        listing = self._text("listing", cells) or digest_id(mapping.market, (vendor or "").casefold(), title)
        several = {name: self._several(name, cells) for name in SEVERAL}
        offer = Offer(
            price=self._price(cells, unread),
            quantity=self._quantity(cells, unread),
            place=self._text("place", cells) or None,
            stash=self._text("stash", cells) or None,
            ready=_whole(numbers.get("ready")),
            preorder=_whole(numbers.get("preorder")),
        )
        return RowReading(
            listing=Listing(
                market=mapping.market,
                listing=listing,
                crawl=crawl,
                observed_at=moment,
                title=title,
                description=self._text("description", cells),
                vendor=vendor,
                ships_from=self._text("ships_from", cells) or None,
                category=several["category"],
                ships_to=several["ships_to"],
                ships_except=several["ships_except"],
                shipping=several["shipping"],
                offers=(offer,),
                feedback=_whole(numbers.get("feedback")),
                sold=_whole(numbers.get("sold")),
                rating=numbers.get("rating"),
                seen_on="index",
                parser=mapping.version,
            ),
            unread=unread,
        )

    def _text(self, name: TextField, cells: MappingABC[str, str]) -> str:
        column = self.mapping.text.get(name)
        return "" if column is None else _cell(column, cells)

    def _several(self, name: TextField, cells: MappingABC[str, str]) -> tuple[str, ...]:
        column = self.mapping.text.get(name)
        text = "" if column is None else _cell(column, cells)
        if not text or column is None:
            return ()
        parts = text.split(column.separator) if column.separator else [text]
        return tuple(part.strip() for part in parts if part.strip())

    def _number(self, name: str, column: Column, cells: MappingABC[str, str], unread: list[str]) -> float | None:
        text = _plain(_cell(column, cells))
        if not text:
            return None
        if NUMBER.fullmatch(text) and (number := float(text.replace(",", "."))) < COUNTABLE:
            return number
        unread.append(name)
        return None

    def _quantity(self, cells: MappingABC[str, str], unread: list[str]) -> str | None:
        column, text = self.mapping.text.get("quantity"), _plain(self._text("quantity", cells))
        if NEGATIVE.match(text):
            unread.append("quantity")
            return None
        bare = column is not None and column.unit is not None and NUMBER.fullmatch(text)
        return f"{text} {column.unit}" if bare and column is not None else text or None

    def _price(self, cells: MappingABC[str, str], unread: list[str]) -> str | None:
        for column in self.mapping.price:
            text = _plain(_cell(column, cells))
            if NEGATIVE.match(text):
                unread.append("price")
            elif text:
                return f"{text} {column.currency}" if column.currency else text
        return None


def _cell(column: Column, cells: MappingABC[str, str]) -> str:
    text = cells.get(column.column, "").strip()
    return column.values.get(text, text)


def _plain(text: str) -> str:
    """A number as programs print small and large floats (`2.5e-05`) in plain digits: in a price an e is the euro."""
    return f"{Decimal(text):f}" if EXPONENT.fullmatch(text) else text


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def offer_key(listing: Listing) -> bytes:
    """What makes two rows of one crawl the same offer as written (all but price and stock)."""
    offer = listing.offers[0]
    parts = (listing.listing, offer.quantity or "", offer.place or "", offer.stash or "")
    return bytes.fromhex(digest_id(*parts, length=32))
