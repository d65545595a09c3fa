"""What the SQLite file derives for quick answers: equal to the slow way, whatever was written, changed or forgotten."""

from __future__ import annotations

import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from scale_world import MARKETS, REGIONS, crawl_of, first_day, observations

from index.columns import COUNT_FIELDS
from index.content import sort_groups
from index.derive import derive_offer_days
from index.quantiles import quantiles_by_scan
from index.sqlite.store import SqliteStore
from index.store import Distinct, Filter

DAY = first_day()
FILTERS = (
    Filter(), Filter(substance=("mephedrone",)), Filter(substance=("unknown", "mdma")), Filter(region=("GE",)),
    Filter(region=("RU-MOW", "GE-TB")), Filter(market=("ash",)), Filter(kind=("offer",)), Filter(vendor=("k:a",)),
    Filter(first=DAY + timedelta(days=2), last=DAY + timedelta(days=6)), Filter(crawl=("ash-002", "yew-001", "none")),
    Filter(listing=("L1", "L2")), Filter(ships_from=("NL",)), Filter(substance=("cocaine",), region=("GE-TB",)),
    Filter(substance=("nothing",)), Filter(form=("powder",), stash=("magnet",), last=DAY + timedelta(days=5)),
)
BY = (
    (), ("crawl",), ("day",), ("crawl", "substance"), ("crawl", "region", "substance"), ("substance", "crawl", "market"),
    ("ships_from", "ships_to", "crawl"), ("day", "vendor"), ("crawl", "day", "kind"), ("ships_to",), ("group", "form"),
    ("crawl", "stash"), ("market", "region"),
)
OF: tuple[Distinct, ...] = ("listing", "offer", "vendor")
_turn = 0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store.db")
    opened.write(observations(1))
    for market, number in product(MARKETS, range(8)):
        opened.write_crawl(crawl_of(market, number))
    for market in MARKETS:
        derive_offer_days(opened, market, "v1", DAY)
    yield opened
    opened.close()


def slow_count(store: SqliteStore, where: Filter, by: tuple[str, ...], of: Distinct, version: str) -> Any:
    """Distinct counts from the rows as they are scanned."""
    seen: dict[tuple[Any, ...], set[Any]] = defaultdict(set)
    if not by:
        seen[()] = set()
    fields = list(dict.fromkeys(["market", of, *by]))
    for batch in store.scan("observation", where, fields, version):
        for values in zip(*(batch[field] for field in fields), strict=True):
            row = dict(zip(fields, values, strict=True))
            each = [(row[field] or (None,)) if field in ("ships_from", "ships_to") else (row[field],) for field in by]
            for group in product(*each):
                seen[group] |= set() if row[of] is None else {(row["market"], row[of])}
    return sort_groups([(group, len(values)) for group, values in seen.items()])


def check(store: SqliteStore, version: str = "v1", part: int = 19) -> None:
    """Every `part`-th question against the slow way, beginning each time at another."""
    global _turn  # noqa: PLW0603 - so that all questions have their turn
    _turn += 1
    for where, by, of in list(product(FILTERS, BY, OF))[_turn % part :: part]:
        assert store.count_distinct(where, by, of, version) == slow_count(store, where, by, of, version), (where, by, of)
    asked = [Filter(), Filter(substance=("mephedrone",), region=("GE",)), Filter(kind=("offer",), market=("yew",)),
             Filter(substance=("unknown",)), Filter(form=("powder",)),
             Filter(first=DAY + timedelta(days=1), last=DAY + timedelta(days=6))]
    splits = ((), ("region",), ("market", "substance"), ("vendor",))
    questions = list(product(asked, ("day", "week", "month"), splits, ("unit_price_usd", "unit_price"), (False, True)))
    for where, bucket, split, field, flagged in questions[_turn % part :: part]:
        question: Any = (where, bucket, split, field, (0.0, 0.25, 0.5, 0.9, 1.0))
        found = store.quantiles(*question, with_flagged=flagged, version=version)
        assert found == quantiles_by_scan(store, *question, with_flagged=flagged, version=version)


def waiting(store: SqliteStore) -> tuple[int, int]:
    """Crawls and weeks that have no packs."""
    with sqlite3.connect(store.path) as connection:
        counts = [connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in ("unpacked", "unpriced")]
    connection.close()
    return counts[0], counts[1]


def test_as_loaded(store: SqliteStore) -> None:
    assert waiting(store) == (0, 0)
    check(store, part=3)
    # an answer that nobody could give by chance
    assert sum(row.n for row in store.quantiles(Filter(), "week", ("region",), "unit_price", (0.5,))) > 100
    assert len(store.count_distinct(Filter(), ("crawl", "substance"), "offer")) == 64


def test_every_grouping(store: SqliteStore) -> None:
    for field in COUNT_FIELDS:
        for of in OF:
            assert store.count_distinct(Filter(), (field,), of) == slow_count(store, Filter(), (field,), of, "v1")


