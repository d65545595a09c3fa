"""The few words of Tor's control protocol that the private network needs.

A dozen lines of a documented text protocol instead of stem's Controller: every read has a deadline, no threads, and
closing a connection never sends TAKEOWNERSHIP, which would end the tor process. Source: Tor's control-spec.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from types import TracebackType

from config.errors import DroplineError


class ControlConnection:
    """One authenticated control connection to a tor on loopback. `timeout`: seconds for each command."""

    def __init__(self, port: int, cookie_file: Path, *, timeout: float = 10.0) -> None:
        self.timeout = timeout
        self._buffer = b""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        try:
            self.ask(f"AUTHENTICATE {cookie_file.read_bytes().hex()}")
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> ControlConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, command: str) -> list[str]:
        """Lines of the reply without status codes. Raises DroplineError where tor refuses the command."""
        self._socket.sendall(f"{command}\r\n".encode())
        deadline = time.monotonic() + self.timeout
        lines: list[str] = []
        while True:
            line = self._read_line(deadline)
            if line.startswith("6"):  # an event between command and reply
                continue
            if not line.startswith("2"):
                raise DroplineError(f"tor refused the control command {command.split(maxsplit=1)[0]}: {line}")
            lines.append(line[4:])
            if line[3] == " ":
                return lines

    def wait_event(self, deadline: float) -> str:
        """The next asynchronous event (without its status code), or TimeoutError at `deadline` (monotonic seconds)."""
        while True:
            line = self._read_line(deadline)
            if line.startswith("6"):
                return line[4:]

    def _read_line(self, deadline: float) -> str:
        while b"\r\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("tor's control port did not answer in time")
            self._socket.settimeout(left)
            chunk = self._socket.recv(65536)
            if not chunk:
                raise ConnectionError("tor closed its control port")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line.decode()
