"""Reading the tables pauses the garbage collector, and leaves it as it was."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from config.errors import InputError
from extract.pipeline import Extractor


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_left_as_it_was(was_on: bool, tmp_path: Path) -> None:
    before = gc.isenabled()
    (gc.enable if was_on else gc.disable)()
    try:
        Extractor()
        assert gc.isenabled() is was_on
        with pytest.raises(InputError):
            Extractor(tables=tmp_path / "missing")
        assert gc.isenabled() is was_on
    finally:
        (gc.enable if before else gc.disable)()
