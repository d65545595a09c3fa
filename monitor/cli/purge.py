"""The command that removes by age: archived pages, sent messages and, where asked, whole months of observations."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.errors import UsageError
from monitor.cli.app import Context, app, current
from monitor.cli.output import note, write_rows

if TYPE_CHECKING:
    from pathlib import Path

LOGGED_AS = "purged.log"


@app.command()
def purge(
    context: typer.Context,
    older_than: Annotated[int, typer.Option(min=0, help="Days; older archived pages and sent messages go.")] = 90,
    keep_months: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Whole months of observations that stay beside the running one. "
            "Default: the setting keep_months; without it observations stay for ever.",
        ),
    ] = None,
    before: Annotated[
        str | None, typer.Option(help="Instead: the first day of observations that stays, the first of a month.")
    ] = None,
    with_logs: Annotated[
        bool | None,
        typer.Option(
            "--with-logs/--keep-logs",
            help="Whether the crawl logs of those months go too. Default: the setting purge_logs, else they stay.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go; remove nothing.")] = False,
) -> None:
    """Remove by age: archived pages, sent messages of alerts and, where asked or set, whole months of observations.
    Purged months are gaps from then on. What was removed is written to the purge log."""
    from crawler.archive import purge as purge_archive
    from monitor.delivery.outbox import Outbox
    from monitor.state import State, state_path

    state = current(context)
    settings, now = state.settings, datetime.now(UTC)
    kept_from = choose_kept_from(settings.keep_months, keep_months, before, now.date())
    logs_too = settings.purge_logs if with_logs is None else with_logs
    age = timedelta(days=min(older_than, 366 * 1000))
    rows: list[dict[str, Any]] = []
    if kept_from is not None:
        rows += _purge_months(state, kept_from, now, with_logs=logs_too, dry=dry_run)
    elif with_logs:
        raise UsageError("--with-logs says nothing alone.", remedy="Give --keep-months or --before too.")
    gone = purge_archive(settings.data_dir / "archive", age, now, dry=dry_run)
    rows += [{"archive": one.path.name, "bytes": one.size} for one in gone]
    sent = 0
    if not dry_run:
        with State(state_path(settings.data_dir)) as kept:
            sent = Outbox(kept).forget_sent(now - age)
        _log(settings.data_dir, now, [f"{one.path.name} {one.size}" for one in gone])
    write_rows(rows, state.form)
    if dry_run:
        note(f"{len(gone)} archives would be removed. Nothing was.")
    else:
        note(f"{len(gone)} archives removed, {sent} sent messages forgotten.")


def choose_kept_from(setting: int | None, keep_months: int | None, before: str | None, today: date) -> date | None:
    """The first day of observations that stays, by the setting and the two options; None: all stay."""
    from monitor.purging import check_first_kept, first_kept

    if keep_months is not None and before is not None:
        raise UsageError("--keep-months and --before say the same.", remedy="Give one of them.")
    if before is not None:
        try:
            day = date.fromisoformat(before)
        except ValueError as error:
            remedy = "Write YYYY-MM-DD, such as 2026-01-01."
            raise UsageError(f"--before {before!r} is no date.", remedy=remedy) from error
        return check_first_kept(day, today)
    months = setting if keep_months is None else keep_months
    return None if months is None else first_kept(months, today)


def _purge_months(
    state: Context, kept_from: date, now: datetime, *, with_logs: bool, dry: bool
) -> list[dict[str, Any]]:
    from monitor.purging import plan_purge, purge_months
    from monitor.versions import store_name

    with state.store() as store:
        months = [asdict(month) for month in plan_purge(store, state.settings.data_dir, kept_from, with_logs=with_logs)]
        total = sum(month["observations"] for month in months)
        if dry:
            note(f"Before {kept_from}: {total} observations would be removed.")
            return months
        done = purge_months(store, state.settings.data_dir, kept_from, with_logs=with_logs)
    note(f"Before {kept_from}: {done.rows} rows removed from the store, {len(done.logs)} crawl logs removed.")
    if done.rows or done.logs:
        said = f"store {store_name(state.settings)} before {kept_from}: {done.rows} rows"
        _log(state.settings.data_dir, now, [said, *(log.name for log in done.logs)])
    return months


def _log(data_dir: Path, now: datetime, lines: list[str]) -> None:
    if lines:
        with (data_dir / LOGGED_AS).open("a", encoding="utf-8") as log:
            log.writelines(f"{now.isoformat(timespec='seconds')} {line}\n" for line in lines)
