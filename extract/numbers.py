"""`parse_quantity` for the text of a quantity field ('0.5 гр', '5 шт', '10 x 20mg', '½ oz')."""

from __future__ import annotations

from decimal import Decimal

from extract.found import FoundQuantity
from extract.number_scan import scan
from extract.number_tables import find_unit
from extract.quantity_build import build_quantity
from extract.quantity_rules import read_quantities


def parse_quantity(text: str) -> FoundQuantity | None:
    """The quantity a short field text states, in its unit and in the base unit (g, ml, unit), or None.

    A unit alone ('грамм', 'Ounce') is one of it; a fraction below one without a unit ('0,33') is grams; another bare
    number is None, since nothing says of what. Where a text states several quantities the first one counts. Never
    raises.
    """
    quantities = read_quantities(text, scan(text))
    if quantities:
        return quantities[0]
    stripped = text.strip(" \t\r\n.()[]/")
    unit = find_unit(stripped) if len(stripped) <= 20 else None
    if unit is None or unit.kind == "weak":
        return None
    start = text.index(stripped)
    return build_quantity(Decimal(1), unit, start, start + len(stripped))
