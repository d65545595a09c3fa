"""`dropline fx check`: the rates in use against those that markets print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from crawler.items import Crawl, CrawlKind, CrawlOutcome, Listing, Offer
from crawler.log import CrawlLog
from monitor.implied_rates import gather_from_logs, gather_from_pages, shown_text

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "monitor.cli", "--data-dir", str(folder), "--format", "json", "fx", *arguments],
        capture_output=True, timeout=120, check=False, env=dict(os.environ), text=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, " ".join(done.stderr.split())


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """Two crawls; on the second day the site has another rate than the table."""
    for day, euros in ((0, "80.00"), (1, "88.00")):
        moment = START + timedelta(days=day)
        crawl = Crawl(id=f"lab-{day}", market="lab", kind=CrawlKind.FULL, started=moment, finished=moment,
                      outcome=CrawlOutcome.COMPLETE)
        with CrawlLog(tmp_path / "logs", crawl) as log:
            log.append([Listing(
                market="lab", listing="l1", crawl=crawl.id, observed_at=moment, title="Item", parser="lab-1",
                offers=(Offer(price="฿0.010000 ($100.00)"),) * 2, shipping=(f"Parcel - {euros} EUR / 0.01000000 BTC",))])
            log.finish(crawl)
    rates = tmp_path / "lab.csv"
    rates.write_text(
        "date,base,quote,rate,source\n2026-03-02,BTC,USD,10000,lab\n2026-03-02,EUR,USD,1.25,lab\n", "utf-8")
    assert run(tmp_path, "import", str(rates))[0] == 0
    return tmp_path


def test_logs_against_the_table(logged: Path) -> None:
    code, out, told = run(logged, "check")
    rows = json.loads(out)
    assert code == 1
    assert [(row["market"], row["day"], row["quote"], row["pairs"], row["verdict"]) for row in rows] == [
        ("lab", "2026-03-02", "EUR", 1, "ok"), ("lab", "2026-03-02", "USD", 1, "ok"),
        ("lab", "2026-03-03", "EUR", 1, "differs"), ("lab", "2026-03-03", "USD", 1, "ok")]
    assert rows[2]["share"] == pytest.approx(0.1)
    assert "4 rates of 4 statements: 3 agree within 5.0%, 1 differ, 0 have no rate" in told
    assert run(logged, "check", "--tolerance", "0.2")[0] == 0


def test_days_and_markets_are_chosen(logged: Path) -> None:
    logs = logged / "logs"
    assert gather_from_logs(logs, ("other",)).statements == {}
    found = gather_from_logs(logs, ("lab",), date(2026, 3, 3), date(2026, 3, 3))
    assert {day for day, _ in found.statements["lab"]} == {date(2026, 3, 3)}
    assert gather_from_logs(logs, (), None, date(2026, 3, 1)).counts["listings"] == 0


def test_saved_pages(tmp_path: Path) -> None:
    page = (
        "<html><head><script>1 BTC = 5.00 USD</script></head><body><div>1 BTC = <b>8000.00 EUR</b> = 9000.00 USD</div>"
        "<span>USD 9.00</span> <span>(0.00100000 BTC)</span></body></html>"
    )
    file = tmp_path / "pages.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.html", page)
        archive.writestr("b.html", page)
    assert gather_from_pages([file]).counts == {"undated": 2}
    found = gather_from_pages([file], (), date(2026, 3, 2))
    assert found.counts == {"pages": 2}
    assert sorted((one.base, one.quote, one.rate) for _, one in found.statements["pages"][:3]) == [
        ("BTC", "EUR", 8000.0), ("BTC", "USD", pytest.approx(9000.0)), ("EUR", "USD", 1.125)]
    assert shown_text(b"") == ""
    assert shown_text(b"\x00\xff") != "BTC"
    code, out, told = run(tmp_path, "check", str(file))
    assert (code, out.strip()) == (0, "[]")
    assert "2 pages carry no time" in told
    code, _, told = run(tmp_path, "check", "--from", "2026-03-09", "--to", "2026-03-02")
    assert (code, "Swap --from and --to" in told) == (2, True)
