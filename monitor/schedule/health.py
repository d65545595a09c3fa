"""How an installation is: its service, markets, jobs, Tor, store, disk and undelivered alerts. One gathering for
`dropline status`, /healthz and /metrics. Light: nothing here imports a store, a spider or the extractor."""

from __future__ import annotations

import base64
import http.client
import shutil
import socket
import sqlite3
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from config.errors import UsageError
from config.settings import Settings
from crawler.limits import STOP
from monitor.schedule.ledger import BEAT, Ledger, Run, RunState, Service, count_messages, next_times
from monitor.schedule.locks import is_held, service_lock
from monitor.schedule.plan import Job, Plan, build_jobs, load_plan, schedule_path
from monitor.state import State, state_path

PROBE_SECONDS = 3.0
LATE = timedelta(minutes=15)
"""A run that waits for longer than this after its time (and jitter) is worth a word."""
WITH_DATA = (RunState.DONE, RunState.PARTIAL)


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether something answers, and what it said."""

    ok: bool
    about: str


@dataclass(frozen=True, slots=True)
class JobHealth:
    """One job of the plan, or a market that is in no plan but paused. Times in UTC; `data_age` in seconds."""

    id: str
    market: str | None
    rule: str | None = None
    next: datetime | None = None
    running: Run | None = None
    waiting: Run | None = None
    last: Run | None = None
    """The run that ended last."""
    read: Run | None = None
    """Of a market: the last run that brought data."""
    data_age: float | None = None
    paused: str | None = None


@dataclass(frozen=True)
class Health:
    """All of it. `reasons`: why the installation does not do its work (503). `warnings`: what a person should know."""

    at: datetime
    service: Service | None
    alive: bool
    jobs: tuple[JobHealth, ...]
    tor: Probe
    store: Probe
    disk_free: int
    disk_least: float
    """Bytes free below which no crawl begins."""
    messages: dict[str, int]
    """Messages of alerts by state."""
    counts: list[tuple[str, str, int, int]] = field(default_factory=list)
    """`Ledger.counts`."""
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_plan(settings: Settings) -> tuple[Plan, dict[str, Job]] | None:
    """The plan and its jobs; None: there is no plan. Raises UsageError for a broken one."""
    path = schedule_path(settings.data_dir)
    if not path.exists():
        return None
    plan = load_plan(path)
    return plan, build_jobs(plan, path)


def gather(settings: Settings, now: datetime) -> Health:
    """Looks at everything once; takes a few seconds at most where something does not answer."""
    broken: str | None = None
    try:
        found = read_plan(settings)
    except UsageError as error:
        found, broken = None, str(error)
    plan, jobs = (Plan(), {}) if found is None else found
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with State(state_path(settings.data_dir)) as state:
        ledger = Ledger(state)
        service, open_runs, last, read = (
            ledger.service(), ledger.open_runs(), ledger.last_ended(), ledger.last_with_data()
        )  # fmt: skip
        times = next_times(state.db)
        pauses = {pause.market: pause.reason for pause in state.pauses()}
        messages, counts = count_messages(state.db), ledger.counts()
    running = {run.job: run for run in open_runs if run.state is RunState.RUNNING}
    waiting = {run.job: run for run in open_runs if run.state is RunState.WAITING}
    rows: list[JobHealth] = []
    for job in jobs.values():
        reading = read.get(job.id) if job.market is not None else None
        rows.append(
            JobHealth(
                job.id,
                job.market,
                str(job.rule),
                datetime.fromtimestamp(times[job.id], UTC) if job.id in times else job.rule.next_after(now),
                running.get(job.id),
                waiting.get(job.id),
                last.get(job.id),
                reading,
                None if reading is None or reading.started is None else (now - reading.started).total_seconds(),
                None if job.market is None else pauses.get(job.market),
            )
        )
    planned = {row.market for row in rows}
    rows += [JobHealth(f"crawl:{name}", name, paused=why) for name, why in pauses.items() if name not in planned]
    health = Health(
        at=now,
        service=service,
        alive=is_held(service_lock(settings.data_dir)),
        jobs=tuple(rows),
        tor=probe_tor(settings.tor_socks),
        store=probe_store(settings.store_url),
        disk_free=shutil.disk_usage(settings.data_dir).free,
        disk_least=plan.min_free_gb * 1e9,
        messages=messages,
        counts=counts,
    )
    reasons, warnings = _judge(health, plan, jobs, broken, settings.data_dir)
    return Health(**{**vars(health), "reasons": tuple(reasons), "warnings": tuple(warnings)})


def _judge(
    health: Health, plan: Plan, jobs: dict[str, Job], broken: str | None, data_dir: Path
) -> tuple[list[str], list[str]]:
    reasons: list[str] = []
    warnings: list[str] = []
    crawls = any(job.market is not None for job in jobs.values())
    if broken is not None:
        reasons.append(broken)
    if jobs and not health.alive:
        reasons.append("The schedule service does not run (start it: dropline schedule run).")
    elif health.alive and (health.service is None or abs(health.at - health.service.beat) > 4 * BEAT):
        beat = None if health.service is None else health.service.beat
        reasons.append(f"The schedule service runs but last gave a sign of life at {beat or 'no time'}.")
    if crawls and not health.tor.ok:
        reasons.append(f"Tor cannot be reached: {health.tor.about}")
    if not health.store.ok:
        reasons.append(f"The store cannot be used: {health.store.about}")
    if health.disk_free < health.disk_least:
        reasons.append(f"The disk of {data_dir} has {health.disk_free / 1e9:.1f} GB left: no crawl begins.")
    if (data_dir / STOP).exists():
        warnings.append(f"Nothing is crawled while {data_dir / STOP} is there.")
    if health.alive and health.service is not None and health.service.problem and broken is None:
        warnings.append(health.service.problem)
    for row in health.jobs:
        job = jobs.get(row.id)
        if row.paused is not None:
            warnings.append(f"{row.market} is paused: {row.paused}. Then: dropline session set {row.market}")
        if row.last is not None and row.last.state not in WITH_DATA:
            what = f"{row.id} of {row.last.due:%Y-%m-%d %H:%M} UTC: {row.last.state}"
            warnings.append(what + (f" ({row.last.reason})" if row.last.reason else ""))
        if row.market and job and (row.data_age is None or row.data_age > plan.stale_after.total_seconds()):
            age = "there is none yet" if row.data_age is None else f"{timedelta(seconds=round(row.data_age))} old"
            warnings.append(f"{row.market}: data by schedule: {age}.")
        late = None if row.waiting is None or row.running is not None else health.at - row.waiting.not_before
        if late is not None and late > LATE and row.waiting is not None:
            warnings.append(f"{row.id} waits since {row.waiting.due:%Y-%m-%d %H:%M} UTC: {row.waiting.reason or '?'}.")
    # their names say enough; reading the marks would load the page objects' libraries into the service (monitor.held)
    marks = sorted(mark.name.removesuffix(".held.json") for mark in (data_dir / "logs").glob("*/held/*.held.json"))
    warnings.extend(f"{crawl} is not accepted: dropline market held" for crawl in marks)
    if parked := health.messages.get("parked"):
        warnings.append(f"{parked} messages of alerts were refused for good (dropline alerts channels).")
    return reasons, warnings


def probe_tor(address: str) -> Probe:
    """Whether a SOCKS5 proxy answers there. Only the greeting is exchanged: nothing is asked for."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=PROBE_SECONDS) as connection:
            connection.sendall(b"\x05\x02\x00\x02")
            answer = connection.recv(2)
    except (OSError, ValueError) as error:
        return Probe(False, f"nothing answers at {address} ({error}).")
    if len(answer) == 2 and answer[0] == 5 and answer[1] != 0xFF:
        return Probe(True, f"answers at {address}")
    return Probe(False, f"what answers at {address} is no SOCKS5 proxy.")


