"""The processes of bench/service_month.py: the service on a faster clock, its runs, and the receivers of its messages.

`alerts run`, `alerts deliver` and `schedule settle` are the commands themselves, but for what they take for the time. A
crawl is what `dropline crawl` does, but for its way to the market: the synthetic world is reached over the loopback
interface, as in the demo, and so needs no authorisation. Usage: python bench/month_runs.py PART FOLDER PACE ...
"""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import json
import os
import random
import struct
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from email import message_from_bytes
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from config.settings import Settings
from monitor.schedule.clock import Clock
from monitor.schedule.ledger import Run
from monitor.schedule.plan import COMMANDS, Job, Work
from monitor.schedule.service import Service

ME = str(Path(__file__).resolve())
CLOCK = "clock"
WORLD = "world.json"
RECEIVED = "received.jsonl"
BUSY = 0.08
"""Part of the messages that a receiver answers with "not now"; half of those it has taken all the same."""


@dataclass(frozen=True)
class FileClock(Clock):
    """The time that stands in a file (Unix seconds, a double). Whoever drives the month moves it on: slowly while
    something runs, quickly while nothing does, so that the month does not depend on how fast the machine is."""

    file: str = ""

    def now(self) -> datetime:
        (seconds,) = struct.unpack("d", Path(self.file).read_bytes())
        return datetime.fromtimestamp(seconds, UTC)

    def put(self, moment: datetime) -> None:
        handle = os.open(self.file, os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(handle, struct.pack("d", moment.timestamp()), 0)
        os.close(handle)


def read_clock(folder: Path, pace: str) -> FileClock:
    return FileClock(float(pace), file=str(folder / CLOCK))


def serve(folder: Path, clock: Clock, seed: int) -> None:
    """The service; its runs are this file again."""

    def command(job: Job, run: Run) -> list[str]:
        part = "crawl" if job.market is not None else str(job.work)
        return [sys.executable, ME, part, str(folder), str(clock.pace), job.market or "-"]

    dice = random.Random(seed)
    with Service(Settings(data_dir=folder), clock=clock, dice=dice, environment=os.environ, command=command) as service:
        service.run()


def run_command(folder: Path, clock: Clock, words: list[str]) -> None:
    """One of our commands at the simulated time."""
    from monitor.cli import alerts, app, deliver, schedule

    class Simulated(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return clock.now().astimezone(tz)

    for module in (alerts, deliver, schedule):
        module.datetime = Simulated  # type: ignore[attr-defined]
    sys.argv = ["dropline", "--data-dir", str(folder), "--format", "json", *words]
    app.main()


def crawl(folder: Path, clock: Clock, name: str) -> int:
    """One crawl of one market of the world into the store; exit code as of `dropline crawl`."""
    from crawler.items import CrawlKind, CrawlOutcome
    from crawler.market import load_market
    from crawler.transport import Loopback, Tor
    from index.open import open_store
    from monitor.cli.collect import _crawl_row
    from monitor.crawling import Planned, load_market_pages, run_crawl, store_crawl
    from monitor.ingest import Ingester
    from monitor.state import State, state_path
    from monitor.workspace import build_masker, build_observation_builder

    settings = Settings(data_dir=folder)
    port = json.loads((folder / WORLD).read_text(encoding="utf-8"))[name]
    with State(state_path(folder)) as state:
        state.check_not_paused(name)
    way = cast("Tor", Loopback(f"http://127.0.0.1:{port}", demo=True))
    planned = Planned(load_market(name), way, load_market_pages(settings, name))
    masker = build_masker(settings)
    store = open_store(settings.store_url)
    try:
        ingester = Ingester(store, build_observation_builder(settings), settings)
        kind = CrawlKind.INCREMENTAL if store.crawls(market=(name,)) else CrawlKind.FULL
        done = asyncio.run(run_crawl(settings, planned, masker=masker, clock=clock.now, kind=kind, archive=False))
        results = store_crawl(settings, planned, done, ingester, masker=masker, now=clock.now())
        ingester.settle()
    finally:
        store.close()
    row = _crawl_row(results[-1])
    sys.stdout.write(json.dumps([row]) + "\n")
    return 0 if row["outcome"] == str(CrawlOutcome.COMPLETE) and not row["held"] else 3


class Receivers:
    """A mail server and a webhook, which write down what they take (with its time) before they say so."""

    def __init__(self, folder: Path, clock: Clock, smtp: int, web: int, seed: int) -> None:
        self.path, self.clock, self.smtp, self.web = folder / RECEIVED, clock, smtp, web
        self.dice = random.Random(seed)

    def take(self, how: str, message: str, content: bytes, members: list[str] | None = None) -> bool:
        """Whether it is taken; written down and forced to the disk."""
        drawn = self.dice.random()
        if drawn >= BUSY / 2:
            line = {"how": how, "id": message, "members": members or [message], "at": self.clock.now().isoformat(),
                    "content": hashlib.sha256(content).hexdigest()}  # fmt: skip
            with self.path.open("ab") as file:
                file.write(json.dumps(line).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        return drawn >= BUSY

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        mail = message_from_bytes(content)
        name = str(mail["Message-ID"]).strip("<>").partition("@")[0]
        told = str(mail["Subject"]) + str(mail["X-Dropline-Alert"]) + str(mail["X-Dropline-Event"]) + str(mail["Date"])
        together = str(mail["X-Dropline-Messages"] or "")  # a digest names the messages in it
        taken = self.take("mail", name, (told + together).encode(), together.split())
        return "250 OK" if taken else "451 not now"

    def run(self) -> None:
        """Until killed."""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(204 if outer.take("hook", self.headers["webhook-id"], body) else 503)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Quiet."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", self.web), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Controller(self, hostname="127.0.0.1", port=self.smtp).start()
        while True:
            time.sleep(60)


def main() -> None:
    part, folder, pace, *more = sys.argv[1:]
    where = Path(folder)
    when = read_clock(where, pace)
    if part == "serve":
        serve(where, when, int(more[0]))
    elif part == "receive":
        Receivers(where, when, *(int(one) for one in more)).run()
    elif part == "crawl":
        sys.exit(crawl(where, when, more[0]))
    else:
        run_command(where, when, list(COMMANDS[Work(part)]))


if __name__ == "__main__":
    main()
