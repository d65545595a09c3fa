"""The application: global options, the context every command gets, and how errors reach a person."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from config.errors import DroplineError
from config.remedies import of_system
from config.settings import Settings, load_settings
from monitor.cli.output import Format, note

if TYPE_CHECKING:
    from index.store import Store

ANYWHERE = ("--store", "--config", "--format", "--data-dir", "--debug")
"""Global options that may stand behind the command as well: `dropline trends price --format json`. No command has an
option of its own by one of these names."""


class Root(TyperGroup):
    """Takes global options wherever they stand, up to a lone `--`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        values = {name: not getattr(one, "is_flag", False) for one in self.params for name in one.opts}
        ahead, rest = [], list(args)
        at = 0
        while at < len(rest) and rest[at] != "--":
            name, given, _ = rest[at].partition("=")
            if name in ANYWHERE:
                width = 2 if values[name] and not given else 1
                if at + width > len(rest):
                    ctx.fail(f"Option '{name}' requires an argument.")
                ahead += rest[at : at + width]
                del rest[at : at + width]
            else:
                at += 1
        return super().parse_args(ctx, ahead + rest)


app = typer.Typer(
    cls=Root,
    name="dropline",
    help="Research monitor of darknet drug markets: public listing metadata, read, dated and counted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True)
class Context:
    """What the global options came to."""

    settings: Settings
    form: Format
    debug: bool

    def store(self) -> AbstractContextManager[Store]:
        """The store of this call, closed at the end."""
        from index.open import open_store

        return closing(open_store(self.settings.store_url))


def current(context: typer.Context) -> Context:
    found = context.find_object(Context)
    assert found is not None
    return found


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dropline {metadata.version('dropline')}")
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    store: Annotated[
        str | None, typer.Option(help="sqlite:///PATH or http(s)://HOST:PORT; default: a file in the data folder.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (YAML).")] = None,
    form: Annotated[Format, typer.Option("--format", help="How answers are written.")] = Format.TABLE,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of logs, key and store.")] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    context.obj = Context(load_settings(config, store=store, data_dir=data_dir), form, debug)


def _register() -> None:
    # the commands hang themselves on `app`; heavy libraries are imported inside them, so that --help is quick
    from monitor.cli import (  # noqa: F401
        alerts,
        ask,
        care,
        collect,
        demo,
        fx,
        markets,
        publish,
        purge,
        reviewing,
        schedule,
        serve,
        sessions,
        status,
        upkeep,
    )


def main() -> None:
    """Run the command line. Errors become one message and an exit code (DESIGN.md); tracebacks only with --debug."""
    _register()
    debug = "--debug" in sys.argv
    try:
        app()  # leaves by SystemExit: 0, or 2 for wrong use
    except DroplineError as error:
        if debug:
            raise
        note(f"dropline: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output (`| head`) has gone: nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except UnicodeEncodeError:
        if debug or not any("\ud800" <= char <= "\udfff" for word in sys.argv for char in word):
            raise
        note("dropline: a word of the command is not UTF-8 text. Write it in UTF-8; a file of such a name, rename.")
        sys.exit(2)
    except OSError as error:  # what no command has a better word for
        if debug:
            raise
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        remedy = of_system(error) or "Check the path, its rights and the space on its disk."
        note(f"dropline: {where}{error.strerror or error}. {remedy}")
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        note(f"dropline: unexpected {type(error).__name__}: {error}. Run again with --debug and report it, please.")
        sys.exit(1)
