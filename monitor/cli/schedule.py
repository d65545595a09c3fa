"""`dropline schedule`: the service of periodic crawls and upkeep, and what its plan comes to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from config.errors import DroplineError
from monitor.cli.app import app, current
from monitor.cli.output import note, write_rows

schedule_app = typer.Typer(help="Crawls and upkeep by the clock (docs/scheduling.md).", invoke_without_command=True)
app.add_typer(schedule_app, name="schedule")


@schedule_app.callback()
def _bare(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        run(context)


@schedule_app.command()
def run(context: typer.Context) -> None:
    """Run the service in the foreground until SIGTERM or Ctrl-C. Without a subcommand this is what is done."""
    import os
    import random
    import sys

    from monitor.schedule.clock import Clock
    from monitor.schedule.health import gather
    from monitor.schedule.service import Service
    from monitor.schedule.web import HealthServer

    settings = current(context).settings
    _log_to(sys.stderr)
    with Service(settings, clock=Clock(), dice=random.SystemRandom(), environment=os.environ) as service:
        page = service.plan.health
        if not page.enabled:
            service.run()
            return
        with HealthServer(page, lambda: gather(settings, datetime.now(UTC))) as server:
            service.page = server.address
            note(f"Health: {server.address}/healthz and /metrics.")
            service.run()


def _log_to(stream: Any) -> None:
    import logging
    import time

    handler = logging.StreamHandler(stream)
    form = logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime
    handler.setFormatter(form)
    logger = logging.getLogger("dropline.schedule")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


@schedule_app.command("list")
def list_jobs(
    context: typer.Context,
    runs: Annotated[int, typer.Option(min=0, help="Show so many of the latest runs instead.")] = 0,
    job: Annotated[str | None, typer.Option(help="Runs of this job alone (crawl:MARKET or a job's name).")] = None,
) -> None:
    """The jobs of the plan: when each comes due next, what became of its last run."""
    from monitor.schedule.health import describe_job, gather
    from monitor.schedule.ledger import Ledger
    from monitor.state import State, state_path

    state = current(context)
    if runs or job is not None:
        with State(state_path(state.settings.data_dir)) as kept:
            found = Ledger(kept).runs(job, runs or 50)
        rows = [
            {
                "job": one.job,
                "due": one.due.isoformat(),
                "state": str(one.state),
                "started": None if one.started is None else one.started.isoformat(timespec="seconds"),
                "finished": None if one.finished is None else one.finished.isoformat(timespec="seconds"),
                "attempts": one.attempts,
                "made up for": one.coalesced,
                "exit": one.exit,
                "why": one.reason,
                **{name: one.result.get(name) for name in ("crawl", "outcome", "coverage", "listings")},
            }
            for one in found
        ]
        write_rows(rows, state.form, columns=("job", "due", "state"))
        return
    now = datetime.now(UTC)
    health = gather(state.settings, now)
    if not health.alive:
        note("The service does not run: dropline schedule run")
    write_rows([describe_job(row, now) for row in health.jobs], state.form, columns=("job", "when", "next"))


@schedule_app.command()
def check(
    context: typer.Context, times: Annotated[int, typer.Option(min=1, max=1000, help="How many times to show.")] = 3
) -> None:
    """Check the plan and show when each job comes due. Exit code 2: it is broken; 3: some market may not be crawled."""
    from zoneinfo import ZoneInfo

    from crawler.authorisation import check_authorised
    from monitor.schedule.plan import MarketTiming, build_jobs, load_plan, schedule_path
    from monitor.state import State, state_path

    state = current(context)
    settings = state.settings
    path = schedule_path(settings.data_dir)
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    refused = 0
    for job in build_jobs(load_plan(path), path).values():
        moment = now
        for _ in range(times):
            moment = job.rule.next_after(moment)
            local = moment.astimezone(ZoneInfo(job.tz)).isoformat()
            rows.append({"job": job.id, "when": str(job.rule), "due": moment.isoformat(), "local": local, "tz": job.tz})
        if job.market is None:
            continue
        assert isinstance(job.timing, MarketTiming)
        try:
            check_authorised(job.market, settings.authorisations_path, now.date())
            with State(state_path(settings.data_dir)) as kept:
                kept.check_not_paused(job.market)
        except DroplineError as error:
            refused += 1
            note(str(error))
    write_rows(rows, state.form, columns=("job", "when", "due"))
    note(f"{path}: in order." if not refused else f"{path}: in order, but {refused} markets would not be crawled.")
    if refused:
        raise typer.Exit(3)


@schedule_app.command()
def settle(context: typer.Context) -> None:
    """Store what killed crawls have left behind, and bring derived tables up to date. Repeats harmlessly."""
    from monitor.schedule.settle import settle_all

    state = current(context)
    with state.store() as store:
        done = settle_all(state.settings, store, datetime.now(UTC))
    if not done:
        note("There is nothing to settle yet.")
    write_rows(
        [
            {"market": one.market, "logs stored": one.stored, "held": one.held, "offer-days": one.offer_days}
            for one in done
        ],
        state.form,
    )
    if any(one.held for one in done):
        note("Some crawls are not accepted: dropline market held")
        raise typer.Exit(3)
