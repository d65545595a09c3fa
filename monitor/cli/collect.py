"""Commands that bring data in: crawl, parse, replay, import."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import typer

from config.errors import UsageError
from monitor.answers import csv_line
from monitor.cli.app import Context, app, current
from monitor.cli.output import note, progress, write_line, write_rows

if TYPE_CHECKING:
    from crawler.replay import ParsedFile
    from crawler.tables.importer import ImportReport, Rejected
    from monitor.crawling import Stored
    from monitor.held import Held
    from monitor.ingest import IngestReport

REMEMBERED = 20_000_000
"""Characters of texts that `replay --each` keeps with what they became when masked: 20 MB, 40 of Cyrillic."""
Identity = Annotated[
    Path | None, typer.Option(help="File with the age secret key that opens encrypted archives.", show_default=False)
]
Paths = Annotated[list[Path], typer.Argument(help="Files, folders or archives.", show_default=False)]


@app.command()
def crawl(
    context: typer.Context,
    markets: Annotated[list[str], typer.Argument(help="Ids of markets (`dropline market list`).", show_default=False)],
    archive: Annotated[bool, typer.Option(help="Keep the pages (scrubbed WARC, ended by `purge`).")] = True,
    kind: Annotated[
        Literal["full", "incremental"] | None,
        typer.Option(
            help="full: every listing's own page is read anew; incremental: new, changed and old ones only. "
            "Default: full for a market's first crawl, then incremental."
        ),
    ] = None,
) -> None:
    """One polite crawl of each market now, through Tor. Refused without a recorded authorisation."""
    import asyncio

    from crawler.items import CrawlKind, CrawlOutcome
    from monitor.crawling import REASONS, plan_crawl, run_crawl, store_crawl
    from monitor.ingest import Ingester
    from monitor.workspace import build_masker, build_observation_builder

    state = current(context)
    settings = state.settings
    plans = [plan_crawl(settings, name, datetime.now(UTC)) for name in dict.fromkeys(markets)]
    masker = build_masker(settings)
    rows = []
    with state.store() as store:
        ingester = Ingester(store, build_observation_builder(settings), settings)
        for planned in plans:
            done = asyncio.run(
                run_crawl(
                    settings,
                    planned,
                    masker=masker,
                    clock=lambda: datetime.now(UTC),
                    kind=None if kind is None else CrawlKind(kind),
                    archive=archive,
                )
            )
            if kind is not None and done.kind != kind:
                note(f"{done.id} had been begun as {done.kind} and was ended as that; the next one can be {kind}.")
            results = store_crawl(settings, planned, done, ingester, masker=masker, now=datetime.now(UTC))
            for one in results:
                if one.held is not None:
                    say_held(one.held)
            if (reason := REASONS.get(done.outcome)) is not None:
                note(f"{done.market} is paused: {reason}. Then: dropline session set {done.market}")
            rows.append(_crawl_row(results[-1]))
        ingester.settle()
    write_rows(rows, state.form)
    missing = [row for row in rows if row["outcome"] != str(CrawlOutcome.COMPLETE) and not row["held"]]
    if missing:
        note("Not every crawl was complete: what they did not see is marked as a gap.")
    if missing or any(row["held"] for row in rows):
        raise typer.Exit(3)


def _crawl_row(result: Stored) -> dict[str, Any]:
    crawl, market = result.crawl, result.crawl.coverage_of()
    return {
        "crawl": crawl.id,
        "kind": str(crawl.kind),
        "outcome": str(crawl.outcome),
        "listings": crawl.listings,
        "relists": len(crawl.relists),
        "coverage": None if market is None else market.value,
        "basis": None if market is None else str(market.basis),
        "found by": ", ".join(f"{count} {name}" for name, count in sorted(crawl.routes.items())),
        "pages": ", ".join(f"{count} {name}" for name, count in sorted(crawl.pages.items())),
        "not stored": ", ".join(f"{count} {name}" for name, count in sorted(crawl.dropped.items())),
        "held": [] if result.held is None else [reason.field for reason in result.held.reasons],
    }


def say_held(held: Held) -> None:
    """Tells a person why a crawl is kept aside, and what to look at."""
    note(f"{held.crawl} is not accepted; it is kept aside, and the store stays as it was.")
    for reason in held.reasons:
        note(f"  {reason.text}")
        if reason.bad:
            note(f"    looks wrong: {reason.bad}" + (f"; looked right: {reason.good}" if reason.good else ""))
    note(f"Look at the pages: dropline market held {held.crawl} --pages FOLDER")
    note(f"Then: dropline market accept {held.crawl}, or: dropline market discard {held.crawl}")


@app.command()
def parse(
    context: typer.Context,
    paths: Paths,
    market: Annotated[str, typer.Option(help="Whose pages these are.")],
    identity: Identity = None,
) -> None:
    """What stands on saved pages: one JSON line a page, {"file", "outcome", "items"}. Nothing is stored."""
    from crawler.replay import iter_saved_pages, parse_saved
    from monitor.crawling import load_market_pages, own_identities
    from monitor.workspace import build_masker

    state = current(context)
    unread: Counter[str] = Counter()
    refused = 0
    masker = build_masker(state.settings)
    saved = iter_saved_pages(paths, own_identities(state.settings, identity))
    reader = load_market_pages(state.settings, market)
    for page in parse_saved(market, saved, masker=masker, observed_at=_newest(paths), page_object=reader):
        line: dict[str, Any] = {"file": page.file, "outcome": page.outcome, "items": page.items}
        if page.reason:
            line["reason"] = page.reason
        refused += page.outcome is None
        unread.update(dict(page.unread))
        write_line(line)
    for name, count in sorted(unread.items()):
        note(f"Field {name} could not be read {count} times.")
    if refused:
        note(f"{refused} pages could not be read at all; their lines say why.")
        raise typer.Exit(3)


@app.command()
def replay(
    context: typer.Context,
    paths: Paths,
    market: Annotated[str, typer.Option(help="Whose pages these are.")],
    observed_at: Annotated[
        str | None, typer.Option(help="When they were saved (ISO 8601); default: the newest file's time.")
    ] = None,
    each: Annotated[
        bool, typer.Option("--each", help="Each path is a crawl of its own, of the time of its newest file.")
    ] = False,
    identity: Identity = None,
) -> None:
    """Saved pages (folder, zip, tar, WARC) through the same page objects into the store, as one crawl, or with `--each`
    as one for each path: texts that come again are then read once."""
    from crawler.items import YEARS
    from crawler.log import log_path
    from crawler.replay import replay_saved
    from extract.observation import CrawlOutcome
    from monitor.crawling import load_market_pages, own_identities
    from monitor.ingest import Ingester
    from monitor.purging import PurgedMonth
    from monitor.workspace import build_masker, build_observation_builder

    state = current(context)
    reader = load_market_pages(state.settings, market)
    if each and observed_at is not None:
        raise UsageError("--each takes every path's own time.", remedy="Leave --observed-at out, or replay one by one.")
    if each:
        parts = sorted((([path], _newest([path])) for path in paths), key=itemgetter(1))
    else:
        parts = [(paths, _newest(paths) if observed_at is None else _moment(observed_at))]
    for named, moment in parts:
        if moment.year not in YEARS:
            raise UsageError(
                f"no page of a market was saved in {moment.year}.", file=named[0],
                remedy="Give the time with --observed-at.",
            )  # fmt: skip
    refused: list[str] = []
    counts: Counter[str] = Counter()
    crawls: list[str] = []
    failed: list[str] = []
    masker = build_masker(state.settings, remember=REMEMBERED if each else 0)
    identities = own_identities(state.settings, identity)
    with state.store() as store, progress() as bars:
        task = bars.add_task(f"replay {market}", total=None)

        def seen(page: ParsedFile) -> None:
            bars.advance(task)
            if page.outcome is None:
                refused.append(f"{page.file}: {page.reason}")

        ingester: Ingester | None = None
        for files, moment in parts:
            done, _ = replay_saved(
                reader.market,
                files,
                masker=masker,
                observed_at=moment,
                data_dir=state.settings.data_dir,
                progress=seen,
                page_object=reader,
                identities=identities,
            )
            # made only now: what is wrong with the files is said without waiting for the vocabulary
            ingester = ingester or Ingester(store, build_observation_builder(state.settings), state.settings)
            try:
                stored = ingester.add_log(log_path(state.settings.logs_dir, done))
            except PurgedMonth as purged:
                if not each:
                    raise
                refused.append(str(purged))
                continue
            crawls.append(stored.id)
            counts.update({"listings": stored.listings, **{f"{k} pages": n for k, n in stored.pages.items()}})
            counts.update(stored.dropped)
            if stored.outcome is CrawlOutcome.FAILED:
                failed.append(stored.id)
        if ingester is not None:
            ingester.settle()
            counts.update({"observations written": ingester.report.written, "unchanged": ingester.report.unchanged})
            refused += [f"not stored: {key}: {reason}" for key, reason in ingester.report.failed]
    for message in refused:
        note(message)
    if ingester is not None:
        _say_lacking(ingester.report)
    rows = [{"what": "crawl", "count": ident} for ident in crawls]
    write_rows([*rows, *({"what": name, "count": count} for name, count in counts.items())], state.form)
    for ident in failed:
        note(f"Nothing on these pages could be read as {market}'s: it is kept as a failed crawl (a gap). "
             f"`dropline parse` shows what is read from one page; `dropline forget --crawl {ident}` takes it out.")
    if refused or failed:
        raise typer.Exit(3)


def _newest(paths: list[Path]) -> datetime:
    """The newest file's time: when pages were saved, where nothing says more."""
    for path in paths:
        if not path.exists():
            raise UsageError("there is no such file or folder.", file=path, remedy="Check the path.")
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else (path,)) if file.is_file()]
    newest = max((file.stat().st_mtime for file in files), default=0.0)
    return datetime.fromtimestamp(newest, UTC)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no time.", remedy="Write ISO 8601: 2020-03-01T12:00:00+00:00.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@app.command(name="import")
