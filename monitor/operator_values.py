"""Values of market fields that Dropline cannot read (units, hiding types, places, categories), and the operator's own
table of what they mean: `DATA/vocab/values.csv` with the columns field, value, means, source.

The table speaks only where the bundled tables are silent, and only of a field of its own, never of running text. A row
added or removed gives a new extractor version: what was read before is read again by `dropline reextract`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from config.errors import InputError, UsageError
from crawler.items import Listing
from extract.build import CACHE, ObservationBuilder
from extract.components.stash import load_stash_names
from extract.found import FoundQuantity
from extract.fx import RateTable
from extract.gazetteer import load_gazetteer
from extract.numbers import parse_quantity
from extract.observation import Stash
from extract.pipeline import Extractor
from extract.place_names import fold
from extract.vocabulary import Vocabulary, iter_rows
from monitor.operator_names import write_whole

ValueField = Literal["unit", "stash", "place", "category"]
FIELDS: tuple[ValueField, ...] = get_args(ValueField)
MAPPED: tuple[ValueField, ...] = ("unit", "stash", "place")
"""Fields whose values the table can map. A category is a name: it is accepted with --substance."""
COLUMNS = ("field", "value", "means", "source")
LONGEST = 80
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_WORD = re.compile(r"[^\W\d_]+")
_NOT_UNIT = re.compile(r"[\d.,/½¼¾⅓×x*()\[\]:;+\-\s]+")
_GROUPS = frozenset({
    "stimulants", "opiates", "opioids", "dissociatives", "empathogens", "entheogens", "nootropics", "depressants",
    "other", "misc", "drugs", "эйфоретики", "опиаты", "опиоиды", "диссоциативы", "энтеогены", "эмпатогены", "аптека",
    "ноотропы", "депрессанты", "другое", "прочее",
})  # fmt: skip
"""Categories that name no one substance: nothing to ask a person about."""


class Value(NamedTuple):
    """A value as a field of a market says it, case and blanks folded."""

    field: ValueField
    value: str

    def __str__(self) -> str:
        return f"{self.field}: {self.value}"


class Row(NamedTuple):
    """`means`: a unit of `units.csv`, a hiding type, or a region code (ISO 3166-1 or -2)."""

    field: str
    value: str
    means: str
    source: str


def values_path(data_dir: Path) -> Path:
    """Where the operator's table stands."""
    return data_dir / "vocab" / "values.csv"


def fold_value(text: str) -> str:
    """Folded as names of places are (compatibility forms, case, `ё`, dashes, blanks), cut at 80 code points."""
    for _ in range(2):  # folding case can make a form that is folded again
        text = unicodedata.normalize("NFKC", fold(unicodedata.normalize("NFKC", text).casefold()))
    return " ".join(text[:LONGEST].split()).strip(" .,:;!?'\"«»()[]-–—")


def unit_of(quantity: str) -> str:
    """What stands beside the number of a quantity: `2 Зипа` -> `зипа`. Nothing there: `none`."""
    return fold_value(_NOT_UNIT.sub(" ", quantity)) or "none"


def iter_unknown(listing: Listing, vocabulary: Vocabulary) -> Iterator[Value]:
    """Values of the listing's own fields that no bundled table reads, each once."""
    found: dict[Value, None] = {}
    for offer in listing.offers:
        if offer.quantity and not _is_quantity(offer.quantity):
            found[Value("unit", unit_of(offer.quantity))] = None
        if offer.stash and not _is_stash(offer.stash):
            found[Value("stash", fold_value(offer.stash))] = None
        if offer.place and not _is_place(offer.place):
            found[Value("place", fold_value(offer.place))] = None
    if listing.category and not _is_category(listing.category[-1], vocabulary):
        found[Value("category", fold_value(listing.category[-1]))] = None
    yield from (one for one in found if one.value)


@lru_cache(CACHE)
def _is_quantity(text: str) -> bool:
    return parse_quantity(text) is not None


@lru_cache(CACHE)
def _is_stash(text: str) -> bool:
    names, words = load_stash_names(), tuple(_WORD.findall(fold(text)))
    return any(
        words[at + 1 : at + 1 + len(rest)] == rest for at, word in enumerate(words) for rest, _ in names.get(word, ())
    )


@lru_cache(CACHE)
def _is_place(text: str) -> bool:
    """Known, or known to be ambiguous: a name of several places is no unknown one."""
    places = load_gazetteer()
    return places.region_of(text) is not None or bool(places.candidates(fold(text)))


