"""A day and a half of the whole service with kill -9 of its processes and of what it talks to: real crawls, alerts and
messages (bench/service_month.py has the month)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench" / "service_month.py"


def test_no_alert_is_lost_and_none_comes_under_two_ids() -> None:
    options = ["--days", "1.5", "--kills", "2", "--child-kills", "3", "--outages", "2", "--seed", "5", "--no-settle"]
    done = subprocess.run([sys.executable, str(BENCH), *options], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["faults"] == 0
    assert told["kills of the service"] == 2
    assert told["kills of runs"] >= 2
    assert told["kills of world and receivers"] == 2
    assert told["crawls"]["days"] == told["crawls"]["days told"] + told["crawls"]["days declared a gap"]
    assert told["crawls"]["days told"] >= 1
    assert told["alerts"]["found by the back-test"] >= 3
    assert told["alerts"]["lost"] == 0
    assert told["messages"]["received"] == told["messages"]["wanted"] >= 4
