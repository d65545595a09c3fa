"""The demo's chart: what came out of the pipe beside what is so, drawn on this machine (no browser, no network)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt

from monitor.charts import as_png, as_svg

MEASURED, TRUE = "measured", "true"


def draw_chart(rows: Sequence[dict[str, Any]], path: Path, title: str) -> None:
    """Small multiples, one a series: the truth as a wide pale band of a line, the measured values thin over it.

    `rows` are the demo's rows (series, bucket, value, truth). Gaps stay gaps. `path` ends in .svg or .png.
    """
    points = [
        {"series": row["series"], "bucket": row["bucket"], "what": what, "value": row[field]}
        for row in rows
        for what, field in ((TRUE, "truth"), (MEASURED, "value"))
    ]
    order = list(dict.fromkeys(row["series"] for row in rows))
    base = alt.Chart(alt.InlineData(values=points)).encode(
        x=alt.X("bucket:T", title=None, axis=alt.Axis(format="%b %Y", tickCount="month", labelAngle=0)),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=True)),
        color=alt.Color(
            "what:N",
            title=None,
            sort=[MEASURED, TRUE],
            legend=alt.Legend(orient="top"),
            scale=alt.Scale(domain=[MEASURED, TRUE], range=["#0b3c5d", "#f2a65a"]),
        ),
    )
    truth = base.transform_filter(alt.datum.what == TRUE).mark_line(
        strokeWidth=5, opacity=0.75, invalid="break-paths-show-domains"
    )
    measured = base.transform_filter(alt.datum.what == MEASURED).mark_line(
        strokeWidth=1.5, point=alt.OverlayMarkDef(size=14), invalid="break-paths-show-domains"
    )
    chart = (
        alt.layer(truth, measured)
        .properties(width=330, height=130)
        .facet(facet=alt.Facet("series:N", title=None, sort=order, header=alt.Header(labelFontSize=12)), columns=2)
        .resolve_scale(y="independent")
        .properties(title=alt.Title(title, anchor="start"))
    )
    specification = chart.to_json()
    if path.suffix == ".png":
        path.write_bytes(as_png(specification))
    else:
        path.write_text(as_svg(specification), encoding="utf-8")
