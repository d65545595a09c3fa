"""What a description may add to a title, and what the category settles."""

from __future__ import annotations

import pytest

from extract.observation import Kind
from extract.pipeline import Extractor


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


@pytest.mark.parametrize(
    ("fields", "substances"),
    [
        # what else its seller has is not the listing's, whatever amounts stand there
        ({"title": "20 g ketamine", "description": "See our other products:\n250 ug LSD\n1g MDMA"}, ["ketamine"]),
        ({"title": "20 g ketamine", "description": "We also have 1g MDMA, 5g speed."}, ["ketamine"]),
        ({"title": "Гашиш 1г", "description": "Также в наличии: мефедрон 1г, кокаин 2г"}, ["cannabis-resin"]),
        # but of a listing that has no other name
        ({"title": "Party pack", "description": "1g ketamine. See our other products."}, ["ketamine"]),
        ({"title": "Mix", "description": "1g MDMA, 2g ketamine"}, ["mdma", "ketamine"]),
        # the category settles what is made of the plant, before words of praise
        ({"title": "Amnesia Haze AAA", "description": "A kief-caked wonder", "category": "Weed"}, ["cannabis-herb"]),
        ({"title": "Amnesia Haze 5g", "category": "Hash"}, ["cannabis-resin"]),
        ({"title": "Amnesia Haze 5g", "category": "Cannabis & Hashish"}, ["cannabis-herb"]),
        ({"title": "Amnesia Haze wax 5g", "category": "Weed"}, ["cannabis-concentrate"]),
        # a brand in quotes, and a customer's words
        ({"title": '7G Coke "RED DRAGON" + 1g hash oil'}, ["cocaine", "cannabis-concentrate"]),
        ({"title": '2 G Jolly Kush. "Best taste and stone of them"'}, ["cannabis-herb"]),
        ({"title": '"Speed and Style" poster book'}, []),
    ],
)  # fmt: skip
def test_fields_are_weighed(extractor: Extractor, fields: dict[str, str], substances: list[str]) -> None:
    assert [one.id for one in extractor.read(fields).substances] == substances


@pytest.mark.parametrize(
    ("fields", "kind", "form"),
    [
        # words for search engines do not make something else of a listing
        ({"title": "250G pure cocaine", "description": "hacked accounts, carding, gift cards, ebay, logins. " * 60},
         Kind.OFFER, None),
        ({"title": "Netflix account", "description": "Lifetime warranty"}, Kind.OTHER, None),
        # of a category the last step; pieces of the dose of ecstasy or blotters; what blotters are made from
        ({"title": "2 GR DUTCH MDMA", "category": "Ecstasy > MDMA"}, Kind.OFFER, None),
        ({"title": "Jolly Rogers 5g", "category": "MDMA > Ecstasy pills"}, Kind.OFFER, "pill"),
        ({"title": '20 x "RED DRAGON" 265mg', "category": "Ecstasy > MDMA"}, Kind.OFFER, "pill"),
        ({"title": "10 x LSD 155mcg", "description": "laid from the purest crystal"}, Kind.OFFER, "blotter"),
        ({"title": "MDMA crystallized 2g, 98+ pure, light brown"}, Kind.OFFER, "crystal"),
    ],
)  # fmt: skip
def test_kind_and_form_are_the_listing_s(
    extractor: Extractor, fields: dict[str, str], kind: Kind, form: str | None
) -> None:
    read = extractor.read(fields)
    assert (read.kind, read.form) == (kind, form)


def test_a_description_without_a_title_may_hide_things_in_a_town(extractor: Extractor) -> None:
    reading = extractor.read({"description": "Спиды 1г, тайник, Тула"})
    assert [one.id for one in reading.substances] == ["amphetamine"]
