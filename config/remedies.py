"""What to do about an error of the system or of SQLite that is no fault of the program."""

from __future__ import annotations

import errno
import sqlite3

_FULL = "The disk is full: free space and run the same command again; nothing stored is lost."
_BUSY = "Another process is writing: wait for it, or look for a hung `dropline` process."
_OF_SQLITE = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: "The file or its folder is not writable: change its permissions or give another path.",
    sqlite3.SQLITE_CANTOPEN: "Check that the folder exists and is writable.",
    # a full disk is told so where the file beside it cannot grow
    sqlite3.SQLITE_IOERR: "Look whether the disk is full or failing, then run the same command again.",
}
_OF_SYSTEM = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "Your share of the disk is used up: free space and run the same command again.",
    errno.EFBIG: "The file may not become that large (`ulimit -f`).",
    errno.EIO: "Look whether the disk is failing, then run the same command again.",
    errno.EROFS: "The disk is mounted read-only: give another folder.",
    errno.EACCES: "Change the permissions, or give another path.",
    errno.EPERM: "Change the permissions, or give another path.",
    errno.EMFILE: "Too many files are open (`ulimit -n`).",
}


def of_sqlite(error: sqlite3.Error, otherwise: str) -> str:
    """What to do about an error of SQLite; `otherwise` where it says that the file is damaged, or nothing known."""
    return _OF_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, otherwise)


def of_system(error: OSError) -> str | None:
    """What to do about an error of the system; None: nothing that holds for all of its kind."""
    return _OF_SYSTEM.get(error.errno or 0)
