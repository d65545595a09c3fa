"""Every command's help can be shown: a bracket in a text would be taken for markup and end in an error."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from typer.testing import CliRunner

import monitor.cli.app


def iter_commands(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from iter_commands(inner, (*path, name))


def test_the_help_of_every_command_can_be_shown() -> None:
    monitor.cli.app._register()
    paths = list(iter_commands(typer.main.get_command(monitor.cli.app.app)))
    assert len(paths) > 20
    for path in paths:
        shown = CliRunner().invoke(monitor.cli.app.app, [*path, "--help"])
        assert shown.exit_code == 0, (path, shown.exception)
        assert "Usage:" in shown.output
