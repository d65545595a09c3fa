"""Exact quantiles out of Elasticsearch's percentiles.

Its digest keeps every value of a bucket, sorted, while there are fewer than 20 times `compression` of them, and
interpolates between neighbours then as numpy does (linear, type 7). Memory is taken by values that are there, not by a
high compression, so one is given that keeps a million values of a bucket whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from elasticsearch import Elasticsearch

from index.buckets import By
from index.elastic.documents import Body, build_filter, build_query, iso_of
from index.elastic.reading import iter_buckets
from index.quantiles import PriceField, Quantiles
from index.store import Filter

COMPRESSION = 50_000


def build_price_groups(by: By, split: Sequence[str], field: PriceField) -> list[Body]:
    """Sources of the composite aggregation: bucket of time, split fields, unit and (in quoted money) currency."""
    sources: list[Body] = [{"bucket": {"date_histogram": {"field": "day", "calendar_interval": by}}}]
    sources += [
        {f"s{place}": {"terms": {"field": name, "missing_bucket": True}}} for place, name in enumerate(split)]
    sources.append({"unit": {"terms": {"field": "unit"}}})
    if field == "unit_price":
        sources.append({"currency": {"terms": {"field": "currency", "missing_bucket": True}}})
    return sources


def ask_quantiles(
    client: Elasticsearch, index: str, where: Filter, by: By, split: Sequence[str], field: PriceField,
    at: Sequence[float], *, with_flagged: bool,
) -> list[Quantiles]:
    """As `Store.quantiles` says. One request for up to 10,000 cells, counted and sorted by the cluster."""
    flagged: list[Body] = [] if with_flagged else [{"exists": {"field": "flags"}}]
    query = build_query([*build_filter("offer_day", where), {"exists": {"field": field}}], flagged)
    percents = sorted({each * 100 for each in at}) or [50.0]
    prices: Body = {"prices": {"percentiles": {
        "field": field, "percents": percents, "keyed": False, "tdigest": {"compression": COMPRESSION}}}}
    found = []
    for bucket in iter_buckets(client, index, query, build_price_groups(by, split, field), prices):
        key = bucket["key"]
        values = {each["key"]: each["value"] for each in bucket["prices"]["values"]}
        found.append(Quantiles(
            bucket=date.fromisoformat(iso_of(key["bucket"])),
            series=tuple(key[f"s{place}"] for place in range(len(split))), unit=key["unit"],
            currency=key.get("currency"), n=bucket["doc_count"], values=tuple(values[each * 100] for each in at)))
    return sorted(found, key=_order)


def _order(row: Quantiles) -> tuple[object, ...]:
    return row.bucket, tuple((value is not None, value or "") for value in row.series), row.unit, row.currency or ""
