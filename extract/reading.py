"""What the pipeline reads out of one text, before it is joined to a Listing: the contract between components,
`dropline extract` and the building of Observations. Offsets are code points of the original field."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from crawler.items import Record
from extract.observation import Kind, Stash, Unit


class SubstanceMention(Record):
    id: str
    text: str
    field: str
    start: int
    end: int


class QuantityMention(Record):
    """`amount` and `unit` as written (`unit` in canonical spelling: g, mg, kg, ug, oz, lb, ml, l, unit …),
    `base_amount` in `base_unit`. `count` > 1 for `10 x 20mg`; `dose_mg` where a dose per unit is given."""

    amount: Decimal
    unit: str
    base_amount: Decimal
    base_unit: Unit
    count: int = 1
    dose_mg: Decimal | None = None
    text: str
    field: str
    start: int
    end: int


class PriceMention(Record):
    """`amount` in major units. `minimum` is True for 'от 800 руб' / 'from $20'."""

    amount: Decimal
    currency: str
    minimum: bool = False
    text: str
    field: str
    start: int
    end: int


Role = Literal["place", "from", "to", "except"]


class RegionMention(Record):
    code: str
    role: Role
    text: str
    field: str
    start: int
    end: int


class StashMention(Record):
    type: Stash
    text: str
    field: str
    start: int
    end: int


class UnknownTerm(Record):
    """A word that may name a substance we do not know (rule that proposed it in `rule`)."""

    term: str
    field: str
    start: int
    end: int
    rule: str


class Reading(Record):
    """All that one text says."""

    kind: Kind = Kind.OFFER
    substances: tuple[SubstanceMention, ...] = ()
    group: str | None = None
    form: str | None = None
    quantities: tuple[QuantityMention, ...] = ()
    prices: tuple[PriceMention, ...] = ()
    regions: tuple[RegionMention, ...] = ()
    stash: tuple[StashMention, ...] = ()
    purity: Decimal | None = None
    unknown_terms: tuple[UnknownTerm, ...] = ()
