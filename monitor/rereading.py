"""Logs through the extractor, in this process or in several: the reading half of a re-extraction.

Processes are started afresh (spawn) with one pipe each, whose other end only this process holds: when it is killed,
they find their pipe closed and end. Each takes the next log when it has finished one; a full pipe makes it wait.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.errors import InputError, StoreError
from config.settings import Settings
from crawler.log import is_finished, iter_log
from extract.observation import Observation
from monitor.review import Sighting, find_unknown

if TYPE_CHECKING:
    from extract.build import ObservationBuilder

BATCH = 1_000
"""Listings read at a time: bounds memory, and what a kill can cost."""


@dataclass(frozen=True, slots=True)
class Work:
    """One log to read."""

    crawl: str
    path: Path
    size: int
    whole: bool = False
    """The store knows the crawl as finished: so must its log."""


@dataclass(slots=True)
class Part:
    """Some of what a log came to. `last` closes the log; `failed` says why it could not be read (then it is last)."""

    work: Work
    observations: list[Observation] = field(default_factory=list)
    unknown: list[Sighting] = field(default_factory=list)
    listings: int = 0
    last: bool = False
    failed: str | None = None


def read_log(builder: ObservationBuilder, work: Work, version: str) -> Iterator[Part]:
    """The parts of one log, its observations under the name of `version`."""
    try:
        crawl, listings = iter_log(work.path)
        if work.whole and not is_finished(work.path):
            problem = "The log is cut off: the crawl was finished, and its last line is missing."
            raise InputError(problem, file=work.path, remedy="Restore it from a backup.")
        while batch := list(islice(listings, BATCH)):
            part = Part(work, listings=len(batch))
            part.observations = list(
                builder.build(batch, crawl, lambda *read, found=part.unknown: found.extend(find_unknown(*read)))
            )
            if version != builder.version:
                part.observations = [one.model_copy(update={"version": version}) for one in part.observations]
            yield part
    except InputError as error:
        yield Part(work, last=True, failed=str(error))
        return
    yield Part(work, last=True)


def read_here(builder: ObservationBuilder, work: Iterable[Work], version: str) -> Iterator[Part]:
    """Logs one after another in this process."""
    for one in work:
        yield from read_log(builder, one, version)


def read_in_processes(
    settings: Settings, work: Sequence[Work], version: str, expected: str, processes: int
) -> Iterator[Part]:
    """Logs in `processes` processes; the parts of one log come in order, logs in none. `expected`: the extractor
    version that they must have (the code may be replaced while we run).

    Each has a run of neighbouring logs of its own, since those of one market repeat their texts and equal texts are
    read once; one that is through takes from the end of the longest run left. StoreError where a process dies.
    """
    queues = [deque(run) for run in _split(work, processes)]
    method = multiprocessing.get_context("spawn")
    workers: dict[Connection, tuple[Any, deque[Work]]] = {}
    try:
        for queue in queues:
            ours, theirs = method.Pipe()
            process = method.Process(target=_serve, args=(theirs, settings, version), daemon=True)
            process.start()
            theirs.close()  # else its end would not be seen
            workers[ours] = (process, queue)
        yield from _collect(workers, expected)
    finally:
        for connection, (process, _) in workers.items():
            connection.close()
            process.join(timeout=5)
            if process.is_alive():
                process.kill()
                process.join()


def _collect(workers: dict[Connection, tuple[Any, deque[Work]]], expected: str) -> Iterator[Part]:
    busy: dict[Connection, Work | None] = dict.fromkeys(workers)
    while busy:
        for connection in wait(list(busy)):
            assert isinstance(connection, Connection)
            try:
                message = connection.recv()
            except EOFError as error:
                raise StoreError(
                    "a reading process died (out of memory?).",
                    remedy="Run `dropline reextract` again: it goes on where it was; --processes 1 needs less memory.",
                ) from error
            if isinstance(message, str):
                if message != expected:
                    raise StoreError(
                        f"the extractor changed while it was being used (version {message}, not {expected}).",
                        remedy="Run `dropline reextract` again.",
                    )
            else:
                part = _unpack(message)
                yield part
                if not part.last:
                    continue
            following = _next(workers[connection][1], [queue for _, queue in workers.values()])
            busy[connection] = following
            if following is None:
                del busy[connection]
            else:
                connection.send(following)


def _next(own: deque[Work], queues: Sequence[deque[Work]]) -> Work | None:
    if own:
        return own.popleft()
    longest = max(queues, key=len)
    return longest.pop() if longest else None


def _split(work: Sequence[Work], parts: int) -> Iterator[Sequence[Work]]:
    """Runs of neighbours of about the same size in bytes."""
    total, taken, start = sum(one.size for one in work), 0, 0
    for number in range(parts):
        end = start
        while end < len(work) and (number == parts - 1 or taken < total * (number + 1) / parts):
            taken += work[end].size
            end += 1
        yield work[start:end]
        start = end


Packed = tuple[Work, list[dict[str, Any]], list[Sighting], int, bool, str | None]


def _pack(part: Part) -> Packed:
    # plain dicts: a third faster through the pipe than the records themselves
    fields = [one.__dict__ for one in part.observations]
    return part.work, fields, part.unknown, part.listings, part.last, part.failed


def _unpack(packed: Packed) -> Part:
    work, fields, unknown, listings, last, failed = packed
    return Part(work, [Observation.of_valid(one) for one in fields], unknown, listings, last, failed)


def _serve(connection: Connection, settings: Settings, version: str) -> None:
    """A reading process: tells its extractor's version, then reads the logs it is given until the pipe closes."""
    from monitor.workspace import build_observation_builder

    builder = build_observation_builder(settings)
    try:
        connection.send(builder.version)
        while True:
            work = connection.recv()
            for part in read_log(builder, work, version):
                connection.send(_pack(part))
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return  # whoever asked has gone


Reader = Callable[[Sequence[Work], str], Iterator[Part]]
"""Reads logs under the name of a version."""
