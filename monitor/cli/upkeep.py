"""The command that checks an installation: doctor."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import DroplineError
from monitor.cli.app import Context, app, current
from monitor.cli.output import note, progress, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

@app.command()
def doctor(
    context: typer.Context,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make anew what the store derives for quick answers, and nothing else.")
    ] = False,
) -> None:
    """Check what this installation needs, and say how to get what is missing. Exit code 1 if something is."""
    state = current(context)
    if rebuild:
        with state.store() as store, progress() as bars:
            task = bars.add_task("", total=None)
            made = store.rebuild(lambda what, done, total: bars.update(
                task, description=what, completed=done, total=total))
        write_rows([{"what": what, "made": count} for what, count in made.items()], state.form)
        note("Rebuilt." if made else "This store derives nothing for itself.")
        return
    rows = list(_checks(state))
    write_rows(rows, state.form)
    if any(row["state"] == "missing" for row in rows):
        raise typer.Exit(1)


def _checks(state: Context) -> Iterator[dict[str, str]]:
    settings = state.settings

    def check(name: str, probe: Callable[[], str], *, needed: bool = True) -> dict[str, str]:
        try:
            return {"what": name, "state": "ok", "about": probe()}
        except (DroplineError, OSError) as error:
            return {"what": name, "state": "missing" if needed else "not there", "about": str(error)}

    yield check("Python", lambda: sys.version.split()[0])
    yield check("data folder", lambda: _writable(state))
    yield check("vendor key", lambda: _key(state))
    yield check("store", lambda: _store(state))
    yield check("purged months", lambda: _purged(state))
    yield check(f"SOCKS {settings.tor_socks}, for crawl", lambda: _socks(settings.tor_socks), needed=False)
    yield check("tor, for demo --tor", _tor, needed=False)
    yield check("JDK, for Elasticsearch on this machine", _jdk, needed=False)
    yield check("authorisations, for crawl", lambda: _authorisations(state), needed=False)


def _writable(state: Context) -> str:
    folder = state.settings.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise DroplineError(f"{folder} cannot be written.", remedy="Choose another with --data-dir.")
    return str(folder)


def _key(state: Context) -> str:
    from crawler.privacy import load_or_make_key

    path = state.settings.key_path
    return f"{load_or_make_key(path)[0]} in {path}" if path.exists() else f"will be made at first use: {path}"


def _store(state: Context) -> str:
    with state.store() as store:
        return f"{state.settings.store_url}, {len(store.crawls())} crawls"


def _purged(state: Context) -> str:
    from index.store import Filter

    with state.store() as store:
        kept_from = store.purged_before()
        if kept_from is None:
            return "none"
        before = Filter(last=kept_from - timedelta(days=1))
        counts = (store.count_distinct(before, (), "offer", version) for version in store.versions())
        if any(count for found in counts for _, count in found):
            raise DroplineError(
                f"some rows before {kept_from} are still there.",
                remedy=f"A purge was broken off: run `dropline purge --before {kept_from}` again.")
        return f"before {kept_from}"


def _socks(address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise DroplineError("nothing answers.", remedy="Start tor, or set tor_socks.") from error
    return "answers"


def _tor() -> str:
    from monitor.demo.tor_network import find_tor

    return find_tor()[0]


def _jdk() -> str:
    from monitor.demo.elastic_fetch import find_jdk

    found = find_jdk(os.environ)
    return f"{found.home}, version {found.major}"


def _authorisations(state: Context) -> str:
    path = state.settings.authorisations_path
    if not path.is_file():
        raise DroplineError("no file of recorded legal bases.", file=path, remedy="See docs/crawling.md.")
    return str(path)
