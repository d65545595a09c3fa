"""What leaves the house about small groups and dominant vendors, and questions that fail or have to be put apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from alert_market import (
    START,
    VERSION,
    a_day,
    build_crawl,
    build_rule,
    build_store,
    noon_after,
    open_state,
    put_day,
    seen_by,
)

from index.derive import derive_offer_days
from index.open import open_store
from index.store import Store
from monitor.alerts.evaluate import evaluate_all
from monitor.alerts.evidence import evidence_rows
from monitor.alerts.records import Records
from monitor.alerts.rule import Rule
from monitor.delivery.outbox import Outbox


def notices(store: Store, folder: Path, day: int, *rules: Rule) -> list[dict[str, Any]]:
    with open_state(folder) as state:
        report = evaluate_all(store, state, rules, noon_after(day), outbox=Outbox(state))
        assert report.failed == []
        return [json.loads(text) for (text,) in state.db.execute("SELECT notice FROM outbox ORDER BY seq")]


def build_sales(path: Path, parts: list[int]) -> Store:
    """Two weeks in which each vendor sells so many packages a day, each of 10 listings a part of them."""
    store = open_store(f"sqlite:///{path / 'store.db'}")
    for day in range(14):
        crawl = build_crawl(day)
        store.write_crawl(crawl)
        store.write([
            seen_by(crawl, number, prefix=f"v{vendor}-", vendor=f"t:{vendor}", ready=20 * part - part * day)
            for vendor, part in enumerate(parts) for number in range(10)
        ])
    derive_offer_days(store, "m", VERSION, START)
    return store


def test_money_of_one_dominant_vendor_is_not_sent(tmp_path: Path) -> None:
    rule = build_rule(measure="turnover", by="week", test={"kind": "threshold", "above": 1}, filter={"market": "m"})
    for name, parts, told in (("even", [3, 4, 3, 4, 3, 4], True), ("one", [90, 1, 1, 1, 1, 1], False)):
        folder = tmp_path / name
        folder.mkdir()
        store = build_sales(folder, parts)
        [notice] = notices(store, folder, 13, rule)
        assert (notice["value"] is not None) is told
        assert ("value" in notice["withheld"]) is not told
        with open_state(folder) as state:  # the analyst has it all the same
            [alert] = Records(state).select()
            assert alert.value is not None
            assert alert.value > 1000
        store.close()


def test_many_offers_of_few_listings_are_few(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    for day in range(3):
        crawl = build_crawl(day)
        store.write_crawl(crawl)
        store.write([seen_by(crawl, number, listing=f"L{number % 6}", vendors=6) for number in range(60)])
    [notice] = notices(store, tmp_path, 2, build_rule(measure="offers"))
    assert (notice["n"], notice["value"]) == (None, None)
    store.close()


def test_one_vendor_that_is_watched_is_never_named(tmp_path: Path) -> None:
    store = build_store(tmp_path, [600] * 3)
    rule = build_rule(filter={"vendor": "t:3"}, test={"kind": "threshold", "above": 20})
    [notice] = notices(store, tmp_path, 2, rule)
    text = json.dumps(notice)
    assert "t:3" not in text
    assert notice["value"] is None
    with open_state(tmp_path) as state:
        [alert] = Records(state).select()
        assert alert.series == {"vendor": "t:3"}
        found = evidence_rows(store, Records(state), alert, 1000)
        assert {row["vendor"] for row in found} == {"t:3"}
        assert len(found) == alert.value == 50
        # pseudonyms stay where `forget` finds them
        assert state.db.execute("SELECT COUNT(*) FROM alert_cache").fetchone() == (0,)
    store.close()


def test_a_region_with_regions_below_it_is_asked_apart(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    for day in range(3):
        put_day(store, day, {"mephedrone": 40}, region="GE-TB")
        put_day(store, day, {"mephedrone": 30}, region="GE-AJ", hour=13)
        # both crawls saw the whole market: the second one's listings are averaged in
    rules = [
        build_rule(id=f"r-{region.lower()}", filter={"region": region}, test={"kind": "threshold", "above": 10})
        for region in ("GE", "GE-TB", "GE-AJ")
    ]
    with open_state(tmp_path) as state:
        report = evaluate_all(store, state, rules, noon_after(2))
        assert {alert.rule: alert.value for alert in report.changes.fired} == {"r-ge": 35, "r-ge-tb": 20, "r-ge-aj": 15}
        assert report.questions == 2
        assert evaluate_all(store, state, rules, noon_after(2)).unchanged == 3
    store.close()


def test_a_question_that_fails_holds_up_no_other(tmp_path: Path) -> None:
    store = build_store(tmp_path, [80] * 3)
    good = build_rule()
    fine = build_rule(id="bad", measure="concentration", filter={}, test={"kind": "threshold", "above": 1})
    bad = fine.model_copy(update={"method": "feedback"})  # no file can say so; whatever the measure refuses will do
    with open_state(tmp_path) as state:
        report = evaluate_all(store, state, [bad, good], noon_after(2))
        assert [alert.rule for alert in report.changes.fired] == ["meph"]
        assert [names for names, _ in report.failed] == [("bad",)]
    store.close()


def test_weeks_are_judged_when_they_are_over(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30] * 14 + [80] * 7)
    rule = build_rule(by="week")
    with open_state(tmp_path) as state:
        assert evaluate_all(store, state, [rule], noon_after(13)).changes.fired == []
        assert evaluate_all(store, state, [rule], noon_after(19)).changes.fired == []
        [alert] = evaluate_all(store, state, [rule], noon_after(20)).changes.fired
        assert (alert.bucket, alert.value) == (a_day(14), 80)
        assert "in the week of" in alert.why
    store.close()


def test_days_are_those_of_the_market(tmp_path: Path) -> None:
    store = build_store(tmp_path, [80] * 3, tz="Asia/Vladivostok")
    rule = build_rule(settle_hours=0)
    with open_state(tmp_path) as state:
        # noon UTC of day 0 is 22 o'clock there; the day is over at 14 o'clock UTC
        report = evaluate_all(store, state, [rule], noon_after(-1).replace(hour=13))
        assert (report.waiting, report.changes.fired) == (1, [])
        report = evaluate_all(store, state, [rule], noon_after(-1).replace(hour=15))
        assert [alert.bucket for alert in report.changes.fired] == [a_day(0)]
    store.close()
