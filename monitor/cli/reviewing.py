"""Commands about how texts are read: the review queue, and reading everything again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import UsageError
from monitor.cli.app import Context, app, current
from monitor.cli.output import Format, note, progress, write_rows

if TYPE_CHECKING:
    from config.settings import Settings
    from extract.build import ObservationBuilder
    from index.store import Store
    from monitor.reextract import ReextractReport
    from monitor.rereading import Part, Reader, Work
    from monitor.review import Candidate, ReviewQueue

SMALL = 100_000_000
"""Bytes of logs that are sooner read in this process than others are started."""
SHOWN = 10
"""Series a measure that the table shows; JSON and CSV have all."""

review_app = typer.Typer(help="Words that may name substances we do not know.", invoke_without_command=True)
app.add_typer(review_app, name="review")


@contextmanager
def _queue(state: Context) -> Iterator[ReviewQueue]:
    from monitor.review import ReviewQueue
    from monitor.state import State, state_path

    with State(state_path(state.settings.data_dir)) as kept:
        yield ReviewQueue(kept, state.settings.data_dir)


def _write(candidates: Sequence[Candidate], form: Format) -> None:
    from monitor.review import iter_rows

    write_rows(list(iter_rows(candidates)), form)


@review_app.callback()
def review(
    context: typer.Context,
    status: Annotated[str, typer.Option(help="open, accepted, rejected or all.")] = "open",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
) -> None:
    """Terms of listings that offer something without a known name, those of the most listings first."""
    if context.invoked_subcommand is not None:
        return
    from monitor.review import STATUSES

    wanted = next((known for known in STATUSES if known == status), None)
    if wanted is None and status != "all":
        raise UsageError(f"{status!r} is no status.", remedy=f"Use one of {', '.join(STATUSES)}, all.")
    state = current(context)
    with _queue(state) as queue:
        found = queue.candidates(wanted)
    if not found:
        note("Nothing waits for review." if status == "open" else "There are none.")
    _write(found[:limit], state.form)


@review_app.command("accept")
def accept(
    context: typer.Context,
    term: Annotated[str, typer.Argument(help="As `dropline review` shows it.", show_default=False)],
    substance: Annotated[str | None, typer.Option(help="Id of the substance it names.")] = None,
    means: Annotated[
        str | None, typer.Option(help="Of a value of a field: the unit, hiding type or region code it means.")
    ] = None,
    strength: Annotated[str, typer.Option(help="strong, weak (a word with a harmless sense too) or class.")] = "strong",
) -> None:
    """The term names that substance, the value means that: into your own tables. Listings are read so from now on."""
    if (substance is None) is (means is None):
        raise UsageError("Accepted as what?", remedy="Give --substance for a name, or --means for a value of a field.")
    state = current(context)
    with _queue(state) as queue:
        if means is not None:
            done = queue.accept_value(term, means, datetime.now(UTC))
        elif substance is not None:
            done = queue.accept(term, substance, datetime.now(UTC), strength)
    note("The extractor has a new version by this. When you have accepted all you want: dropline reextract")
    _write([done], state.form)


@review_app.command("reject")
def reject(
    context: typer.Context,
    term: Annotated[str, typer.Argument(help="As `dropline review` shows it.", show_default=False)],
) -> None:
    """The term names no substance, the value means nothing (what was accepted before leaves your tables)."""
    state = current(context)
    with _queue(state) as queue:
        done = queue.reject(term, datetime.now(UTC))
    _write([done], state.form)


@app.command()
def reextract(
    context: typer.Context,
    flip: Annotated[bool, typer.Option("--flip", help="Then let readers see the new version.")] = False,
    back: Annotated[bool, typer.Option("--back", help="Let readers see again what they saw before the flip.")] = False,
    partly: Annotated[bool, typer.Option("--partly", help="Flip though part of the logs could not be read.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Into the version that readers see: prices by rates brought in since.")
    ] = False,
    trends: Annotated[bool, typer.Option(help="Show how each trend moves.")] = True,
    processes: Annotated[int, typer.Option(min=0, help="Reading processes; 0: as the work and machine suggest.")] = 0,
    versions: Annotated[bool, typer.Option("--versions", help="Only list the versions that the store holds.")] = False,
    drop: Annotated[str | None, typer.Option(help="Only remove this version; never the one that readers see.")] = None,
) -> None:
    """Read all logs again with the present extractor into a new version, show how trends move, and flip to it.

    A run that is cut off goes on where it was. New crawls go into both versions meanwhile."""
    from monitor.reextract import Reextractor
    from monitor.state import State, state_path
    from monitor.workspace import build_observation_builder

    if back and (flip or partly):
        raise UsageError("--back and --flip are opposites.", remedy="Give one of them.")
    if (versions or drop is not None or again) and (back or flip or partly):
        raise UsageError("--versions, --drop and --again stand alone.", remedy="Leave the other options out.")
    state = current(context)
    settings = state.settings
    builder = build_observation_builder(settings)
    with state.store() as store, State(state_path(settings.data_dir)) as kept:
        worker = Reextractor(
            store, settings, kept, builder.version, build_reader(settings, builder, processes),
            lambda: datetime.now(UTC),
        )  # fmt: skip
        if versions or drop is not None:
            if drop is not None:
                removed = worker.drop(drop)
                note(f"Version {drop} is gone: {removed} rows. Those who went by it cannot go back to it.")
            seen = store.current_version()
            write_rows([{"version": one, "readers_see_it": one == seen} for one in store.versions()], state.form)
            return
        if again:
            with _bars() as tell:
                report = worker.again(tell)
            note(f"{report.crawls} crawls read again ({report.observations} observations). "
                 "What alerts remember of prices is older: dropline alerts run --fresh")
            _leave(report, "have no log and stay as they were")
            return
        if back:
            with _bars() as tell:
                before, report = worker.back(tell)
            note(f"Readers see version {before} again.")
            _leave(report)
            return
        old = store.current_version()
        with _bars() as tell:
            report = worker.run(tell)
        if old is None or old == builder.version:
            note(f"Readers see version {builder.version}, and that is the present extractor's: nothing to flip. "
                 "After `fx import`: dropline reextract --again")
            _leave(report)
            return
        note(
            f"Version {builder.version}: {report.crawls} crawls read ({report.observations} observations), "
            f"{report.done_before} were done before."
        )
        _tell(report)
        if trends:
            _show_moves(store, old, builder.version, state.form)
        if flip or (report.complete and _asked(f"Let readers see {builder.version} in the place of {old}?")):
            worker.flip(partly=partly)
            note(f"Readers see version {builder.version}. To go back: dropline reextract --back")
        else:
            note(f"Readers still see version {old}. To flip: dropline reextract --flip")
    if not report.complete:
        raise typer.Exit(3)


def _asked(question: str) -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm(question, err=True)


def _leave(report: ReextractReport, without: str = "") -> None:
    """Says what is missing; exit code 3 then."""
    _tell(report, without)
    if not report.complete:
        raise typer.Exit(3)


def _tell(report: ReextractReport, without: str = "") -> None:
    for name, reason in report.failed[:10]:
        note(f"{name}: {reason}")
    if report.missing:
        named = ", ".join(report.missing[:5])
        without = without or f"have no log and are not in version {report.version}"
        note(f"{len(report.missing)} crawls of the store {without}: {named}.")


def _show_moves(store: Store, old: str, new: str, form: Format) -> None:
    from monitor.moves import choose_by, compare, iter_rows

    with _bars() as tell:
        moves = compare(store, old, new, by=choose_by(store.crawls()), progress=tell)
    if form is not Format.TABLE:
        write_rows(list(iter_rows(moves)), form)
        return
    moved = [move for move in moves if move.changed]
    for measure in dict.fromkeys(move.measure for move in moves):
        still = sum(1 for move in moves if move.measure == measure and not move.changed)
        these = [move for move in moved if move.measure == measure]
        left = f", {len(these) - SHOWN} more in --format json" if len(these) > SHOWN else ""
        note(f"{measure}: {len(these)} series move, {still} stand still{left}.")
        if these:
            write_rows(list(iter_rows(these[:SHOWN])), form)


def build_reader(settings: Settings, builder: ObservationBuilder, processes: int) -> Reader:
    """How logs are read: in this process where there is little to read or `processes` is 1."""
    from monitor.rereading import read_here, read_in_processes

    def read(work: Sequence[Work], version: str) -> Iterator[Part]:
        count = processes or (1 if sum(one.size for one in work) < SMALL else min(2, os.cpu_count() or 1))
        if count == 1:
            return read_here(builder, work, version)
        return read_in_processes(settings, work, version, builder.version, count)

    return read


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    with progress() as bars:
        task = bars.add_task("", total=None)
        yield lambda what, done, total: bars.update(task, description=what, completed=done, total=total)
