"""How answers are written: a table for people, JSON or CSV for programs. Standard output carries answers alone;
progress, notes and logs go to standard error. Text from markets is hostile: escape codes, markup and formulas are
made harmless here and nowhere else."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

NEVER_WRAPPED = ("bucket", "day", "currency", "unit")
"""Columns of short words that would be unreadable if folded."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def notes() -> Console:
    """Where people are told things: standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def note(message: str) -> None:
    """One line to standard error, its text escaped."""
    notes().print(escape(clean(message)))


def clean(text: str) -> str:
    """Text without control characters, bidirectional overrides and lone surrogates: these show as their code."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\u200d\ufe0f" else f"\\u{ord(char):04x}" for char in text)


def write_json(value: Any) -> None:
    """One JSON document and a newline. Lone surrogates become U+FFFD: they are not UTF-8."""
    sys.stdout.flush()
    sys.stdout.buffer.write(dump(value, indent=True) + b"\n")
    sys.stdout.buffer.flush()


def write_line(value: Any) -> None:
    """One JSON object on a line of its own (streams)."""
    sys.stdout.buffer.write(dump(value) + b"\n")


def dump(value: Any, *, indent: bool = False) -> bytes:
    options = orjson.OPT_INDENT_2 if indent else 0
    try:
        return orjson.dumps(value, default=_plain, option=options)
    except (TypeError, orjson.JSONEncodeError):
        return orjson.dumps(_utf8(value), default=_plain, option=options)


def _plain(value: Any) -> Any:
    from decimal import Decimal

    from pydantic import BaseModel

    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON")


def _utf8(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_utf8(str(name)): _utf8(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_utf8(one) for one in value]
    return value


def write_rows(
    rows: Sequence[Mapping[str, Any]], form: Format, *, title: str = "", columns: Sequence[str] = ()
) -> None:
    """Rows as a table, one JSON array, or CSV. `columns` are shown in the table even if empty; columns that no row
    fills are left out of the table (never of JSON and CSV)."""
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    if form is Format.JSON:
        write_json(list(rows))
    elif form is Format.CSV:
        sys.stdout.write(_csv(rows, names))
        sys.stdout.flush()
    elif names:  # a table of nothing is an empty line
        shown = [
            name for name in names if name in columns or any(row.get(name) not in (None, "", [], ()) for row in rows)
        ]
        table = Table(title=escape(title) or None, title_justify="left", header_style="bold")
        for name in shown:
            numeric = all(isinstance(row.get(name), (int, float, type(None))) for row in rows)
            table.add_column(
                escape(name),
                justify="right" if numeric else "left",
                overflow="fold",
                no_wrap=numeric or name in NEVER_WRAPPED,
            )
        for row in rows:
            table.add_row(*(escape(clean(_cell(row.get(name)))) for name in shown))
        console = Console(highlight=False)
        if not console.is_terminal:  # a file or a pipe has no edge to fold at
            console = Console(highlight=False, width=10_000)
        console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(one) for one in value)
    return str(value)


def _csv(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> str:
    return "".join([csv_line(names), *(csv_line([row.get(name) for name in names]) for row in rows)])


def csv_line(cells: Iterable[Any]) -> str:
    """One CSV line, formulas and control characters made harmless."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow([_csv_cell(cell) for cell in cells])
    return stream.getvalue()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        value = ";".join(str(one) for one in value)
    if isinstance(value, str):
        value = clean(value).replace("\n", " ")
        # spreadsheets run cells that begin so as formulas
        return f"'{value}" if value.startswith(FORMULA) else value
    return value


def progress() -> Progress:
    """A bar on standard error for long work; silent where standard error is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=notes(),
        transient=True,
    )