def probe_store(url: str) -> Probe:
    """Whether the store can be read. A file that is not there yet is none the worse."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        return _probe_file(Path(unquote(rest[1:])))
    try:
        return _probe_server(url)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Probe(False, f"no answer from {urlsplit(url).hostname}: {error}.")


def _probe_file(path: Path) -> Probe:
    if not path.exists():
        return Probe(True, f"{path}: will be made by the first crawl")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=PROBE_SECONDS)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Probe(False, f"{path}: {error}.")
    return Probe(True, f"{path}, {path.stat().st_size / 1e6:,.1f} MB")


def _probe_server(url: str) -> Probe:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 9200)
    headers: dict[str, str] = {}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    connection = (
        http.client.HTTPSConnection(host, port, timeout=PROBE_SECONDS, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=PROBE_SECONDS)
    )
    try:
        connection.request("GET", "/_cluster/health?filter_path=status", headers=headers)
        response = connection.getresponse()
        body = response.read(1000)
    finally:
        connection.close()
    if response.status != 200:
        return Probe(False, f"{host}:{port} answers {response.status}.")
    if b'"red"' in body:
        return Probe(False, f"{host}:{port}: the cluster is red: part of the data is missing.")
    return Probe(True, f"{host}:{port} answers")


def describe_job(row: JobHealth, now: datetime) -> dict[str, Any]:
    """One row of `dropline status` and `schedule list`."""
    last = row.last
    state = "paused" if row.paused else "running" if row.running else "waiting" if row.waiting else "idle"
    return {
        "job": row.id,
        "when": row.rule,
        "state": state,
        "next": _stamp(row.next),
        "last": _stamp(None if last is None else last.finished),
        "last state": None if last is None else str(last.state),
        "why": row.paused or (None if row.waiting is None else row.waiting.reason) or (last.reason if last else None),
        "outcome": None if row.read is None else row.read.result.get("outcome"),
        "coverage": None if row.read is None else row.read.result.get("coverage"),
        "data age h": None if row.data_age is None else round(row.data_age / 3600, 1),
    }


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")
