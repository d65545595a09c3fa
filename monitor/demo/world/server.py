"""Both markets over HTTP on 127.0.0.1, in a process of their own, which ends with its parent.

The parent steers through the child's standard input (one JSON object a line), never over a market's port; when that
pipe closes, however the parent ended, the child ends too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from datetime import date
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from config.errors import DroplineError
from monitor.demo.world.model import World
from monitor.demo.world.records import MarketId
from monitor.demo.world.site import Response, Site

HOST = "127.0.0.1"
MAX_HEAD = 16_384
"""Bytes of a request's head."""
IDLE_SECONDS = 120
_START_SECONDS = 60
_ANSWER_SECONDS = 20


class _Connection(asyncio.Protocol):
    """A small HTTP/1.1 server side: GET and HEAD with keep-alive, no request bodies."""

    def __init__(self, door: _Door) -> None:
        self.door = door
        self.buffer = b""
        self.transport: asyncio.Transport | None = None
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer:
            self.timer.cancel()

    def _rest(self) -> None:
        if self.timer:
            self.timer.cancel()
        assert self.transport is not None
        self.timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head, self.buffer = self.buffer[:end], self.buffer[end + 4 :]
            self._rest()
            if not self._answer(head):
                return
        if len(self.buffer) > MAX_HEAD:
            self._send(Response(431, b""), head_only=False, close=True)

    def _answer(self, head: bytes) -> bool:
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ")
        fields = (line.partition(":") for line in lines[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        close = headers.get("connection", "").lower() == "close" or parts[-1] != "HTTP/1.1"
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            self._send(Response(400, b""), head_only=False, close=True)
            return False
        method, target = parts[0], parts[1]
        if method not in ("GET", "HEAD"):
            self._send(Response(405, b""), head_only=False, close=True)
            return False
        if not target.startswith("/"):  # absolute form, as proxies write it
            target = "/" + target.partition("://")[2].partition("/")[2]
        self._send(self.door.respond(target), head_only=method == "HEAD", close=close)
        return not close

    def _send(self, response: Response, *, head_only: bool, close: bool) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        phrase = HTTPStatus(response.status).phrase
        head = (
            f"HTTP/1.1 {response.status} {phrase}\r\nContent-Type: text/html; charset=utf-8\r\n"
            f"Content-Length: {len(response.body)}\r\nConnection: {'close' if close else 'keep-alive'}\r\n\r\n"
        )
        self.transport.write(head.encode() + (b"" if head_only else response.body))
        if close:
            self.transport.close()


class _Door:
    """One market's site behind its planted faults."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.failing = 0
        self.status = 503
        self.served = 0

    def respond(self, target: str) -> Response:
        self.served += 1
        if self.failing > 0:
            self.failing -= 1
            return Response(self.status, b"<html><head><title>fault</title></head><body></body></html>")
        return self.site.respond(target)


class _Child:
    """The serving side: two listening sockets and the parent's orders."""

    def __init__(self, seed: int, days: int) -> None:
        world = World(seed, days)
        self.doors: dict[MarketId, _Door] = {market: _Door(Site(world, market)) for market in world.markets}

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        if "day" in order:
            day = date.fromisoformat(order["day"])
            for door in self.doors.values():
                door.site.set_day(day)
        if "fail" in order:
            door = self.doors[order["fail"]]
            door.failing, door.status = int(order["requests"]), int(order["status"])
        return {"served": {market: door.served for market, door in self.doors.items()}}

    async def run(self, orders: TextIO, answers: TextIO) -> None:
        loop = asyncio.get_running_loop()
        ports: dict[MarketId, int] = {}
        for market, door in self.doors.items():
            server = await loop.create_server(lambda door=door: _Connection(door), HOST, 0)  # type: ignore[misc]
            ports[market] = server.sockets[0].getsockname()[1]
        done = asyncio.Event()

        def say(answer: dict[str, Any]) -> None:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

        def take(line: str) -> None:
            try:
                say(self.obey(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                say({"error": f"{type(error).__name__}: {error}"})

        def listen() -> None:
            for line in orders:
                loop.call_soon_threadsafe(take, line)
            loop.call_soon_threadsafe(done.set)

        say({"ports": ports})
        threading.Thread(target=listen, daemon=True).start()
        await done.wait()


class WorldServer:
    """The world of (seed, days), served. A context manager.

    `ports` gives each market's port on 127.0.0.1; `set_day` moves both markets to a day before it returns; `fail` makes
    a market's next requests fail. Raises DroplineError when the process does not start or no longer answers.
    """

    def __init__(self, seed: int = 1, days: int = 182) -> None:
        self.seed, self.days = seed, days
        self.ports: dict[MarketId, int] = {}
        self.process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()

    def start(self) -> WorldServer:
        root = str(Path(__file__).resolve().parents[3])
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self.process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "monitor.demo.world", str(self.seed), str(self.days)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            env={**os.environ, "PYTHONPATH": paths},
        )  # fmt: skip
        threading.Thread(target=self._collect, args=(self.process,), daemon=True).start()
        try:
            self.ports = self._answer(_START_SECONDS)["ports"]
        except BaseException:
            self.stop()
            raise
        return self

    def _collect(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as answers:
            for line in answers:
                self._answers.put(line)
        self._answers.put(None)

    def _answer(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            line = None
        if line is None:
            raise DroplineError("The demo world's server has stopped answering.", remedy="Start the demo again.")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise DroplineError(f"The demo world's server refused an order: {answer['error']}")
        return answer

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        if self.process is None or self.process.stdin is None:
            raise DroplineError("The demo world's server is not running.", remedy="Use it as a context manager.")
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise DroplineError("The demo world's server has gone.", remedy="Start the demo again.") from error
        return self._answer(_ANSWER_SECONDS)

    def set_day(self, day: date) -> None:
        """Both markets show that day from now on."""
        self._order({"day": day.isoformat()})

    def fail(self, market: MarketId, requests: int, status: int = 503) -> None:
        """The next requests to that market answer with this status (0 requests: none any more)."""
        self._order({"fail": market, "requests": requests, "status": status})

    def served(self) -> dict[MarketId, int]:
        """Requests answered so far, by market."""
        counts: dict[MarketId, int] = self._order({})["served"]
        return counts

    def stop(self) -> None:
        """End the process: its pipe is closed, then it is killed if it does not go."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # it has gone already
                process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def __enter__(self) -> WorldServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def main() -> None:
    """`python -m monitor.demo.world SEED DAYS`: the child process (orders on standard input)."""
    child = _Child(int(sys.argv[1]), int(sys.argv[2]))
    asyncio.run(child.run(sys.stdin, sys.stdout))
