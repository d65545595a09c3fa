"""What the command writes for programs."""

from __future__ import annotations

import json

import pytest

from monitor.answers import clean, dump
from monitor.cli.output import Format, write_json, write_rows


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_many_rows_are_one_array_as_if_written_at_once(count: int, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    rows = [{"bucket": f"day {number}", "value": None if number % 3 else number / 7, "lone": "\ud800"}
            for number in range(count)]  # fmt: skip
    write_json(rows)
    whole = capfdbinary.readouterr().out
    write_rows(rows, Format.JSON)
    assert capfdbinary.readouterr().out == whole
    assert len(json.loads(whole)) == count


def test_json_holds_nothing_that_a_terminal_obeys() -> None:
    text = "".join(map(chr, [*range(0x20), 0x5C, *range(0x7F, 0xA1), 0x202E, 0x2068, 0x44F, 0x1F344]))
    said = dump({"title": text, text: [text]})
    assert json.loads(said) == {"title": text, text: [text]}
    assert clean(said.decode()) == said.decode().replace("\xa0", "\\u00a0")
