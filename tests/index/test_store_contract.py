"""The contract of both stores: the same tests on SQLite and on a real Elasticsearch."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import UsageError
from extract.observation import Coverage, Crawl, CrawlKind, CrawlOutcome, Flag, Kind, Observation, Span, Stash
from index.offer_day import OfferDay
from index.open import open_store
from index.store import Filter, Store, concat

START = datetime(2031, 3, 1, 9, 30, tzinfo=UTC)
VERSION = "1.0+lex3"


@pytest.fixture(params=["sqlite", pytest.param("elastic", marks=pytest.mark.elasticsearch)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    url = f"{request.getfixturevalue('elastic_url')}/contract-{uuid.uuid4().hex[:12]}"
    yield url
    from index.elastic.store import ElasticStore

    leftover = ElasticStore(url)
    leftover.destroy()
    leftover.close()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()


def seen(number: int = 1, crawl: int = 1, **changes: Any) -> Observation:
    """An invented observation."""
    moment = START + timedelta(days=crawl - 1, seconds=number)
    fields: dict[str, Any] = {
        "market": "lantern", "listing": f"L{number}", "offer": f"o{number:04d}", "crawl": f"lantern-{crawl:03d}",
        "version": VERSION, "observed_at": moment, "day": moment.date(), "title": f"Item {number}",
    }
    return Observation(**(fields | changes))


def sighting_day(number: int = 1, day: int = 1, **changes: Any) -> OfferDay:
    moment = START + timedelta(days=day - 1)
    fields: dict[str, Any] = {
        "market": "lantern", "listing": f"L{number}", "offer": f"o{number:04d}", "day": moment.date(),
        "version": VERSION, "sightings": 2, "first_seen": moment, "last_seen": moment + timedelta(hours=5),
    }
    return OfferDay(**(fields | changes))


def rich(crawl: int = 1) -> Observation:
    """Every field filled."""
    return seen(
        7, crawl, vendor="ab12:0011", title="Мефедрон кристалл 1г", description="Свежие кристаллы в Тбилиси",
        category=("Стимуляторы", "Мефедрон"), kind=Kind.OFFER, substances=("mephedrone", "mdma"), group="cathinones",
        form="crystal", quantity_text="1г", quantity=1.0, unit="g", dose_mg=120.5, purity=95.0, price_text="1 600 руб.",
        currency="RUB", amount=160000, unit_price=16000000, unit_price_usd=250000, amount_usd=2500, fx_rate=0.015625,
        fx_date=date(2031, 2, 28), fx_source="test", flags=(Flag.OUTLIER, Flag.HOLDING), ships_from=("GE",),
        ships_to=("EU", "WORLD"), ships_except=("RU",), place="Тбилиси", region="GE-TB", stash=Stash.MAGNET, ready=4,
        preorder=0, feedback=31,
        spans=(Span(label="substance", field="title", start=0, end=8, value="mephedrone"),), confidence=0.75)


def random_observations(seed: int, crawls: int = 4, offers: int = 60) -> list[Observation]:
    chance = random.Random(seed)
    rows = []
    for number in range(offers):
        vendor = chance.choice([None, "k:1", "k:2", "k:3"])
        fields: dict[str, Any] = {
            "listing": f"L{number // 2}", "market": chance.choice(["lantern", "harbour"]), "vendor": vendor,
            "substances": chance.choice([(), ("mdma",), ("cocaine", "mdma"), ("ketamine",)]),
            "group": chance.choice([None, "stimulants"]), "form": chance.choice([None, "pill", "powder"]),
            "region": chance.choice([None, "GE", "GE-TB", "GE-AJ", "RU-MOW", "GEX"]),
            "stash": chance.choice([None, *Stash]), "kind": chance.choice([Kind.OFFER, Kind.JOB]),
            "ships_from": chance.choice([(), ("DE",), ("DE", "NL")]),
            "ships_to": chance.choice([(), ("EU",), ("WORLD", "EU"), ("US",)]),
        }
        rows += [
            seen(
                number, crawl, **fields, ready=chance.choice([None, chance.randrange(9)]), amount=chance.randrange(9999)
            )
            for crawl in range(1, crawls + 1)
            if chance.random() < 0.8
        ]
    chance.shuffle(rows)
    return rows


def all_of(store: Store, fields: Sequence[str], where: Filter | None = None, **more: Any) -> list[tuple[Any, ...]]:
    columns = concat(store.scan("observation", where or Filter(), fields, **more), fields)
    return list(zip(*(columns[field].tolist() for field in fields), strict=True))


def test_an_empty_store_answers_with_nothing(store: Store) -> None:
    assert store.current_version() is None
    assert store.crawls() == []
    assert list(store.scan("observation", Filter(), ["offer"])) == []
    assert list(store.scan("offer_day", Filter(), ["offer"])) == []
    assert store.count_distinct(Filter(), ["day"], "listing") == []
    assert store.search("item", Filter()) == []
    assert store.forget(market="lantern") == 0
    assert list(store.last_offer_days("lantern", date(2031, 4, 1), VERSION)) == []
    assert store.last_day("lantern", date(2031, 4, 1), VERSION) is None
    assert store.drop_offer_days("lantern", VERSION, date(2031, 1, 1)) == 0
    assert store.write([]).written == 0


def test_writing_twice_changes_nothing(store: Store) -> None:
    rows = [seen(number, crawl) for number in range(40) for crawl in (1, 2)]
    first = store.write(rows)
    assert (first.written, first.unchanged, first.failed) == (80, 0, ())
    before = dict(store.digest())
    second = store.write(rows)
    assert (second.written, second.unchanged, second.failed) == (0, 80, ())
    assert dict(store.digest()) == before
    third = store.write([row.model_copy(update={"ready": 3}) if row.listing == "L1" else row for row in rows])
    assert (third.written, third.unchanged) == (2, 78)
    assert dict(store.digest()) != before
    assert store.current_version() == VERSION


def test_the_last_of_a_key_within_one_write_stands(store: Store) -> None:
    report = store.write([seen(ready=1), seen(ready=2), seen(ready=1)])
    assert (report.written, report.unchanged) == (1, 2)
    assert all_of(store, ["ready"]) == [(1.0,)]


def test_every_field_comes_back(store: Store) -> None:
    row = rich()
    store.write([row, seen(1)])
    kinds = [name for name in Observation.model_fields if name != "spans"]
    columns = concat(store.scan("observation", Filter(vendor=("ab12:0011",)), [*kinds, "substance"]), kinds)
    for name in kinds:
        value, got = getattr(row, name), columns[name].tolist()[0]
        if isinstance(value, datetime):
            assert got == value.timestamp()
        elif isinstance(value, date):
            assert got == value.isoformat()
        else:
            assert got == value, name
    bare = concat(store.scan("observation", Filter(listing=("L1",)), kinds), kinds)
    assert np.isnan(bare["amount"][0])
    assert bare["vendor"][0] is None
    assert bare["ships_to"][0] == ()
    assert bare["description"][0] == ""


def test_offer_days_come_back(store: Store) -> None:
    row = sighting_day(
        3,
        vendor="k:1",
        substance="mdma",
        group="stimulants",
        form="pill",
        quantity=2.5,
        unit="g",
        region="GE-TB",
        stash=Stash.SNOW,
        ships_from=("DE",),
        ships_to=("EU", "US"),
        first_ready=9,
        last_ready=4,
        lowest_ready=2,
        falls=7,
        reversed=2,
        long_falls=1,
        exposure_hours=12.25,
        open_fall=5,
        currency="GEL",
        unit_price=12345,
        unit_price_usd=4567,
        price_low=5000,
        price_low_usd=1850,
        flags=(Flag.OUTLIER,),
        feedback=3,
    )
    assert store.write_offer_days([row, sighting_day(1), sighting_day(3, 2)]).written == 3
    again = store.write_offer_days([row, sighting_day(1, sightings=3)])
    assert (again.written, again.unchanged) == (1, 1)
    assert list(store.last_offer_days("lantern", date(2031, 3, 2), VERSION)) == [sighting_day(1, sightings=3), row]
    assert next(store.last_offer_days("lantern", date(2031, 3, 3), VERSION)).day == date(2031, 3, 1)
    assert list(store.last_offer_days("harbour", date(2031, 3, 9), VERSION)) == []
    assert [store.last_day("lantern", date(2031, 3, day), VERSION) for day in (1, 2, 3, 9)] == [
        None, date(2031, 3, 1), date(2031, 3, 2), date(2031, 3, 2)]
    assert store.last_day("harbour", date(2031, 3, 9), VERSION) is None
    names = list(OfferDay.model_fields)
    columns = concat(store.scan("offer_day", Filter(substance=("mdma",), region=("GE",)), names), names)
    assert columns["price_low_usd"].tolist() == [1850.0]
    assert columns["falls"].tolist() == [7]
    assert columns["flags"][0] == ("outlier",)
    assert columns["last_seen"].tolist() == [row.last_seen.timestamp()]
    assert columns["ships_to"][0] == ("EU", "US")
    with pytest.raises(UsageError, match="crawl"):
        list(store.scan("offer_day", Filter(crawl=("x",)), ["falls"]))
    assert store.drop_offer_days("lantern", VERSION, date(2031, 3, 2)) == 1
    assert store.drop_offer_days("lantern", VERSION, date(2031, 3, 1), date(2031, 3, 1)) == 2


def _matches(row: Observation, where: Filter) -> bool:
    def one_of(wanted: tuple[str, ...], values: Sequence[str | None]) -> bool:
        return not wanted or any(value in wanted for value in values)

    region = not where.region or any(
        row.region == code or (row.region or "").startswith(f"{code}-") for code in where.region)
    return (
        region and one_of(where.substance, [row.substance or "unknown"]) and one_of(where.group, [row.group])
        and one_of(where.form, [row.form]) and one_of(where.ships_from, row.ships_from)
        and one_of(where.ships_to, row.ships_to) and one_of(where.market, [row.market])
        and one_of(where.stash, [row.stash]) and one_of(where.kind, [row.kind]) and one_of(where.vendor, [row.vendor])
        and one_of(where.crawl, [row.crawl]) and one_of(where.listing, [row.listing])
        and (where.first is None or row.day >= where.first) and (where.last is None or row.day <= where.last))


FILTERS = [
    Filter(),
    Filter(substance=("mdma",)),
    Filter(substance=("unknown",)),
    Filter(substance=("unknown", "ketamine")),
    Filter(group=("stimulants",)),
    Filter(form=("pill", "powder")),
    Filter(region=("GE",)),
    Filter(region=("GE-TB", "RU")),
    Filter(ships_from=("NL",)),
    Filter(ships_to=("EU", "US")),
    Filter(market=("harbour",)),
    Filter(stash=("snow", "cache")),
    Filter(kind=("job",)),
    Filter(vendor=("k:2",)),
    Filter(crawl=("lantern-002", "lantern-004")),
    Filter(listing=("L3",)),
    Filter(first=date(2031, 3, 2), last=date(2031, 3, 3)),
    Filter(substance=("mdma",), region=("GE",), first=date(2031, 3, 3)),
    Filter(market=("nowhere",)),
]


def test_filters_scans_and_counts_agree_with_a_plain_loop(store: Store) -> None:
    rows = random_observations(seed=11)
    store.write(rows)
    ordered = sorted(rows, key=lambda row: (row.market, row.offer, row.observed_at, row.crawl))
    for where in FILTERS:
        expected = [(row.market, row.offer, row.crawl, row.substance) for row in ordered if _matches(row, where)]
        assert all_of(store, ["market", "offer", "crawl", "substance"], where) == expected, where
        _check_counts(store, [row for row in rows if _matches(row, where)], where, ["crawl"])
    for by in (
        [], ["day"], ["market", "substance"], ["crawl", "region"], ["group", "form", "kind"], ["stash"], ["vendor"],
        ["ships_from"], ["ships_to", "day"], ["ships_from", "ships_to"],
    ):
        _check_counts(store, rows, Filter(), by)


def _check_counts(store: Store, rows: list[Observation], where: Filter, by: list[str]) -> None:
    for of in ("listing", "offer", "vendor"):
        groups: dict[tuple[str | None, ...], set[tuple[str, str]]] = defaultdict(set)
        for row in rows:
            keys: list[tuple[str | None, ...]] = [()]
            for field in by:
                value = row.day.isoformat() if field == "day" else getattr(row, field)
                values = (value or (None,)) if isinstance(value, tuple) else (value,)
                keys = [(*key, part) for key in keys for part in values]
            for key in keys:
                thing = getattr(row, of)
                groups[key] |= set() if thing is None else {(row.market, thing)}
        if not by and not groups:
            groups[()] = set()
        expected = sorted(
            ((key, len(things)) for key, things in groups.items()),
            key=lambda group: tuple((part is not None, part or "") for part in group[0]))
        assert store.count_distinct(where, by, of) == expected, (where, by, of)


def test_wrong_fields_are_named(store: Store) -> None:
    store.write([seen()])
    with pytest.raises(UsageError, match="substance"):
        list(store.scan("observation", Filter(), ["substanse"]))
    with pytest.raises(UsageError, match="colour"):
        store.count_distinct(Filter(), ["colour"], "listing")
    with pytest.raises(UsageError, match="exactly one"):
        store.forget(crawl="a", market="b")
    with pytest.raises(UsageError, match="10000"):
        store.search("item", Filter(), 10, 9_995)


def test_a_new_version_is_seen_only_after_the_flip(store: Store) -> None:
    store.write([seen(1), seen(2)])
    store.write_offer_days([sighting_day(1)])
    store.write([seen(1, version="2.0"), seen(2, version="2.0"), seen(3, version="2.0", title="Вторая версия")])
    store.write_offer_days([sighting_day(1, version="2.0"), sighting_day(2, version="2.0")])
    assert store.current_version() == VERSION
    assert len(all_of(store, ["offer"])) == 2
    assert len(all_of(store, ["offer"], version="2.0")) == 3
    assert store.count_distinct(Filter(), [], "listing", "2.0") == [((), 3)]
    assert store.search("версия", Filter()) == []
    store.set_current_version("2.0")
    assert store.current_version() == "2.0"
    assert len(all_of(store, ["offer"])) == 3
    assert len(concat(store.scan("offer_day", Filter(), ["offer"]), ["offer"])["offer"]) == 2
    assert len(store.search("версия", Filter())) == 1
    assert all_of(store, ["offer"], version="never") == []


def test_search_in_both_languages(store: Store) -> None:
    store.write([
        rich(1), rich(2), seen(20, 1, title="Гашиш афганский", description="закладка в центре города"),
        seen(21, 2, title="Fresh Pills, overnight shipping", description="тестер 0.5", substances=("mdma",)),
        seen(22, 3, title="Pill shipped quickly"), seen(23, 3, listing="L22", title="Pill shipped quickly (pre-order)"),
    ])

    def listings(text: str, where: Filter | None = None, **page: int) -> list[str]:
        return [hit.listing for hit in store.search(text, where or Filter(), **page)]

    assert listings("кристаллами МЕФЕДРОНА") == ["L7"]
    assert listings("городом закладки") == ["L20"]
    assert listings("pill shipping") == ["L22", "L21"]
    assert listings("pill", Filter(substance=("mdma",))) == ["L21"]
    assert listings("pill -quickly") == ["L21"]
    assert listings("-pill") == ["L7", "L20"]
    assert listings('"афганский гашиш"') == []
    assert listings('"гашиша афганского"') == ["L20"]
    assert listings("0.5") == ["L21"]
    assert listings("мефедрон pill") == []
    assert listings("", limit=2, offset=1) == ["L21", "L7"]
    assert listings("!!! ***") == []
    assert listings('" OR 1) AND NEAR(x') == []
    hit = store.search("мефедрон", Filter())[0]
    assert (hit.market, hit.title, hit.vendor, hit.day) == (
        "lantern", "Мефедрон кристалл 1г", "ab12:0011", date(2031, 3, 2))
    assert hit.substances == ("mephedrone", "mdma")


def crawl_of(number: int, market: str = "lantern", **changes: Any) -> Crawl:
    fields: dict[str, Any] = {
        "id": f"{market}-{number:03d}", "market": market, "kind": CrawlKind.FULL, "outcome": CrawlOutcome.COMPLETE,
        "started": START + timedelta(days=number - 1), "listings": number,
        "coverage": (Coverage(seen=9, expected=10.0, value=0.9),), "pages": {"index": 3}, "dropped": {"duplicate": 1}}
    return Crawl(**(fields | changes))


def test_crawls_by_local_date(store: Store) -> None:
    late = crawl_of(3, started=datetime(2031, 3, 4, 21, 30, tzinfo=UTC), tz="Asia/Tbilisi")
    for crawl in (late, crawl_of(1), crawl_of(2), crawl_of(1, "harbour")):
        store.write_crawl(crawl)
    store.write_crawl(crawl_of(2))
    assert [crawl.id for crawl in store.crawls()] == ["harbour-001", "lantern-001", "lantern-002", "lantern-003"]
    assert store.crawls(["lantern"], date(2031, 3, 5), date(2031, 3, 5)) == [late]
    assert store.crawls(["lantern"], last=date(2031, 3, 1)) == [crawl_of(1)]
    store.write_crawl(crawl_of(2, listings=99))
    assert store.crawls(first=date(2031, 3, 2))[0].listings == 99


def test_forget(store: Store) -> None:
    rows = [
        seen(1, 1, vendor="k:1", title="Редкое слово"),
        seen(1, 2, vendor="k:1", title="Редкое слово"),
        seen(2, 1, vendor="k:2"),
        seen(3, 1, market="harbour", vendor="k:3"),
    ]
    store.write(rows[1:])
    store.write_offer_days([sighting_day(2), sighting_day(1, 2, vendor="k:1"), sighting_day(3, market="harbour")])
    store.write_crawl(crawl_of(2))
    before = dict(store.digest())
    extra = rows[0].model_copy(update={"crawl": "lantern-import"})
    store.write([extra])
    store.write_offer_days([sighting_day(1, 1, vendor="k:1")])
    store.write_crawl(crawl_of(1, id="lantern-import"))
    assert store.forget(crawl="lantern-import") == 3
    assert dict(store.digest()) == before
    assert store.forget(crawl="lantern-import") == 0
    assert store.forget(vendor="k:1") == 2
    assert store.search("редкое", Filter()) == []
    assert store.forget(market="lantern") == 3
    assert store.forget(market="harbour") == 2
    assert all_of(store, ["offer"]) == []
    assert store.write(rows).written == 4
    assert len(store.search("редкое", Filter())) == 1


def test_hostile_texts(store: Store) -> None:
    texts = [
        "a\0b", "lone \ud800 surrogate", "x" * 1_000_000, "word " * 200_000, "🍄🧪👩‍🔬", "'; DROP TABLE facts; --",
        "\u202eright to left", '{"json": "\\u0000"}', "%_*?[]", "е\u0308лка \ufeff"]
    rows = [
        seen(number, title=text, description=text[:5000], place=text[:40_000], price_text=text[:50_000])
        for number, text in enumerate(texts)]
    report = store.write(rows)
    assert (report.written, report.failed) == (len(texts), ())
    assert store.write(rows).unchanged == len(texts)
    got = dict(all_of(store, ["listing", "title"]))
    for number, text in enumerate(texts):
        assert got[f"L{number}"] == text.replace("\ud800", "?")
    for text in texts:
        store.search(text[:3000], Filter())
    assert [hit.listing for hit in store.search("surrogates", Filter())] == ["L1"]
    assert store.count_distinct(Filter(listing=("' OR 1=1 --",)), ["day"], "listing") == []


def test_what_cannot_be_stored_is_reported(store: Store) -> None:
    report = store.write([seen(1), seen(2, amount=2**63), seen(3)])
    assert report.written == 2
    assert len(report.failed) == 1
    assert "o0002" in report.failed[0][0]
    assert len(all_of(store, ["offer"])) == 2
    days = store.write_offer_days([sighting_day(1), sighting_day(2, falls=2**63), sighting_day(3, region="\ud800")])
    assert (days.written, len(days.failed)) == (2, 1)
    assert "o0002" in days.failed[0][0]
    assert {day.region for day in store.last_offer_days("lantern", date(2031, 4, 1), VERSION)} == {None, "?"}


def test_replacing_offer_days(store: Store) -> None:
    store.write_offer_days([sighting_day(number, day) for number in (1, 2) for day in (1, 2, 3)])
    store.write_offer_days([sighting_day(1, 3, market="harbour"), sighting_day(1, 3, version="2.0")])
    report = store.replace_offer_days("lantern", VERSION, date(2031, 3, 2), iter([
        sighting_day(1, 2), sighting_day(1, 3, sightings=9), sighting_day(4, 3)]))
    assert (report.written, report.unchanged) == (2, 1)
    names = ["offer", "day", "sightings"]
    columns = concat(store.scan("offer_day", Filter(market=("lantern",)), names), names)
    assert list(zip(columns["offer"], columns["day"], columns["sightings"].tolist(), strict=True)) == [
        ("o0001", "2031-03-01", 2), ("o0001", "2031-03-02", 2), ("o0001", "2031-03-03", 9), ("o0002", "2031-03-01", 2),
        ("o0004", "2031-03-03", 2)]
    assert len(concat(store.scan("offer_day", Filter(market=("harbour",)), ["day"]), ["day"])["day"]) == 1
    assert len(concat(store.scan("offer_day", Filter(), ["day"], "2.0"), ["day"])["day"]) == 1


def test_digest_depends_on_content_alone(store_url: str, store: Store, tmp_path: Path) -> None:
    rows = [
        *random_observations(seed=5),
        rich(),
        seen(99, title="\ud800 x\0"),
        seen(98, observed_at=START.replace(microsecond=7)),
    ]
    store.write(rows)
    store.write_offer_days([sighting_day(1), sighting_day(2, exposure_hours=1 / 3)])
    store.write_crawl(crawl_of(1))
    other = open_store(f"sqlite:///{tmp_path / 'other.db'}")
    other.write_crawl(crawl_of(1))
    other.write_offer_days([sighting_day(2, exposure_hours=1 / 3), sighting_day(1)])
    for place in range(0, len(rows), 20):
        other.write(reversed(rows[place : place + 20]))
    assert dict(other.digest()) == dict(store.digest())
    assert set(store.digest()) == {"observation", "offer_day", "crawl"}
    again = open_store(store_url)
    assert dict(again.digest()) == dict(store.digest())
    again.close()
    other.close()


def test_quantiles_and_dropped_versions(store: Store) -> None:
    store.write(seen(number, version=version) for number in range(4) for version in (VERSION, "other"))
    prices = {"unit": "g", "currency": "USD", "unit_price": 500, "region": "GE-TB"}
    for version in (VERSION, "other"):
        store.write_offer_days(
            sighting_day(number, day, version=version, unit_price_usd=100 * number + day, **prices)
            for number in range(4) for day in (1, 2))
    store.set_current_version(VERSION)
    found = store.quantiles(Filter(), "month", ("region",), "unit_price_usd", (0.0, 0.5, 1.0))
    assert [(row.series, row.n, row.currency, row.values) for row in found] == [
        (("GE-TB",), 8, None, (1.0, 151.5, 302.0))]
    assert [row.n for row in store.quantiles(Filter(), "day", (), "unit_price", (0.5,))] == [4, 4]
    assert store.quantiles(Filter(region=("RU",)), "week", (), "unit_price", (0.5,)) == []
    assert store.versions() == sorted([VERSION, "other"])
    before = store.count_distinct(Filter(), ("crawl",), "offer")
    with pytest.raises(UsageError, match="readers see"):
        store.drop_version(VERSION)
    assert store.drop_version("other") == 12
    assert store.drop_version("other") == 0
    assert store.versions() == [VERSION]
    store.rebuild()
    assert store.count_distinct(Filter(), ("crawl",), "offer") == before
    assert store.quantiles(Filter(), "month", ("region",), "unit_price_usd", (0.0, 0.5, 1.0)) == found
