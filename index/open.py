"""From an address to a Store."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from config.errors import UsageError
from index.sqlite.store import SqliteStore
from index.store import Store

_REMEDY = "Give sqlite:///PATH (four slashes for an absolute path) or http(s)://HOST:PORT[/PREFIX]."


def open_store(url: str) -> Store:
    """The store at `sqlite:///PATH` (relative; `sqlite:////PATH` absolute) or `http(s)://[user:pass@]HOST:PORT[/PREFIX]`.

    Nothing is opened or reached before the first use. UsageError for another kind of address.
    """
    scheme, separator, rest = url.partition("://")
    if scheme == "sqlite" and separator:
        if not rest.startswith("/") or len(rest) < 2:
            raise UsageError(f"the store address {url!r} has no path.", remedy=_REMEDY)
        return SqliteStore(Path(unquote(rest[1:])))
    if scheme in {"http", "https"} and urlsplit(url).hostname:
        from index.elastic.store import ElasticStore  # the client takes half a second to import

        return ElasticStore(url)
    raise UsageError(f"the store address {url!r} is not understood.", remedy=_REMEDY)
