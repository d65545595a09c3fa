"""Charts drawn on this machine without a browser: of an alert, and of the rows of a question. A gap stays a gap.

altair and vl_convert cost 40 MB and half a second, so they are loaded where a chart is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

LINE, FIRED, GREY = "#0b3c5d", "#c1121f", "#7a7a7a"
COLOURS = (LINE, "#d55e00", "#009e73", "#cc79a7", "#8c6d1f", "#6a51a3")
"""Of series, after Okabe and Ito (2008): told apart by colour-blind people too. The last two are darker than theirs, to
be seen on white."""
GAP = "#e8e8e8"
LEAST = 3
"""Fewest points of an alert worth drawing."""
Points = Sequence[tuple[date, float | None]]


@dataclass(frozen=True)
class Series:
    """One line: (bucket, value, low, high) each; None is a gap, or an end that is not known."""

    name: str
    points: Sequence[tuple[date, float | None, float | None, float | None]]


def as_png(specification: str) -> bytes:
    """Twice as many pixels as the chart has points."""
    import vl_convert as vlc

    return bytes(vlc.vegalite_to_png(specification, scale=2))


def as_svg(specification: str) -> str:
    """SVG without scripts, styles or anything fetched; texts are escaped."""
    import vl_convert as vlc

    return str(vlc.vegalite_to_svg(specification))


def _days(**options: Any) -> Any:
    import altair as alt

    return alt.X(
        "bucket:T", title=None, scale=alt.Scale(type="utc"),  # or a machine west of Greenwich draws the day before
        axis=alt.Axis(labelAngle=0, **options),
    )  # fmt: skip


def draw_alert(
    recent: Points, fired: date, baseline: float | None, *, unit: str, title: str = "", subtitle: str = "",
    axis: Literal["left", "right"] = "left",
) -> str | None:
    """The buckets before an alert and the one that fired, as Vega-Lite; None where too few are known. `axis`: on which
    side the figures stand."""
    if sum(value is not None for _, value in recent) < LEAST:
        return None
    import altair as alt

    points = [{"bucket": day.isoformat(), "value": value, "fired": day == fired} for day, value in recent]
    base = alt.Chart(alt.InlineData(values=points)).encode(
        x=_days(format="%-d %b %Y", tickCount=5),
        y=alt.Y("value:Q", title=unit, scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(orient=axis)),
    )
    dots = alt.OverlayMarkDef(size=18, color=LINE)
    layers = [base.mark_line(color=LINE, invalid="break-paths-show-domains", point=dots)]
    layers.append(base.transform_filter(alt.datum.fired).mark_point(color=FIRED, size=110, filled=True))
    if baseline is not None:
        rule = alt.Chart(alt.InlineData(values=[{"value": baseline}]))
        layers.append(rule.mark_rule(color=GREY, strokeDash=[5, 4]).encode(y="value:Q"))
    words = alt.Title(
        title, subtitle=[subtitle] if subtitle else [], anchor="start", fontSize=13, color="#222222",
        subtitleColor="#5a5a5a",
    )  # fmt: skip
    chart = alt.layer(*layers).properties(width=480, height=200, padding=10, background="#ffffff", title=words)
    return str(chart.to_json())


def draw_trend(series: Sequence[Series], *, unit: str, days: int) -> str:
    """Lines over time with their 95 % intervals (one series alone) as Vega-Lite, for series of buckets of about `days`
    days, in the order of `COLOURS`; no legend. Buckets that are a gap to every series are grey. The figures stand on
    the right, beside the newest: where a chart is wider than the screen, that end is seen first."""
    import altair as alt

    points = [
        {"bucket": day.isoformat(), "value": value, "low": low, "high": high, "series": one.name}
        for one in series for day, value, low, high in one.points
    ]  # fmt: skip
    known = {day for one in series for day, value, _, _ in one.points if value is not None}
    gaps: list[dict[str, str]] = []
    for day in sorted({day for one in series for day, *_ in one.points} - known):
        end = (day + timedelta(days=days)).isoformat()
        if gaps and gaps[-1]["end"] >= day.isoformat():
            gaps[-1]["end"] = end  # one pale field, not many side by side
        else:
            gaps.append({"bucket": day.isoformat(), "end": end})
    base = alt.Chart(alt.InlineData(values=points)).encode(
        x=_days(tickCount=6),
        y=alt.Y("value:Q", title=unit, scale=alt.Scale(zero=True, nice=True), axis=alt.Axis(orient="right")),
    )
    names = [one.name for one in series]
    colour = alt.Color("series:N", sort=names, scale=alt.Scale(domain=names, range=list(COLOURS)), legend=None)
    layers = []
    if gaps:
        shade = alt.Chart(alt.InlineData(values=gaps)).mark_rect(color=GAP, description="no complete-enough crawl")
        layers.append(shade.encode(x=_days(tickCount=6), x2="end:T"))
    if len(series) == 1:
        layers.append(
            base.mark_area(color=LINE, opacity=0.18, invalid="break-paths-show-domains").encode(y="low:Q", y2="high:Q")
        )
    line = base.mark_line(
        strokeWidth=1.8, invalid="break-paths-show-domains", point=alt.OverlayMarkDef(size=16 if days > 1 else 8)
    )
    layers.append(line.encode(color=colour))
    chart = alt.layer(*layers).properties(width=820, height=270, padding=6, background="#ffffff")
    return str(chart.to_json())
