"""Search from the newest day back: the hits that looking up every match gives."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from scale_world import MARKETS, crawl_of, first_day, observations

from index.sqlite import searching
from index.sqlite.store import SqliteStore
from index.store import Filter, SearchHit

DAY = first_day()
FILTERS = (
    Filter(), Filter(market=("yew",)), Filter(substance=("mdma",)), Filter(region=("GE",)),
    Filter(crawl=("ash-001", "yew-002")), Filter(listing=("L2", "L3")), Filter(ships_to=("EU",)),
    Filter(last=DAY + timedelta(days=3)), Filter(first=DAY + timedelta(days=4)), Filter(substance=("none",)),
    Filter(first=DAY + timedelta(days=2), last=DAY + timedelta(days=2)),
)
TEXTS = ("item", "-1", "item -12 -13", "items 4", "nothing", "")


@pytest.mark.parametrize("packed", [True, False])
def test_both_ways_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    store = SqliteStore(tmp_path / "store.db")
    store.write(observations(6))
    store.write(observations(7, version="v2"))
    store.set_current_version("v1")
    for market in MARKETS:
        for number in range(8 if packed else 0):
            store.write_crawl(crawl_of(market, number))

    def ask(few: int, live: int) -> list[list[SearchHit]]:
        monkeypatch.setattr(searching, "FEW", few)
        monkeypatch.setattr(searching, "_MOST_LIVE", live)
        return [store.search(text, where, limit=limit, offset=offset)
                for text, where, (limit, offset) in product(TEXTS, FILTERS, ((20, 0), (3, 2), (500, 0), (5, 21)))]

    walks = _count_walks(monkeypatch)
    slow = ask(10**9, -1)
    assert not walks
    found = ask(-1, 1000)
    assert walks
    assert found == slow
    assert sum(map(len, slow)) > 1000
    store.close()


def _count_walks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every walk, so that the test knows that it was taken."""
    walks: list[int] = []
    walk: Any = searching._days_back

    def counted(*arguments: Any) -> Any:
        walks.append(1)
        return walk(*arguments)

    monkeypatch.setattr(searching, "_days_back", counted)
    return walks
