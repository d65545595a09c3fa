"""An import that is killed at any moment and run again ends as if it had never been killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from index.open import open_store

HEADER = "time_stamp,sell_code,description,готовых,предзаказ,город,вес,$"
GOODS = ("Мефедрон крист.", "Гашиш", "Кокаин", "Амфетамин")


def write_scrapes(folder: Path) -> None:
    """Thirty invented scrapes of sixty listings whose stock goes up and down."""
    folder.mkdir()
    dice = random.Random(1)
    for scrape in range(30):
        rows = [
            f"{scrape // 3 + 1:02}-02-2020 {scrape % 3 * 6 + 1:02}:00:00,v{at % 17},{GOODS[at % 4]} {at} 1г,"
            f"{dice.randrange(6)},нет,{'Тбилиси' if at % 3 else 'Батуми'},1 гр,{40 + at}"
            for at in range(60)
        ]
        (folder / f"{scrape:02}.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")


def start(data: Path, scrapes: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "monitor.cli", "--data-dir", str(data), "import", "--map", "matanga", str(scrapes)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "DROPLINE_KEY_FILE": str(data.parent / "vendor.key")},  # one key: the same pseudonyms
    )


def contents(data: Path) -> dict[str, str]:
    store = open_store(f"sqlite:///{data / 'dropline.sqlite'}")
    try:
        return dict(store.digest())
    finally:
        store.close()


def test_killed_and_run_again(tmp_path: Path) -> None:
    scrapes = tmp_path / "scrapes"
    write_scrapes(scrapes)
    begun = time.monotonic()
    assert start(tmp_path / "whole", scrapes).wait(120) == 0
    whole_run = time.monotonic() - begun
    kills = 0
    for share in (0.6, 0.8, 0.9, 0.97):  # the first half is start-up; the last moments derive
        process = start(tmp_path / "killed", scrapes)
        time.sleep(whole_run * share)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait(30)
    assert kills >= 1
    assert start(tmp_path / "killed", scrapes).wait(120) == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_run_killed_before_it_derived_is_made_good_by_the_next(tmp_path: Path) -> None:
    scrapes = tmp_path / "scrapes"
    write_scrapes(scrapes)
    assert start(tmp_path / "data", scrapes).wait(120) == 0
    before = contents(tmp_path / "data")
    store = open_store(f"sqlite:///{tmp_path / 'data' / 'dropline.sqlite'}")
    version = store.current_version()
    assert version is not None
    from datetime import date

    assert store.drop_offer_days("matanga", version, date(2020, 2, 4)) > 0
    store.close()
    assert contents(tmp_path / "data") != before
    assert start(tmp_path / "data", scrapes).wait(120) == 0
    assert contents(tmp_path / "data") == before
