"""A simulated month of the whole service, with kill -9 of every process at random moments.

Real crawls of the synthetic world, real `alerts run`, real `alerts deliver` to a real mail server and a real webhook,
all started by the real service on a clock that runs faster. Service, runs, world and receivers are killed; world and
receivers stay away for a while. At the end are held against each other: what had to come due and the ledger; the days
and the store; every alert that a back-test on the final store finds (with the knowledge of each day) and the alerts
recorded; every event recorded and what the receivers wrote down.
Usage: python bench/service_month.py [--days 30] [--kills 40] [--child-kills 60] [--outages 12] [--seed 1]
Prints one JSON object; exit code 1 where something was lost, missed beyond the policy, or sent twice under two ids.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from month_account import account
from month_runs import ME, WORLD, FileClock, read_clock
from schedule_month import Due, Month

from config.settings import Settings
from extract.fx import Rate, write_rates
from monitor.demo.world import START, World, WorldServer
from monitor.schedule.ledger import Ledger, count_messages
from monitor.schedule.service import Service
from monitor.state import State, state_path
from monitor.workspace import rates_folder

ORIGIN = datetime(START.year, START.month, START.day, 0, 17, tzinfo=UTC)
ZONES = {"stash": "Europe/Moscow", "postal": "UTC"}
FAST, SLOW = 15_000.0, 500.0
"""Simulated seconds in a second, while nothing is to be done and while something is."""
GRACE = timedelta(hours=20)
UP_ENOUGH = timedelta(hours=16)
"""Of the grace: crawls last hours on this clock, and one waits for the other."""
OPERATOR = timedelta(hours=9)
"""After so long the operator has looked at a paused market."""
PLAN = """\
crawls_at_once: 1
min_free_gb: 0
markets:
  stash: {cron: "0 9 * * *", jitter: 20m, attempts: 50, grace: 20h, limit: 20d}
  postal: {cron: "30 13 * * *", jitter: 20m, attempts: 50, grace: 20h, limit: 20d}
jobs:
  alerts: {run: alerts, every: 8h, attempts: 50, limit: 20d}
  post: {run: deliver, every: 4h, attempts: 50, limit: 20d}
"""
SETTLE = """\
  settle: {run: settle, cron: "0 5 * * *", attempts: 50, limit: 20d}
"""
RULES = """\
rules:
- {id: many, title: Many listings, measure: listings, split: [market, substance], by: day, min_n: 0,
   test: {kind: threshold, above: 6}, recovery: 1, refire: 4, owner: anna, recipients: [mail, hook, feed]}
- {id: prices, title: A price moved, measure: price, split: [market, substance], by: day, min_n: 0,
   test: {kind: change, percent: 4, z: 0.5, baseline: 5, gap: 0, min_baseline: 3}, owner: anna, recipients: [hook]}
- {id: fresh, title: New listings, measure: new, split: [market], by: day, min_n: 0,
   test: {kind: threshold, above: 1}, recovery: 1, owner: ben, recipients: [mail]}
- {id: first, title: Never seen before, measure: listings, split: [market, substance], by: day,
   test: {kind: first, burn_in_days: 3, confirm_buckets: 1}, severity: critical, owner: ben, recipients: [mail, hook]}
- {id: cities, title: An empty region, measure: offers, split: [region], filter: {market: stash}, by: day, min_n: 0,
   test: {kind: change, percent: 25, z: 1, direction: down, baseline: 5, gap: 0, min_baseline: 3}, owner: anna,
   recipients: [hook, feed]}
- {id: seen, title: Coverage fell, measure: coverage, split: [market], by: day, recovery: 1,
   test: {kind: quality, least: 0.9, buckets: 1}, owner: ben, recipients: [mail]}
- {id: dead, title: A market is down, measure: listings, split: [market], by: day, recovery: 1,
   test: {kind: down, missed_crawls: 1}, severity: critical, owner: ben, recipients: [mail, hook]}
