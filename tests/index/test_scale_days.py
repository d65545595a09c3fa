"""Packs of offer-days: the same rows as the table has, whoever wrote what since; the same measures from both."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scale_world import DAY, FILTERS, MARKETS, coded_rows, crawl_of, observations, scanned_rows

from extract.observation import Coverage, CoverageBasis
from index.derive import derive_offer_days
from index.measures import trends
from index.packed import dump_numbers, load_column
from index.sqlite import day_packs
from index.sqlite.store import SqliteStore
from index.store import Filter

MEASURES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("new", {}), ("new", {"split": ["region", "market"]}), ("withdrawn", {"split": ["substance"]}), ("returned", {}),
    ("price", {"split": ["region"]}), ("price", {"currency": "quoted"}), ("price", {"with_flagged": True}),
    ("price-index", {}), ("turnover", {"split": ["market"]}), ("turnover", {"method": "feedback"}),
    ("turnover", {"currency": "quoted", "split": ["substance", "stash"]}), ("turnover", {"split": ["ships-to"]}),
    ("concentration", {}), ("availability", {}), ("survival", {}), ("share", {"of": "turnover"}),
)


def make(path: Path, crawls: int = 8) -> SqliteStore:
    opened = SqliteStore(path)
    opened.write(
        row.model_copy(update={"feedback": row.observed_at.toordinal() % 50 if row.ready else None})
        for row in observations(3, crawls=crawls, offers=30))
    full = Coverage(seen=10, expected=10, value=1.0, basis=CoverageBasis.SITE_TOTAL)
    for market, number in product(MARKETS, range(crawls)):
        opened.write_crawl(crawl_of(market, number).model_copy(update={"coverage": (full,)}))
    for market in MARKETS:
        derive_offer_days(opened, market, "v1", DAY)
    return opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = make(tmp_path / "store.db")
    yield opened
    opened.close()


def check(store: SqliteStore, *, packed: bool = True) -> None:
    for where in FILTERS:
        found = coded_rows(store, where)
        if packed:
            assert found is not None
        assert found is None or found == scanned_rows(store, where), where


def stale(store: SqliteStore) -> int:
    with closing(sqlite3.connect(store.path)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM stale_days").fetchone()[0])


def test_the_rows_of_the_table(store: SqliteStore) -> None:
    assert stale(store) == 0
    check(store)
    assert len(coded_rows(store, Filter()) or ()) > 200
    assert store.scan_coded(Filter(), ["offer", "first_seen"]) is None  # not packed: the rows tell
    assert store.scan_coded(Filter(crawl=("ash-001",)), ["offer"]) is None


def test_what_changed_since_is_read_from_the_rows(store: SqliteStore) -> None:
    days = list(store.last_offer_days("ash", DAY + timedelta(days=30), "v1"))[:9]
    report = store.write_offer_days(day.model_copy(update={"unit_price_usd": 7, "flags": ()}) for day in days)
    assert report.written + report.unchanged == 9
    assert store.write_offer_days(days).written == report.written  # back again: what triggers do is not counted
    assert stale(store) > 0
    assert coded_rows(store, Filter()) is None
    assert coded_rows(store, Filter(market=("yew",))) == scanned_rows(store, Filter(market=("yew",)))
    store.drop_offer_days("yew", "v1", DAY + timedelta(days=2), DAY + timedelta(days=4))
    check(store, packed=False)
    derive_offer_days(store, "yew", "v1", DAY + timedelta(days=2))  # packs some of the other market as well
    derive_offer_days(store, "ash", "v1", DAY + timedelta(days=5))
    assert stale(store) == 0
    check(store)


@pytest.mark.parametrize("held", [0, 50, 200_000])
def test_packs_made_while_days_are_written(store: SqliteStore, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The middle of a period begun before, one begun before and changed since, days in no order, days given twice."""
    monkeypatch.setattr(day_packs, "MOST_HELD", held)
    store.write(observations(4, crawls=12, offers=40))
    for since in (4, 9, 2, 0):
        derive_offer_days(store, "ash", "v1", DAY + timedelta(days=since))
        assert stale(store) == 0
        check(store)
    days = list(store.last_offer_days("ash", DAY + timedelta(days=90), "v1"))
    first = min(day.day for day in days)
    store.write_offer_days(day.model_copy(update={"falls": 3}) for day in days[:3])
    store.replace_offer_days("ash", "v1", first, days)
    check(store)
    changed = [day.model_copy(update={"falls": 4}) for day in days]
    store.replace_offer_days("ash", "v1", first, [*changed, *reversed(days)])
    assert stale(store) == 0
    check(store)


