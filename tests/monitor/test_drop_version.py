"""Old versions need not stay for ever after a re-extraction."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from reextract_lab import UNKNOWN, ingest, reextract, reextractor, silent, write_log

from config.errors import UsageError
from config.settings import Settings
from index.open import open_store
from index.store import Filter, Store
from monitor.operator_names import add_name
from monitor.state import State, state_path


@pytest.fixture
def two(tmp_path: Path) -> tuple[Settings, Store, str, str]:
    """A store with an old version, which readers see, and a new one. With both names."""
    settings = Settings(data_dir=tmp_path)
    store = open_store(settings.store_url)
    ingest(settings, store, *(write_log(settings, day) for day in range(3)))
    old = store.current_version()
    add_name(settings.data_dir, {
        "substance": "metonitazene", "name": UNKNOWN, "lang": "en", "type": "name", "strength": "strong", "source": "t"})
    assert reextract(settings, store).complete
    new = next(version for version in store.versions() if version != old)
    assert old is not None
    return settings, store, old, new


def test_the_old_one_goes_after_the_flip(two: tuple[Settings, Store, str, str]) -> None:
    settings, store, old, new = two
    with State(state_path(settings.data_dir)) as state:
        worker = reextractor(settings, store, state)
        with pytest.raises(UsageError, match=f"readers see version {old}"):
            worker.drop(old)
        worker.flip()
        assert worker.drop(old) > 0
        assert store.versions() == [new]
        with pytest.raises(UsageError, match="no version"):
            worker.drop(old)
        with pytest.raises(UsageError, match="not been flipped"):  # nothing to go back to
            worker.back(silent)
    assert store.count_distinct(Filter(), (), "offer", old) == [((), 0)]
    assert store.count_distinct(Filter(), (), "offer")[0][1] > 0
    ingest(settings, store, write_log(settings, 7))  # new crawls come in as before
    store.close()


def test_a_new_one_that_is_dropped_is_read_anew(two: tuple[Settings, Store, str, str]) -> None:
    settings, store, old, new = two
    digest = store.digest()
    with State(state_path(settings.data_dir)) as state:
        reextractor(settings, store, state).drop(new)
    assert store.versions() == [old]
    report = reextract(settings, store)
    assert report.complete
    assert report.crawls == 3
    assert store.digest() == digest
    store.close()


def test_the_command(two: tuple[Settings, Store, str, str]) -> None:
    settings, store, old, new = two
    store.close()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "monitor.cli", "--data-dir", str(settings.data_dir), "--format", "json",
                   "reextract", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)

    listed = json.loads(run("--versions").stdout)
    assert {(row["version"], row["readers_see_it"]) for row in listed} == {(old, True), (new, False)}
    refused = run("--drop", old)
    assert refused.returncode == 2
    assert "Flip to another one first" in refused.stderr
    done = run("--drop", new)
    assert done.returncode == 0, done.stderr
    assert [row["version"] for row in json.loads(done.stdout)] == [old]
    assert run("--drop", new, "--flip").returncode == 2
