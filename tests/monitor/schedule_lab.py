"""A service whose rounds the test turns itself, on a clock that the test sets; its runs are real processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.settings import Settings
from monitor.schedule.clock import Clock
from monitor.schedule.ledger import Run, RunState
from monitor.schedule.plan import Job, schedule_path
from monitor.schedule.service import Service

START = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


class SetClock(Clock):
    """Stands where it is put."""

    moment = START

    def now(self) -> datetime:
        return SetClock.moment


@dataclass
class Lab:
    """`script` is what every run does (a line of sh); `{job}` stands for the job."""

    folder: Path
    script: str = "exit 0"
    service: Service = field(init=False)
    left: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """Runs that a service of this test has left behind: they are our children still."""

    def command(self, job: Job, run: Run) -> list[str]:
        return ["/bin/sh", "-c", self.script.replace("{job}", job.id.replace(":", "-"))]

    def write(self, plan: str) -> None:
        path = schedule_path(self.folder)
        path.write_text(f"min_free_gb: 0\n{plan}", encoding="utf-8")
        # a second writing within the file system's grain of time must be seen as well
        os.utime(path, ns=(time.time_ns(), time.time_ns()))

    @contextmanager
    def serving(self) -> Iterator[Service]:
        with Service(
            Settings(data_dir=self.folder),
            clock=SetClock(),
            dice=random.Random(1),
            environment=os.environ,
            command=self.command,
        ) as self.service:
            try:
                yield self.service
            finally:
                self.left += self.service.processes._children

    def pass_time(self, **span: float) -> None:
        SetClock.moment += timedelta(**span)
        self.service.turn()

    def runs(self, job: str | None = None) -> list[Run]:
        """Oldest first."""
        return self.service.ledger.runs(job, 1000)[::-1]

    def states(self, job: str | None = None) -> list[str]:
        return [str(run.state) for run in self.runs(job)]

    def until(self, wanted: Callable[[], bool], seconds: float = 20) -> None:
        """Rounds until it is so; the clock stands."""
        deadline = time.monotonic() + seconds
        while not wanted():
            assert time.monotonic() < deadline, [(run.job, run.due, run.state, run.reason) for run in self.runs()]
            time.sleep(0.01)
            self.service.turn()

    def bury(self) -> None:
        """Ends what is left."""
        for child in self.left:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait(10)

    def settled(self) -> bool:
        """No process of a run is alive, and all are booked."""
        return all(run.state is not RunState.RUNNING for run in self.service.ledger.open_runs())
