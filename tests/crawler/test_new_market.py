"""`market new` drafts a folder that reads most of it; `market check` says field by field what is read."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.check import check_market
from crawler.draft import draft_market
from crawler.market import market_folder
from crawler.pages import PageObject, load_pages
from crawler.privacy import Masker
from crawler.saved import SavedPage, iter_saved_pages

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MASKER = Masker("0badcafe", b"1" * 32)
ROWS = "".join(
    f"<div class=hit><a class=t href='/g/{i}'>Green tea number {i}</a> by <a href='/seller/leafy'>leafy</a>"
    f"<span class=cost>€ {i}.50</span></div>"
    for i in range(100, 105)
)
INDEX = f"<html><body>{ROWS}<div class=pages><a href='/p/2'>2</a><a href='/p/2'>next</a></div></body></html>"
DETAIL = (
    "<html><body><div class=offer data-item=101><h1>Green tea number 101</h1><a href='/seller/leafy'>leafy</a>"
    "<div class=about>Grown on a hill.<br>Dried in the sun.</div><span class=cost>€ 101.50</span></div></body></html>"
)


def dropline(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from monitor.cli import main; main()", "--data-dir", str(folder), "--format", "json",
         *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "index.html").write_text(INDEX)
    (folder / "item.html").write_text(DETAIL)
    return folder


def test_from_saved_pages_to_a_market_that_reads_them(saved: Path, tmp_path: Path) -> None:
    made = dropline(tmp_path, "market", "new", "tea", "--from", str(saved))
    assert made.returncode == 0, made.stderr
    assert "market check tea" in made.stderr
    checked = dropline(tmp_path, "market", "check", "tea", str(saved), "--markets", str(tmp_path / "markets"))
    answer = json.loads(checked.stdout)
    assert {page["file"]: (page["outcome"], page["listings"]) for page in answer["pages"]} == {
        "index.html": ("index", 5),
        "item.html": ("listing", 1),
    }
    filled = {(row["page"], row["field"]): (row["filled"], row["of"]) for row in answer["fields"]}
    for name in ("listing", "title", "vendor", "offer.price"):
        assert filled["index", name] == (5, 5)
        assert filled["detail", name] == (1, 1)
    assert filled["detail", "description"] == (1, 1)
    assert filled["detail", "ships_from"] == (0, 1)
    assert "leafy" not in checked.stdout  # examples are masked
    again = dropline(tmp_path, "market", "new", "tea", "--from", str(saved))
    assert again.returncode == 2
    assert "already" in again.stderr
    for name in ("Tea!", "../tea"):
        assert dropline(tmp_path, "market", "new", name, "--from", str(saved)).returncode == 2


def test_pages_that_say_nothing_give_a_draft_with_notes() -> None:
    guess = draft_market("tea", [SavedPage("a.html", b"<html><p>hello</p></html>"), SavedPage("b", refused="too large")])
    assert len(guess.notes) == 3
    assert "id: tea" in guess.text


@pytest.mark.parametrize("market", ["postal", "stash"])
def test_check_of_a_known_market(market: str) -> None:
    pages = iter_saved_pages([market_folder(market) / "fixtures"])
    check = check_market(load_pages(market), pages, masker=MASKER, now=NOW)
    assert check.outcomes["listing"] == 1
    assert check.unread == 0
    assert check.archive_differs == []
    assert check.fields["detail", "title"].filled == 1


def test_check_tells_where_the_archive_would_lose_something() -> None:
    from crawler_lab import lab_market

    body = (
        b"<html><ul class=shelf><li class=x><a href='/item/1'>Tea</a><b>House</b><i>USD 5</i></li></ul></html>"
    )
    reader = PageObject(lab_market(archive={"cut": ["li.x"]}))
    check = check_market(reader, [SavedPage("a.html", body)], masker=MASKER, now=NOW)
    assert check.archive_differs == ["a.html"]