"""
CHANNELS = """\
channels:
  mail: {{apprise: "mailto://127.0.0.1:{smtp}?from=dropline@example.org&to=desk@example.org", chart: false, timeout: 5}}
  hook: {{webhook: "http://127.0.0.1:{web}/", secret: whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0NTY3, timeout: 5}}
  feed: {{atom: "{feed}", entries: 1000}}
"""


@dataclass
class Weather:
    """World and receivers: what is outside of the service, and is not always there."""

    folder: Path
    month: Month
    days: int
    seed: int
    ports: tuple[int, int]
    server: WorldServer | None = None
    receiver: subprocess.Popen[bytes] | None = None
    outages: int = 0
    _day: date | None = None
    _back: list[tuple[datetime, str]] = field(default_factory=list)
    _paused: dict[str, datetime] = field(default_factory=dict)

    def open_world(self) -> None:
        self.server, self._day = WorldServer(self.seed, self.days).start(), None
        self.turn_page()
        draft = self.folder / f"{WORLD}.part"
        draft.write_text(json.dumps(self.server.ports), encoding="utf-8")
        draft.replace(self.folder / WORLD)

    def open_receivers(self) -> None:
        words = [*map(str, self.ports), str(self.seed + self.outages)]
        with (self.folder / "receivers.log").open("ab") as log:
            command = [sys.executable, ME, "receive", str(self.folder), str(FAST), *words]
            self.receiver = subprocess.Popen(command, stdout=log, stderr=log)

    def turn_page(self) -> None:
        """The world shows the day that it is."""
        today = min(self.month.clock.now().date(), START + timedelta(days=self.days - 1))
        if self.server is not None and today != self._day:
            self.server.set_day(today)
            self._day = today

    def strike(self, dice: random.Random) -> None:
        """Kills the world or the receivers, for a moment or for a day and a half."""
        self.outages += 1
        back = self.month.clock.now() + dice.choice((0.0, 0.2, 0.5, 1.5)) * timedelta(days=1)
        if dice.random() < 0.35:
            self._kill_world()
            self._back.append((back, "world"))
        else:
            self._kill_receivers()
            self._back.append((back, "receivers"))

    def _kill_world(self) -> None:
        if self.server is not None and self.server.process is not None:
            self.server.process.kill()
            self.server.stop()
        self.server = None

    def _kill_receivers(self) -> None:
        if self.receiver is not None:
            self.receiver.kill()
            self.receiver.wait(10)
        self.receiver = None

    def clear_up(self, *, now: bool = False) -> None:
        """What was away comes back when its time has come."""
        moment = self.month.clock.now()
        due = [name for at, name in self._back if now or moment >= at]
        self._back = [] if now else [(at, name) for at, name in self._back if moment < at]
        if "world" in due and self.server is None:
            self.open_world()
        if "receivers" in due and self.receiver is None:
            self.open_receivers()

    def lift_pauses(self) -> int:
        """The operator's part: a market that is paused (the world plants challenges) goes on some hours later."""
        moment = self.month.clock.now()
        with State(state_path(self.folder)) as state:
            paused = {one.market for one in state.pauses()}
            self._paused = {name: self._paused.get(name, moment) for name in paused}
            return sum(state.resume(name) for name, since in self._paused.items() if moment - since >= OPERATOR)

    def end(self) -> None:
        self._kill_world()
        self._kill_receivers()


