"""The durable log of one crawl: the permanent record, written before anything else happens to a Listing.

`DATA/logs/<market>/<crawl id>.jsonl`: a first line `{"crawl": …}` (as begun), lines `{"listing": …}`, and a last line
`{"finished": …}`. Append-only, handed to the system per batch, forced to the disk every `SYNC_EVERY` listings and at
the end. A crawl that was killed goes on in its log. A listing may be written again in the same crawl when more of it
was seen: the later line replaces the earlier one, and readers get each listing once. A torn last line (after a crash)
is recognised and dropped; a crawl without a last line counts as partial.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import IO

import orjson
from pydantic import ValidationError

from config.closing import Closing
from config.errors import InputError
from crawler.items import Crawl, CrawlKind, CrawlOutcome, Listing, check_zone
from crawler.privacy import is_pseudonym


def is_finished(path: Path) -> bool:
    """Whether a log ends with the record of a finished crawl."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        # the last record is a Crawl: far shorter than this, unless a market has thousands of scopes
        file.seek(max(0, file.tell() - 2**20))
        tail = file.read()
    return tail.endswith(b"\n") and tail[:-1].rsplit(b"\n", 1)[-1].startswith(b'{"finished":')


_REMEDY = "Restore the log from a backup, or give the crawl up: dropline forget --crawl ID."
SYNC_EVERY = 256
"""Listings after which the disk must have them (a killed process loses none, a power cut at most these)."""


def log_path(logs_dir: Path, crawl: Crawl) -> Path:
    """Where the log of that crawl stands."""
    return logs_dir / crawl.market / f"{crawl.id}.jsonl"


def _line(kind: str, record: Crawl | Listing) -> bytes:
    return orjson.dumps({kind: record.model_dump(mode="json", exclude_defaults=True)}) + b"\n"


class CrawlLog(Closing):
    """Writes one log. Use as a context manager; `finish` ends it.

    `resume` goes on with the log of a crawl that never finished, after cutting off a torn last line. Raises InputError
    for a log of that crawl that exists already (without `resume`), and for a listing that is not masked.
    """

    def __init__(self, logs_dir: Path, crawl: Crawl, *, resume: bool = False) -> None:
        self.path = log_path(logs_dir, crawl)
        self.crawl = crawl
        self._unsynced = 0
        if resume:
            self.size = _whole_lines(self.path)
            os.truncate(self.path, self.size)
            self._file: IO[bytes] | None = self.path.open("ab")
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = self.path.open("xb")
        except FileExistsError as error:
            raise InputError(
                "There is a log of this crawl already.", file=self.path, remedy="Start the crawl at another time."
            ) from error
        line = _line("crawl", crawl)
        self.size = len(line)
        """Bytes handed to the system so far."""
        self._file.write(line)
        self.sync()

    def sync(self) -> None:
        """Forces what was written to the disk."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._unsynced = 0

    def append(self, listings: Iterable[Listing]) -> list[int]:
        """Writes the batch: the system has it when this returns, the disk after `SYNC_EVERY` at the latest. Where each
        listing's line begins."""
        if self._file is None:
            raise InputError("The log is closed.", file=self.path)
        lines = []
        for listing in listings:
            if listing.vendor is not None and not is_pseudonym(listing.vendor):
                raise InputError(
                    "A listing's vendor is not a pseudonym: it would reach the disk unmasked.",
                    file=self.path,
                    remedy="Pass every listing through crawler.privacy first.",
                )
            if listing.crawl != self.crawl.id:
                raise InputError(f"A listing of crawl {listing.crawl!r} does not belong here.", file=self.path)
            lines.append(_line("listing", listing))
        offsets = list(accumulate(map(len, lines), initial=self.size))[:-1]
        if lines:
            data = b"".join(lines)
            self._file.write(data)
            self._file.flush()
            self.size += len(data)
            self._unsynced += len(lines)
            if self._unsynced >= SYNC_EVERY:
                self.sync()
        return offsets

    def finish(self, crawl: Crawl) -> None:
        """Writes the last line and closes."""
        if self._file is None:
            raise InputError("The log is closed.", file=self.path)
        self._file.write(_line("finished", crawl))
        self.sync()
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _whole_lines(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        end = file.tell()
        while end > 0:
            start = max(0, end - 65_536)
            file.seek(start)
            at = file.read(end - start).rfind(b"\n")
            if at >= 0:
                return start + at + 1
            end = start
    return 0


def iter_log(path: Path) -> tuple[Crawl, Iterator[Listing]]:
    """The Crawl (as finished; as begun, with outcome partial, where it never ended) and each of its listings once, in
    the order of their last lines. In the log of an import every line is a row of a table and stands for itself: a
    listing with several offers comes in several Listings.

    Raises InputError (file, line) for a log that is broken elsewhere than at its end.
    """
    begun: Crawl | None = None
    finished: Crawl | None = None
    last: dict[str, int] = {}
    for number, data in _iter_lines(path):
        if "listing" in data:
            ident = data["listing"].get("listing") if isinstance(data["listing"], dict) else None
            if not isinstance(ident, str):
                raise InputError("This line holds no listing.", file=path, line=number, remedy=_REMEDY)
            if begun is None or begun.kind is not CrawlKind.IMPORT:
                last[ident] = number
            continue
        try:
            record = Crawl.model_validate(data["finished"] if "finished" in data else data.get("crawl"))
            check_zone(record.tz)
        except ValueError as error:
            raise InputError("This line holds no crawl.", file=path, line=number, remedy=_REMEDY) from error
        if "finished" in data:
            finished = record
        else:
            begun = record
    if begun is None:
        raise InputError("This is not a crawl log: its first line holds no crawl.", file=path, remedy=_REMEDY)
    if finished is not None and (finished.id, finished.market) != (begun.id, begun.market):
        raise InputError("Its last line is of another crawl than its first.", file=path, remedy=_REMEDY)
    crawl = finished or begun.model_copy(update={"outcome": CrawlOutcome.PARTIAL, "listings": len(last)})
    every_line = crawl.kind is CrawlKind.IMPORT
    return crawl, _iter_listings(path, crawl, None if every_line else frozenset(last.values()))


def _iter_listings(path: Path, crawl: Crawl, wanted: frozenset[int] | None) -> Iterator[Listing]:
    for number, data in _iter_lines(path):
        if "listing" in data and (wanted is None or number in wanted):
            try:
                listing = Listing.model_validate(data["listing"])
            except ValidationError as error:
                message = f"This line holds no listing ({error.error_count()} problems)."
                raise InputError(message, file=path, line=number, remedy=_REMEDY) from error
            if (listing.crawl, listing.market) != (crawl.id, crawl.market):
                raise InputError("This line is of another crawl.", file=path, line=number, remedy=_REMEDY)
            yield listing


def _iter_lines(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"The log cannot be read ({error.strerror}).", file=path) from error
    with file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return  # torn by a crash: never acknowledged, so nothing is lost
            try:
                data = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise InputError("This line is not JSON.", file=path, line=number, remedy=_REMEDY) from error
            if not isinstance(data, dict):
                raise InputError("This line is not a record.", file=path, line=number, remedy=_REMEDY)
            yield number, data
