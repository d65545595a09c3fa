"""`new` without the old listings that a crawl recognised as put up again under a new id."""

from __future__ import annotations

from pathlib import Path

import pytest
from measure_world import a_day, crawl, days_of, fill

from config.errors import UsageError
from index.measures import trends
from index.store import Filter


def test_relists_can_be_left_out_of_new(tmp_path: Path) -> None:
    days = [*days_of(range(40), "old"), *days_of(range(20, 40), "a", listing="l-a"),
            *days_of(range(20, 40), "b", listing="l-b")]  # fmt: skip
    crawls = [crawl(day) for day in range(40)]
    crawls[20] = crawls[20].model_copy(update={"relists": {"l-b": "l-before"}})
    store = fill(tmp_path / "w.db", crawls, [], days)
    try:
        rows = {row.bucket: row.value for row in trends(store, "new", Filter(), by="day")}
        assert rows[a_day(20)] == 2
        rows = {row.bucket: row.value for row in trends(store, "new", Filter(), by="day", without_relists=True)}
        assert rows[a_day(20)] == 1
        with pytest.raises(UsageError, match="new listings"):
            trends(store, "listings", Filter(), by="day", without_relists=True)
    finally:
        store.close()
