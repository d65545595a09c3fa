"""The `dropline` command in this process: starting one for each call is most of the time otherwise."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

from monitor.cli.app import main


def call(folder: Path, *arguments: str, form: str = "json") -> subprocess.CompletedProcess[bytes]:
    """The command with a data folder: exit code, standard output and standard error."""
    command = ["dropline", "--data-dir", str(folder), "--format", form, *arguments]
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    before, code = sys.argv, 0
    sys.argv = command
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as left:
        code = int(left.code or 0)
    finally:
        sys.argv = before
        out.flush()
        err.flush()
    said = [cast("io.BytesIO", stream.buffer).getvalue() for stream in (out, err)]
    return subprocess.CompletedProcess(command, code, *said)


def answer(folder: Path, *arguments: str) -> Any:
    """What it prints as JSON, where all went well."""
    done = call(folder, *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)
