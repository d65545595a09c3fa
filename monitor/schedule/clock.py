"""The service's clock. Real time, or time that runs faster (for a simulated month)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Clock:
    """`now()` in UTC. With `pace` other than 1, `pace` seconds of ours pass in a second of the machine's, from `origin`
    at the machine's time `since` (Unix seconds): processes that are given the same three agree on the time."""

    pace: float = 1.0
    origin: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    since: float = 0.0

    def now(self) -> datetime:
        if self.pace == 1.0:
            return datetime.now(UTC)
        return self.origin + timedelta(seconds=(time.time() - self.since) * self.pace)

    def real_seconds(self, span: timedelta) -> float:
        """How long the machine has to wait for that span."""
        return span.total_seconds() / self.pace
