"""`dropline schedule settle`: what a kill kept from the store comes in, what is derived is brought up to date."""

from __future__ import annotations

import json
from pathlib import Path

from schedule_commands import dropline

from index.open import open_store


def contents(folder: Path) -> dict[str, str]:
    store = open_store(f"sqlite:///{folder / 'dropline.sqlite'}")
    try:
        return dict(store.digest())
    finally:
        store.close()


def test_a_crawl_that_was_not_stored_and_days_that_were_not_derived(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert dropline(tmp_path, "demo", "--days", "2", "--seed", "5", "--out", str(folder)).returncode == 0
    before = contents(folder)
    store = open_store(f"sqlite:///{folder / 'dropline.sqlite'}")
    lost = store.crawls(market=("stash",))[-1]
    assert store.forget(crawl=lost.id) > 0
    store.close()
    assert contents(folder) != before
    done = dropline(folder, "--format", "json", "schedule", "settle")
    assert done.returncode == 0, done.stderr
    rows = {row["market"]: row for row in json.loads(done.stdout)}
    assert (rows["stash"]["logs stored"], rows["postal"]["logs stored"], rows["stash"]["held"]) == (1, 0, 0)
    assert contents(folder) == before
    again = dropline(folder, "--format", "json", "schedule", "settle")
    assert [row["logs stored"] for row in json.loads(again.stdout)] == [0, 0]
    assert contents(folder) == before


def test_nothing_to_settle(tmp_path: Path) -> None:
    done = dropline(tmp_path, "--format", "json", "schedule", "settle")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
