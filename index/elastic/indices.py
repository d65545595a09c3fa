"""Indices of versions and months, and the alias that flips from one version to another.

A version has for each record one index a month (by the market-local day) and an empty one, its base. The alias of a
record (`<prefix>-observations`) holds the base and all months of the current version, and nothing else: every change of
it is one request that the cluster takes whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from elasticsearch import BadRequestError, Elasticsearch, NotFoundError

from config.errors import StoreError
from index.elastic.documents import Body
from index.elastic.mappings import (
    BASE,
    MOVED_FORWARD,
    SCHEMA_VERSION,
    alias_name,
    build_mapping,
    build_settings,
    index_name,
    write_alias,
)
from index.store import RecordName

RECORDS: tuple[RecordName, RecordName] = ("observation", "offer_day")


class Indices:
    """The indices behind one prefix. Methods raise the client's errors, and StoreError for another schema."""

    def __init__(self, client: Elasticsearch, prefix: str, shown: str) -> None:
        self.client, self.prefix, self._shown = client, prefix, shown
        self._made: set[str] = set()
        self._version_of: dict[str, str] = {}

    def check_schema(self, mapping: Body, index: str) -> None:
        """StoreError where an index was made by another dropline."""
        schema = mapping.get("_meta", {}).get("schema")
        if schema in (SCHEMA_VERSION, *MOVED_FORWARD):
            return
        newer = isinstance(schema, int) and schema > SCHEMA_VERSION
        raise StoreError(
            f"{self._shown}: index {index} has schema {schema}, this dropline knows {SCHEMA_VERSION}.",
            remedy="Nothing was changed. Update dropline." if newer else
            "Nothing was changed. Give another prefix (--store http://HOST:PORT/OTHER) and fill it from the crawl logs "
            "with `dropline reextract`, or by copying a store into it.")

    def make(self, index: str, mapping: Body, settings: Body) -> bool:
        """Makes the index if it is not there; True where it was made now."""
        if index in self._made:
            return False
        found = self.client.indices.get_mapping(index=index, ignore_unavailable=True).body
        fresh = False
        if index in found:
            there = found[index]["mappings"]
            self.check_schema(there, index)
            if there["_meta"]["schema"] != SCHEMA_VERSION:  # fields were added since: the first write brings them
                self.client.indices.put_mapping(
                    index=index, properties=mapping["properties"], meta=there["_meta"] | {"schema": SCHEMA_VERSION})
        else:
            try:
                self.client.indices.create(
                    index=index, mappings=mapping, settings=settings, aliases={write_alias(index): {}})
                fresh = True
            except BadRequestError as error:
                if "resource_already_exists" not in str(error):  # another process was quicker
                    raise
        self._made.add(index)
        return fresh

    def make_version(self, version: str) -> None:
        """The bases of a version; the first version ever made becomes current."""
        bases = [(record, index_name(self.prefix, record, version)) for record in RECORDS]
        if all(base in self._made for _, base in bases):
            return
        current = self.current()
        for record, base in bases:
            self.make(base, build_mapping(record, version), build_settings(record))
        if current is None:
            self.flip(version)

    def make_parts(self, record: RecordName, version: str, months: Iterable[str]) -> None:
        """The indices of these months, behind the alias if the version is the current one."""
        for month in months:
            index = index_name(self.prefix, record, version, month)
            if index in self._made:
                continue
            self.make_version(version)
            self.make(index, build_mapping(record, version), build_settings(record))
            self._show(record, version, index)

    def _show(self, record: RecordName, version: str, index: str) -> None:
        """Puts an index behind the alias if, and only if, its version's base is behind it: decided and done by the
        cluster in one step, so that a flip in between cannot leave two versions mixed."""
        alias, base = alias_name(self.prefix, record), index_name(self.prefix, record, version, BASE)
        actions: list[Body] = [
            {"remove": {"index": base, "alias": alias, "must_exist": True}},
            {"add": {"index": base, "alias": alias}},
            {"add": {"index": index, "alias": alias}},
        ]
        try:
            self.client.indices.update_aliases(actions=actions)
        except NotFoundError as error:
            if "aliases_not_found" not in str(error):
                raise

    def flip(self, version: str) -> None:
        """Readers see this version from now on."""
        actions: list[Body] = []
        for record in RECORDS:
            alias = alias_name(self.prefix, record)
            actions += [
                {"remove": {"index": f"{alias}-*", "alias": alias, "must_exist": False}},
                {"add": {"index": index_name(self.prefix, record, version, "*"), "alias": alias}}]
        self.client.indices.update_aliases(actions=actions)

    def current(self) -> str | None:
        """The version behind the alias."""
        alias = alias_name(self.prefix, "observation")
        try:
            behind = self.client.indices.get_alias(name=alias).body
        except NotFoundError:
            return None
        bases = [index for index in behind if index.endswith(f"@{BASE}")] or list(behind)
        if len(bases) != 1:
            raise StoreError(
                f"{self._shown}: alias {alias} points at {len(bases)} versions.",
                remedy="Let one flip decide: run `dropline reextract`, or point the alias at one version's indices.")
        return self.version_of(bases[0])

    def version_of(self, index: str) -> str:
        """The version whose records an index holds."""
        if index not in self._version_of:
            mapping = self.client.indices.get_mapping(index=index).body[index]["mappings"]
            self.check_schema(mapping, index)
            self._version_of[index] = str(mapping["_meta"]["version"])
        return self._version_of[index]

    def purged_before(self, crawls: str) -> date | None:
        """First day that is kept, as the index of crawls tells."""
        found = self.client.indices.get_mapping(index=crawls, ignore_unavailable=True).body
        day = found[crawls]["mappings"].get("_meta", {}).get("purged_before") if crawls in found else None
        return None if day is None else date.fromisoformat(day)

    def mark_purged(self, crawls: str, first_kept: date) -> None:
        """Notes the first day that is kept in the index of crawls: durable, and seen by all at once."""
        self.client.indices.put_mapping(
            index=crawls, meta={"schema": SCHEMA_VERSION, "purged_before": first_kept.isoformat()})

    def names(self, pattern: str) -> list[str]:
        """Names of all indices that a pattern finds."""
        found = self.client.indices.get(
            index=pattern, ignore_unavailable=True, allow_no_indices=True, expand_wildcards="all",
            features="aliases").body
        return sorted(found)

    def forget_made(self) -> None:
        """Looks at every index anew: another process may have deleted some."""
        self._made.clear()

    def drop(self, names: Iterable[str]) -> None:
        """Deletes whole indices."""
        for name in names:
            self.client.indices.delete(index=name, ignore_unavailable=True)
            self._made.discard(name)
            self._version_of.pop(name, None)
