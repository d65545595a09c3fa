"""A simulated month of the schedule service with random kills (kill -9) of the service and of the processes it starts.

The service is the real one, in a process of its own, on a clock that runs faster; the runs are real processes. What the
runs themselves wrote down is held against what must have come due, worked out here without the scheduler's own rules.
Usage: python bench/schedule_month.py [--days 30] [--pace 6000] [--kills 40] [--child-kills 60] [--seed 1]
Prints one JSON object; exit code 1 where a run was lost, missed beyond the policy, or overlapped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from config.settings import Settings
from monitor.schedule.clock import Clock
from monitor.schedule.ledger import Ledger, Run, RunState
from monitor.schedule.plan import Job
from monitor.schedule.service import Service
from monitor.state import State, state_path

ORIGIN = datetime(2026, 3, 10, 11, 17, tzinfo=UTC)
"""Clocks change in Berlin on 29 March: within the month."""
GRACE = timedelta(hours=8)
UP_ENOUGH = timedelta(hours=5)
"""A run that had a living service for so long within its grace should have begun."""
PLAN = """\
tz: Europe/Berlin
crawls_at_once: 1
min_free_gb: 0
markets:
  stash: {every: 6h, jitter: 20m, attempts: 12}
  postal: {cron: "30 2 * * *", tz: Europe/Berlin, jitter: 20m, attempts: 12}
jobs:
  alerts: {run: alerts, every: 3h, attempts: 12}
  nightly: {run: purge, cron: "30 3 * * *", grace: 8h, attempts: 12}
