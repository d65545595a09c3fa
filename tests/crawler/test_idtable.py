"""The table of ids behaves as a dictionary, and is small."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from crawler.idtable import IdTable


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 2**64 - 1), st.booleans())))
def test_it_is_a_dictionary(calls: list[tuple[str, int, bool]]) -> None:
    table, truth = IdTable(), dict[str, int]()
    for text, value, marks in calls:
        assert (text in table) == (text in truth)
        assert table.get(text) == truth.get(text)
        if marks:
            table.mark(text, value)
            truth[text] = truth.get(text, 0) | value
        else:
            table.put(text, value)
            truth[text] = value
    assert len(table) == len(truth)
    assert sorted(table.values()) == sorted(truth.values())
    assert {text: table.get(text) for text in truth} == truth


def test_a_hundred_thousand_ids_are_some_megabytes() -> None:
    tracemalloc.start()
    try:
        table = IdTable()
        for number in range(100_000):
            table.put(f"listing number {number:020}", number)
        assert tracemalloc.get_traced_memory()[0] < 5_000_000
    finally:
        tracemalloc.stop()
    assert table.get("listing number 00000000000000099999") == 99_999
    assert "listing number 00000000000000100000" not in table
