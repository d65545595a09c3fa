"""Commands about markets: writing a definition (`new`, `check`), and crawls that were not accepted (`held`, `accept`,
`discard`)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from config.errors import UsageError
from monitor.cli.app import current
from monitor.cli.care import market_app
from monitor.cli.collect import Identity, say_held
from monitor.cli.output import Format, note, write_json, write_rows

Saved = Annotated[list[Path], typer.Argument(help="Saved pages: files, folders, archives.", show_default=False)]
Folder = Annotated[Path | None, typer.Option("--markets", help="Folder of your own markets (one folder each).")]


@market_app.command("check")
def market_check(
    context: typer.Context, market: str, paths: Saved, markets: Folder = None, identity: Identity = None
) -> None:
    """What the definition reads from saved pages, field by field: how often filled, how often unread, examples."""
    from crawler.check import check_market
    from crawler.pages import load_pages
    from crawler.saved import iter_saved_pages
    from monitor.crawling import own_identities
    from monitor.workspace import build_masker

    state = current(context)
    reader = load_pages(market, (markets or state.settings.markets_dir,))
    saved = iter_saved_pages(paths, own_identities(state.settings, identity))
    check = check_market(
        reader, saved, masker=build_masker(state.settings), now=datetime.now(UTC)
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
    parent = markets or state.settings.markets_dir
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
    where = "" if markets is None else f" --markets '{parent}'"
    note(f"Next: dropline market check {market}{where} FILE…")
    write_rows([{"market": market, "file": str(file), "to do": len(guess.notes)}], state.form)


Crawl = Annotated[str, typer.Argument(help="Id of the held crawl.", show_default=False)]


@market_app.command("held")
def market_held(
    context: typer.Context,
    crawl: Annotated[str | None, typer.Argument(help="Only this one.", show_default=False)] = None,
    pages: Annotated[Path | None, typer.Option(help="Folder to put its example pages into, as HTML.")] = None,
    identity: Identity = None,
) -> None:
    """Crawls that were not accepted: which field, by how much, and a page that shows it beside one that does not."""
    from monitor.crawling import own_identities
    from monitor.held import find_held, iter_held, write_pages

    state = current(context)
    data_dir = state.settings.data_dir
    every = list(iter_held(data_dir)) if crawl is None else [find_held(data_dir, crawl)]
    if pages is not None:
        if crawl is None:
            raise UsageError("--pages is about one crawl.", remedy="Name it: market held CRAWL --pages FOLDER.")
        written = write_pages(data_dir, every[0], pages, own_identities(state.settings, identity))
        note(f"{len(written)} pages in {pages}. Vendors' names are in them: remove them when you have looked.")
    rows = [
        {"market": held.market, "crawl": held.crawl, "since": held.since.isoformat(), "listings": held.listings,
         "field": reason.field, "reason": reason.text, "bad page": reason.bad, "good page": reason.good}
        for held in every for reason in held.reasons
    ]  # fmt: skip
    if not rows:
        note("No crawl is held.")
    write_rows(rows, state.form)


@market_app.command("accept")
def market_accept(context: typer.Context, crawl: Crawl) -> None:
    """Store a held crawl after all: its pages were read well, the market itself has changed."""
    from monitor.accepting import accept
    from monitor.held import find_held

    state = current(context)
    held = find_held(state.settings.data_dir, crawl)
    with state.store() as store:
        stored, written = accept(store, state.settings, held)
    note(f"If the market stays so, change bounds in its market.yml: {', '.join(one.field for one in held.reasons)}.")
    write_rows([{"crawl": stored.id, "listings": stored.listings, "written": written}], state.form)


@market_app.command("discard")
def market_discard(
    context: typer.Context, crawl: Crawl, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Remove a held crawl with its archived pages, for good: its days stay a gap."""
    from monitor.held import discard, find_held

    state = current(context)
    held = find_held(state.settings.data_dir, crawl)
    if not yes:
        say_held(held)
        if not typer.confirm(f"Discard {held.crawl} for good?", err=True):
            note("Nothing was discarded.")
            return
    discard(state.settings.data_dir, held)
    write_rows([{"discarded": held.crawl, "listings": held.listings}], state.form)
