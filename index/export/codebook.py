"""Table schemas (Frictionless v2) with a codebook, made from the records, so that the two cannot differ."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, get_args

from extract.observation import Kind, Record, Stash, Unit
from index.export.suppress import Released
from index.measures import TrendRow

TABLE_SCHEMA = "https://datapackage.org/profiles/2.0/tableschema.json"
_ENUMS: Mapping[str, Sequence[str]] = {
    "kind": [kind.value for kind in Kind],
    "stash": [stash.value for stash in Stash],
    "unit": list(get_args(Unit)),
}
_TYPES = {"bucket": "date", "n": "integer", "crawls": "integer", "tz": "string", "reason": "string"}
_BETWEEN = ("value", "low", "high", "n", "crawls", "coverage", "tz")
_SPLITS = {
    "substance": "Main substance, canonical id; `unknown` where none was recognised.",
    "group": "Group of the main substance (UN schedule or NPS group).",
    "form": "Form of the product.",
    "region": "ISO 3166-2 (or 3166-1) code of the place; empty: not stated.",
    "market": "Market the listing stands on.",
    "stash": "How the package is hidden; empty: not stated.",
    "kind": "Kind of listing.",
    "vendor": "Vendor under a key of this package alone: not to be matched with any other.",
    "ships-from": "ISO 3166 code of the origin as stated.",
    "ships-to": "ISO 3166 code of the destination as stated.",
}
_EXTRAS = {
    "q25": "First quartile, in the unit of `value`.",
    "q75": "Third quartile, in the unit of `value`.",
    "standard": "Median price per base unit at the standard quantity.",
    "standard_quantity": "Commonest quantity of the substance in the last 90 days, in `unit`.",
    "currency": "Currency of `value` (ISO 4217, or BTC, XMR, LTC, USDT).",
    "unit": "Base unit: g, ml or unit (pieces).",
    "packages": "Packages by which the stock fell.",
    "unpriced": "Packages among them without a price that counts.",
    "reversed": "Packages put back at the next sighting.",
    "vanished": "Last seen stock of offers that left, packages.",
    "exposure_hours": "Hours under watch.",
    "long_falls": "Packages that fell across more than 24 h.",
    "amount": "Numerator of the share.",
    "total": "Denominator of the share: all known substances.",
    "unknown": "Amount of unknown substances, in neither.",
    "of": "What the share or concentration is of.",
    "gini": "Gini coefficient over the same sellers.",
    "vendors": "Sellers counted.",
    "method": "Method of estimation.",
    "attempts": "Crawls begun, complete or not.",
    "best": "Best known coverage of a crawl.",
    "worst": "Worst known coverage of a crawl.",
    "basis": "What the coverage was measured against.",
}


@lru_cache(maxsize=8)
def field_docs(record: type[Record]) -> dict[str, str]:
    """The text that stands under each field of a record in its source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(record))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            value = text.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[field.target.id] = " ".join(value.value.split())
    return found


def build_columns(rows: Sequence[Released]) -> dict[str, list[Any]]:
    """Columns of a measure's rows in the order of `dropline trends`: splits after the bucket, then the figures, then
    what the measure adds, then the reason. Dates are `date`."""
    splits = list(dict.fromkeys(name for each in rows for name in each.row.splits))
    extras = list(dict.fromkeys(name for each in rows for name in each.row.extras))
    columns: dict[str, list[Any]] = {"bucket": [each.row.bucket for each in rows]}
    columns |= {name: [each.row.splits.get(name) for each in rows] for name in splits}
    for name in _BETWEEN:
        columns[name] = [each.n if name == "n" else getattr(each.row, name) for each in rows]
    # a measure may add a field of a split's name: the split's stands
    columns |= {name: [each.row.extras.get(name) for each in rows] for name in extras if name not in columns}
    columns["reason"] = [each.row.reason for each in rows]
    return {name: _of_one_type(name, cells) for name, cells in columns.items()}


def _of_one_type(name: str, cells: list[Any]) -> list[Any]:
    """Integers and floats mixed become floats: a column has one type."""
    if field_type(name, cells) != "number":
        return cells
    return [None if cell is None else float(cell) for cell in cells]


def field_type(name: str, cells: Sequence[Any]) -> str:
    """Table Schema type of a column: fixed for those of every row, by content for what a measure adds."""
    if name in _TYPES:
        return _TYPES[name]
    if (name in _SPLITS and name not in _EXTRAS) or any(isinstance(cell, str) for cell in cells):
        return "string"
    if name in _BETWEEN:
        return "number"
    known = [cell for cell in cells if cell is not None]
    return "integer" if known and all(isinstance(cell, int) for cell in known) else "number"


def build_schema(columns: Mapping[str, Sequence[Any]], splits: Collection[str]) -> dict[str, Any]:
    """Frictionless v2 table schema of those columns."""
    docs = field_docs(TrendRow)
    fields = []
    for name, cells in columns.items():
        kind = field_type(name, cells)
        about = _SPLITS.get(name) if name in splits else docs.get(name) or _EXTRAS.get(name)
        field: dict[str, Any] = {
            "name": name, "type": kind, "description": about or "See methods.md, under the measure's name."
        }
        constraints: dict[str, Any] = {"required": True} if name in {"bucket", "crawls", "tz"} else {}
        if name in _ENUMS:
            constraints["enum"] = list(_ENUMS[name])
        if name == "coverage":
            constraints |= {"minimum": 0, "maximum": 1}
        if name in {"n", "crawls"}:
            constraints["minimum"] = 0
        if constraints:
            field["constraints"] = constraints
        fields.append(field)
    fields[list(columns).index("value")]["description"] += " Empty: see `reason`."
    return {"$schema": TABLE_SCHEMA, "fields": fields, "missingValues": [""]}
