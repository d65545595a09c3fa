"""`dropline purge`: whole months of observations by age, shown before, gaps afterwards, and never stored again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from alert_market import build_rule
from reextract_lab import UNKNOWN, ingest, write_log

from config.errors import UsageError
from config.settings import Settings
from crawler.log import log_path
from index.open import open_store
from index.store import Store
from monitor.alerts.backtest import backtest
from monitor.alerts.evaluate import evaluate_all
from monitor.cli.purge import choose_kept_from
from monitor.crawling import find_unstored
from monitor.purging import PurgedMonth, begun_day, check_first_kept, first_kept, plan_purge, purge_months
from monitor.state import State, state_path

DAYS = (0, 10, 28, 29, 30, 45)
"""2 March to 16 April 2026."""


def run(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "monitor.cli", "--data-dir", str(folder), "--format", "json", *arguments],
        capture_output=True, timeout=120, check=False, env={**os.environ, **environment}, text=True,
    )  # fmt: skip
    told = " ".join(done.stderr.split())
    assert "Traceback" not in told
    return done.returncode, done.stdout, told


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Settings, Store]:
    settings = Settings(data_dir=tmp_path)
    store = open_store(settings.store_url)
    ingest(settings, store, *(write_log(settings, day) for day in DAYS))
    return settings, store


def test_what_would_go_is_shown_and_then_goes(filled: tuple[Settings, Store], tmp_path: Path) -> None:
    _, store = filled
    digest = dict(store.digest())
    code, out, told = run(tmp_path, "purge", "--before", "2026-04-01", "--with-logs", "--dry-run")
    assert (code, dict(store.digest())) == (0, digest)
    assert "Before 2026-04-01: 20 observations would be removed" in told
    planned = json.loads(out)
    assert [(row["month"], row["market"], row["crawls"], row["observations"], row["logs"]) for row in planned] == [
        ("2026-03", "lab", 4, 20, 4)]
    assert len(list((tmp_path / "logs").rglob("*.jsonl"))) == 6
    code, out, told = run(tmp_path, "purge", "--before", "2026-04-01", "--with-logs")
    assert (code, json.loads(out)) == (0, planned)
    assert "4 crawl logs removed" in told
    assert sorted(log.stem for log in (tmp_path / "logs").rglob("*.jsonl")) == [
        "lab-20260401T090000Z", "lab-20260416T090000Z"]
    assert "store default before 2026-04-01: 44 rows" in (tmp_path / "purged.log").read_text("utf-8")
    code, out, told = run(tmp_path, "purge", "--before", "2026-04-01", "--with-logs")
    assert (code, json.loads(out)) == (0, [])
    _, out, _ = run(tmp_path, "trends", "listings", "--by", "month", "--from", "2026-02-01", "--to", "2026-04-30")
    assert [(row["bucket"], row["value"], row["reason"]) for row in json.loads(out)] == [
        ("2026-02-01", None, "purged"), ("2026-03-01", None, "purged"), ("2026-04-01", 5.0, None)]
    code, out, _ = run(tmp_path, "doctor")
    assert {row["what"]: row["about"] for row in json.loads(out)}["purged months"] == "before 2026-04-01"
    # what the queue of unknown words shows of the months that went has gone as well; what came later is there
    code, out, _ = run(tmp_path, "review")
    assert UNKNOWN in out
    store.close()


def test_retention_by_setting_for_the_schedule(filled: tuple[Settings, Store], tmp_path: Path) -> None:
    _, store = filled
    store.close()
    code, out, told = run(tmp_path, "purge")
    assert (code, out.strip(), "observations" in told) == (0, "[]", False)  # off unless set
    config = tmp_path / "settings.yml"
    config.write_text("keep_months: 1\n", "utf-8")
    code, out, _ = run(tmp_path, "--config", str(config), "purge", "--dry-run")
    assert (code, sum(row["observations"] for row in json.loads(out))) == (0, 30)  # the tests run long after May 2026
    code, out, told = run(tmp_path, "--config", str(config), "purge", "--keep-months", "9000")
    assert (code, out.strip(), "0 rows removed" in told) == (0, "[]", True)
    assert len(list((tmp_path / "logs").rglob("*.jsonl"))) == 6


def test_wrong_use(tmp_path: Path) -> None:
    code, out, told = run(tmp_path, "purge", "--with-logs")
    assert (code, out, "Give --keep-months or --before too" in told) == (2, "", True)
    code, out, _ = run(tmp_path, "purge", "--older-than", "999999999999")
    assert (code, json.loads(out)) == (0, [])
    today = date(2026, 5, 15)
    for keep, before, expected in (
        (None, "2026-05-02", "2026-05-02 is not the first day of a month"),
        (None, "9999-01-01", "the running month is never purged"),
        (None, "May", "Write YYYY-MM-DD"),
        (3, "2026-05-01", "say the same"),
        (99_999_999, None, "before the year 1"),
    ):
        with pytest.raises(UsageError, match=expected):
            choose_kept_from(None, keep, before, today)
    assert choose_kept_from(2, None, None, today) == date(2026, 3, 1)
    assert choose_kept_from(2, 4, None, today) == date(2026, 1, 1)
    assert choose_kept_from(2, None, "2026-05-01", today) == date(2026, 5, 1)
    assert choose_kept_from(None, None, None, today) is None


def test_months_are_counted_from_the_running_one() -> None:
    assert first_kept(1, date(2026, 1, 31)) == date(2025, 12, 1)
    assert first_kept(12, date(2026, 1, 1)) == date(2025, 1, 1)
    assert first_kept(24, date(2026, 12, 5)) == date(2024, 12, 1)
    assert check_first_kept(date(2026, 2, 1), date(2026, 2, 28)) == date(2026, 2, 1)
    with pytest.raises(UsageError, match="lies ahead"):
        check_first_kept(date(2026, 3, 1), date(2026, 2, 28))


def test_what_was_purged_is_not_stored_again(filled: tuple[Settings, Store]) -> None:
    settings, store = filled
    kept_from = date(2026, 4, 1)
    assert sum(month.observations for month in plan_purge(store, settings.data_dir, kept_from, with_logs=False)) == 20
    done = purge_months(store, settings.data_dir, kept_from, with_logs=False)
    assert done.logs == ()
    digest = dict(store.digest())
    stored = {crawl.id for crawl in store.crawls()}
    assert len(find_unstored(settings.logs_dir, "lab", stored)) == 4
    assert find_unstored(settings.logs_dir, "lab", stored, store.purged_before()) == []
    with pytest.raises(PurgedMonth, match=r"is of 2026-03-13.*purged everything before 2026-04-01.*--store"):
        ingest(settings, store, write_log(settings, 11))
    assert dict(store.digest()) == digest
    broken = settings.logs_dir / "lab" / "broken.jsonl"
    broken.write_bytes(b"no log")
    assert begun_day(broken) is None
    broken.write_bytes(b'{"crawl":{"id":"a","market":"lab","kind":"full","started":"2026-03-01T00:00:00Z","outcome":"failed","tz":"/x"}}\n')
    assert begun_day(broken) is None
    purge_months(store, settings.data_dir, kept_from, with_logs=True)
    assert broken.exists()
    assert log_path(settings.logs_dir, write_log(settings, 46)).exists()
    store.close()


def test_an_import_brings_in_the_months_that_are_kept_and_names_the_others(
    filled: tuple[Settings, Store], tmp_path: Path
) -> None:
    settings, store = filled
    purge_months(store, settings.data_dir, date(2026, 4, 1), with_logs=False)
    mapping, table = tmp_path / "map.yml", tmp_path / "table.csv"
    mapping.write_text(
        "id: theirs\nmarket: theirs\ntz: UTC\ncrawl: day\nobserved_at: {column: seen}\n"
        "price: [{column: usd, currency: USD}]\ntext: {title: title, vendor: vendor}\n", "utf-8")
    table.write_text(
        "seen,title,vendor,usd\n2026-03-05T10:00:00,Cocaine 1g,nobody,80\n2026-04-20T10:00:00,Cocaine 1g,nobody,90\n",
        "utf-8")
    code, _, told = run(tmp_path, "import", "--map", str(mapping), str(table))
    assert code == 3, told
    assert "is of 2026-03-05, and this store has purged everything before 2026-04-01: it was not stored." in told
    assert [crawl.started.date() for crawl in store.crawls(market=("theirs",))] == [date(2026, 4, 20)]
    store.close()


def test_alerts_see_gaps_where_they_remembered_figures(filled: tuple[Settings, Store]) -> None:
    settings, store = filled
    rule = build_rule(filter={}, min_n=0, on_first_run="fire", test={"kind": "threshold", "below": 4})
    now = datetime(2026, 5, 5, tzinfo=UTC)
    with State(state_path(settings.data_dir)) as state:
        assert evaluate_all(store, state, [rule], now).failed == []
        remembered = "SELECT COUNT(*) FROM alert_cache WHERE bucket < '2026-04-01'"
        assert state.db.execute(remembered).fetchone()[0] > 0
        purge_months(store, settings.data_dir, date(2026, 4, 1), with_logs=False)
        assert state.db.execute(remembered).fetchone()[0] == 0
        assert evaluate_all(store, state, [rule], now).failed == []
        assert state.db.execute("SELECT COUNT(*) FROM alert").fetchone() == (0,)
    told = backtest(store, rule, now, first=date(2026, 3, 1))
    assert told.first >= date(2026, 4, 1)
    assert told.hits == ()
    store.close()
