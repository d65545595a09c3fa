"""How answers are written: a table for people, JSON or CSV for programs. Standard output carries answers alone;
progress, notes and logs go to standard error. Text from markets is hostile: markup is made harmless here, escape codes
and formulas in `monitor.answers`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from monitor.answers import clean, columns_of, dump, to_csv

_AT_ONCE = 1_000
NEVER_WRAPPED = ("bucket", "day", "currency", "unit")
"""Columns of short words that would be unreadable if folded."""


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


def write_json(value: Any) -> None:
    """One JSON document and a newline. Lone surrogates become U+FFFD: they are not UTF-8."""
    sys.stdout.flush()
    sys.stdout.buffer.write(dump(value, indent=True) + b"\n")
    sys.stdout.buffer.flush()


def write_line(value: Any) -> None:
    """One JSON object on a line of its own (streams)."""
    sys.stdout.buffer.write(dump(value) + b"\n")


def _write_array(rows: Sequence[Mapping[str, Any]]) -> None:
    """`write_json` of many rows, some at a time: the text of a hundred thousand is tens of megabytes."""
    if not rows:
        write_json([])
        return
    sys.stdout.flush()
    out = sys.stdout.buffer
    out.write(b"[\n")
    for start in range(0, len(rows), _AT_ONCE):
        piece = dump(list(rows[start : start + _AT_ONCE]), indent=True)
        out.write(b",\n" * bool(start) + piece.removeprefix(b"[\n").removesuffix(b"\n]"))
    out.write(b"\n]\n")
    out.flush()


def write_rows(
    rows: Sequence[Mapping[str, Any]], form: Format, *, title: str = "", columns: Sequence[str] = ()
) -> None:
    """Rows as a table, one JSON array, or CSV. `columns` are shown in the table even if empty; columns that no row
    fills are left out of the table (never of JSON and CSV)."""
    if form is Format.JSON:
        _write_array(rows)
        return
    names = list(dict.fromkeys([*columns, *columns_of(rows)]))
    if form is Format.CSV:
        sys.stdout.write(to_csv(rows, names))
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
