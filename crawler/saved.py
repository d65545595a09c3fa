"""Saved pages out of whatever they were saved in: folders, zip, tar.*, single files, WARC.

Nothing is unpacked to the disk, so a hostile name inside an archive is only a label; it is made relative and plain all
the same. Members above `MAX_PAGE` bytes are not read: they come as a SavedPage with a `refused` reason. Damage in an
archive gives what can be read, then one refused entry that says where it broke.
"""

from __future__ import annotations

import gzip
import io
import lzma
import posixpath
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from config.errors import InputError
from crawler.encryption import SUFFIX, Identities, decrypt_file
from crawler.items import YEARS, Page

MAX_PAGE = 10_000_000
"""Largest page in bytes, unpacked."""
_PAGES = (".html", ".htm", ".xhtml", ".php", ".asp", ".aspx", "")
_PLAIN = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)*")
"""Most names: nothing has to be taken out of them."""
_PIECE = 2**16
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error, lzma.LZMAError, RuntimeError, ValueError
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SavedPage:
    """One saved page. `name` is its path inside the archive or folder; `address` and `fetched_at` come from a WARC."""

    name: str
    body: bytes = b""
    status: int = 200
    content_type: str = "text/html"
    address: str | None = None
    fetched_at: datetime | None = None
    refused: str = ""
    """Why it was not read; then `body` is empty."""

    def as_page(self, market: str, crawl: str, otherwise: datetime) -> Page:
        """The page as a crawl would have had it; `otherwise` (aware) where the archive knows no time."""
        return Page(
            market=market,
            crawl=crawl,
            url=self.address or self.name,
            status=self.status,
            content_type=self.content_type,
            body=self.body,
            fetched_at=self.fetched_at or otherwise,
        )


def plain_name(name: str) -> str:
    """A member's name without drive, root, dot segments or control characters: `../../etc/x` becomes `etc/x`."""
    if _PLAIN.fullmatch(name):
        return name[-400:]
    clean = "".join(char for char in name.replace("\\", "/") if char.isprintable())
    parts = [part for part in PurePosixPath(clean).parts if part not in {"/", "..", "."} and not part.endswith(":")]
    return "/".join(parts)[-400:] or "unnamed"


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower().removesuffix(".")


def iter_saved_pages(paths: Iterable[Path], identities: Identities = ()) -> Iterator[SavedPage]:
    """The pages of those files, folders and archives, in order of name. `identities` open archives that Dropline
    encrypted (`.warc.gz.age`). Raises InputError for a path that is not there or cannot be opened at all, UsageError
    for an encrypted one that no key opens."""
    for path in paths:
        if path.is_dir():
            yield from _iter_folder(path, identities)
        elif path.is_file():
            yield from _iter_file(path, path.name, identities)
        else:
            raise InputError("There is no such file or folder.", file=path, remedy="Check the path.")


def _iter_folder(folder: Path, identities: Identities) -> Iterator[SavedPage]:
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue  # a link may lead anywhere
        name = file.relative_to(folder).as_posix()
        if _is_container(file) or file.suffix.lower() in _PAGES or name.lower().endswith((".html.gz", ".htm.gz")):
            yield from _iter_file(file, name, identities)


def _is_warc(name: str) -> bool:
    return name.lower().removesuffix(SUFFIX).endswith((".warc", ".warc.gz"))


def _is_container(file: Path) -> bool:
    name = file.name.lower()
    return _is_warc(name) or name.endswith((".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz"))


def _iter_file(file: Path, name: str, identities: Identities) -> Iterator[SavedPage]:
    if _is_warc(file.name) and file.suffix.lower() == SUFFIX:
        try:
            content = decrypt_file(file, identities)
        except InputError as error:
            yield SavedPage(name=name, refused=error.message)
            return
        yield from _iter_warc(lambda: io.BytesIO(content), name)
    elif _is_warc(file.name):
        yield from _iter_warc(lambda: file.open("rb"), name)
    elif _is_container(file):
        reader = _iter_zip if file.suffix.lower() == ".zip" else _iter_tar
        try:
            yield from reader(file)
        except _DAMAGE as error:
            yield SavedPage(name=f"{name} (rest)", refused=f"the archive is damaged from here on: {error or 'cut off'}")
    else:
        size = file.stat().st_size
        if size > MAX_PAGE:
            yield SavedPage(name=name, refused=_too_large(size))
        elif file.suffix.lower() == ".gz":
            try:
                with gzip.open(file) as stream:
                    yield _bounded(name, stream)
            except _DAMAGE as error:
                yield SavedPage(name=name, refused=f"damaged: {error}")
        else:
            yield SavedPage(name=name, body=file.read_bytes())