"""
# the run: takes a lock that no other run of its job may have, works a moment, writes down that it is through
RUN = """
import fcntl, os, sys, time
folder, job, due, seconds = sys.argv[1:]
def say(word):
    handle = os.open(f"{folder}/journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, f"{word} {job} {due}\\n".encode())
lock = os.open(f"{folder}/{job}.busy", os.O_RDWR | os.O_CREAT, 0o600)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    say("overlap")
say("begun")
time.sleep(float(seconds))
say("through")
"""


def serve(folder: Path, since: float, pace: float, seed: int) -> None:
    """The service's own process."""
    work = random.Random(seed)

    def command(job: Job, run: Run) -> list[str]:
        name, due = job.id.replace(":", "-"), run.due.isoformat()
        return [sys.executable, "-I", "-S", "-c", RUN, str(folder), name, due, f"{work.uniform(0, 0.08):.3f}"]

    clock = Clock(pace, ORIGIN, since)
    dice = random.Random(seed + 1)
    with Service(Settings(data_dir=folder), clock=clock, dice=dice, environment=os.environ, command=command) as service:
        service.run()


def expected(first: datetime, last: datetime) -> dict[str, list[datetime]]:
    """What comes due between the two moments, by plain arithmetic."""

    def grid(hours: int) -> list[datetime]:
        whole = first.replace(hour=0, minute=0, second=0, microsecond=0)
        times = (whole + timedelta(hours=hours * at) for at in range(24 * 400 // hours))
        return [at for at in times if first < at <= last]

    def daily(hour: int, minute: int) -> list[datetime]:
        zone = ZoneInfo("Europe/Berlin")
        days = (date(first.year, first.month, first.day) + timedelta(days=at) for at in range(400))
        # 02:30 on 29 March 2026 is left out by the clocks; with the offset before it is 03:30
        times = (datetime(one.year, one.month, one.day, hour, minute, tzinfo=zone).astimezone(UTC) for one in days)
        return [at for at in times if first < at <= last]

    return {"crawl:stash": grid(6), "crawl:postal": daily(2, 30), "alerts": grid(3), "nightly": daily(3, 30)}


@dataclass
class Month:
    """What the driver did and saw."""

    folder: Path
    pace: float
    dice: random.Random
    since: float = 0.0
    service: subprocess.Popen[bytes] | None = None
    up: list[tuple[datetime, datetime]] = field(default_factory=list)
    kills: int = 0
    child_kills: int = 0
    starts: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    """Runs killed, by job."""
    _up_since: datetime | None = None

    @property
    def clock(self) -> Clock:
        return Clock(self.pace, ORIGIN, self.since)

    def command(self, seed: int) -> list[str]:
        """The service's process."""
        arguments = ["--serve", str(self.folder), "--since", repr(self.since), "--pace", repr(self.pace)]
        return [sys.executable, __file__, *arguments, "--seed", str(seed)]

    def is_ours(self, pid: int) -> bool:
        """Whether that process is one of a run."""
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"dropline-run" in line or RUN.encode()[:40] in line

    def start(self, seed: int) -> None:
        with (self.folder / "service.log").open("ab") as log:
            self.service = subprocess.Popen(self.command(seed), stdout=log, stderr=log)
        self.starts += 1
        begun = self.clock.now()
        while self.service.poll() is None:
            db = sqlite3.connect(f"{state_path(self.folder).as_uri()}?mode=ro", uri=True, timeout=30)
            line = db.execute("SELECT pid, beat FROM schedule_service").fetchone()
            db.close()
            if line is not None and line[0] == self.service.pid and datetime.fromisoformat(line[1]) >= begun:
                self._up_since = self.clock.now()
                return
            time.sleep(0.1)
        raise SystemExit(f"the service did not start: {(self.folder / 'service.log').read_text()[-2000:]}")

    def end(self, how: signal.Signals) -> None:
        assert self.service is not None
        self.service.send_signal(how)
        self.service.wait(60)
        if self._up_since is not None:
            self.up.append((self._up_since, self.clock.now()))
        self.service, self._up_since = None, None

    def kill_a_run(self) -> bool:
        """Kills one process of a run: its shell, its command, or both."""
        files = list((self.folder / "schedule" / "runs").rglob("*.pid"))
        files = [file for file in files if not file.with_suffix(".exit").exists()]
        self.dice.shuffle(files)
        for file in files:
            with contextlib.suppress(OSError, ValueError):
                group = int(file.read_text())
                members = [pid for pid in _group_members(group) if self.is_ours(pid)]
                if members:
                    for pid in members if self.dice.random() < 0.3 else [self.dice.choice(members)]:
                        os.kill(pid, signal.SIGKILL)
                    self.child_kills += 1
                    self.killed[file.parent.name] += 1
                    return True
        return False

    def up_within(self, first: datetime, last: datetime) -> timedelta:
        spans = (min(end, last) - max(begin, first) for begin, end in self.up)
        return sum((span for span in spans if span > timedelta()), timedelta())


def _group_members(group: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                    yield int(entry.name)


def simulate(folder: Path, days: float, pace: float, kills: int, child_kills: int, seed: int) -> dict[str, Any]:
    """The month; its account."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schedule.yml").write_text(PLAN, encoding="utf-8")
    dice = random.Random(seed)
    # the jobs count from the beginning of the month, and not from when the first service has started up
    still = Clock(1e-9, ORIGIN, time.time())
    with Service(Settings(data_dir=folder), clock=still, dice=dice, environment=os.environ):
        first = ORIGIN
    month = Month(folder, pace, dice, since=time.time())
    month.start(seed)
    real = days * 86_400 / pace
    end = time.time() + real
    deaths = sorted(time.time() + dice.random() * real * 0.95 for _ in range(kills))
    child_deaths = sorted(time.time() + dice.random() * real for _ in range(child_kills))
    while time.time() < end:
        now = time.time()
        if deaths and now >= deaths[0]:
            deaths.pop(0)
            month.end(signal.SIGKILL)
            month.kills += 1
            # mostly a moment; now and then for days
            time.sleep(dice.choice((*[0.0] * 10, 0.02, 0.2, 86_400 * 2.2 / pace)))
            month.start(seed + month.starts)
        if child_deaths and now >= child_deaths[0] and (month.kill_a_run() or now >= child_deaths[0] + 2):
            child_deaths.pop(0)
        time.sleep(0.003)
    last = month.clock.now()
    _drain(folder, last)
    month.end(signal.SIGTERM)
    return account(month, first, last)


def _drain(folder: Path, last: datetime) -> None:
    """Until all that came due up to `last` has ended."""
    deadline = time.time() + 120
    while time.time() < deadline:
        with State(state_path(folder)) as state:
            ledger = Ledger(state)
            open_runs = [run for run in ledger.open_runs() if run.due <= last]
            entered = ledger.runs("alerts", 1)
        if not open_runs and entered and entered[0].due > last:
            return
        time.sleep(0.05)


def account(month: Month, first: datetime, last: datetime) -> dict[str, Any]:
    """Held against each other: what had to come due, the ledger, the runs' own journal."""
    words = [line.split() for line in (month.folder / "journal").read_text().splitlines()]
    through = Counter((job, due) for word, job, due in words if word == "through")
    told = hold_against(month, expected, first, last, lambda run: through[_name(run), run.due.isoformat()])
    told["processes begun"] = sum(word == "begun" for word, _, _ in words)
    told["overlaps"] = sum(word == "overlap" for word, _, _ in words)
    told["faults"] += told["overlaps"]
    return told


def _name(run: Run) -> str:
    return run.job.replace(":", "-")


Due = Callable[[datetime, datetime], dict[str, list[datetime]]]


def hold_against(
    month: Month, due: Due, first: datetime, last: datetime, ends_of: Callable[[Run], int],
    grace: timedelta = GRACE, enough: timedelta = UP_ENOUGH,
) -> dict[str, Any]:  # fmt: skip
    """The ledger against what had to come due. `ends_of`: how often the run of a job and time came to its end. A run
    that had a service for `enough` of its `grace` should have begun."""
    with State(state_path(month.folder)) as state:
        runs = Ledger(state).runs(limit=100_000)
    done = {RunState.DONE, RunState.PARTIAL}
    told: dict[str, Any] = {"jobs": {}}
    total: Counter[str] = Counter()
    for job, times in due(first, last).items():
        mine = sorted((run for run in runs if run.job == job), key=lambda run: run.due)
        count: Counter[str] = Counter(due=len(times))
        left = set(times)
        for run in mine:
            # the run makes up for the `coalesced` latest times before it
            chain = due(first, run.due)[job]
            covered = {at for at in chain[max(0, len(chain) - 1 - run.coalesced) :] if at <= last}
            left -= covered
            count["coalesced"] += len(covered - {run.due})
            if run.due > last:
                continue
            count[str(run.state)] += 1
            if run.state in done:
                ends = ends_of(run)
                count["done without a trace"] += ends == 0
                count["done twice"] += ends > 1
            if run.state is RunState.MISSED and month.up_within(run.due, run.due + grace) >= enough:
                count["missed beyond the policy"] += 1
        count["never came due"] = len(left)
        count["came due out of turn"] = sum(run.due <= last and run.due not in times for run in mine)
        total += count
        told["jobs"][job] = dict(sorted(count.items()))
    faults = ("missed beyond the policy", "never came due", "came due out of turn", "done without a trace", "died")
    told |= {
        "days": round((last - first) / timedelta(days=1), 2),
        "seconds": round((last - first).total_seconds() / month.pace, 1),
        "kills of the service": month.kills,
        "kills of runs": month.child_kills,
        **{name: total[name] for name in ("due", "done", "coalesced", "missed", "done twice", *faults, "waiting")},
        "days without a service": round(((last - first) - month.up_within(first, last)) / timedelta(days=1), 2),
    }
    told["faults"] = sum(told[name] for name in (*faults, "waiting"))
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--pace", type=float, default=6_000, help="simulated seconds in a second")
    parser.add_argument("--kills", type=int, default=40, help="of the service")
    parser.add_argument("--child-kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--since", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve, given.since, given.pace, given.seed)
        return
    with tempfile.TemporaryDirectory(prefix="dropline-month-") as folder:
        told = simulate(Path(folder), given.days, given.pace, given.kills, given.child_kills, given.seed)
    print(json.dumps(told, indent=1))
    sys.exit(told["faults"] > 0)


if __name__ == "__main__":
    main()
