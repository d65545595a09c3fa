"""Archives at rest in the age format: only the key's owner reads them, `age` and `replay` alike."""

from __future__ import annotations

import asyncio
import io
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from crawler_lab import ITEMS, lab_market, open_shop
from pyrage import x25519
from warcio.archiveiterator import ArchiveIterator

from config.errors import UsageError
from crawler.archive import PART_PAGES, Archive, archive_files, purge
from crawler.encryption import load_identities, parse_recipient
from crawler.items import Listing, Page
from crawler.log import iter_log
from crawler.pages import PageObject
from crawler.privacy import Masker
from crawler.replay import replay_saved
from crawler.run import crawl
from crawler.saved import iter_saved_pages
from crawler.transport import Loopback

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MASKER = Masker("0badcafe", b"1" * 32)
KEY = x25519.Identity.generate()
RECIPIENT = parse_recipient(str(KEY.to_public()))
CRAWL = "lab-20260501T120000Z"


def page(number: int) -> Page:
    body = f"<html><p>Anise cookies, tin {number}</p></html>".encode()
    return Page(market="lab", crawl=CRAWL, url=f"http://shop.invalid/{number}", status=200, body=body, fetched_at=NOW)


def test_parts_are_age_files_with_a_warc_in_each(tmp_path: Path) -> None:
    with Archive(tmp_path, PageObject(lab_market()), recipient=RECIPIENT) as archive:
        for number in range(PART_PAGES + 3):
            archive.keep(page(number))
    files = archive_files(tmp_path, "lab", CRAWL)
    assert [file.name for file in files] == [f"{CRAWL}.0001.warc.gz.age", f"{CRAWL}.0002.warc.gz.age"]
    for file, count in zip(files, (PART_PAGES, 3), strict=True):
        raw = file.read_bytes()
        assert raw.startswith(b"age-encryption.org/v1\n-> X25519 ")  # what the age tool reads
        assert b"Anise" not in raw
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        kinds = [record.rec_type for record in ArchiveIterator(io.BytesIO(pyrage.decrypt(raw, [KEY])))]
        assert kinds == ["warcinfo", *["response"] * count]
    assert len(list(iter_saved_pages([tmp_path], [KEY]))) == PART_PAGES + 3


def test_a_killed_crawl_goes_on_with_another_part(tmp_path: Path) -> None:
    killed = Archive(tmp_path, PageObject(lab_market()), recipient=RECIPIENT)
    for number in range(PART_PAGES + 5):
        killed.keep(page(number))  # the last five were never written
    with Archive(tmp_path, PageObject(lab_market()), recipient=RECIPIENT) as archive:
        archive.keep(page(999))
    assert len(archive_files(tmp_path, "lab", CRAWL)) == 2
    assert len(list(iter_saved_pages(archive_files(tmp_path, "lab", CRAWL), [KEY]))) == PART_PAGES + 1


def test_replay_needs_the_key_and_gives_the_crawls_listings(tmp_path: Path) -> None:
    market = lab_market()
    archive = Archive(tmp_path / "archive", PageObject(market), recipient=RECIPIENT)
    with open_shop() as shop:
        done = asyncio.run(
            crawl(
                market, started=NOW, transport=Loopback(shop.address, demo=True), masker=MASKER, data_dir=tmp_path,
                clock=lambda: NOW, keep=archive.keep, release=archive.close,
            )
        )  # fmt: skip
    files = archive_files(tmp_path / "archive", "lab", done.id)
    assert done.listings == ITEMS
    for keys in ((), (x25519.Identity.generate(),)):
        with pytest.raises(UsageError, match=r"identity|key"):
            replay_saved(market, files, masker=MASKER, observed_at=NOW, data_dir=tmp_path, identities=keys)
    _, logged = iter_log(tmp_path / "logs" / "lab" / f"{done.id}.jsonl")
    replayed, listings = replay_saved(market, files, masker=MASKER, observed_at=NOW, data_dir=tmp_path, identities=[KEY])

    def told(items: object) -> dict[str, Listing]:
        return {item.listing: item.model_copy(update={"crawl": ""}) for item in items}  # type: ignore[attr-defined]

    assert replayed.pages == done.pages
    assert told(listings) == told(logged)


def test_damage_is_told_and_purge_removes_by_age(tmp_path: Path) -> None:
    with Archive(tmp_path, PageObject(lab_market()), recipient=RECIPIENT) as archive:
        archive.keep(page(1))
    (file,) = archive_files(tmp_path, "lab", CRAWL)
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    (broken,) = iter_saved_pages([file], [KEY])
    assert "cannot be decrypted" in broken.refused
    assert purge(tmp_path, timedelta(days=90), NOW + timedelta(days=89)) == []
    assert [one.path for one in purge(tmp_path, timedelta(days=90), NOW + timedelta(days=91))] == [file]


def test_keys_are_checked_and_never_shown(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="age-keygen"):
        parse_recipient("age1nonsense")
    file = tmp_path / "key.txt"
    file.write_text(f"# created: today\n{KEY}\n")
    file.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        load_identities(file)
    file.chmod(0o600)
    (key,) = load_identities(file)
    assert str(key) == str(KEY)
    file.write_text("AGE-SECRET-KEY-1NONSENSE\n")
    with pytest.raises(UsageError) as caught:
        load_identities(file)
    assert caught.value.line == 1
    assert "NONSENSE" not in str(caught.value)
    file.write_text("# nothing\n")
    with pytest.raises(UsageError, match="no age secret key"):
        load_identities(file)
    with pytest.raises(UsageError, match="cannot be read"):
        load_identities(tmp_path / "nowhere")
