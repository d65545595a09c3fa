"""Listings to Observations: site's fields joined with what the text says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from crawler.items import Crawl, CrawlKind, CrawlOutcome, Listing, Offer
from extract.build import ObservationBuilder
from extract.fx import Rate, RateTable
from extract.observation import Flag, Observation, Stash
from extract.pipeline import Extractor
from extract.tiers import parse_tier


@pytest.fixture(scope="module")
def builder() -> ObservationBuilder:
    rates = [Rate(date=date(2025, 1, 6), base="RUB", quote="USD", rate=0.01, source="test")]
    return ObservationBuilder(Extractor(), RateTable(rates, use_ecb=False))


def build(
    builder: ObservationBuilder, title: str, *offers: Offer, pieces_as_grams: bool = False, **more: Any
) -> list[Observation]:
    listing = Listing(
        market="m", listing="l1", crawl="c1", observed_at=datetime(2025, 1, 6, 22, 30, tzinfo=UTC), title=title,
        offers=offers, parser="p", **more,
    )
    crawl = Crawl(
        id="c1", market="m", kind=CrawlKind.FULL, started=listing.observed_at, outcome=CrawlOutcome.COMPLETE,
        tz="Europe/Moscow", country="RU", pieces_as_grams=pieces_as_grams,
    )
    return list(builder.build([listing], crawl))


def test_one_observation_an_offer_with_local_day_and_integer_money(builder: ObservationBuilder) -> None:
    found = build(
        builder, "Мефедрон кристаллы",
        Offer(price="1 600 руб.", quantity="0,5 г", place="Казань", stash="прикоп", ready=3),
        Offer(price="2 900 ₽", quantity="1 г", place="Москва", stash="магнит", ready=0),
    )
    assert [one.day for one in found] == [date(2025, 1, 7)] * 2  # 22:30 UTC is the next day in Moscow
    assert [one.amount for one in found] == [160_000, 290_000]
    assert [one.unit_price for one in found] == [3_200 * 10_000, 2_900 * 10_000]
    assert [one.unit_price_usd for one in found] == [32 * 10_000, 29 * 10_000]
    assert [one.amount_usd for one in found] == [1_600, 2_900]
    assert [one.region for one in found] == ["RU-TA", "RU-MOW"]
    assert [one.stash for one in found] == [Stash.BURIED, Stash.MAGNET]
    assert {one.substance for one in found} == {"mephedrone"}
    assert found[0].offer != found[1].offer
    assert found[0].fx_source == "test"


def test_an_offer_keeps_its_id_when_price_and_stock_change(builder: ObservationBuilder) -> None:
    first = build(builder, "Гашиш", Offer(price="900 руб", quantity="1 г", place="Казань", ready=3))
    second = build(builder, "Гашиш", Offer(price="1100 руб", quantity="1 г", place="Казань", ready=1))
    other = build(builder, "Гашиш", Offer(price="900 руб", quantity="2 г", place="Казань", ready=3))
    assert first[0].offer == second[0].offer != other[0].offer


def test_without_a_rate_the_dollar_price_stays_empty(builder: ObservationBuilder) -> None:
    found = build(builder, "Гашиш", Offer(price="₸9 000", quantity="1 г"))[0]
    assert (found.currency, found.amount, found.unit_price) == ("KZT", 900_000, 9_000 * 10_000)
    assert found.unit_price_usd is None
    assert found.fx_rate is None


def test_a_counted_form_is_counted_only_where_the_site_labels_all_in_grams(builder: ObservationBuilder) -> None:
    offer = Offer(quantity="10 гр")
    assert [one.unit for one in build(builder, "ЛСД марки", offer, pieces_as_grams=True)] == ["unit"]
    assert [one.unit for one in build(builder, "ЛСД марки", offer)] == ["g"]


def test_pieces_labelled_as_grams_are_pieces(builder: ObservationBuilder) -> None:
    assert [(one.quantity, one.unit) for one in build(builder, "10шт. ЛСД марки 200мкг", Offer(quantity="10 гр"))] == [(10, "unit")]
    assert [(one.quantity, one.unit) for one in build(builder, "Гашиш 10 гр", Offer(quantity="10 гр"))] == [(10, "g")]


def test_a_listing_without_offers_gives_what_its_text_says(builder: ObservationBuilder) -> None:
    found = build(builder, "Гашиш 5 г 4000 руб")
    assert [(one.quantity, one.amount) for one in found] == [(5, 400_000)]


def test_placeholder_holding_and_impossible_prices_are_flagged(builder: ObservationBuilder) -> None:
    def flags(price: str) -> tuple[Flag, ...]:
        return build(builder, "Мефедрон", Offer(price=price, quantity="1 г"))[0].flags

    assert flags("1 руб") == (Flag.PLACEHOLDER,)
    assert flags("99999 руб") == (Flag.HOLDING,)
    assert flags("9000000 руб") == (Flag.OUTLIER,)
    assert flags("2500 руб") == ()


def test_offers_that_come_to_one_id_are_one(builder: ObservationBuilder) -> None:
    assert len(build(builder, "Гашиш", Offer(price="900 руб", quantity="1 г"), Offer(price="950 руб", quantity="1,0 гр"))) == 1


def test_an_unreadable_price_is_no_price(builder: ObservationBuilder) -> None:
    found = build(builder, "Гашиш", Offer(price="договорная", quantity="1 г"))[0]
    assert (found.price_text, found.amount, found.currency) == ("договорная", None, None)


@pytest.mark.parametrize(
    ("price", "quantity", "currency", "unit_price"),
    [("9" * 19 + " руб", "1 г", None, None), ("9" * 400 + " руб", "1 г", None, None),
     ("92233720368547758.07 руб", "1 г", None, None), ("9" * 12 + " руб", "0.0001 г", "RUB", None), ("9" * 12 + " руб", "1 г", "RUB", (10**12 - 1) * 10**4)],
)  # fmt: skip
def test_what_no_store_can_hold_is_unread_and_the_offer_stays(
    builder: ObservationBuilder, price: str, quantity: str, currency: str | None, unit_price: int | None
) -> None:
    found = build(builder, "Гашиш", Offer(price=price, quantity=quantity))[0]
    assert (found.price_text, found.currency, found.unit_price) == (price, currency, unit_price)
    assert all(float(one) < 2**63 for one in found.__dict__.values() if isinstance(one, int))


def test_a_number_too_large_to_count_packages_or_feedback_is_unread(builder: ObservationBuilder) -> None:
    found = build(builder, "Гашиш", Offer(quantity="1 г", ready=10**15, preorder=10**15 - 1))[0]
    assert (found.ready, found.preorder) == (None, 10**15 - 1)


@pytest.mark.parametrize(
    ("title", "own", "steps", "expected"),
    [
        # what one costs from so many on: a package of the least, at so many times that price
        ("XTC pills 280 mg", ("4 USD", "Each"), [("3 USD", "Each (5 or more)"), ("2.50 USD", "Each (1,000 or more)")],
         [(1, 400), (5, 1_500), (1_000, 250_000)]),
        ("Amnesia Haze", ("10 USD", "g"), [("8 USD", "g (28 or more)")], [(1, 1_000), (28, 22_400)]),
        ("Amnesia Haze", ("100 USD", "14g"), [("90 USD", "14g (2 or more)")], [(14, 10_000), (28, 18_000)]),
        # no unit: so many times what the listing sells
        ("Cocaine 2g", ("100 USD", None), [("90 USD", "From qty 5 to 9"), ("80 USD", "From qty 10 or more")],
         [(2, 10_000), (10, 45_000), (20, 80_000)]),
        # or so many pieces, where only that goes with the listing's own price
        ("Xanax 2mg x 500 pills", ("400 USD", None), [("0.70 USD", "From qty 1000 to 1999")],
         [(500, 40_000), (1_000, 70_000)]),
        # or nobody knows
        ("Cocaine 2g", ("100 USD", None), [("1 USD", "From qty 5 to 9")], [(2, 10_000), (None, 100)]),
    ],
)  # fmt: skip
def test_each_step_of_a_price_list_is_an_offer(
    builder: ObservationBuilder, title: str, own: tuple[str, str | None], steps: list[tuple[str, str]],
    expected: list[tuple[float | None, int]],
) -> None:
    offers = [Offer(price=price, quantity=quantity) for price, quantity in [own, *steps]]
    found = build(builder, title, *offers)
    assert [(one.quantity, one.amount) for one in found] == expected
    assert len({one.offer for one in found}) == len(found)
    assert [one.quantity_text for one in found[1:]] == [quantity for _, quantity in steps]
    assert [one.price_text for one in found] == [offer.price for offer in offers]


@pytest.mark.parametrize("text", ["1 g", "10 x 20mg", "", "from 5", "0.33 гр", "or more", "qty", "(0 or more)", "g" * 9_999])
def test_other_quantities_are_no_steps(text: str) -> None:
    assert parse_tier(text) is None


def test_steps_are_read_in_linear_time() -> None:
    assert parse_tier("(" * 50_000 + "1 " * 50_000 + "or more") is None


@pytest.mark.parametrize(
    ("title", "unit", "expected"),
    [
        ('20 x "RED DRAGON" XTC 265mg', "Each", (20, "unit")), ("Nitrazepam 5mg 28 tab BOX", "each", (28, "unit")),
        ("15X DISTILLATE CARTRIDGE", "ORDER", (15, "unit")), ("Cocaine 2g", "Item", (2, "g")),
        ("XTC 280mg top quality", "Each", (1, "unit")), ("25-500x XTC 260mg", "Each", (1, "unit")),
        ("Xanax 2mg", "Each", (1, "unit")), ("Cocaine 2g", "1 g", (1, "g")),
    ],
)  # fmt: skip
def test_each_is_one_of_what_the_title_offers(
    builder: ObservationBuilder, title: str, unit: str, expected: tuple[float, str]
) -> None:
    (found,) = build(builder, title, Offer(price="10 USD", quantity=unit))
    assert (found.quantity, found.unit) == expected
    (_, step) = build(builder, title, Offer(price="10 USD", quantity=unit), Offer(price="9 USD", quantity=f"{unit} (5 or more)"))
    assert (step.quantity, step.unit, step.amount) == (5 * expected[0], expected[1], 4_500)


def test_a_land_in_the_market_s_own_field_is_not_added_to(builder: ObservationBuilder) -> None:
    text = "Delivery: 1-2 days - Netherlands, 3-5 days - Europe. Sent from Germany or Poland. Not to Austria."
    (stated,) = build(builder, "Speed 10g | UK", ships_from="Germany", ships_to=("Europe",), description=text)
    assert (stated.ships_from, stated.ships_to, stated.ships_except) == (("DE",), ("EU",), ("AT",))
    (nowhere,) = build(builder, "Speed 10g | UK", ships_from="Worldwide")
    assert nowhere.ships_from == ("GB", "WORLD")
    (unstated,) = build(builder, "Speed 10g, from Germany to Europe")
    assert (unstated.ships_from, unstated.ships_to) == (("DE",), ("EU",))
