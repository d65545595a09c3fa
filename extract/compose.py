"""From what the components left on a Doc to a Reading: offsets of the Doc become offsets of the fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from spacy.tokens import Doc

from extract.found import FIELDS, FieldSpan, found
from extract.observation import Unit
from extract.reading import (
    PriceMention,
    QuantityMention,
    Reading,
    RegionMention,
    Role,
    StashMention,
    SubstanceMention,
    UnknownTerm,
)

_PLACE_OF = {name: number for number, name in enumerate(FIELDS)}


def build_reading(doc: Doc, key: tuple[str, ...], groups: Mapping[str, str]) -> Reading:
    """`key`: the texts of FIELDS as given; `groups`: the group of each substance id."""
    seen = found(doc)
    where = _locator(seen.fields, key)
    return Reading(
        seen.kind,
        tuple([SubstanceMention(one.id, *where(one.start, one.end)) for one in seen.substances]),
        groups.get(seen.substances[0].id) if seen.substances else None,
        seen.form,
        tuple([
            QuantityMention(amount, unit, base, cast("Unit", base_unit), count, dose, *where(start, end))
            for amount, unit, base, base_unit, count, dose, start, end in seen.quantities
        ]),
        tuple([
            PriceMention(amount, currency, minimum, *where(start, end))
            for amount, currency, minimum, start, end in seen.prices
        ]),
        tuple([
            RegionMention(code, cast("Role", role), *where(start, end)) for code, role, start, end in seen.regions
        ]),
        tuple([StashMention(kind, *where(start, end)) for kind, start, end in seen.stash]),
        seen.purity,
        tuple([UnknownTerm(term, *where(start, end)[1:], rule) for term, start, end, rule in seen.unknown_terms]),
    )


def _locator(fields: tuple[FieldSpan, ...], key: tuple[str, ...]) -> Callable[[int, int], tuple[str, str, int, int]]:
    """From code points of the Doc to the text as written, its field, start, end."""
    if len(fields) == 1:
        (name, _, _), text = fields[0], key[_PLACE_OF[fields[0].name]]
        return lambda start, end: (text[start:end], name, start, end)

    def where(start: int, end: int) -> tuple[str, str, int, int]:
        span = _span_at(fields, start)
        # a span never crosses fields: its end is cut at the field's
        left, right = start - span.start, min(end, span.end) - span.start
        return key[_PLACE_OF[span.name]][left:right], span.name, left, right

    return where


def _span_at(fields: tuple[FieldSpan, ...], start: int) -> FieldSpan:
    for span in reversed(fields):
        if start >= span.start:
            return span
    return fields[0]
