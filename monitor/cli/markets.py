"""Commands for writing a market's definition: `market new`, `market check`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from config.errors import UsageError
from monitor.cli.app import current
from monitor.cli.care import market_app
from monitor.cli.output import Format, note, write_json, write_rows

Saved = Annotated[list[Path], typer.Argument(help="Saved pages: files, folders, archives.", show_default=False)]
Folder = Annotated[Path | None, typer.Option("--markets", help="Folder of your own markets (one folder each).")]


@market_app.command("check")
def market_check(context: typer.Context, market: str, paths: Saved, markets: Folder = None) -> None:
    """What the definition reads from saved pages, field by field: how often filled, how often unread, examples."""
    from crawler.check import check_market
    from crawler.pages import load_pages
    from crawler.saved import iter_saved_pages
    from monitor.workspace import build_masker

    state = current(context)
    reader = load_pages(market, () if markets is None else (markets,))
    check = check_market(
        reader, iter_saved_pages(paths), masker=build_masker(state.settings), now=datetime.now(UTC)
    )
    if not check.pages:
        raise UsageError("there are no saved pages in it.", remedy="Name .html files, a folder, or an archive.")
    rows: list[dict[str, Any]] = [
        {
            "page": one.seen_on,
            "field": one.name,
            "filled": one.filled,
            "of": one.listings,
            "share": one.filled / one.listings if one.listings else None,
            "unread": one.unread,
            "examples": one.examples,
        }
        for one in check.fields.values()
    ]
    if state.form is Format.TABLE:
        files = [dict(zip(("file", "outcome", "listings", "reason"), page, strict=True)) for page in check.pages]
        write_rows(files, Format.TABLE, title="Pages")
        write_rows(rows, Format.TABLE, title="Fields", columns=("page", "field", "filled", "of"))
    elif state.form is Format.JSON:
        files = [dict(zip(("file", "outcome", "listings", "reason"), page, strict=True)) for page in check.pages]
        write_json({"pages": files, "fields": rows, "archive_differs": check.archive_differs})
    else:
        write_rows(rows, state.form)
    for name in check.archive_differs:
        note(f"{name}: its archived form reads otherwise; see `archive` in docs/new-market.md.")
    unknown = sum(check.outcomes[name] for name in ("unknown-layout", "not readable"))
    if unknown or check.unread or check.archive_differs:
        note(f"{unknown} pages are not understood, {check.unread} declared values could not be read.")
        raise typer.Exit(3)


@market_app.command("new")
def market_new(
    context: typer.Context,
    market: Annotated[str, typer.Argument(help="Id of the new market: lower-case letters, digits, hyphens.")],
    source: Annotated[
        list[Path], typer.Option("--from", help="Saved pages; repeatable. One index and one listing page at least.")
    ],
    markets: Folder = None,
) -> None:
    """Draft the folder of a new market: market.yml with guessed selectors. What it reads is shown by `market check`."""
    from config.yamlfile import load_yaml
    from crawler.draft import draft_market
    from crawler.market import Market, list_markets
    from crawler.saved import iter_saved_pages

    state = current(context)
    parent = markets or state.settings.data_dir / "markets"
    folder = parent / market
    if market in list_markets((parent,)):
        raise UsageError(f"there is a market {market!r} already.", remedy="Choose another id.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", market):
        raise UsageError(f"{market!r} is no id.", remedy="Use lower-case letters, digits and hyphens, at most 32.")
    guess = draft_market(market, iter_saved_pages(source))
    (folder / "fixtures").mkdir(parents=True)
    file = folder / "market.yml"
    file.write_text(guess.text, encoding="utf-8")
    load_yaml(file, Market)  # what we drafted must at least be a market
    for one in guess.notes:
        note(one)
    note(f"Next: dropline market check {market} --markets '{parent}' FILE…")
    write_rows([{"market": market, "file": str(file), "to do": len(guess.notes)}], state.form)

