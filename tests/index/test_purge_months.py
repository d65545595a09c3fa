"""Whole months go from either store: what is left answers as if there never was more, and purged months are gaps."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from config.errors import UsageError
from extract.observation import Coverage, CoverageBasis, Crawl, CrawlKind, CrawlOutcome, Observation
from index.buckets import By
from index.derive import derive_offer_days
from index.measures import trends
from index.open import open_store
from index.sqlite.store import SqliteStore
from index.store import Filter, Store
from index.transfer import copy_store

START = datetime(2031, 1, 20, 21, 30, tzinfo=UTC)
"""Local time is three hours on: crawls begin at half past midnight, on the day after."""
ZONE = "Europe/Moscow"
DAYS = 70
KEPT = date(2031, 3, 1)  # a Saturday: its week is cut
VERSIONS = ("1", "2")
QUESTIONS: tuple[tuple[str, By], ...] = (
    ("listings", "month"), ("new", "week"), ("price", "week"), ("turnover", "month"))


@pytest.fixture(params=["sqlite", pytest.param("elastic", marks=pytest.mark.elasticsearch)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        opened: Store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
        yield opened
        opened.close()
        return
    from index.elastic.store import ElasticStore

    elastic = ElasticStore(f"{request.getfixturevalue('elastic_url')}/purge-{uuid.uuid4().hex[:12]}")
    yield elastic
    elastic.destroy()
    elastic.close()


def crawls() -> list[Crawl]:
    return [
        Crawl(
            id=f"{market}-{day:02d}", market=market, kind=CrawlKind.FULL, started=START + timedelta(days=day),
            finished=START + timedelta(days=day, hours=2), outcome=CrawlOutcome.COMPLETE, tz=ZONE,
            coverage=(Coverage(seen=9, expected=9, value=1.0, basis=CoverageBasis.SITE_TOTAL),))
        for market in ("lantern", "harbour") for day in range(2, DAYS, 6)]


def seen() -> list[Observation]:
    """Twelve offers; some are there in the first weeks only. The crawl of 28 February goes on after midnight."""
    chance = random.Random(11)
    found = []
    for crawl in crawls():
        for number in range(12):
            if number % 4 == 0 and crawl.started > START + timedelta(days=25):
                continue
            moment = crawl.started + timedelta(hours=30 * (number % 2) if crawl.id.endswith("-38") else 0)
            price = chance.randrange(10, 99) * 10_000
            found += [Observation(
                market=crawl.market, listing=f"L{number}", offer=f"o{number:02d}", crawl=crawl.id, version=version,
                observed_at=moment, day=(moment + timedelta(hours=3)).date(), title=f"Powder number {number}",
                description="early words" if crawl.started < START + timedelta(days=9) else "", vendor=f"k:{number % 5}",
                substances=("mdma",) if number % 3 else ("ketamine",), group="stimulants", region="GE-TB",
                quantity=1.0, unit="g", currency="USD", amount=price // 100, amount_usd=price // 100, unit_price=price,
                unit_price_usd=price, ready=chance.randrange(9)) for version in VERSIONS]
    return found


def fill(store: Store) -> None:
    store.write(seen())
    for crawl in crawls():
        store.write_crawl(crawl)
    for market in ("lantern", "harbour"):
        for version in VERSIONS:
            derive_offer_days(store, market, version, START.date())
    store.set_current_version("1")


def answers(store: Store) -> list[object]:
    found: list[object] = [
        trends(store, measure, Filter(first=date(2031, 1, 1), last=date(2031, 4, 30)), by=by, split=("substance",))
        for measure, by in QUESTIONS]
    return [
        *found, store.count_distinct(Filter(), ("day", "market"), "offer"),
        store.quantiles(Filter(), "week", ("region",), "unit_price_usd", (0.0, 0.5, 1.0)),
        [hit.listing for hit in store.search("powder", Filter())], store.search("early", Filter())]


def test_what_is_left_is_what_always_was_there(store: Store, tmp_path: Path) -> None:
    fill(store)
    kept = [one for one in seen() if one.day >= KEPT]
    before = [day for version in VERSIONS for day in _offer_days(store, version)]
    assert store.purged_before() is None
    removed = store.drop_before(KEPT)
    gone = sum(one.started + timedelta(hours=3) < datetime(2031, 3, 1, tzinfo=UTC) for one in crawls())
    assert removed == len(seen()) - len(kept) + sum(day < KEPT.isoformat() for _, day in before) + gone
    assert store.purged_before() == KEPT
    assert store.drop_before(KEPT) == store.drop_before(date(2031, 2, 1)) == 0
    assert store.purged_before() == KEPT
    assert min(crawl.started for crawl in store.crawls()) == START + timedelta(days=44)
    assert [day for version in VERSIONS for day in _offer_days(store, version)] == [
        each for each in before if each[1] >= KEPT.isoformat()]
    plain = open_store(f"sqlite:///{tmp_path / 'plain.db'}")
    copied = copy_store(store, plain)
    assert copied.observations == len(kept)
    assert plain.purged_before() == KEPT
    assert answers(store) == answers(plain)
    told = answers(store)
    store.rebuild()
    assert answers(store) == told
    assert store.search("early", Filter()) == []
    plain.close()


def test_a_purged_month_is_a_gap_and_never_zero(store: Store) -> None:
    fill(store)
    asked = Filter(first=date(2031, 1, 1), last=date(2031, 3, 31))
    whole = {row.bucket: row for row in trends(store, "listings", asked, by="month")}
    assert (whole[date(2031, 2, 1)].value or 0) > 9
    store.drop_before(KEPT)
    for measure in ("listings", "offers", "vendors", "new", "withdrawn", "price", "turnover", "share", "coverage"):
        rows = {row.bucket: row for row in trends(store, measure, asked, by="month", split=("market",))}
        assert {(rows[bucket].value, rows[bucket].n, rows[bucket].reason)
                for bucket in (date(2031, 1, 1), date(2031, 2, 1))} == {(None, 0, "purged")}, measure
    kept = {row.bucket: row for row in trends(store, "listings", asked, by="month")}
    assert kept[KEPT].value == whole[KEPT].value
    weeks = {row.bucket: row for row in trends(store, "turnover", asked, by="week")}
    assert (weeks[date(2031, 2, 24)].value, weeks[date(2031, 2, 24)].reason) == (None, "purged before 2031-03-01")
    assert weeks[date(2031, 3, 10)].value is not None
    # a crawl on the first day that is kept does not make a whole of the week that the border cuts
    store.write_crawl(crawls()[-1].model_copy(update={"id": "border", "started": datetime(2031, 3, 1, 9, tzinfo=UTC)}))
    border = trends(store, "turnover", Filter(), by="week")[0]
    assert (border.bucket, border.value, border.reason) == (date(2031, 2, 24), None, "purged before 2031-03-01")
    # the history begins anew: in the quiet time after it nothing is called new that was only purged
    first = trends(store, "new", Filter(first=KEPT, last=date(2031, 3, 31)), by="day")[:14]
    assert all(row.value is None for row in first), first


def test_an_empty_store_and_one_that_is_purged_whole(store: Store) -> None:
    assert store.drop_before(KEPT) == 0
    assert store.purged_before() is None
    fill(store)
    digest = store.digest()
    with pytest.raises(UsageError, match=r"2031-02-05 is not the first day.*2031-02-01"):
        store.drop_before(date(2031, 2, 5))
    assert (store.digest(), store.purged_before()) == (digest, None)
    assert store.drop_before(date(2032, 1, 1)) > 0
    assert store.crawls() == []
    assert store.count_distinct(Filter(), (), "offer") == [((), 0)]
    assert store.current_version() == "1"
    rows = trends(store, "listings", Filter(first=KEPT, last=KEPT), by="month")
    assert [(row.value, row.reason) for row in rows] == [(None, "purged")]


def test_rows_that_come_in_late_are_gaps_and_go_with_the_next_purge(store: Store) -> None:
    fill(store)
    store.drop_before(KEPT)
    digest = store.digest()
    late = seen()[:24]
    store.write(late)
    asked = Filter(first=date(2031, 1, 1), last=date(2031, 1, 31))
    assert [row.value for row in trends(store, "offers", asked, by="month")] == [None]
    assert store.drop_before(KEPT) == len(late)
    assert store.digest() == digest


def _offer_days(store: Store, version: str) -> list[tuple[str, str]]:
    return [
        (f"{market} {offer} {fallen}", day)
        for part in store.scan("offer_day", Filter(), ("market", "offer", "day", "falls"), version)
        for market, offer, day, fallen in zip(*(part[name].tolist() for name in ("market", "offer", "day", "falls")),
                                              strict=True)]


_PURGE = """
import sys
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from index.sqlite import dropping
from index.sqlite.store import SqliteStore
dropping.CRAWLS_AT_ONCE, dropping.OFFERS_AT_ONCE = 2, 3
store, left = SqliteStore(Path(sys.argv[1])), int(sys.argv[2])
plain = store._transaction
@contextmanager
def counted():
    global left
    with plain() as held:
        yield held
        left -= 1
        if left < 0:
            print("now", flush=True)
            sys.stdin.read()  # the lock is held: the kill comes here
