"""Commands about sessions with markets: `session set`, `session show`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from config.errors import InputError, UsageError
from monitor.cli.app import app, current
from monitor.cli.output import note, write_rows

session_app = typer.Typer(help="The operator's own sessions with markets, and paused markets.", no_args_is_help=True)
app.add_typer(session_app, name="session")

MAX_BYTES = 1_000_000


@session_app.command("set")
def session_set(
    context: typer.Context,
    market: Annotated[str, typer.Argument(help="Whose session this is.")],
    file: Annotated[str, typer.Option(help="cookies.txt, or a line name=value; …  - is standard input.")] = "-",
    resume: Annotated[bool, typer.Option("--resume", help="Only lift the pause; the session stays as it is.")] = False,
) -> None:
    """Store the cookies of a session that you opened yourself, and let a paused market go on."""
    from crawler.authorisation import Authorisations
    from crawler.market import load_market
    from crawler.session import hosts_of, parse_cookies, save_session
    from monitor.state import State, state_path

    state = current(context)
    settings = state.settings
    record = load_market(market, (settings.markets_dir,))
    names: list[str] = []
    if not resume:
        now = datetime.now(UTC)
        addresses = record.addresses
        if settings.authorisations_path.is_file():
            from config.yamlfile import load_yaml

            entry = load_yaml(settings.authorisations_path, Authorisations).markets.get(market)
            addresses = entry.addresses if entry is not None and entry.addresses else addresses
        try:
            cookies = parse_cookies(_read(file), hosts_of(addresses), now)
        except InputError as error:
            error.file = None if file == "-" else file
            raise
        save_session(settings.data_dir, market, cookies, now)
        names = sorted(cookies)
    with State(state_path(settings.data_dir)) as kept:
        lifted = kept.resume(market)
    note(f"{market} was paused and goes on with its next crawl." if lifted else f"{market} was not paused.")
    write_rows([{"market": market, "cookies": names, "pause lifted": lifted}], state.form)


def _read(file: str) -> str:
    if file == "-":
        if sys.stdin.isatty():
            note("Paste the cookies, then end with Ctrl-D on a line of its own.")
        raw = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        try:
            with Path(file).open("rb") as stream:
                raw = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise UsageError(f"The file cannot be read ({error.strerror}).", file=file) from error
    if len(raw) > MAX_BYTES:
        raise InputError("This is too long for a session.", remedy="Export the cookies of that one site.")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("This is not UTF-8 text.", remedy="Export the cookies as text.") from error


@session_app.command("show")
def session_show(context: typer.Context) -> None:
    """Which markets have a session (names of cookies, never their values), and which are paused and why."""
    from crawler.session import load_session
    from monitor.state import State, state_path

    state = current(context)
    data_dir = state.settings.data_dir
    sessions = {path.stem: load_session(data_dir, path.stem) for path in sorted((data_dir / "sessions").glob("*.json"))}
    with State(state_path(data_dir)) as kept:
        pauses = {pause.market: pause for pause in kept.pauses()}
    rows = []
    for market in sorted({*sessions, *pauses}):
        session, pause = sessions.get(market), pauses.get(market)
        rows.append(
            {
                "market": market,
                "cookies": [] if session is None else sorted(session.cookies),
                "set": None if session is None else session.set.isoformat(),
                "paused since": None if pause is None else pause.since.isoformat(),
                "reason": None if pause is None else pause.reason,
            }
        )
    if not rows:
        note("No market has a session, and none is paused.")
    write_rows(rows, state.form)
