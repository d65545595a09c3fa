"""The page that asks: a form, a chart, a table, and the same answer for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup
from starlette.responses import Response

from config.errors import UsageError
from index.export.suppress import JUDGED
from index.measures import MEASURES, METHODS, OF, SPLITS, explain_empty
from monitor import charts
from monitor.delivery.harmless import one_line
from monitor.question import FILTERS, FLAGS, Trend, read_trend, write_command, write_options
from monitor.web.answering import answer
from monitor.web.render import drawing
from monitor.web.users import Role
from monitor.web.visit import Visit

MOST_LINES, MOST_POINTS, MOST_ROWS = 6, 4_000, 400
DRAWN_APART = ("unit", "currency", "method", "days", "every")
"""Columns that make rows of one series different things."""
OWN_UNITS = {"price-index": "first bucket = 100", "event": "% of the mean before"}
"""Of measures whose values are not in the unit and currency of their rows."""
SHOWN = ("bucket", "value", "low", "high", "n", "crawls", "coverage", "tz", "reason")
WHERE = {name: name.replace("-", " ").capitalize() for name in FILTERS}


def show(visit: Visit) -> Response:
    """The form alone, or with the answer to it. A wrong value is told above the form, which keeps what was written."""
    reader = not visit.may(Role.ANALYST)
    facts: dict[str, Any] = {
        "suggestions": visit.house.suggestions.now(), "measures": sorted(JUDGED) if reader else list(MEASURES),
        "splits": [name for name in SPLITS if name != "vendor" or not reader],
        "of": sorted({one for some in OF.values() for one in some}), "methods": list(METHODS), "filters": WHERE,
        "asked": {name: ", ".join(values) for name, values in visit.query.items()}, "reader": reader,
        "ticked": list(visit.query.get("split", ())), "flags": FLAGS,
        "error": None, "rows": None, "split_names": SPLITS, "drawn_apart": DRAWN_APART,
    }  # fmt: skip
    measure = visit.asked("measure")
    if not measure:
        return visit.show("trends.html", **facts)
    empty = ""
    try:
        trend = read_trend(measure, {name: values for name, values in visit.query.items() if name != "measure"})
        with visit.house.store() as store:
            rows = answer(store, trend, whole=not reader, now=visit.now)
            if not any(row["n"] for row in rows):
                empty = "Every bucket is a gap, withheld or not over yet: the table has the reasons."
                if not reader:  # what there is instead is told with counts, however small
                    empty = explain_empty(store, trend.where) or empty
    except UsageError as error:
        return visit.show("trends.html", 400, **(facts | {"error": str(error)}))
    return visit.show("trends.html", **(facts | _answered(trend, rows) | {"empty": empty}))


def _answered(trend: Trend, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    options = write_options(trend)
    address = f"/api/trends/{quote(trend.measure)}"
    names = list(dict.fromkeys(name for row in rows for name in row))
    extras = [name for name in names if name not in SHOWN and any(row.get(name) is not None for row in rows)]
    unit = _unit(trend, rows)
    if unit and trend.measure not in OWN_UNITS:  # the heading says it
        extras = [name for name in extras if name not in DRAWN_APART[:2]]
    series = series_of(rows)
    drawn = series[:MOST_LINES]
    shown = [{**row, "explain": _explained(trend, row)} for row in rows[:MOST_ROWS]]
    return {
        "rows": shown, "left_out": max(0, len(rows) - MOST_ROWS), "extras": extras, "unit": unit,
        "trend": trend, "command": write_command(trend),
        "json": f"{address}?{urlencode(options)}", "csv": f"{address}?{urlencode([*options, ('format', 'csv')])}",
        "chart": _draw(trend, drawn), "lines": len(series),
        "drawn": [(name, colour) for (name, _), colour in zip(drawn, charts.COLOURS, strict=False)],
    }  # fmt: skip


def _explained(trend: Trend, row: Mapping[str, Any]) -> str:
    """Where the bucket of a row is explained; "" where the command cannot either."""
    fixed = {name: row[name] for name in trend.split if row.get(name) is not None}
    apart = trend.measure in {"survival", "event", "availability", "flows"} or "vendor" in trend.split
    if apart or len(fixed) < len(trend.split):
        return ""
    kept = [(name, value) for name, value in write_options(trend) if name != "split" and name not in fixed]
    return f"/explain?{urlencode([('measure', trend.measure), ('bucket', row['bucket']), *kept, *fixed.items()])}"


def series_of(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Rows by what a line stands for, with its name: one row a bucket. That with most offers behind it comes first;
    lines of which nothing is known are left out."""
    known = [row for row in rows if row["value"] is not None]
    varying = [name for name in DRAWN_APART if len({row.get(name) for row in known}) > 1]
    found: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        names = [name for name in row if name in SPLITS or name in varying]
        found.setdefault(tuple(_label(name, row[name]) for name in names), []).append(row)
    named = [
        (one_line(", ".join(key) or "all", 80), some)
        for key, some in found.items() if any(row["value"] is not None for row in some)
    ]  # fmt: skip
    return sorted(named, key=lambda pair: -sum(row["n"] or 0 for row in pair[1]))


def _label(name: str, value: Any) -> str:
    if value is None:
        return "not stated"
    return f"{name} {value}" if name in ("days", "every") else str(value)


def _draw(trend: Trend, series: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> Markup | None:
    """The chart; None where there is nothing to draw or too much of it."""
    if not series or trend.measure == "event" or sum(len(some) for _, some in series) > MOST_POINTS:
        return None  # rows of an event are terms, no course of time
    unit = _unit(trend, [row for _, some in series for row in some])
    buckets = sorted({date.fromisoformat(row["bucket"]) for _, some in series for row in some})
    steps = [later - earlier for earlier, later in pairwise(buckets)]
    days = max(1, (min(steps) if steps else timedelta(days={"day": 1, "week": 7}.get(trend.by, 28))).days)
    lines = [charts.Series(name, [_point(row) for row in some]) for name, some in series]
    title = f"{trend.measure}{f', {unit}' if unit else ''}"
    return drawing(charts.as_svg(charts.draw_trend(lines, unit=title, days=days)))


def _unit(trend: Trend, rows: Sequence[Mapping[str, Any]]) -> str:
    """What the values are in; "" where they differ in it, or it has no name."""
    if trend.measure in OWN_UNITS:
        return OWN_UNITS[trend.measure]
    found = {
        "/".join(str(row[name]) for name in ("currency", "unit") if row.get(name))
        for row in rows if row["value"] is not None
    }  # fmt: skip
    return found.pop() if len(found) == 1 else ""


def _point(row: Mapping[str, Any]) -> tuple[date, float | None, float | None, float | None]:
    day = date.fromisoformat(row["bucket"])
    return day, _finite(row["value"]), _finite(row.get("low")), _finite(row.get("high"))


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
