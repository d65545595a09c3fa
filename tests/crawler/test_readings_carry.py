"""Readings kept between crawls: what is carried forward, what the index wins, and budgets per day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.errors import StoreError
from crawler.items import Listing, Offer
from crawler.readings import Readings, carry, fill, merge_offers

NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
SHOWN = Listing(
    market="lab", listing="1", crawl="c2", observed_at=NOW, title="Tea", category=("Green",), sold=7, parser="lab-1",
    vendor="0badcafe:00112233445566778899", offers=(Offer(price="USD 9"),),
)  # fmt: skip
READ = SHOWN.model_copy(
    update={
        "crawl": "c1",
        "observed_at": NOW - timedelta(days=2),
        "description": "Dried leaves.",
        "category": ("Teas", "Green"),
        "ships_from": "Japan",
        "sold": 5,
        "feedback": 3,
        "seen_on": "detail",
        "offers": (Offer(price="USD 8", quantity="1 g", ready=4), Offer(price="USD 30", quantity="5 g")),
    }
)


def test_presence_from_the_index_details_from_the_reading() -> None:
    both = carry(SHOWN, READ, "first")
    assert (both.crawl, both.observed_at, both.seen_on) == ("c2", NOW, "index")
    assert (both.sold, both.feedback, both.ships_from) == (7, 3, "Japan")
    assert (both.description, both.category) == ("Dried leaves.", ("Teas", "Green"))
    assert both.offers == (Offer(price="USD 9", quantity="1 g", ready=4), Offer(price="USD 30", quantity="5 g"))


def test_offers_of_index_and_memory() -> None:
    assert merge_offers(SHOWN.offers, READ.offers, "full") == SHOWN.offers
    assert merge_offers(SHOWN.offers, READ.offers, "none") == READ.offers
    assert merge_offers((), READ.offers, "full") == READ.offers
    assert merge_offers(SHOWN.offers, (), "none") == SHOWN.offers


def test_a_detail_page_is_filled_by_the_index_only_where_it_is_silent() -> None:
    bare = READ.model_copy(update={"sold": None, "title": "Tea, longer"})
    filled = fill(bare, SHOWN)
    assert (filled.sold, filled.title, filled.category) == (7, "Tea, longer", ("Teas", "Green"))


def test_kept_forgotten_and_counted(tmp_path: Path) -> None:
    with Readings(tmp_path, "lab") as readings:
        many = [READ.model_copy(update={"listing": str(number)}) for number in range(1200)]
        readings.save(many)
        readings.save([READ.model_copy(update={"title": "newer"})])
        found = readings.last(str(number) for number in range(-5, 1300))
        assert len(found) == 1200
        assert found["1"].title == "newer"
        readings.spend(NOW, 2, 500)
        readings.spend(NOW, 1, 10)
        assert readings.spent(NOW) == (3, 510)
        assert readings.spent(NOW + timedelta(hours=1)) == (0, 0)  # the next UTC day
    with Readings(tmp_path, "lab") as readings:
        assert readings.forget(str(SHOWN.vendor)) == 1200
        assert readings.last(["1"]) == {}
        readings._db.execute("PRAGMA max_page_count = 1")  # no room for a page more
        with pytest.raises(StoreError, match="disk is full"):
            readings.save([one.model_copy(update={"description": "text " * 2000}) for one in many])
    (tmp_path / "readings" / "lab.sqlite").write_bytes(b"not a database at all, but long enough to be looked at" * 40)
    with pytest.raises(StoreError) as caught:
        Readings(tmp_path, "lab")
    assert caught.value.remedy
