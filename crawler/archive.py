"""The archive of a crawl's pages: WARC 1.1, one file a crawl, `DATA/archive/<market>/<crawl id>.warc.gz`, mode 0600.

Kept are scrubbed pages (`crawler.scrub`), with the status and the content type of their answer and no other header. A
body that the crawl gave before (among its last 8,192) is kept once: later ones are `revisit` records with its digest.
Every record is a gzip member of its own and is written in one piece, so a killed crawl leaves at most one torn member,
which the next opening cuts off. Record ids come from content and time. Vendors' names are still in the pages: the
archive is for re-reading with a better parser, not for readers; `purge` ends it by age.

With a recipient's public key nothing readable reaches the disk: pages are gathered in memory and written in parts,
`<crawl id>.0001.warc.gz.age` and so on, each an age file with a WARC of its own (up to 64 pages or 4 MB). A kill costs
the archive the pages of the part in the making; what was read in them is in the log.
"""

from __future__ import annotations

import io
import os
import re
import uuid
import zlib
from base64 import b32decode, b32encode
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from warcio.recordbuilder import RecordBuilder
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from config.closing import Closing
from config.errors import InputError
from crawler.encryption import SUFFIX, Recipient, encrypt
from crawler.items import Page
from crawler.pages import PageObject
from crawler.private_file import write_private
from crawler.scrub import Scrubber

_STAMP = re.compile(r"-(\d{8}T\d{6}Z)(?:-[0-9a-f]+)?(?:\.\d+)?\.warc\.gz(?:\.age)?$")
PART_PAGES, PART_BYTES = 64, 4_000_000
_NAMES = uuid.UUID("7f0b8a52-3a0e-5d5c-9a41-0d6d1f6f5a11")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")
_PIECE = 2**20
_REMEMBERED = 8_192
"""Bodies of a crawl that are known again: what a site says over and over comes again soon, and memory stays bounded."""


def archive_path(archive_dir: Path, market: str, crawl: str) -> Path:
    """Where the pages of that crawl are kept."""
    return archive_dir / market / f"{crawl}.warc.gz"


def archive_files(archive_dir: Path, market: str, crawl: str) -> list[Path]:
    """The files that hold a crawl's pages, in order; none where nothing was kept."""
    folder, plain = archive_dir / market, archive_path(archive_dir, market, crawl)
    parts = sorted(folder.glob(f"{crawl}.[0-9]*.warc.gz{SUFFIX}"), key=lambda path: (len(path.name), path.name))
    return [*([plain] if plain.is_file() else []), *parts]


@dataclass(slots=True)
class _Part:
    """Pages of one crawl that are not on the disk yet."""

    number: int
    data: bytearray = field(default_factory=bytearray)
    pages: int = 0


@dataclass(slots=True)
class Archive(Closing):
    """Keeps pages: `crawl(..., keep=archive)`; close it at the end (an encrypted part may still be in the making).

    A page of another crawl goes to that crawl's file. `recipient`: an age public key to encrypt to. Raises InputError
    where a page cannot be written: a crawl that should be archived and is not ends as failed.
    """

    archive_dir: Path
    pages: PageObject
    software: str = "dropline"
    recipient: Recipient | None = None
    _scrubber: Scrubber = field(init=False)
    _parts: dict[Path, _Part] = field(init=False, default_factory=dict)
    _seen: dict[Path, OrderedDict[bytes, tuple[str, str]]] = field(init=False, default_factory=dict)
    """Per file: payload digest -> (address, WARC-Date) of the record that holds it, of the last bodies."""
    _count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._scrubber = Scrubber(self.pages)

    def keep(self, page: Page) -> None:
        """Writes one page (the system has it when this returns)."""
        path = archive_path(self.archive_dir, page.market, page.crawl)
        try:
            if path not in self._seen:
                self._open(path, page)
            self._append(path, self._record(path, page))
            part = self._parts.get(path)
            if part is not None:
                part.pages += 1
                if part.pages >= PART_PAGES or len(part.data) >= PART_BYTES:
                    self._write_part(path, part)
        except OSError as error:
            raise InputError(
                f"The archive cannot be written ({error.strerror or error}).", file=path, remedy="Make room for it."
            ) from error

    def close(self) -> None:
        """Writes what is still in memory."""
        for path, part in list(self._parts.items()):
            self._write_part(path, part)

    def _write_part(self, path: Path, part: _Part) -> None:
        if self.recipient is None or not part.pages:
            return
        name = f"{path.name.removesuffix('.warc.gz')}.{part.number:04}.warc.gz{SUFFIX}"
        write_private(path.with_name(name), encrypt(bytes(part.data), self.recipient))
        # the next part is a WARC of its own: its revisits lead to pages in itself
        del self._seen[path], self._parts[path]

    def _open(self, path: Path, page: Page) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.recipient is not None:
            files = archive_files(self.archive_dir, page.market, page.crawl)
            numbers = [int(file.name.split(".")[-4]) for file in files if file.suffix == SUFFIX]
            self._parts[path] = _Part(max(numbers, default=0) + 1)
            self._seen[path] = OrderedDict()
            self._begin(path, page)
            return
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.close(handle)
        whole = _whole_members(path)
        if whole != path.stat().st_size:
            os.truncate(path, whole)  # torn by a kill: that page was never logged as read
        self._seen[path] = OrderedDict()
        if whole == 0:
            self._begin(path, page)
        else:
            self._seen[path] = _digests(path)

    def _begin(self, path: Path, page: Page) -> None:
        fields = {
            "software": self.software,
            "format": "WARC File Format 1.1",
            "description": f"pages of crawl {page.crawl}, scrubbed: no scripts, inline images, buyers' blocks",
        }
        made = _Writer(f"{page.crawl} info {self._count}", page.fetched_at)
        self._append(path, made.write(made.builder.create_warcinfo_record(path.name, fields)))

    def _record(self, path: Path, page: Page) -> bytes:
        body = self._scrubber.scrub(page.body, page.content_type)
        key = sha256(body).digest()
        digest = f"sha256:{b32encode(key).decode()}"
        self._count += 1
        made = _Writer(f"{page.crawl} {page.url} {page.fetched_at.isoformat()} {digest} {self._count}", page.fetched_at)
        headers = StatusAndHeaders(
            f"{page.status} {'OK' if page.status < 400 else 'Error'}",
            [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))],
            protocol="HTTP/1.1",
        )
        url = _CONTROL.sub("%20", page.url)  # an address must not write headers of its own
        seen = self._seen[path]
        before = seen.get(key)
        if before is not None and body:
            seen.move_to_end(key)
            return made.write(
                made.builder.create_revisit_record(url, digest, before[0], before[1], http_headers=headers))
        _remember(seen, key, url, made.date)
        return made.write(made.builder.create_warc_record(
            url,
            "response",
            payload=io.BytesIO(body),
            length=len(body),
            http_headers=headers,
            warc_headers_dict={"WARC-Date": made.date, "WARC-Payload-Digest": digest},
        ))

    def _append(self, path: Path, data: bytes) -> None:
        part = self._parts.get(path)
        if part is not None:
            part.data += data
            return
        with path.open("ab", buffering=0) as file:
            file.write(data)