@dataclass
class ServiceMonth(Month):
    """The month of the whole service, and its time."""

    lifted: int = 0
    """Pauses that the operator lifted."""
    _moved: float = 0.0

    @property
    def clock(self) -> FileClock:
        return read_clock(self.folder, str(self.pace))

    def move_on(self) -> datetime:
        """The time since the last call passes, slowly where something runs or waits to."""
        real = time.monotonic()
        passed, self._moved = min(real - self._moved, 0.5), real
        now = self.clock.now() + timedelta(seconds=passed * (SLOW if self.is_busy() else FAST))
        self.clock.put(now)
        return now

    def is_busy(self) -> bool:
        return self._open_runs("state = 'running' OR (state = 'waiting' AND not_before <= ?)") > 0

    def is_running(self) -> bool:
        return self._open_runs("state = 'running' OR ? IS NULL") > 0

    def _open_runs(self, which: str) -> int:
        db = sqlite3.connect(f"{state_path(self.folder).as_uri()}?mode=ro", uri=True, timeout=30)
        try:
            query = f"SELECT count(*) FROM schedule_run WHERE {which}"
            return int(db.execute(query, (self.clock.now().isoformat(timespec="microseconds"),)).fetchone()[0])
        finally:
            db.close()

    def has_messages(self) -> bool:
        with State(state_path(self.folder)) as state:
            return count_messages(state.db).get("pending", 0) > 0

    def command(self, seed: int) -> list[str]:
        return [sys.executable, ME, "serve", str(self.folder), str(FAST), str(seed)]

    def is_ours(self, pid: int) -> bool:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"dropline-run" in line or (ME.encode() in line and str(self.folder).encode() in line)

    def run_once(self, part: str) -> int:
        """One run outside of the service, at the end."""
        command = [sys.executable, ME, part, str(self.folder), str(FAST), "-"]
        return subprocess.run(command, capture_output=True, timeout=300, check=False).returncode


