"""Streams of listings and the tokenizer's memory: what is remembered for speed never changes what is read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract import pipeline
from extract.components.places import Places
from extract.marks import marked
from extract.pipeline import BATCH, Extractor
from extract.quantity_patterns import HINTS
from extract.quantity_rules import read_quantities
from extract.tokenizer import _SPLIT, Tokenizer, build_vocab

TOKENIZER = Tokenizer(build_vocab(str.lower))


@given(st.text(st.sampled_from("aбZ3$@ \n\u0301,.0-"), max_size=24))
def test_chunks_give_the_tokens_of_the_whole_text(text: str) -> None:
    doc = TOKENIZER(text)
    assert [(token.text, bool(token.whitespace_)) for token in doc] == [(w, b == " ") for w, b in _SPLIT.findall(text)]
    assert "".join(token.text_with_ws for token in doc) == text == doc.text


def test_marks_are_of_words_of_parts_and_of_rules() -> None:
    tokenizer = Tokenizer(build_vocab(str.lower))
    tokenizer("уже прочтено")
    word, code = tokenizer.add_mark(["ёж".replace("ё", "е")]), tokenizer.add_mark(exact=["UK"])
    long = tokenizer.add_mark(holds=lambda token: len(token) > 8)
    doc = tokenizer("Ёж uk UK, уже прочтено")
    assert [marked(doc, bit) for bit in (word, code, long, word | code)] == [[0], [2], [], [0, 2]]
    assert marked(tokenizer("долгоиграющий"), long) == [0]


def test_another_tokenizer_is_refused() -> None:
    spacy = pytest.importorskip("spacy")
    with pytest.raises(TypeError, match="Tokenizer"):
        Places(spacy.blank("xx"))


def test_a_slow_source_waits_for_one_batch_only() -> None:
    taken = 0

    def source() -> Iterator[dict[str, str]]:
        nonlocal taken
        for number in range(10 * BATCH):
            taken += 1
            yield {"title": f"гашиш {number} г"}

    next(Extractor().read_many(source()))
    assert taken == BATCH


def test_streams_may_be_read_by_turns_over_several_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "ZONE", 300)
    monkeypatch.setattr(pipeline, "CACHE", 10)
    extractor = Extractor()
    left = extractor.read_many({"title": f"Мефедрон {number} г Тула вбв{number}"} for number in range(1, 700))
    right = extractor.read_many({"title": f"кокаин {number} г Казань вбв{number}"} for number in range(1, 900))
    for number in range(1, 400):
        one, other = next(left), next(right)
        assert [each.substances[0].id for each in (one, other)] == ["mephedrone", "cocaine"]
        assert one.quantities[0].base_amount == other.quantities[0].base_amount == number
    left.close()
    assert extractor.read({"title": "гашиш 2 г"}).substances[0].id == "cannabis-resin"
    assert all(one.substances[0].id == "cocaine" for one in right)
    assert extractor.read({"title": "гашиш 3 г Тула"}).regions[0].code == "RU-TUL"


@given(st.lists(st.sampled_from(["пол", "грамма", "half", "an", "ounce", "1", "8", "x", "ball", "/", "g", "за", "гр",
                                 "eighth", "5", "a", "pill", "полтора", "-", "две", "таблетки", "полграмма",
                                 "of", "one", "hundred", "q.p.", "мg", "слово"]), max_size=12),
       st.sampled_from([" ", "", "-"]))  # fmt: skip
def test_hints_lead_to_all_amounts_in_words(words: list[str], joiner: str) -> None:
    text = joiner.join(words)
    hints = [match.span(1) for match in _SPLIT.finditer(text) if match[1].lower() in HINTS]
    assert read_quantities(text, [], hints=hints) == read_quantities(text, [])
