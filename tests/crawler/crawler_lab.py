"""A small shop of our own on loopback, with faults, for the crawler's tests (real server, no mocks)."""

from __future__ import annotations

import gzip
import http.server
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from crawler.market import Market

ITEMS = 24
PER_PAGE = 8


def lab_market(**changes: object) -> Market:
    """The shop's market.yml. `changes` replace top-level keys."""
    return Market.model_validate(
        {
            "id": "lab",
            "name": "Lab",
            "demo": True,
            "languages": ["en"],
            "start": ["/list"],
            "budget": {"in_flight": 4, "delay": 0, "page_seconds": 3, "page_bytes": 200_000, "retries": 2},
            "index": [
                {
                    "when": "ul.shelf",
                    "row": "ul.shelf > li",
                    "detail": "a::attr(href)",
                    "total": {"css": "p.total", "optional": True},
                    "links": ["a.next::attr(href)", "a.more::attr(href)"],
                    "fields": {
                        "listing": {"css": "a::attr(href)", "re": r"(\d+)$"},
                        "title": "a",
                        "vendor": "b",
                        "offers": [{"price": "i"}],
                    },
                }
            ],
            "detail": {
                "when": "article",
                "fields": {
                    "listing": "article::attr(data-id)",
                    "title": "article h1",
                    "vendor": "article b",
                    "description": {"css": "article pre", "lines": True},
                    "offers": [{"row": "tr", "price": "td.p", "quantity": "td.q"}],
                },
            },
            **changes,
        }
    )


class Shop(http.server.ThreadingHTTPServer):
    """Paths hit are in `hits`; `extra` holds links shown on the first index page; `down` paths answer 503 first."""

    daemon_threads = True

    def __init__(self, first: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.first = first
        """Number of its first listing: another shop shows other ones."""
        self.hang_up = False
        self.hits: list[str] = []
        self.headers_seen: list[dict[str, str]] = []
        self.extra: list[str] = []
        self.busy: dict[str, int] = {}
        self.items = ITEMS
        self.price = 100
        self.total = True
        self.challenge_after: int | None = None
        self.pause = 0.0
        self.faults: dict[str, str] = {}
        """By path: what happens there instead (see `_Handler.broken`); "*" for every path after `sound` hits."""
        self.sound = 0
        self.times: dict[str, list[float]] = {}

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed in the middle of an answer is what the tests are about."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Shop
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""

    def send(self, body: str | bytes, status: int = 200, **headers: str) -> None:
        raw = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        sent = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(raw))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in sent.items():
            self.send_header(name, value)
        if self.server.hang_up:
            # said, not only done: a client that finds its connection gone has lost the next request
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        shop, path = self.server, self.path
        shop.hits.append(path)
        shop.headers_seen.append(dict(self.headers))
        shop.times.setdefault(path, []).append(time.monotonic())
        time.sleep(shop.pause)
        fault = shop.faults.get(path) or (shop.faults.get("*") if len(shop.hits) > shop.sound else None)
        if fault is not None:
            if fault.endswith("once"):
                shop.faults.pop(path)
            self.broken(fault)
            return
        if shop.challenge_after is not None and len(shop.hits) > shop.challenge_after:
            self.send("<html><form><input name=captcha></form></html>")
        elif shop.busy.get(path, 0) > 0:
            shop.busy[path] -= 1
            self.send("<html>busy</html>", 503)
        elif path.startswith("/list"):
            self.index(int(path.partition("=")[2] or 0))
        elif path.startswith("/item/"):
            self.item(int(path.rpartition("/")[2]))
        else:
            self.fault(path)

    def index(self, page: int) -> None:
        shop = self.server
        ids = range(page * PER_PAGE, min(shop.items, (page + 1) * PER_PAGE))
        rows = "".join(
            f"<li><a href='/item/{i}'>Sencha tea {i}</a><b>Tea House {i % 3}</b><i>USD {shop.price + i}</i></li>"
            for i in (shop.first + number for number in ids)
        )
        more = f"<a class=next href='/list?p={page + 1}'>next</a>" if (page + 1) * PER_PAGE < shop.items else ""
        extra = "".join(f"<a class=more href='{link}'>more</a>" for link in shop.extra) if page == 0 else ""
        total = f"<p class=total>{shop.items}</p>" if shop.total else ""
        self.send(f"<html>{total}<ul class=shelf>{rows}</ul>{more}{extra}</html>")

    def item(self, i: int) -> None:
        price = self.server.price + i
        self.send(
            f"<html><article data-id={i}><h1>Sencha tea {i}</h1><b>Tea House {i % 3}</b>"
            f"<pre>Dried leaves.\nTin {i}</pre>"
            f"<table><tr><td class=q>1 g</td><td class=p>USD {price}</td></tr>"
            f"<tr><td class=q>5 g</td><td class=p>USD {price * 4}</td></tr></table></article></html>"
        )

    def broken(self, fault: str) -> None:
        kind, _, value = fault.partition(" ")
        if kind in {"503", "429"}:
            self.send("<html>busy</html>", int(kind), Retry_After=value.split()[0])
        elif kind == "hang":
            time.sleep(float(value))
            self.close_connection = True
        elif kind == "huge":
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.close_connection = True
            piece = b"<p>" + b"x" * 65_536
            try:
                self.wfile.write(b"<html>")
                for _ in range(800):
                    self.wfile.write(piece)
            except OSError:
                return
        elif kind == "loop":
            number = int(self.path.rpartition("=")[2]) if "loop=" in self.path else 0
            self.send("", 302, Location=f"/to//loop?loop={number + 1}")
        elif kind == "to":
            self.send("", 302, Location=value)
        elif kind == "captcha":
            self.send("<html><form><input name=captcha></form></html>")
        elif kind == "login":
            self.send("<html><form><input type=password></form></html>")
        elif kind == "layout":
            self.send("<html><main><div class=card>Sencha tea</div></main></html>")
        elif kind == "calendar":
            day = int(self.path.rpartition("=")[2]) if "day=" in self.path else 0
            links = "".join(f"<a class=more href='/calendar?day={day * 2 + more}'>day</a>" for more in (1, 2))
            self.send(f"<html><ul class=shelf></ul>{links}</html>")
        elif kind == "copies":
            rows = "".join(f"<li><a href='/item/{i}'>Sencha tea {i}</a><b>Tea House {i % 3}</b><i>USD {100 + i}</i></li>"
                           for i in range(PER_PAGE))  # fmt: skip
            links = "".join(f"<a class=more href='/copy?s={len(self.server.hits)}{n}'>more</a>" for n in range(3))
            self.send(f"<html><ul class=shelf>{rows}</ul>{links}</html>")
        else:
            self.fault(f"/{kind}")

    def fault(self, path: str) -> None:
        if path == "/drip":  # a byte every 0.2 s, for 60 s
            self.send_response(200)
            self.send_header("Content-Length", "300")
            self.end_headers()
            try:
                for _ in range(300):
                    self.wfile.write(b".")
                    self.wfile.flush()
                    time.sleep(0.2)
            except OSError:
                self.close_connection = True
        elif path == "/big":
            self.send(b"<html>" + b"x" * 300_000 + b"</html>")
        elif path == "/bomb":
            self.send(gzip.compress(b"<html>" + b"x" * 3_000_000 + b"</html>"), Content_Encoding="gzip")
        elif path == "/gzip":
            packed = gzip.compress(b"<html><article data-id=77><h1>packed</h1></article></html>")
            self.send(packed, Content_Encoding="gzip")
        elif path == "/image":
            self.send(b"\x89PNG....", Content_Type="image/png")
        elif path.startswith("/loop"):
            self.broken("loop")
        elif path.startswith("/calendar"):
            self.broken("calendar")
        elif path.startswith("/copy"):
            self.broken("copies")
        elif path.startswith("/to/"):
            self.send("", 302, Location=path.removeprefix("/to/"))
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "10000")
            self.end_headers()
            self.wfile.write(b"<html>")
            self.close_connection = True
        elif path == "/cookie":
            self.send("<html><ul class=shelf></ul></html>", Set_Cookie="fresh=yes; Path=/; HttpOnly")
        elif path == "/login":
            self.send("<html><form><input type=password></form></html>")
        else:
            self.send("<html><h1>404 not found</h1></html>", 404)


