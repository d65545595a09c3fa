"""Locks that die with their holders: advisory `flock` on a file of its own, gone after kill -9 or a power cut.

A lock may be handed to a child: it then lasts as long as the child (or anything that the child hands it to) lives,
whatever becomes of us. That is how a service finds runs that an earlier, killed service has left running.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from config.closing import Closing


class Held(Exception):
    """Another process has the lock. Never shown to people."""


class FileLock(Closing):
    """Holds the lock from its making until `close` (or the end of the process). Raises Held."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._handle: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise Held(str(path)) from error

    @property
    def handle(self) -> int:
        """File descriptor: pass it to a child (`pass_fds`) and then `close` to leave the lock to the child."""
        assert self._handle is not None
        return self._handle

    def close(self) -> None:
        """Lets go of it, as far as we are concerned."""
        if self._handle is not None:
            os.close(self._handle)  # no LOCK_UN: that would take it from the child as well
            self._handle = None


def is_held(path: Path) -> bool:
    """Whether any process has the lock. Makes no file."""
    if not path.exists():
        return False
    try:
        FileLock(path).close()
    except Held:
        return True
    return False


def service_lock(data_dir: Path) -> Path:
    """Held by the one service of a data folder."""
    return data_dir / "schedule" / "service.lock"


def market_lock(data_dir: Path, market: str) -> Path:
    """Held by whatever crawls that market, by hand or not (`crawler.frontier.MarketLock`)."""
    return data_dir / "frontier" / f"{market}.lock"
