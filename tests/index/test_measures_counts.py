"""Counts against numbers worked out by hand and against brute force."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_world import START, a_day, crawl, fill, offer_day, on, seen

from config.errors import UsageError
from extract.observation import Coverage, CoverageBasis, CrawlOutcome
from index.measures import TrendRow, explain_empty, to_json, trends
from index.store import Filter, Store

Filled = Callable[..., Store]


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    """Builds a store of crawls, observations and offer-days."""
    stores: list[Store] = []

    def build(*contents: Any) -> Store:
        stores.append(fill(tmp_path / f"{len(stores)}.db", *contents))
        return stores[-1]

    yield build
    for store in stores:
        store.close()


def values(rows: Sequence[TrendRow]) -> list[float | None]:
    return [row.value for row in rows]


def test_a_week_is_the_mean_of_its_complete_crawls(filled: Filled) -> None:
    crawls = [crawl(0), crawl(1), crawl(2, 0.5), crawl(8)]
    store = filled(crawls, [
        *(seen(crawls[0], f"o{i}") for i in range(4)), *(seen(crawls[1], f"o{i}") for i in range(1, 7)),
        seen(crawls[2], "o99"), *(seen(crawls[3], f"o{i}") for i in range(3)),
    ])
    rows = trends(store, "offers", Filter(), by="week")
    assert [row.bucket for row in rows] == [START, a_day(7)]
    assert values(rows) == [5.0, 3.0]  # (4 + 6) / 2; the partial crawl does not count
    assert [row.crawls for row in rows] == [2, 1]
    assert [row.n for row in rows] == [7, 3]  # o0..o6 together
    assert [row.coverage for row in rows] == [1.0, 1.0]


def test_a_gap_is_null_and_an_empty_market_is_zero(filled: Filled) -> None:
    challenged = crawl(3, None, outcome=CrawlOutcome.CHALLENGED)
    crawls = [crawl(0), crawl(2, 0.617), challenged, crawl(4), crawl(4, 0.2, hour=20)]
    store = filled(crawls, [seen(crawls[0], "a"), seen(crawls[1], "a")])
    rows = trends(store, "listings", Filter(last=a_day(5)), by="day")
    assert values(rows) == [1.0, None, None, None, 0.0, None]
    assert [row.reason for row in rows] == [
        None, "no crawl", "1 crawl, none complete enough (best 0.61)",
        "1 crawl, none complete enough (coverage unknown; challenged)", None, "no crawl",
    ]
    assert [row.n for row in rows] == [1, 0, 0, 0, 0, 0]


def test_partial_crawls_count_for_the_places_they_finished(filled: Filled) -> None:
    partial = crawl(1, 0.7, places={"GE-TB": 1.0, "GE-AJ": 0.1})
    crawls = [crawl(0, places={"GE-TB": 1.0, "GE-AJ": 0.95}), partial]
    store = filled(crawls, [
        seen(crawls[0], "a", region="GE-TB"), seen(crawls[0], "b", region="GE-AJ"), seen(crawls[0], "c", region=None),
        seen(partial, "a", region="GE-TB"), seen(partial, "d", region="GE-TB"), seen(partial, "b", region="GE-AJ"),
    ])
    by_place = trends(store, "offers", Filter(), by="day", split=["region"])
    found = {(row.bucket, row.splits["region"]): row for row in by_place}
    assert [found[a_day(1), place].value for place in ("GE-TB", "GE-AJ", None)] == [2.0, None, None]
    assert [found[a_day(0), place].value for place in ("GE-TB", "GE-AJ", None)] == [1.0, 1.0, 1.0]
    assert found[a_day(1), "GE-TB"].n == 2
    assert found[a_day(1), "GE-AJ"].reason == "1 crawl, none complete enough (best 0.10)"
    assert values(trends(store, "offers", Filter(region=("GE-TB",)), by="day")) == [1.0, 2.0]
    assert values(trends(store, "offers", Filter(region=("GE",)), by="day")) == [2.0, None]
    assert values(trends(store, "offers", Filter(), by="day")) == [3.0, None]


def test_two_markets_are_summed_and_a_missing_one_leaves_a_gap(filled: Filled) -> None:
    crawls = [crawl(d, market="m", tz="Asia/Tbilisi") for d in (0, 1, 2)] + [crawl(d, market="x") for d in (1, 2)]
    crawls += [crawl(2, market="x", hour=18)]
    store = filled(crawls, [
        *(seen(c, "a") for c in crawls), seen(crawls[4], "b"), seen(crawls[5], "b"), seen(crawls[5], "c"),
        seen(crawls[5], "d"),
    ])
    rows = trends(store, "offers", Filter(), by="day")
    assert values(rows) == [1.0, 2.0, 1.0 + (2 + 4) / 2]  # day 0: market x had not begun
    assert {row.tz for row in rows} == {"mixed"}
    assert [row.tz for row in trends(store, "offers", Filter(market=("m",)), by="day")] == ["Asia/Tbilisi"] * 3
    apart = trends(store, "offers", Filter(), by="day", split=["market"])
    split = {(row.bucket, row.splits["market"]): row.value for row in apart}
    assert split[a_day(0), "x"] is None
    assert split[a_day(2), "x"] == 3.0
    store.write_crawl(crawl(3, market="m"))
    store.write_crawl(crawl(4, market="x"))
    gap = trends(store, "offers", Filter(), by="day")[3]
    assert gap.value is None
    assert gap.reason == "x: no crawl"


def test_the_same_ids_on_two_markets_are_different_things(filled: Filled) -> None:
    crawls = [crawl(day, market=market) for market in "mx" for day in (0, 1)]
    store = filled(crawls, [seen(c, name, vendor="t:same") for c in crawls for name in ("a", "b")])
    for by in ("day", "week"):
        for measure, value in (("listings", 4.0), ("offers", 4.0), ("vendors", 2.0)):
            rows = trends(store, measure, Filter(), by=by)  # type: ignore[arg-type]
            assert {(row.value, row.n) for row in rows} == {(value, 4)}


def test_a_crawl_over_midnight_counts_on_the_day_it_began(filled: Filled) -> None:
    late = crawl(0, hour=23).model_copy(update={"finished": on(1, 1)})
    store = filled([late, crawl(1, hour=20)], [
        seen(late, "a"), seen(late, "b", day=a_day(1), observed_at=on(1, 0)), seen(crawl(1, hour=20), "a")])
    assert values(trends(store, "offers", Filter(first=a_day(0), last=a_day(0)), by="day")) == [2.0]
    assert values(trends(store, "offers", Filter(), by="day")) == [2.0, 1.0]


def test_unknown_substances_have_a_name_and_asked_series_appear(filled: Filled) -> None:
    first = crawl(0)
    store = filled([first], [
        seen(first, "a"), seen(first, "b", substance=None), seen(first, "c", substance="mdma", kind="job")])
    rows = trends(store, "offers", Filter(), by="day", split=["substance"])
    assert {row.splits["substance"]: row.value for row in rows} == {"mdma": 1.0, "mephedrone": 1.0, "unknown": 1.0}
    assert values(trends(store, "offers", Filter(substance=("unknown",)), by="day")) == [1.0]
    rows = trends(store, "offers", Filter(substance=("mdma", "lsd")), by="day", split=["substance"])
    assert {row.splits["substance"]: row.value for row in rows} == {"mdma": 1.0, "lsd": 0.0}


@pytest.mark.parametrize("field", ["substance", "group", "form", "region", "market", "stash", "kind", "vendor"])
def test_every_single_valued_split_sums_to_the_whole(filled: Filled, field: str) -> None:
    crawls = [crawl(0), crawl(1), crawl(0, market="x"), crawl(1, market="x")]
    observations = [
        seen(c, f"o{i}", vendor=f"t:{i % 3}" if i % 4 else None, substance=("mdma", "lsd", None)[i % 3],
             group="stimulants" if i % 2 else None, form="powder" if i % 3 else "pill", region=("GE-TB", None)[i % 2],
             stash=("magnet", "snow", None)[i % 3], kind=("offer", "job")[i % 2])
        for number, c in enumerate(crawls) for i in range(5 + number)
    ]
    store = filled(crawls, observations)
    whole = trends(store, "offers", Filter(), by="day")
    parts = trends(store, "offers", Filter(), by="day", split=[field])
    for row in whole:
        mine = [part for part in parts if part.bucket == row.bucket]
        assert sum(part.value or 0 for part in mine) == pytest.approx(row.value)
        assert sum(part.n for part in mine) == row.n
    assert len({row.splits[field] for row in parts}) > 1


def test_ships_from_counts_an_offer_under_each_of_its_places(filled: Filled) -> None:
    first = crawl(0)
    store = filled([first], [
        seen(first, "a", ships_from=("DE", "NL")), seen(first, "b", ships_from=("NL",)), seen(first, "c"),
    ])
    for name in ("ships-from", "ships_from"):
        rows = [to_json(row) for row in trends(store, "offers", Filter(), by="day", split=[name])]
        assert {row["ships-from"]: row["value"] for row in rows} == {"DE": 1.0, "NL": 2.0, None: 1.0}


def test_json_rows_keep_the_order_of_the_contract(filled: Filled) -> None:
    first = crawl(0)
    store = filled([first], [seen(first, "a")])
    row = to_json(trends(store, "vendors", Filter(), by="month", split=["substance", "kind"])[0])
    assert list(row) == [
        "bucket", "substance", "kind", "value", "low", "high", "n", "crawls", "coverage", "tz", "reason"]
    assert row["bucket"] == "2024-01-01"


def test_intervals_need_ten_vendors_and_do_not_depend_on_the_rest_of_the_answer(filled: Filled) -> None:
    crawls = [crawl(0), crawl(1)]
    many = [seen(c, f"o{i}-{j}", vendor=f"t:{i}") for c in crawls for i in range(12) for j in range(i % 3 + 1)]
    few = [seen(c, f"p{i}", vendor=f"t:{i}", substance="lsd") for c in crawls for i in range(9)]
    store = filled(crawls, many + few)
    rows = {r.splits["substance"]: r for r in trends(store, "listings", Filter(), by="week", split=["substance"])}
    assert rows["lsd"].low is None
    assert rows["lsd"].high is None
    wide = rows["mephedrone"]
    assert wide.low is not None
    assert wide.high is not None
    assert wide.low < (wide.value or 0) < wide.high
    alone = trends(store, "listings", Filter(substance=("mephedrone",)), by="week")[0]
    assert (alone.low, alone.high) == (wide.low, wide.high)
    other = trends(store, "listings", Filter(substance=("mephedrone",)), by="week", seed=1)[0]
    assert (other.low, other.high) != (wide.low, wide.high)


def test_the_interval_covers_as_a_normal_approximation_would(filled: Filled) -> None:
    first = crawl(0)
    sizes = [1 + i % 7 for i in range(60)]
    store = filled(
        [first], [seen(first, f"o{i}-{j}", vendor=f"t:{i}") for i, size in enumerate(sizes) for j in range(size)])
    row = trends(store, "offers", Filter(), by="day")[0]
    # a total over sellers with Poisson weights has variance sum(x^2)
    spread = 1.96 * float(np.sqrt(np.sum(np.square(sizes))))
    assert row.low == pytest.approx(sum(sizes) - spread, abs=0.15 * spread)
    assert row.high == pytest.approx(sum(sizes) + spread, abs=0.15 * spread)


CELLS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 5), st.sampled_from(["mdma", "lsd", None])),
    max_size=60,
)


@given(cells=CELLS, complete=st.sets(st.integers(0, 20)), by=st.sampled_from(["day", "week", "month"]))
@settings(max_examples=15, deadline=None)
def test_counts_equal_a_brute_force_count(tmp_path_factory: pytest.TempPathFactory, cells, complete, by) -> None:  # type: ignore[no-untyped-def]
    """Every measure, every bucket: the mean over the complete crawls of the distinct things each saw."""
    crawls = {day: crawl(day, 1.0 if day in complete else 0.3) for day in range(21)}
    store = fill(tmp_path_factory.mktemp("brute") / "x.db", list(crawls.values()), [
        seen(crawls[day], f"o{number}-{substance}", listing=f"l{number}", substance=substance, vendor=f"t:{number % 2}")
        for day, number, substance in cells
    ])
    of = {"listings": lambda c: c[1], "offers": lambda c: (c[1], c[2]), "vendors": lambda c: c[1] % 2}
    for measure, identity in of.items():
        rows = trends(store, measure, Filter(), by=by)
        starts = [row.bucket for row in rows] + [a_day(21)]
        for row, (start, end) in zip(rows, pairwise(starts), strict=True):
            days = [day for day in complete if start <= a_day(day) < end]
            if not days:
                assert row.value is None
                continue
            distinct = [len({identity(c) for c in cells if c[0] == day}) for day in days]
            assert row.value == pytest.approx(float(np.mean(distinct)))
            assert row.n == len({(c[1], c[2]) for c in cells if c[0] in days})
        split = trends(store, "offers", Filter(), by=by, split=["substance"])
        assert all(row.bucket in {other.bucket for other in rows} for row in split)
    store.close()


def test_wrong_questions_are_refused_with_the_right_word(filled: Filled) -> None:
    store = filled([crawl(0)])
    for call, word in [
        (lambda: trends(store, "vendor", Filter(), by="day"), "vendors"),
        (lambda: trends(store, "offers", Filter(), by="day", split=["substanse"]), "substance"),
        (lambda: trends(store, "offers", Filter(), by="day", split=["shipsfrom"]), "ships-from"),
        (lambda: trends(store, "offers", Filter(), by="year"), "week"),  # type: ignore[arg-type]
        (lambda: trends(store, "price", Filter(), by="day", currency="eur"), "quoted"),  # type: ignore[arg-type]
        (lambda: trends(store, "turnover", Filter(), by="day", method="stok"), "stock"),
        (lambda: trends(store, "offers", Filter(first=a_day(3), last=a_day(1)), by="day"), "Swap"),
        (lambda: trends(store, "offers", Filter(), by="day", of="turnover"), "--of"),
    ]:
        with pytest.raises(UsageError, match=word):
            call()


def test_an_empty_store_has_no_rows_unless_days_are_asked(filled: Filled) -> None:
    store = filled()
    assert trends(store, "offers", Filter(), by="day") == []
    rows = trends(store, "offers", Filter(first=a_day(0), last=a_day(1)), by="day")
    assert [(row.value, row.reason, row.tz) for row in rows] == [(None, "no crawl", "UTC")] * 2
    assert "no observations yet" in explain_empty(store, Filter())


def test_an_empty_answer_says_which_part_excluded_everything(filled: Filled) -> None:
    first = crawl(0)
    store = filled([first], [
        seen(first, "a", region="GE-TB"), seen(first, "b", substance="lsd", region="GE-AJ"),
        seen(first, "c", substance="lsd", region="GE-AJ", stash="snow"),
    ])
    assert explain_empty(store, Filter(substance=("lsd",))) == ""
    assert "Did you mean mephedrone?" in explain_empty(store, Filter(substance=("mefedrone",)))
    assert "substance lsd excludes everything" in explain_empty(store, Filter(substance=("lsd",), region=("GE-TB",)))
    text = explain_empty(store, Filter(first=a_day(5), substance=("lsd",)))
    assert "from 2024-01-06 on" in text
    assert "2 offers match, from 2024-01-01 to 2024-01-01" in text
    both = Filter(substance=("mephedrone",), region=("GE-TB",), stash=("snow",), kind=("offer",))
    assert "stash snow excludes everything" in explain_empty(store, both)


def test_unused_helper_days_are_ignored_by_counts(filled: Filled) -> None:
    store = filled([crawl(0)], [], [offer_day(0, "a")])
    assert values(trends(store, "offers", Filter(), by="day")) == [0.0]


def test_coverage_on_each_basis_stands_beside_the_one_that_counts(filled: Filled) -> None:
    one, two = crawl(0), crawl(1)
    frontier = Coverage(seen=80, expected=100, value=0.8, basis=CoverageBasis.FRONTIER)
    store = filled([one.model_copy(update={"coverage": (*one.coverage, frontier)}), two], [])
    (row,) = trends(store, "coverage", Filter(), by="week")
    assert row.value == 1.0
    assert {name: row.extras[name] for name in ("site-total", "frontier", "routes", "neighbours")} == {
        "site-total": 1.0, "frontier": 0.8, "routes": None, "neighbours": None}
