"""One file with all that an installation cannot get again: store, state, logs, rates, authorisations, rules of alerts,
schedule, the operator's own names and markets and, if asked, the key and the channels (with their passwords).
A tar whose last member is a manifest with the SHA-256 of every other.

Left out on purpose: session cookies (secrets that expire) and the page archive (purged after 90 days anyway).
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, cast
from urllib.parse import unquote

from pydantic import ValidationError

from config.errors import DroplineError, InputError, UsageError
from config.settings import Settings
from extract.observation import Record
from index.backup import backup_database, backup_store
from monitor.state import state_path

MANIFEST = "manifest.json"
STORE, STATE, KEY, AUTHORISATIONS = "store.sqlite", "state.db", "vendor.key", "authorisations.yml"
SCHEDULE, CHANNELS = "schedule.yml", "channels.yml"
FOLDERS = ("logs", "readings", "fx", "imports", "vocab", "alerts", "markets")
"""Folders below the data folder that go in whole."""
FORMAT = 1
_CHUNK = 2**20
Progress = Callable[[str], None]


class Member(Record):
    """One file of a backup."""

    name: str
    size: int
    sha256: str


class Manifest(Record):
    """What a backup holds."""

    format: int
    created: datetime
    dropline: str
    members: tuple[Member, ...]

    @property
    def has_key(self) -> bool:
        return any(member.name == KEY for member in self.members)


def store_path(settings: Settings) -> Path:
    """The store's file. UsageError for a store that is no file."""
    scheme, _, rest = settings.store_url.partition("://")
    if scheme != "sqlite" or not rest.startswith("/"):
        raise UsageError(
            "only a SQLite store can be put into a backup file.",
            remedy="Copy it first: dropline --store URL copy --to sqlite:///PATH; then back that up.",
        )
    return Path(unquote(rest[1:]))


