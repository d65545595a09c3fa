"""The only module that builds Elasticsearch documents and queries."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import orjson

from config.errors import UsageError
from extract.observation import Crawl, Observation, digest_id
from index.columns import RECORDS, FieldKind
from index.content import canonical, micros, observation_key, offer_day_key, started_day
from index.offer_day import OfferDay
from index.stem import Query, build_stems
from index.store import Distinct, Filter, RecordName

Body = dict[str, Any]
ID_LENGTH = 32


@dataclass(frozen=True)
class Document:
    """One document to write. `source` is JSON."""

    index: str
    id: str
    key: str
    source: bytes
    digest: str


@lru_cache(maxsize=10_000)
def _short_stems(title: str, description: str) -> str:
    return " ".join(build_stems(title, description))


def _stems(title: str, description: str) -> str:
    """The next crawl brings most texts again; long ones are not kept, so that the memory stays bounded."""
    if len(title) + len(description) > 4000:
        return " ".join(build_stems(title, description))
    return _short_stems(title, description)


def _document(index: str, key: tuple[str, ...], content: bytes, extras: Body) -> Document:
    digest = hashlib.sha256(content).hexdigest()[:ID_LENGTH]
    if "at" in extras:
        extras["mark"] = mark_of(digest)
    added = orjson.dumps({**extras, "digest": digest})
    return Document(index, digest_id(*key, length=ID_LENGTH), "/".join(key), content[:-1] + b"," + added[1:], digest)


def build_observation(row: Observation, index: str) -> Document:
    """The observation with its extra fields. orjson.JSONEncodeError for lone surrogates and integers over 64 bits."""
    extras: Body = {
        "at": micros(row.observed_at), "listing_key": f"{row.market}\0{row.listing}",
        "stems": _stems(row.title, row.description)}
    if row.substances:
        extras["substance"] = row.substances[0]
    return _document(index, observation_key(row), canonical(row), extras)


def build_offer_day(row: OfferDay, index: str) -> Document:
    """The offer-day with its extra fields."""
    extras = {"first_at": micros(row.first_seen), "last_at": micros(row.last_seen)}
    return _document(index, offer_day_key(row), canonical(row), extras)


def offer_day_id(market: str, offer: str, day: str, version: str) -> str:
    """Id of the document of that key."""
    return digest_id(market, offer, day, version, length=ID_LENGTH)


def build_pack_document(index: str, crawl: str, rows: int, pack: str) -> Document:
    """The document of a crawl's pack."""
    return Document(index, crawl, crawl, orjson.dumps({"rows": rows, "pack": pack}), "")


def mark_of(digest: str) -> int:
    """The first 32 bits of a content's digest."""
    return int(digest[:8], 16)


def build_crawl(crawl: Crawl) -> Body:
    """The crawl's document; its id is the crawl's."""
    return {"id": crawl.id, "market": crawl.market, "day": started_day(crawl), "body": crawl.model_dump_json()}


_TIMES = {"observed_at": "at", "first_seen": "first_at", "last_seen": "last_at"}


def source_field(field: str, kind: FieldKind) -> str:
    """Where a scanned field stands in the document."""
    return _TIMES[field] if kind == "time" else field


def read_value(kind: FieldKind, value: Any) -> Any:
    """A value of `_source` as `columns.build_column` takes it."""
    if kind == "tuple":
        return tuple(value) if value else ()
    if kind == "number":
        return float("nan") if value is None else value
    if kind == "spans":
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode() if value else None
    return value


def read_record(record: RecordName, source: Body) -> Body:
    """The record's own fields out of `_source`."""
    names = RECORDS[record].model_fields
    return {name: value for name, value in source.items() if name in names}


_TERMS = ("group", "form", "ships_from", "ships_to", "market", "stash", "kind", "vendor", "listing", "crawl")


