"""What a description may add to a title, and what the category settles."""

from __future__ import annotations

import pytest

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
