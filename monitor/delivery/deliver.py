"""Sending what is due: each channel at its own pace, in order, all channels at once.

This thread alone touches the database; one thread a channel talks to the outside. A channel that hangs costs its own
messages time, nobody else's. Between "sent" and "recorded" a process can die: then the message goes again, with its id.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from monitor.delivery.atom import build_feed, send_feed
from monitor.delivery.backoff import Waits
from monitor.delivery.channels import Channel, Channels
from monitor.delivery.chat import send_chat
from monitor.delivery.mail import send_mail
from monitor.delivery.outbox import PARKED, PENDING, SENT, Message, Outbox
from monitor.delivery.outcome import Outcome, Result, without_secrets
from monitor.delivery.webhook import send_webhook
from monitor.state import State

GRACE = 30.0
"""Seconds beyond a channel's timeout (drawing, names to look up) before its thread is left to itself."""


@dataclass
class Delivery:
    """What one call of `deliver_due` did. `counts` by (channel, state a message came to); `unknown` are channels that
    messages wait for and channels.yml does not know."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)
    """By channel: its last failure in this call."""
    unknown: tuple[str, ...] = ()

    @property
    def sent(self) -> int:
        return sum(count for (_, state), count in self.counts.items() if state == SENT)

    @property
    def complete(self) -> bool:
        """Whether everything that was due went out."""
        return not self.errors and not self.unknown


@dataclass
class _Job:
    """A message on its way."""

    message: Message
    members: list[Message]
    """All messages that go with it, itself too."""
    until: float
    """Monotonic time after which nobody waits for its thread."""


def deliver_due(
    state: State,
    channels: Channels,
    now: datetime,
    *,
    lease: str,
    rng: random.Random,
    elapsed: Callable[[], float] = time.monotonic,
    most: int = 1_000,
    seconds: float = 300.0,
    only: str | None = None,
    each: Callable[[Message, str], None] = lambda message, came_to: None,
) -> Delivery:
    """Sends all messages that are due at `now`, and those that fall due meanwhile, for at most `seconds` (after which
    none is begun) and `most` a channel. `lease` is a token of this deliverer, new for each call. Two deliverers may run
    at once: each channel is served by one. `each` hears of every attempt."""
    outbox, report, results = Outbox(state), Delivery(), queue.SimpleQueue[tuple[str, int, Outcome]]()
    start = elapsed()
    waiting = [name for name in outbox.waiting(now) if only in {None, name}]
    report.unknown = tuple(name for name in waiting if name not in channels.channels)
    jobs: dict[str, _Job] = {}
    late: dict[int, list[Message]] = {}
    done: Counter[str] = Counter()

    def current() -> datetime:
        return now.astimezone(UTC) + timedelta(seconds=elapsed() - start)

    def begin(name: str) -> None:
        channel = channels.channels[name]
        allowed = channel.timeout + GRACE
        if done[name] >= most or elapsed() - start >= seconds:
            outbox.release(name, lease)
            return
        together = channel.digest if channel.kind in {"mail", "chat"} else 0
        message = outbox.claim(name, lease, current(), timedelta(seconds=allowed + GRACE), together)
        if message is None:
            outbox.release(name, lease)
            return
        feed = b"" if channel.atom is None else feed_of(outbox, channels, name, message.seq)
        members = outbox.members(message)
        jobs[name] = _Job(message, members, elapsed() + allowed)
        done[name] += len(members)
        moment = current()

        def work() -> None:
            results.put((name, message.seq, attempt(channel, message, moment, channels.dashboard, feed, members)))

        threading.Thread(target=work, name=f"deliver {name}", daemon=True).start()

    def finish(name: str, messages: list[Message], outcome: Outcome) -> None:
        channel = channels.channels[name]
        waits = Waits(timedelta(days=channel.give_up_days), rng)
        for message, came_to in zip(
            messages, outbox.record_all(messages, outcome, lease, current(), waits), strict=True
        ):
            report.counts[name, came_to] += 1
            if came_to != SENT:
                report.errors[name] = outcome.reason or "some recipients refused"
            each(message, came_to)

    try:
        for name in waiting:
            if name in channels.channels:
                begin(name)
        while jobs:
            try:
                name, seq, outcome = results.get(timeout=max(0.0, min(job.until for job in jobs.values()) - elapsed()))
            except queue.Empty:
                for name in [name for name, job in jobs.items() if job.until <= elapsed()]:
                    job = jobs.pop(name)
                    late[job.message.seq] = job.members
                    finish(name, job.members, Outcome(Result.UNREACHED, "it hung and was left to itself"))
                    outbox.release(name, lease)
                continue
            if name in jobs and jobs[name].message.seq == seq:
                finish(name, jobs.pop(name).members, outcome)
                begin(name)
            elif seq in late and outcome.result is Result.SENT:
                finish(name, late.pop(seq), outcome)
    finally:
        for name in jobs:  # interrupted: what is on its way counts as not sent
            outbox.release(name, lease)
    return report


def attempt(
    channel: Channel, message: Message, now: datetime, dashboard: str | None, feed: bytes,
    members: Sequence[Message] = (),
) -> Outcome:  # fmt: skip
    """One attempt; never raises, for a fault of ours must be seen on the channel and must not stop the others.
    `members`: what goes in one digest with the message, itself too."""
    try:
        if channel.atom is not None:
            return send_feed(channel.atom, feed)
        if channel.webhook is not None:
            return send_webhook(channel, message, now)
        send = send_mail if channel.kind == "mail" else send_chat
        return send(channel, message, dashboard, members)
    except Exception as error:  # noqa: BLE001
        said = without_secrets(f"{type(error).__name__}: {error}", channel.secrets())
        return Outcome(Result.BUSY, f"Dropline failed to make or send it: {said}")


def feed_of(outbox: Outbox, channels: Channels, name: str, with_seq: int | None = None) -> bytes:
    """The feed of an Atom channel, with the message that is on its way."""
    channel = channels.channels[name]
    notices = outbox.latest(name, channel.entries, with_seq)
    return build_feed(notices, title=channel.title, name=name, link=channel.link, dashboard=channels.dashboard)


__all__ = ["PARKED", "PENDING", "SENT", "Delivery", "attempt", "deliver_due", "feed_of"]
