"""The answer to a question of `trends`, as much of it as a role may see."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from config.errors import UsageError
from index.buckets import By
from index.export.question import Control, Question, check_question
from index.export.suppress import JUDGED, release_rows
from index.measures import to_json
from index.measures.ask import Money, Of
from index.store import Store
from monitor.question import Trend

READER_REMEDY = "Ask an analyst, or leave it out."


def answer(store: Store, trend: Trend, *, whole: bool, now: datetime) -> list[dict[str, Any]]:
    """Rows as `dropline trends --format json` prints them. Unless `whole` the rules of publication hold
    (docs/exporting.md): small cells are null with the reason `suppressed`, and only buckets that are over stand there.

    UsageError: a question that cannot be asked, or not be checked for small groups.
    """
    if whole:
        return [to_json(row) for row in trend.rows(store)]
    control = Control(as_of=now.date())
    question = _publishable(trend, control)
    rows = trend.rows(store)
    released = release_rows(store, question, control, {trend.measure: rows}).rows[trend.measure]
    return [{**to_json(one.row), "n": one.n} for one in released]


def _publishable(trend: Trend, control: Control) -> Question:
    special = {
        "at": trend.at, "control": trend.control, "sensitivity": trend.sensitivity,
        "without-relists": trend.without_relists, "split by vendor": "vendor" in trend.split,
    }  # fmt: skip
    for name, value in special.items():
        if value:
            raise UsageError(f"'{name}' cannot be checked for small groups.", remedy=READER_REMEDY)
    if trend.measure not in JUDGED:
        known = ", ".join(sorted(JUDGED))
        raise UsageError(
            f"'{trend.measure}' cannot be checked for small groups.", remedy=f"Readers may ask for: {known}."
        )
    question = Question(
        measures=(trend.measure,), where=trend.where, by=cast("By", trend.by), split=trend.split,
        with_flagged=trend.with_flagged, currency=cast("Money | None", trend.currency), method=trend.method,
        of=cast("Of | None", trend.of), seed=trend.seed,
    )  # fmt: skip
    check_question(question, control)
    return question
