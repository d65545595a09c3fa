"""New listings by the complete crawl that bears them out: what broken-off crawls saw is neither lost nor a surge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from alert_market import START, a_day, build_crawl, build_rule, build_store, derive, noon_after, open_state, seen_by

from index.detect.series import Judgement, Series
from index.open import open_store
from index.store import Store
from monitor.alerts.asking import RowCache, answer_group
from monitor.alerts.evaluate import evaluate_all
from monitor.alerts.judging import judge_rule
from monitor.alerts.reading import Reading
from monitor.alerts.rule import Rule
from monitor.alerts.shape import group_rules
from monitor.alerts.watched import cut_series

DAYS, LIFE = 112, 20
PARTIAL, MISSED, SURGE = range(72, 80), (33, 50, 51), range(98, 105)
BURN_IN = 14
DAILY = build_rule(id="daily", measure="new", test={"kind": "surge"}, on_first_run="hold")
WEEKLY = build_rule(id="weekly", measure="new", by="week", test={"kind": "surge", "min_baseline": 6}, on_first_run="hold")


def births() -> list[int]:
    """How many listings come up each day."""
    counts = np.random.default_rng(3).poisson(2.0, DAYS)
    counts[list(SURGE)] += 7
    return [int(count) for count in counts]


def shown(day: int, number: int) -> bool:
    """A broken-off crawl reads the same front pages day after day."""
    return day not in MISSED and (day not in PARTIAL or number % 3 == 0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    found = open_store(f"sqlite:///{tmp_path_factory.mktemp('settled') / 'store.db'}")
    born = np.repeat(np.arange(DAYS), births())
    for day in range(DAYS):
        if day in MISSED:
            continue
        crawl = build_crawl(day, coverage=0.33 if day in PARTIAL else 1.0)
        found.write_crawl(crawl)
        live = np.flatnonzero((born <= day) & (day < born + LIFE))
        found.write([seen_by(crawl, int(number)) for number in live if shown(day, int(number))])
    derive(found)
    return found


def series_of(store: Store, rule: Rule, cache: RowCache | None = None) -> Series:
    [group] = group_rules([rule])
    found = answer_group(Reading(store), group, START, a_day(DAYS - 1), cache)
    assert found is not None
    answer, fresh = found
    if cache is not None and fresh is not None:
        cache.put(fresh.question, fresh.rows, fresh.oldest)
    [watched] = cut_series(answer, group.shape, rule, group.members[0][1], len(answer.ask.buckets) - 1)
    return watched.points


def judged(store: Store, rule: Rule) -> list[Judgement]:
    [group] = group_rules([rule])
    found = answer_group(Reading(store), group, START, a_day(DAYS - 1))
    assert found is not None
    [one] = judge_rule(found[0], group.shape, rule, group.members[0][1], len(found[0].ask.buckets) - 1)
    return one.judgements


@pytest.mark.parametrize(("rule", "width"), [(DAILY, 1), (WEEKLY, 7)])
def test_every_birth_stands_with_the_crawl_that_bears_it_out(store: Store, rule: Rule, width: int) -> None:
    """By hand: a listing is seen first on the first day that shows it, and settled on the first complete one from then."""
    counts, days = np.zeros(DAYS // width), np.zeros(DAYS // width)
    whole = [day for day in range(DAYS) if day not in MISSED and day not in PARTIAL]
    born = np.repeat(np.arange(DAYS), births())
    for number, day in enumerate(born.tolist()):
        first = next((at for at in range(day, min(day + LIFE, DAYS)) if shown(at, number)), None)
        if first is not None and first >= BURN_IN:
            counts[next(at for at in whole if at >= first) // width] += 1
    for before, day in zip([-1, *whole], whole, strict=False):
        days[day // width] += day - before
    points = series_of(store, rule)
    assert points.settled is not None
    assert points.settled_days is not None
    known = np.isfinite(points.values)
    assert np.array_equal(points.settled, np.where(known, counts, 0))
    assert np.array_equal(points.settled_days, np.where(known, days, 0))
    assert points.settled.sum() == counts[known].sum() > 0


def test_remembered_settled_counts_are_the_same(store: Store, tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        for rule in (DAILY, WEEKLY):
            first, again = (series_of(store, rule, RowCache(state.db)) for _ in range(2))
            assert first.settled is not None
            assert again.settled is not None
            assert np.array_equal(first.settled, again.settled)
            assert np.array_equal(first.values, again.values, equal_nan=True)


@pytest.mark.parametrize("rule", [DAILY, WEEKLY])
def test_a_spell_of_broken_off_crawls_is_no_surge_and_a_surge_is_one(store: Store, rule: Rule) -> None:
    fired = [(row.bucket - START).days for row in judged(store, rule) if row.fired]
    assert fired
    assert all(SURGE.start - 6 <= day <= SURGE.stop + 21 for day in fired)
    after = next(row for row in judged(store, rule) if row.bucket >= a_day(77) and row.skipped is None)
    assert float(after.notes["exposure"]) == 9 if rule is DAILY else 7  # eight partial days and the whole one after


def test_only_the_surge_is_told(store: Store, tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        told = []
        for day in (60, 75, 82, 90, 97, 106):
            told += [(one.rule, day) for one in evaluate_all(store, state, [DAILY], noon_after(day)).changes.fired]
        assert told == [("daily", 106)]


def test_a_week_is_judged_by_its_last_crawl_too(tmp_path: Path) -> None:
    """A week of 60, 60, 60, 60, 60, 60, 20: its mean is above 40. A substance that is gone by then counts as nought."""
    counts = [*[60] * 35, *[60] * 6, 20]
    store = build_store(tmp_path, counts)
    rule = build_rule(by="week", test={"kind": "threshold", "below": 40})
    other = build_rule(id="other", by="week", test={"kind": "change", "percent": 5})
    assert series_of(store, rule).latest is not None
    assert series_of(store, rule).latest[:6].tolist() == [60, 60, 60, 60, 60, 20]
    assert series_of(store, other).latest is None
    with open_state(tmp_path) as state:
        cached = [series_of(store, rule, RowCache(state.db)).latest for _ in range(2)]
        assert cached[0] is not None
        assert np.array_equal(cached[0], cached[1])
        assert evaluate_all(store, state, [rule], noon_after(35)).changes.fired == []
        [alert] = evaluate_all(store, state, [rule], noon_after(42)).changes.fired
        assert alert.value == 20
        assert "listings 20 at the last crawl in the week of" in alert.why
    store.close()


@pytest.mark.parametrize(("last", "expected"), [([20, 20, None, None, None, None, None], 0), ([20] * 7, 1)])
def test_two_days_of_a_week_do_not_speak_for_it(tmp_path: Path, last: list[int | None], expected: int) -> None:
    """Five days as the week before would make it (2 * 20 + 5 * 60) / 7, which is not below 40."""
    store = build_store(tmp_path, [*[60] * 35, *last, 60])
    rule = build_rule(by="week", test={"kind": "threshold", "below": 40})
    with open_state(tmp_path) as state:
        assert evaluate_all(store, state, [rule], noon_after(35)).changes.fired == []
        assert len(evaluate_all(store, state, [rule], noon_after(43)).changes.fired) == expected
    store.close()
