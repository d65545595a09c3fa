"""A consistent copy of a SQLite file while others write to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from config.errors import StoreError
from index.sqlite.schema import guard, open_reader


def backup_store(source: Path, target: Path) -> None:
    """Copy a store's file by SQLite's online backup. StoreError: no such store, or it cannot be read or written."""
    connection = open_reader(source)
    if connection is None:
        raise StoreError("there is no store to back up.", file=source, remedy="Name it with --store sqlite:///PATH.")
    with closing(connection):
        _copy(connection, target)


def backup_database(source: Path, target: Path) -> None:
    """The same for another SQLite file of ours (monitor's state)."""
    with guard(source), closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        _copy(connection, target)


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    with guard(target), closing(sqlite3.connect(target)) as copy:
        # in one step: in WAL mode nobody is held up, and writes meanwhile do not start it over
        connection.backup(copy)
        (found,) = copy.execute("PRAGMA quick_check").fetchone()
        if found != "ok":
            raise StoreError(f"the store is damaged: {found}.", file=target, remedy="Rebuild it from the crawl logs.")
        # a backup is one file: without a journal beside it
        copy.execute("PRAGMA journal_mode = DELETE")