def test_rows_that_changed_since(store: SqliteStore) -> None:
    """A late crawl, a crawl written again with other rows, offer-days put in and taken out one by one."""
    store.write(observations(2)[:200])
    assert waiting(store)[0] > 0
    check(store)
    for market in MARKETS:
        derive_offer_days(store, market, "v1", DAY + timedelta(days=3))
    check(store)
    days = list(store.last_offer_days("ash", DAY + timedelta(days=30), "v1"))[:9]
    store.write_offer_days(day.model_copy(update={"unit_price_usd": 7, "flags": ()}) for day in days)
    assert waiting(store)[1] > 0
    check(store)
    store.drop_offer_days("yew", "v1", DAY + timedelta(days=2), DAY + timedelta(days=4))
    check(store)
    derive_offer_days(store, "yew", "v1", DAY + timedelta(days=2))
    store.write_crawl(crawl_of("ash", 0))  # packs what waits
    assert waiting(store)[0] == 0
    check(store)


@pytest.mark.parametrize("what", [{"crawl": "ash-003"}, {"vendor": "k:b"}, {"market": "yew"}])
def test_forgetting(store: SqliteStore, what: dict[str, str]) -> None:
    assert store.forget(**what) > 0
    check(store)
    for market in MARKETS:
        derive_offer_days(store, market, "v1", DAY)
    assert waiting(store) == (0, 0)
    check(store)
    # ids of what was forgotten are given out again
    store.write(observations(3)[:150])
    check(store)
    store.rebuild()
    assert waiting(store) == (0, 0)
    check(store)


def test_nothing_forgotten_stays_in_the_packs(store: SqliteStore) -> None:
    store.forget(vendor="k:b")
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("VACUUM")
    connection.close()
    content = b"".join(path.read_bytes() for path in store.path.parent.iterdir())
    assert b"k:a" in content
    assert b"k:b" not in content


def test_versions_side_by_side_and_dropped(store: SqliteStore) -> None:
    before = store.digest()
    store.write(observations(4, version="v2"))
    for market in MARKETS:
        derive_offer_days(store, market, "v2", DAY)
    assert store.versions() == ["v1", "v2"]
    check(store, "v1")
    check(store, "v2")
    store.set_current_version("v2")
    changed = store.digest()
    with pytest.raises(Exception, match="readers see version v2"):
        store.drop_version("v2")
    assert store.drop_version("v3") == 0
    assert store.digest() == changed
    store.set_current_version("v1")
    assert store.drop_version("v2") > 300
    assert store.drop_version("v2") == 0
    assert store.versions() == ["v1"]
    assert store.digest() == before
    check(store, "v1")
    assert store.count_distinct(Filter(), ("crawl",), "offer", "v2") == []
    assert store.quantiles(Filter(), "week", (), "unit_price", (0.5,), version="v2") == []


def test_a_rebuild_makes_the_same_packs(store: SqliteStore) -> None:
    def packs() -> list[Any]:
        connection = sqlite3.connect(store.path)
        rows = [connection.execute(f"SELECT {names} FROM {table} ORDER BY {names}").fetchall() for table, names in (
            ("crawl_packs", "crawl, version, market, first, last, facts, days"), ("facts_packs", "first, last, body"),
            ("crawl_counts", 'fields, "values", crawl, listings, offers, vendors'),
            ("price_packs", "market, week, substance, region, kind, unit, currency, flagged, usd, quoted"))]
        connection.close()
        return rows

    before = packs()
    assert all(before)
    told: list[tuple[str, int, int]] = []
    made = store.rebuild(lambda *step: told.append(step))
    assert made["crawls"] == 16
    assert made["prices"] == len(before[3])
    assert told
    assert packs() == before
    check(store)


def test_a_week_begun_before(store: SqliteStore) -> None:
    """Days are put in the place of those from the middle of a week on: the days before stay in its packs."""
    chance = random.Random(5)
    for _ in range(4):
        since = DAY + timedelta(days=chance.randrange(9))
        for market in MARKETS:
            derive_offer_days(store, market, "v1", since)
        assert waiting(store) == (0, 0)
        check_prices(store)


def check_prices(store: SqliteStore) -> None:
    for split in ((), ("region",)):
        question = (Filter(), "day", split, "unit_price_usd", (0.5,))
        assert store.quantiles(*question) == quantiles_by_scan(store, *question)  # type: ignore[arg-type]


def test_regions_are_of_the_world() -> None:
    assert {region for region in REGIONS if region} >= {"GE", "GE-TB"}  # a region and one below it are both there


def test_an_empty_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "none.db")
    assert store.versions() == []
    assert store.rebuild() == {}
    assert store.drop_version("v1") == 0
    assert store.quantiles(Filter(), "week", (), "unit_price", (0.5,)) == []
    store.write_crawl(crawl_of("ash", 0))
    assert store.rebuild() == {"crawls": 0, "prices": 0}
    assert store.count_distinct(Filter(), (), "offer", "v1") == [((), 0)]
    assert store.quantiles(Filter(first=date(2031, 1, 1)), "week", (), "unit_price", (0.5,), version="v1") == []
    store.close()
