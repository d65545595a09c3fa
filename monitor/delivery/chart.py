"""The chart of a message: the buckets before the alert and the one that fired, drawn on this machine."""

from __future__ import annotations

from monitor.delivery.notice import Notice
from monitor.delivery.words import number, where_of

LEAST = 3
"""Fewest points worth drawing."""


def draw_png(notice: Notice) -> bytes | None:
    """A PNG of 2 x 560 pixels width; None where too few points may be told. Gaps stay gaps."""
    if sum(value is not None for _, value in notice.recent) < LEAST:
        return None
    import altair as alt  # with vl_convert 40 MB and half a second: loaded where a chart is drawn
    import vl_convert as vlc

    points = [
        {"bucket": day.isoformat(), "value": value, "fired": day == notice.bucket} for day, value in notice.recent
    ]
    base = alt.Chart(alt.InlineData(values=points)).encode(
        x=alt.X(
            "bucket:T",
            title=None,
            scale=alt.Scale(type="utc"),  # or a machine west of Greenwich draws each day on the one before
            axis=alt.Axis(format="%-d %b %Y", labelAngle=0, tickCount=5),
        ),
        y=alt.Y("value:Q", title=notice.unit or notice.measure, scale=alt.Scale(zero=False, nice=True)),
    )
    layers = [base.mark_line(color="#0b3c5d", invalid="break-paths-show-domains", point=alt.OverlayMarkDef(size=18))]
    layers.append(base.transform_filter(alt.datum.fired).mark_point(color="#c1121f", size=110, filled=True))
    if notice.baseline is not None:
        rule = alt.Chart(alt.InlineData(values=[{"value": notice.baseline}]))
        layers.append(rule.mark_rule(color="#7a7a7a", strokeDash=[5, 4]).encode(y="value:Q"))
    where = where_of(notice)
    dashed = [] if notice.baseline is None else [f"dashed: {number(notice.baseline)}, what it is compared with"]
    title = alt.Title(
        f"{notice.measure}{f', {where}' if where else ''}"[:90], subtitle=dashed, anchor="start", fontSize=13,
        color="#222222", subtitleColor="#5a5a5a",
    )  # fmt: skip
    chart = alt.layer(*layers).properties(width=480, height=200, title=title, padding=10, background="#ffffff")
    return bytes(vlc.vegalite_to_png(chart.to_json(), scale=2))
