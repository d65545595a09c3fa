"""`dropline status`: how the installation is, at a glance and for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from monitor.cli.app import app, current
from monitor.cli.output import Format, note, write_rows


@app.command()
def status(
    context: typer.Context,
    about: Annotated[
        Literal["markets", "jobs", "needs"] | None,
        typer.Option(help="One part alone. Default: all as tables; as JSON or CSV the markets."),
    ] = None,
) -> None:
    """Markets (crawls, last and next runs, coverage, age of data, pauses), jobs, and what they need: service, Tor,
    store, disk, undelivered alerts."""
    from monitor.status import build_status

    state = current(context)
    found = build_status(state.settings, state.store, datetime.now(UTC))
    parts = {"markets": found.markets, "jobs": found.jobs, "needs": found.needs}
    if about is not None or state.form is not Format.TABLE:
        write_rows(parts[about or "markets"], state.form)
    else:
        for title, rows in parts.items():
            if rows:
                write_rows(rows, state.form, title=title.capitalize())
    if found.empty and about in {None, "markets"}:
        note("The store is empty: try `dropline demo`, or import a table.")
    for line in (*found.reasons, *found.warnings):
        note(line)
    if found.failed is not None:
        raise found.failed