def _is_category(text: str, vocabulary: Vocabulary) -> bool:
    """Any of its words names a substance, a form or a kind, or is used by such listings."""
    words = " ".join(text.lower().replace("ё", "е").split())
    if words in vocabulary.phrases or words in _GROUPS:
        return True
    parts = _WORD.findall(words)
    return any(part in vocabulary.words or part.removesuffix("s") in vocabulary.words for part in parts)


def check_meaning(field: str, means: str) -> str:
    """The meaning as it is kept. UsageError: nothing of that name."""
    if field == "unit":
        if parse_quantity(f"1 {means}") is None:
            raise UsageError(f"{means!r} is no unit.", remedy="Use one of units.csv: g, mg, kg, ml, oz, pcs and so on.")
        return means
    if field == "stash":
        if means not in set(Stash):
            raise UsageError(f"{means!r} is no hiding type.", remedy=f"Use one of {', '.join(Stash)}.")
        return means
    if field == "place":
        if means.upper() not in _codes():
            raise UsageError(f"{means!r} is no region.", remedy="Use a code of ISO 3166-1 or -2, such as GE or GE-TB.")
        return means.upper()
    raise UsageError(
        f"Values of {field!r} have no table.", remedy="Accept a category with --substance, or reject it."
    )


@lru_cache(1)
def _codes() -> frozenset[str]:
    """Codes of all regions and countries of the tables."""
    places = load_gazetteer()
    return frozenset(one.code for found in places.exact.values() for one in found)


def read_values(data_dir: Path) -> list[Row]:
    """The operator's rows; none where there is no table. InputError (file, line) for one that is broken."""
    file = values_path(data_dir)
    if not file.is_file():
        return []
    rows = []
    for line, row in iter_rows(file, COLUMNS):
        try:
            means = check_meaning(row["field"], row["means"])
        except UsageError as error:
            raise InputError(str(error), file=file, line=line, remedy="Correct or remove the row.") from error
        rows.append(Row(row["field"], row["value"], means, row["source"]))
    return rows


def add_value(data_dir: Path, row: Row) -> None:
    """Puts the row into the table, in the place of one with the same field and value."""
    kept = [one for one in read_values(data_dir) if (one.field, one.value) != (row.field, row.value)]
    _write(data_dir, [*kept, row])


def remove_value(data_dir: Path, field: str, value: str) -> bool:
    """Takes a value out of the table; whether it was there."""
    rows = read_values(data_dir)
    kept = [one for one in rows if (one.field, one.value) != (field, value)]
    if len(kept) < len(rows):
        _write(data_dir, kept)
    return len(kept) < len(rows)


def _write(data_dir: Path, rows: Iterable[Row]) -> None:
    kept = sorted(rows)
    if not kept:
        values_path(data_dir).unlink(missing_ok=True)
        return
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([COLUMNS, *kept])
    write_whole(values_path(data_dir), stream.getvalue())


class ValueTable:
    """The operator's rows as the builder asks them."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = {(row.field, row.value): row.means for row in rows}
        kept = "\n".join("\0".join((*key, means)) for key, means in sorted(self._rows.items()))
        self.digest = hashlib.sha256(kept.encode()).hexdigest() if kept else ""

    def quantity(self, text: str) -> FoundQuantity | None:
        """`2 зипа` where `зипа` means `pcs`: two pieces. None: the table does not know the unit."""
        means = self._rows.get(("unit", unit_of(text)))
        if means is None:
            return None
        number = _NUMBER.search(text)
        return parse_quantity(f"{number.group() if number else 1} {means}")

    def stash(self, text: str) -> Stash | None:
        means = self._rows.get(("stash", fold_value(text)))
        return None if means is None else Stash(means)

    def region(self, text: str) -> str | None:
        return self._rows.get(("place", fold_value(text)))


class OperatorBuilder(ObservationBuilder):
    """Builds Observations with the operator's values beside the bundled tables; they are part of the version."""

    def __init__(self, extractor: Extractor, rates: RateTable, values: ValueTable) -> None:
        super().__init__(extractor, rates)
        self._values = values
        quantity, region = self._quantity, self._region
        self._quantity = lru_cache(CACHE)(lambda text: quantity(text) or values.quantity(text))
        self._region = lru_cache(CACHE)(lambda text, country: region(text, country) or values.region(text))
        if values.digest:
            self.version = f"1-{hashlib.sha256((extractor.version + values.digest).encode()).hexdigest()[:8]}"

    def _read_stash(self, text: str) -> Stash:
        read = super()._read_stash(text)
        return (self._values.stash(text) or read) if read is Stash.OTHER else read
