"""`DATA/schedule.yml`: what is to be run when. Loaded into closed models; mistakes name file and line.

```yaml
tz: Europe/Berlin            # zone of the jobs; a market's crawls run in the market's own zone
crawls_at_once: 2
markets:
  some-market:
    cron: "15 4 * * *"       # or  every: 6h
    jitter: 30m
    grace: 12h
jobs:
  nightly-purge: {run: purge, cron: "30 3 * * *", arguments: [--older-than, "60"]}
```
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from config.errors import UsageError
from config.yamlfile import find_line, load_yaml
from crawler.items import check_zone
from crawler.market import Market, list_markets, load_market
from monitor.schedule.recurrence import Cron, Every, Rule

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def schedule_path(data_dir: Path) -> Path:
    return data_dir / "schedule.yml"


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    text = str(value).strip().lower()
    if not re.fullmatch(r"(?=.)(\d{1,6}d)?(\d{1,6}h)?(\d{1,6}m)?(\d{1,8}s)?", text):
        raise ValueError(f"{value!r} is no length of time: write 90s, 30m, 6h, 2d or 1h30m")
    return timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([dhms])", text)))


def _cron(value: str) -> str:
    return Cron(value, "UTC").text


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Zone = Annotated[str, AfterValidator(check_zone)]
MarketId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
JobName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]


class Work(StrEnum):
    """What a job may run: a command of our own, never a shell."""

    ALERTS = "alerts"
    DELIVER = "deliver"
    PURGE = "purge"
    EXPORT = "export"
    BACKUP = "backup"
    SETTLE = "settle"


COMMANDS: dict[Work, tuple[str, ...]] = {
    Work.ALERTS: ("alerts", "run"),
    Work.DELIVER: ("alerts", "deliver"),
    Work.PURGE: ("purge",),
    Work.EXPORT: ("export",),
    Work.BACKUP: ("backup",),
    Work.SETTLE: ("schedule", "settle"),
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Timing(_Part):
    """When, and how late or how long. Exactly one of `cron`, `every`."""

    cron: Annotated[str, AfterValidator(_cron)] | None = None
    every: Duration | None = None
    start: AwareDatetime | None = None
    """What `every` counts from; default: midnight UTC, 1970-01-01."""
    tz: Zone | None = None
    jitter: Duration = timedelta()
    """A run starts up to this much later, by chance."""
    grace: Duration | None = None
    """A run that could not start until so long after its time is missed. None: it is made up for, however late."""
    limit: Duration = timedelta(hours=12)
    """A run that lasts longer is ended."""
    attempts: int = Field(default=5, ge=1, le=100)
    """How often a run whose process died (not: failed) is started in all."""
    enabled: bool = True

    @model_validator(mode="after")
    def _one_rule(self) -> Timing:
        if (self.cron is None) == (self.every is None):
            raise ValueError("give exactly one of cron, every")
        if self.every is not None and self.every < timedelta(seconds=1):
            raise ValueError("every: at least 1s")
        if self.cron is None and self.tz is not None:
            raise ValueError("tz: an interval has no zone; it counts real time")
        if self.cron is not None and self.start is not None:
            raise ValueError("start: only an interval (every) has a start")
        if self.limit <= timedelta():
            raise ValueError("limit: longer than nothing")
        return self

    def rule(self, default_tz: str) -> Rule:
        if self.cron is not None:
            return Cron(self.cron, self.tz or default_tz)
        assert self.every is not None
        return Every(int(self.every.total_seconds()), self.start or datetime(1970, 1, 1, tzinfo=UTC))


class MarketTiming(Timing):
    """Crawls of one market."""

    kind: Literal["full", "incremental"] = "incremental"
    archive: bool = True


class JobTiming(Timing):
    """Upkeep."""

    run: Work
    arguments: tuple[str, ...] = ()
    """Further arguments of the command. `{date}` becomes the (local) date of the run, `{data}` the data folder."""


class HealthPage(_Part):
    """Where /healthz and /metrics are."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=9464, ge=0, le=65535)
    anyone: bool = False
    """Needed beside a host that other machines reach: there is no log-in."""

    @model_validator(mode="after")
    def _guarded(self) -> HealthPage:
        if self.host not in LOOPBACK and not self.anyone:
            raise ValueError("this host is reachable by others; say `anyone: true` if that is meant")
        return self


class Plan(_Part):
    """The whole file."""

    tz: Zone = "UTC"
    crawls_at_once: int = Field(default=2, ge=1, le=64)
    min_free_gb: float = Field(default=1.0, ge=0)
    """No crawl begins while the disk of the data folder has less."""
    stale_after: Duration = timedelta(days=3)
    """Data older than this is warned of."""
    health: HealthPage = HealthPage()
    markets: dict[MarketId, MarketTiming] = Field(default_factory=dict)
    jobs: dict[JobName, JobTiming] = Field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One line of the plan, resolved."""

    id: str
    """`crawl:MARKET`, or the job's name."""
    rule: Rule
    timing: Timing
    tz: str
    market: str | None = None
    definition: Market | None = None
    """Of that market: its working hours."""
    work: Work | None = None
    arguments: tuple[str, ...] = ()

    def command(self, due: datetime, data_dir: Path) -> tuple[str, ...]:
        """Arguments of `dropline` for the run of that time."""
        if isinstance(self.timing, MarketTiming):
            assert self.market is not None
            extra = () if self.timing.archive else ("--no-archive",)
            return ("--format", "json", "crawl", "--kind", self.timing.kind, *extra, self.market)
        assert self.work is not None
        day = due.astimezone(ZoneInfo(self.tz)).date().isoformat()
        filled = (one.replace("{date}", day).replace("{data}", str(data_dir)) for one in self.arguments)
        return (*COMMANDS[self.work], *filled)


def load_plan(path: Path) -> Plan:
    """The plan. Raises UsageError with file, line and remedy."""
    try:
        return load_yaml(path, Plan, docs="docs/scheduling.md")
    except UsageError as error:
        if not path.exists():
            error.remedy = "Write one: docs/scheduling.md has an example to begin with."
        raise


def build_jobs(plan: Plan, path: Path) -> dict[str, Job]:
    """The enabled jobs by id, crawls first. `path` is where the plan was read.

    Raises UsageError for an unknown market (file, line), or one whose own definition is broken.
    """
    found: dict[str, Job] = {}
    own = (path.parent / "markets",)
    known = list_markets(own)
    for market, crawl in plan.markets.items():
        if market not in known:
            line = find_line(path, "markets", market)
            remedy = f"Known markets: {', '.join(known)}."
            raise UsageError(f"There is no market {market!r}.", file=path, line=line, remedy=remedy)
        definition = load_market(market, own)
        tz = crawl.tz or definition.tz
        job = Job(f"crawl:{market}", crawl.rule(tz), crawl, tz, market=market, definition=definition)
        if crawl.enabled:
            found[job.id] = job
    for name, upkeep in plan.jobs.items():
        tz = upkeep.tz or plan.tz
        job = Job(name, upkeep.rule(tz), upkeep, tz, work=upkeep.run, arguments=upkeep.arguments)
        if upkeep.enabled:
            found[job.id] = job
    return found
