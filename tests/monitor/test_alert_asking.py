"""Shared questions give every rule the very figures that `trends` gives, remembered or not."""

from __future__ import annotations

import itertools
import random
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from alert_market import START, VERSION, a_day, build_rule, build_store, derive, noon_after, open_state, seen_by
from alert_market import build_crawl as crawl_of

from index.export.question import Question, run_measure
from index.measures import to_json
from index.open import open_store
from index.store import Store
from index.transfer import copy_store
from monitor.alerts.alert import Alert
from monitor.alerts.asking import RowCache, answer_group
from monitor.alerts.evaluate import evaluate_all
from monitor.alerts.reading import Reading
from monitor.alerts.rule import Rule
from monitor.alerts.shape import group_rules
from monitor.alerts.watched import cut_series, has_regions_below
from monitor.question import read_trend

DAYS = 56
REGIONS = ("GE-TB", "GE-AJ", "DE")
SUBSTANCES = ("mdma", "lsd", None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two markets, eight weeks, listings that come and go, prices that move, a missed day and a partial crawl."""
    chance = random.Random(5)
    found = open_store(f"sqlite:///{tmp_path_factory.mktemp('asking') / 'store.db'}")
    births = {
        (market, number): (chance.randrange(-20, DAYS), chance.randrange(3, 60))
        for market in ("m", "w") for number in range(90)
    }
    for market, day in itertools.product(("m", "w"), range(DAYS)):
        if (market, day) == ("w", 30):
            continue
        put(found, chance, births, market, day)
    for market in ("m", "w"):
        derive(found, market)
    return found


def put(store: Store, chance: random.Random, births: dict[tuple[str, int], tuple[int, int]], market: str, day: int) -> None:
    crawl = crawl_of(day, market=market, coverage=0.4 if (market, day) == ("m", 20) else 1.0)
    store.write_crawl(crawl)
    rows = []
    for (place, number), (born, life) in births.items():
        if place == market and born <= day < born + life:
            substance = SUBSTANCES[number % 3]
            price = (200_000 + 1_000 * number) * chance.randrange(90, 110)
            rows.append(seen_by(
                crawl, number, prefix=f"{market}-", substances=(substance,) if substance else (),
                region=REGIONS[number % 7 % 3], quantity=(1.0, 5.0)[number % 2], unit_price=price, unit_price_usd=price,
                ready=max(0, 40 - day + born), vendor=f"t:{number % 15}", unit="unit" if substance == "lsd" else "g",
            ))
    store.write(rows)


RULES = [
    build_rule(id="a", filter={"substance": "mdma", "region": "GE-TB"}),
    build_rule(id="b", filter={"substance": "lsd", "region": "DE"}),
    build_rule(id="c", filter={"substance": "unknown", "region": "GE"}),
    build_rule(id="d", filter={"market": "w"}, split=["substance"]),
    build_rule(id="e", filter={"substance": ["lsd", "mdma"]}, by="week"),
    build_rule(id="f", filter={"region": "GE"}, split=["region"], measure="offers"),
    build_rule(id="g", filter={"market": "m", "substance": "mdma"}, measure="vendors"),
    build_rule(id="h", filter={"market": "m", "substance": "mdma"}, measure="new"),
    build_rule(id="i", filter={"market": "m"}, split=["substance"], measure="withdrawn", by="week"),
    build_rule(id="j", filter={"market": "m"}, measure="returned", by="week"),
    build_rule(id="k", filter={"substance": "mdma", "region": "GE-TB", "market": "m"}, measure="price"),
    build_rule(id="l", filter={"substance": "mdma", "region": "GE-TB", "market": "m"}, measure="price", column="standard"),
    build_rule(id="m", filter={"substance": "lsd", "market": "m"}, measure="price", column="q75", by="week"),
    build_rule(id="n", filter={"substance": "mdma", "market": "m"}, measure="turnover", by="week"),
    build_rule(id="o", filter={"market": "m"}, measure="share", split=["substance"], by="week"),
    build_rule(id="r", filter={"market": "m", "substance": "mdma"}, measure="share", by="week"),
    build_rule(id="s", filter={}, measure="share", split=["market", "substance"], by="week"),
    build_rule(id="t", filter={"substance": ["lsd", "mdma"]}, measure="concentration", split=["substance"], by="week"),
    build_rule(id="u", filter={"market": "m", "region": "GE"}, measure="price", column="standard", split=["region"]),
    build_rule(id="v", filter={"substance": "mdma"}, measure="price-index", by="day"),
    build_rule(id="p", filter={"market": "m"}, measure="coverage", by="week"),
    build_rule(id="q", filter={"market": "m"}, measure="concentration", by="week"),
]


def figures(store: Store, rule: Rule, rules: list[Rule]) -> dict[tuple[object, ...], tuple[float | None, int]]:
    """(value, n) by series and bucket, as the rule sees them in a question shared with others."""
    reading = Reading(store)
    groups = group_rules(rules)
    group = next(one for one in groups if any(member.id == rule.id for member, _ in one.members))
    pins = next(pins for member, pins in group.members if member.id == rule.id)
    found = answer_group(reading, group, START, a_day(DAYS - 1))
    assert found is not None
    answer, _ = found
    if has_regions_below(group.shape, pins, rule, list(answer.cells)):
        [group] = group_rules([rule], [rule.id])
        pins = group.members[0][1]
        found = answer_group(reading, group, START, a_day(DAYS - 1))
        assert found is not None
        answer, _ = found
    result = {}
    for one in cut_series(answer, group.shape, rule, pins, len(answer.ask.buckets) - 1):
        labels = tuple(value for name, value in sorted(one.labels.items()) if name not in ("unit", "currency"))
        for bucket, value, n in zip(one.points.buckets, one.points.values, one.points.n, strict=True):
            if np.isfinite(value):
                result[bucket, labels] = (float(value), int(n))
    return result


@pytest.mark.parametrize("rule", RULES, ids=[f"{rule.id}-{rule.measure}-{rule.column}" for rule in RULES])
def test_the_figures_are_those_of_trends(store: Store, rule: Rule) -> None:
    question = Question(
        measures=(rule.measure,), by=rule.by, split=rule.split,
        where=rule.filter.to_filter(START, a_day(DAYS - 1)),
    )
    expected = {}
    for row in run_measure(store, question, rule.measure):
        value = row.value if rule.column == "value" else cast("float | None", row.extras[rule.column])
        # q75 of a gap, and a standard of nothing, are no figures
        if row.value is not None and value is not None and (row.n or rule.measure not in ("price", "share")):
            labels = tuple(value for _, value in sorted(row.splits.items()))
            expected[row.bucket, labels] = (value, row.n)
    got = figures(store, rule, RULES)
    assert expected
    assert {key: value for key, (value, _) in got.items()} == pytest.approx({key: value for key, (value, _) in expected.items()})
    if rule.column != "standard":  # there n is of the offers at that quantity
        assert {key: n for key, (_, n) in got.items()} == {key: n for key, (_, n) in expected.items()}


@pytest.mark.parametrize(("measure", "currency", "label"), [
    ("price-index", None, True), ("price-index", "usd", False), ("price", None, False), ("price", "quoted", True),
])  # fmt: skip
def test_currencies_are_series_apart_where_prices_stand_in_them(
    store: Store, measure: str, currency: str | None, label: bool
) -> None:
    rule = build_rule(filter={"substance": "mdma"}, measure=measure, currency=currency)
    [group] = group_rules([rule])
    found = answer_group(Reading(store), group, START, a_day(DAYS - 1))
    assert found is not None
    series = cut_series(found[0], group.shape, rule, group.members[0][1], DAYS - 1)
    assert [bool(one.labels.get("currency")) for one in series] == [label]


def test_remembered_figures_are_the_same(store: Store, tmp_path: Path) -> None:
    reading = Reading(store)
    with open_state(tmp_path) as state:
        cache = RowCache(state.db)
        for group in group_rules(RULES):
            first = answer_group(reading, group, START, a_day(40), cache)
            assert first is not None
            fresh = first[1]
            if group.shape.measure == "price-index":  # 100 is the first bucket asked: parts do not fit together
                assert fresh is None
                continue
            assert fresh is not None
            cache.put(fresh.question, fresh.rows, fresh.oldest)
            again = answer_group(reading, group, START, a_day(40), cache)
            assert again is not None
            assert again[1] is not None
            assert again[1].rows == {}
            assert again[0].cells == first[0].cells
            later = answer_group(reading, group, START, a_day(DAYS - 1), cache)
            plain = answer_group(reading, group, START, a_day(DAYS - 1))
            assert later is not None
            assert plain is not None
            assert later[0].cells == plain[0].cells
            assert later[1] is not None
            if group.shape.by == "day" and group.shape.measure in ("listings", "offers", "vendors", "price", "new"):
                assert min(later[1].rows) == a_day(41)


@pytest.mark.elasticsearch
def test_elasticsearch_answers_alike(store: Store, elastic_url: str, elastic_prefix: str) -> None:
    cluster = open_store(f"{elastic_url}/{elastic_prefix}asking")
    copy_store(store, cluster)
    there, here = Reading(cluster), Reading(store)
    answered = 0
    for group in group_rules(RULES):
        found, right = (answer_group(reading, group, START, a_day(DAYS - 1)) for reading in (there, here))
        assert found is not None
        assert right is not None
        assert found[0].cells == right[0].cells
        assert found[0].settled == right[0].settled
        answered += bool(right[0].cells)
    assert answered > 8
    cluster.close()


def test_a_new_market_and_a_missing_one_move_no_total(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")

    def put_counts(market: str, day: int, count: int) -> None:
        crawl = crawl_of(day, market=market)
        store.write_crawl(crawl)
        store.write([seen_by(crawl, number, prefix=market) for number in range(count)])

    for day in range(60):
        put_counts("m", day, 60 + day % 3)
        if day < 40:
            put_counts("w", day, 80)
        if day >= 20:
            put_counts("x", day, 90)
    rules = [
        build_rule(id="jump", test={"kind": "change"}),
        build_rule(id="low", test={"kind": "threshold", "below": 200}, on_first_run="hold"),
    ]
    with open_state(tmp_path) as state:
        for day in range(17, 60):
            assert evaluate_all(store, state, rules, noon_after(day)).changes.fired == []
    store.close()


def test_only_crawls_known_by_then(store: Store) -> None:
    moment = noon_after(10)
    reading = Reading(store, moment)
    assert {one.market for one in reading.crawls()} == {"m", "w"}
    assert all((one.finished or one.started) <= moment for one in reading.crawls())
    assert len(reading.crawls()) == 22
    assert reading.crawls(("m",), a_day(3), a_day(4)) == store.crawls(("m",), a_day(3), a_day(4))
    assert reading.current_version() == VERSION
    assert max(one.started for one in reading.crawls()) - min(one.started for one in reading.crawls()) == timedelta(days=10)


def test_the_command_of_an_alert_on_a_standard_price_gives_its_figure(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    for market, amounts in (("m", [1.0] * 6 + [10.0] * 5), ("w", [10.0] * 9)):
        one = crawl_of(0, market=market)
        store.write_crawl(one)
        store.write([
            seen_by(one, number, prefix=market, quantity=amount, unit_price_usd=int(600_000 / amount))
            for number, amount in enumerate(amounts)
        ])
        store.set_current_version(VERSION)
        derive(store, market)
    rule = build_rule(measure="price", column="standard", filter={}, split=["market"], min_n=0, test={"kind": "threshold", "above": 0})
    with open_state(tmp_path) as state:
        fired = evaluate_all(store, state, [rule], noon_after(0)).changes.fired
    assert len({alert.value for alert in fired}) == 1  # ten grams are the commonest in both together
    assert [commanded(store, alert)["standard"] for alert in fired] == [alert.value for alert in fired]
    store.close()


def test_the_command_of_an_alert_on_one_seller_has_a_row_of_its_figure(tmp_path: Path) -> None:
    store = build_store(tmp_path, [30], vendors=5)
    rule = build_rule(filter={"vendor": "t:1", "market": "m"}, min_n=0, test={"kind": "threshold", "above": 1})
    with open_state(tmp_path) as state:
        [alert] = evaluate_all(store, state, [rule], noon_after(0)).changes.fired
    assert "t:1" not in alert.query
    assert commanded(store, alert)["value"] == alert.value == 6
    store.close()


def commanded(store: Store, alert: Alert) -> dict[str, Any]:
    """The row of the command in an alert that is about its series and bucket."""
    _, _, measure, *options = shlex.split(alert.query)
    pairs = zip(options[::2], options[1::2], strict=True)
    asked = read_trend(measure, {name.removeprefix("--"): [value] for name, value in pairs})
    series = {name: value for name, value in alert.series.items() if name != "unit"}
    [shown] = [row for row in asked.rows(store) if (row.bucket, dict(row.splits)) == (alert.bucket, series)]
    return to_json(shown)