store._transaction = counted
store.drop_before(date(2031, 3, 1))
"""


@pytest.mark.parametrize("steps", [0, 1, 8, 20])
def test_a_purge_killed_half_way_is_a_gap_at_once_and_ends_when_run_again(tmp_path: Path, steps: int) -> None:
    whole, path = SqliteStore(tmp_path / "whole.db"), tmp_path / "store.db"
    fill(whole)
    with sqlite3.connect(path) as target:
        whole._rows("SELECT 1")
        source = sqlite3.connect(tmp_path / "whole.db")
        source.backup(target)
        source.close()
    target.close()
    whole.drop_before(KEPT)
    with subprocess.Popen(
        [sys.executable, "-c", _PURGE, str(path), str(steps)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"now\n"
        os.kill(process.pid, signal.SIGKILL)
    store = SqliteStore(path)
    if steps:
        assert store.purged_before() == KEPT
        asked = Filter(first=date(2031, 1, 1), last=date(2031, 3, 31))
        for measure in ("listings", "price", "turnover"):
            assert [row.reason for row in trends(store, measure, asked, by="month")] == ["purged", "purged", None]
            rows = [row for row in trends(store, measure, asked, by="month") if row.reason is None]
            assert rows == [row for row in trends(whole, measure, asked, by="month") if row.reason is None]
    else:
        assert store.purged_before() is None
    store.drop_before(KEPT)
    assert store.digest() == whole.digest()
    assert answers(store) == answers(whole)
    store.close()
    whole.close()
    left = sqlite3.connect(path)
    for table in ("texts", "facts", "names"):
        (count,) = left.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
        right = sqlite3.connect(tmp_path / "whole.db")
        assert (count,) == right.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
        right.close()
    assert left.execute("SELECT COUNT(*) FROM meta WHERE name = 'purge_under_way'").fetchone() == (0,)
    assert left.execute("SELECT COUNT(*) FROM texts WHERE description = 'early words'").fetchone() == (0,)
    left.close()