def test_another_hand_in_the_file(store: SqliteStore) -> None:
    """Who knows nothing of packs makes none of them wrong."""
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("DELETE FROM offer_days WHERE market = 'ash' AND offer = 'o003'")
        connection.execute("UPDATE offer_days SET falls = falls + 1 WHERE market = 'yew' AND day = ?",
                           ((DAY + timedelta(days=3)).isoformat(),))
    assert coded_rows(store, Filter(market=("ash",))) is None
    check(store, packed=False)
    store.rebuild()
    assert stale(store) == 0
    check(store)


@pytest.mark.parametrize("what", [{"crawl": "ash-003"}, {"vendor": "k:b"}, {"market": "yew"}])
def test_forgetting(store: SqliteStore, what: dict[str, str]) -> None:
    assert store.forget(**what) > 0
    check(store, packed=False)
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute(
            "SELECT COUNT(*) FROM day_packs JOIN stale_days USING (version, market, period)").fetchone() == (0,)
    for market in MARKETS:
        derive_offer_days(store, market, "v1", DAY)
    assert stale(store) == 0
    check(store)


def test_a_file_without_such_packs(store: SqliteStore) -> None:
    before = scanned_rows(store, Filter())
    store.close()
    with closing(sqlite3.connect(store.path)) as connection, connection:
        for event in ("insert", "update", "delete"):
            connection.execute(f"DROP TRIGGER stale_days_{event}")
        connection.execute("DROP TABLE day_packs")
        connection.execute("DROP TABLE stale_days")
    again = SqliteStore(store.path)
    assert coded_rows(again, Filter()) is None
    assert scanned_rows(again, Filter()) == before
    derive_offer_days(again, "ash", "v1", DAY)  # its own, and the other market's along the way
    assert stale(again) == 0
    check(again)
    again.close()


@pytest.fixture(scope="module")
def two_ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqliteStore, SqliteStore]]:
    """The same history packed, and noted as not packed."""
    packed, rows = (make(tmp_path_factory.mktemp(name) / "store.db", 24) for name in ("packed", "rows"))
    with closing(sqlite3.connect(rows.path)) as connection, connection:
        connection.execute("INSERT INTO stale_days SELECT DISTINCT version, market, period FROM day_packs")
    assert rows.scan_coded(Filter(), ["offer"]) is None
    yield packed, rows
    packed.close()
    rows.close()


@pytest.mark.parametrize(("measure", "options"), MEASURES)
def test_measures_are_the_same(two_ways: tuple[SqliteStore, SqliteStore], measure: str, options: dict[str, Any]) -> None:
    for where in (Filter(), Filter(region=("GE",), first=DAY + timedelta(days=9))):
        found = [trends(store, measure, where, by="week", **options) for store in two_ways]
        assert found[0] == found[1]
    assert any(row.n for row in trends(two_ways[0], measure, Filter(), by="week", **options))


@settings(max_examples=60)
@given(st.lists(st.one_of(st.none(), st.integers(-2**52, 2**52), st.floats(allow_nan=False, allow_infinity=False))))
def test_numbers_come_back(values: list[float | None]) -> None:
    column = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    packed, least, missing = load_column(dump_numbers(column))
    read = np.where(packed == least, np.nan, packed.astype(np.float64)) if missing else packed
    assert np.array_equal(read.astype(np.float64), column, equal_nan=True)


def test_days_lie_in_their_period() -> None:
    assert {date(2031, 3, day).isoformat()[:9] for day in (10, 15, 19)} == {"2031-03-1"}
