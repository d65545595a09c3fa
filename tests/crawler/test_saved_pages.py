"""Saved pages out of folders, archives and WARC; hostile names, oversized and damaged ones; parse and replay."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from crawler.items import CrawlKind, CrawlOutcome, PageOutcome
from crawler.log import iter_log
from crawler.market import market_folder
from crawler.privacy import Masker
from crawler.replay import ParsedFile, parse_saved, replay_saved
from crawler.saved import MAX_PAGE, SavedPage, iter_saved_pages, plain_name

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MASKER = Masker("0badcafe", b"1" * 32)
FIXTURES = market_folder("empire") / "fixtures"
LISTING = (FIXTURES / "listing_bulk" / "page.html").read_bytes()
SEARCH = (FIXTURES / "search" / "page.html").read_bytes()


def names(*paths: Path) -> dict[str, SavedPage]:
    return {page.name: page for page in iter_saved_pages(paths)}


def make_tar(path: Path, members: dict[str, bytes], mode: str = "w:xz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
        link = tarfile.TarInfo("link.html")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return path


def test_folder_zip_tar_and_single_file_give_the_same_pages(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "1.html").write_bytes(LISTING)
    (folder / "b.htm.gz").write_bytes(gzip.compress(SEARCH))
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    (folder / "away.html").symlink_to("/etc/passwd")
    with zipfile.ZipFile(tmp_path / "saved.zip", "w") as archive:
        archive.writestr("a/1.html", LISTING)
        archive.writestr("photo.jpg", b"\xff\xd8")
    tar = make_tar(tmp_path / "saved.tar.xz", {"a/1.html": LISTING, "photo.jpg": b"\xff\xd8"})
    assert {name: page.body for name, page in names(folder).items()} == {"a/1.html": LISTING, "b.htm.gz": SEARCH}
    for archive_path in (tmp_path / "saved.zip", tar):
        assert {name: page.body for name, page in names(archive_path).items()} == {"a/1.html": LISTING}
    assert names(folder / "a" / "1.html")["1.html"].body == LISTING


def test_hostile_names_stay_labels(tmp_path: Path) -> None:
    tar = make_tar(tmp_path / "x.tar", {"../../../etc/evil.html": LISTING, "/srv/abs.html": LISTING}, "w")
    assert set(names(tar)) == {"etc/evil.html", "srv/abs.html"}
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("..\\..\\c:\\win\\evil.html", LISTING)
    assert set(names(tmp_path / "x.zip")) == {"win/evil.html"}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.tar", "x.zip"]


@given(st.text())
def test_plain_names_never_climb(name: str) -> None:
    plain = plain_name(name)
    assert plain
    assert not plain.startswith("/")
    assert ".." not in plain.split("/")


def test_a_page_of_50_mb_is_refused_with_a_reason(tmp_path: Path) -> None:
    huge = b"<html>" + b" " * 50_000_000 + b"</html>"
    (tmp_path / "huge.html").write_bytes(huge)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("huge.html", huge)
        archive.writestr("ok.html", LISTING)
    (tmp_path / "bomb.html.gz").write_bytes(gzip.compress(huge, 1))
    pages = [tmp_path / "huge.html", tmp_path / "bomb.zip", tmp_path / "bomb.html.gz"]
    parsed = list(parse_saved("empire", iter_saved_pages(pages), masker=MASKER, observed_at=NOW))
    assert [(page.file, page.outcome) for page in parsed] == [
        ("huge.html", None),
        ("huge.html", None),
        ("ok.html", PageOutcome.LISTING),
        ("bomb.html.gz", None),
    ]
    assert all(str(MAX_PAGE) in page.reason for page in parsed if page.outcome is None)


@pytest.mark.parametrize("name", ["cut.tar.xz", "cut.tar.gz", "cut.zip"])
def test_a_truncated_archive_gives_what_it_has_and_says_so(tmp_path: Path, name: str) -> None:
    whole = tmp_path / name
    if name.endswith("zip"):
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr("1.html", LISTING)
    else:
        members = {f"{number}.html": LISTING + bytes(str(number), "ascii") * 50_000 for number in range(9)}
        make_tar(whole, members, "w:" + name.rpartition(".")[2])
    raw = whole.read_bytes()
    whole.write_bytes(raw[: len(raw) * 2 // 3])
    pages = list(iter_saved_pages([whole]))
    assert "damaged" in pages[-1].refused
    assert all(not page.refused for page in pages[:-1])


def test_what_is_not_there_or_not_an_archive(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        list(iter_saved_pages([tmp_path / "missing.zip"]))
    assert caught.value.remedy
    (tmp_path / "fake.zip").write_bytes(b"not a zip")
    assert "damaged" in names(tmp_path / "fake.zip")["fake.zip (rest)"].refused


def make_warc(path: Path, pages: dict[str, bytes]) -> Path:
    """Response records, each its own gzip member, as the WARC standard has it."""
    with path.open("wb") as stream:
        for address, body in pages.items():
            kind = "image/png" if address.endswith("png") else "text/html; charset=utf-8"
            http = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            head = (
                f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {address}\r\nWARC-Date: 2025-12-24T18:00:00Z\r\n"
                "WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000001>\r\n"
                f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
            )
            stream.write(gzip.compress(head.encode() + http + b"\r\n\r\n"))
    return path


def test_warc_knows_address_and_time(tmp_path: Path) -> None:
    host = "http://market.invalid"
    warc = make_warc(tmp_path / "x.warc.gz", {f"{host}/product/1": LISTING, f"{host}/a.png": b"x", f"{host}/s": SEARCH})
    parsed = list(parse_saved("empire", iter_saved_pages([warc]), masker=MASKER, observed_at=NOW))
    assert [page.outcome for page in parsed] == [PageOutcome.LISTING, PageOutcome.INDEX]
    assert parsed[0].items[0].observed_at == datetime(2025, 12, 24, 18, tzinfo=UTC)
    raw = warc.read_bytes()
    warc.write_bytes(raw[: len(raw) - 200])
    assert names(warc)


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "never"])
def test_a_date_of_no_time_is_none(tmp_path: Path, date: str) -> None:
    warc = make_warc(tmp_path / "x.warc.gz", {"http://market.invalid/product/1": LISTING})
    warc.write_bytes(gzip.compress(gzip.decompress(warc.read_bytes()).replace(b"2025-12-24T18:00:00Z", date.encode())))
    (parsed,) = parse_saved("empire", iter_saved_pages([warc]), masker=MASKER, observed_at=NOW)
    assert parsed.items[0].observed_at == NOW


def test_parse_masks_and_tells_outcomes() -> None:
    pages = [SavedPage(folder.parent.name, folder.read_bytes()) for folder in sorted(FIXTURES.glob("*/page.html"))]
    parsed = {page.file: page for page in parse_saved("empire", pages, masker=MASKER, observed_at=NOW)}
    assert parsed["login"].outcome is PageOutcome.LOGIN
    assert parsed["cut"].outcome is PageOutcome.TRUNCATED
    assert parsed["cut"].reason
    for page in parsed.values():
        for item in page.items:
            assert item.vendor is not None
            assert item.vendor.startswith("0badcafe:")


def test_replay_is_one_crawl_and_repeats_itself(tmp_path: Path) -> None:
    tar = make_tar(tmp_path / "pages.tar.xz", {"s.html": SEARCH, "l.html": LISTING, "bad.html": b"<html>"})
    seen: list[ParsedFile] = []
    crawl, items = replay_saved(
        "empire", [tar], masker=MASKER, observed_at=NOW, data_dir=tmp_path / "data", progress=seen.append
    )
    listings = {item.listing: item for item in items}
    assert (crawl.kind, crawl.outcome, crawl.source) == (CrawlKind.REPLAY, CrawlOutcome.PARTIAL, "pages.tar.xz")
    assert crawl.pages == {PageOutcome.INDEX: 1, PageOutcome.LISTING: 1, PageOutcome.TRUNCATED: 1}
    assert set(listings) == {"4711", "4713"}
    assert listings["4711"].description  # the detail page's, though the index page came first
    assert len(seen) == 3
    log = tmp_path / "data" / "logs" / "empire" / f"{crawl.id}.jsonl"
    before = log.read_bytes()
    again, more = replay_saved("empire", [tar], masker=MASKER, observed_at=NOW, data_dir=tmp_path / "data")
    assert again == crawl
    assert {item.listing: item for item in more} == listings
    assert log.read_bytes() == before
    # one that was interrupted begins anew
    log.write_bytes(before[: before.index(b"\n") + 40])
    replay_saved("empire", [tar], masker=MASKER, observed_at=NOW, data_dir=tmp_path / "data")
    assert iter_log(log)[0] == crawl
