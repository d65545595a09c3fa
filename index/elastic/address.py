"""Where the cluster is: one address, or several of its nodes."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from config.errors import UsageError

_REMEDY = "Give http(s)://[USER:PASSWORD@]HOST:PORT[,HOST:PORT...][/PREFIX]."


@dataclass(frozen=True)
class Address:
    """The nodes to ask, any of them. `shown` is the address without its password."""

    nodes: tuple[str, ...]
    prefix: str
    user: str | None
    password: str | None
    shown: str


def parse_address(url: str) -> Address:
    """`http(s)://[user:pass@]HOST:PORT[,[http(s)://]HOST:PORT...][/PREFIX]`; the prefix of all index names is
    `dropline` unless given. A node without a scheme takes that of the first. One user and one prefix hold for all
    nodes."""
    nodes: list[str] = []
    users: list[SplitResult] = []
    prefixes: list[str] = []
    scheme = url.partition("://")[0]
    for piece in url.split(","):
        parts = urlsplit(piece if "://" in piece else f"{scheme}://{piece}")
        try:
            port = parts.port or (443 if parts.scheme == "https" else 9200)
        except ValueError as error:
            raise UsageError(f"the store address {parts.hostname!r} has a wrong port.", remedy=_REMEDY) from error
        if not parts.hostname or parts.scheme not in {"http", "https"}:
            raise UsageError("a node of the store address has no host.", remedy=_REMEDY)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        nodes.append(f"{parts.scheme}://{host}:{port}")
        if parts.username:
            users.append(parts)
        if parts.path.strip("/"):
            prefixes.append(parts.path.strip("/"))
    if len(set(prefixes)) > 1 or len({(user.username, user.password) for user in users}) > 1:
        raise UsageError("the nodes of the store address differ in user or prefix.", remedy=_REMEDY)
    prefix = prefixes[0] if prefixes else "dropline"
    if prefix != prefix.lower() or prefix[0] in "-_+" or any(sign in prefix for sign in '\\/*?"<>| ,#:@'):
        raise UsageError(
            f"{prefix!r} cannot begin the name of an index.", remedy="Use small letters, digits and hyphens: /my-study."
        )
    return Address(
        tuple(dict.fromkeys(nodes)), prefix,
        unquote(users[0].username or "") if users else None,
        unquote(users[0].password or "") if users else None, f"{','.join(nodes)}/{prefix}")
