"""Files that only their owner may read: keys and sessions."""

from __future__ import annotations

import os
from pathlib import Path

from config.errors import UsageError


def check_private(path: Path, what: str, remedy: str) -> None:
    """Raises UsageError where others may read the file. `what` begins the message ("The session"), `remedy` follows
    the command that mends it. FileNotFoundError where there is no file."""
    mode = path.stat().st_mode
    if mode & 0o077:
        raise UsageError(
            f"{what} may be read by others (mode {mode & 0o777:04o}).",
            file=path,
            remedy=f"Run: chmod 600 '{path}'{remedy}",
        )


def write_private(path: Path, content: bytes) -> None:
    """Puts the content there, whole or not at all; never readable by others, not even while it is written."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
