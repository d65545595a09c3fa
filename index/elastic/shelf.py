"""Where packs of one kind are kept: a small index a version, one document a pack, its columns read one by one.

A pack is derived and never trusted: each tells how many rows it was made of and the sum of their marks, which its user
holds against what the cluster counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from elasticsearch import Elasticsearch, NotFoundError

from index.elastic.client import Patience, bulk
from index.elastic.documents import Document, build_pack_document, read_pack_document
from index.elastic.indices import Indices
from index.elastic.mappings import PACK_MAPPING, SMALL, PackKind, pack_index, write_alias
from index.elastic.reading import ahead


@dataclass(frozen=True)
class Stored:
    """A pack as it is kept, or some of its columns."""

    rows: int
    marks: int
    columns: dict[str, bytes]

    @property
    def weight(self) -> tuple[int, int]:
        """What two packs of the same rows have in common."""
        return self.rows, self.marks


class Shelf:
    """The packs of one kind of every version. Methods raise the client's errors."""

    def __init__(self, client: Elasticsearch, indices: Indices, patience: Patience, kind: PackKind) -> None:
        self._client, self._indices, self._patience, self._kind = client, indices, patience, kind

    def get(self, version: str, ids: Sequence[str], columns: Collection[str]) -> dict[str, Stored]:
        """The packs of these ids that are there, with those of the columns that they have."""
        wanted = ["rows", "marks", *(f"columns.{name}" for name in columns)]
        with suppress(NotFoundError):  # no pack was ever made
            answer = self._client.mget(
                index=pack_index(self._indices.prefix, self._kind, version), ids=list(ids), source_includes=wanted)
            return {
                each["_id"]: Stored(*read_pack_document(each["_source"])) for each in answer["docs"]
                if each.get("found")}
        return {}

    def iter_right(
        self, version: str, ids: Sequence[str], weights: Mapping[str, tuple[int, int]], columns: Collection[str],
        make: Callable[[str], Stored], at_once: int,
    ) -> Iterator[tuple[str, Stored]]:
        """The pack of each of some ids: the stored one where it weighs what it should, else one made now. Columns that
        a stored pack lacks count as no pack. While some packs are worked on, the next are on their way."""
        needed = set(columns)
        parts = [ids[place : place + at_once] for place in range(0, len(ids), at_once)]
        answers = ((part, self.get(version, part, columns)) for part in parts)
        for asked, stored in ahead(answers) if len(parts) > 1 else answers:
            for name in asked:
                found = stored.get(name)
                if found is None or found.weight != weights[name] or not found.columns.keys() >= needed:
                    found = make(name)
                yield name, found

    def put(self, version: str, packs: Mapping[str, Stored]) -> None:
        """Keeps packs in the place of those of the same ids."""
        index = pack_index(self._indices.prefix, self._kind, version)
        self._indices.make(index, PACK_MAPPING, SMALL)
        bulk(self._client, "index", [
            build_pack_document(write_alias(index), name, pack.rows, pack.marks, pack.columns)
            for name, pack in packs.items()], self._patience)

    def drop(self, ids: Iterable[str]) -> None:
        """Deletes packs from every version: they hold pseudonyms."""
        names = list(ids)
        for index in self._indices.names(pack_index(self._indices.prefix, self._kind, None)):
            bulk(self._client, "delete", [Document(index, name, name, b"", "") for name in names], self._patience)
            self._client.indices.refresh(index=index)
