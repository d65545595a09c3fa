"""One root for every error a person may see.

A message says what is wrong, where (file, line), and what to do next; context also stands in attributes, so that code
can act on it. `exit_code` is what `dropline` returns: 1 failed, 2 wrong use or bad configuration, 3 part of the work is
missing.
"""

from __future__ import annotations

from pathlib import Path


class DroplineError(Exception):
    """Root of all our errors. `str()` is one readable message."""

    exit_code = 1

    def __init__(
        self, message: str, *, file: Path | str | None = None, line: int | None = None, remedy: str | None = None
    ) -> None:
        self.message, self.file, self.line, self.remedy = message, file, line, remedy
        super().__init__(message)

    def __str__(self) -> str:
        where = "" if self.file is None else f"{self.file}{'' if self.line is None else f', line {self.line}'}: "
        return f"{where}{self.message}{'' if self.remedy is None else f' {self.remedy}'}"


class UsageError(DroplineError):
    """Wrong use of a command or a bad configuration."""

    exit_code = 2


class InputError(DroplineError):
    """A file that cannot be read as what it should be."""


class StoreError(DroplineError):
    """The store cannot be reached, is locked, full, corrupt or of another schema."""


class TransportRefused(DroplineError):
    """A request that must not leave: not an onion address, or no SOCKS proxy."""


class NotAuthorised(UsageError):
    """A crawl of a market without a recorded legal basis, approver and expiry."""
