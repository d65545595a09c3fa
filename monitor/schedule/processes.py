"""A run as a process of its own: started, watched, ended; its outcome readable even when we were not there.

Of each attempt four files stand in `DATA/schedule/runs/<job>/`: `.pid` (its process group), `.out`, `.err`, and at its
end `.exit` (its exit code). A small shell writes them, so that a run which outlives the service that started it still
leaves its exit code. The run's lock (`locks`) is handed to shell and command: it is free when both are gone, and free
without `.exit` means that the run died.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor.schedule.ledger import Run
from monitor.schedule.locks import FileLock, is_held

# `trap :` and not `trap ""`: the shell outlives a TERM to the group and writes the code; its child gets the default.
# The rename comes last: a code is there whole or not at all.
_SHELL = (
    'stem=$1; shift; trap : TERM INT HUP; echo $$ >"$stem.pid"; "$@" >"$stem.out" 2>"$stem.err" </dev/null; code=$?;'
    ' echo $code >"$stem.code" && mv "$stem.code" "$stem.exit"; exit $code'
)
KEPT_FILES = 40
"""Attempts whose output is kept, of each job."""
MAX_RESULT = 65_536
SUFFIXES = (".pid", ".out", ".err", ".exit", ".code")


class Processes:
    """The runs of one data folder."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.folder = data_dir / "schedule"
        self.environment = dict(environment)
        self._children: list[subprocess.Popen[bytes]] = []

    def lock_path(self, job: str) -> Path:
        """One lock a job: whoever runs it has it."""
        return self.folder / "locks" / f"{job.replace(':', '-', 1)}.lock"

    def is_running(self, job: str) -> bool:
        """Whether anything that a service started for that job is alive."""
        return is_held(self.lock_path(job))

    def stem(self, run: Run) -> Path:
        """Path of the run's files, without suffix."""
        return self.folder / "runs" / run.job.replace(":", "-", 1) / run.stem

    def start(self, run: Run, command: Sequence[str], lock: FileLock) -> None:
        """Starts the command in a session of its own, the lock in its hands. The caller closes his own."""
        stem = self.stem(run)
        stem.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget_old(stem.parent)
        for suffix in SUFFIXES:
            Path(f"{stem}{suffix}").unlink(missing_ok=True)
        child = subprocess.Popen(  # noqa: S603 - our own commands, no shell reads them
            ["/bin/sh", "-c", _SHELL, "dropline-run", str(stem), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment,
            start_new_session=True,
            pass_fds=(lock.handle,),
            umask=0o077,
        )
        self._children.append(child)

    def reap(self) -> None:
        """Takes note of children that have ended (their outcome is in their files)."""
        self._children = [child for child in self._children if child.poll() is None]

    def exit_code(self, run: Run) -> int | None:
        """The code its command left; None: it was killed, shell and all, or has not ended."""
        try:
            return int(self._path(run, ".exit").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None  # a power cut may leave an empty file

    def result(self, run: Run) -> dict[str, Any]:
        """The one JSON row that a crawl answers with; {} where there is none."""
        with contextlib.suppress(OSError, ValueError):
            with self._path(run, ".out").open("rb") as file:
                rows = json.loads(file.read(MAX_RESULT))
            if isinstance(rows, list) and len(rows) == 1 and isinstance(rows[0], dict):
                return rows[0]
        return {}

    def last_words(self, run: Run) -> str | None:
        """The last line it wrote to standard error."""
        try:
            with self._path(run, ".err").open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - 4096))
                lines = file.read().decode("utf-8", "replace").split("\n")
        except OSError:
            return None
        said = [line.strip(" │") for line in lines if any(char.isalnum() for char in line)]
        return said[-1][-400:] if said else None

    def signal(self, run: Run, number: signal.Signals) -> bool:
        """Sends a signal to all processes of the run; whether there were any. Only ever called while its lock is held:
        the number of a process group is not given to others as long as one of its members lives."""
        try:
            group = int(self._path(run, ".pid").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return False
        if group <= 1 or not self.is_running(run.job):
            return False
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return False
        return True

    def _path(self, run: Run, suffix: str) -> Path:
        return Path(f"{self.stem(run)}{suffix}")

    def _forget_old(self, folder: Path) -> None:
        stems = sorted({file.name.partition(".")[0] for file in folder.iterdir()})
        for name in stems[: max(0, len(stems) - KEPT_FILES + 1)]:
            for suffix in SUFFIXES:
                (folder / f"{name}{suffix}").unlink(missing_ok=True)
