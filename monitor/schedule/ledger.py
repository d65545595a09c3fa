"""The ledger: every run that came due, what became of it. Tables of concern `schedule` in `state.db`.

A run is (job, due): what came due once is never entered twice, so that a kill at any moment costs nothing and repeats
nothing. Times are UTC. One process writes (the service); any may read.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from monitor.state import State

JOBS_TABLE = "schedule_job"
"""Where APScheduler keeps its jobs (`jobs`)."""
KEPT_RUNS = 500
"""Ended runs kept of each job."""


class RunState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    PARTIAL = "partial"
    """Exit code 3: part of the work is missing."""
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    DIED = "died"
    """Its process died each time it was started."""
    MISSED = "missed"
    """It could not start within its grace."""
    SKIPPED = "skipped"
    """Not wanted: the market is paused or no longer in the plan."""


OPEN = (RunState.WAITING, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `coalesced`: how many earlier ones it makes up for. `ending`: why the service itself ends it."""

    job: str
    due: datetime
    not_before: datetime
    state: RunState
    coalesced: int = 0
    attempts: int = 0
    deaths: int = 0
    started: datetime | None = None
    finished: datetime | None = None
    exit: int | None = None
    ending: str | None = None
    reason: str | None = None
    result: dict[str, Any] = field(default_factory=dict)
    """What a crawl said of itself: crawl, outcome, listings, coverage, basis, pages."""

    @property
    def stem(self) -> str:
        """Name of the files of its present attempt."""
        return f"{self.due:%Y%m%dT%H%M%SZ}-{self.attempts}"


_COLUMNS = (
    "job, due, not_before, state, coalesced, attempts, deaths, started, finished, exit, ending, reason, result"
)


def _text(moment: datetime | None) -> str | None:
    # one width and one zone: the texts sort as the times do
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _run(row: tuple[Any, ...]) -> Run:
    return Run(
        row[0],
        datetime.fromisoformat(row[1]),
        datetime.fromisoformat(row[2]),
        RunState(row[3]),
        coalesced=row[4],
        attempts=row[5],
        deaths=row[6],
        started=_time(row[7]),
        finished=_time(row[8]),
        exit=row[9],
        ending=row[10],
        reason=row[11],
        result={} if row[12] is None else json.loads(row[12]),
    )


