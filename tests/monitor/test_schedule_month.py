"""Two simulated days of the real service with kill -9 of it and of its runs (bench/schedule_month.py has the month)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench" / "schedule_month.py"


def test_nothing_is_lost_and_nothing_overlaps() -> None:
    options = ["--days", "2", "--pace", "8000", "--kills", "4", "--child-kills", "5", "--seed", "11"]
    done = subprocess.run([sys.executable, str(BENCH), *options], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["due"] == told["done"] + told["coalesced"] + told["missed"]
    assert told["due"] >= 8 + 2 + 16 + 2
    assert told["kills of the service"] >= 2
    assert told["faults"] == 0
