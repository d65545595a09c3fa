"""The real server over plain HTTP, on a small made-up market: as a program, or a browser without JavaScript, meets it."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from alert_market import VERSION, a_day, build_crawl, seen_by

from config.settings import Settings
from index.derive import derive_offer_days
from index.open import open_store
from monitor.web.serve import Place, Server
from monitor.web.users import Role, put_user

PASSWORD = "correct horse battery"
COUNTS = [40, 41, 42, 40, None, 43, 44, 41, 40, 42, 90, 92, 43, 41]
"""Listings of mephedrone by day; a gap on the fifth; more than 50 on two days."""


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """What a person reads: without tags, unescaped, on one line."""
        plain = re.sub(r"<(style|svg).*?</\1>|<[^>]*>", " ", self.body, flags=re.DOTALL)
        return " ".join(unescape(plain).split())


class Client:
    """Keeps cookies as a browser does; follows nothing."""

    def __init__(self, address: str) -> None:
        self.place = urlsplit(address)
        self.token = parse_qs(self.place.query).get("token", [""])[0]
        self.cookies: dict[str, str] = {}

    def ask(
        self, path: str, form: Mapping[str, Any] | None = None, *, method: str | None = None, body: str | None = None,
        **headers: str,
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        if form is not None:
            body = urlencode(form, doseq=True)
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        connection = http.client.HTTPConnection(str(self.place.hostname), self.place.port, timeout=60)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, sent)
            got = connection.getresponse()
            text = got.read().decode()
        finally:
            connection.close()
        for line in got.headers.get_all("set-cookie", []):
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0]
            self.cookies[name] = value
            if "Max-Age=0" in line:
                del self.cookies[name]
        return Answer(got.status, {name.lower(): value for name, value in got.headers.items()}, text, dict(self.cookies))

    def log_in(self, name: str, password: str = PASSWORD) -> Answer:
        return self.ask("/login", {"name": name, "password": password, "next": "/"})

    def open(self) -> Client:
        """Opens the printed address."""
        answer = self.ask(f"{self.place.path}?{self.place.query}")
        assert answer.status == 303, answer.body
        return self

    def send(self, path: str, form: Mapping[str, Any], page: str = "/") -> Answer:
        """A form as the page of ours sends it: with its token."""
        return self.ask(path, {**form, "form_token": self.form_token(page)})

    def form_token(self, page: str = "/") -> str:
        found = re.search(r'name="form_token" value="([^"]+)"', self.ask(page).body)
        assert found is not None
        return found[1]


FIRST = -3_003
"""The world begins on a Monday of 2024, as `alert_market` counts: what is not over is not judged, nor published."""


def day(number: int) -> date:
    return a_day(FIRST + number)


def build_data(folder: Path) -> Settings:
    """A data folder with the market in it."""
    settings = Settings(data_dir=folder, store=f"sqlite:///{folder / 'store.db'}", tor_socks="127.0.0.1:9")
    fill(settings)
    return settings


def fill(settings: Settings) -> None:
    """Puts the market into a store."""
    store = open_store(settings.store_url)
    crawls = {number: build_crawl(FIRST + number) for number, count in enumerate(COUNTS) if count is not None}
    store.write_crawls(list(crawls.values()))
    store.write(
        seen_by(crawl, listing, region="GE-TB") for number, crawl in crawls.items()
        for listing in range(COUNTS[number] or 0)
    )  # fmt: skip
    derive_offer_days(store, "m", VERSION, day(0))
    store.close()


def add_users(folder: Path) -> None:
    for role in Role:
        put_user(folder, role.value, role, PASSWORD)


@contextmanager
def serving(settings: Settings, **place: Any) -> Iterator[Client]:
    """The server in a thread of this process; a client that has not logged in."""
    server = Server(settings, Place(port=0, **place))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield Client(server.address)
    finally:
        server.stop()
        thread.join(20)


@dataclass
class Running:
    """A `dropline` that serves, in a process of its own. `rest`: what it said on standard error after the address."""

    child: subprocess.Popen[str]
    address: str
    rest: str = ""

    def stop(self, how: signal.Signals) -> None:
        self.child.send_signal(how)
        assert self.child.stderr is not None
        self.rest = self.child.stderr.read()
        assert self.child.wait(20) in {0, -how}


@contextmanager
def started(out: Path, *arguments: str) -> Iterator[Running]:
    """The command with these arguments, its standard output in a file; up as soon as it prints its address."""
    command = [sys.executable, "-m", "monitor.cli", *arguments]
    with out.open("w") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        said = []
        try:
            for line in child.stderr:
                said.append(line)
                if line.startswith("Dashboard: "):
                    break
            address = said[-1].removeprefix("Dashboard: ").strip() if said else ""
            assert address.startswith("http"), "".join(said)
            yield Running(child, address)
        finally:
            if child.poll() is None:
                child.kill()
