"""The real scrapes of shared/data/matanga through the command, held against counts made from the CSVs alone."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tarfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

pytestmark = pytest.mark.shared_data

ROWS = 48_248
Key = tuple[str, str, str, str]


def dropline(folder: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "monitor.cli", "--data-dir", str(folder), *arguments],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def rows_of(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    return json.loads(dropline(folder, "--format", "json", *arguments))  # type: ignore[no-any-return]


@dataclass
class ByHand:
    """What the CSVs say by day, computed without a line of Dropline."""

    vendors: dict[date, list[int]] = field(default_factory=lambda: defaultdict(list))
    listings: dict[date, list[int]] = field(default_factory=lambda: defaultdict(list))
    packages: dict[date, int] = field(default_factory=lambda: defaultdict(int))
    dollars: dict[date, float] = field(default_factory=lambda: defaultdict(float))
    without_dollars: set[date] = field(default_factory=set)
    lacking_a_city: list[datetime] = field(default_factory=list)
    rows: int = 0


def stock(text: str) -> int:
    return 0 if text == "нет" else int(text)


@pytest.fixture(scope="module")
def archive(shared_data: Path) -> Path:
    return shared_data / "matanga" / "scrapes-2020-02_03.tar.xz"


@pytest.fixture(scope="module")
def by_hand(archive: Path) -> ByHand:
    scrapes = []
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            stream = tar.extractfile(member) if member.name.endswith(".csv") else None
            if stream is not None:
                scrapes.append(list(csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8-sig"))))
    at = [min(datetime.strptime(row["time_stamp"], "%d-%m-%Y %H:%M:%S") for row in rows) for rows in scrapes]
    found = ByHand(rows=sum(map(len, scrapes)))
    last: dict[Key, int] = {}
    falls: dict[tuple[Key, date], int] = defaultdict(int)
    prices: dict[tuple[Key, date], list[float]] = defaultdict(list)
    for started, rows in sorted(zip(at, scrapes, strict=True), key=lambda pair: pair[0]):
        day = started.date()
        if len({row["region"] for row in rows}) < 3:
            found.lacking_a_city.append(started)
        found.vendors[day].append(len({row["sell_code"] for row in rows}))
        found.listings[day].append(len({(row["sell_code"], row["description"].strip()) for row in rows}))
        seen: set[Key] = set()
        for row in rows:
            key = (row["sell_code"], row["description"].strip(), row["вес"], row["город"])
            if key in seen:
                continue
            seen.add(key)
            seen_on = datetime.strptime(row["time_stamp"], "%d-%m-%Y %H:%M:%S").date()
            if row["$"]:
                prices[key, seen_on].append(float(row["$"]))
            if last.get(key, 0) > stock(row["готовых"]):
                falls[key, seen_on] += last[key] - stock(row["готовых"])
            last[key] = stock(row["готовых"])
    for (key, day), count in falls.items():
        found.packages[day] += count
        if prices[key, day]:
            found.dollars[day] += count * min(prices[key, day])
        else:
            found.without_dollars.add(day)
    return found


@pytest.fixture(scope="module")
def imported(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matanga")
    counts = {row["what"]: row["count"] for row in rows_of(folder, "import", "--map", "matanga", str(archive))}
    assert counts == {"tables": 436, "tables unchanged": 0, "rows": ROWS, "stored": 48_015, "duplicate": 233}
    return folder


def test_every_row_is_stored_or_named(imported: Path, by_hand: ByHand) -> None:
    assert by_hand.rows == ROWS
    with (imported / "imports" / "matanga-rejected.csv").open(encoding="utf-8") as stream:
        rejected = list(csv.DictReader(stream))
    assert len(rejected) == 233
    assert all(row["file"].endswith(".csv") and int(row["line"]) > 1 and row["reason"] == "duplicate" for row in rejected)


def test_counts_of_each_complete_day_are_the_csvs(imported: Path, by_hand: ByHand) -> None:
    crawls = {row["bucket"]: row["crawls"] for row in rows_of(imported, "trends", "coverage", "--by", "day")}
    compared = 0
    for measure, expected in (("vendors", by_hand.vendors), ("listings", by_hand.listings)):
        for row in rows_of(imported, "trends", measure, "--by", "day"):
            day = date.fromisoformat(row["bucket"])
            if day in expected and crawls[row["bucket"]] == len(expected[day]):  # no scrape of that day left out
                assert row["value"] == pytest.approx(mean(expected[day])), (measure, day)
                compared += 1
    assert compared >= 100


def test_packages_and_turnover_are_the_csvs(imported: Path, by_hand: ByHand) -> None:
    compared = in_dollars = 0
    every_kind = ("offer", "job", "service", "combo", "sample", "lottery", "custom", "precursor", "equipment", "document", "other")
    for row in rows_of(imported, "trends", "turnover", "--by", "day", "--kind", ",".join(every_kind)):
        day = date.fromisoformat(row["bucket"])
        if row["value"] is not None:
            assert row["packages"] == by_hand.packages[day], day
            compared += 1
            if day not in by_hand.without_dollars and row["unpriced"] == 0:
                assert row["value"] == pytest.approx(by_hand.dollars[day]), day
                in_dollars += 1
    assert compared >= 50
    assert in_dollars >= 10


def test_scrapes_that_lack_a_city_are_known(imported: Path, by_hand: ByHand) -> None:
    assert len(by_hand.lacking_a_city) == 10
    rows = rows_of(imported, "trends", "coverage", "--by", "day", "--split", "region")
    worst = {(row["region"], row["bucket"]): row["worst"] for row in rows}
    lacking = {day.date().isoformat() for day in by_hand.lacking_a_city}
    zero_days = {bucket for (_, bucket), value in worst.items() if value == 0}
    assert lacking <= zero_days


def test_a_second_import_changes_nothing(imported: Path, archive: Path) -> None:
    before = rows_of(imported, "trends", "turnover", "--by", "week")
    counts = {row["what"]: row["count"] for row in rows_of(imported, "import", "--map", "matanga", str(archive))}
    assert (counts["tables unchanged"], counts["rows"], counts["stored"]) == (436, 0, 0)
    assert rows_of(imported, "trends", "turnover", "--by", "week") == before


def test_forgetting_undoes_an_import(imported: Path, archive: Path) -> None:
    dropline(imported, "forget", "--import", archive.name, "--yes")
    assert rows_of(imported, "trends", "listings", "--by", "week") == []
    assert not list((imported / "logs").rglob("*.jsonl"))
    assert rows_of(imported, "rows") == []
