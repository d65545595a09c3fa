"""Hiding types."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.components.stash import StashTypes, stash_of
from extract.observation import Stash


@pytest.fixture(scope="module")
def stash() -> StashTypes:
    return StashTypes()


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("клад на магните", ["magnet"]), ("магнитом", ["magnet"]), ("НА МАГНИТЕ!!! ПОДЪЕЗД", ["magnet", "stairwell"]),
        ("прикопы", ["buried"]), ("земляным прикопом", ["buried"]), ("тайник в прикопе", ["buried"]),
        ("Снежный прикоп", ["snow"]), ("в сугробе", ["snow"]), ("закладки в подъезде", ["stairwell"]),
        ("тайники", ["cache"]), ("Готовые клады", ["cache"]), ("закладка", ["cache"]), ("кладка", ["cache"]),
        ("prikop / magnit", ["buried", "magnet"]), ("tajnik", ["cache"]), ("dead drop", ["cache"]),
        ("на изоленте", ["other"]),
        ("Оплата от 50$ за клад", []), ("работа кладменом", []), ("без прикопов", []), ("соль магния", []),
        ("fridge magnet", []), ("возле магнита", []), ("", []),
    ],
)  # fmt: skip
def test_types(stash: StashTypes, text: str, types: list[str]) -> None:
    assert [one.type for one in stash.read(text)] == types


def test_field_texts() -> None:
    assert stash_of("Магнит") is Stash.MAGNET
    assert stash_of("Снежный прикоп") is Stash.SNOW
    assert stash_of("под камушком у реки") is Stash.OTHER
    assert stash_of("  ") is None


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80))
def test_spans_lie_in_the_text(text: str) -> None:
    for one in StashTypes().read(f"{text} клад {text} магнит"):
        assert 0 <= one.start < one.end <= 2 * len(text) + 13
