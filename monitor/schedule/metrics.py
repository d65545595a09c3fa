"""The health of an installation in Prometheus' text format. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from monitor.schedule.health import Health
from monitor.schedule.ledger import RunState


class HealthCollector:
    """One scrape."""

    def __init__(self, health: Health) -> None:
        self.health = health

    def collect(self) -> Iterator[Metric]:
        health = self.health
        yield _one("dropline_healthy", "1: the installation does its work", not health.reasons)
        yield _one("dropline_warnings", "Things a person should see to", len(health.warnings))
        yield _one("dropline_service_up", "1: the schedule service runs", health.alive)
        if health.service is not None:
            beat = health.service.beat.timestamp()
            yield _one("dropline_service_beat_timestamp_seconds", "Its last sign of life", beat)
        yield _one("dropline_tor_reachable", "1: the SOCKS proxy answers", health.tor.ok)
        yield _one("dropline_store_reachable", "1: the store can be read", health.store.ok)
        yield _one("dropline_disk_free_bytes", "Free space where the data folder is", health.disk_free)
        messages = GaugeMetricFamily("dropline_alert_messages", "Messages of alerts by state", labels=["state"])
        for state in sorted({"pending", "parked", "sent"} | set(health.messages)):
            messages.add_metric([state], health.messages.get(state, 0))
        yield messages
        yield from self._jobs()
        yield from self._markets()
        runs = CounterMetricFamily("dropline_runs", "Runs that ended, by job and state", labels=["job", "state"])
        coalesced = CounterMetricFamily("dropline_runs_coalesced", "Runs that a later one made up for", labels=["job"])
        made_up: dict[str, int] = {}
        for job, state, count, earlier in health.counts:
            if state not in {RunState.WAITING, RunState.RUNNING}:
                runs.add_metric([job, state], count)
            made_up[job] = made_up.get(job, 0) + earlier
        for job, count in sorted(made_up.items()):
            coalesced.add_metric([job], count)
        yield runs
        yield coalesced

    def _jobs(self) -> Iterator[Metric]:
        coming = GaugeMetricFamily("dropline_job_next_timestamp_seconds", "When a job comes due next", labels=["job"])
        ended = GaugeMetricFamily("dropline_job_last_timestamp_seconds", "When its last run ended", labels=["job"])
        well = GaugeMetricFamily("dropline_job_last_ok", "1: its last run was done, at least in part", labels=["job"])
        running = GaugeMetricFamily("dropline_job_running", "1: it runs", labels=["job"])
        for row in self.health.jobs:
            _add_time(coming, row.id, row.next)
            running.add_metric([row.id], row.running is not None)
            if row.last is not None:
                _add_time(ended, row.id, row.last.finished)
                well.add_metric([row.id], row.last.state in {RunState.DONE, RunState.PARTIAL})
        yield from (coming, ended, well, running)

    def _markets(self) -> Iterator[Metric]:
        age = GaugeMetricFamily("dropline_market_data_age_seconds", "Since the last crawl with data", labels=["market"])
        coverage = GaugeMetricFamily("dropline_market_coverage", "Coverage of the last crawl", labels=["market"])
        listings = GaugeMetricFamily("dropline_market_listings", "Listings the last crawl saw", labels=["market"])
        paused = GaugeMetricFamily("dropline_market_paused", "1: it waits for its operator", labels=["market"])
        for row in self.health.jobs:
            if row.market is None:
                continue
            paused.add_metric([row.market], row.paused is not None)
            if row.data_age is not None:
                age.add_metric([row.market], row.data_age)
            result = {} if row.read is None else row.read.result
            for family, name in ((coverage, "coverage"), (listings, "listings")):
                if isinstance(result.get(name), (int, float)):
                    family.add_metric([row.market], result[name])
        yield from (age, coverage, listings, paused)


def render_metrics(health: Health) -> bytes:
    """The text, UTF-8."""
    registry = CollectorRegistry()
    registry.register(HealthCollector(health))
    return generate_latest(registry)


def _one(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=float(value))


def _add_time(family: GaugeMetricFamily, job: str, moment: datetime | None) -> None:
    if moment is not None:
        family.add_metric([job], moment.timestamp())