def import_tables(
    context: typer.Context,
    paths: Paths,
    mapping_name: Annotated[str, typer.Option("--map", help="A mapping file, or a built-in one: matanga.")],
    rejects: Annotated[
        Path | None, typer.Option(help="CSV of the rows not stored: file, line, reason. Default: in the data folder.")
    ] = None,
) -> None:
    """Bring in tables scraped by others (CSV, TSV, JSON lines, Parquet; plain or in zip or tar) by a mapping file."""
    from crawler.tables.importer import Importer
    from crawler.tables.mapping import load_mapping
    from monitor.ingest import Ingester
    from monitor.purging import PurgedMonth
    from monitor.workspace import build_masker, build_observation_builder

    state = current(context)
    mapping = load_mapping(mapping_name)
    for path in paths:
        if not path.exists():
            raise UsageError("there is no such file or folder.", file=path, remedy="Check the path.")
    rejects = rejects or state.settings.data_dir / "imports" / f"{mapping.id}-rejected.csv"
    with state.store() as store, progress() as bars, RejectFile(rejects) as reject_file:
        importer = Importer(mapping, build_masker(state.settings), state.settings.logs_dir, reject_file.add)
        ingester = Ingester(store, build_observation_builder(state.settings), state.settings)
        stored_already = {crawl.id: crawl for crawl in store.crawls(market=(mapping.market,))}
        task = bars.add_task(f"import {mapping.id}", total=None)
        for path in paths:
            for log in importer.run(path, lambda name, done: bars.update(task, completed=done, description=name[-40:])):
                if log.stem in stored_already:
                    ingester.touch(stored_already[log.stem])
                else:
                    try:
                        ingester.add_log(log)
                    except PurgedMonth as purged:
                        importer.report.problems.append(str(purged))
        bars.update(task, description="offer-days")
        ingester.settle()
    for key, reason in ingester.report.failed:
        importer.report.problems.append(f"not stored: {key}: {reason}")
        importer.report.stored -= 1
        importer.report.reasons["refused"] += 1
    _say(importer.report, state)
    _say_lacking(ingester.report)
    if importer.report.reasons:
        note(f"All of them, with file, line and reason: {rejects}")
    if importer.report.problems:
        raise typer.Exit(3 if importer.report.tables else 1)


