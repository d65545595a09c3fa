"""What came of one attempt to send, and reasons without secrets in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from monitor.delivery.harmless import one_line

MAX_REASON = 300


class Result(StrEnum):
    SENT = "sent"
    UNREACHED = "unreached"
    """Nobody answered, or not as far as the message: the whole channel is down."""
    BUSY = "busy"
    """Answered with "not now" (HTTP 5xx or 429, SMTP 4yz)."""
    REFUSED = "refused"
    """Answered with "never" (HTTP 4xx, SMTP 5yz for a recipient or the message)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one attempt. `owed` and `refused` name recipients where a channel has several: those to try again, and those
    that said never; without names all are meant. `after` is how many seconds the receiver asked us to wait."""

    result: Result
    reason: str = ""
    owed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    after: float | None = None
    apart: bool = False
    """Of a digest that was refused: its messages may be welcome one by one."""


SENT = Outcome(Result.SENT)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """`text` as one short line, each of `secrets` struck out. Servers and libraries quote addresses in their errors."""
    for secret in sorted({secret for secret in secrets if len(secret) >= 4}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return one_line(text, MAX_REASON)
