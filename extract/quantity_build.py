"""How a number and its unit become a FoundQuantity."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from extract.found import FoundQuantity
from extract.number_literals import tidy
from extract.number_tables import UnitName, find_unit

_new = tuple.__new__


def build_quantity(amount: Decimal, unit: UnitName, start: int, end: int, count: int = 1) -> FoundQuantity:
    """`count` packages of `amount` each, at code points `start`..`end`."""
    written = tidy(amount)
    base = written if unit.unit == unit.base_unit and count == 1 else _base_amount(amount, count, unit.factor)
    # half the time of FoundQuantity(...), which is most of the cost of a plain amount
    return _new(FoundQuantity, (written, unit.unit, base, unit.base_unit, count, None, start, end))


@lru_cache(maxsize=16_384)
def _base_amount(amount: Decimal, count: int, factor: Decimal) -> Decimal:
    """All packages in the base unit."""
    return tidy(amount * count * factor)


@lru_cache(maxsize=64)
def unit_named(name: str) -> UnitName:
    """The unit of a name that is surely in the table."""
    unit = find_unit(name)
    assert unit is not None
    return unit


def build_times(count: Decimal, each: Decimal, unit: UnitName, start: int, end: int) -> FoundQuantity:
    """`10 x 20mg` is ten units of 20 mg; `10 x 1g` is ten grams in ten packages."""
    if unit.unit in {"mg", "ug"}:
        return FoundQuantity(
            tidy(count), "unit", tidy(count), "unit", int(count), tidy(each * unit.factor * 1000), start, end
        )
    return build_quantity(each, unit, start, end, int(count))
