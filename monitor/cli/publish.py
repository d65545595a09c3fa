"""Commands that hand on and keep safe: export, verify, explain, backup, restore, copy."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from config.errors import UsageError
from monitor.cli.app import app, current
from monitor.cli.ask import Many
from monitor.cli.output import note, progress, write_rows

if TYPE_CHECKING:
    from index.buckets import By
    from index.measures.ask import Money, Of


@app.command()
def export(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="New folder for the package.")],
    measure: Annotated[Many, typer.Option(help="As in `dropline trends` (repeatable); default: listings.")] = None,
    substance: Annotated[Many, typer.Option(help="Main substance, such as mephedrone; unknown for none.")] = None,
    group: Annotated[Many, typer.Option()] = None,
    form: Annotated[Many, typer.Option()] = None,
    region: Annotated[Many, typer.Option(help="ISO 3166 code of the place, with all below it.")] = None,
    ships_from: Annotated[Many, typer.Option()] = None,
    ships_to: Annotated[Many, typer.Option()] = None,
    market: Annotated[Many, typer.Option()] = None,
    stash: Annotated[Many, typer.Option()] = None,
    kind: Annotated[Many, typer.Option()] = None,
    first: Annotated[str | None, typer.Option("--from", help="First day; only whole buckets are exported.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, inclusive.")] = None,
    by: Annotated[str, typer.Option(help="day, week or month.")] = "week",
    split: Annotated[Many, typer.Option(help="A series for each substance, region, market … (repeatable).")] = None,
    with_flagged: Annotated[bool, typer.Option(help="Keep prices flagged as placeholder, outlier …")] = False,
    currency: Annotated[str | None, typer.Option(help="usd, or quoted: the seller's own.")] = None,
    method: Annotated[str, typer.Option(help="turnover: stock, feedback, all.")] = "stock",
    of: Annotated[str | None, typer.Option(help="share, concentration: of turnover or listings.")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap of the intervals.")] = 0,
    level: Annotated[
        str, typer.Option(help="public; restricted withholds nothing: for named colleagues, never to be published.")
    ] = "public",
    lag: Annotated[int, typer.Option(min=0, help="Days a bucket must be over before it is released.")] = 0,
    smallest: Annotated[int, typer.Option(min=10, help="Fewest listings behind a figure.")] = 10,
    fewest_vendors: Annotated[int, typer.Option(min=5, help="Fewest vendors behind a figure.")] = 5,
    against: Annotated[
        list[Path] | None, typer.Option(help="Earlier package to be safe against: no differences (repeatable).")
    ] = None,
    title: Annotated[str | None, typer.Option()] = None,
    creator: Annotated[list[str] | None, typer.Option(help="Author, as to be cited (repeatable).")] = None,
    publisher: Annotated[str | None, typer.Option()] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX id of the licence of the figures: CC-BY-4.0.")] = None,
    doi: Annotated[str | None, typer.Option(help="DOI, where one is reserved.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Day of the release; default: today.")] = None,
    store_digest: Annotated[bool, typer.Option(help="Add the digest of the whole store (reads all of it).")] = False,
) -> None:
    """A citable package of trends: CSV and Parquet, schema with codebook, methods, query, versions, SHA-256.

    Small groups are withheld (docs/exporting.md). No texts, no names."""
    from pydantic import ValidationError

    from index.export.earlier import build_judge
    from index.export.metadata import Publication
    from index.export.package import answer, read_versions, write_package
    from index.export.question import Control, Question
    from monitor.question import build_filter, words

    state = current(context)
    where = build_filter(
        substance=substance, group=group, form=form, region=region, ships_from=ships_from, ships_to=ships_to,
        market=market, stash=stash, kind=kind, first=first, last=last,
    )
    now = datetime.now(UTC)
    day = build_filter(first=as_of).first or now.date()
    try:
        question = Question(
            measures=tuple(dict.fromkeys(words(measure))) or ("listings",), where=where, by=cast("By", by),
            split=words(split), with_flagged=with_flagged, currency=cast("Money | None", currency), method=method,
            of=cast("Of | None", of), seed=seed,
        )
        control = Control(
            level=cast("Any", level), k=smallest, vendors=fewest_vendors, lag_days=lag, as_of=day
        )
        given = {"title": title, "publisher": publisher, "licence": licence, "doi": doi}
        publication = Publication(
            creators=tuple(creator or ()), **{name: value for name, value in given.items() if value}
        )
    except ValidationError as error:
        wrong = error.errors()[0]
        raise UsageError(f"--{wrong['loc'][0]} {wrong['input']!r}: {wrong['msg']}.", remedy="See --help.") from error
    with state.store() as store, progress() as bars:
        bars.add_task("versions", total=None)
        versions = read_versions(
            store, question, dropline=metadata.version("dropline"), whole=store_digest,
            vocabulary=_vocabulary(store.current_version()),
        )
        judge = build_judge(store, question, control, against or [])
        bars.add_task("figures", total=None)
        release = answer(store, question, control, vendor_key=secrets.token_bytes(32), already=judge.already)
        sealed = write_package(
            out, release, question, control, versions, publication, created=now, against=judge.ids
        )
    if sealed.undue:
        note(f"{sealed.undue} rows were left out: their bucket is cut by the dates asked, or not over for long enough.")
    if level != "public":
        note("Nothing is withheld in this package: it must not be published.")
    write_rows(
        [{"measure": name, "rows": sealed.rows[name], "suppressed": sealed.suppressed[name]} for name in sealed.rows],
        state.form,
    )


def _vocabulary(stored: str | None) -> str | None:
    """Digest of the vocabulary tables, if the extractor installed is the one that read the store."""
    from extract.pipeline import digest_extractor
    from extract.vocabulary import TABLES, digest_tables

    return digest_tables(TABLES) if stored == digest_extractor(TABLES) else None


@app.command()
def verify(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A package that `dropline export` wrote.")],
    figures: Annotated[bool, typer.Option(help="Ask the store the same question again.")] = True,
    against: Annotated[list[Path] | None, typer.Option(help="Earlier packages it was made against.")] = None,
) -> None:
    """Check a package: hashes, form, and that the store gives the same figures again. Exit code 1 where not."""
    from index.export.earlier import build_judge
    from index.export.verify import read_sealed, verify_package

    state = current(context)
    with state.store() as store:
        asked = store if figures and store.current_version() is not None else None
        if asked is None:
            findings = verify_package(folder)
        else:
            sealed = read_sealed(folder)
            judge = build_judge(store, sealed.question, sealed.control, against or [])
            findings = verify_package(folder, asked, judge.already if against else None)
    if asked is None:
        note("The figures were not asked again: no store is at hand." if figures else "The figures were not asked.")
    write_rows([{**found.model_dump(), "ok": "yes" if found.ok else "NO"} for found in findings], state.form)
    if not all(found.ok for found in findings):
        raise typer.Exit(1)


@app.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="New file (tar).")],
    with_key: Annotated[bool, typer.Option(help="Put the vendor key in: keep that file as safe as the key.")] = False,
) -> None:
    """Store, state, logs, rates and authorisations in one file with the SHA-256 of each; others may work meanwhile."""
    from monitor.backup import write_backup

    state = current(context)
    with progress() as bars:
        task = bars.add_task("backup", total=None)
        manifest = write_backup(
            state.settings, file, with_key=with_key, created=datetime.now(UTC), dropline=metadata.version("dropline"),
            progress=lambda name: bars.update(task, description=name[-40:], advance=1),
        )
    if not manifest.has_key:
        note("The vendor key is not in it (--with-key): without it later crawls give vendors other pseudonyms.")
    write_rows(
        [{"file": str(file), "files": len(manifest.members), "bytes": sum(one.size for one in manifest.members)}],
        state.form,
    )


@app.command()
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file that `dropline backup` wrote.")],
) -> None:
    """Put a backup back: checks every hash first, and overwrites nothing."""
    from monitor.backup import restore_backup

    state = current(context)
    with progress() as bars:
        task = bars.add_task("restore", total=None)
        manifest = restore_backup(
            state.settings, file, lambda name: bars.update(task, description=name[-40:], advance=1)
        )
    write_rows([{"files": len(manifest.members), "key": "yes" if manifest.has_key else "no"}], state.form)


@app.command()
def copy(
    context: typer.Context,
    to: Annotated[str, typer.Option(help="Store to copy into: sqlite:///PATH or http(s)://HOST:PORT/PREFIX.")],
) -> None:
    """Copy the store (--store) whole into another, of either kind; ends by holding the digests against each other."""
    from index.open import open_store
    from index.transfer import copy_store

    state = current(context)
    if to == state.settings.store_url:
        raise UsageError("a store cannot be copied into itself.", remedy="Name another with --to.")
    with state.store() as source, progress() as bars:
        task = bars.add_task("copy", total=None)
        target = open_store(to)
        try:
            report = copy_store(source, target, lambda what, done: bars.update(task, description=what, completed=done))
        finally:
            target.close()
    write_rows([{**report.model_dump(), "digests": "equal"}], state.form)


@app.command()
def explain(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A measure, or MARKET/LISTING/OFFER/CRAWL of a row of `dropline rows`.")],
    bucket: Annotated[str | None, typer.Option(help="A day in the bucket to explain, YYYY-MM-DD.")] = None,
    by: Annotated[str, typer.Option(help="day, week or month.")] = "week",
    substance: Annotated[Many, typer.Option()] = None,
    group: Annotated[Many, typer.Option()] = None,
    form: Annotated[Many, typer.Option()] = None,
    region: Annotated[Many, typer.Option()] = None,
    ships_from: Annotated[Many, typer.Option()] = None,
    ships_to: Annotated[Many, typer.Option()] = None,
    market: Annotated[Many, typer.Option()] = None,
    stash: Annotated[Many, typer.Option()] = None,
    kind: Annotated[Many, typer.Option()] = None,
    first: Annotated[str | None, typer.Option("--from", help="As in the question, if it cut the bucket.")] = None,
    last: Annotated[str | None, typer.Option("--to")] = None,
    with_flagged: Annotated[bool, typer.Option()] = False,
    currency: Annotated[str | None, typer.Option(help="usd or quoted.")] = None,
    method: Annotated[str, typer.Option(help="turnover: stock, feedback, all.")] = "stock",
    of: Annotated[str | None, typer.Option(help="share, concentration: of turnover or listings.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    accuracy: Annotated[
        Path | None, typer.Option(help="From bench/extraction.py --json; default: accuracy.json in the data folder.")
    ] = None,
) -> None:
    """How one number came about: crawls used and left out, versions, exclusions, rates, expected errors, examples."""
    from crawler.privacy import mask
    from index.buckets import check_by
    from index.explain import explain_row, explain_trend
    from index.measures import MEASURES
    from index.measures.ask import refuse
    from monitor.accuracy import read_accuracy
    from monitor.question import build_filter

    state = current(context)
    known = read_accuracy(accuracy, state.settings.data_dir)
    if "/" not in what and what not in MEASURES:
        refuse("measure", what, MEASURES)
    with state.store() as store:
        if "/" in what:
            facts = explain_row(store, what, accuracy=known, mask=mask)
        else:
            day = build_filter(first=bucket).first
            if day is None:
                raise UsageError("say which bucket.", remedy="Give --bucket YYYY-MM-DD, as `dropline trends` shows it.")
            check_by(by)
            where = build_filter(
                substance=substance, group=group, form=form, region=region, ships_from=ships_from, ships_to=ships_to,
                market=market, stash=stash, kind=kind, first=first, last=last,
            )
            facts = explain_trend(
                store, what, where, bucket=day, by=cast("By", by), with_flagged=with_flagged,
                currency=cast("Money | None", currency), method=method, of=cast("Of | None", of), seed=seed,
                accuracy=known, mask=mask,
            )
    write_rows([fact.model_dump() for fact in facts], state.form)
