"""The page of settings tells of every setting, and of none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config.errors import UsageError
from config.settings import Settings, load_settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_every_setting_stands_on_the_page() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)) == set(Settings.model_fields)


def test_the_order_in_which_settings_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings.yml"
    file.write_text("keep_months: 24\npurge_logs: true\nstore: sqlite:///a.sqlite\n", "utf-8")
    monkeypatch.setenv("DROPLINE_KEEP_MONTHS", "12")
    monkeypatch.setenv("DROPLINE_STORE", "sqlite:///b.sqlite")
    found = load_settings(file, store="sqlite:///c.sqlite")
    assert (found.keep_months, found.purge_logs, found.store) == (12, True, "sqlite:///c.sqlite")
    file.write_text("keep_monts: 24\n", "utf-8")
    with pytest.raises(UsageError, match=r"keep_monts.*Known settings: .*keep_months"):
        load_settings(file)
    file.write_text("only a text", "utf-8")
    with pytest.raises(UsageError, match=r"docs/settings\.md describes every key"):
        load_settings(file)


def test_a_wrong_setting_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "s.yml"
    file.write_text("trained: true\nkeep_months: many\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"s\.yml, line 2: setting 'keep_months'"):
        load_settings(file)
