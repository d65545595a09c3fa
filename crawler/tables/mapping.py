"""The mapping file: which column of a stranger's table is which field of a Listing.

Documented for people in docs/importing.md; `maps/` holds the built-in ones.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from config.errors import UsageError
from config.yamlfile import load_yaml
from crawler.items import Record, check_zone

TextField = Literal[
    "title",
    "listing",
    "vendor",
    "description",
    "category",
    "ships_from",
    "ships_to",
    "ships_except",
    "shipping",
    "quantity",
    "place",
    "stash",
]
DOCS = "docs/importing.md"
NumberField = Literal["ready", "preorder", "feedback", "sold", "rating"]


class Column(Record):
    """One column. `values` replaces exact cell texts (`нет: "0"`) before reading."""

    column: str
    optional: bool = False
    """The column may be absent from a table."""
    values: dict[str, str] = Field(default_factory=dict)
    separator: str | None = None
    """For `category`, `ships_to`, `ships_except`, `shipping`: what separates several values in one cell."""
    unit: Literal["mg", "g", "kg", "ml", "l", "oz", "lb", "pcs"] | None = None
    """For `quantity`: what a bare number counts."""

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, data: object) -> object:
        return {"column": data} if isinstance(data, str) else data


class TimeColumn(Column):
    """The time of observation: a strptime `format`, or ISO 8601 where none is given. Without an offset the
    mapping's `tz` applies."""

    format: str | None = None

    @field_validator("format")
    @classmethod
    def _known_directives(cls, given: str | None) -> str | None:
        try:
            datetime.strptime("", given or "")  # noqa: DTZ007 - only the format is asked about
        except (ValueError, re.error) as error:
            if "does not match format" not in str(error):
                raise ValueError(f"{given!r} is no strptime format ({error})") from error
        return given


class PriceColumn(Column):
    """A price column and what currency stands in it. None: the cell names it."""

    currency: str | None = None


class Mapping(Record):
    """A whole mapping file."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    market: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    tz: str
    """IANA zone of the table's times and of the market's days."""
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    """ISO code, where all places of the market lie in one country."""
    pieces_as_grams: bool = False
    """The site labels every quantity in grams, ten pills as well: the text then says what the number counts."""
    description: str = ""
    encoding: str = "utf-8-sig"
    delimiter: str | None = None
    """None: a comma for .csv, a tab for .tsv."""
    crawl: Literal["file", "day"] = "file"
    """What one crawl was: a file, or all rows of one market-local day."""
    scope: Literal["market", "place"] = "market"
    """`place`: the table was crawled place by place, so that each place has a coverage of its own."""
    observed_at: TimeColumn
    price: tuple[PriceColumn, ...] = ()
    """In order: the first filled one is the native price."""
    text: dict[TextField, Column]
    numbers: dict[NumberField, Column] = Field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    """Columns known and left out. Columns neither mapped nor ignored are reported."""
    ignore_others: bool = False

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            io.TextIOWrapper(io.BytesIO(), encoding=encoding).read()
        except (LookupError, UnicodeError, ValueError) as error:
            raise ValueError(f"{encoding!r} is no encoding of text; name a Python codec, such as cp1251") from error
        return encoding

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '\r\n\0"'):
            raise ValueError(f"{delimiter!r} is no delimiter: one character that is no quote and no line end")
        return delimiter

    @field_validator("tz")
    @classmethod
    def _known_zone(cls, tz: str) -> str:
        return check_zone(tz)

    @model_validator(mode="after")
    def _has_a_title(self) -> Self:
        if "title" not in self.text:
            raise ValueError("text.title is missing: a listing needs a title column")
        if "listing" not in self.text and "vendor" not in self.text:
            raise ValueError("text.listing or text.vendor is needed: without the site's id a listing is vendor + title")
        return self

    @model_validator(mode="after")
    def _units_of_quantities(self) -> Self:
        counted = [column for name, column in self.text.items() if name != "quantity"]
        if any(column.unit for column in (*counted, *self.numbers.values(), *self.price, self.observed_at)):
            raise ValueError("unit belongs to text.quantity alone")
        return self

    @property
    def version(self) -> str:
        return f"map-{self.id}-1"

    def columns(self) -> list[Column]:
        return [self.observed_at, *self.price, *self.text.values(), *self.numbers.values()]

    def check_columns(self, header: list[str], file: str) -> list[str]:
        """Columns of a table that are neither mapped nor ignored.

        Raises UsageError where a mapped column is missing, naming the file and those it has, or stands there twice.
        """
        missing = sorted({column.column for column in self.columns() if not column.optional} - set(header))
        if self.price and not {column.column for column in self.price} & set(header):
            missing.append(" or ".join(column.column for column in self.price))
        if missing:
            raise UsageError(
                f"mapping {self.id!r} names columns that the table lacks: {', '.join(missing)}.",
                file=file,
                line=1,
                remedy=f"The table has: {name_some(header) or 'no header'}. Mend the mapping, or mark the column "
                "`optional: true`.",
            )
        twice = sorted({column.column for column in self.columns() if header.count(column.column) > 1})
        if twice:
            raise UsageError(
                f"the table has several columns of one name: {', '.join(twice)}.", file=file, line=1,
                remedy="Which one is meant cannot be told: rename the others.",
            )  # fmt: skip
        if self.ignore_others:
            return []
        known = {column.column for column in self.columns()} | set(self.ignore)
        return [name for name in header if name not in known]


def name_some(names: Iterable[str], most: int = 30) -> str:
    """Names of columns for a message; a table may have thousands."""
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def built_in_maps() -> dict[str, Path]:
    """Built-in mappings by name."""
    folder = resources.files("crawler.tables") / "maps"
    return {Path(str(entry)).stem: Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".yml")}


def load_mapping(name_or_path: str) -> Mapping:
    """A built-in mapping by name, or a file. Raises UsageError with the names there are, or the file's wrong line."""
    built_in = built_in_maps()
    if name_or_path in built_in:
        return load_yaml(built_in[name_or_path], Mapping, docs=DOCS)
    path = Path(name_or_path)
    if not path.is_file():
        raise UsageError(
            f"no mapping {name_or_path!r}.",
            remedy=f"Give a mapping file, or a built-in one: {', '.join(sorted(built_in))}.",
        )
    return load_yaml(path, Mapping, docs=DOCS)
