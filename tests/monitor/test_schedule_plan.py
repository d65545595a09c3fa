"""schedule.yml: what it says, and what is said of its mistakes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.errors import UsageError
from monitor.schedule.plan import Job, Plan, build_jobs, load_plan, schedule_path
from monitor.schedule.recurrence import Cron, Every

NOON = datetime(2026, 5, 1, 22, tzinfo=UTC)


def load(folder: Path, text: str) -> dict[str, Job]:
    path = schedule_path(folder)
    path.write_text(text, encoding="utf-8")
    return build_jobs(load_plan(path), path)


def test_markets_and_jobs(tmp_path: Path) -> None:
    jobs = load(
        tmp_path,
        """\
tz: Europe/Berlin
markets:
  stash: {cron: "15 4 * * *", jitter: 30m, grace: 12h, kind: full}
  postal: {every: 1h30m, start: 2026-01-01T00:10:00+01:00, archive: false}
  hydra: {every: 1d, enabled: false}
jobs:
  monthly: {run: export, cron: 0 6 1 * *, arguments: [--out, "{data}/exports/{date}"]}
  alerts: {run: alerts, every: 15m}
""",
    )
    assert list(jobs) == ["crawl:stash", "crawl:postal", "monthly", "alerts"]
    stash, postal, monthly, alerts = jobs.values()
    assert stash.rule == Cron("15 4 * * *", "Europe/Moscow")  # the market's own zone
    assert stash.timing.jitter == timedelta(minutes=30)
    assert stash.command(NOON, tmp_path) == ("--format", "json", "crawl", "--kind", "full", "stash")
    assert isinstance(postal.rule, Every)
    assert postal.rule.next_after(NOON) == datetime(2026, 5, 1, 23, 10, tzinfo=UTC)
    assert "--no-archive" in postal.command(NOON, tmp_path)
    assert monthly.rule == Cron("0 6 1 * *", "Europe/Berlin")
    # the date is the job's own: it is past midnight in Berlin
    assert monthly.command(NOON, tmp_path) == ("export", "--out", f"{tmp_path}/exports/2026-05-02")
    assert alerts.command(NOON, tmp_path) == ("alerts", "run")


def test_an_operators_own_market(tmp_path: Path) -> None:
    folder = tmp_path / "markets" / "teahouse"
    folder.mkdir(parents=True)
    (folder / "market.yml").write_text("id: teahouse\nname: Tea\nlanguages: [en]\ntz: Asia/Almaty\n", encoding="utf-8")
    (job,) = load(tmp_path, "markets:\n  teahouse: {cron: 0 1 * * *}\n").values()
    assert job.tz == "Asia/Almaty"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("markets:\n  nowhere:\n    every: 6h\n", 2, ["no market 'nowhere'", "stash"]),
        ("markets:\n  stash:\n    every: 6h\n    jitter: 5\n", 4, ["jitter", "write 90s"]),
        ("markets:\n  stash:\n    evry: 6h\n", 3, ["evry", "no such key"]),
        ("markets:\n  stash: {every: 6h, cron: 1 1 * * *}\n", 2, ["exactly one"]),
        ("markets:\n  stash: {}\n", 2, ["exactly one"]),
        ("markets:\n  stash:\n    cron: 61 * * * *\n", 3, ["61", "minute"]),
        ("markets:\n  stash:\n    every: 6h\n    tz: Europe/Berlin\n", 2, ["real time"]),
        ("markets:\n  stash:\n    cron: 1 1 * * *\n    tz: Mars/Phobos\n", 4, ["Mars/Phobos"]),
        ("jobs:\n  tidy: {run: rm, every: 1h}\n", 2, ["purge"]),
        ("jobs:\n  'rm -rf': {run: purge, every: 1h}\n", 2, ["jobs"]),
        ("jobs:\n  tidy:\n    run: purge\n    every: 0s\n", 2, ["at least 1s"]),
        ("health:\n  host: 0.0.0.0\n", 1, ["anyone"]),
        ("crawls_at_once: 0\n", 1, ["greater than or equal to 1"]),
        ("tz: x\n  y: z\n", 2, ["YAML"]),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, text: str, line: int, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    assert (caught.value.file, caught.value.line) == (schedule_path(tmp_path), line)
    for word in words:
        assert word in str(caught.value)
    assert "crawling.md" not in str(caught.value)


def test_no_plan(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"scheduling\.md"):
        load_plan(schedule_path(tmp_path))


def test_an_empty_plan_is_one(tmp_path: Path) -> None:
    assert load(tmp_path, "") == {}
    assert load_plan(schedule_path(tmp_path)) == Plan()
