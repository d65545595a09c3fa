"""Disguise: the word is found, and the offsets are those of the text as written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.disguise import Normaliser, one_edit_apart
from extract.pipeline import Extractor
from extract.tokenizer import Tokenizer, build_vocab
from extract.transliterate import transliterate


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("г а ш и ш", "cannabis-resin"), ("Г А Ш", "cannabis-resin"), ("г.а.ш.и.ш", "cannabis-resin"),
        ("L S D", "lsd"), ("C O C A i N E", "cocaine"), ("A - P v P", "alpha-pvp"), ("к*каин", "cocaine"),
        ("k3tamine", "ketamine"), ("c0caine", "cocaine"), ("h3r0in", "heroin"), ("сосаinе", "cocaine"),
        ("мефeдpoн", "mephedrone"), ("мефедроооон", "mephedrone"), ("amphetaminne", "amphetamine"),
        ("ме\u200bфедрон", "mephedrone"), ("кокаи\u0301н", "cocaine"), ("МЕФЕДРОНОМ", "mephedrone"),
        ("мефедорн", "mephedrone"), ("cocaiiine", "cocaine"), ("мариxуана", "cannabis-herb"), ("ГЕР0ИН", "heroin"),
        ("Тропікамід", "tropicamide"), ("Кетаміну", "ketamine"), ("КОДЕЇН", "codeine"),
        ("cocaineÂ", "cocaine"),
    ],
)  # fmt: skip
def test_disguised_names_are_found_where_they_stand(extractor: Extractor, written: str, expected: str) -> None:
    title = f"топ {written} 2 г"
    (one,) = extractor.read({"title": title}).substances
    assert one.id == expected
    assert (one.start, one.text) == (4, written)


@pytest.mark.parametrize("word", ["рот", "marines", "methane", "endorphin", "cocoon", "кокарда", "героиня"])
def test_ordinary_words_stay_what_they_are(extractor: Extractor, word: str) -> None:
    assert extractor.read({"title": f"{word} 1 шт"}).substances == ()


@pytest.mark.parametrize(
    ("left", "right", "near"),
    [("heroin", "heroine", True), ("heroin", "heorin", True), ("heroin", "horoin", True), ("heroin", "heroin", False),
     ("heroin", "hero", False), ("abc", "cba", False), ("cocaine", "cociane", True), ("cocaine", "cocianee", False)],
)  # fmt: skip
def test_one_edit(left: str, right: str, near: bool) -> None:
    assert one_edit_apart(left, right) is near
    assert one_edit_apart(right, left) is near


@given(st.text())
def test_normaliser_answers_any_word(word: str) -> None:
    assert isinstance(Normaliser({"меф": "меф"}, {"мефедрон"})(word), str)


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_tokens_join_to_the_text(text: str) -> None:
    doc = Tokenizer(build_vocab(str.lower))(text)
    assert "".join(token.text_with_ws for token in doc) == text == doc.text


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("0.33г", ["0.33", "г"]), ("5шт", ["5", "шт"]), ("2C-B", ["2", "C", "-", "B"]), ("k3tamine", ["k3tamine"]),
     ("меф1г", ["меф", "1", "г"]), ("10x20mg", ["10", "x", "20", "mg"]), ("1/8", ["1", "/", "8"])],
)  # fmt: skip
def test_tokens(text: str, tokens: list[str]) -> None:
    assert [token.text for token in Tokenizer(build_vocab(str.lower))(text)] == tokens


def test_transliteration_has_several_habits() -> None:
    assert {"gashish", "gawiw"} <= transliterate("гашиш")
    assert {"mefedron"} <= transliterate("мефедрон")


@pytest.mark.parametrize(
    ("title", "substance"),
    [
        # digits that end a word like an ordinal, two equal digits, a Cyrillic e written as 3
        ("M3th 2g", "methamphetamine"), ("Sp33d 10g", "amphetamine"), ("W33d 7g", "cannabis-herb"), ("М3фа 2г", "mephedrone"),
        # by-words spelt out, long names broken in two
        ("S P E E D 5g", "amphetamine"), ("C-O-K-E 1g", "cocaine"), ("Amphet amine 5g", "amphetamine"),
        ("Mephe drone 2g", "mephedrone"), ("Me7h 2g", "methamphetamine"), ("Гa шиш 2г", "cannabis-resin"),
    ],
)  # fmt: skip
def test_further_disguises(extractor: Extractor, title: str, substance: str) -> None:
    assert [one.id for one in extractor.read({"title": title}).substances] == [substance]


@pytest.mark.parametrize("title", ["Ethyl one 5g", "Code in a book 20g", "Dec 25th 5g", "I C E B O X 2 kg"])
def test_what_is_no_disguise(extractor: Extractor, title: str) -> None:
    assert extractor.read({"title": title}).substances == ()