class _Writer:
    """One record, made in memory, with a time and an id of ours in place of the clock's and chance's."""

    def __init__(self, name: str, moment: datetime) -> None:
        self.date = moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
        self.builder = RecordBuilder(warc_version="1.1", header_filter=None)
        self._id = f"<urn:uuid:{uuid.uuid5(_NAMES, name)}>"

    def write(self, record: object) -> bytes:
        record.rec_headers.replace_header("WARC-Record-ID", self._id)  # type: ignore[attr-defined]
        record.rec_headers.replace_header("WARC-Date", self.date)  # type: ignore[attr-defined]
        stream = io.BytesIO()
        WARCWriter(stream, gzip=False, warc_version="1.1").write_record(record)
        # the library's own level, 9, takes two and a half times as long on real pages and saves one per cent
        member = zlib.compressobj(6, zlib.DEFLATED, 31)
        return member.compress(stream.getvalue()) + member.flush()


def _whole_members(path: Path) -> int:
    """Bytes up to the end of the last whole gzip member."""
    end = 0
    with path.open("rb") as file:
        member = zlib.decompressobj(31)
        read = 0
        while piece := file.read(_PIECE):
            read += len(piece)
            while piece:
                try:
                    member.decompress(piece)
                except zlib.error:
                    return end
                if not member.eof:
                    break
                piece = member.unused_data
                end = read - len(piece)
                member = zlib.decompressobj(31)
    return end


def _remember(seen: OrderedDict[bytes, tuple[str, str]], key: bytes, url: str, date: str) -> None:
    seen[key] = (url, date)
    seen.move_to_end(key)
    if len(seen) > _REMEMBERED:
        seen.popitem(last=False)


def _digests(path: Path) -> OrderedDict[bytes, tuple[str, str]]:
    from warcio.archiveiterator import ArchiveIterator

    found: OrderedDict[bytes, tuple[str, str]] = OrderedDict()
    with path.open("rb") as file:
        for record in ArchiveIterator(file):
            if record.rec_type == "response":
                head = record.rec_headers
                digest = str(head.get_header("WARC-Payload-Digest")).partition(":")[2]
                _remember(found, b32decode(digest), head.get_header("WARC-Target-URI"), head.get_header("WARC-Date"))
    return found


@dataclass(frozen=True, slots=True)
class Purged:
    """An archive file that was removed."""

    path: Path
    size: int
    """Bytes."""


def purge(archive_dir: Path, older_than: timedelta, now: datetime, *, dry: bool = False) -> list[Purged]:
    """Removes (with `dry`: only finds) the archives of crawls begun before `now - older_than` (aware), by the time in
    the file's name, else by the file's own. Returns what was removed; raises InputError where a file cannot be."""
    gone = []
    for path in sorted(archive_dir.glob("*/*.warc.gz*")):
        stamp = _STAMP.search(path.name)
        if stamp is not None:
            begun = datetime.strptime(stamp.group(1), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        else:
            begun = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        if now - begun <= older_than:
            continue
        size = path.stat().st_size
        try:
            if not dry:
                path.unlink()
        except OSError as error:
            raise InputError(f"The archive cannot be removed ({error.strerror}).", file=path) from error
        gone.append(Purged(path, size))
    return gone
