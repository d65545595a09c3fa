"""Scoring and tuning, and a quick version of bench/alerts.py: planted events are found, faults raise no count alert."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from config.errors import UsageError
from index.detect.change import ChangeSettings
from index.detect.kinds import judge
from index.detect.scoring import Period, alarms, detection, false_alarm_rate
from index.detect.series import Judgement, Series
from index.detect.surge import SurgeSettings
from index.detect.threshold import ThresholdSettings
from index.detect.tune import pooled_rate, tune

START = date(2022, 1, 3)


def rows(marks: str) -> list[Judgement]:
    """`!` fired, `.` quiet, ` ` skipped."""
    return [
        Judgement(START + timedelta(days=7 * number), mark == "!", 1.0, skipped="gap" if mark == " " else None)
        for number, mark in enumerate(marks)
    ]


def week(number: int) -> date:
    return START + timedelta(days=7 * number)


def test_firings_close_together_are_one_alarm() -> None:
    assert alarms(rows("..!.! !..!.")) == [(week(2), week(6)), (week(9), week(9))]
    assert alarms(rows("!.!"), quiet=1) == [(week(0), week(0)), (week(2), week(2))]


def test_false_alarm_rate_leaves_out_events_and_gaps() -> None:
    marks = "!..." * 13 + " " * 52
    rate = false_alarm_rate(rows(marks), [Period(week(4), week(9))])
    assert rate.alarms == 11
    assert rate.years == pytest.approx(52 * 7 / 365.25)
    assert rate.low < rate.per_year < rate.high
    assert rate.per_year == pytest.approx(11 / rate.years)


def test_detection_and_delay() -> None:
    run = (rows("...!......!"), [Period(week(2), week(5)), Period(week(7), week(9))])
    found = detection([run], bucket_days=7)
    assert (found.events, found.found) == (2, 1)
    assert found.delays == (14,)  # fired in the week after the first: known when that week is over


def histories(count: int, length: int = 100) -> list[Series]:
    made = []
    for seed in range(count):
        values = np.random.default_rng(seed).negative_binomial(5, 0.4, length).astype(float)
        made.append(
            Series(tuple(week(number) for number in range(length)), values, values.astype(np.int64), np.ones(length))
        )
    return made


@pytest.mark.parametrize("kind", [ThresholdSettings(above=3), ChangeSettings(z=0, min_n=1), SurgeSettings(spans=(1,))])
def test_tune_reaches_the_wanted_rate_and_not_much_less(kind: ThresholdSettings) -> None:
    wanted = 0.8
    found = tune(histories(8), kind, wanted, draw=np.random.default_rng(1))
    again = pooled_rate([judge(series, found.settings) for series in histories(8)])  # type: ignore[arg-type]
    assert found.reached
    assert again.per_year == found.rate.per_year
    assert 0.2 < found.rate.per_year <= wanted
    assert found.rate.low < found.rate.per_year < found.rate.high
    assert found.field in found.advice


def test_tune_says_what_cannot_be() -> None:
    with pytest.raises(UsageError, match="cannot be reached"):
        tune(histories(1), ChangeSettings(), 0.0)
    short = tune([histories(1, 4)[0]], ChangeSettings(), 1.0)
    assert not short.reached
    assert "Nothing in this history could be judged" in short.advice


SEEDS = range(2001, 2009)


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
        import alerts as module

        yield module


@pytest.fixture(scope="module")
def made(bench: ModuleType) -> list[Any]:
    """Eight markets, four of them with events."""
    return [bench.make_history(seed, events=bool(seed % 2)) for seed in SEEDS]


@pytest.mark.parametrize("name", ["change", "change count", "drift", "surge nb", "threshold", "first", "down", "quality"])
def test_planted_events_are_found_at_few_false_alarms(bench: ModuleType, made: list[Any], name: str) -> None:
    """Weekly rules on eight markets (four with events): the whole bench has 50, and daily ones too."""
    (kind,) = [kind for kind in bench.kinds() if kind.name == name and kind.by == "week"]
    cases = [case for history in made for case in bench.build_cases(kind, history)]
    runs = [(case, bench.run_case(kind, case)) for case in cases]
    result = bench.score(kind, runs)
    assert result.events >= 4
    assert result.share >= 0.75  # a handful of events: one may lie in a coverage fault
    assert result.false / result.years <= 1.0
    if kind.counts:
        assert bench.count_fault_alarms(kind, runs, SEEDS) == 0


def test_a_fault_hides_the_same_life(bench: ModuleType) -> None:
    """The counterfactual is one: outside of the spells both histories show the same listings."""
    with_faults, whole = (bench.make_history(3, events=False, faults=on, days=365) for on in (True, False))
    assert with_faults.faults == whole.faults
    assert with_faults.complete.sum() < whole.complete.sum()
    both = with_faults.complete & whole.complete
    assert np.array_equal(with_faults.listings[both], whole.listings[both])
