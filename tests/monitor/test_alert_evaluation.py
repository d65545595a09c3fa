"""Rules on a real store: what fires, what is said once, again, and when it is over."""

from __future__ import annotations

from pathlib import Path

import pytest
from alert_market import (
    a_day,
    build_crawl,
    build_rule,
    build_store,
    derive,
    noon_after,
    open_state,
    put_day,
    seen_by,
)

from index.store import Store
from monitor.alerts.alert import Alert, AlertState, Verdict
from monitor.alerts.evaluate import Report, evaluate_all
from monitor.alerts.records import Records
from monitor.alerts.rule import Rule
from monitor.delivery.outbox import Outbox
from monitor.state import State


def tick(store: Store, state: State, day: int, *rules: Rule) -> Report:
    """Evaluates at noon after that day."""
    report = evaluate_all(store, state, rules, noon_after(day), outbox=Outbox(state))
    assert report.failed == []
    return report


def messages(state: State) -> list[tuple[str, str]]:
    return [tuple(row) for row in state.db.execute("SELECT event, json_extract(notice, '$.bucket') FROM outbox ORDER BY seq")]


def alerts(state: State) -> list[Alert]:
    return sorted(Records(state).select(), key=lambda one: one.first_bucket)


def test_a_threshold_fires_once_with_its_evidence(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 20 + [80] * 3)
    with open_state(tmp_path) as state:
        rule = build_rule()
        assert tick(store, state, 18, rule).changes.fired == []
        [alert] = tick(store, state, 20, rule).changes.fired
        assert (alert.value, alert.high, alert.n, alert.vendors) == (80, 50, 80, 12)
        assert (alert.first_bucket, alert.bucket, alert.coverage) == (a_day(20), a_day(20), 1.0)
        assert alert.recent[-2:] == ((a_day(19), 30.0), (a_day(20), 80.0))
        assert alert.recent_crowd[-1] == (80, 12)
        assert "80" in alert.why
        assert "--substance mephedrone" in alert.query
        for _ in range(2):  # again, and a day later: nothing more is said
            assert tick(store, state, 21, rule).changes.fired == []
        assert tick(store, state, 22, rule).changes.fired == []
        assert messages(state) == [("fired", a_day(20).isoformat())]
        assert [(one.state, one.bucket) for one in alerts(state)] == [(AlertState.OPEN, a_day(22))]
    store.close()


def test_an_index_keeps_its_base_from_run_to_run(tmp_path: Path) -> None:
    store = build_store(tmp_path, [])
    for day in range(12):
        put_day(store, day, {"mephedrone": 30}, price=300_000 if day < 9 else 600_000)
    derive(store)
    with open_state(tmp_path) as state:
        rule = build_rule(measure="price-index", test={"kind": "threshold", "above": 150})
        assert [tick(store, state, day, rule).changes.fired for day in range(6, 9)] == [[], [], []]
        [alert] = tick(store, state, 9, rule).changes.fired
        assert alert.value == pytest.approx(200)
        assert f"--from {a_day(9 - 400)} " in alert.query  # the same base there
        assert [tick(store, state, day, rule).changes.recovered for day in (10, 11)] == [[], []]
    store.close()


