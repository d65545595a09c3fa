"""Fixtures every room may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["fixtures_servers"]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout (never part of it). Skips where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DROPLINE_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip("shared data folder is not there (set DROPLINE_SHARED_DATA)")
    return folder
