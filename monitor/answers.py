"""Answers as bytes for programs, and hostile text made harmless: escape codes and formulas, here and nowhere else.
`monitor.cli.output` writes them to a terminal, `monitor.web` into responses."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

_COMMANDS = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")
"""DEL, C1 controls and bidirectional overrides in UTF-8, which orjson leaves as they are and terminals obey."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def clean(text: str) -> str:
    """Text without control characters, bidirectional overrides and lone surrogates: these show as their code."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\u200d\ufe0f" else f"\\u{ord(char):04x}" for char in text)


def dump(value: Any, *, indent: bool = False) -> bytes:
    """JSON that no terminal takes for commands. Lone surrogates become `?`."""
    options = orjson.OPT_INDENT_2 if indent else 0
    try:
        data = orjson.dumps(value, default=_plain, option=options)
    except (TypeError, orjson.JSONEncodeError):
        data = orjson.dumps(_utf8(value), default=_plain, option=options)
    return data if data.isascii() and b"\x7f" not in data else _COMMANDS.sub(_escape, data)


def _escape(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found.group().decode())


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


def columns_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every field of some rows, in the order of first sight."""
    return list(dict.fromkeys(name for row in rows for name in row))


def to_csv(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """A line of names, then a line for each row."""
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
