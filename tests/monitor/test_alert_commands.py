"""`dropline alerts` as a shell sees it, on the demo world's store."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from command_lab import answer, call

RULES = """\
rules:
- id: many
  title: Listings above a limit
  measure: listings
  filter: {market: %s}
  by: day
  test: {kind: threshold, above: 1}
  owner: anna
  recipients: [desk]
- id: any-substance
  title: A substance with many offers
  measure: offers
  split: [market, substance]
  by: day
  test: {kind: threshold, above: 15}
  refire: 3
  owner: anna
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a short demo, with the two rules."""
    folder = tmp_path_factory.mktemp("alert-demo")
    made = subprocess.run(
        [sys.executable, "-m", "monitor.cli", "--data-dir", str(folder), "demo", "--days", "8", "--seed", "3",
         "--out", str(folder / "data")],
        capture_output=True, timeout=300, check=False,
    )
    assert made.returncode == 0, made.stderr.decode()
    data = folder / "data"
    markets = {row["market"] for row in answer(data, "trends", "listings", "--by", "day", "--split", "market")}
    (folder / "mine.yml").write_text(RULES % sorted(markets)[0], encoding="utf-8")
    added = call(data, "alerts", "add", str(folder / "mine.yml"))
    assert added.returncode == 0
    assert "desk" in added.stderr.decode()
    return data


def test_rules_fire_and_are_looked_after(demo: Path) -> None:
    assert [row["id"] for row in answer(demo, "alerts", "list")] == ["many", "any-substance"]
    dry = answer(demo, "alerts", "run", "--dry")
    assert answer(demo, "alerts", "list", "--fired") == []
    fired = answer(demo, "alerts", "run")
    assert {row["id"] for row in fired} == {row["id"] for row in dry}
    assert {row["rule"] for row in fired} == {"many", "any-substance"}
    assert answer(demo, "alerts", "run") == []
    live = answer(demo, "alerts", "list", "--fired", "--rule", "many")
    assert len(live) == 1
    [alert] = live
    shown = answer(demo, "alerts", "show", alert["id"][:10])
    assert shown["history"][0]["event"] == "fired"
    assert shown["rule_text"]["test"]["above"] == 1
    command = shown["query"].split()
    assert command[0] == "dropline"
    evidence = answer(demo, *command[1:])
    [there] = [row for row in evidence if row["bucket"] == alert["bucket"]]
    assert there["value"] == alert["value"]
    rows = answer(demo, "alerts", "rows", alert["id"], "--limit", "1000")
    assert len({row["listing"] for row in rows}) == alert["value"]
    assert {row["day"] for row in rows} == {alert["bucket"]}
    assert answer(demo, "alerts", "ack", alert["id"], "--note", "mine")[0]["state"] == "acknowledged"
    done = answer(demo, "alerts", "dismiss", alert["id"], "--verdict", "true", "--note", "so it is")
    assert done[0]["verdict"] == "true"
    [rule] = [row for row in answer(demo, "alerts", "list") if row["id"] == "many"]
    assert (rule["precision"], rule["live"], rule["true"]) == (1.0, 0, 1)
    waiting = [row for row in answer(demo, "alerts", "channels") if row["channel"] == "desk"]
    assert waiting[0]["pending"] == 1


def test_a_rule_is_tested_and_tuned(demo: Path) -> None:
    hits = answer(demo, "alerts", "test", "any-substance")
    assert hits
    assert {"known_on", "bucket", "series", "value", "why", "again"} <= set(hits[0])
    assert all(date.fromisoformat(hit["known_on"][:10]) > date.fromisoformat(hit["bucket"]) for hit in hits)
    later = answer(demo, "alerts", "test", "any-substance", "--from", hits[-1]["bucket"])
    assert len(later) <= len(hits)
    [found] = answer(demo, "alerts", "tune", "many", "--per-year", "1")
    assert found["field"] == "above"
    assert found["per_year_then"] <= max(1, found["per_year_now"])
    text = call(demo, "alerts", "test", "many", form="table").stderr.decode()
    assert "a year" in " ".join(text.split())


def test_a_rule_that_watches_nothing_says_so_at_once(demo: Path, tmp_path: Path) -> None:
    source = tmp_path / "typo.yml"
    rule = RULES.replace("market: %s", "substance: kokaine").replace("id: many", "id: lost").split("- id: any")[0]
    source.write_text(rule, encoding="utf-8")
    words = "lost: So far it watches nothing. Nothing in the store has substance kokaine. Did you mean cocaine"
    assert words in told(call(demo, "alerts", "test", str(source)))
    empty = tmp_path / "empty"
    assert "watches nothing" not in told(call(empty, "alerts", "add", str(source)))  # there may be a store later
    assert not (empty / "dropline.sqlite").exists()
    assert words in told(call(demo, "alerts", "add", str(source)))
    (demo / "alerts" / "typo.yml").unlink()


def told(done: subprocess.CompletedProcess[bytes]) -> str:
    assert done.returncode == 0, done.stderr
    return " ".join(done.stderr.decode().split())


def test_a_test_of_nothing_says_so(demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "short.yml"
    file.write_text("{id: short, title: A week of history, measure: listings, by: day, test: {kind: change}, owner: anna}")
    said = call(demo, "alerts", "test", str(file), form="table").stderr.decode()
    assert "no bucket could be judged" in " ".join(said.split())
    assert "nan" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["alerts", "test", "mny"], ["Did you mean 'many'"]),
        (["alerts", "show", "zz"], ["alerts list --fired"]),
        (["alerts", "dismiss", "aa", "--verdict", "maybe"], ["true, false or unclear"]),
        (["alerts", "list", "--fired", "--state", "closed"], ["dismissed"]),
        (["alerts", "test", "many", "--from", "2033-13-01"], ["YYYY-MM-DD"]),
        (["alerts", "add", "absent.yml"], ["absent.yml"]),
        (["alerts", "tune", "many", "--per-year", "-1"], ["-1"]),
    ],
)
def test_wrong_use_is_told_with_a_way_out(demo: Path, arguments: list[str], words: list[str]) -> None:
    done = call(demo, *arguments)
    told = " ".join(done.stderr.decode().split())
    assert done.returncode == 2, told
    assert "Traceback" not in told
    for word in words:
        assert word in told


def test_a_broken_file_stops_the_run_with_file_and_line(demo: Path) -> None:
    broken = demo / "alerts" / "zz.yml"
    broken.write_text("id: x\ntitle: y\nmeasur: listings\n", encoding="utf-8")
    done = call(demo, "alerts", "run")
    broken.unlink()
    assert done.returncode == 2
    assert "zz.yml, line 3" in " ".join(done.stderr.decode().split())
