"""Price, turnover and concentration against numpy and against numbers worked out by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_world import START, a_day, crawl, days_of, fill, offer_day, seen

from config.errors import UsageError
from extract.observation import COUNTABLE, Flag
from index.measures import TrendRow, to_json, trends
from index.measures.concentration import gini, hhi
from index.store import Filter, Store
from monitor.answers import dump


@contextmanager
def world(path: Path, *contents: Any) -> Iterator[Store]:
    store = fill(path / "w.db", *contents)
    try:
        yield store
    finally:
        store.close()


def extra(rows: list[TrendRow], name: str) -> list[Any]:
    return [row.extras[name] for row in rows]


def test_price_is_the_median_over_offer_days(tmp_path: Path) -> None:
    days = [
        offer_day(0, "a", unit_price_usd=100_000), offer_day(1, "a", unit_price_usd=200_000),
        offer_day(1, "b", unit_price_usd=550_000), offer_day(2, "c", unit_price_usd=600_000),
        offer_day(2, "d", unit_price_usd=1, flags=(Flag.OUTLIER,)),
        offer_day(2, "e", unit_price_usd=None), offer_day(2, "j", unit_price_usd=7, kind="job"),
    ]
    with world(tmp_path, [crawl(0), crawl(2, 0.1)], [], days) as store:
        (row,) = trends(store, "price", Filter(), by="week")
        expected = np.quantile([10.0, 20.0, 55.0, 60.0], [0.25, 0.5, 0.75])
        assert [row.extras["q25"], row.value, row.extras["q75"]] == pytest.approx(expected.tolist())
        assert (row.n, row.crawls, row.low) == (3, 1, None)
        assert (row.extras["unit"], row.extras["currency"]) == ("g", "USD")
        assert list(to_json(row)) == [
            "bucket", "value", "low", "high", "n", "crawls", "coverage", "tz", "q25", "q75", "standard",
            "standard_quantity", "currency", "unit", "reason"]
        (flagged,) = trends(store, "price", Filter(), by="week", with_flagged=True)
        assert flagged.value == pytest.approx(20.0)
        (job,) = trends(store, "price", Filter(kind=("job",)), by="week")
        assert job.value == pytest.approx(0.0007)
        by_day = trends(store, "price", Filter(), by="day")
        assert [row.value for row in by_day] == [10.0, None, None]
        assert [row.reason for row in by_day] == [None, "no crawl", "1 crawl, none complete enough (best 0.10)"]
        assert extra(by_day, "q25") == [10.0, None, None]


def test_a_complete_crawl_without_prices_gives_no_zero(tmp_path: Path) -> None:
    with world(tmp_path, [crawl(0)], [], []) as store:
        (row,) = trends(store, "price", Filter(), by="day")
        assert row.value is None
        assert row.reason == "no offer with a price that counts"


def test_units_and_quoted_currencies_are_never_pooled(tmp_path: Path) -> None:
    days = [
        *(offer_day(0, f"g{i}", unit_price_usd=10_000 * i, unit_price=900_000 * i, currency="RUB") for i in (1, 2, 3)),
        offer_day(0, "p", unit="unit", unit_price_usd=50_000, unit_price=40_000, currency="EUR"),
        offer_day(1, "q", unit="unit", unit_price_usd=70_000, unit_price=60_000, currency="EUR"),
    ]
    with world(tmp_path, [crawl(0), crawl(1)], [], days) as store:
        rows = trends(store, "price", Filter(), by="day")
        assert [(r.bucket, r.extras["unit"], r.value) for r in rows] == [
            (START, "g", 2.0), (START, "unit", 5.0), (a_day(1), "g", None), (a_day(1), "unit", 7.0)]
        quoted = trends(store, "price", Filter(), by="month", currency="quoted")
        assert [(r.extras["currency"], r.extras["unit"], r.value) for r in quoted] == [
            ("RUB", "g", 180.0), ("EUR", "unit", 5.0)]


def test_prices_at_the_standard_quantity(tmp_path: Path) -> None:
    """One gram is the commonest until five grams take over; 0.95 g counts as one; 90 days are looked back."""
    days = [
        *(offer_day(0, f"one{i}", quantity=1.0, unit_price_usd=500_000 + i) for i in range(5)),
        offer_day(0, "near", quantity=0.95, unit_price_usd=900_000),
        offer_day(0, "half", quantity=0.5, unit_price_usd=1),
        *(offer_day(60, f"five{i}", quantity=5.0, unit_price_usd=300_000) for i in range(4)),
        offer_day(60, "one", quantity=1.0, unit_price_usd=450_000),
        offer_day(95, "five", quantity=5.0, unit_price_usd=310_000),
        offer_day(95, "l", substance="lsd", unit_price_usd=2),
    ]
    with world(tmp_path, [crawl(0), crawl(60), crawl(95)], [], days) as store:
        rows = {row.bucket: row for row in trends(store, "price", Filter(substance=("mephedrone",)), by="day")}
        assert (rows[START].extras["standard_quantity"], rows[START].extras["standard"]) == (
            1.0, pytest.approx(50.00025))  # median of 50.0000..50.0004 and 90
        assert (rows[a_day(60)].extras["standard_quantity"], rows[a_day(60)].extras["standard"]) == (1.0, 45.0)
        assert (rows[a_day(95)].extras["standard_quantity"], rows[a_day(95)].extras["standard"]) == (5.0, 31.0)
        (late,) = trends(store, "price", Filter(first=a_day(60), last=a_day(60)), by="day")
        assert late.extras["standard_quantity"] == 1.0  # the days before those asked count
        (mixed,) = trends(store, "price", Filter(first=a_day(95)), by="day")
        assert mixed.extras["standard_quantity"] is None
        assert mixed.extras["standard"] == pytest.approx((31.0 + 0.0002) / 2)


PRICES = st.lists(
    st.tuples(st.integers(0, 13), st.integers(0, 10**9), st.sampled_from(["mdma", "lsd"]), st.integers(0, 14)),
    min_size=1, max_size=80,
)


@given(prices=PRICES)
@settings(max_examples=8, deadline=None)
def test_quantiles_and_intervals_equal_numpy(tmp_path_factory: pytest.TempPathFactory, prices: list[Any]) -> None:
    days = [
        offer_day(day, f"o{number}", substance=substance, unit_price_usd=price, vendor=f"t:{vendor}")
        for number, (day, price, substance, vendor) in enumerate(prices)
    ]
    cells: dict[tuple[date, str], list[tuple[int, int]]] = defaultdict(list)
    for day, price, substance, vendor in prices:
        cells[a_day(day - day % 7), substance].append((price, vendor))
    with world(tmp_path_factory.mktemp("prices"), [crawl(0), crawl(7), crawl(13)], [], days) as store:
        rows = trends(store, "price", Filter(), by="week", split=["substance"])
    found = {(row.bucket, row.splits["substance"]): row for row in rows}
    assert len(rows) == 2 * len({substance for _, _, substance, _ in prices})
    for key, votes in cells.items():
        row = found.pop(key)  # type: ignore[arg-type]
        expected = np.quantile([price / 10_000 for price, _ in votes], [0.25, 0.5, 0.75])
        assert [row.extras["q25"], row.value, row.extras["q75"]] == pytest.approx(expected.tolist(), rel=1e-12)
        enough = len({vendor for _, vendor in votes}) >= 10
        assert (row.low is not None) == enough
        if row.low is not None and row.high is not None:
            assert min(votes)[0] / 10_000 <= row.low <= row.high <= max(votes)[0] / 10_000
    assert all(row.value is None for row in found.values())


def test_turnover_is_falls_times_the_lowest_price(tmp_path: Path) -> None:
    days = [
        offer_day(0, "a", falls=3, reversed=1, price_low_usd=2_050),
        offer_day(1, "a", falls=2, long_falls=2, price_low_usd=1_000),
        offer_day(1, "b", falls=4, price_low_usd=None, price_low=None, currency=None),
        offer_day(1, "c", falls=5, price_low_usd=99_999_900, flags=(Flag.HOLDING,)),
        offer_day(1, "d", falls=1, price_low_usd=700, flags=(Flag.OUTLIER,)),
        offer_day(1, "e", falls=9, kind="service"),
    ]
    with world(tmp_path, [crawl(0), crawl(1), crawl(2)], [], days) as store:
        rows = trends(store, "turnover", Filter(), by="day")
        assert [row.value for row in rows] == [61.5, 27.0, 0.0]  # 3 x 20.50; 2 x 10 + 1 x 7; nothing seen
        assert extra(rows, "packages") == [3, 12, 0]
        assert extra(rows, "unpriced") == [0, 9, 0]
        assert extra(rows, "reversed") == [1, 0, 0]
        assert extra(rows, "long_falls") == [0, 2, 0]
        assert extra(rows, "exposure_hours") == [24.0, 96.0, 0.0]
        assert [row.n for row in rows] == [1, 4, 0]
        assert list(to_json(rows[0]))[7:] == [
            "tz", "method", "packages", "unpriced", "reversed", "vanished", "exposure_hours", "long_falls", "currency", "reason"]
        (flagged,) = trends(store, "turnover", Filter(first=a_day(1), last=a_day(1)), by="day", with_flagged=True)
        assert flagged.value == pytest.approx(27.0 + 5 * 999_999.0)
        (only,) = trends(store, "turnover", Filter(first=a_day(1), last=a_day(1), vendor=("t:b",)), by="day")
        assert only.value is None
        assert only.reason == "none of the packages that left has a price"


def test_turnover_in_quoted_currencies_has_a_row_each(tmp_path: Path) -> None:
    days = [
        offer_day(0, "a", falls=2, currency="RUB", price_low=150_050),
        offer_day(0, "b", falls=1, currency="RUB", price_low=100),
        offer_day(0, "c", falls=3, currency="BTC", price_low=1_000_000),
        offer_day(0, "d", falls=1, currency="XMR", price_low=10**12),
        offer_day(0, "e", falls=4, currency="JPY", price_low=500),
    ]
    with world(tmp_path, [crawl(0)], [], days) as store:
        rows = trends(store, "turnover", Filter(), by="day", currency="quoted")
    found = {row.extras["currency"]: row.value for row in rows}
    assert found == {"RUB": 3002.0, "BTC": 0.03, "XMR": 1.0, "JPY": 2000.0}


def test_turnover_needs_a_complete_crawl_of_every_market(tmp_path: Path) -> None:
    days = [offer_day(0, "a", falls=1), offer_day(0, "b", falls=1, market="x")]
    crawls = [crawl(0), crawl(0, 0.4, market="x"), crawl(1), crawl(1, market="x")]
    with world(tmp_path, crawls, [], days) as store:
        first, second = trends(store, "turnover", Filter(), by="day")
        assert (first.value, first.reason) == (None, "x: 1 crawl, none complete enough (best 0.40)")
        assert first.extras["packages"] is None
        assert second.value == 0.0
        split = trends(store, "turnover", Filter(), by="day", split=["market"])
        assert [(row.splits["market"], row.value) for row in split] == [
            ("m", 30.0), ("x", None), ("m", 0.0), ("x", 0.0)]


def test_stock_of_offers_that_left_is_vanished_and_no_sale(tmp_path: Path) -> None:
    crawls = [crawl(day) for day in range(30)]
    days = [
        *days_of(range(30), "stays", last_ready=50), *days_of(range(5), "leaves", last_ready=7),
        *days_of(range(20), "late", last_ready=9),
        *days_of([0, 1, 2, 15], "pauses", last_ready=3),  # absent 12 days: no leaving
    ]
    with world(tmp_path, crawls, [], days) as store:
        rows = trends(store, "turnover", Filter(), by="day")
        vanished = extra(rows, "vanished")
        assert vanished[4] == 7
        assert vanished[15] == 3
        assert sum(v for v in vanished[:16]) == 10
        assert vanished[16:] == [None] * 14  # not known before 14 days have passed
        assert all(row.value == 0.0 for row in rows)
        (early,) = trends(store, "turnover", Filter(first=a_day(4), last=a_day(4)), by="day")
        assert early.extras["vanished"] == 7


SALES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 6), st.integers(0, 9), st.integers(1, 10**6),
              st.sampled_from(["mdma", "lsd"])),
    max_size=60, unique_by=lambda sale: (sale[0], sale[1], sale[4]),
)


@given(sales=SALES)
@settings(max_examples=8, deadline=None)
def test_turnover_adds_up_over_time_and_splits(tmp_path_factory: pytest.TempPathFactory, sales: list[Any]) -> None:
    days = [
        offer_day(day, f"{offer}-{substance}", falls=falls, price_low_usd=price, substance=substance)
        for day, offer, falls, price, substance in sales
    ]
    total = sum(falls * price / 100 for _, _, falls, price, _ in sales)
    with world(tmp_path_factory.mktemp("sales"), [crawl(day) for day in range(41)], [], days) as store:
        for by in ("day", "week", "month"):
            for split in ([], ["substance"], ["substance", "vendor"]):
                rows = trends(store, "turnover", Filter(), by=by, split=split)  # type: ignore[arg-type]
                assert sum(row.value or 0 for row in rows) == pytest.approx(total)
                assert sum(int(row.extras["packages"] or 0) for row in rows) == sum(sale[2] for sale in sales)


def test_concentration_of_sales(tmp_path: Path) -> None:
    money = [5_000, 3_000, 2_000]
    days = [offer_day(0, f"{i}-{j}", vendor=f"t:{i}", falls=1, price_low_usd=amount // 2)
            for i, amount in enumerate(money) for j in range(2)]
    days += [offer_day(0, "idle", vendor="t:idle"), offer_day(0, "nobody", vendor=None, falls=100)]
    with world(tmp_path, [crawl(0), crawl(1)], [], days) as store:
        rows = trends(store, "concentration", Filter(), by="day")
        assert rows[0].value == pytest.approx((0.5**2 + 0.3**2 + 0.2**2) * 10_000)
        # mean absolute difference over twice the mean: (2 + 3 + 1) x 2 / 9 / (2 x 10 / 3)
        assert rows[0].extras["gini"] == pytest.approx((2 + 3 + 1) * 2 / 9 / (2 * 10 / 3))
        assert (rows[0].extras["vendors"], rows[0].n, rows[0].extras["of"]) == (3, 6, "turnover")
        assert (rows[1].value, rows[1].reason) == (None, "no seller with sales")
        with pytest.raises(UsageError, match="sellers"):
            trends(store, "concentration", Filter(), by="day", split=["vendor"])


def test_concentration_of_listings_with_an_interval(tmp_path: Path) -> None:
    first = crawl(0)
    observations = [seen(first, f"{i}-{j}", vendor=f"t:{i}") for i in range(12) for j in range(i + 1)]
    # ten sellers in each of many cells: somewhere a replicate draws none of them
    observations += [seen(first, f"{g}/{i}", vendor=f"t:{g}/{i}", group=f"g{g}", kind="job")
                     for g in range(80) for i in range(10)]
    with world(tmp_path, [first], observations) as store:
        (row,) = trends(store, "concentration", Filter(kind=("offer",)), by="day", of="listings")
        many = trends(store, "concentration", Filter(kind=("job",)), by="day", of="listings", split=["group"])
        assert all(each.value == pytest.approx(1_000) and (each.low or 0) >= 500 for each in many)
    sizes = np.arange(1, 13) / 78
    assert row.value == pytest.approx(float((sizes**2).sum()) * 10_000)
    assert row.low is not None
    assert row.high is not None
    assert row.low < row.high
    assert row.extras["vendors"] == 12


@given(amounts=st.lists(st.floats(0.01, 1e6), min_size=1, max_size=40))
def test_indices_of_concentration_keep_their_bounds(amounts: list[float]) -> None:
    values = np.array(amounts)
    assert 10_000 / len(values) * (1 - 1e-9) <= hhi(values) <= 10_000 * (1 + 1e-9)
    difference = np.abs(values[:, None] - values[None, :]).mean()
    assert gini(values) == pytest.approx(float(difference / (2 * values.mean())), abs=1e-9)


def test_turnover_of_a_market_that_states_no_stock_is_unknown(tmp_path: Path) -> None:
    days = [offer_day(0, "a", market="postal"), offer_day(0, "b", falls=2, price_low_usd=500)]
    crawls = [crawl(0), crawl(1), crawl(0, market="postal"), crawl(1, market="postal")]
    with world(tmp_path, crawls, [], days) as store:
        rows = trends(store, "turnover", Filter(), by="day", split=["market"])
        by_market = {(row.splits["market"], row.bucket): row for row in rows}
        assert by_market["postal", a_day(0)].value is by_market["postal", a_day(1)].value is None
        assert "no stock" in (by_market["postal", a_day(0)].reason or "")
        (other,) = {market for market, _ in by_market} - {"postal"}
        assert by_market[other, a_day(0)].value == 10.0


def test_packages_beyond_64_bits_are_still_json(tmp_path: Path) -> None:
    offers = [offer_day(0, f"o{number}", falls=9_000 * COUNTABLE, last_ready=0) for number in range(3)]
    with world(tmp_path, [crawl(0)], [], offers) as store:
        (row,) = trends(store, "turnover", Filter(), by="day")
    assert row.extras["packages"] == 27e18
    assert b"2.7e+19" in dump(to_json(row))
