"""What the tests of delivery share: alerts of our own invention, a real HTTP receiver and a real SMTP server."""

from __future__ import annotations

import asyncio
import http.server
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from monitor.alerts.alert import Alert, Severity

NOW = datetime(2026, 5, 19, 6, 5, tzinfo=UTC)
SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0NTY3"


def make_alert(number: int = 1, **changes: Any) -> Alert:
    days = tuple(date(2026, 3, 2) + timedelta(days=7 * week) for week in range(12))
    alert = Alert(
        id=f"{number:016x}",
        rule="prices-up",
        rule_version="3f2a",
        test="change",
        measure="price",
        series={"region": "RU-MOW", "substance": "mephedrone"},
        severity=Severity.WARNING,
        owner="anna",
        recipients=("hook",),
        first_bucket=days[-1],
        bucket=days[-1],
        fired_at=NOW,
        value=21.5,
        baseline=14.25,
        low=18.5,
        high=23.5,
        score=4.25,
        n=214,
        vendors=37,
        coverage=0.97,
        why="The median price rose by 51 %.",
        query="dropline rows --substance mephedrone",
        recent=(*((day, 14.0 + index % 3) for index, day in enumerate(days[:-1])), (days[-1], 21.5)),
        recent_crowd=((200, 30),) * 12,
        unit="USD/g",
    )
    return Alert.model_validate(alert.model_dump() | changes)


def write_channels(folder: Path, text: str) -> Path:
    path = folder / "channels.yml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


@dataclass
class Posts:
    """What an HTTP receiver got, and what it answers. `answer` gets the headers and body: (status, headers)."""

    answer: Callable[[dict[str, str], bytes], tuple[int, dict[str, str]]] = lambda headers, body: (204, {})
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    drip: float = 0.0
    """Seconds between the bytes of an answer that never ends; 0: answer at once."""
    port: int = 0

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


@contextmanager
def http_receiver(posts: Posts | None = None) -> Iterator[Posts]:
    kept = posts or Posts()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            kept.got.append((headers, body))
            try:
                if kept.drip:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                    for _ in range(200):
                        self.wfile.write(b"x-slow: 1\r\n")
                        time.sleep(kept.drip)
                    return
                status, more = kept.answer(headers, body)
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                said = b"" if status == 204 else b"what the receiver says"
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
            except OSError:
                pass  # the sender has gone: that is what some tests are about

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Quiet: a sender that is killed breaks its connection."""

    server = Server(("127.0.0.1", kept.port), Handler)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Mails:
    """What an SMTP server got, and how it answers each recipient and each message."""

    rcpt: Callable[[str], str] = lambda address: "250 OK"
    data: Callable[[Envelope], str] = lambda envelope: "250 OK"
    wait: float = 0.0
    """Seconds it takes over each message."""
    tls: ssl.SSLContext | None = None
    """STARTTLS is offered with it, and login only under it."""
    implicit: bool = False
    """TLS from the first byte instead."""
    password: str = ""
    got: list[tuple[list[str], bytes]] = field(default_factory=list)
    port: int = 0

    def check(self, server: SMTP, session: Session, envelope: Envelope, how: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password.decode() == self.password, handled=False)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.rcpt(address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.wait:
            await asyncio.sleep(self.wait)
        answer = self.data(envelope)
        if answer.startswith("250"):
            content = envelope.original_content or b""
            self.got.append((list(envelope.rcpt_tos), content))
        return answer


@contextmanager
def smtp_server(mails: Mails | None = None) -> Iterator[Mails]:
    kept = mails or Mails()
    options: dict[str, Any] = {}
    if kept.tls is not None and kept.implicit:
        options = {"ssl_context": kept.tls, "authenticator": kept.check, "auth_require_tls": False}
    elif kept.tls is not None:
        options = {"tls_context": kept.tls, "auth_required": bool(kept.password), "authenticator": kept.check}
    controller = Controller(kept, hostname="127.0.0.1", port=kept.port or free_port(), **options)
    controller.start()
    kept.port = controller.port
    try:
        yield kept
    finally:
        controller.stop()


def make_certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate with its key, for a day; `name` is a host name or an address."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    named = x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
    today = datetime.now(UTC)
    built = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(1).not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([named]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / f"{name}.pem"
    pem, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(pem, plain, serialization.NoEncryption()) + built.public_bytes(pem))
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
