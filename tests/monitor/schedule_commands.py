"""The `dropline schedule` command as a process, for its tests."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def dropline(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "monitor.cli", "--data-dir", str(folder), *arguments],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment},
    )  # fmt: skip


@contextmanager
def service(folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A real one, with the port of its health page."""
    child = subprocess.Popen(
        [sys.executable, "-m", "monitor.cli", "--data-dir", str(folder), "schedule"],
        stderr=subprocess.PIPE, text=True, env={**os.environ, **environment},
    )  # fmt: skip
    assert child.stderr is not None
    try:
        told = child.stderr.readline()
        found = re.search(r":(\d+)/healthz", told)
        assert found is not None, told + child.stderr.read()
        yield child, int(found[1])
    finally:
        child.kill()
        child.wait(10)
        child.stderr.close()


def ask(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def until(wanted: Any, seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := wanted()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def runs(folder: Path) -> list[dict[str, Any]]:
    done = dropline(folder, "--format", "json", "schedule", "list", "--runs", "100")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]
