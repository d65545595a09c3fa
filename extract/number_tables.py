"""The tables of units and currencies (extract/vocab/units.csv, currencies.csv), read once at first use."""

from __future__ import annotations

import csv
from decimal import Decimal
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

from config.errors import InputError

_FROM_LATIN = str.maketrans("abcehkmoptxyu", "авсенкмортхуи")
_TO_LATIN = str.maketrans("авсенкмортху", "abcehkmoptxy")
_UNMIXED = {**{cyrillic: latin for latin, cyrillic in _FROM_LATIN.items()}, **_TO_LATIN}


class UnitName(NamedTuple):
    """One spelling of a unit. `weak`: a noun that is counted by nature ('10 LSD'), cyrillic: the spelling's script."""

    unit: str
    base_unit: str
    factor: Decimal
    kind: str
    cyrillic: bool


class CurrencyName(NamedTuple):
    """One spelling of a currency. kind: symbol, code (both may stand before the
    amount), word, exact (only after it; exact in its case)."""

    currency: str
    kind: str
    multiplier: int


def _rows(name: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    text = (Path(__file__).parent / "vocab" / name).read_text(encoding="utf-8")
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != columns:
        raise InputError(f"The table must have the columns {', '.join(columns)}.", file=name, line=1)
    return list(reader)


@lru_cache(maxsize=1)
def units() -> dict[str, UnitName]:
    """Spelling (casefolded) -> unit."""
    return {
        row["name"].casefold(): UnitName(
            row["unit"], row["base_unit"], Decimal(row["factor"]), row["kind"], row["language"] == "ru"
        )
        for row in _rows("units.csv", ("name", "unit", "base_unit", "factor", "kind", "language", "source"))
    }


@lru_cache(maxsize=1)
def currencies() -> dict[str, CurrencyName]:
    """Spelling -> currency; spellings of kind `exact` keep their case, all others are casefolded."""
    return {
        row["name"] if row["kind"] == "exact" else row["name"].casefold(): CurrencyName(
            row["currency"], row["kind"], int(row["multiplier"])
        )
        for row in _rows("currencies.csv", ("name", "currency", "kind", "multiplier", "source"))
    }


@lru_cache(maxsize=4096)
def find_unit(word: str) -> UnitName | None:
    """The unit a word names, whatever its case; a word of mixed scripts is tried in either (`гp` with a Latin p)."""
    if word.isupper() and (currency := currencies().get(word)) is not None and currency.kind == "exact":
        return None  # 500 KGS are som, 5 kgs are kilograms
    key = word.casefold()
    table = units()
    entry = table.get(key)
    if entry is None and not key.isascii() and len(key) > 1:
        entry = table.get(key.translate(_FROM_LATIN)) or table.get(key.translate(_TO_LATIN))
    return entry


@lru_cache(maxsize=4096)
def find_currency(word: str) -> CurrencyName | None:
    """The currency a word or symbol names (as `find_unit`)."""
    table = currencies()
    entry = table.get(word)
    if entry is not None and (entry.kind == "exact" or not word.isascii()):
        return entry
    key = word.casefold()
    entry = table.get(key)
    if entry is None and not key.isascii() and len(key) > 1:
        entry = table.get(key.translate(_FROM_LATIN)) or table.get(key.translate(_TO_LATIN))
    return entry


def unmixed(word: str) -> str:
    """Equal for all spellings of a word, in lower case, that `find_unit` and `find_currency` hold for one."""
    return word if word.isascii() else word.translate(_UNMIXED)


@lru_cache(maxsize=1)
def code_endings() -> frozenset[str]:
    """The last three letters of every code of a currency that may stand before an amount, in all mixtures of scripts
    and cases that `find_currency` knows."""
    endings: set[str] = set()
    for name, entry in currencies().items():
        if entry.kind in {"symbol", "code"} and name.isalpha() and len(name) >= 3:
            endings.update(map("".join, product(*map(_twins, name[-3:]))))
    return frozenset(endings)


def _twins(letter: str) -> set[str]:
    """The letter and those that stand for it, small and capital."""
    twins = {letter, *(chr(twin) for table in (_FROM_LATIN, _TO_LATIN) for twin in table if chr(table[twin]) == letter)}
    return twins | {twin.upper() for twin in twins}
