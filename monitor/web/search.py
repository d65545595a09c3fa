"""Full text over listings, the observations behind a filter, and how a figure or a row came about: for analysts."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from starlette.responses import Response

from config.errors import UsageError
from crawler.privacy import mask
from index.buckets import By, bucket_end, bucket_of, check_by
from index.explain import explain_row, explain_trend
from index.measures.ask import Money, Of
from index.rows import observation_rows
from monitor.accuracy import read_accuracy
from monitor.question import FILTERS, build_filter, parse_day, read_trend
from monitor.web.visit import Visit

A_PAGE, ROWS_A_PAGE, MOST_PAGES = 25, 50, 200
FIELDS = ("substance", "region", "market", "kind")
ROW = {
    "day": "Day", "market": "Market", "title": "Title", "substance": "Substance", "quantity": "Quantity",
    "unit": "Unit", "unit_price_usd": "USD per unit", "region": "Region", "vendor": "Vendor",
}  # fmt: skip
"""Columns of an observation that are shown; `explain` has the rest."""


def show(visit: Visit) -> Response:
    """The form, and the listings that match it, as `dropline search` finds them."""
    text, page = visit.asked("q"), min(visit.page_number(), MOST_PAGES)
    asked = {name: visit.asked(name) for name in (*FIELDS, "from", "to")}
    facts: dict[str, Any] = {
        "suggestions": visit.house.suggestions.now(), "asked": asked, "text": text, "page": page, "fields": FIELDS,
    }  # fmt: skip
    if not text:
        return visit.show("search.html", hits=None, error=None, more=False, **facts)
    try:
        where = build_filter(
            first=asked["from"] or None, last=asked["to"] or None, **{name: visit.query.get(name) for name in FIELDS}
        )
    except UsageError as error:
        return visit.show("search.html", 400, hits=None, error=str(error), more=False, **facts)
    with visit.house.store() as store:
        hits = store.search(text, where, limit=A_PAGE + 1, offset=(page - 1) * A_PAGE)
    return visit.show("search.html", hits=hits[:A_PAGE], error=None, more=len(hits) > A_PAGE, **facts)


def rows(visit: Visit) -> Response:
    """The observations behind a filter, as `dropline rows` prints them."""
    page = min(visit.page_number(), MOST_PAGES)
    asked = {name: values for name in FILTERS if (values := visit.query.get(name))}
    dates = {name: visit.asked(name) for name in ("from", "to") if visit.asked(name)}
    where = build_filter(
        first=dates.get("from"), last=dates.get("to"),
        **{name.replace("-", "_"): values for name, values in asked.items()},
    )  # fmt: skip
    with visit.house.store() as store:
        found = observation_rows(store, where, page * ROWS_A_PAGE + 1)
    told = [*((name, ", ".join(values)) for name, values in asked.items()), *dates.items()]
    return visit.show(
        "rows.html", rows=found[(page - 1) * ROWS_A_PAGE : page * ROWS_A_PAGE], columns=ROW, told=told, page=page,
        more=len(found) > page * ROWS_A_PAGE, query=urlencode([*told, ("", "")])[:-1],
    )  # fmt: skip


def explain(visit: Visit) -> Response:
    """`dropline explain` of one observation (`key`), or of a bucket of a measure (`measure`, `bucket` and options)."""
    key, measure = visit.asked("key"), visit.asked("measure")
    known = read_accuracy(None, visit.house.settings.data_dir)
    if not measure:
        if not key:
            raise UsageError("Say which row.", remedy="Rows and buckets in tables link to this page.")
        with visit.house.store() as store:
            facts = explain_row(store, key, accuracy=known, mask=mask)
        return visit.show("explain.html", facts=facts, title="How this row came about", about=key, behind="")
    options = {name: values for name, values in visit.query.items() if name not in {"measure", "bucket"}}
    trend, day = read_trend(measure, options), parse_day(visit.asked("bucket") or None, "--bucket")
    if day is None:
        raise UsageError("Say which bucket.", remedy="Buckets in the table of trends link to this page.")
    check_by(trend.by)
    by = cast("By", trend.by)
    with visit.house.store() as store:
        facts = explain_trend(
            store, measure, trend.where, bucket=day, by=by, with_flagged=trend.with_flagged,
            currency=cast("Money | None", trend.currency), method=trend.method, of=cast("Of | None", trend.of),
            seed=trend.seed, accuracy=known, mask=mask,
        )  # fmt: skip
    first = bucket_of(day, by)
    kept = [(name, value) for name in FILTERS for value in options.get(name, ())]
    behind = urlencode([*kept, ("from", first.isoformat()), ("to", bucket_end(first, by).isoformat())])
    about = ", ".join([f"{trend.by} of {first}", *(value for _, value in kept)])
    title = f"How {measure} came about"
    return visit.show("explain.html", facts=facts, title=title, about=about, behind=f"/rows?{behind}")
