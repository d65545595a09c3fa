"""Parquet partitions, read back by those who will read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest
from scale_world import MARKETS, crawl_of, first_day, observations

from config.errors import StoreError, UsageError
from extract.observation import Coverage, CoverageBasis
from index.export import partitions
from index.export.partitions import fields_of, write_partitions
from index.sqlite.store import SqliteStore
from index.store import Filter

NOW = datetime(2031, 6, 1, tzinfo=UTC)
KEY = b"one folder's key"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store.db")
    opened.write(observations(1, crawls=25))
    full = Coverage(seen=9, expected=10, value=0.9, basis=CoverageBasis.SITE_TOTAL)
    for market in MARKETS:
        for number in range(25):
            opened.write_crawl(crawl_of(market, number).model_copy(update={"coverage": (full,)}))
    yield opened
    opened.close()


def test_duckdb_and_pandas_read_the_same(store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "AT_ONCE", 100)  # many flushes
    out = tmp_path / "out"
    made = write_partitions(store, Filter(), out, KEY, now=NOW)
    files = f"{out}/observations/*/*/*.parquet"
    counts = dict(store.count_distinct(Filter(), ("market", "crawl"), "offer"))
    assert made.rows == sum(counts.values()) > 1000
    assert made.crawls == 50
    with duckdb.connect() as db:
        query = f"SELECT market, crawl, COUNT(DISTINCT offer) FROM read_parquet('{files}', hive_partitioning = true) GROUP BY 1, 2"
        assert {(market, crawl): n for market, crawl, n in db.sql(query).fetchall()} == counts
        months = db.sql(f"SELECT DISTINCT month, strftime(day, '%Y-%m') FROM read_parquet('{files}')").fetchall()
        assert {(month, month) for month, _ in months} == set(months)
        assert len(months) == 2
    frame = pd.read_parquet(out / "observations")
    assert len(frame) == made.rows
    assert made.files == len(list((out / "observations").glob("*/*/*.parquet"))) == 4
    whole = {
        (market, offer, crawl): price
        for batch in store.scan("observation", Filter(), ["market", "offer", "crawl", "unit_price"])
        for market, offer, crawl, price in zip(*batch.values(), strict=True)}
    for row in frame.itertuples():
        price = whole[row.market, row.offer, row.crawl]
        assert pd.isna(row.unit_price) if price != price else row.unit_price == price
    assert str(frame["observed_at"].dt.tz) == "UTC"
    crawls = pd.read_parquet(out / "crawls.parquet")
    assert set(crawls["coverage"]) == {0.9}
    assert not (tmp_path / "out.partial").exists()


def test_no_text_and_no_pseudonym_of_the_store(store: SqliteStore, tmp_path: Path) -> None:
    write_partitions(store, Filter(market=("ash",)), tmp_path / "out", KEY, now=NOW)
    table = ds.dataset(tmp_path / "out" / "observations", partitioning="hive").to_table()
    assert not {"title", "description", "place", "price_text", "category", "spans"} & set(table.column_names)
    assert set(table["market"].to_pylist()) == {"ash"}
    vendors = set(table["vendor"].to_pylist()) - {None}
    assert len(vendors) == 3
    assert all(vendor.startswith("v:") for vendor in vendors)
    content = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"k:a" not in content
    write_partitions(store, Filter(market=("ash",)), tmp_path / "other", b"another key", now=NOW)
    others = ds.dataset(tmp_path / "other" / "observations").to_table()["vendor"].to_pylist()
    assert not vendors & set(others)


def test_text_and_own_pseudonyms_where_asked(store: SqliteStore, tmp_path: Path) -> None:
    first = first_day()
    where = Filter(first=first, last=first + timedelta(days=3))
    made = write_partitions(store, where, tmp_path / "out", None, text=True, now=NOW)
    frame = pd.read_parquet(tmp_path / "out" / "observations")
    assert len(frame) == made.rows
    assert set(frame["vendor"].dropna()) == {"k:a", "k:b", "k:c"}
    assert frame["title"].str.startswith("Item").all()
    assert frame["day"].max() <= first + timedelta(days=3)
    assert set(fields_of(text=True)) - set(fields_of(text=False)) == set(partitions.TEXT)


def test_refusals(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("x")
    with pytest.raises(UsageError, match="there already"):
        write_partitions(store, Filter(), tmp_path / "there", KEY, now=NOW)
    with pytest.raises(UsageError, match="no observation matches"):
        write_partitions(store, Filter(substance=("nothing",)), tmp_path / "none", KEY, now=NOW)
    assert not (tmp_path / "none").exists()
    with pytest.raises(StoreError, match="cannot be written"):
        write_partitions(store, Filter(), tmp_path / "there" / "file" / "below", KEY, now=NOW)
    with pytest.raises(UsageError, match="empty"):
        write_partitions(SqliteStore(tmp_path / "new.db"), Filter(), tmp_path / "none", KEY, now=NOW)