class Ledger:
    """The tables of an opened `State`."""

    def __init__(self, state: State) -> None:
        self.state = state

    def add_due(self, job: str, due: datetime, not_before: datetime, earlier: int) -> bool:
        """Enters what came due, in the place of one of the job that still waits (whose count it takes over, but not its
        jitter: what has waited starts first). Whether it is new."""
        with self.state.writing() as db:
            if db.execute("SELECT 1 FROM schedule_run WHERE job = ? AND due = ?", (job, _text(due))).fetchone():
                return False
            older = db.execute(
                "DELETE FROM schedule_run WHERE job = ? AND state = ? AND due < ? RETURNING coalesced, attempts",
                (job, RunState.WAITING, _text(due)),
            ).fetchall()
            db.execute(
                "INSERT INTO schedule_run (job, due, not_before, state, coalesced) VALUES (?, ?, ?, ?, ?)",
                (job, _text(due), _text(not_before), RunState.WAITING, earlier + sum(one[0] + 1 for one in older)),
            )
            return True

    def last_due(self, job: str, now: datetime) -> datetime | None:
        """The latest time entered for that job, up to `now`."""
        (found,) = self.state.db.execute(
            "SELECT max(due) FROM schedule_run WHERE job = ? AND due <= ?", (job, _text(now))
        ).fetchone()
        return _time(found)

    def begin(self, run: Run, now: datetime) -> Run:
        """Entered before the process is made: a kill between the two is seen as a process that died."""
        self._update(run, state=RunState.RUNNING, attempts=run.attempts + 1, started=now, ending=None, reason=None)
        return self.get(run)

    def mark_ending(self, run: Run, ending: str) -> None:
        """Why the service is about to end it: so that the exit code is understood, even by the next service."""
        self._update(run, ending=ending)

    def postpone(self, run: Run, until: datetime, reason: str, *, death: bool = False) -> None:
        """It waits again, or, where a later run of the job waits already, is made up for by that one. `death`: its
        process died."""
        deaths = run.deaths + death
        with self.state.writing() as db:
            later = db.execute(
                "UPDATE schedule_run SET coalesced = coalesced + ?, not_before = max(not_before, ?), reason = ?"
                " WHERE job = ? AND due = (SELECT min(due) FROM schedule_run WHERE job = ? AND state = ? AND due > ?)",
                (run.coalesced + 1, _text(until), reason, run.job, run.job, RunState.WAITING, _text(run.due)),
            ).rowcount
            if later:
                db.execute("DELETE FROM schedule_run WHERE job = ? AND due = ?", (run.job, _text(run.due)))
                return
        self._update(run, state=RunState.WAITING, not_before=until, reason=reason, deaths=deaths, ending=None)

    def finish(
        self,
        run: Run,
        state: RunState,
        now: datetime,
        *,
        code: int | None = None,
        reason: str | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        deaths = run.deaths + (state is RunState.DIED)
        self._update(
            run, state=state, finished=now, exit=code, reason=reason, deaths=deaths, result=json.dumps(result or {})
        )

    def _update(self, run: Run, **changes: Any) -> None:
        values = [_text(value) if isinstance(value, datetime) else value for value in changes.values()]
        names = ", ".join(f"{name} = ?" for name in changes)
        with self.state.writing() as db:
            db.execute(
                f"UPDATE schedule_run SET {names} WHERE job = ? AND due = ?",  # noqa: S608 - our own names
                (*values, run.job, _text(run.due)),
            )

    def get(self, run: Run) -> Run:
        row = self.state.db.execute(
            f"SELECT {_COLUMNS} FROM schedule_run WHERE job = ? AND due = ?",  # noqa: S608
            (run.job, _text(run.due)),
        ).fetchone()
        return _run(row)

    def open_runs(self) -> list[Run]:
        """Those that wait or run, the longest due first."""
        rows = self.state.db.execute(
            f"SELECT {_COLUMNS} FROM schedule_run WHERE state IN (?, ?) ORDER BY due, job",  # noqa: S608
            OPEN,
        )
        return [_run(row) for row in rows]

    def last_ended(self) -> dict[str, Run]:
        """By job the run that ended last (those missed or skipped, which never began, left out)."""
        rows = self.state.db.execute(
            f"SELECT {_COLUMNS}, max(finished) FROM schedule_run"  # noqa: S608
            " WHERE state NOT IN (?, ?, ?, ?) GROUP BY job",
            (*OPEN, RunState.MISSED, RunState.SKIPPED),
        )
        return {row[0]: _run(row[:-1]) for row in rows}

    def last_with_data(self) -> dict[str, Run]:
        """By job the last run that brought something: done or partial, and of crawls one that read the market
        and was accepted."""
        rows = self.state.db.execute(
            f"SELECT {_COLUMNS}, max(finished) FROM schedule_run WHERE state IN (?, ?)"  # noqa: S608
            " AND coalesce(result ->> 'outcome', '') NOT IN ('failed', 'challenged', 'login-needed')"
            " AND coalesce(json_array_length(result, '$.held'), 0) = 0 GROUP BY job",
            (RunState.DONE, RunState.PARTIAL),
        )
        return {row[0]: _run(row[:-1]) for row in rows}

    def counts(self) -> list[tuple[str, str, int, int]]:
        """(job, state, runs, runs coalesced into them), of all time: pruning keeps the sums."""
        rows = self.state.db.execute(
            "SELECT job, state, sum(runs), sum(coalesced) FROM"
            " (SELECT job, state, 1 AS runs, coalesced FROM schedule_run"
            "  UNION ALL SELECT job, state, runs, coalesced FROM schedule_pruned) GROUP BY job, state"
        )
        return [(str(job), str(state), int(runs), int(more)) for job, state, runs, more in rows]

    def runs(self, job: str | None = None, limit: int = 50) -> list[Run]:
        """The latest, newest first."""
        rows = self.state.db.execute(
            f"SELECT {_COLUMNS} FROM schedule_run WHERE ?1 IS NULL OR job = ?1"  # noqa: S608
            " ORDER BY due DESC, job LIMIT ?2",
            (job, limit),
        )
        return [_run(row) for row in rows]

    def prune(self) -> int:
        """Takes the oldest ended runs of each job out, keeping their number."""
        chosen = (
            "SELECT job, due FROM (SELECT job, due, row_number() OVER (PARTITION BY job ORDER BY due DESC) AS place"
            " FROM schedule_run WHERE state NOT IN (?, ?)) WHERE place > ?"
        )
        parameters = (*OPEN, KEPT_RUNS)
        with self.state.writing() as db:
            db.execute(
                "INSERT INTO schedule_pruned SELECT job, state, count(*), sum(coalesced) FROM schedule_run"  # noqa: S608
                f" WHERE (job, due) IN ({chosen}) GROUP BY job, state ON CONFLICT (job, state) DO UPDATE"
                " SET runs = runs + excluded.runs, coalesced = coalesced + excluded.coalesced",
                parameters,
            )
            return db.execute(f"DELETE FROM schedule_run WHERE (job, due) IN ({chosen})", parameters).rowcount  # noqa: S608

    # the service itself -------------------------------------------------------------------------------------------

    def beat(self, pid: int, now: datetime, problem: str | None, page: str | None) -> None:
        """Says that the service lives. `problem`: what a person should know; `page`: address of its health page."""
        with self.state.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO schedule_service (one, pid, beat, problem, page) VALUES (1, ?, ?, ?, ?)",
                (pid, _text(now), problem, page),
            )

    def service(self) -> Service | None:
        """What the service last said of itself; None: there never was one."""
        row = self.state.db.execute("SELECT pid, beat, problem, page FROM schedule_service").fetchone()
        return None if row is None else Service(row[0], datetime.fromisoformat(row[1]), row[2], row[3])


@dataclass(frozen=True, slots=True)
class Service:
    """The service's own line. `beat` is renewed every `BEAT`."""

    pid: int
    beat: datetime
    problem: str | None
    page: str | None


BEAT = timedelta(seconds=30)


def count_messages(db: sqlite3.Connection) -> dict[str, int]:
    """Messages of alerts by state: `pending` ones wait to be sent, `parked` ones were refused for good."""
    return {str(state): int(count) for state, count in db.execute("SELECT state, count(*) FROM outbox GROUP BY state")}


def next_times(db: sqlite3.Connection) -> dict[str, float]:
    """By job the Unix time it comes due next, out of the job store (`jobs`), without APScheduler."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (JOBS_TABLE,)).fetchone():
        return {}
    return dict(db.execute(f"SELECT id, next_run_time FROM {JOBS_TABLE}"))  # noqa: S608
