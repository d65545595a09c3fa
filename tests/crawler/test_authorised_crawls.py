"""No crawl without a recorded authorisation; the Scrapy project's own commands hold the same gates."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from crawler_lab import open_shop, open_socks

from config.errors import NotAuthorised, UsageError
from crawler.authorisation import check_authorised
from crawler.log import iter_log

ROOT = Path(__file__).resolve().parents[2]
ONION = "a" * 55 + "d.onion"
TODAY = date(2026, 5, 1)


def record(folder: Path, **changes: str) -> Path:
    entry = {"legal_basis": "a test of our own", "approver": "nobody", "expires": "2099-01-01", **changes}
    lines = "".join(f"    {name}: {value}\n" for name, value in entry.items())
    file = folder / "authorisations.yml"
    file.write_text(f"markets:\n  empire:\n{lines}    addresses: [{ONION}]\n", encoding="utf-8")
    return file


def test_entry_is_needed_and_expires(tmp_path: Path) -> None:
    with pytest.raises(NotAuthorised, match="no such file") as caught:
        check_authorised("empire", tmp_path / "authorisations.yml", TODAY)
    assert caught.value.exit_code == 2
    file = record(tmp_path)
    assert check_authorised("empire", file, TODAY).addresses == (f"http://{ONION}",)
    with pytest.raises(NotAuthorised, match="no entry"):
        check_authorised("another", file, TODAY)
    record(tmp_path, expires="2026-05-01")
    check_authorised("empire", file, TODAY)
    with pytest.raises(NotAuthorised, match="expired on 2026-05-01"):
        check_authorised("empire", file, date(2026, 5, 2))


def test_broken_entries_name_their_line(tmp_path: Path) -> None:
    file = record(tmp_path, approver='""')
    with pytest.raises(UsageError) as caught:
        check_authorised("empire", file, TODAY)
    assert (caught.value.file, caught.value.line) == (file, 4)
    file.write_text(f"markets:\n  empire:\n    legal_basis: law\n    approver: me\n    expires: 2099-01-01\n    addresses: [{ONION[1:]}]\n")
    with pytest.raises(UsageError, match="version-3") as caught:
        check_authorised("empire", file, TODAY)
    assert caught.value.line == 6


def scrapy(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scrapy", *arguments],
        cwd=ROOT,
        env={**os.environ, "DROPLINE_DATA_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_scrapy_list(tmp_path: Path) -> None:
    assert scrapy(tmp_path, "list").stdout.split() == ["market"]


def test_scrapy_crawl_needs_the_authorisation(tmp_path: Path) -> None:
    done = scrapy(tmp_path, "crawl", "market", "-a", "market=empire")
    assert "NotAuthorised" in done.stderr
    assert not (tmp_path / "logs").exists()


def test_scrapy_crawl_goes_through_socks_whatever_the_command_line_says(tmp_path: Path) -> None:
    record(tmp_path)
    with open_shop() as shop, open_socks(shop.server_address[1]) as socks:
        done = scrapy(
            tmp_path,
            *("crawl", "market", "-a", "market=empire", "-s", "COOKIES_ENABLED=1", "-s", "HTTPPROXY_ENABLED=1"),
            *("-s", 'DOWNLOAD_HANDLERS={"http": "crawler.handlers.LoopbackHandler"}', "-s", "DOWNLOADER_MIDDLEWARES={}"),
            DROPLINE_TOR_SOCKS=socks.address,
        )
        assert [asked[3] for asked in socks.asked] == [ONION], done.stderr
        assert shop.hits == ["/home"]  # no robots.txt, no favicon
    (log,) = (tmp_path / "logs" / "empire").iterdir()
    crawl, items = iter_log(log)
    assert list(items) == []
    assert crawl.finished is not None