class RejectFile:
    """Rows that were not stored, one CSV line each (file, line, reason, detail; never the row's text). Made at the
    first one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: IO[str] | None = None

    def __enter__(self) -> RejectFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, rejected: Rejected) -> None:
        if self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("w", encoding="utf-8", newline="")
            self._stream.write(csv_line(["file", "line", "reason", "detail"]))
        self._stream.write(csv_line([rejected.file, rejected.line, rejected.reason, rejected.detail]))


def _say_lacking(report: IngestReport) -> None:
    """What offers lack although their texts were to give it: without it they have no part in prices."""
    remedies = {
        "quantity": "a quantity that could not be read",
        "price": "a price that could not be read",
        "rate": "a price without a rate to US dollars (`dropline fx import`)",
    }
    for name, words in remedies.items():
        lack = report.lacking[name]
        if lack.offers:
            some = ", ".join(map(repr, lack.examples))
            note(f"{lack.offers} of {report.offers} offers have {words}, such as {some}.")


def _say(report: ImportReport, state: Context) -> None:
    """What came of the rows: to people on standard error, the counts as rows on standard output."""
    from crawler.tables.mapping import name_some

    for one in report.rejected[:5]:
        note(f"{one.file}, line {one.line}: {one.reason}: {one.detail}")
    more = sum(report.reasons.values()) - min(5, len(report.rejected))
    if more > 0:
        note(f"… and {more} more rows counted below.")
    if report.unmapped:
        note(f"Columns neither mapped nor ignored: {name_some(sorted(report.unmapped))}.")
    for name, count in sorted(report.unread.items()):
        note(f"Field {name}: {count} cells are no number, or a negative one, and were left empty.")
    for problem in report.problems:
        note(problem)
    counts = {
        "tables": report.tables,
        "tables unchanged": report.unchanged_tables,
        "rows": report.rows,
        "stored": report.stored,
        **dict(sorted(report.reasons.items())),
    }
    write_rows([{"what": name, "count": count} for name, count in counts.items()], state.form)
