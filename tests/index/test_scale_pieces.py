"""Measures read in pieces of a few rows give what they give in one piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scale_world import MARKETS, crawl_of, first_day, observations

from extract.observation import Coverage, CoverageBasis
from index.derive import derive_offer_days
from index.measures import table, trends
from index.measures.ask import build_ask
from index.measures.table import iter_tables
from index.sqlite.store import SqliteStore
from index.store import Filter

QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("turnover", {}), ("turnover", {"currency": "quoted", "split": ["market"]}), ("turnover", {"split": ["ships-to"]}),
    ("turnover", {"sensitivity": True, "split": ["market"]}), ("concentration", {}), ("availability", {}),
    ("availability", {"split": ["ships-from"]}), ("share", {"of": "turnover"}),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path_factory.mktemp("pieces") / "store.db")
    opened.write(observations(9, crawls=30, offers=30))
    full = Coverage(seen=10, expected=10, value=1.0, basis=CoverageBasis.SITE_TOTAL)
    for market in MARKETS:
        for number in range(30):
            opened.write_crawl(crawl_of(market, number).model_copy(update={"coverage": (full,)}))
        derive_offer_days(opened, market, "v1", first_day())
    yield opened
    opened.close()


@pytest.mark.parametrize(("measure", "options"), QUESTIONS)
def test_in_pieces(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, measure: str, options: dict[str, Any]
) -> None:
    monkeypatch.setattr("index.sqlite.store._FETCH", 50)
    whole = trends(store, measure, Filter(), by="week", **options)
    monkeypatch.setattr(table, "PIECE", 60)
    pieces = trends(store, measure, Filter(), by="week", **options)
    assert len(pieces) == len(whole)
    assert any(row.value for row in whole)
    for one, other in zip(pieces, whole, strict=True):
        assert (one.bucket, one.splits, one.n, one.reason) == (other.bucket, other.splits, other.n, other.reason)
        for left, right in ((one.value, other.value), (one.low, other.low), (one.high, other.high)):
            assert left == (None if right is None else pytest.approx(right, rel=1e-9))
        assert {k: v for k, v in one.extras.items() if not isinstance(v, float)} == {
            k: v for k, v in other.extras.items() if not isinstance(v, float)}


def test_no_offer_in_two_pieces(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.sqlite.store._FETCH", 50)
    monkeypatch.setattr(table, "PIECE", 60)
    ask = build_ask(
        store, Filter(), by="week", split=["region"], with_flagged=False, currency="usd", of=None, seed=0)
    assert ask is not None
    pieces = list(iter_tables(ask, Filter(), numbers=("sightings",)))
    assert len(pieces) > 5
    offers = [set(piece.offer.tolist()) for piece in pieces]
    assert sum(map(len, offers)) == len(set().union(*offers))
    rows = sum(len(batch["offer"]) for batch in store.scan("offer_day", Filter(), ["offer"]))
    assert sum(map(len, pieces)) == rows
    assert float(np.sum([piece.numbers["sightings"].sum() for piece in pieces])) > rows / 2
