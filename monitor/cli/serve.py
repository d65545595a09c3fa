"""The `serve` command: dashboard and API."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import UsageError
from monitor.cli.app import app, current
from monitor.cli.output import note

if TYPE_CHECKING:
    from config.settings import Settings


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen at; all but this machine's need users.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any that is free.")] = 8080,
    name: Annotated[
        list[str] | None, typer.Option(help="Host name that people call it by, beside channels.yml's (repeatable).")
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Questions to the store at once.")] = 4,
    timeout: Annotated[float, typer.Option(min=1, max=3_600, help="Seconds one may take.")] = 60.0,
    add_user: Annotated[
        str | None, typer.Option(help="Add a user, or set another password, and end. The password is asked for.")
    ] = None,
    role: Annotated[str, typer.Option(help="--add-user: reader, analyst or operator.")] = "reader",
    remove_user: Annotated[str | None, typer.Option(help="Remove a user and end.")] = None,
) -> None:
    """Dashboard and API (docs/dashboard.md). Without users: on this machine alone, by the address that is printed."""
    settings = current(context).settings
    if add_user is not None:
        _add(settings, add_user, role)
        return
    if remove_user is not None:
        from monitor.web.users import remove_user as remove

        remove(settings.data_dir, remove_user)
        note(f"{remove_user} can no longer log in.")
        return
    run(settings, host, port, name or (), at_once, timeout)


def run(
    settings: Settings, host: str = "127.0.0.1", port: int = 8080, names: list[str] | tuple[str, ...] = (),
    at_once: int = 4, timeout: float = 60.0,
) -> None:  # fmt: skip
    """Serves until it is told to end."""
    from monitor.web.serve import Place, Server, log_to

    log_to(sys.stderr)
    server = Server(settings, Place(host, port, names, at_once, timeout))
    note(f"Dashboard: {server.address}")
    note("Ctrl-C ends it.")
    server.run()


def _add(settings: Settings, name: str, role: str) -> None:
    from monitor.web.users import MOST_LENGTH, Role, put_user, users_path

    if role not in list(Role):
        raise UsageError(f"{role!r} is no role.", remedy=f"Use one of {', '.join(Role)}.")
    if sys.stdin.isatty():
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        password = sys.stdin.readline(MOST_LENGTH + 2).rstrip("\r\n")
    put_user(settings.data_dir, name, Role(role), password)
    note(f"{name} may log in as {role} ({users_path(settings.data_dir)}). A server that runs takes it up by itself.")