def _too_large(size: int) -> str:
    return f"{size} bytes, the limit is {MAX_PAGE}"


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def _bounded(name: str, stream: _Readable) -> SavedPage:
    """Reads at most the limit: sizes that an archive declares are not believed."""
    body = stream.read(MAX_PAGE + 1)
    if len(body) > MAX_PAGE:
        return SavedPage(name=name, refused=f"more than {MAX_PAGE} bytes")
    return SavedPage(name=name, body=body)


def _iter_zip(file: Path) -> Iterator[SavedPage]:
    with zipfile.ZipFile(file) as archive:
        for member in sorted(archive.infolist(), key=lambda info: info.filename):
            name = plain_name(member.filename)
            if member.is_dir() or _suffix(name) not in _PAGES:
                continue
            if member.file_size > MAX_PAGE:
                yield SavedPage(name=name, refused=_too_large(member.file_size))
                continue
            try:
                with archive.open(member) as stream:
                    yield _bounded(name, stream)
            except _DAMAGE as error:
                yield SavedPage(name=name, refused=f"damaged: {error}")


def _iter_tar(file: Path) -> Iterator[SavedPage]:
    # not as a stream ("r|"): that takes a compressed file that was cut off for one that ended
    with tarfile.open(file, "r:*") as archive:
        for member in archive:
            name = plain_name(member.name)
            if not member.isreg() or _suffix(name) not in _PAGES:
                continue  # links and devices are nothing to read
            if member.size > MAX_PAGE:
                yield SavedPage(name=name, refused=_too_large(member.size))
                continue
            stream = archive.extractfile(member)
            if stream is not None:
                with stream:
                    yield _bounded(name, stream)


def _iter_warc(open_again: Callable[[], BinaryIO], name: str) -> Iterator[SavedPage]:
    with open_again() as raw:
        count = 0
        places: dict[str, int] = {}
        """By payload digest: where in the file the record with that body begins."""
        last = 0
        try:
            records = ArchiveIterator(raw)
            for record in records:
                last = records.offset
                if record.rec_headers.get_header("Content-Length") is None:  # every whole record has one
                    yield _cut_off(name)
                    return
                if record.rec_type not in {"response", "revisit"} or record.http_headers is None:
                    continue
                kind = record.http_headers.get_header("Content-Type") or "text/html"
                if not re.match(r"\s*(?:text/html|application/xhtml)", kind, re.IGNORECASE):
                    continue
                count += 1
                label = f"{name}#{count}"
                digest = record.rec_headers.get_header("WARC-Payload-Digest") or ""
                if record.rec_type == "response":
                    places.setdefault(digest, records.offset)
                    page = _bounded(label, record.content_stream())
                    if not page.refused and getattr(record.raw_stream, "limit", 0) > 0:  # fewer bytes than it declares
                        yield _cut_off(name)
                        return
                elif digest in places:
                    page = _body_at(open_again, places[digest], label)
                else:
                    page = SavedPage(name=label, refused="its body is in another file (a revisit record)")
                address = record.rec_headers.get_header("WARC-Target-URI") or ""
                status = record.http_headers.get_statuscode() or ""
                yield SavedPage(
                    name=page.name,
                    body=page.body,
                    status=int(status) if status.isdigit() and 100 <= int(status) <= 599 else 200,
                    content_type=kind,
                    address=address or None,
                    fetched_at=_warc_date(record.rec_headers.get_header("WARC-Date")),
                    refused=page.refused,
                )
            if _is_torn(open_again, last):  # warcio takes a member that was cut off for the end
                yield _cut_off(name)
        except AttributeError:  # warcio's own, on a record without headers
            yield _cut_off(name)
        except (ArchiveLoadFailed, *_DAMAGE) as error:
            yield SavedPage(name=f"{name} (rest)", refused=f"the archive is damaged from here on: {error or 'cut off'}")


def _cut_off(name: str) -> SavedPage:
    return SavedPage(name=f"{name} (rest)", refused="the archive is damaged from here on: cut off")


def _is_torn(open_again: Callable[[], BinaryIO], offset: int) -> bool:
    """Whether a gzip member, from the one that begins there on, was cut off."""
    with open_again() as raw:
        raw.seek(offset)
        data = raw.read(_PIECE)
        if not data.startswith(b"\x1f\x8b"):
            return False  # not compressed
        member = zlib.decompressobj(31)
        while data:
            member.decompress(data, _PIECE)  # bounded: what it says is read elsewhere
            if member.eof:
                data, member = member.unused_data or raw.read(_PIECE), zlib.decompressobj(31)
                if not data:
                    return False
            else:
                data = member.unconsumed_tail or raw.read(_PIECE)
        return True


def _body_at(open_again: Callable[[], BinaryIO], offset: int, name: str) -> SavedPage:
    """The body of the record that begins there."""
    with open_again() as raw:
        raw.seek(offset)
        return _bounded(name, next(iter(ArchiveIterator(raw))).content_stream())


def _warc_date(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.year not in YEARS:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
