"""The only module that builds Elasticsearch documents and queries."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Mapping, Sequence
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


@dataclass(slots=True)
class Document:
    """One document to write. `source` is JSON."""

    index: str
    id: str
    key: str
    source: bytes
    digest: str


_MOST_BYTES = 20_000_000


class _Texts(threading.local):
    """JSON of the stems of texts, for each thread its own: the next crawl brings most texts again. The last 20 to 40 MB
    are kept, and of the texts themselves a digest."""

    def __init__(self) -> None:
        self.young: dict[bytes, bytes] = {}
        self.old: dict[bytes, bytes] = {}
        self.size = 0

    def stems(self, title: str, description: str) -> bytes:
        text = hashlib.blake2b(f"{title}\0{description}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        found = self.young.get(text)
        if found is None:
            found = self.old.get(text) or orjson.dumps(" ".join(build_stems(title, description)))
            self.size += len(found) + 200
            if self.size > _MOST_BYTES:
                self.old, self.young, self.size = self.young, {}, len(found)
            self.young[text] = found
        return found


_texts = _Texts()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:ID_LENGTH]


def build_observation(row: Observation, index: str) -> Document:
    """The observation with its extra fields. orjson.JSONEncodeError for lone surrogates and integers over 64 bits."""
    content = canonical(row)
    digest = _digest(content)
    key = observation_key(row)
    # bytes put together by hand: this is run for every row, and is the dearest step of a load
    source = b'%b,"at":%d,"digest":"%b","listing_key":%b,"mark":%d,"stems":%b%b}' % (
        content[:-1], micros(row.observed_at), digest.encode(), orjson.dumps(f"{key[0]}\0{key[1]}"), mark_of(digest),
        _texts.stems(row.title, row.description),
        b',"substance":%b' % orjson.dumps(row.substances[0]) if row.substances else b"")
    # `digest_id` of the key, written out
    number = hashlib.sha256(("\0".join(key) + "\0").encode("utf-8", "surrogatepass")).hexdigest()[:ID_LENGTH]
    return Document(index, number, "/".join(key), source, digest)


def build_offer_day(row: OfferDay, index: str) -> Document:
    """The offer-day with its extra fields."""
    content = canonical(row)
    digest = _digest(content)
    key = offer_day_key(row)
    source = b'%b,"digest":"%b","first_at":%d,"last_at":%d,"mark":%d,"pack":%b}' % (
        content[:-1], digest.encode(), micros(row.first_seen), micros(row.last_seen), mark_of(digest),
        orjson.dumps(day_pack_id(row.market, key[2])))
    return Document(index, digest_id(*key, length=ID_LENGTH), "/".join(key), source, digest)


def offer_day_id(market: str, offer: str, day: str, version: str) -> str:
    """Id of the document of that key."""
    return digest_id(market, offer, day, version, length=ID_LENGTH)


def day_pack_id(market: str, day: str) -> str:
    """The pack that holds a market's offer-days of an ISO day: ten days of it, those that share nine characters."""
    return f"{day[:9]} {market}"


def build_pack_document(index: str, name: str, rows: int, marks: int, columns: Mapping[str, bytes]) -> Document:
    """The document of a pack."""
    source = {"rows": rows, "marks": marks, "columns": {
        column: base64.b64encode(body).decode() for column, body in columns.items()}}
    return Document(index, name, name, orjson.dumps(source), "")


def read_pack_document(source: Body) -> tuple[int, int, dict[str, bytes]]:
    """Rows, marks and columns; a pack of an older schema has none."""
    columns = {name: base64.b64decode(body) for name, body in source.get("columns", {}).items()}
    return source["rows"], source.get("marks", -1), columns


def mark_of(digest: str) -> int:
    """The first 32 bits of a content's digest."""
    return int(digest[:8], 16)


def build_crawl(index: str, crawl: Crawl) -> Document:
    """The crawl's document; its id is the crawl's."""
    source = {"id": crawl.id, "market": crawl.market, "day": started_day(crawl), "body": crawl.model_dump_json()}
    return Document(index, crawl.id, crawl.id, orjson.dumps(source), "")


_NAN = float("nan")
_TIMES = {"observed_at": "at", "first_seen": "first_at", "last_seen": "last_at"}


def source_field(field: str, kind: FieldKind) -> str:
    """Where a scanned field stands in the document."""
    return _TIMES[field] if kind == "time" else field


def read_values(kind: FieldKind, name: str, sources: Sequence[Body]) -> list[Any]:
    """The values of a field of `_source`, as `columns.build_column` takes them."""
    if kind == "tuple":
        return [tuple(source.get(name) or ()) for source in sources]
    if kind == "number":  # what is missing is left out
        return [source.get(name, _NAN) for source in sources]
    if kind == "spans":
        spans = [source.get(name) for source in sources]
        return [orjson.dumps(each, option=orjson.OPT_SORT_KEYS).decode() if each else None for each in spans]
    return [source.get(name) for source in sources]


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


OFFERS: list[Body] = [{"market": {"terms": {"field": "market"}}}, {"offer": {"terms": {"field": "offer"}}}]
"""Sources of the composite aggregation over offers, which both scan orders begin with."""


def build_offers(query: Body, market: str, first: str, last: str) -> Body:
    """A query narrowed to the offers of a market from one id to another, both among them."""
    return build_query([query, {"term": {"market": market}}, {"range": {"offer": {"gte": first, "lte": last}}}])


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


NEWEST_DAY: Body = {"newest": {"max": {"field": "day"}}}
"""Aggregation: the newest day, in milliseconds since 1970."""


def build_crawl_weights(most: int, query: Body | None = None) -> Body:
    """Rows, sum of marks, first and last day of every crawl."""
    about = {
        "marks": {"sum": {"field": "mark"}}, "first": {"min": {"field": "day"}}, "last": {"max": {"field": "day"}}}
    body: Body = {"size": 0, "track_total_hits": False, "aggs": {"crawls": {
        "terms": {"field": "crawl", "size": most}, "aggs": about}}}
    return body if query is None else body | {"query": query}


def build_day_weights(most: int) -> Body:
    """Rows and sum of marks of every pack of offer-days; those that name none under the empty name."""
    return {"size": 0, "track_total_hits": False, "aggs": {"packs": {
        "terms": {"field": "pack", "size": most, "missing": ""}, "aggs": {"marks": {"sum": {"field": "mark"}}}}}}


def build_without_pack() -> Body:
    """Offer-days that name no pack."""
    return build_query([], [{"exists": {"field": "pack"}}])


def _before(market: str, day: date) -> Body:
    return build_query([{"term": {"market": market}}, {"range": {"day": {"lt": day.isoformat()}}}])


def build_last_day(market: str, before: date) -> Body:
    """The newest day of the market before that date."""
    return {"size": 0, "track_total_hits": False, "query": _before(market, before), "aggs": NEWEST_DAY}


def build_last_days(market: str, before: date, after: Body | None, size: int) -> Body:
    """For every offer of the market its latest offer-day before that date, paged."""
    composite: Body = {"size": size, "sources": [{"offer": {"terms": {"field": "offer"}}}]}
    if after is not None:
        composite["after"] = after
    return {
        "size": 0, "track_total_hits": False,
        "query": _before(market, before),
        "aggs": {"offers": {
            "composite": composite, "aggs": {"last": {"top_hits": {"size": 1, "sort": [{"day": "desc"}]}}}}},
    }
