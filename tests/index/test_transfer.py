"""A store copied whole into another, of either kind, with every version; and when it cannot be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from export_world import build, history
from measure_world import VERSION, crawl, fill, offer_day, seen

from config.errors import StoreError
from index.measures import to_json, trends
from index.open import open_store
from index.store import Filter, Store
from index.transfer import copy_store


def rich(path: Path) -> Store:
    """All kinds of fields, two versions."""
    made = build(path, days=3)
    last = crawl(2)
    made.write([
        seen(last, "rare", version="0-old", description="Две строки\nи 😀", category=("a", "б"), flags=("outlier",),
             substances=("mdma", "ketamine"), ships_from=("DE",), ships_to=("EU", "WORLD"), dose_mg=0.125, purity=83.7,
             currency="XMR", amount=9_876_543_210_123, confidence=0.3, preorder=0, feedback=12),
    ])
    made.write_offer_days([offer_day(0, "rare", version="0-old", falls=3, exposure_hours=7.25)])
    assert made.current_version() == VERSION
    return made


def rows(store: Store) -> list[dict[str, object]]:
    found = trends(store, "turnover", Filter(), by="day", split=("substance",))
    return [dict(to_json(row)) for row in found]


def stale_parts(path: Path) -> list[str]:
    """What of a file has to be read row by row."""
    with closing(sqlite3.connect(path)) as connection:
        return [table for table in ("unpacked", "unpriced", "stale_days")
                if connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone() != (0,)]


def test_copy_is_the_same_to_the_digest_and_a_second_one_changes_nothing(tmp_path: Path) -> None:
    source, target = rich(tmp_path / "a.db"), open_store(f"sqlite:///{tmp_path / 'b.db'}")
    told: list[str] = []
    report = copy_store(source, target, lambda what, done: told.append(what))
    assert (report.crawls, report.observations, report.version) == (3, 3 * 76 + 1, VERSION)
    assert report.written == report.observations + report.offer_days
    assert target.digest() == source.digest()
    assert rows(target) == rows(source)
    assert set(told) == {"observations", "offer-days", "crawls", "markets", "digests"}
    assert not stale_parts(tmp_path / "b.db")
    again = copy_store(source, target)
    assert (again.written, again.unchanged) == (0, report.written)
    old = [batch["offer"].tolist() for batch in target.scan("observation", Filter(), ["offer"], version="0-old")]
    assert old == [["rare"]]
    source.close()
    target.close()


def test_copy_broken_off_is_finished_by_the_next(tmp_path: Path) -> None:
    source, target = rich(tmp_path / "a.db"), open_store(f"sqlite:///{tmp_path / 'b.db'}")
    target.write(history(days=1)[1])
    copy_store(source, target)
    assert target.digest() == source.digest()
    source.close()
    target.close()


def test_target_with_other_content_is_refused(tmp_path: Path) -> None:
    source = rich(tmp_path / "a.db")
    other = fill(tmp_path / "b.db", [crawl(5, market="x")])
    before = other.digest()
    with pytest.raises(StoreError, match="1 crawls that the source has not"):
        copy_store(source, other)
    assert other.digest() == before
    more = fill(tmp_path / "c.db", [], [seen(crawl(2), "only-here")])
    with pytest.raises(StoreError, match="differs from the source in: observation"):
        copy_store(source, more)
    with pytest.raises(StoreError, match="nothing to copy"):
        copy_store(open_store(f"sqlite:///{tmp_path / 'none.db'}"), other)
    for each in (source, other, more):
        each.close()


@pytest.mark.elasticsearch
def test_there_and_back_through_elasticsearch(tmp_path: Path, elastic_url: str, elastic_prefix: str) -> None:
    source = rich(tmp_path / "a.db")
    cluster = open_store(f"{elastic_url}/{elastic_prefix}copy")
    back = open_store(f"sqlite:///{tmp_path / 'back.db'}")
    report = copy_store(source, cluster)
    assert report.written == report.observations + report.offer_days
    assert cluster.digest() == source.digest()
    assert rows(cluster) == rows(source)
    copy_store(cluster, back)
    assert back.digest() == source.digest()
    assert not stale_parts(tmp_path / "back.db")
    assert (back.current_version(), back.crawls()) == (source.current_version(), source.crawls())
    for each in (source, cluster, back):
        each.close()
