"""Stems and the language of searches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from index.stem import _stem_word, build_stems, parse_query


def test_inflections_meet() -> None:
    for one, other in (("мефедрона", "Мефедроном"), ("кристаллы", "кристаллов"), ("Ёлка", "елки"), ("Pills", "pill"),
                       ("ＭＤＭＡ", "mdma"), ("shipping", "shipped")):
        assert build_stems(one) == build_stems(other)


def test_words_are_letters_and_digits() -> None:
    assert build_stems("0.5г, a_b!", "🍄 x") == ["0", "5г", "a", "b", "x"]
    assert build_stems("q" * 500) == ["q" * 48]


def test_a_query_has_words_phrases_and_exclusions() -> None:
    query = parse_query('pills "fresh  pills" -"old stock" -bad pills 2c-b')
    assert query.all_of == (("pill",), ("fresh", "pill"), ("2c", "b"))
    assert query.none_of == (("old", "stock"), ("bad",))
    assert parse_query(' - "" !!! ').empty


@given(st.text())
def test_stems_are_plain_words(text: str) -> None:
    for stem in build_stems(text):
        assert stem
        assert " " not in stem
        assert '"' not in stem
    parse_query(text)


def test_threads_do_not_disturb_each_other() -> None:
    words = [f"{beginning}{number % 7}ings{number}ational" for number in range(3000) for beginning in ("ship", "пачк")]
    shares = [words[start::4] for start in range(4)]
    with ThreadPoolExecutor(len(shares)) as pool:
        together = list(pool.map(lambda share: [build_stems(word) for word in share], shares))
    _stem_word.cache_clear()
    assert together == [[build_stems(word) for word in share] for share in shares]
