"""The chart of a message: the buckets before the alert and the one that fired, drawn on this machine."""

from __future__ import annotations

from monitor.charts import as_png, draw_alert
from monitor.delivery.notice import Notice
from monitor.delivery.words import number, where_of


def draw_png(notice: Notice) -> bytes | None:
    """A PNG of 2 x 560 pixels width; None where too few points may be told. Gaps stay gaps."""
    where = where_of(notice)
    chart = draw_alert(
        notice.recent, notice.bucket, notice.baseline, unit=notice.unit or notice.measure,
        title=f"{notice.measure}{f', {where}' if where else ''}"[:90],
        subtitle="" if notice.baseline is None else f"dashed: {number(notice.baseline)}, what it is compared with",
    )  # fmt: skip
    return None if chart is None else as_png(chart)
