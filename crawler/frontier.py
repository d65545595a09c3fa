"""The frontier of one crawl: addresses found and not yet asked for, and the journal that lets a killed crawl go on.

`DATA/frontier/<market>/<crawl id>.jsonl`, mode 0600, one `Step` a line: what one page led to, written after the page's
listings are in the log. Resuming is reading the steps again through the same `Tally`. Addresses stand as paths, without
the host; they may hold vendors' names, so the file is removed when the crawl ends.

A step knows how long the log was: after a power cut, steps that the log does not bear out are left out, and their pages
are fetched again. Nothing is lost that way, and a killed crawl repeats only the pages that were in flight.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from pydantic import Field, ValidationError

from config.errors import UsageError
from crawler.items import PageOutcome, Record


class Step(Record):
    """What happened to one address (or, without `path`: what the crawl begins with)."""

    log: int = 0
    """Bytes of the log when this was written."""
    path: str | None = None
    outcome: PageOutcome | None = None
    """None: there was no page."""
    dropped: str | None = None
    """A reason to count."""
    seen: tuple[str, ...] = ()
    """(Masked) ids of the listings on an index page, or the one of a detail page."""
    total: int | None = None
    scope: tuple[Literal["place", "category"], str] | None = None
    route: str | None = None
    """The discovery route that an index page belongs to."""
    unread: dict[str, int] = Field(default_factory=dict)
    index: tuple[str, ...] = ()
    """Paths of index pages found here, new ones only."""
    details: tuple[tuple[str, str], ...] = ()
    """(Listing id, path) of detail pages to ask for."""
    barren: int = 0
    """How many pages in a row, up to this one, showed no listing that was not known."""
    withheld: int = 0
    """Links that were not followed."""


def frontier_path(data_dir: Path, market: str, crawl: str) -> Path:
    return data_dir / "frontier" / market / f"{crawl}.jsonl"


class Journal:
    """Writes steps. `resume` appends after the steps that hold (see `read_steps`)."""

    def __init__(self, path: Path, *, keep: int = 0) -> None:
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.truncate(handle, keep)
        os.lseek(handle, 0, os.SEEK_END)
        self._file: IO[bytes] | None = os.fdopen(handle, "wb", buffering=0)

    def write(self, step: Step) -> None:
        if self._file is not None:
            self._file.write(step.model_dump_json(exclude_defaults=True).encode() + b"\n")

    def sync(self) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """The crawl has ended: nobody needs the addresses any more."""
        self.close()
        self.path.unlink(missing_ok=True)


def read_steps(path: Path, log_size: int) -> tuple[list[Step], int]:
    """The steps that a log of that size bears out, and how many bytes of the journal they fill."""
    steps: list[Step] = []
    size = 0
    with path.open("rb") as file:
        for line in file:
            try:
                step = Step.model_validate_json(line)
            except ValidationError:
                break  # torn by a kill
            if not line.endswith(b"\n") or step.log > log_size:
                break
            steps.append(step)
            size += len(line)
    return steps, size


def find_journals(data_dir: Path, market: str) -> Iterator[Path]:
    """Journals of crawls that never ended, newest first."""
    yield from sorted((data_dir / "frontier" / market).glob("*.jsonl"), reverse=True)


class MarketLock:
    """One crawl of a market at a time on this machine. The system lets go of it when the process dies."""

    def __init__(self, data_dir: Path, market: str) -> None:
        folder = data_dir / "frontier"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._handle: int | None = os.open(folder / f"{market}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            remedy = "Wait until that crawl has ended."
            raise UsageError(f"{market} is being crawled already.", remedy=remedy) from error

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
