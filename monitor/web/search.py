"""Full text over listings, and how one row came about: for analysts."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from config.errors import UsageError
from crawler.privacy import mask
from index.explain import explain_row
from monitor.accuracy import read_accuracy
from monitor.question import build_filter
from monitor.web.visit import Visit

A_PAGE, MOST_PAGES = 25, 200
FIELDS = ("substance", "region", "market", "kind")


def show(visit: Visit) -> Response:
    """The form, and the listings that match it, as `dropline search` finds them."""
    text, page = visit.asked("q"), min(visit.page_number(), MOST_PAGES)
    asked = {name: visit.asked(name) for name in (*FIELDS, "from", "to")}
    with visit.house.store() as store:
        facts: dict[str, Any] = {
            "suggestions": visit.house.suggestions.look(store), "asked": asked, "text": text, "page": page,
            "fields": FIELDS,
        }  # fmt: skip
        if not text:
            return visit.show("search.html", hits=None, error=None, more=False, **facts)
        try:
            where = build_filter(
                first=asked["from"] or None, last=asked["to"] or None,
                **{name: visit.query.get(name) for name in FIELDS},
            )  # fmt: skip
        except UsageError as error:
            return visit.show("search.html", 400, hits=None, error=str(error), more=False, **facts)
        hits = store.search(text, where, limit=A_PAGE + 1, offset=(page - 1) * A_PAGE)
    return visit.show("search.html", hits=hits[:A_PAGE], error=None, more=len(hits) > A_PAGE, **facts)


def explain(visit: Visit) -> Response:
    """`dropline explain KEY` of one observation."""
    key = visit.asked("key")
    if not key:
        raise UsageError("Say which row.", remedy="The rows behind an alert link to this page.")
    known = read_accuracy(None, visit.house.settings.data_dir)
    with visit.house.store() as store:
        facts = explain_row(store, key, accuracy=known, mask=mask)
    return visit.show("explain.html", facts=facts, key=key)
