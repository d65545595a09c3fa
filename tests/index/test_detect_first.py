"""The test for what is seen for the first time: when it speaks, when it keeps silent, and that it knows nothing later."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from index.detect.first import FirstSettings, Sightings, judge
from index.detect.series import Judgement

START = date(2024, 1, 1)


def sightings(*rows: dict[str, int] | None, version: str = "v1") -> list[Sightings]:
    return [Sightings(START + timedelta(days=number), row, version) for number, row in enumerate(rows)]


OLD = {"mdma": 9}


def fired_values(rows: dict[str, list[Judgement]]) -> dict[str, date]:
    return {value: row.bucket for value, found in rows.items() for row in found if row.fired}


def test_first_fires_once_when_confirmed() -> None:
    days = [OLD] * 30 + [{**OLD, "metonitazene": 1}, None, {**OLD, "metonitazene": 1}, {**OLD, "metonitazene": 5}]
    rows = judge(sightings(*days), FirstSettings())
    assert fired_values(rows) == {"metonitazene": START + timedelta(days=32)}
    assert [row.skipped for row in rows["metonitazene"]] == ["not confirmed yet", None]
    assert rows["metonitazene"][1].notes["first"] == "2024-01-31"


def test_first_in_number_needs_no_second_bucket() -> None:
    rows = judge(sightings(*[OLD] * 30, {**OLD, "metonitazene": 3}), FirstSettings())
    assert list(fired_values(rows)) == ["metonitazene"]


def test_one_misreading_is_not_news() -> None:
    days = [OLD] * 30 + [{**OLD, "gbl": 1}] + [OLD] * 40 + [{**OLD, "gbl": 1}]
    assert fired_values(judge(sightings(*days), FirstSettings())) == {}


def test_first_is_silent_in_the_burn_in_of_the_market() -> None:
    rows = judge(sightings(*[{"mdma": 9, f"s{number}": 9} for number in range(28)]), FirstSettings())
    assert fired_values(rows) == {}
    assert rows["mdma"][0].skipped == "burn-in of the market"


def test_a_new_vocabulary_is_learned_in_silence() -> None:
    old = sightings(*[OLD] * 40)
    new = [
        Sightings(START + timedelta(days=40 + number), {**OLD, "2c-b": 8, **({"dmt": 8} if number > 8 else {})}, "v2")
        for number in range(20)
    ]
    assert list(fired_values(judge([*old, *new], FirstSettings()))) == ["dmt"]
    named = [Sightings(row.bucket, row.values, row.vocabulary, frozenset({"mdma", "2c-b"})) for row in old]
    assert set(fired_values(judge([*named, *new], FirstSettings()))) == {"2c-b", "dmt"}  # v1 could have named it


def test_forgotten_values_return() -> None:
    days = [{**OLD, "gbl": 2}] * 30 + [OLD] * 50 + [{**OLD, "gbl": 4}]
    assert fired_values(judge(sightings(*days), FirstSettings())) == {}
    assert list(fired_values(judge(sightings(*days), FirstSettings(forget_days=40)))) == ["gbl"]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 79))
def test_first_knows_nothing_later(seed: int, cut: int) -> None:
    dice = np.random.default_rng(seed)
    days = [
        Sightings(
            START + timedelta(days=number),
            None if dice.random() < 0.1 else {f"s{int(value)}": int(dice.integers(1, 4)) for value in dice.integers(0, 30, 4)},
            f"v{number // 35}",
        )
        for number in range(80)
    ]  # fmt: skip
    whole, part = judge(days, FirstSettings()), judge(days[:cut], FirstSettings())
    before = {
        value: kept for value, rows in whole.items() if (kept := [row for row in rows if row.bucket < days[cut].bucket])
    }
    assert part == before
    late = judge(days, FirstSettings(), since=days[cut].bucket)
    after = {
        value: kept for value, rows in whole.items() if (kept := [row for row in rows if row.bucket >= days[cut].bucket])
    }
    assert late == after
