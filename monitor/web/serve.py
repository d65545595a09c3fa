"""The server: where it listens, by which names it is called, who gets in."""

from __future__ import annotations

import contextlib
import getpass
import logging
import secrets
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import uvicorn

from config.errors import UsageError
from config.settings import Settings
from monitor.delivery.channels import load_channels
from monitor.delivery.plugins import LOOPBACK
from monitor.web.access import Access
from monitor.web.app import AT_ONCE, SECONDS, build_app
from monitor.web.suggestions import Suggestions
from monitor.web.users import User, load_users, users_path
from monitor.web.visit import House

ANYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - told apart, not bound to
AT_MOST = 200
"""Connections at once; more are told to come back."""


@dataclass(frozen=True)
class Place:
    """Where and how it is served. `names`: further host names that it answers to, as a proxy hands them on."""

    host: str = "127.0.0.1"
    port: int = 8080
    names: Sequence[str] = ()
    at_once: int = AT_ONCE
    seconds: float = SECONDS


class Server:
    """Listens from its making on; `address` is what to open in a browser, with the token where there is one.

    Raises UsageError: the address is taken; users are needed for it and there are none; nobody has said by which name
    it is called.
    """

    def __init__(self, settings: Settings, place: Place) -> None:
        users = load_users(settings.data_dir)
        local = place.host in LOOPBACK
        if users is None and not local:
            raise UsageError(
                f"Without users only this machine is served, not {place.host or 'every address'}.",
                remedy="Add one: dropline serve --add-user NAME --role operator",
            )
        link = None if users is None else load_channels(settings.data_dir).dashboard
        outside = [] if users is None else [*place.names, *([str(urlsplit(link).hostname)] if link else [])]
        if not local and place.host not in ANYWHERE:
            outside.append(place.host)
        if not local and not outside:
            raise UsageError(
                "Nobody has said by which name people will call this dashboard.",
                remedy="Give --name HOST, or `dashboard: https://…` in channels.yml (docs/delivery.md).",
            )
        self._socket = _listen(place)
        port = self._socket.getsockname()[1]
        token = secrets.token_urlsafe(32) if users is None else None
        shown = place.host if local else outside[0]
        self.address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/{f'?token={token}' if token else ''}"
        access = Access(_Watched(settings.data_dir).now, token=token, local=getpass.getuser())
        app = build_app(
            House(settings, Suggestions(settings.store_url)), access, [*LOOPBACK, *outside],
            secure=bool(link and link.startswith("https://")), cookie=f"dropline-{port}",
            at_once=place.at_once, seconds=place.seconds,
        )  # fmt: skip
        self._server = uvicorn.Server(uvicorn.Config(
            app, lifespan="off", access_log=False, log_config=None, server_header=False, proxy_headers=False,
            limit_concurrency=AT_MOST, timeout_keep_alive=10, timeout_graceful_shutdown=3, ws="none",
        ))  # fmt: skip

    def run(self) -> None:
        """Until SIGTERM or Ctrl-C."""
        with self._socket, contextlib.suppress(KeyboardInterrupt):
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Lets `run` end, from whatever thread."""
        self._server.should_exit = True


def _listen(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((place.host, place.port))
        listening.listen(128)  # who comes before the server is up waits
    except OSError as error:
        listening.close()
        raise UsageError(
            f"The dashboard cannot be at {place.host}:{place.port} ({error.strerror}).",
            remedy="Give another --port; 0 takes any that is free.",
        ) from error
    return listening


class _Watched:
    """The users, read again when their file has changed."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir, self._lock = data_dir, threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._users: dict[str, User] = {}

    def now(self) -> dict[str, User]:
        try:
            stat = users_path(self._data_dir).stat()
        except FileNotFoundError:
            return {}
        with self._lock:
            if self._seen != (stat.st_mtime_ns, stat.st_ino):
                self._users = load_users(self._data_dir) or {}
                self._seen = (stat.st_mtime_ns, stat.st_ino)
            return self._users


def log_to(stream: TextIO) -> None:
    """What goes wrong, one line each with its traceback; never an address with its query, a name or a password."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name in ("dropline.web", "uvicorn.error"):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.WARNING)
