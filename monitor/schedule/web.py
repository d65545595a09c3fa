"""/healthz and /metrics: two read-only pages, on loopback unless the plan says otherwise.

The standard library's server, not uvicorn: two pages for one monitoring program need no framework in a process that
should stay small (12 MB less).
"""

from __future__ import annotations

import http.server
import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from config.closing import Closing
from config.errors import UsageError
from monitor.schedule.health import Health
from monitor.schedule.metrics import render_metrics
from monitor.schedule.plan import LOOPBACK, HealthPage

log = logging.getLogger("dropline.schedule")

KEPT_SECONDS = 5.0
"""An answer is given again for so long: many askers cost no more than one."""


class HealthServer(Closing):
    """Serves in a thread of its own until closed. Raises UsageError where the address is taken."""

    def __init__(self, page: HealthPage, look: Callable[[], Health]) -> None:
        try:
            self._server = _Server(page, look)
        except OSError as error:
            raise UsageError(
                f"the health page cannot be at {page.host}:{page.port} ({error.strerror}).",
                remedy="Give another `health: {port: …}` in schedule.yml, or `enabled: false`.",
            ) from error
        host, port = self._server.server_address[:2]
        self.address = f"http://{host!s}:{port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    """A thread for each request, bounded in time; one of them looks, the others wait for what it sees."""

    daemon_threads = True

    def __init__(self, page: HealthPage, look: Callable[[], Health]) -> None:
        super().__init__((page.host, page.port), _Handler)
        self.local = page.host in LOOPBACK
        self._look = look
        self._kept: tuple[float, Health] | None = None
        self._looking = threading.Lock()

    def health(self) -> Health:
        with self._looking:
            if self._kept is None or time.monotonic() - self._kept[0] > KEPT_SECONDS:
                self._kept = (time.monotonic(), self._look())
            return self._kept[1]

    def handle_error(self, request: object, client_address: object) -> None:
        log.error("A request to the health page failed.", exc_info=sys.exc_info())


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = 5
    server_version = "dropline"
    sys_version = ""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet: a line for every scrape says nothing."""

    def do_GET(self) -> None:
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if self.server.local and host not in LOOPBACK:  # a web page that calls us by a name of its own
            self._send(403, "text/plain; charset=utf-8", b"Ask by the address of this machine.\n")
        elif self.path == "/healthz":
            health = self.server.health()
            body = {
                "status": "failing" if health.reasons else "ok",
                "reasons": health.reasons,
                "warnings": health.warnings,
            }
            raw = json.dumps(body, ensure_ascii=False, indent=1).encode() + b"\n"
            self._send(503 if health.reasons else 200, "application/json", raw)
        elif self.path == "/metrics":
            raw = render_metrics(self.server.health())
            self._send(200, "text/plain; version=0.0.4; charset=utf-8", raw)
        else:
            self._send(404, "text/plain; charset=utf-8", b"There are /healthz and /metrics.\n")

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)
