"""By-words and strains among words that no table knows: what weights, places in the title and other names make of them."""

from __future__ import annotations

import pytest

from extract.pipeline import Extractor


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        # weights that hardly anything but drugs is sold in bear strangers, unless the next word is one
        ("Blistering coke 3.5g", ["cocaine"]), ("Blistering coke 33g", []), ("Coke blistering 3.5g", []),
        ("Zesty marvellous speed 0.5g", ["amphetamine"]), ("Zesty marvellous speed 40 g", []),
        # ... not of names that are the kind of many things
        ("Marigold buds 28 g", []), ("Marigold wax 14 g", []), ("Homegrown bud 7g", ["cannabis-herb"]),
        # nor what is sold by the piece
        ("Marigold bars 2 g", []),
        # strains called like everyday things, in the weights of herb
        ("Banana Bread 3.5g", ["cannabis-herb"]), ("Banana Bread 250 g", []), ("Banana Bread", []),
        ("Banana Bread tin 3.5 g loaf", []), ("Cocaine 1g Banana Bread", ["cocaine"]), ("Lava Cake QP", ["cannabis-herb"]),
        # ... and the origin of what is sold
        ("Bolivian 3.5g clean", ["cocaine"]), ("Bolivian panpipe 3.5g", []), ("Bolivian weed 3.5g", ["cannabis-herb"]),
        # a trait is no second drug
        ("Mandy 2g, brown crystal", ["mdma"]), ("Mandy + crystal 2g", ["mdma", "methamphetamine"]),
        # stamps and prints need their dose
        ("Scooby Doo 250mg x 20", ["mdma"]), ("Scooby Doo x 20", []), ("Cheshire Cat 120ug x 10", ["lsd"]),
        ("Cheshire Cat x 10", []),
        ("Scooby Doo 250mg x 20 overwhelming", ["mdma"]),
        # what milligrams are of is no everyday thing
        ("Rice bites 250mg THC", ["cannabis-herb"]), ("Rice bites THC", []),
        # what oil is sold in
        ("Sour Diesel disposable 1g", ["cannabis-concentrate"]), ("Sour Diesel weed 1g", ["cannabis-herb"]),
        ("Dirty M30 fentanyl presses", ["fentanyl"]), ("M30 x 20", ["oxycodone"]),
        # the order of the text holds for by-words that are joined
        ("Coke and ketamine deal 1g each", ["cocaine", "ketamine"]), ("Coke 1g", ["cocaine"]),
        ("Kush 5g couch lock", ["cannabis-herb"]), ("Kush couch 5g", []),
    ],
)  # fmt: skip
def test_names_among_strangers(extractor: Extractor, title: str, expected: list[str]) -> None:
    assert [one.id for one in extractor.read({"title": title}).substances] == expected


def test_a_category_of_cannabis_says_what_an_everyday_name_is(extractor: Extractor) -> None:
    reading = extractor.read({"title": "Banana Bread 9g", "category": "Buds & Flowers"})
    assert [one.id for one in reading.substances] == ["cannabis-herb"]


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("Stimulants > Speed", ["amphetamine"]), ("Psychedelics > Mushrooms", ["psilocybin"]), ("Edibles", ["cannabis-edible"]),
        ("Concentrates", ["cannabis-concentrate"]), ("Stimulants > Coke", ["cocaine"]), ("Buds & Flowers", ["cannabis-herb"]),
        ("Ice and snow sports equipment", []), ("Stimulants", []),
    ],
)  # fmt: skip
def test_shelves_that_by_words_name(extractor: Extractor, category: str, expected: list[str]) -> None:
    reading = extractor.read({"title": "Excellent, 3g", "category": category})
    assert [one.id for one in reading.substances] == expected
