"""The service: one process that starts what is due, watches it, and writes down what became of it.

One round: enter what has come due, take note of runs that ended, end those over their limit, start what may start. Each
step is one transaction or repeats harmlessly, so that the service may be killed between any two of them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import select
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import orjson
from sqlalchemy.exc import SQLAlchemyError

from config.closing import Closing
from config.errors import DroplineError, StoreError, UsageError
from config.settings import Settings
from crawler.limits import STOP, is_working_hour
from monitor.schedule.clock import Clock
from monitor.schedule.jobs import JobStore
from monitor.schedule.ledger import BEAT, Ledger, Run, RunState, count_messages
from monitor.schedule.locks import FileLock, Held, is_held, market_lock, service_lock
from monitor.schedule.notify import notify
from monitor.schedule.plan import Job, Plan, Work, build_jobs, load_plan, schedule_path
from monitor.schedule.processes import Processes
from monitor.state import State, state_path

log = logging.getLogger("dropline.schedule")

TICK = timedelta(seconds=5)
"""A round at least this often: a clock that jumped, a run of an earlier service that ended."""
KILL_AFTER = timedelta(seconds=30)
"""From the polite signal to the other one."""
BACK_OFF = timedelta(minutes=1)
LONGEST_BACK_OFF = timedelta(hours=1)
PRUNE_EVERY = timedelta(hours=1)
BY_HAND = timedelta(minutes=1)
"""How soon to look again where somebody crawls the market by hand."""
ENDED_BY = {"limit": RunState.TIMED_OUT}
KEPT_OF_RESULT = ("crawl", "outcome", "listings", "coverage", "basis", "pages", "not stored", "held")

SYSTEMD = frozenset({"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"})
"""Meant for the service alone."""

Command = Callable[[Job, Run], Sequence[str]]


def environment_of(settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """`base` with all that was set as `DROPLINE_*`: runs have the service's settings, whatever file they came from, and
    no password of a store stands in a list of processes."""
    given = settings.model_dump(mode="json", exclude_none=True)
    given["data_dir"] = str(settings.data_dir.absolute())
    as_text = {name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in given.items()}
    others = {name: value for name, value in base.items() if name not in SYSTEMD}
    return {**others, **{f"DROPLINE_{name.upper()}": value for name, value in as_text.items()}}


class Service(Closing):
    """Made once a process. Raises UsageError where another service has the data folder or the plan is broken.

    `command` gives the program and arguments of a run (default: our own `dropline`).
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        dice: random.Random,
        environment: Mapping[str, str],
        command: Command | None = None,
    ) -> None:
        self.data_dir = settings.data_dir.absolute()
        self.settings = settings
        self.clock, self._dice = clock, dice
        self.plan_path = schedule_path(self.data_dir)
        self.plan, self.jobs = self._load()
        self._lock = _become_the_one(self.data_dir)
        self.processes = Processes(self.data_dir, environment_of(settings, environment))
        self._command = command or self._dropline
        self._state = State(state_path(self.data_dir))
        self.ledger = Ledger(self._state)
        self._store = JobStore(state_path(self.data_dir), dice)
        self._store.sync(self.jobs, clock.now())
        self.page: str | None = None
        self.problem: str | None = None
        self._seen = self._stamp()
        self._signalled: dict[str, datetime] = {}
        """By job, when its run was first asked to end."""
        self._last_beat: datetime | None = None
        self._pruned = clock.now()
        self._stopping = False
        self._reload = False

    def close(self) -> None:
        self._store.close()
        self._state.close()
        self._lock.close()

    def _dropline(self, job: Job, run: Run) -> Sequence[str]:
        return (sys.executable, "-m", "monitor.cli", *job.command(run.due, self.data_dir))

    def stop(self) -> None:
        """Lets `run` end: runs are asked to end and wait for the next service. For signal handlers."""
        self._stopping = True

    def reload(self) -> None:
        """Has the plan read again in the next round. For signal handlers."""
        self._reload = True

    # the plan -----------------------------------------------------------------------------------------------------

    def _load(self) -> tuple[Plan, dict[str, Job]]:
        plan = load_plan(self.plan_path)
        return plan, build_jobs(plan, self.plan_path)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self.plan_path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def _follow_plan(self, now: datetime) -> None:
        """A plan that was changed is taken up; one that is broken is reported, and the last good one stays."""
        stamp = self._stamp()
        if stamp == self._seen and not self._reload:
            return
        self._seen, self._reload = stamp, False
        try:
            self.plan, self.jobs = self._load()
        except DroplineError as error:
            self._say(f"{error} The plan before it stays in force.")
            return
        self._say(None)
        self._store.sync(self.jobs, now)
        log.info("The plan was read again: %d jobs.", len(self.jobs))

    def _say(self, problem: str | None) -> None:
        if problem is not None and problem != self.problem:
            log.warning("%s", problem)
        if problem != self.problem:
            self.problem, self._last_beat = problem, None

    # one round ----------------------------------------------------------------------------------------------------

    def turn(self) -> timedelta:
        """One round; returns how long nothing is to be done."""
        now = self.clock.now()
        self._follow_plan(now)
        coming = self._store.advance(self.jobs, self.ledger, now)
        self.processes.reap()
        self._conclude(now)
        self._start(now)
        if self._last_beat is None or abs(now - self._last_beat) >= BEAT * self.clock.pace:
            self.ledger.beat(os.getpid(), now, self.problem, self.page)
            self._last_beat = now
        if abs(now - self._pruned) >= PRUNE_EVERY:
            self.ledger.prune()
            self._pruned = now
        moments = [run.not_before for run in self.ledger.open_runs() if run.state is RunState.WAITING]
        soonest = min((one for one in [coming, *moments] if one is not None and one > now), default=now + TICK)
        return min(TICK * self.clock.pace, soonest - now)

    def _conclude(self, now: datetime) -> None:
        for run in self.ledger.open_runs():
            if run.state is not RunState.RUNNING:
                continue
            if self.processes.is_running(run.job):
                self._check_limit(run, now)
                continue
            self._signalled.pop(run.job, None)
            self._book(run, self.processes.exit_code(run), now)

    def _check_limit(self, run: Run, now: datetime) -> None:
        job = self.jobs.get(run.job)
        if run.started is None or job is None or now - run.started <= job.timing.limit:
            return
        first = self._signalled.get(run.job)
        if first is None:
            log.warning("%s has run since %s, longer than %s: it is ended.", run.job, run.started, job.timing.limit)
            self.ledger.mark_ending(run, "limit")
            self._signalled[run.job] = now
            self.processes.signal(run, signal.SIGTERM)
        elif now - first > KILL_AFTER * self.clock.pace:
            self.processes.signal(run, signal.SIGKILL)

    def _book(self, run: Run, code: int | None, now: datetime) -> None:
        """What became of a run whose processes have all ended."""
        if run.ending == "stop" and code in {None, 128 + signal.SIGTERM, 128 + signal.SIGKILL}:
            self.ledger.postpone(run, now, "the service was stopped")
        elif run.ending in ENDED_BY and code not in {0, 3}:
            ended = f"it was ended after {now - (run.started or now)}"
            self.ledger.finish(run, ENDED_BY[run.ending], now, code=code, reason=ended)
            log.warning("%s of %s: %s.", run.job, run.due, ended)
        elif code is None or code > 128:
            self._book_death(run, code, now)
        else:
            job = self.jobs.get(run.job)
            market = None if job is None else job.market
            if code == 2 and market is not None and is_held(market_lock(self.data_dir, market)):
                self.ledger.postpone(run, now + BY_HAND, "the market is being crawled by hand")
                return
            state = {0: RunState.DONE, 3: RunState.PARTIAL}.get(code, RunState.FAILED)
            found = self.processes.result(run) if run.job.startswith("crawl:") else {}
            result = {name: found[name] for name in KEPT_OF_RESULT if name in found}
            reason = None if state is RunState.DONE else self.processes.last_words(run)
            self.ledger.finish(run, state, now, code=code, reason=reason, result=result)
            say = log.info if state is RunState.DONE else log.warning
            say("%s of %s: %s%s", run.job, run.due, state, "." if reason is None else f" ({reason}).")

    def _book_death(self, run: Run, code: int | None, now: datetime) -> None:
        how = "its process died" if code is None else f"its process died of signal {code - 128}"
        job = self.jobs.get(run.job)
        if job is not None and run.deaths + 1 < job.timing.attempts:
            wait = min(BACK_OFF * 2**run.deaths, LONGEST_BACK_OFF) * self._dice.uniform(0.5, 1.5)
            self.ledger.postpone(run, now + wait, how, death=True)
            log.warning("%s of %s: %s; it is started again in %s.", run.job, run.due, how, wait)
        else:
            self.ledger.finish(run, RunState.DIED, now, code=code, reason=how)
            log.error("%s of %s: %s, and is not started again.", run.job, run.due, how)

    def _start(self, now: datetime) -> None:
        """Starts what may start: of one job one run, crawls within their limit, what waits longest first."""
        open_runs = self.ledger.open_runs()
        crawls = sum(run.state is RunState.RUNNING and run.job.startswith("crawl:") for run in open_runs)
        busy = {run.job for run in open_runs if run.state is RunState.RUNNING}
        pauses = {pause.market: pause.reason for pause in self._state.pauses()}
        for run in open_runs:
            if run.state is not RunState.WAITING or self._stopping:
                continue
            job = self.jobs.get(run.job)
            if job is None:
                self.ledger.finish(run, RunState.SKIPPED, now, reason="it is no longer in the plan")
            elif run.attempts == 0 and job.timing.grace is not None and now > run.due + job.timing.grace:
                self.ledger.finish(run, RunState.MISSED, now, reason=run.reason or "the service could not start it")
                log.warning("%s of %s is missed: it could not start within %s.", run.job, run.due, job.timing.grace)
            elif run.job in busy or self._is_early(job, run, now):
                continue
            elif job.market is None:
                if job.work is Work.DELIVER and not count_messages(self._state.db).get("pending"):
                    self.ledger.finish(run, RunState.DONE, now, reason="no message waits to be sent")
                else:
                    self._launch(job, run, now)
            elif job.market in pauses:
                self.ledger.finish(run, RunState.SKIPPED, now, reason=f"the market is paused: {pauses[job.market]}")
            elif (hindrance := self._hindrance(job, crawls, now)) is not None:
                if run.reason != hindrance:
                    self.ledger.postpone(run, run.not_before, hindrance)
            elif self._launch(job, run, now):
                crawls += 1

    def _is_early(self, job: Job, run: Run, now: datetime) -> bool:
        """Whether it has to wait for its jitter or after a death. One that would have to wait longer than both: the
        clock was set back."""
        return timedelta() < run.not_before - now <= job.timing.jitter + 2 * LONGEST_BACK_OFF

    def _hindrance(self, job: Job, crawls: int, now: datetime) -> str | None:
        """Why no crawl of that market may begin now."""
        assert job.market is not None
        if job.definition is not None and not is_working_hour(job.definition, now):
            return "it is outside the market's working hours"
        if crawls >= self.plan.crawls_at_once:
            return f"{crawls} crawls are under way"
        if (self.data_dir / STOP).exists():
            return f"{self.data_dir / STOP} is there"
        if is_held(market_lock(self.data_dir, job.market)):
            return "the market is being crawled by hand"
        if shutil.disk_usage(self.data_dir).free < self.plan.min_free_gb * 1e9:
            return f"the disk has less than {self.plan.min_free_gb:g} GB left"
        return None

    def _launch(self, job: Job, run: Run, now: datetime) -> bool:
        try:
            lock = FileLock(self.processes.lock_path(run.job))
        except Held:  # left running by an earlier service; it is in nobody's ledger any more
            return False
        with lock:
            begun = self.ledger.begin(run, now)
            try:
                self.processes.start(begun, self._command(job, begun), lock)
            except OSError as error:  # no memory, no process table, no disk
                log.exception("%s could not be started: %s", run.job, error.strerror)
                self._book_death(begun, None, now)
                return False
        log.info("%s of %s has begun.", run.job, run.due)
        return True

    # until told to stop -------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Rounds until SIGTERM or SIGINT. Then runs are asked to end; they wait in the ledger for the next service."""
        with _waking_signals({signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: self.reload}) as wake:
            log.info("The service runs: %d jobs, data folder %s.", len(self.jobs), self.data_dir)
            notify("READY=1")
            while not self._stopping:
                try:
                    pause = self.turn()
                except (sqlite3.Error, SQLAlchemyError, StoreError, OSError) as error:
                    # a full disk, a locked file: it may pass. No beat is written meanwhile, which health shows.
                    log.exception("A round failed (%s); the next one follows.", type(error).__name__)
                    pause = TICK * self.clock.pace
                else:
                    notify("WATCHDOG=1")
                _wait(wake, self.clock.real_seconds(pause))
            notify("STOPPING=1")
            self._end_runs(wake)

    def _end_runs(self, wake: int) -> None:
        """Asks all runs to end, politely, then not. A crawl goes on from its journal when it is started again."""
        running = [run for run in self.ledger.open_runs() if run.state is RunState.RUNNING]
        for run in running:
            if self.processes.is_running(run.job):
                self.ledger.mark_ending(run, "stop")
                self.processes.signal(run, signal.SIGTERM)
        deadline = self.clock.now() + KILL_AFTER * self.clock.pace
        while any(self.processes.is_running(run.job) for run in running):
            if self.clock.now() > deadline:
                for run in running:
                    self.processes.signal(run, signal.SIGKILL)
            self.processes.reap()
            _wait(wake, 0.1)
        self.processes.reap()
        self._conclude(self.clock.now())
        log.info("The service ends; %d runs wait for the next one.", len(self.ledger.open_runs()))


def _become_the_one(data_dir: Path) -> FileLock:
    for left in range(9, -1, -1):
        try:
            return FileLock(service_lock(data_dir))
        except Held as error:
            if not left:
                remedy = "End that one first (`dropline status` names it)."
                raise UsageError(f"another schedule service runs for {data_dir}.", remedy=remedy) from error
            time.sleep(0.05)  # whoever asks whether a service runs holds the lock for a moment
    raise AssertionError


def _wait(wake: int, seconds: float) -> None:
    """Until a signal comes, or the time is over."""
    ready, _, _ = select.select([wake], [], [], max(0.0, seconds))
    if ready:
        os.read(wake, 4096)


@contextlib.contextmanager
def _waking_signals(handlers: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[int]:
    """A file descriptor that becomes readable with every signal handled here, and with every child that ends."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    old = {number: signal.signal(number, lambda *_, do=do: do()) for number, do in handlers.items()}
    old[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in old.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)
