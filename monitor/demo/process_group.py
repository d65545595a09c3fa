"""Servers of ours that never outlive us.

Children are put into one process group led by a small watcher (a shell), which waits on a pipe that only this process
holds open. However this process ends (return, SIGTERM, SIGKILL, crash), the pipe closes and the watcher ends the group
and removes its folder. This needs no signal handler, no polling, and none of tor's `__OwningControllerProcess` (which
makes stem end tor when a Controller is closed).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# TERM first so that a server may flush; the watcher ignores it and lives on to remove the folder and to KILL the rest.
_WATCHER = 'trap "" TERM INT HUP; read -r _; kill -TERM 0; sleep 2; rm -rf -- "$1"; kill -KILL 0'


class ProcessGroup:
    """A group of child processes with a scratch `folder`; both are gone after `close()` or after our own death.

    POSIX only. A child made by `os.fork` without `exec` keeps the pipe open and so delays the watcher until it ends.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._children: list[subprocess.Popen[bytes]] = []
        self._watcher = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", _WATCHER, "dropline-watcher", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # held open, they would keep a reader of our own output waiting
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    def spawn(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: int | None = None,
        group: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start `command` in the group, its output appended to `log`; `user` and `group` are numeric ids (as root)."""
        with log.open("ab") as output:
            child = subprocess.Popen(  # noqa: S603 (commands are ours)
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=self._watcher.pid,
                env=None if env is None else dict(env),
                cwd=cwd,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
            )
        self._children.append(child)
        return child

    def end(self, child: subprocess.Popen[bytes], *, grace: float = 0.0) -> None:
        """End one child: TERM and up to `grace` seconds, then KILL. Returns when it is gone."""
        if child.poll() is None and grace > 0:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):  # KILL follows
                child.wait(grace)
        if child.poll() is None:
            child.kill()
            child.wait(10)
        if child in self._children:
            self._children.remove(child)

    def close(self, *, grace: float = 0.0) -> None:
        """End all children (see `end`), the watcher and whatever is left of the group, and remove the folder."""
        for child in list(self._children):
            self.end(child, grace=grace)
        # Removed here and not by the watcher: after a normal end nobody should wait for its two seconds.
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._watcher.poll() is None:
            # Grandchildren stay in the group although their parent is gone. The group cannot be another's: the
            # watcher, its leader, is ours and not yet reaped.
            os.killpg(self._watcher.pid, signal.SIGKILL)
            self._watcher.wait(10)
        if self._watcher.stdin is not None:
            self._watcher.stdin.close()
