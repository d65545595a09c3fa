"""How long to wait after a failure: exponential with jitter, so that many failures do not come back all at once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta

from monitor.delivery.outcome import Outcome, Result

FIRST = timedelta(seconds=30)
LONGEST = timedelta(hours=1)
LONGEST_BUSY = timedelta(minutes=10)
"""Longest rest of a channel that answers "not now": another message may be welcome."""
PATIENCE = 3
"""After so many refusals "not now" of one message, those of other alerts may go before it."""


@dataclass(frozen=True)
class Waits:
    """Waits of one channel. `give_up` is the age from which a failing message is parked."""

    give_up: timedelta
    rng: random.Random = field(repr=False)

    def channel_pause(self, outcome: Outcome, failures: int) -> timedelta:
        """Rest of a channel after its `failures`-th failure in a row: 30 s, 1 min, 2 min … 1 h, less up to a half."""
        longest = LONGEST_BUSY if outcome.result is Result.BUSY else LONGEST
        pause = min(_doubled(failures), longest) * self.rng.uniform(0.5, 1.0)
        asked = timedelta(seconds=min(max(outcome.after or 0.0, 0.0), LONGEST.total_seconds()))
        return max(pause, asked)

    def message_pause(self, outcome: Outcome, times: int) -> timedelta:
        """How long a message itself steps back. While nobody answers not at all: it stays the first of its channel. One
        that was answered "not now" `times` times lets others go first, for twice as long as the channel rests."""
        if outcome.result is not Result.BUSY or times < PATIENCE:
            return timedelta(0)
        return 2 * _doubled(times)


def _doubled(times: int) -> timedelta:
    return min(FIRST * int(2 ** min(times - 1, 20)), LONGEST)
