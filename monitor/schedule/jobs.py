"""The persistent job store: APScheduler's SQLAlchemy store in `state.db`, one job for each line of the plan.

What is stored of a job is its rule and the time it comes due next, so that a service that was down knows what it
missed. APScheduler's own loop is not used (the scheduler is started paused): it hands a job to a thread and then writes
the next time, so that a kill between the two loses a run. Here a run is in the ledger before the next time is written.
Nor are its triggers: their intervals drift by their jitter, cron's Sunday is its Monday, and daylight saving repeats
runs.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger
from sqlalchemy import URL

from config.closing import Closing
from monitor.schedule.ledger import JOBS_TABLE, Ledger
from monitor.schedule.plan import Job
from monitor.schedule.recurrence import Rule, find_due

INSTANT = timedelta(microseconds=1)


class RuleTrigger(BaseTrigger):  # type: ignore[misc]  # untyped library
    """A rule of ours as APScheduler wants it. Pickled into the store."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return self.rule.next_after(previous_fire_time or now)


def run_job(job: str) -> None:
    """What the store calls a job's function. The service starts runs itself, from the ledger."""
    raise NotImplementedError(f"{job} is run by `dropline schedule run` alone")


class _Scheduler(BaseScheduler):  # type: ignore[misc]
    """Keeps jobs; never runs one."""

    def wakeup(self) -> None:
        """There is no loop to wake."""

    def shutdown(self, wait: bool = True) -> None:
        super().shutdown(wait)


class JobStore(Closing):
    """The jobs of one data folder. Used by the service alone."""

    def __init__(self, state_file: Path, dice: random.Random) -> None:
        url = URL.create("sqlite", database=str(state_file))
        options = {"connect_args": {"timeout": 30}}
        self._dice = dice
        self._scheduler = _Scheduler(timezone="UTC")
        self._scheduler.add_jobstore(SQLAlchemyJobStore(url=url, tablename=JOBS_TABLE, engine_options=options))
        self._scheduler.start(paused=True)

    def close(self) -> None:
        self._scheduler.shutdown(wait=False)

    def sync(self, jobs: Mapping[str, Job], now: datetime) -> None:
        """Makes the store hold exactly these jobs. One whose rule is as it was keeps its next time, so that what was
        missed meanwhile comes due; a new or changed one begins from `now`."""
        for stored in self._scheduler.get_jobs():
            if stored.id not in jobs:
                stored.remove()
        for job in jobs.values():
            old = self._scheduler.get_job(job.id)
            if old is not None and isinstance(old.trigger, RuleTrigger) and old.trigger.rule == job.rule:
                continue
            self._scheduler.add_job(
                run_job,
                RuleTrigger(job.rule),
                args=(job.id,),
                id=job.id,
                next_run_time=job.rule.next_after(now),
                replace_existing=True,
            )

    def advance(self, jobs: Mapping[str, Job], ledger: Ledger, now: datetime) -> datetime | None:
        """Enters into the ledger what has come due; returns when the next one will.

        A clock that was set back brings the next time forward again (a run that was entered stays entered); one that
        jumped ahead makes runs due, coalesced to one a job."""
        soonest: datetime | None = None
        for stored in self._scheduler.get_jobs():
            job = jobs[stored.id]
            coming = job.rule.next_after(now)
            if stored.next_run_time <= now:
                entered = ledger.last_due(job.id, now)  # perhaps killed before the store was told
                since = stored.next_run_time if entered is None else max(stored.next_run_time, entered + INSTANT)
                due = find_due(job.rule, since, now)
                if due is not None:
                    jitter = timedelta(seconds=self._dice.uniform(0, job.timing.jitter.total_seconds()))
                    ledger.add_due(job.id, due.at, due.at + jitter, due.earlier)
            if stored.next_run_time != coming:
                stored.modify(next_run_time=coming)
            soonest = coming if soonest is None else min(soonest, coming)
        return soonest
