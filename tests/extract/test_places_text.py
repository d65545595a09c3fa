"""Places in running text and in fields, with roles, through the spaCy component."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.lang.xx import MultiLanguage
from spacy.language import Language

import extract.components.places  # noqa: F401
from extract.found import KEY, FieldSpan, Found, found
from extract.tokenizer import Tokenizer, build_vocab


@cache
def build() -> Language:
    vocab = build_vocab(str.lower)
    language = MultiLanguage(vocab, create_tokenizer=lambda _: Tokenizer(vocab))
    language.add_pipe("dropline_places")
    return language


@pytest.fixture(scope="module")
def nlp() -> Language:
    return build()


def read(nlp: Language, text: str, field: str = "title") -> list[tuple[str, str]]:
    doc = nlp.make_doc(text)
    doc.user_data[KEY] = Found(fields=(FieldSpan(field, 0, len(text)),))
    doc = nlp.get_pipe("dropline_places")(doc)
    for one in found(doc).regions:
        assert 0 <= one.start < one.end <= len(text)
    return [(one.code, one.role) for one in found(doc).regions]


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("Меф 1г Москва ЮАО", [("RU-MOW", "place")]),
        ("меф 1г мск", [("RU-MOW", "place")]),
        ("MDMA 5g || UTRECHT || USA AUS EU WW", [("US", "to"), ("AU", "to"), ("EU", "to"), ("WORLD", "to")]),
        ("шишки по питеру", [("RU-SPE", "place")]),
        ("Отправка по РФ, быстро", [("RU", "to")]),
        ("Отправка из/по РФ", [("RU", "from"), ("RU", "to")]),
        ("Отправляем по всей России, кроме Чечни", [("RU", "to"), ("RU-CE", "except")]),
        ("доставка из Казани в Уфу", [("RU-TA", "from"), ("RU-BA", "to")]),
        ("Гашиш из Москвы", [("RU-MOW", "from")]),
        ("Тверь, Ростов-на-Дону и Питер", [("RU-TVE", "place"), ("RU-ROS", "place"), ("RU-SPE", "place")]),
        ("готовые клады в Грузии", [("GE", "place")]),
        ("Владимир 1г меф", [("RU-VLA", "place")]),
        ("Брест 1г", [("BY-BR", "place")]),
        ("Казахстан, Россия отправка", [("KZ", "to"), ("RU", "to")]),
        ("shipped anywhere in the USA", [("US", "to")]),
        ("клад в Крыму", [("UA-43", "place")]),
        ("СКИДКА!!! КУТАИСИ!!!", [("GE-IM", "place")]),
        ("amnesia 1g in Tbilisi", [("GE-TB", "place")]),
        ("Железногорск (Курская область)", [("RU-KRS", "place")]),
        ("1g MDMA ships from UK", [("GB", "from")]),
        ("sent from Germany", [("DE", "from")]),
        ("[NL > EU] 4 gr resin, sent from the Netherlands", [("NL", "from"), ("EU", "to")]),
        ("NL->WW", [("NL", "from"), ("WORLD", "to")]),
        ("UK-UK 1g", [("GB", "from"), ("GB", "to")]),
        ("US2US", [("US", "from"), ("US", "to")]),
        ("dispatched daily from Birmingham UK", [("GB", "from")]),
        ("made in India, shipped from Singapore worldwide", [("SG", "from"), ("WORLD", "to")]),
        ("express to Germany & Austria", [("DE", "to"), ("AT", "to")]),
        ("EU only", [("EU", "to")]),
        ("Worldwide except USA and Canada", [("WORLD", "to"), ("US", "except"), ("CA", "except")]),
        ("free UK delivery", [("GB", "to")]),
        ("we ship to UK, EU, USA", [("GB", "to"), ("EU", "to"), ("US", "to")]),
    ],
)
def test_roles(nlp: Language, text: str, regions: list[tuple[str, str]]) -> None:
    assert read(nlp, text) == regions


@pytest.mark.parametrize(
    "text",
    [
        "made to be effective in oral use", "Moroccan hash 5g", "Colombian cocaine 1g", "Afghan kush", "Durban Poison 3.5g", "Amsterdam Gold weed",
        "New York Diesel", "Cali weed top shelf", "Manali cream", "Dutch MDMA", "pure MDMA from Europe", "Jamaica lambsbread",
        "героин из Афганистана", "импорт с США", "голландское качество", "кокаин из Колумбии", "евро гашиш",
        "мир и покой", "мёд Алтай", "орёл на марке", "остров бонусов", "бор", "Доставка Почтой России", "5 чел в очереди", "ишим помощника на склад",
        "IT IS THE BEST, BE HAPPY, NO STRESS", "turkey tail mushroom", "chad bags", "perm curl", "oral dose",
    ],
)  # fmt: skip
def test_origins_strains_and_common_words_are_no_regions(nlp: Language, text: str) -> None:
    assert read(nlp, text) == []


@pytest.mark.parametrize(
    ("field", "text", "regions"),
    [
        ("ships_to", "United States, Worldwide", [("US", "to"), ("WORLD", "to")]),
        ("ships_to", "Worldwide except USA", [("WORLD", "to"), ("US", "except")]),
        ("ships_from", "Netherlands", [("NL", "from")]),
        ("ships_except", "USA and Canada", [("US", "except"), ("CA", "except")]),
        ("place", " Москва, Бутово ", [("RU-MOW", "place")]),
        ("place", "Тбилиси, Батуми", [("GE-TB", "place"), ("GE-AJ", "place")]),
        ("category", "Москва", []),
    ],
)
def test_fields(nlp: Language, field: str, text: str, regions: list[tuple[str, str]]) -> None:
    assert read(nlp, text, field) == regions


def test_offsets_are_of_the_whole_doc(nlp: Language) -> None:
    text = "гашиш\nКазань"
    doc = nlp.make_doc(text)
    doc.user_data[KEY] = Found(fields=(FieldSpan("title", 0, 5), FieldSpan("place", 6, 12)))
    doc = nlp.get_pipe("dropline_places")(doc)
    assert [text[one.start : one.end] for one in found(doc).regions] == ["Казань"]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120))
def test_any_text_is_survived(text: str) -> None:
    read(build(), text)
    read(build(), f"Москва {text} ships to UK {text}", "description")


def test_a_long_text_full_of_places_is_quick(nlp: Language) -> None:
    component = nlp.get_pipe("dropline_places")
    text = "Москва, Тула; ships to UK, Орёл - " * 1500
    began = time.process_time()
    assert component.read_text(text)
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        # Latin look-alikes within a Cyrillic name
        ("Меф 1г Тoмск", {("RU-TOM", "place")}), ("Гашиш 2г Уфa", {("RU-BA", "place")}),
        ("Кокс 1г Hовосибирск", {("RU-NVS", "place")}), ("Меф 1г Hижний Hовгород", {("RU-NIZ", "place")}),
        # German words of shipping; a carrier that says where parcels go; a delivery by the next day
        ("Speed 10g Versand aus Polen nach Deutschland", {("DE", "to")}), ("Ketamin 5g aus Deutschland", {("DE", "from")}),
        ("ГБЛ 1л почтой РФ", {("RU", "to")}), ("Zopiclone 28 tabs next day UK", {("GB", "to")}),
        ("Speed 5g aus eigener Produktion", set()),
    ],
)  # fmt: skip
def test_further_wordings(nlp: Language, title: str, expected: set[tuple[str, str]]) -> None:
    assert set(read(nlp, title)) == expected
