"""Explanations: every crawl with its reason, every exclusion with its count, rates, errors, masked examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from measure_world import START, VERSION, a_day, crawl, fill, seen

from config.errors import UsageError
from extract.observation import CrawlOutcome, Span
from index.derive import derive_offer_days
from index.explain import Accuracy, Fact, explain_row, explain_trend
from index.measures import trends
from index.store import Filter, Store

PRICED = {
    "quantity": 1.0, "unit": "g", "currency": "EUR", "amount": 2_000, "unit_price": 200_000, "fx_source": "ECB",
}
SEEN = [Accuracy(language="en", field="main", precision=0.98, recall=0.96, f1=0.97, low=0.93, high=0.99)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    full, broken, blind = crawl(0), crawl(1, 0.62, outcome=CrawlOutcome.PARTIAL), crawl(2, None)
    later = crawl(9)
    usd = {"amount_usd": 2_200, "unit_price_usd": 220_000, "fx_rate": 1.1, "fx_date": a_day(0)}
    dearer = {"amount_usd": 2_400, "unit_price_usd": 240_000, "fx_rate": 1.2, "fx_date": a_day(1)}
    observations = [
        seen(full, "a", **PRICED, **usd, title="Call me t.me/someone, one gram"),
        seen(full, "b", **PRICED, **usd, flags=("outlier",)),
        seen(full, "c", **PRICED),
        seen(full, "d", kind="job", title="Курьер", vendor=None),
        seen(broken, "a", **PRICED, **dearer, spans=(Span(label="quantity", field="title", start=3, end=9, value="1 g"),)),
        seen(later, "a", **PRICED, **usd),
    ]
    made = fill(tmp_path_factory.mktemp("explain") / "e.db", [full, broken, blind, later], observations)
    derive_offer_days(made, "m", VERSION, START)
    yield made
    made.close()


def part(facts: Sequence[Fact], name: str) -> dict[str, Fact]:
    return {fact.what: fact for fact in facts if fact.part == name}


def test_every_crawl_of_the_bucket_is_used_or_left_out_with_a_reason(store: Store) -> None:
    facts = explain_trend(store, "listings", Filter(), bucket=a_day(3), by="week")
    assert [(fact.what, fact.count) for fact in facts if fact.part == "crawls"] == [("used", 1)]
    crawls = part(facts, "crawl")
    assert list(crawls) == ["used: m-000-12", "left out: m-001-12", "left out: m-002-12"]
    assert [each.count for each in crawls.values()] == [4, 1, 0]
    assert "coverage 0.62 by site-total, below 0.9" in crawls["left out: m-001-12"].detail
    assert "partial" in crawls["left out: m-001-12"].detail
    assert "coverage unknown" in crawls["left out: m-002-12"].detail
    assert part(facts, "version")["extractor"].detail == VERSION


@pytest.mark.parametrize("measure", ["listings", "price", "turnover", "new"])
def test_the_row_explained_is_the_row_of_the_whole_trend(store: Store, measure: str) -> None:
    row = next(one for one in trends(store, measure, Filter(), by="week") if one.bucket == START)
    told = next(fact for fact in explain_trend(store, measure, Filter(), bucket=START, by="week") if fact.part == "row")
    assert told.what == ("no value" if row.value is None else f"value {row.value:,.6g}")


def test_exclusions_are_counted_as_the_measure_makes_them(store: Store) -> None:
    price = explain_trend(store, "price", Filter(), bucket=START, by="week")
    assert part(price, "kind")["job"].count == 1
    assert part(price, "kind")["job"].detail.startswith("excluded")
    assert part(price, "flag")["outlier"].detail.startswith("excluded")
    missing = {name: fact.count for name, fact in part(price, "missing").items()}
    assert missing == {"price": 1, "rate to US dollars": 1}
    flagged = explain_trend(store, "price", Filter(), bucket=START, by="week", with_flagged=True)
    assert part(flagged, "flag")["outlier"].detail.startswith("kept")
    assert part(explain_trend(store, "turnover", Filter(), bucket=START, by="week"), "flag")["outlier"].detail.startswith("kept")
    assert part(explain_trend(store, "listings", Filter(), bucket=START, by="week"), "kind")["job"].detail == ""


def test_rates_come_with_source_and_dates(store: Store) -> None:
    rate = part(explain_trend(store, "price", Filter(), bucket=START, by="week"), "rate")["USD for 1 EUR"]
    assert (rate.count, rate.detail) == (3, f"1.1 to 1.2, of {a_day(0)} to {a_day(1)}, source ECB")


def test_expected_error_is_that_of_the_language_or_unknown(store: Store) -> None:
    errors = part(explain_trend(store, "price", Filter(), bucket=START, by="week", accuracy=SEEN), "expected error")
    assert "F1 0.970 (0.930 to 0.990)" in errors["main (en)"].detail
    assert "20% of the titles" in errors["unknown (ru)"].detail
    assert set(part(explain_trend(store, "price", Filter(), bucket=START, by="week"), "expected error")) == {
        "unknown (en)", "unknown (ru)"}


def test_examples_are_masked_and_name_no_vendor(store: Store) -> None:
    facts = explain_trend(
        store, "price", Filter(), bucket=START, by="week", mask=lambda text: text.replace("t.me/someone", "[handle]")
    )
    examples = [fact.detail for fact in facts if fact.part == "example"]
    assert "Call me [handle], one gram" in examples
    assert not any("t:a" in fact.detail or "t.me" in fact.detail for fact in facts)


def test_nothing_there_says_what_excluded_it(store: Store) -> None:
    facts = explain_trend(store, "price", Filter(substance=("mephedron",)), bucket=START, by="week")
    assert "Did you mean mephedrone" in part(facts, "observations")["none"].detail
    with pytest.raises(UsageError, match="outside the dates"):
        explain_trend(store, "price", Filter(first=a_day(20)), bucket=START, by="week")


def test_one_observation_shows_what_was_read_and_where(store: Store) -> None:
    facts = explain_row(store, "m/l-a/a/m-001-12")
    read = part(facts, "read")
    assert (read["unit_price_usd"].detail, read["fx_rate"].detail, read["fx_source"].detail) == ("240000", "1.2", "ECB")
    assert "dose_mg" not in read
    assert "vendor" not in read
    assert part(facts, "found")["quantity 1 g"].detail == "title, characters 3 to 9"
    assert "below 0.9" in part(facts, "crawl")["m-001-12"].detail
    assert part(explain_row(store, "m/l-b/b/m-000-12"), "flag")["outlier"].detail


@pytest.mark.parametrize("key", ["m/l-a/a", "m/l-a/b/m-001-12", "m/l-a/a/m-777-12"])
def test_what_is_no_observation_is_refused(store: Store, key: str) -> None:
    with pytest.raises(UsageError):
        explain_row(store, key)


def test_an_empty_store_is_explained_too(tmp_path: Path) -> None:
    empty = fill(tmp_path / "none.db")
    facts = explain_trend(empty, "price", Filter(), bucket=START, by="week")
    assert part(facts, "version")["extractor"].detail == "none: the store is empty"
    empty.close()