Server = TypeVar("Server", bound=socketserver.BaseServer)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """A server of the lab, at work in a thread until the block ends."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def open_shop(first: int = 0) -> Iterator[Shop]:
    """The shop, served until the block ends."""
    with serving(Shop(first)) as shop:
        yield shop


class Socks(socketserver.ThreadingTCPServer):
    """A SOCKS5 proxy that leads every name to one server of ours and writes down what it was asked for.

    `asked` holds (user, password, address type, host): type 3 is a name, so that DNS is left to the proxy.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _SocksHandler)
        self.target = target
        self.dead: set[str] = set()
        self.others: dict[str, int] = {}
        """Names that lead to another port."""
        self.asked: list[tuple[str, str, int, str]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _SocksHandler(socketserver.StreamRequestHandler):
    server: Socks

    def handle(self) -> None:
        _, methods = self.rfile.read(2)
        offered = self.rfile.read(methods)
        user = password = ""
        if 2 in offered:
            self.wfile.write(b"\x05\x02")
            self.rfile.read(1)
            user = self.rfile.read(self.rfile.read(1)[0]).decode()
            password = self.rfile.read(self.rfile.read(1)[0]).decode()
            self.wfile.write(b"\x01\x00")
        else:
            self.wfile.write(b"\x05\x00")
        kind = self.rfile.read(4)[3]
        length = self.rfile.read(1)[0] if kind == 3 else {1: 4, 4: 16}[kind]
        host = self.rfile.read(length)
        struct.unpack("!H", self.rfile.read(2))
        self.server.asked.append((user, password, kind, host.decode("latin-1")))
        if host.decode("latin-1") in self.server.dead:
            # reached, but it hangs up. (A SOCKS refusal makes httpcore leave its socket to the garbage collector.)
            self.wfile.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            self.rfile.readline()
            return
        port = self.server.others.get(host.decode("latin-1"), self.server.target)
        with socket.create_connection(("127.0.0.1", port)) as far:
            self.wfile.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            back = threading.Thread(target=self._pump, args=(far, self.connection), daemon=True)
            back.start()
            self._pump(self.connection, far)
            back.join(5)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return


@contextmanager
def open_socks(target: int) -> Iterator[Socks]:
    """The proxy in front of a local port."""
    with serving(Socks(target)) as proxy:
        yield proxy
