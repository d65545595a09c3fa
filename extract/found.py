"""What components leave on a Doc for one another: light tuples, offsets in code points of `doc.text`.

A Doc holds all fields of one listing joined by newlines; `Found.fields` says which stretch is which field. A component
reads `found(doc)`, adds to it and returns the Doc. `extract.pipeline` maps offsets back to fields and makes a Reading.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from spacy.tokens import Doc

from extract.listing_doc import ListingDoc
from extract.observation import Kind, Stash

KEY = "dropline"
FIELDS = ("title", "description", "price", "quantity", "place", "ships_from", "ships_to", "ships_except", "category")


class FieldSpan(NamedTuple):
    name: str
    start: int
    end: int


class FoundSubstance(NamedTuple):
    id: str
    start: int
    end: int
    weight: float
    """Higher is more likely the main one."""


class FoundQuantity(NamedTuple):
    amount: Decimal
    unit: str
    base_amount: Decimal
    base_unit: str
    count: int  # type: ignore[assignment]  # the field's own name; nobody counts members of this tuple
    dose_mg: Decimal | None
    start: int
    end: int


class FoundPrice(NamedTuple):
    amount: Decimal
    currency: str
    minimum: bool
    start: int
    end: int


class FoundRegion(NamedTuple):
    code: str
    role: str
    start: int
    end: int


class FoundStash(NamedTuple):
    type: Stash
    start: int
    end: int


class FoundTerm(NamedTuple):
    term: str
    start: int
    end: int
    rule: str


@dataclass
class Found:
    fields: tuple[FieldSpan, ...] = ()
    substances: list[FoundSubstance] = field(default_factory=list)
    form: str | None = None
    quantities: list[FoundQuantity] = field(default_factory=list)
    prices: list[FoundPrice] = field(default_factory=list)
    regions: list[FoundRegion] = field(default_factory=list)
    stash: list[FoundStash] = field(default_factory=list)
    purity: Decimal | None = None
    kind: Kind = Kind.OFFER
    unknown_terms: list[FoundTerm] = field(default_factory=list)


def found(doc: Doc) -> Found:
    """The Found of a Doc; made at first use (a Doc made from bare text counts as one title)."""
    existing = doc.user_data.get(KEY)
    if existing is None:
        existing = doc.user_data[KEY] = Found(fields=(FieldSpan("title", 0, len(doc.text)),))
    assert isinstance(existing, Found)
    return existing


def in_region(doc: Doc, start: int) -> bool:
    """The word at this code point is part of the name of a place."""
    return any(one.start <= start < one.end for one in found(doc).regions)


def span_of(doc: Doc, at: int) -> tuple[int, int]:
    """Code points of token `at`."""
    assert isinstance(doc, ListingDoc)
    return doc.starts[at], doc.end(at)


def word_at(doc: Doc, at: int) -> str:
    """Token `at` as written, in lower case."""
    assert isinstance(doc, ListingDoc)
    return doc.word(at).lower()
