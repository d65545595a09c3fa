"""Commands for exchange rates: bringing them in, and checking them against what markets print."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.errors import UsageError
from monitor.cli.app import app, current
from monitor.cli.output import note, write_rows

if TYPE_CHECKING:
    from monitor.implied_rates import Gathered

fx_app = typer.Typer(help="Exchange rates.", no_args_is_help=True)
app.add_typer(fx_app, name="fx")


@fx_app.command("import")
def fx_import(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="CSV with the columns date,base,quote,rate,source, or a central bank's XML.")
    ],
) -> None:
    """Bring in a table of daily rates; it comes before the ECB's history that is built in. Files of the Bank of Russia
    and of the National Bank of Kazakhstan are read too (their formats were not verified against the sites)."""
    from extract.fx import write_rates
    from extract.fx_banks import read_rate_file
    from monitor.workspace import rates_folder

    state = current(context)
    rates = read_rate_file(file)
    folder = rates_folder(state.settings)
    folder.mkdir(parents=True, exist_ok=True)
    write_rates(rates, folder / f"{file.stem}.csv")
    useless = sum("USD" not in (rate.base, rate.quote) for rate in rates)
    if useless:
        note(f"{useless} of {len(rates)} rates are not to or from USD: nothing is converted by them.")
    note("Observations that are stored already keep their rates, until: dropline reextract --again")
    write_rows([{"file": file.name, "rates": len(rates)}], state.form)


@fx_app.command("check")
def fx_check(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Saved pages (folder, zip, tar, WARC). Default: the crawl logs.", show_default=False),
    ] = None,
    market: Annotated[list[str] | None, typer.Option(help="Only logs of these markets.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, YYYY-MM-DD.")] = None,
    at: Annotated[str | None, typer.Option(help="Day of saved pages that carry no time of their own.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, max=10, help="Share by which they may differ: 0.05 is five per cent.")
    ] = 0.05,
) -> None:
    """Hold the rates in use against those that markets imply by printing an amount in two currencies, day by day.
    Exit code 1 if any differ by more than the tolerance."""
    from extract.fx_implied import check_rates
    from monitor.crawling import own_identities
    from monitor.implied_rates import gather_from_logs, gather_from_pages
    from monitor.workspace import load_rates

    state = current(context)
    since, until, day = (_date(text, name) for text, name in ((first, "--from"), (last, "--to"), (at, "--at")))
    if since and until and since > until:
        raise UsageError(f"The first day ({since}) is after the last ({until}).", remedy="Swap --from and --to.")
    if paths and market:
        raise UsageError("--market chooses among crawl logs, not among saved pages.", remedy="Give one of them.")
    if paths:
        found = gather_from_pages(paths, own_identities(state.settings), day, since, until)
    else:
        found = gather_from_logs(state.settings.logs_dir, market or (), since, until)
    rates, rows = load_rates(state.settings), list[dict[str, Any]]()
    for of, statements in sorted(found.statements.items()):
        for check in check_rates(statements, rates):
            verdict = "no rate" if check.share is None else "differs" if check.differs(tolerance) else "ok"
            rows.append({"market": of, **check.model_dump(), "verdict": verdict})
    write_rows(rows, state.form)
    _say(found, rows, tolerance)
    if any(row["verdict"] == "differs" for row in rows):
        raise typer.Exit(1)


def _say(found: Gathered, rows: list[dict[str, Any]], tolerance: float) -> None:
    counts = found.counts
    if counts["undated"]:
        note(f"{counts['undated']} pages carry no time and were left out: say of which day they are with --at.")
    if counts["refused"]:
        note(f"{counts['refused']} pages could not be read.")
    if not rows:
        note(f"No amount in two currencies in {counts['listings']} listings and {counts['pages']} pages.")
        return
    verdicts = [row["verdict"] for row in rows]
    agree, differ, alone = (verdicts.count(name) for name in ("ok", "differs", "no rate"))
    note(
        f"{len(rows)} rates of {sum(row['pairs'] for row in rows)} statements: {agree} agree within {tolerance:.1%}, "
        f"{differ} differ, {alone} have no rate to compare with."
    )


def _date(text: str | None, option: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is no date.", remedy="Write YYYY-MM-DD, such as 2020-03-01.") from error
