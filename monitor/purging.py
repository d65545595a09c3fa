"""Purging by age: whole months of observations out of the store, and with them what else holds a listing of theirs.

What was purged stays a gap: `Store.purged_before` says up to which day, measures answer "purged" there, and crawls of
those months are not stored again (`refuse_purged`, `monitor.crawling.find_unstored`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import orjson
from pydantic import ValidationError

from config.errors import StoreError, UsageError
from crawler.items import Crawl
from index.coverage import crawl_day
from index.store import Filter, Store
from monitor.alerts.asking import RowCache
from monitor.review import ReviewQueue
from monitor.state import State, state_path


class PurgedMonth(UsageError):
    """A crawl of a month that the store has purged."""


@dataclass(frozen=True, slots=True)
class OldMonth:
    """What would go of one month of one market. `observations` are those of every version."""

    month: str
    market: str
    crawls: int = 0
    observations: int = 0
    logs: int = 0
    bytes: int = 0
    """Size of the logs."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge removed: rows of the store, crawl logs."""

    rows: int
    logs: tuple[Path, ...]


def first_kept(keep_months: int, today: date) -> date:
    """The first day that stays where the running month and `keep_months` whole months before it do."""
    if keep_months < 1:
        raise UsageError(f"{keep_months} months cannot be kept.", remedy="Keep one month or more.")
    months = today.year * 12 + today.month - 1 - keep_months
    if months < 12:
        raise UsageError(f"{keep_months} months reach back before the year 1.", remedy="Keep fewer months.")
    return date(months // 12, months % 12 + 1, 1)


def check_first_kept(day: date, today: date) -> date:
    """The day, where it may be purged up to. UsageError: no first of a month, or past the running month's first day."""
    if day.day != 1:
        raise UsageError(
            f"{day} is not the first day of a month: whole months are purged.",
            remedy=f"Give {day.replace(day=1)}, which keeps that month, or the first of the next.",
        )
    if day > today.replace(day=1):
        raise UsageError(
            f"{day} lies ahead: the running month is never purged.",
            remedy=f"Give {today.replace(day=1)} at the latest.",
        )
    return day


def begun_day(log: Path) -> date | None:
    """Market-local day on which the crawl of a log began, by its first line; None where that cannot be read."""
    try:
        with log.open("rb") as stream:
            line = stream.readline()
        return crawl_day(Crawl.model_validate(orjson.loads(line)["crawl"]))
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValidationError, StoreError):
        return None


def refuse_purged(store: Store, log: Path) -> None:
    """PurgedMonth for the log of a crawl of a month that the store has purged: it would only be purged again."""
    kept_from = store.purged_before()
    if kept_from is None:
        return
    day = begun_day(log)
    if day is not None and day < kept_from:
        raise PurgedMonth(
            f"{log.stem} is of {day}, and this store has purged everything before {kept_from}: it was not stored.",
            remedy="Give another store (--store) for older data.",
        )


def find_old_logs(data_dir: Path, kept_from: date) -> list[tuple[Path, date]]:
    """Logs of crawls begun before that day, held ones too, with their day. Logs that cannot be read are left alone."""
    logs = sorted([*(data_dir / "logs").glob("*/*.jsonl"), *(data_dir / "logs").glob("*/held/*.jsonl")])
    return [(log, day) for log in logs if (day := begun_day(log)) is not None and day < kept_from]


def plan_purge(store: Store, data_dir: Path, kept_from: date, *, with_logs: bool) -> list[OldMonth]:
    """What `purge_months` would remove, by month and market. Reads only."""
    crawls: Counter[tuple[str, str]] = Counter()
    rows: Counter[tuple[str, str]] = Counter()
    logs: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    before = Filter(last=kept_from - timedelta(days=1))
    for crawl in store.crawls(last=before.last):
        crawls[f"{crawl_day(crawl):%Y-%m}", crawl.market] += 1
    for version in store.versions():
        # one crawl sees an offer once: its distinct offers are its observations
        for (_, day, market), count in store.count_distinct(before, ("crawl", "day", "market"), "offer", version):
            rows[str(day)[:7], str(market)] += count
    if with_logs:
        for log, begun in find_old_logs(data_dir, kept_from):
            market = log.parent.parent.name if log.parent.name == "held" else log.parent.name
            logs[f"{begun:%Y-%m}", market] += 1
            sizes[f"{begun:%Y-%m}", market] += log.stat().st_size
    return [
        OldMonth(*key, crawls[key], rows[key], logs[key], sizes[key]) for key in sorted({*crawls, *rows, *logs})
    ]  # fmt: skip


def purge_months(store: Store, data_dir: Path, kept_from: date, *, with_logs: bool) -> Purged:
    """Remove every crawl, observation and offer-day before a market-local day, the first of a month, and what alerts
    and the review queue remember of them; with `with_logs` the crawl logs too, which nothing brings back.

    Run again it changes nothing; broken off it may be run again.
    """
    removed = store.drop_before(kept_from)
    with State(state_path(data_dir)) as state:
        ReviewQueue(state, data_dir).forget_before(datetime.combine(kept_from, time(), UTC))
        with state.writing() as db:
            RowCache(db).clear()  # figures of buckets that are gaps now
    return Purged(removed, tuple(_remove_logs(data_dir, kept_from)) if with_logs else ())


def _remove_logs(data_dir: Path, kept_from: date) -> Iterator[Path]:
    for log, _ in find_old_logs(data_dir, kept_from):
        log.unlink(missing_ok=True)
        log.with_suffix(".held.json").unlink(missing_ok=True)
        yield log
