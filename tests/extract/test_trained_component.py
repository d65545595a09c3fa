"""The trained component: what it adds, that it decides nothing, that its weights are those whose scores are stated, and
that training works from end to end. All texts are of our own invention."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import DocBin

from config.errors import UsageError
from extract.components.trained import _trim
from extract.pipeline import Extractor
from extract.trained.data import FORUM, NEWS, Labelled, build_doc, part_of, read_corpora
from extract.trained.extractor import TrainedExtractor
from extract.trained.lines import make_titles, swap_names
from extract.trained.model import SCORES, WEIGHTS, load_trained
from extract.trained.train import score, train_component

OWN = Path(__file__).parent / "own"


@pytest.fixture(scope="module")
def trained() -> TrainedExtractor:
    return TrainedExtractor()


@pytest.fixture(scope="module")
def plain() -> Extractor:
    return Extractor()


@pytest.mark.parametrize(
    ("title", "name"),
    [("Oxibarbol vials 5 x 10 ml", "oxibarbol"), ("Haloxine patches, sealed", "haloxine"), ("A-PLX 1 gram sample", "a-plx")],
)
def test_a_name_that_no_rule_proposes(trained: TrainedExtractor, plain: Extractor, title: str, name: str) -> None:
    assert plain.read({"title": title}).unknown_terms == ()
    (term,) = trained.read({"title": title}).unknown_terms
    assert (term.term, term.rule, term.field) == (name, "trained", "title")
    assert title[term.start : term.end].lower() == name


def test_offsets_are_those_of_the_field(trained: TrainedExtractor) -> None:
    text = "\U0001f525 New: Dravoxine nasal spray"  # an emoji is one code point, two units of UTF-16
    found = trained.read({"title": "New in our shop", "description": text, "place": "Utrecht"}).unknown_terms
    assert [(one.term, text[one.start : one.end]) for one in found if one.rule == "trained"] == [("dravoxine", "Dravoxine")]


def test_it_decides_nothing(trained: TrainedExtractor, plain: Extractor) -> None:
    lines = [line for name in ("listings.txt", "false_friends_2026-11.txt") for line in (OWN / name).read_text("utf-8").splitlines()]
    fields = [{"title": line.split("|")[0].strip()} for line in lines if line.strip() and line[0] != "#"]
    assert len(fields) > 800
    added = 0
    for one, other in zip(plain.read_many(fields), trained.read_many(fields), strict=True):
        assert one == other._replace(unknown_terms=one.unknown_terms)
        assert other.unknown_terms[: len(one.unknown_terms)] == one.unknown_terms
        added += len(other.unknown_terms) - len(one.unknown_terms)
    assert trained.version == plain.version
    assert added <= len(fields) * 0.03, "it proposes too much"


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300))
def test_any_text_has_an_answer(trained: TrainedExtractor, text: str) -> None:
    for one in trained.read({"title": text, "description": text}).unknown_terms:
        assert 0 <= one.start < one.end <= len(text)


@given(st.text(st.sampled_from("ab0 5xgml-."), max_size=30))
def test_trimming_stays_within_the_name(name: str) -> None:
    start, end = _trim(name)
    assert 0 <= start <= len(name)
    assert end <= len(name)


def test_amounts_and_forms_are_cut_off() -> None:
    for name in ("5g xyz", "xyz 5 g", "2 x 10 xyz pills", "xyz capsules x60", "10 pcs of xyz 2mg"):
        start, end = _trim(name)
        assert name[start:end] == "xyz", name


def test_the_weights_are_those_of_the_scores() -> None:
    weights, stated = WEIGHTS.read_bytes(), json.loads(SCORES.read_text(encoding="utf-8"))
    assert hashlib.sha256(weights).hexdigest() == stated["weights_sha256"]
    assert len(weights) < 4_000_000
    assert stated["test"]["forum"]["f1"] >= 0.70
    assert stated["test"]["news"]["f1"] >= 0.85


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"python -m extract\.trained\.train"):
        load_trained(tmp_path / "none.bin")
    (tmp_path / "broken.bin").write_bytes(b"\x81\xa1a\x01")
    with pytest.raises(UsageError, match=r"broken\.bin"):
        load_trained(tmp_path / "broken.bin")


@pytest.mark.shared_data
def test_the_stated_scores_come_again(shared_data: Path) -> None:
    stated = json.loads(SCORES.read_text(encoding="utf-8"))["test"]
    held = [one for one in read_corpora(shared_data / "ner") if part_of(one.text) == "test"]
    nlp = load_trained()
    for corpus in ("forum", "news"):
        now = score(nlp, [one for one in held if one.corpus == corpus])
        assert now["names"] == stated[corpus]["names"]
        assert now["f1"] == pytest.approx(stated[corpus]["f1"], abs=0.01)


def write_corpora(folder: Path, texts: list[Labelled]) -> None:
    folder.mkdir(exist_ok=True)
    half = len(texts) // 2
    rows = [
        {"text": one.text, "spans": [{"start": a, "end": b, "label": "DRUG"} for a, b in one.names]} for one in texts[:half]
    ]
    (folder / FORUM).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    nlp = load_trained()
    DocBin(docs=[build_doc(nlp, one) for one in texts[half:]]).to_disk(folder / NEWS)


def test_training_from_end_to_end(tmp_path: Path) -> None:
    write_corpora(tmp_path / "data", make_titles(["zyrvolam", "brinoxene"], 160, seed=1))
    done = train_component(tmp_path / "data", tmp_path / "out", steps=2)
    assert sum(done["texts"].values()) > 1000  # with the made-up titles
    assert json.loads((tmp_path / "out" / SCORES.name).read_text()) == done
    nlp = load_trained(tmp_path / "out" / WEIGHTS.name)
    assert nlp("5g zyrvolam").text == "5g zyrvolam"


def test_broken_corpora_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as missing:
        read_corpora(tmp_path)
    assert missing.value.file == tmp_path / FORUM
    write_corpora(tmp_path, make_titles(["zyrvolam"], 4, seed=1))
    (tmp_path / FORUM).write_text('{"text": "a", "spans": []}\n{"text": 1, "spans": [{"start": 0}]}\n', encoding="utf-8")
    with pytest.raises(UsageError) as broken:
        read_corpora(tmp_path)
    assert (broken.value.file, broken.value.line) == (tmp_path / FORUM, 2)


def test_made_up_titles_say_where_their_names_stand() -> None:
    titles = make_titles(["zyrvolam"], 400, seed=3)
    assert titles == make_titles(["zyrvolam"], 400, seed=3)
    assert titles != make_titles(["zyrvolam"], 400, seed=4)
    assert any(not one.names for one in titles)
    known = [one.text[a:b].lower() for one in titles for a, b in one.names if "zyrvolam" in one.text.lower()]
    assert known
    assert set(known) == {"zyrvolam"}
    for one in titles:
        for a, b in one.names:
            assert one.text[a:b].strip() == one.text[a:b] != ""


def test_swapped_names_keep_their_surroundings() -> None:
    text = "They sold zyrvolam and brinoxene at night."
    (swapped,) = swap_names([Labelled("news", text, ((10, 18), (23, 32)))], 1.0, seed=2)
    (a, b), (c, d) = swapped.names
    assert swapped.text[:a] == "They sold "
    assert swapped.text[b:c] == " and "
    assert swapped.text[d:] == " at night."
    assert swap_names([Labelled("news", text, ())], 1.0, seed=2) == []
