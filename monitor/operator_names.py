"""The operator's own names of substances: `DATA/vocab/names.csv`, in the format of `extract/vocab/names.csv`, read
beside the tables that come with Dropline.

The extractor reads one folder of tables, so both are put together in a folder named by their content. The extractor's
version is a digest of what it reads: a name added or removed gives a new version.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from config.errors import InputError, UsageError
from extract.vocabulary import TABLES, digest_tables, iter_rows

COLUMNS = ("substance", "name", "lang", "type", "strength", "source")
USED = ("substances.csv", "names*.csv", "forms.csv", "kinds.csv", "cues.csv", "false_friends.csv")
"""Tables that `extract.vocabulary` reads from its folder; all others always come from the bundled one."""
Row = dict[str, str]


def names_path(data_dir: Path) -> Path:
    """Where the operator's table stands."""
    return data_dir / "vocab" / "names.csv"


def known_substances() -> frozenset[str]:
    """Ids of all substances there are."""
    return frozenset(row["id"].strip() for _, row in iter_rows(TABLES / "substances.csv", ("id",)))


def read_names(data_dir: Path) -> list[Row]:
    """The operator's rows; none where there is no table. InputError (file, line) for one that is broken."""
    file = names_path(data_dir)
    if not file.is_file():
        return []
    known = known_substances()
    rows = []
    for line, row in iter_rows(file, COLUMNS):
        if row["substance"] not in known:
            raise InputError(
                f"unknown substance {row['substance']!r}.", file=file, line=line, remedy="Use an id of substances.csv."
            )
        rows.append({name: row[name] for name in COLUMNS})
    return rows


def write_names(data_dir: Path, rows: Iterable[Row]) -> None:
    """Puts the rows in the place of the table, whole or not at all. Without rows there is no table any more."""
    file = names_path(data_dir)
    kept = list(rows)
    if not kept:
        file.unlink(missing_ok=True)
        return
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    write_whole(file, stream.getvalue())


def write_whole(file: Path, text: str) -> None:
    """Puts the text in the place of the file, on the disk before it counts: all of it or nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".fresh")
    with fresh.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def add_name(data_dir: Path, row: Row) -> bool:
    """Adds a row; False where it is there already. UsageError where the name stands for another substance."""
    rows = read_names(data_dir)
    for known in rows:
        if known["name"] == row["name"]:
            if known["substance"] == row["substance"]:
                return False
            raise UsageError(
                f"{row['name']!r} is in your table as {known['substance']}.",
                file=names_path(data_dir),
                remedy=f"Take it back first: dropline review reject '{row['name']}'.",
            )
    write_names(data_dir, [*rows, row])
    return True


def remove_name(data_dir: Path, name: str) -> bool:
    """Takes a name out of the table; whether it was there."""
    rows = read_names(data_dir)
    kept = [row for row in rows if row["name"] != name]
    if len(kept) == len(rows):
        return False
    write_names(data_dir, kept)
    return True


def build_tables(data_dir: Path) -> Path | None:
    """The folder of tables to read: the bundled ones with the operator's names beside them. None: only the bundled
    ones. Made where it is not there yet, named by its content, so that several processes may share it."""
    if not read_names(data_dir):
        return None
    own = names_path(data_dir).read_bytes().replace(b"\r\n", b"\n")
    content = hashlib.sha256(digest_tables(TABLES).encode() + b"\0" + own).hexdigest()[:16]
    folder = data_dir / "vocab" / "tables" / content
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as making:
        fresh = Path(making) / content
        fresh.mkdir()
        for pattern in USED:
            for table in TABLES.glob(pattern):
                shutil.copyfile(table, fresh / table.name)
        # sorts after names.csv and before names_strains.csv: a bundled meaning of a word stays what it is
        (fresh / "names-operator.csv").write_bytes(own)
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process made the same one meanwhile
                raise
    return folder
