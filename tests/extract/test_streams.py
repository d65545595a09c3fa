"""Streams of listings and the tokenizer's memory: what is remembered for speed never changes what is read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract import pipeline, tokenizer
from extract.components.places import Places
from extract.disguise import Normaliser
from extract.marks import marked
from extract.pipeline import BATCH, Extractor
from extract.quantity_patterns import HINTS
from extract.quantity_rules import read_quantities
from extract.tokenizer import _SPLIT, Tokenizer, build_vocab, tokenizer_of

NORMALISER = Normaliser({}, set())
TOKENIZERS = Tokenizer(build_vocab(str.lower)), Tokenizer(build_vocab(NORMALISER), NORMALISER)


@given(st.text(st.sampled_from("aбZ3$@ \n\u0301,.0-"), max_size=24), st.sampled_from(TOKENIZERS))
def test_chunks_give_the_tokens_of_the_whole_text(text: str, reader: Tokenizer) -> None:
    laid = reader.read(text)
    written = [(laid.word(token), laid.starts[token]) for token in range(laid.count)]
    doc = reader(text)
    assert written == [(token.text, token.idx) for token in doc]
    assert [(token.text, bool(token.whitespace_)) for token in doc] == [(w, b == " ") for w, b in _SPLIT.findall(text)]
    assert "".join(token.text_with_ws for token in doc) == text == doc.text


def test_marks_are_of_words_of_parts_and_of_rules() -> None:
    normaliser = Normaliser({}, set())
    tokens = Tokenizer(build_vocab(normaliser), normaliser)
    tokens("уже прочтено")
    word, code = tokens.add_mark(["ёж".replace("ё", "е")]), tokens.add_mark(exact=["UK"])
    long = tokens.add_mark(holds=lambda token: len(token) > 8)
    doc = tokens("Ёж uk UK, уже прочтено")
    assert [marked(doc, bit) for bit in (word, code, long, word | code)] == [[0], [2], [], [0, 2]]
    assert marked(tokens("долгоиграющий"), long) == [0]


def test_tails_spare_no_word_that_a_rule_or_a_typing_error_makes_telling() -> None:
    normaliser = Normaliser({"mephedrone": "mephedrone"}, {"mephedrone"})
    tokens = Tokenizer(build_vocab(normaliser), normaliser)
    ending = tokens.add_mark(holds=lambda token: token.endswith("zolam"), tails={"lam"})
    short = tokens.add_mark(holds=lambda token: len(token) == 1, tails=())
    name = tokens.add_mark(norms=["mephedrone"])
    doc = tokens("quzolam islam ordinary f mephedrne mepedrone rephedrone")
    assert [marked(doc, bit) for bit in (ending, short, name)] == [[0], [3], [4, 5]]


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


def test_streams_may_be_read_by_turns_and_what_is_remembered_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "KEPT", 300)
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


def test_what_is_remembered_has_a_bound_and_no_word_of_a_text_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "KEPT", 500)
    extractor = Extractor()
    strings = len(extractor.nlp.vocab.strings)
    lexemes = len(extractor.nlp.vocab)
    texts = [f"чвяк{number} гaшиш {number},5г бурмл{'ъ' * (number % 9)}{number} b{number}z" for number in range(2_000)]
    assert all(one.substances[0].id == "cannabis-resin" for one in extractor.read_many({"title": t} for t in texts))
    remembered = tokenizer_of(extractor.nlp)
    assert max(len(remembered._chunks), len(remembered._words)) <= 500
    assert (len(extractor.nlp.vocab.strings), len(extractor.nlp.vocab)) == (strings, lexemes)


@pytest.mark.parametrize("text", ["", " ", "  a ", "MDMA  0.5г\n", "k3tamine,\n\nя", "é\u0301 \u200b b"])
def test_spacy_tokens_are_those_of_the_listing(text: str) -> None:
    nlp = Extractor().nlp
    laid = tokenizer_of(nlp).read(text)
    words = [laid.word(token) for token in range(laid.count)]
    assert [one.text for one in laid] == words
    assert len(laid) == laid.count
    assert "".join(one.text_with_ws for one in laid) == laid.text == text
    assert [laid[at].norm_ for at in range(laid.count)] == [tokenizer_of(nlp).normalise(word) for word in words]


@given(st.lists(st.sampled_from(["пол", "грамма", "half", "an", "ounce", "1", "8", "x", "ball", "/", "g", "за", "гр",
                                 "eighth", "5", "a", "pill", "полтора", "-", "две", "таблетки", "полграмма",
                                 "of", "one", "hundred", "q.p.", "мg", "слово"]), max_size=12),
       st.sampled_from([" ", "", "-"]))  # fmt: skip
def test_hints_lead_to_all_amounts_in_words(words: list[str], joiner: str) -> None:
    text = joiner.join(words)
    hints = [match.span(1) for match in _SPLIT.finditer(text) if match[1].lower() in HINTS]
    assert read_quantities(text, [], hints=hints) == read_quantities(text, [])
