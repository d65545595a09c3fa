"""When a market may be asked at all: the operator's stop file, its working hours, its budget of the day."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from config.errors import UsageError
from crawler.market import Market
from crawler.readings import Readings

STOP = "STOP"
"""`DATA/STOP`: while this file is there, nothing is crawled; crawls that run end with their next page."""


class Limits:
    """Asked before the first request, and after each page."""

    def __init__(self, market: Market, data_dir: Path, readings: Readings) -> None:
        self._market, self._stop, self._readings = market, data_dir / STOP, readings

    def reason_to_end(self, moment: datetime) -> str | None:
        """Why no (further) page may be asked for at `moment` (aware); None: go on."""
        if self._stop.exists():
            return "stopped by the operator"
        if not is_working_hour(self._market, moment):
            return "outside working hours"
        pages, size = self._readings.spent(moment)
        budget = self._market.budget
        if pages >= budget.pages_per_day or size >= budget.bytes_per_day:
            return "budget of the day spent"
        return None

    def check_may_begin(self, moment: datetime) -> None:
        """Raises UsageError where the operator has stopped crawling, or it is not the time for this market."""
        if self._stop.exists():
            raise UsageError("Crawling is stopped.", file=self._stop, remedy="Remove that file to allow it again.")
        if not is_working_hour(self._market, moment):
            hours = ", ".join(self._market.budget.hours)
            raise UsageError(
                f"{self._market.id} is only crawled at {hours} ({self._market.tz}).",
                remedy="Wait, or change budget.hours in its market.yml.",
            )


def is_working_hour(market: Market, moment: datetime) -> bool:
    """Whether `moment` lies in one of the market's `budget.hours` (its own zone; the end is not part of it; an end
    before the beginning is on the next day). No hours: always."""
    hours = market.budget.hours
    if not hours:
        return True
    now = moment.astimezone(ZoneInfo(market.tz)).strftime("%H:%M")
    for span in hours:
        first, _, last = span.partition("-")
        if first <= now < last or (last <= first and (now >= first or now < last)):
            return True
    return False
