"""The pipeline as a whole: offsets, order, caches, bad input."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from extract.found import FIELDS
from extract.pipeline import COMPONENTS, Extractor
from extract.reading import READING


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


def test_components_run_in_their_order(extractor: Extractor) -> None:
    assert tuple(extractor.nlp.pipe_names) == COMPONENTS


def test_version_is_stable_and_short(extractor: Extractor) -> None:
    again = Extractor()
    assert extractor.version == again.version
    assert len(extractor.version) == 10
    assert extractor.version.startswith("1-")


def test_version_follows_the_tables(extractor: Extractor, tmp_path) -> None:
    from shutil import copytree

    from extract.vocabulary import TABLES

    copy = copytree(TABLES, tmp_path / "vocab")
    with (copy / "names.csv").open("a", encoding="utf-8") as table:
        table.write("mephedrone,zelyonka-test,en,slang,strong,test\n")
    changed = Extractor(tables=copy)
    assert changed.version != extractor.version
    assert [one.id for one in changed.read({"title": "zelyonka-test 1g"}).substances] == ["mephedrone"]


def test_offsets_point_into_the_field_as_written(extractor: Extractor) -> None:
    fields = {"title": "❄️ Чистый М Е Ф 2 г", "description": "лучший\nк3тамин, k3tamine 1g", "price": "1 500 руб"}
    reading = extractor.read(fields)
    assert reading.substances
    for one in (*reading.substances, *reading.quantities, *reading.prices, *reading.regions, *reading.stash):
        assert fields[one.field][one.start : one.end] == one.text


def test_read_many_keeps_order_and_reads_equal_texts_once(extractor: Extractor) -> None:
    texts = [{"title": "Кокаин 1г"}, {"title": "LSD 5 blotters"}, {"title": "Кокаин 1г"}]
    first, second, third = extractor.read_many(texts)
    assert first is third
    assert first.substances[0].id == "cocaine"
    assert second.substances[0].id == "lsd"


def test_unknown_field_is_refused(extractor: Extractor) -> None:
    with pytest.raises(KeyError, match="colour"):
        extractor.read({"colour": "red"})


def test_group_comes_with_the_main_substance(extractor: Extractor) -> None:
    assert extractor.read({"title": "Mephedrone 1g"}).group == "synthetic-cathinones"
    assert extractor.read({"title": "garden chair"}).group is None


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n", "\ud800меф 1г\udfff", "\u202eмеф\u202c 1г", "\x00\x01\x02\xff" * 100, "a" * 1_000_000, "ж" * 1_000_000, "x10" * 33_000,
     "ё0$5'" * 20_000, "- 5g 1/8" * 12_000, "5s 10mg " * 12_000, "10 x 28 mg " * 9_000,
     "1 " * 10_000, "меф " * 50_000, "не " + "меф " * 25_000, "план снег соль " * 6_600, "5г меф 3г гаш\n" * 7_000,
     "к*кс меф " * 11_000, "подарок меф " * 8_300, "-" * 100_000, "г а ш " * 5_000, "\u0301" * 10_000, "2c-" * 20_000, "*" * 50_000],
)  # fmt: skip
def test_bad_input_is_answered_in_time(extractor: Extractor, text: str) -> None:
    start = time.process_time()
    extractor.read({"title": text, "description": text})
    # one second is the promise on a quiet machine
    assert time.process_time() - start < 3


def test_lone_surrogates_keep_offsets(extractor: Extractor) -> None:
    text = "\ud800\ud800 кокаин 1г"
    (one,) = extractor.read({"title": text}).substances
    assert text[one.start : one.end] == one.text == "кокаин"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.dictionaries(
        st.sampled_from(FIELDS),
        st.text(st.characters(exclude_categories=()), max_size=80) | st.lists(
            st.sampled_from(["меф", "no", "cocaine", "1г", "+", "2c-b", ",", "не", "клад", "$5", "\n", "L S D", "h3roin"])
        ).map(" ".join),
    )
)
def test_any_text_is_read(extractor: Extractor, fields: dict[str, str]) -> None:
    reading = extractor.read(fields)
    reading.model_dump_json()  # raises if it is not what its schema says
    for one in reading.substances:
        assert fields[one.field][one.start : one.end] == one.text
        assert one.text


def test_readings_are_what_their_schema_says(extractor: Extractor) -> None:
    reading = extractor.read({"title": "MDMA 5 pills 120mg, гашиш 2г 900 руб", "description": "клад, Москва, 84 %"})
    loaded = json.loads(reading.model_dump_json())
    assert loaded.keys() == READING.model_json_schema()["properties"].keys()
    assert all(loaded[name] for name in ("substances", "quantities", "prices", "regions", "stash"))
    assert READING.model_validate_json(reading.model_dump_json()).model_dump(mode="json") == loaded
    with pytest.raises(ValidationError, match="dozen"):
        reading._replace(quantities=(reading.quantities[0]._replace(base_unit="dozen"),)).model_dump_json()


def test_memory_zone_does_not_spoil_later_batches() -> None:
    extractor = Extractor()
    for number in range(3):
        (one,) = extractor.read({"title": f"слово{number} мефедрона {number}г"}).substances
        assert one.id == "mephedrone"
