"""`dropline replay` as a shell sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def replay(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor.cli", "--data-dir", str(folder), "replay", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_pages_of_nothing_are_a_failed_crawl_and_said_so(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<html><p>nothing here</p></html>")
    done = replay(tmp_path / "data", "--market", "stash", str(page))
    assert done.returncode == 3
    assert "kept as a failed crawl" in " ".join(done.stderr.split())
    status = subprocess.run(
        [sys.executable, "-m", "monitor.cli", "--data-dir", str(tmp_path / "data"), "--format", "json", "status"],
        capture_output=True, text=True, timeout=120, check=False)
    assert '"failed"' in status.stdout
