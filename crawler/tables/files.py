"""Tables inside files, folders, zip and tar archives: found, spooled one at a time, read row by row.

Nothing is ever extracted to a path of the archive's choosing; one table at a time is held, on disk beyond 16 MB.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import hashlib
import io
import lzma
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import orjson

from config.errors import InputError

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
ARCHIVES = (".tar", ".tar.xz", ".tar.gz", ".tgz", ".tar.bz2", ".zip")
SPOOL = 16 * 2**20
ESCAPED = re.compile("[\ud800-\udfff]")
"""What surrogateescape makes of bytes that are not text, and what some encodings (utf-7) give though it is none."""
FIELD_LIMIT = 10 * 2**20
LARGEST = 8 * 2**30
"""Bytes of a table, unpacked: a bomb is given up before it has filled the disk."""
LONGEST_LINE = 64 * 2**20
_BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, EOFError, lzma.LZMAError, zlib.error, OSError, RuntimeError, UnicodeError
)  # fmt: skip
"""zipfile says RuntimeError of a member that is encrypted or packed in an unknown way, UnicodeError of names."""


@dataclass
class Table:
    """One table: `name` as people know it (`archive.tar.xz:member.csv`), its bytes, their SHA-256."""

    name: str
    source: str
    """Name of the file or archive it came from, without its path."""
    stream: IO[bytes]
    digest: str

    @property
    def kind(self) -> str:
        name = self.name.lower().removesuffix(".gz")
        return next(suffix for suffix in TABLES if name.endswith(suffix))


@dataclass
class Row:
    """One row: its line (1 is the header; for Parquet the row's number) and its cells, or what is wrong with it."""

    line: int
    cells: dict[str, str]
    problem: str | None = None


def is_table(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(TABLES)


def iter_tables(path: Path) -> Iterator[Table]:
    """All tables of a file, folder or archive, folders by name, archives in their own order.

    Raises InputError where the path is nothing we read, or, after the tables before it, where an archive is cut short.
    """
    if path.is_dir():
        found = sorted(entry for entry in path.rglob("*") if entry.is_file() and is_table(entry.name))
        if not found:
            raise InputError("no table in this folder.", file=path, remedy=f"Tables end in {', '.join(TABLES)}.")
        for entry in found:
            yield from _single(entry, f"{path.name}/{entry.relative_to(path).as_posix()}", path.name)
    elif not path.is_file():
        raise InputError("there is no such file.", file=path, remedy="Check the path.")
    elif is_table(path.name):
        yield from _single(path, path.name, path.name)
    elif path.name.lower().endswith(ARCHIVES):
        yield from _archive(path)
    else:
        raise InputError(
            "not a table or an archive that can be read.",
            file=path,
            remedy=f"Tables end in {', '.join(TABLES)} (also .gz), archives in {', '.join(ARCHIVES)}.",
        )


def _spool(stream: IO[bytes], name: str, source: str) -> Table:
    spool = tempfile.SpooledTemporaryFile(max_size=SPOOL)  # noqa: SIM115 - closed by iter_tables' caller loop
    digest = hashlib.sha256()
    opened = cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if name.lower().endswith(".gz") else stream
    # names in archives need not be UTF-8, and logs cannot hold what is not
    name, source = (text.encode("utf-8", "replace").decode() for text in (name, source))
    try:
        while chunk := opened.read(2**20):
            digest.update(chunk)
            spool.write(chunk)
            if spool.tell() > LARGEST:
                problem = f"the table unpacks to more than {LARGEST // 2**30} GB."
                raise InputError(problem, file=name, remedy="Cut it into several.")
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return Table(name=name, source=source, stream=spool, digest=digest.hexdigest())


def _single(path: Path, name: str, source: str) -> Iterator[Table]:
    try:
        with path.open("rb") as stream:
            table = _spool(stream, name, source)
    except _BROKEN as error:
        raise InputError(f"cannot be read ({error}).", file=path, remedy="Check the file.") from error
    with table.stream:
        yield table


def _archive(path: Path) -> Iterator[Table]:
    count = 0
    try:
        for name, stream in _members(path):
            table = _spool(stream, f"{path.name}:{name}", path.name)
            with table.stream:
                yield table
            count += 1
    except _BROKEN as error:
        raise InputError(
            f"the archive is cut short or damaged after {count} tables ({error or type(error).__name__}).",
            file=path,
            remedy="What came before is stored. Fetch the archive again and import it once more: nothing is doubled.",
        ) from error
    if count == 0:
        raise InputError("no table in this archive.", file=path, remedy=f"Tables end in {', '.join(TABLES)}.")


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir() and is_table(info.filename):
                    with archive.open(info) as stream:
                        yield info.filename, stream
    else:
        with _decompressed(path) as tar, tarfile.open(fileobj=cast("IO[bytes]", tar), mode="r|") as archive:
            for member in archive:
                if member.isfile() and is_table(member.name):
                    extracted = archive.extractfile(member)
                    if extracted is not None:
                        yield member.name, extracted
            tar.check_end()


class _TarStream:
    """A tar's bytes, decompressed, that knows whether they ended as a tar must: tarfile takes an archive that is cut
    between two members for a whole one."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.tail = stream, b""

    def __enter__(self) -> _TarStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def read(self, size: int = -1) -> bytes:
        chunk = self.stream.read(size)
        self.tail = (self.tail + chunk)[-2 * tarfile.BLOCKSIZE :]
        return chunk

    def check_end(self) -> None:
        while self.read(2**20):
            pass
        if self.tail != bytes(2 * tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it lacks the end mark")


def _decompressed(path: Path) -> _TarStream:
    opened: dict[str, Callable[[Path], Any]] = {".xz": lzma.open, ".gz": gzip.open, ".tgz": gzip.open, ".bz2": bz2.open}
    opener = opened.get(path.suffix.lower())
    return _TarStream(opener(path) if opener else path.open("rb"))


def iter_rows(table: Table, encoding: str, delimiter: str | None) -> Generator[list[str] | Row, None, None]:
    """The header (a list of names), then Rows. A row that cannot be read is a Row with a problem; of JSON lines
    such may come before the header. InputError (file, line) for a table that cannot be read, or not to its end."""
    table.stream.seek(0)
    if table.kind in (".csv", ".tsv"):
        yield from _delimited(table, encoding, delimiter or ("\t" if table.kind == ".tsv" else ","))
    elif table.kind == ".parquet":
        yield from _parquet(table)
    else:
        yield from _json_lines(table)


def _delimited(table: Table, encoding: str, delimiter: str) -> Iterator[list[str] | Row]:
    # surrogateescape keeps undecodable bytes visible, so that one bad row does not cost the table
    text = io.TextIOWrapper(table.stream, encoding=encoding, errors="surrogateescape", newline="")
    csv.field_size_limit(FIELD_LIMIT)
    raw: list[str] = []
    """The lines of the row being read."""
    reader = csv.reader(_iter_text(text, raw, table.name), delimiter=delimiter)
    try:
        try:
            header = next(reader, None)
        except csv.Error as error:
            problem = f"the header is no CSV ({error})."
            raise InputError(problem, file=table.name, line=1, remedy="Check the file.") from error
        if header is None:
            raise InputError("the table is empty.", file=table.name, remedy="It needs at least a header line.")
        if _undecodable("".join(header)):
            raise InputError(
                f"the header is not {encoding} text.",
                file=table.name,
                line=1,
                remedy="Set `encoding:` in the mapping (for instance cp1251 or utf-16).",
            )
        yield header
        while True:
            line = reader.line_num + 1
            raw.clear()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, {}, f"not a CSV row ({error})")
                continue
            if not cells:
                continue
            if len(raw) > 1 and _is_open(raw, delimiter):
                yield Row(line, {}, f"a quote that is never closed takes in the {len(raw) - 1} lines below it")
                continue
            yield _row(line, header, cells, encoding)
    except UnicodeError as error:
        reason = error.reason if isinstance(error, UnicodeDecodeError) else error
        raise InputError(
            f"not {encoding} text from about here on ({reason}).",
            file=table.name,
            line=reader.line_num + 1,
            remedy="Check the file, and `encoding:` in the mapping.",
        ) from error
    finally:
        text.detach()


def _iter_text(text: io.TextIOWrapper, raw: list[str], name: str) -> Iterator[str]:
    """Lines, each also put into `raw`. InputError for one that no table has."""
    number = 0
    while line := text.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise too_long(name, number)
        raw.append(line)
        yield line


def too_long(name: str, line: int) -> InputError:
    """What is said of a line that does not end."""
    problem = f"the line has more than {LONGEST_LINE // 2**20} MB."
    return InputError(problem, file=name, line=line, remedy="This is no table: check it.")


def _is_open(raw: list[str], delimiter: str) -> bool:
    """Whether the file ended inside a quote: `csv` takes all below it for the cell unless it is told to be strict."""
    try:
        for _ in csv.reader(raw, delimiter=delimiter, strict=True):
            pass
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def _row(line: int, header: list[str], cells: list[str], encoding: str) -> Row:
    joined = "".join(cells)
    if "\0" in joined:
        return Row(line, {}, "holds a NUL byte")
    if _undecodable(joined):
        return Row(line, {}, f"not {encoding} text")
    if len(cells) != len(header):
        return Row(line, {}, f"{len(cells)} cells where the header has {len(header)}")
    return Row(line, dict(zip(header, cells, strict=True)))


def _undecodable(text: str) -> bool:
    return not text.isascii() and ESCAPED.search(text) is not None


def _json_lines(table: Table) -> Iterator[list[str] | Row]:
    header: list[str] = []
    early: list[Row] = []  # what is wrong before the first object
    for line, raw in enumerate(iter(lambda: table.stream.readline(LONGEST_LINE), b""), start=1):
        if len(raw) == LONGEST_LINE:
            raise too_long(table.name, line)
        if not raw.strip():
            continue
        try:
            loaded = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            loaded, problem = None, f"not JSON ({error})"
        else:
            problem = "not a JSON object"
        if not isinstance(loaded, dict):
            if header:
                yield Row(line, {}, problem)
            else:
                early.append(Row(line, {}, problem))
            continue
        cells = {str(name): "" if value is None else str(value) for name, value in loaded.items()}
        if not header:
            header = list(cells)
            yield header
            yield from early
        yield Row(line, cells)
    if not header:
        raise InputError("no JSON object in the table.", file=table.name, remedy="One object a line is expected.")


def _parquet(table: Table) -> Iterator[list[str] | Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.NamedTemporaryFile(suffix=".parquet") as copy:
        shutil.copyfileobj(table.stream, copy)
        copy.flush()
        line = 0
        try:
            with pq.ParquetFile(copy.name) as parquet:
                yield list(parquet.schema_arrow.names)
                for batch in parquet.iter_batches(batch_size=5_000):
                    for record in batch.to_pylist():
                        line += 1
                        yield Row(line, {name: "" if value is None else str(value) for name, value in record.items()})
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise InputError(
                f"not a Parquet file, or damaged ({error}).", file=table.name, line=line + 1, remedy="Check the file."
            ) from error