def expected(first: datetime, last: datetime, *, settle: bool = True) -> dict[str, list[datetime]]:
    """What comes due between the two moments, by plain arithmetic."""

    def grid(hours: int) -> list[datetime]:
        whole = first.replace(hour=0, minute=0, second=0, microsecond=0)
        times = (whole + timedelta(hours=hours * at) for at in range(24 * 400 // hours))
        return [at for at in times if first < at <= last]

    def daily(zone: str, hour: int, minute: int) -> list[datetime]:
        days = (first.date() + timedelta(days=at - 1) for at in range((last - first).days + 4))
        times = (datetime(one.year, one.month, one.day, hour, minute, tzinfo=ZoneInfo(zone)) for one in days)
        return [at for at in (one.astimezone(UTC) for one in times) if first < at <= last]

    crawls = {"crawl:stash": daily(ZONES["stash"], 9, 0), "crawl:postal": daily(ZONES["postal"], 13, 30)}
    upkeep = {"settle": daily("UTC", 5, 0)} if settle else {}
    return {**crawls, "alerts": grid(8), "post": grid(4), **upkeep}


def prepare(folder: Path, days: int, seed: int, *, settle: bool) -> tuple[int, int]:
    """Plan, rules, channels and rates of the month; the ports of the receivers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schedule.yml").write_text(PLAN + (SETTLE if settle else ""), encoding="utf-8")
    (folder / "alerts").mkdir()
    (folder / "alerts" / "month.yml").write_text(RULES, encoding="utf-8")
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        ports = one.getsockname()[1], two.getsockname()[1]
    channels = folder / "channels.yml"
    channels.write_text(CHANNELS.format(smtp=ports[0], web=ports[1], feed=folder / "feed.atom"), encoding="utf-8")
    channels.chmod(0o600)
    settings = Settings(data_dir=folder)
    rates_folder(settings).mkdir()
    rows = World(seed, days).fx_rows()
    write_rates((Rate.model_validate(asdict(row)) for row in rows), rates_folder(settings) / "world.csv")
    return ports


def simulate(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """The month; its account."""
    days = max(30, round(given.days) + 2)
    ports = prepare(folder, days, given.seed, settle=given.settle)
    dice = random.Random(given.seed)
    month = ServiceMonth(folder, FAST, dice)
    month.clock.put(ORIGIN)
    weather = Weather(folder, month, days, given.seed, ports)
    begun = time.monotonic()
    try:
        # jobs count from the beginning of the month, and not from when the first service has started up
        with Service(Settings(data_dir=folder), clock=month.clock, dice=dice, environment=os.environ):
            first = ORIGIN
        weather.open_world()
        weather.open_receivers()
        month.start(given.seed)
        last = _live_through(month, weather, given, dice)
        told = _end(month, weather, first, last, partial(expected, settle=given.settle))
    finally:
        if month.service is not None:
            month.end(signal.SIGTERM)
        weather.end()
    return {"seed": given.seed, **told, "seconds": round(time.monotonic() - begun)}


def _live_through(month: ServiceMonth, weather: Weather, given: argparse.Namespace, dice: random.Random) -> datetime:
    """All that happens to the service; when the month was over."""
    whole = timedelta(days=given.days)
    moments = {
        name: sorted(ORIGIN + dice.uniform(0.01, until) * whole for _ in range(count))
        for name, count, until in (
            ("service", given.kills, 0.95), ("run", given.child_kills, 0.97), ("outage", given.outages, 0.95)
        )
    }  # fmt: skip
    strike: dict[str, float] = {}
    """Moments (of the machine) of the kills that wait for something to be under way."""
    while (now := month.move_on()) < ORIGIN + whole:
        weather.clear_up()
        weather.turn_page()
        month.lifted += weather.lift_pauses()
        if moments["outage"] and now >= moments["outage"][0]:
            moments["outage"].pop(0)
            weather.strike(dice)
        for name in ("service", "run"):
            if not moments[name] or now < moments[name][0]:
                continue
            if name not in strike:
                if name == "service" and dice.random() < 0.3:
                    strike[name] = time.monotonic()  # also while nothing runs
                elif month.is_running():
                    strike[name] = time.monotonic() + dice.uniform(0, 4)
            elif time.monotonic() >= strike[name]:
                del strike[name]
                if name == "service":
                    moments[name].pop(0)
                    _kill_service(month, weather, given.seed, dice)
                elif month.kill_a_run():
                    moments[name].pop(0)
        time.sleep(0.02)
    return month.clock.now()


def _kill_service(month: ServiceMonth, weather: Weather, seed: int, dice: random.Random) -> None:
    month.end(signal.SIGKILL)
    month.kills += 1
    # mostly a moment; now and then for hours or days
    away = dice.choice((*[timedelta()] * 12, timedelta(hours=5), timedelta(days=1.3)))
    until = month.clock.now() + away
    while month.move_on() < until:
        weather.turn_page()
        time.sleep(0.02)
    month.start(seed + month.starts)


def _end(month: ServiceMonth, weather: Weather, first: datetime, last: datetime, due: Due) -> dict[str, Any]:
    """Lets what is under way come to its end, then holds everything against everything."""
    weather.clear_up(now=True)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and not _is_over(month, last):
        month.move_on()
        time.sleep(0.02)
    month.end(signal.SIGTERM)
    # the next ticks, without the service: crawls of the last hours are judged, what waits is sent
    for part in ("settle", "alerts", *["deliver"] * 8):
        month.clock.put(month.clock.now() + timedelta(minutes=70))
        if part != "deliver" or month.has_messages():
            month.run_once(part)
    told = account(month, due, first, last, GRACE, UP_ENOUGH)
    return {**told, "kills of world and receivers": weather.outages, "pauses lifted": month.lifted}


def _is_over(month: ServiceMonth, last: datetime) -> bool:
    """Whether all that came due up to `last` has ended."""
    with State(state_path(month.folder)) as state:
        ledger = Ledger(state)
        entered = ledger.runs("alerts", 1)
        return not any(run.due <= last for run in ledger.open_runs()) and bool(entered) and entered[0].due > last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--kills", type=int, default=40, help="of the service")
    parser.add_argument("--child-kills", type=int, default=60)
    parser.add_argument("--outages", type=int, default=12, help="kills of world or receivers, back after a while")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--settle", action=argparse.BooleanOptionalAction, default=True, help="the nightly job")
    parser.add_argument("--keep", type=Path, help="folder to keep what is left in, for a look")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dropline-month-") as folder:
        told = simulate(Path(folder), given)
        if given.keep is not None:
            shutil.copytree(folder, given.keep)
    print(json.dumps(told, indent=1))
    sys.exit(told["faults"] > 0)


if __name__ == "__main__":
    main()
