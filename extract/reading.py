"""What the pipeline reads out of one text, before it is joined to a Listing: the contract between components,
`dropline extract` and the building of Observations. Offsets are code points of the original field.

Readings are made by the thousand a second, by our own components: named tuples, frozen and typed, that nothing checks
again. Where one leaves the program, `READING` is the same as a closed record, with its JSON Schema."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from pydantic import create_model

from crawler.items import Record
from extract.observation import Kind, Stash, Unit


class SubstanceMention(NamedTuple):
    """`id` is the canonical one."""

    id: str
    text: str
    field: str
    start: int
    end: int


class QuantityMention(NamedTuple):
    """`amount` and `unit` as written (`unit` in canonical spelling: g, mg, kg, ug, oz, lb, ml, l, unit …),
    `base_amount` in `base_unit`. `count` > 1 for `10 x 20mg`; `dose_mg` where a dose per unit is given."""

    amount: Decimal
    unit: str
    base_amount: Decimal
    base_unit: Unit
    count: int  # type: ignore[assignment]  # the field's own name; nobody counts members of this tuple
    dose_mg: Decimal | None
    text: str
    field: str
    start: int
    end: int


class PriceMention(NamedTuple):
    """`amount` in major units. `minimum` is True for 'от 800 руб' / 'from $20'."""

    amount: Decimal
    currency: str
    minimum: bool
    text: str
    field: str
    start: int
    end: int


Role = Literal["place", "from", "to", "except"]


class RegionMention(NamedTuple):
    """`code` is ISO 3166-1 or 3166-2, `EU` or `WORLD`."""

    code: str
    role: Role
    text: str
    field: str
    start: int
    end: int


class StashMention(NamedTuple):
    """A hiding type."""

    type: Stash
    text: str
    field: str
    start: int
    end: int


Mention = SubstanceMention | QuantityMention | PriceMention | RegionMention | StashMention


class UnknownTerm(NamedTuple):
    """A word that may name a substance we do not know (rule that proposed it in `rule`)."""

    term: str
    field: str
    start: int
    end: int
    rule: str


class Reading(NamedTuple):
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

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, mentions too."""
        return {
            name: [one._asdict() for one in value] if isinstance(value, tuple) else value
            for name, value in self._asdict().items()
        }

    def model_dump_json(self) -> str:
        """JSON of the same shape, decimals as strings. Raises pydantic's ValidationError if it is not what its schema
        says."""
        return READING.model_validate(self.as_dict()).model_dump_json()


def _build_record(of: Any) -> type[Record]:
    """The closed record with the fields of a named tuple."""
    fields: dict[str, Any] = {}
    for name, hint in get_type_hints(of).items():
        many = get_origin(hint) is tuple
        closed: Any = tuple[_build_record(get_args(hint)[0]), ...] if many else hint  # type: ignore[misc]
        fields[name] = (closed, of._field_defaults.get(name, ...))
    made: type[Record] = create_model(of.__name__, __base__=Record, __doc__=of.__doc__, **fields)
    return made


READING = _build_record(Reading)
