"""Strict mappings, made from the records themselves, and the names of indices."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Literal, get_args

from extract.observation import digest_id
from index.columns import RECORDS, field_kinds
from index.store import RecordName

SCHEMA_VERSION = 3
"""2: an index per month (1 had one index per version). 3: offer-days name their pack and bear a mark."""
MOVED_FORWARD = frozenset({2})
"""Older schemas that are read as they are and moved forward by the first write: they lack fields, no more."""

_KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": "keyword"},
    "tuple": {"type": "keyword"},
    "number": {"type": "double"},
    "integer": {"type": "long"},
    "date": {"type": "date", "format": "strict_date"},
    "spans": {"type": "object", "enabled": False},
}
_KEPT: dict[str, Any] = {"type": "keyword", "index": False, "doc_values": False}
"""Kept in `_source`, never searched: no limit on its length."""

_UNSEARCHED = frozenset(
    {"title", "description", "category", "quantity_text", "price_text", "place", "ships_except", "fx_source"}
)
_STEMS: dict[str, Any] = {"type": "text", "analyzer": "whitespace", "norms": False}
EXTRAS: dict[RecordName, dict[str, dict[str, Any]]] = {
    "observation": {
        "at": {"type": "long"}, "substance": {"type": "keyword"}, "listing_key": {"type": "keyword"}, "stems": _STEMS,
        "digest": _KEPT, "mark": {"type": "long"}},
    "offer_day": {
        "first_at": {"type": "long"}, "last_at": {"type": "long"}, "digest": _KEPT, "mark": {"type": "long"},
        "pack": {"type": "keyword"}},
}
"""Fields beside the record's own: times in microseconds, main substance, market + listing, stems, content digest
and its first 32 bits, the pack that an offer-day belongs to (see `packs`, `day_packs`)."""

_SORTS: dict[RecordName, list[str]] = {
    "observation": ["market", "offer", "at"],
    "offer_day": ["market", "offer", "day"],
}


def build_mapping(record: RecordName, version: str) -> dict[str, Any]:
    """The strict mapping of a record; its `_meta` holds the schema and the extractor version."""
    properties: dict[str, Any] = {}
    for name, kind in field_kinds(record).items():
        if name in RECORDS[record].model_fields:
            properties[name] = _KEPT if name in _UNSEARCHED or kind == "time" else _KINDS[kind]
            if kind == "number" and int in get_args(RECORDS[record].model_fields[name].annotation):
                properties[name] = {"type": "long"}
    return {
        "dynamic": "strict",
        "_meta": {"schema": SCHEMA_VERSION, "version": version},
        "_source": {"excludes": ["stems"]},
        "properties": properties | EXTRAS[record],
    }


def build_settings(record: RecordName) -> dict[str, Any]:
    """Sorted as it is scanned; refreshed by the store after each write; one replica where there is a second node."""
    return {
        "index": {
            "sort": {"field": _SORTS[record], "order": ["asc"] * 3},
            "refresh_interval": "30s",
            "number_of_shards": 1,
            "auto_expand_replicas": "0-1",
        }
    }


SMALL: dict[str, Any] = {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}}
"""Settings of the indices that stay small."""

CRAWL_MAPPING: dict[str, Any] = {
    "dynamic": "strict", "_meta": {"schema": SCHEMA_VERSION},
    "properties": {
        "market": {"type": "keyword"}, "day": {"type": "date", "format": "strict_date"}, "id": {"type": "keyword"},
        "body": _KEPT},
}


PACK_MAPPING: dict[str, Any] = {
    "dynamic": "strict", "_meta": {"schema": SCHEMA_VERSION},
    "properties": {
        "rows": {"type": "long"}, "marks": {"type": "long"}, "columns": {"type": "object", "enabled": False}},
}
PackKind = Literal["packs", "counts", "day-packs"]
"""What crawls saw; distinct counts of each crawl; offer-days."""


def alias_name(prefix: str, record: RecordName) -> str:
    """What readers of the current version ask."""
    return f"{prefix}-{'observations' if record == 'observation' else 'offer-days'}"


BASE = "base"
"""The part of a version that is always there and always empty: it holds the version's name and anchors the alias."""


def month_of(day: date) -> str:
    """The part of a version that holds a market-local day: `2031-03`."""
    return f"{day.year:04d}-{day.month:02d}"


def index_name(prefix: str, record: RecordName, version: str, part: str = BASE) -> str:
    """`<prefix>-observations-<version>@<part>`; a version with letters no index name may have gets a digest behind it.
    `part` is a month, BASE, or `*` for all. No slug holds the `@`, so the pattern of a version finds no other's."""
    return f"{alias_name(prefix, record)}-{_slug(version)}@{part}"


def _slug(version: str) -> str:
    slug = re.sub(r"[^a-z0-9._-]", "-", version.lower())[:80]
    return slug if slug == version else f"{slug}-{digest_id(version, length=8)}"


def pack_index(prefix: str, kind: PackKind, version: str | None) -> str:
    """The packs of a version (None: the pattern for those of all): see `shelf`."""
    return f"{prefix}-{kind}-{'*' if version is None else _slug(version)}@{BASE}"


def write_alias(index: str) -> str:
    """What documents are written through: a write to an alias never makes an index that was deleted meanwhile anew,
    with a mapping of the cluster's own guess."""
    return index.replace("@", "+") if "@" in index else f"{index}+in"


def crawl_index(prefix: str) -> str:
    """The one index of crawls."""
    return f"{prefix}-crawls-1"
