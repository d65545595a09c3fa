"""Back-tests: what a rule would have said, by what was known on each day, and the settings that follow from it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from alert_market import START, a_day, build_rule, build_store, derive, noon_after, open_state, put_day

from config.errors import UsageError
from index.detect.scoring import Period
from index.open import open_store
from monitor.alerts.alert import AlertState, Verdict
from monitor.alerts.backtest import backtest, tune_rule
from monitor.alerts.evaluate import evaluate_all
from monitor.alerts.records import Records
from monitor.delivery.outbox import Outbox

WAVES = [30] * 40 + [80] * 5 + [30] * 40 + [90] * 3 + [30] * 12


def test_it_says_what_the_running_service_said(tmp_path: Path) -> None:
    counts = [30 + (7 * day) % 5 for day in range(60)] + [90] * 3 + [31] * 20 + [12] * 6 + [30] * 11
    store = build_store(tmp_path, counts)
    rules = [
        build_rule(), build_rule(id="change", test={"kind": "change"}), build_rule(id="drift", test={"kind": "drift"}),
        build_rule(id="low", test={"kind": "threshold", "below": 20}, refire=2),
    ]
    lived: dict[str, list[object]] = {rule.id: [] for rule in rules}
    with open_state(tmp_path) as state:
        for day in range(10, 100):
            report = evaluate_all(store, state, rules, noon_after(day), outbox=Outbox(state))
            for alert in report.changes.fired:
                lived[alert.rule].append((alert.bucket, alert.value, alert.baseline, day))
    for rule in rules:
        done = backtest(store, rule, noon_after(99), first=a_day(10))
        fired = [hit for hit in done.hits if not hit.again]
        assert [
            (hit.alert.bucket, hit.alert.value, hit.alert.baseline, (hit.known_on.date() - START).days - 1) for hit in fired
        ] == lived[rule.id]
        assert all(hit.known_on == noon_after((hit.alert.bucket - START).days) - timedelta(hours=6) for hit in done.hits)
    assert [hit.again for hit in done.hits] == [0, 3, 5]
    assert sum(map(len, lived.values())) >= 4
    store.close()


def test_crawls_that_came_later_are_not_known(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 20)
    put_day(store, 20, {"mephedrone": 80}, late=3)  # an import, three days later
    for day in (21, 22, 23, 24):
        put_day(store, day, {"mephedrone": 30})
    put_day(store, 25, {"mephedrone": 80})
    for day in (26, 27):
        put_day(store, day, {"mephedrone": 30})
    done = backtest(store, build_rule(), noon_after(27))
    assert [hit.alert.bucket for hit in done.hits] == [a_day(25)]
    assert done.stages == 2
    assert done.skipped == 1
    # today it is known, and a baseline takes it in
    known = backtest(store, build_rule(settle_hours=24 * 5), noon_after(40))
    assert [hit.alert.bucket for hit in known.hits] == [a_day(20), a_day(25)]
    store.close()


def test_events_and_verdicts_are_no_false_alarms(tmp_path: Path) -> None:
    store = build_store(tmp_path, WAVES)
    rule = build_rule()
    done = backtest(store, rule, noon_after(99))
    assert (done.rate.alarms, done.series, done.judged) == (2, 1, 100)
    assert done.per_year == pytest.approx(2 * 365.25 / 100)
    assert done.bounds[0] < done.per_year < done.bounds[1]
    assert backtest(store, rule, noon_after(99), events=[Period(a_day(41), a_day(42))]).rate.alarms == 1
    alert = done.hits[1].alert.model_copy(update={"verdict": Verdict.TRUE, "state": AlertState.DISMISSED})
    assert backtest(store, rule, noon_after(99), told=[alert]).rate.alarms == 1
    assert [hit.alert.bucket for hit in backtest(store, rule, noon_after(99), first=a_day(50), last=a_day(90)).hits] == [a_day(85)]
    with pytest.raises(UsageError, match="The data has 2033-01-03"):
        backtest(store, rule, noon_after(99), first=a_day(200))
    store.close()


def test_tuning_raises_the_threshold_until_the_budget_is_kept(tmp_path: Path) -> None:
    store = build_store(tmp_path, WAVES)
    rule = build_rule(test={"kind": "threshold", "above": 20})
    found = tune_rule(store, rule, 4, noon_after(99))
    assert found.field == "above"
    assert 80 <= found.value < 90
    assert found.reached
    assert found.rate.alarms == 1
    tuned = rule.model_copy(update={"test": build_rule(test={"kind": "threshold", "above": found.value}).test})
    assert backtest(store, tuned, noon_after(99)).rate.alarms == 1
    store.close()


@pytest.mark.parametrize("test", [{"kind": "threshold", "above": 50}, {"kind": "first"}])
def test_tuning_counts_alarms_as_the_back_test_does(tmp_path: Path, test: dict[str, object]) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    for day in range(80):
        put_day(store, day, {"mephedrone": 60 if day == 40 else 30, "lsd": 12, **({"2c-b": 4} if day >= 50 else {})})
    rule = build_rule(filter={}, split=["market", "substance"], test=test)
    done = backtest(store, rule, noon_after(79))
    found = tune_rule(store, rule, 100, noon_after(79))
    assert done.series > 1
    assert found.before.alarms == done.rate.alarms == 1
    assert found.before.per_year == pytest.approx(done.per_year)
    assert found.reached
    store.close()


def test_first_appearance_after_burn_in_and_only_once(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    for day in range(80):
        counts = {"mephedrone": 30, "lsd": 12}
        if day >= 50:
            counts["metonitazene"] = 4
        if 60 <= day < 62:
            counts["2c-b"] = 3
        put_day(store, day, counts)
    rule = build_rule(filter={}, split=["market", "substance"], test={"kind": "first"})
    assert rule.min_n == 0
    done = backtest(store, rule, noon_after(79))
    assert [(hit.alert.series["substance"], hit.alert.bucket) for hit in done.hits] == [
        ("metonitazene", a_day(50)), ("2c-b", a_day(60)),
    ]
    with open_state(tmp_path) as state:
        said = []
        for day in range(40, 80, 3):
            report = evaluate_all(store, state, [rule], noon_after(day), outbox=Outbox(state))
            said += [one.series["substance"] for one in report.changes.fired]
        assert said == ["metonitazene", "2c-b"]
        assert {one.state for one in Records(state).select()} == {AlertState.OPEN}
        assert "first seen" in Records(state).select()[0].why
    # a rule that begins later says nothing of what has been there
    with open_state(tmp_path / "later") as state:
        assert evaluate_all(store, state, [rule], noon_after(79)).changes.fired == []
    store.close()


def test_a_market_that_is_down_is_told_and_no_count_alert(tmp_path: Path) -> None:
    store = build_store(tmp_path, [60] * 40 + [None] * 8)
    put_day(store, 47, {"lsd": 5}, market="other")  # the crawler itself works
    rules = [
        build_rule(id="down", filter={}, split=["market"], test={"kind": "down"}),
        build_rule(id="low", test={"kind": "threshold", "below": 30}, filter={"market": "m", "substance": "mephedrone"}),
    ]
    with open_state(tmp_path) as state:
        said = []
        for day in range(38, 48):
            report = evaluate_all(store, state, rules, noon_after(day), outbox=Outbox(state))
            assert report.failed == []
            said += [(one.rule, one.series) for one in report.changes.fired]
        assert said == [("down", {"market": "m"})]
        [(text,)] = state.db.execute("SELECT notice FROM outbox").fetchall()
        assert '"event":"fired"' in text
    store.close()


@pytest.mark.parametrize(("seen", "said"), [(25, []), (0, ["down"])])
def test_a_market_that_is_seen_in_part_is_not_down(tmp_path: Path, seen: int, said: list[str]) -> None:
    store = build_store(tmp_path, [60] * 40)
    for day in range(40, 48):
        put_day(store, day, {"mephedrone": seen}, coverage=seen / 60, listings=seen)
    rule = build_rule(id="down", filter={}, split=["market"], test={"kind": "down"})
    assert [hit.alert.rule for hit in backtest(store, rule, noon_after(47)).hits] == said
    store.close()


def test_surges_of_new_listings_and_prices_at_the_standard_quantity(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    total = 40
    for day in range(100):
        total += 12 if day == 90 else day % 2
        put_day(store, day, {"mephedrone": total}, price=300_000 if day < 95 else 450_000)
    derive(store)
    where = {"substance": "mephedrone", "market": "m"}
    surge = backtest(store, build_rule(measure="new", filter=where, test={"kind": "surge"}, min_n=5), noon_after(99))
    assert [hit.alert.bucket for hit in surge.hits] == [a_day(90)]
    price = build_rule(measure="price", column="standard", filter=where, test={"kind": "change"})
    moved = backtest(store, price, noon_after(99))
    assert [hit.alert.bucket for hit in moved.hits] == [a_day(95)]
    [hit] = moved.hits
    assert (hit.alert.value, hit.alert.unit, hit.alert.series) == (45.0, "USD/g", {"unit": "g"})
    store.close()
