"""From what the components left on a Doc to a Reading: offsets of the Doc become offsets of the fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spacy.tokens import Doc

from extract.found import FIELDS, FieldSpan, found
from extract.reading import Reading

_PLACE_OF = {name: number for number, name in enumerate(FIELDS)}


def build_reading(doc: Doc, key: tuple[str, ...], groups: Mapping[str, str]) -> Reading:
    """`key`: the texts of FIELDS as given; `groups`: the group of each substance id. The whole Reading is validated in
    one call, mentions and all: one call for each mention would cost three times as much."""
    seen = found(doc)
    fields = seen.fields

    def where(start: int, end: int) -> dict[str, Any]:
        """Text as written, field, start, end. A span never crosses fields: its end is cut at the field's."""
        span = _span_at(fields, start)
        left, right = start - span.start, min(end, span.end) - span.start
        return {"text": key[_PLACE_OF[span.name]][left:right], "field": span.name, "start": left, "end": right}

    substances = tuple([{"id": one.id, **where(one.start, one.end)} for one in seen.substances])
    quantities = tuple([
        {"amount": one.amount, "unit": one.unit, "base_amount": one.base_amount, "base_unit": one.base_unit,
         "count": one.count, "dose_mg": one.dose_mg, **where(one.start, one.end)}
        for one in seen.quantities
    ])  # fmt: skip
    prices = tuple([
        {"amount": one.amount, "currency": one.currency, "minimum": one.minimum, **where(one.start, one.end)}
        for one in seen.prices
    ])
    regions = tuple([{"code": one.code, "role": one.role, **where(one.start, one.end)} for one in seen.regions])
    stash = tuple([{"type": one.type, **where(one.start, one.end)} for one in seen.stash])
    unknown = []
    for term in seen.unknown_terms:
        place = where(term.start, term.end)
        place["term"], place["rule"] = term.term, term.rule
        del place["text"]
        unknown.append(place)
    return Reading.model_validate({
        "kind": seen.kind, "substances": substances,
        "group": groups.get(seen.substances[0].id) if seen.substances else None, "form": seen.form,
        "quantities": quantities, "prices": prices, "regions": regions, "stash": stash, "purity": seen.purity,
        "unknown_terms": tuple(unknown),
    })  # fmt: skip


def _span_at(fields: tuple[FieldSpan, ...], start: int) -> FieldSpan:
    for span in reversed(fields):
        if start >= span.start:
            return span
    return fields[0]