def write_backup(
    settings: Settings, file: Path, *, with_key: bool, created: datetime, dropline: str,
    progress: Progress = lambda name: None,
) -> Manifest:
    """Write a backup while others work: the store and the state by SQLite's online backup, logs as long as now.

    The file is made with mode 0600. UsageError: it exists, or the store is no file. StoreError: the store cannot be
    read. InputError: the disk is full, or a file cannot be read.
    """
    source = store_path(settings)
    if file.exists():
        raise UsageError("there is a file of that name.", file=file, remedy="Name a new one.")
    rough = file.with_name(f"{file.name}.part")
    members: list[Member] = []
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(rough, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with (
            os.fdopen(descriptor, "wb") as stream,
            tempfile.TemporaryDirectory(dir=file.parent) as spare,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for name, path in _iter_files(settings, source, Path(spare), with_key=with_key):
                progress(name)
                members.append(_add(tar, name, path))
            manifest = Manifest(format=FORMAT, created=created, dropline=dropline, members=tuple(members))
            content = manifest.model_dump_json(indent=1).encode()
            info = tarfile.TarInfo(MANIFEST)
            info.size, info.mode = len(content), 0o600
            tar.addfile(info, io.BytesIO(content))
        with rough.open("rb") as written:
            os.fsync(written.fileno())
        rough.replace(file)
    except OSError as error:
        rough.unlink(missing_ok=True)
        # nobody knows the backup under the name it has while it is made
        other = "" if error.filename in (None, str(rough)) else f" ({error.filename})"
        raise InputError(
            f"the backup failed: {error.strerror}{other}.", file=file,
            remedy="Free space or mend the permissions, and run it again.",
        ) from error
    except DroplineError:
        rough.unlink(missing_ok=True)
        raise
    return manifest


def _iter_files(settings: Settings, store: Path, spare: Path, *, with_key: bool) -> Iterator[tuple[str, Path]]:
    """(name in the backup, file), the databases as consistent copies."""
    backup_store(store, spare / STORE)
    yield STORE, spare / STORE
    (spare / STORE).unlink()
    state = state_path(settings.data_dir)
    if state.is_file():
        backup_database(state, spare / STATE)
        yield STATE, spare / STATE
    if settings.authorisations_path.is_file():
        yield AUTHORISATIONS, settings.authorisations_path
    if (settings.data_dir / SCHEDULE).is_file():
        yield SCHEDULE, settings.data_dir / SCHEDULE
    for folder in FOLDERS:
        for path in sorted((settings.data_dir / folder).rglob("*")):
            # tables made of the operator's names are made again
            made = path.is_relative_to(settings.data_dir / "vocab" / "tables")
            if path.is_file() and not path.is_symlink() and not made:
                yield path.relative_to(settings.data_dir).as_posix(), path
    if with_key:
        if not settings.key_path.is_file():
            raise UsageError("there is no key yet.", file=settings.key_path, remedy="Leave out --with-key.")
        yield KEY, settings.key_path
        if (settings.data_dir / CHANNELS).is_file():  # it holds passwords
            yield CHANNELS, settings.data_dir / CHANNELS


class _Hashing:
    """Reads a file and hashes what went by."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.digest = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self.digest.update(content)
        return content


def _add(tar: tarfile.TarFile, name: str, path: Path) -> Member:
    with path.open("rb") as stream:
        info = tarfile.TarInfo(name)
        status = os.fstat(stream.fileno())
        # a log that grows goes in as long as it is now; readers drop a torn last line
        info.size, info.mtime, info.mode = status.st_size, int(status.st_mtime), 0o600
        reader = _Hashing(stream)
        tar.addfile(info, cast("IO[bytes]", reader))  # of which it only reads
    return Member(name=name, size=info.size, sha256=reader.digest.hexdigest())


def restore_backup(settings: Settings, file: Path, progress: Progress = lambda name: None) -> Manifest:
    """Put a backup where this installation keeps its things. Nothing is put anywhere before every hash is right, and
    nothing is ever overwritten.

    UsageError: no such file, or something is in the way. InputError: it is no backup, or damaged.
    """
    if not file.is_file():
        raise UsageError("there is no such file.", file=file, remedy="Give a file that `dropline backup` wrote.")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix=".restore-") as name:
        rough = Path(name)
        try:
            manifest = _unpack(file, rough, progress)
        except (tarfile.TarError, EOFError) as error:
            raise InputError(f"no whole backup: {error}.", file=file, remedy="Take another copy of it.") from error
        except OSError as error:
            raise InputError(
                f"the backup cannot be unpacked: {error.strerror or error}.", file=file,
                remedy="Free space, and run it again.",
            ) from error
        targets = {member.name: _target(settings, member.name) for member in manifest.members}
        in_the_way = [path for path in targets.values() if path.exists()]
        store = store_path(settings)
        # a journal left by another store would be taken for this one's
        beside = [store.with_name(f"{store.name}{end}") for end in ("-wal", "-shm")]
        in_the_way += [path for path in beside if path.exists()]
        if in_the_way:
            raise UsageError(
                f"{len(in_the_way)} files are there already, and nothing is overwritten.", file=in_the_way[0],
                remedy="Restore into an empty folder (--data-dir, --store), or move them away.",
            )
        for member, path in targets.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(rough / member, path)
            if member in {KEY, CHANNELS}:
                path.chmod(0o600)
    return manifest


def _target(settings: Settings, name: str) -> Path:
    special = {STORE: store_path(settings), KEY: settings.key_path, AUTHORISATIONS: settings.authorisations_path}
    return special.get(name) or settings.data_dir / name


def _unpack(file: Path, folder: Path, progress: Progress) -> Manifest:
    """Unpack into an empty folder and hold everything against the manifest."""
    found: dict[str, Member] = {}
    manifest: Manifest | None = None
    with tarfile.open(file, "r:") as tar:
        for info in tar:
            stream = tar.extractfile(info) if info.isreg() else None
            if stream is None or not _is_ours(info.name):
                raise InputError(f"it holds {info.name!r}, which no backup does.", file=file, remedy="Do not use it.")
            if info.name == MANIFEST:
                manifest = _read_manifest(stream.read(), file)
                continue
            progress(info.name)
            path = folder / info.name
            path.parent.mkdir(parents=True, exist_ok=True)
            reader = _Hashing(stream)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                shutil.copyfileobj(reader, out, _CHUNK)
            found[info.name] = Member(name=info.name, size=info.size, sha256=reader.digest.hexdigest())
    if manifest is None:
        raise InputError("the manifest is missing: it is cut short.", file=file, remedy="Take another copy of it.")
    stated = {member.name: member for member in manifest.members}
    wrong = sorted(name for name in stated.keys() | found.keys() if stated.get(name) != found.get(name))
    if wrong:
        raise InputError(
            f"{len(wrong)} files are missing or not as the manifest says: {', '.join(wrong[:5])}.", file=file,
            remedy="Take another copy of it; nothing was restored.",
        )
    return manifest


def _read_manifest(content: bytes, file: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise InputError("the manifest cannot be read.", file=file, remedy="Take another copy of it.") from error
    if manifest.format != FORMAT:
        raise InputError(f"the backup has format {manifest.format}.", file=file, remedy="Update dropline.")
    return manifest


def _is_ours(name: str) -> bool:
    """Whether a backup may hold a member of that name: never a path that leads elsewhere."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        return False
    if len(path.parts) > 1:
        return path.parts[0] in FOLDERS
    return name in {MANIFEST, STORE, STATE, KEY, AUTHORISATIONS, SCHEDULE, CHANNELS}
