"""The listings of a crawl in the making, as last logged: where each stands in the log, so that a crawl of any size
needs little memory. Each is read back from there when it is met again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from config.closing import Closing
from crawler.idtable import IdTable
from crawler.items import Listing

_START = b'{"listing":'


class Seen(Closing):
    """By listing id. `path`: the crawl's log, which must have been handed to the system before anything is read."""

    def __init__(self, path: Path) -> None:
        self._places = IdTable()
        """Offset of the line x 2, + 1 where it was read from the listing's own page."""
        self._file: int | None = os.open(path, os.O_RDONLY)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, ident: str) -> bool:
        return ident in self._places

    def note(self, listings: Iterable[Listing], offsets: Iterable[int]) -> None:
        """Where the lines of those listings begin."""
        for listing, offset in zip(listings, offsets, strict=True):
            self._places.put(listing.listing, 2 * offset + (listing.seen_on == "detail"))

    def take_up(self) -> None:
        """Finds every listing that stands in the log already."""
        if self._file is None:
            return
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            offset = 0
            for line in file:
                if line.startswith(_START) and line.endswith(b"\n"):
                    found = orjson.loads(line)["listing"]
                    self._places.put(found["listing"], 2 * offset + (found.get("seen_on") == "detail"))
                offset += len(line)

    def is_detailed(self, ident: str) -> bool:
        """Whether its own page was read in this crawl."""
        return (self._places.get(ident) or 0) % 2 == 1

    def undetailed(self) -> Iterator[str]:
        """Ids of the listings whose own page was not read in this crawl, in the order of the log."""
        for place in sorted(place for place in self._places.values() if place % 2 == 0):
            yield str(orjson.loads(self._line(place // 2))["listing"]["listing"])

    def get(self, ident: str) -> Listing | None:
        place = self._places.get(ident)
        return None if place is None else self._read(place // 2)

    def values(self) -> Iterator[Listing]:
        """Every listing once, in the order of the log."""
        for place in sorted(self._places.values()):
            yield self._read(place // 2)

    def _read(self, offset: int) -> Listing:
        return Listing.model_validate(orjson.loads(self._line(offset))["listing"])

    def _line(self, offset: int) -> bytes:
        assert self._file is not None
        line, size = b"", 4_096
        while not line.endswith(b"\n"):
            line = os.pread(self._file, size, offset)
            end = line.find(b"\n")
            if end >= 0:
                line = line[: end + 1]
            elif len(line) < size:
                break
            size *= 4
        return line