@pytest.mark.parametrize("measure", ["turnover", "share"])
def test_what_runs_dry_falls_to_zero_and_is_no_gap(tmp_path: Path, measure: str) -> None:
    store = build_store(tmp_path, [])
    for day in range(14):
        crawl = build_crawl(day)
        store.write_crawl(crawl)
        store.write([
            seen_by(crawl, number, prefix=place, substances=("lsd",) if place == "b" else ("mdma",), ready=100 - day)
            for place in "ab" if (place, day // 10) != ("b", 1) for number in range(20)
        ])
    derive(store)
    with open_state(tmp_path) as state:
        rule = build_rule(
            filter={}, measure=measure, split=["substance"], min_n=0, test={"kind": "threshold", "below": 0.001})
        for day in range(5, 10):
            assert tick(store, state, day, rule).changes.fired == []
        [alert] = tick(store, state, 10, rule).changes.fired
        assert (alert.series["substance"], alert.value) == ("lsd", 0)
    store.close()


def test_only_closed_buckets_are_judged(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 20 + [80])
    with open_state(tmp_path) as state:
        rule = build_rule(settle_hours=14)
        assert tick(store, state, 20, rule).changes.fired == []  # noon is before 14 o'clock
        assert len(tick(store, state, 21, rule).changes.fired) == 1
    store.close()


@pytest.mark.parametrize(("policy", "said"), [("fire", 1), ("hold", 0)])
def test_already_true_at_the_first_run(tmp_path: Path, policy: str, said: int) -> None:
    store = build_store(tmp_path, [30] * 10 + [80] * 6 + [30] * 4 + [90] * 2)
    with open_state(tmp_path) as state:
        rule = build_rule(on_first_run=policy)
        fired = tick(store, state, 14, rule).changes.fired
        assert len(fired) == said
        assert all(one.first_bucket == a_day(10) and "already" in one.why for one in fired)
        tick(store, state, 19, rule)
        # what begins after the first run is said in both
        assert [one.first_bucket for one in tick(store, state, 21, rule).changes.fired] == [a_day(20)]
        assert len(alerts(state)) == said + 1
    store.close()


def test_history_before_the_first_run_is_not_told(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 10 + [80] * 3 + [30] * 10)
    with open_state(tmp_path) as state:
        assert tick(store, state, 22, build_rule()).changes.fired == []
        assert tick(store, state, 23, build_rule()).changes.fired == []
    store.close()


def test_said_again_recovered_and_cooled_down(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 10 + [80] * 7 + [30] * 3 + [80] * 6 + [30] * 2)
    with open_state(tmp_path) as state:
        rule = build_rule(refire=3, recovery=2, cooldown=5)
        for day in range(8, 29):
            tick(store, state, day, rule)
        assert messages(state) == [
            ("fired", a_day(10).isoformat()), ("fired-again", a_day(13).isoformat()),
            ("fired-again", a_day(16).isoformat()), ("recovered", a_day(16).isoformat()),
            # true again from day 20 on, silent until five days after day 16
            ("fired", a_day(22).isoformat()), ("fired-again", a_day(25).isoformat()),
            ("recovered", a_day(25).isoformat()),
        ]  # fmt: skip
        before = messages(state)
        for day in (28, 28):
            tick(store, state, day, rule)
        assert messages(state) == before
        assert [one.state for one in alerts(state)] == [AlertState.RECOVERED] * 2
    store.close()


def test_one_late_run_says_what_daily_runs_would_have_said(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 10 + [80] * 7 + [30] * 3 + [80] * 6 + [30] * 2)
    with open_state(tmp_path) as state:
        rule = build_rule()
        tick(store, state, 8, rule)
        report = tick(store, state, 28, rule)
        assert [one.first_bucket for one in report.changes.fired] == [a_day(10), a_day(20)]
        assert [one.state for one in alerts(state)] == [AlertState.RECOVERED] * 2
    store.close()


def test_a_reviewer_who_knows_is_not_told_again(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 10 + [80] * 8)
    with open_state(tmp_path) as state:
        rule = build_rule(refire=2)
        tick(store, state, 8, rule)
        [alert] = tick(store, state, 10, rule).changes.fired
        Records(state).decide(alert.id[:8], AlertState.DISMISSED, "anna", noon_after(10), verdict=Verdict.FALSE, note="a relist")
        assert tick(store, state, 17, rule).changes.again == []
        [kept] = alerts(state)
        assert (kept.state, kept.verdict) == (AlertState.DISMISSED, Verdict.FALSE)
        found = Records(state).precision("meph", noon_after(17))
        assert (found.alerts, found.false, found.share) == (1, 1, 0.0)
        assert [one.event for one in Records(state).history(alert.id)] == ["fired", "dismissed"]
    store.close()


def test_coverage_faults_and_gaps_raise_no_count_alert(tmp_path: Path) -> None:
    store = build_store(tmp_path, [60] * 20 + [None, None])
    for day, coverage in ((22, 0.5), (23, None), (24, 0.89)):
        put_day(store, day, {"mephedrone": 5}, coverage=coverage)
    put_day(store, 25, {"mephedrone": 60})
    with open_state(tmp_path) as state:
        rules = [
            build_rule(id="low", test={"kind": "threshold", "below": 30}),
            build_rule(id="change", test={"kind": "change"}), build_rule(id="drift", test={"kind": "drift"}),
        ]
        tick(store, state, 18, *rules)
        for day in range(19, 26):
            assert tick(store, state, day, *rules).changes.fired == []
    store.close()


def test_a_stricter_guard_than_the_crawls_own(tmp_path: Path) -> None:
    store = build_store(tmp_path, [60] * 10)
    put_day(store, 10, {"mephedrone": 20}, coverage=0.92)
    with open_state(tmp_path) as state:
        strict = build_rule(id="strict", test={"kind": "threshold", "below": 30}, coverage=0.95)
        loose = build_rule(id="loose", test={"kind": "threshold", "below": 30})
        tick(store, state, 8, strict, loose)
        assert [one.rule for one in tick(store, state, 10, strict, loose).changes.fired] == ["loose"]
    store.close()


def test_a_late_crawl_is_judged_without_saying_twice(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 10 + [None, 80, 80, 30, 30, 30])
    with open_state(tmp_path) as state:
        rule = build_rule()
        tick(store, state, 8, rule)
        [alert] = tick(store, state, 12, rule).changes.fired
        assert alert.first_bucket == a_day(11)
        put_day(store, 10, {"mephedrone": 90})  # it began a day earlier, as one sees now
        assert tick(store, state, 12, rule).changes.fired == []
        tick(store, state, 15, rule)
        put_day(store, 9, {"mephedrone": 99}, hour=18)  # and another, long over
        tick(store, state, 15, rule)
        assert [event for event, _ in messages(state)] == ["fired", "recovered"]
        assert len(alerts(state)) == 1
    store.close()


def test_a_late_crawl_can_raise_an_alert_and_take_one_back(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 10 + [None, 80, 30, 30, 30])
    with open_state(tmp_path) as state:
        rule = build_rule(recovery=10)
        tick(store, state, 8, rule)
        [alert] = tick(store, state, 11, rule).changes.fired
        put_day(store, 11, {"mephedrone": 10}, hour=18)  # (80 + 10) / 2 is not above 50
        [over] = tick(store, state, 12, rule).changes.recovered
        assert over.id == alert.id
        assert "later crawls" in Records(state).history(alert.id)[-1].note
        put_day(store, 10, {"mephedrone": 70})
        [late] = tick(store, state, 14, rule).changes.fired
        assert late.first_bucket == a_day(10)
    store.close()


def test_muted_is_recorded_and_not_sent(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 10 + [80] * 2)
    with open_state(tmp_path) as state:
        rule = build_rule(muted_until="2099-01-01")
        tick(store, state, 8, rule)
        [alert] = tick(store, state, 10, rule).changes.fired
        assert messages(state) == []
        assert [one.event for one in Records(state).history(alert.id)] == ["fired", "muted"]
        # nobody was told that it began, so nobody is told that it is over
        for day, count in ((12, 30), (13, 30)):
            put_day(store, day, {"mephedrone": count})
        assert len(tick(store, state, 13, build_rule()).changes.recovered) == 1
        assert messages(state) == []
    store.close()


def test_a_changed_rule_does_not_say_the_same_again(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 10 + [80] * 6)
    with open_state(tmp_path) as state:
        tick(store, state, 8, build_rule())
        tick(store, state, 11, build_rule())
        lower = build_rule(test={"kind": "threshold", "above": 40})
        assert lower.version != build_rule().version
        assert tick(store, state, 12, lower).changes.fired == []
        assert len(messages(state)) == 1
    store.close()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 10 + [80])
    with open_state(tmp_path) as state:
        report = evaluate_all(store, state, [build_rule()], noon_after(10), outbox=Outbox(state), dry=True)
        assert [one.value for one in report.changes.fired] == [80]
        for table in ("alert", "alert_run", "alert_cache", "outbox", "alert_history"):
            assert state.db.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,)
    store.close()


def test_small_groups_are_kept_but_not_sent(tmp_path: Path) -> None:
    store = build_store(tmp_path, [3] * 10 + [30] * 2, vendors=3)
    with open_state(tmp_path) as state:
        rule = build_rule(test={"kind": "threshold", "above": 20})
        tick(store, state, 8, rule)
        [alert] = tick(store, state, 10, rule).changes.fired
        assert (alert.value, alert.vendors) == (30, 3)
        [(notice,)] = state.db.execute("SELECT notice FROM outbox").fetchall()
        assert '"value":null' in notice
        assert "30" not in notice.split('"why":')[1].split('"query"')[0]
    store.close()
