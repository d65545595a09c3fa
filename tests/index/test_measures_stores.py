"""The whole way from observations to rows; both stores answer with the same rows."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from measure_world import START, VERSION, a_day, crawl, seen

from extract.observation import Crawl, Observation
from index.derive import derive_offer_days
from index.measures import MEASURES, explain_empty, misplaced_money, to_json, trends
from index.open import open_store
from index.store import Filter, Store

DAYS = 35
MORE: dict[str, dict[str, Any]] = {"event": {"at": a_day(20)}, "turnover": {"method": "all"}}
"""What some measures need, or have besides."""
QUESTIONS: list[tuple[dict[str, Any], Filter]] = [
    ({"by": "day"}, Filter()),
    ({"by": "week", "split": ["substance"]}, Filter()),
    ({"by": "week", "split": ["region", "kind"]}, Filter(market=("m",))),
    ({"by": "month", "split": ["ships-from", "ships-to"]}, Filter(market=("x",))),
    ({"by": "week", "split": ["vendor"], "with_flagged": True}, Filter(first=a_day(3), last=a_day(25))),
    ({"by": "month", "currency": "quoted"}, Filter(substance=("mdma", "unknown"))),
    ({"by": "day", "split": ["market"]}, Filter(region=("GE",))),
]


def question(measure: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a measure is asked: without a currency where it is not about money, which would be refused."""
    left_out = {"currency"} if misplaced_money(measure, None, "stock", arguments.get("currency")) else set()
    return {name: value for name, value in arguments.items() if name not in left_out} | MORE.get(measure, {})


def history() -> tuple[list[Crawl], list[Observation]]:
    """Two markets over 35 days: 90 offers that come and go, sell and are filled up; some crawls are partial."""
    dice = random.Random(5)
    crawls, observations = [], []
    offers = [
        {
            # ids are the same on both markets: only with the market are they whole
            "offer": f"o{number}", "listing": f"l{number // 2}", "market": market,
            "vendor": None if number == 7 else f"t:{market}{number % 13}",
            "kind": "job" if number % 11 == 0 else "offer",
            "substance": ("mdma", "mephedrone", None)[number % 3], "unit": "unit" if number % 5 == 0 else "g",
            "quantity": (0.5, 1.0, 5.0)[number % 3],
            "region": (None, "GE-TB", "GE-AJ")[number % 3] if market == "m" else None,
            "ships_from": ("DE", "NL")[: number % 3] if market == "x" else (),
            "ships_to": ("WORLD",) if market == "x" and number % 2 else (),
            "currency": "USD" if market == "x" else "RUB",
        }
        for market in "mx" for number in range(45)
    ]
    stock = {(offer["market"], offer["offer"]): dice.randrange(10) for offer in offers}
    born = {name: dice.randrange(-20, 20) for name in stock}
    for day in range(DAYS):
        for market in "mx":
            if dice.random() < 0.1:
                continue
            whole = dice.random() < 0.85
            made = crawl(day, 1.0 if whole else 0.6, market=market, tz="Asia/Tbilisi" if market == "m" else "UTC",
                         places={"GE-TB": 1.0, "GE-AJ": 1.0 if whole else 0.2} if market == "m" else None)
            crawls.append(made)
            for offer in offers:
                name = (offer["market"], offer["offer"])
                alive = born[name] <= day < born[name] + 25
                if offer["market"] != market or not alive or (not whole and dice.random() < 0.4):
                    continue
                stock[name] = stock[name] + 8 if dice.random() < 0.1 else max(0, stock[name] - dice.randrange(3))
                price = dice.randrange(1_000, 9_000)
                observations.append(seen(made, **offer, ready=stock[name],
                                         feedback=day // 2 + len(offer["offer"]) if market == "x" else None, amount=price * 90, amount_usd=price,
                                         unit_price=price * 9_000, unit_price_usd=price * 100,
                                         flags=("holding",) if dice.random() < 0.05 else ()))
    return crawls, observations


def load(store: Store) -> None:
    crawls, observations = history()
    for each in crawls:
        store.write_crawl(each)
    assert not store.write(observations).failed
    for market in "mx":
        derive_offer_days(store, market, VERSION, START)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('both') / 'both.db'}")
    load(store)
    yield store
    store.close()


def test_turnover_of_derived_days_equals_falls_read_off_the_sightings(small: Store) -> None:
    _, observations = history()
    packages, money = 0, 0.0
    before: dict[tuple[str, str], int] = {}
    for row in sorted(observations, key=lambda each: each.observed_at):
        name = (row.market, row.offer)
        fall = max(0, before.get(name, 0) - (row.ready or 0))
        before[name] = row.ready or 0
        if row.kind == "offer":
            packages += fall
            money += fall * (row.amount_usd or 0) / 100
    rows = trends(small, "turnover", Filter(), by="month", with_flagged=True)
    assert sum(row.extras["packages"] for row in rows) == packages > 100  # type: ignore[misc]
    assert sum(row.value or 0 for row in rows) == pytest.approx(money)


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_answers_every_question_with_whole_rows(small: Store, measure: str) -> None:
    for arguments, where in QUESTIONS:
        split = arguments.get("split", [])
        if measure == "coverage" and set(split) - {"market", "region"}:
            continue
        if measure == "concentration" and "vendor" in split:
            continue
        rows = trends(small, measure, where, **question(measure, arguments))
        named = ("unit", "currency", "method", "days", "term", "role")
        keys = [(row.bucket, *row.splits.values(), *(row.extras.get(name) for name in named)) for row in rows]
        assert len(set(keys)) == len(keys), "a row twice"
        series = {tuple(row.splits.values()) for row in rows}
        assert {(row.bucket, tuple(row.splits.values())) for row in rows} == {
            (bucket, key) for bucket in {row.bucket for row in rows} for key in series} or measure == "event", "a hole"
        for row in rows:
            assert (row.value is None) == (row.reason is not None)
            assert (row.low is None) == (row.high is None)
            assert all(cell == cell for cell in to_json(row).values()), "not a number"
            if row.low is not None and row.high is not None:
                assert row.low <= row.high


@pytest.mark.elasticsearch
def test_both_stores_give_the_same_rows(small: Store, elastic_url: str) -> None:
    other = open_store(f"{elastic_url}/measures-{uuid.uuid4().hex[:12]}")
    try:
        load(other)
        for number, measure in enumerate(MEASURES):
            # two questions a measure, each in turn: all of them on both stores take a minute
            for arguments, where in (QUESTIONS[number % 7], QUESTIONS[(number + 3) % 7]):
                split = arguments.get("split", [])
                if measure in {"coverage", "concentration"} and split not in ([], ["market"]):
                    continue
                more = question(measure, arguments)
                expected = [to_json(row) for row in trends(small, measure, where, **more)]
                assert [to_json(row) for row in trends(other, measure, where, **more)] == expected
        thinned = [trends(each, "turnover", Filter(), by="week", sensitivity=True) for each in (small, other)]
        assert thinned[0] == thinned[1]
        empty = Filter(substance=("mdna",), region=("GE",))
        assert explain_empty(other, empty) == explain_empty(small, empty)
    finally:
        other.destroy()  # type: ignore[attr-defined]
        other.close()


def test_an_opened_but_never_written_store_is_no_error(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'none.db'}")
    assert [trends(store, measure, Filter(), by="week") for measure in MEASURES] == [[]] * len(MEASURES)
    store.close()
