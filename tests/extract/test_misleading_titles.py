"""Titles of everyday things written to mislead (`own/false_friends_2026-11.txt`), and the frozen labelled sets."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from extract.observation import Kind, Stash
from extract.pipeline import Extractor

OWN = Path(__file__).parent / "own"
LABELLED = Path(__file__).parents[2] / "bench" / "labelled"


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


def test_titles_of_everyday_things_name_no_substance(extractor: Extractor) -> None:
    lines = (OWN / "false_friends_2026-11.txt").read_text(encoding="utf-8").splitlines()
    titles = [line for line in lines if line and not line.startswith("#")]
    assert len(titles) > 550
    readings = extractor.read_many({"title": title} for title in titles)
    assert {t: [s.id for s in r.substances] for t, r in zip(titles, readings, strict=True) if r.substances} == {}


@pytest.mark.parametrize(
    ("title", "substances"),
    [
        # beside the rows that hide the harmless senses, the names must still count
        ("Live rosin 1g", ["cannabis-concentrate"]), ("Brown sugar heroin 1g", ["heroin"]), ("CBD isolate 10g", ["cbd"]),
        ("Poppers 30 ml bottle", ["poppers"]), ("PCP 1g crystal", ["pcp"]), ("MDA 1g", ["mda"]),
        ("DMT 1g yellow", ["dmt"]), ("Opium 5g", ["opium"]), ("ЛСД 250 мкг 5 шт", ["lsd"]), ("Опиум 3г", ["opium"]),
        ("ДМТ 0.5г", ["dmt"]), ("Morphine 10mg x 20", ["morphine"]), ("Shatter 2g", ["cannabis-concentrate"]),
        ("Гашиш афганский 5 г", ["cannabis-resin"]),
    ],
)  # fmt: skip
def test_the_names_themselves_still_count(extractor: Extractor, title: str, substances: list[str]) -> None:
    assert [one.id for one in extractor.read({"title": title}).substances] == substances


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_blind_set_is_the_frozen_one(language: str) -> None:
    path = LABELLED / f"blind-2026-11-{language}.jsonl"
    sums = (LABELLED / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" in sums
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 75
    assert len({row["id"] for row in rows}) == 75
    for row in rows:
        assert Kind(row["labels"]["kind"])
        assert all(Stash(one) for one in row["labels"]["stash"])
        assert all(unit in ("g", "ml", "unit") for _, unit in row["labels"]["quantities"])


def test_the_first_answer_to_the_blind_set_is_kept() -> None:
    first = json.loads((LABELLED / "blind-2026-11-first.json").read_text(encoding="utf-8"))
    assert {(one["set"], one["field"]) for one in first["scores"]} >= {
        (language, field) for language in ("en", "ru") for field in ("substances", "quantities", "prices", "regions")
    }
    assert all(0 <= one["low"] <= one["f1"] <= one["high"] <= 1 for one in first["scores"])