def build_filter(record: RecordName, where: Filter) -> list[Body]:
    """Clauses for `bool.filter`."""
    if record == "offer_day" and where.crawl:
        raise UsageError("offer-days belong to no single crawl.", remedy="Leave the crawl out, or scan observations.")
    clauses: list[Body] = [
        {"terms": {name: list(getattr(where, name))}} for name in _TERMS if getattr(where, name)]
    if where.substance:
        known = [name for name in where.substance if name != "unknown"]
        either: list[Body] = [{"terms": {"substance": known}}] if known else []
        if len(known) < len(where.substance):
            either.append({"bool": {"must_not": [{"exists": {"field": "substance"}}]}})
        clauses.append({"bool": {"should": either, "minimum_should_match": 1}})
    if where.region:
        clauses.append(
            {
                "bool": {
                    "minimum_should_match": 1,
                    "should": [
                        {"terms": {"region": list(where.region)}},
                        *({"prefix": {"region": f"{code}-"}} for code in where.region),
                    ],
                }
            }
        )
    days = {name: day.isoformat() for name, day in (("gte", where.first), ("lte", where.last)) if day is not None}
    if days:
        clauses.append({"range": {"day": days}})
    return clauses


def build_query(filters: Sequence[Body], must_not: Sequence[Body] = ()) -> Body:
    """A query that only filters: nothing is scored."""
    return {"bool": {"filter": list(filters), "must_not": list(must_not)}}


SCAN_ORDER: dict[RecordName, list[Body]] = {
    "observation": [{"market": "asc"}, {"offer": "asc"}, {"at": "asc"}, {"crawl": "asc"}],
    "offer_day": [{"market": "asc"}, {"offer": "asc"}, {"day": "asc"}],
}


def build_groups(by: Sequence[str], of: Distinct) -> list[Body]:
    """Sources of the composite aggregation that pages through every distinct (group, market, thing)."""
    fields = [*by, "market", of]
    return [
        {f"s{place}": {"terms": {"field": field, "missing_bucket": True}}} for place, field in enumerate(fields)]


def read_group(by: Sequence[str], key: Body) -> tuple[tuple[str | None, ...], bool]:
    """The group's values and whether there is a thing to count (a vendor may be missing)."""
    values = [key[f"s{place}"] for place in range(len(by))]
    for place, field in enumerate(by):
        if field == "day" and values[place] is not None:
            values[place] = iso_of(values[place])
    return tuple(values), key[f"s{len(by) + 1}"] is not None


@lru_cache(maxsize=4096)
def iso_of(milliseconds: int) -> str:
    """ISO date of Elasticsearch's milliseconds since 1970."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + milliseconds // 86_400_000).isoformat()


def build_search(query: Query, where: Filter, limit: int, offset: int) -> Body:
    """The latest matching observation of each listing, newest first."""
    wanted = [*build_filter("observation", where), *(
        {"match_phrase": {"stems": " ".join(clause)}} for clause in query.all_of)]
    unwanted = [{"match_phrase": {"stems": " ".join(clause)}} for clause in query.none_of]
    return {
        "query": build_query(wanted, unwanted),
        "collapse": {"field": "listing_key"},
        "size": limit,
        "from": offset,
        "sort": [
            {"day": "desc"},
            {"listing": "asc"},
            {"market": "asc"},
            {"at": "desc"},
            {"offer": "asc"},
            {"crawl": "asc"},
        ],
        "source": ["market", "listing", "title", "vendor", "substances", "day"],
        "track_total_hits": False,
    }


def build_newest(where: Filter) -> Body:
    """The newest day that has an observation in the filter's markets and days."""
    coarse = Filter(market=where.market, first=where.first, last=where.last)
    return {
        "size": 0, "track_total_hits": False, "query": build_query(build_filter("observation", coarse)),
        "aggs": {"newest": {"max": {"field": "day"}}}}


def build_last_days(market: str, before: date, after: Body | None, size: int) -> Body:
    """For every offer of the market its latest offer-day before that date, paged."""
    composite: Body = {"size": size, "sources": [{"offer": {"terms": {"field": "offer"}}}]}
    if after is not None:
        composite["after"] = after
    return {
        "size": 0, "track_total_hits": False,
        "query": build_query([{"term": {"market": market}}, {"range": {"day": {"lt": before.isoformat()}}}]),
        "aggs": {"offers": {
            "composite": composite, "aggs": {"last": {"top_hits": {"size": 1, "sort": [{"day": "desc"}]}}}}},
    }
