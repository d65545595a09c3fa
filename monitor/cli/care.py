"""Commands that care for what is there: forget, market."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from config.errors import UsageError
from monitor.cli.app import Context, app, current
from monitor.cli.output import note, write_rows

market_app = typer.Typer(help="The markets that are defined.", no_args_is_help=True)
app.add_typer(market_app, name="market")


@app.command()
def forget(
    context: typer.Context,
    crawl: Annotated[str | None, typer.Option(help="One crawl, by its id.")] = None,
    import_name: Annotated[str | None, typer.Option("--import", help="Name of the file or archive imported.")] = None,
    vendor: Annotated[str | None, typer.Option(help="A vendor's pseudonym.")] = None,
    market: Annotated[str | None, typer.Option(help="Everything of a market.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a crawl, an import, a vendor or a market from the store and from the logs, for good."""
    from crawler.privacy import is_pseudonym
    from monitor.forgetting import forget_crawls, forget_market, forget_vendor

    state = current(context)
    given = [name for name in (crawl, import_name, vendor, market) if name is not None]
    if len(given) != 1:
        raise UsageError("say one thing to forget.", remedy="Give one of --crawl, --import, --vendor, --market.")
    if not yes and not typer.confirm(f"Forget {given[0]!r} for good?", err=True):
        note("Nothing was forgotten.")
        return
    with state.store() as store:
        if market is not None:
            removed = forget_market(store, state.settings.data_dir, market)
        elif vendor is not None:
            if not is_pseudonym(vendor):
                raise UsageError(f"{vendor!r} is no vendor's pseudonym.", remedy="`dropline rows` prints them.")
            removed = forget_vendor(store, state.settings.data_dir, vendor)
        else:
            chosen = [
                one
                for one in store.crawls()
                if one.id == crawl or (import_name is not None and _of_import(one.source, import_name))
            ]
            if not chosen:
                raise UsageError(f"the store has no crawl or import {given[0]!r}.", remedy=_known_imports(state))
            removed = forget_crawls(store, state.settings.data_dir, chosen)
    write_rows([{"forgotten": given[0], "rows": removed}], state.form)
    if not removed:
        note("The store held nothing of it.")


def _of_import(source: str | None, name: str) -> bool:
    wanted = Path(name).name
    return source is not None and (source == wanted or source.startswith((f"{wanted}:", f"{wanted}/")))


def _known_imports(state: Context) -> str:
    with state.store() as store:
        names = sorted({one.source.split(":")[0].split("/")[0] for one in store.crawls() if one.source})
    return (
        f"Imports there are: {', '.join(names[:10])}."
        if names
        else "It has no imports; `dropline status` lists crawls."
    )


@market_app.command("list")
def market_list(context: typer.Context) -> None:
    """The markets that are defined, with their zone."""
    from crawler.market import list_markets, load_market

    state, rows = current(context), []
    own = (state.settings.markets_dir,)
    mine = set(list_markets(own)) - set(list_markets())
    for identity in list_markets(own):
        defined = load_market(identity, own)
        rows.append({"market": defined.id, "name": defined.name, "tz": defined.tz, "demo": defined.demo,
                     "own": identity in mine})  # fmt: skip
    write_rows(rows, state.form)
