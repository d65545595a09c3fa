"""The outbox: one row per event of an alert and channel, in `state.db`, until it is sent or parked.

A channel is worked on by one deliverer at a time, under a lease; one that was killed is taken over when its lease ends.
Times that lie further ahead than anything here sets them (a clock was turned back) count as over.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from extract.observation import digest_id
from monitor.alerts.alert import Alert
from monitor.delivery.backoff import LONGEST, PATIENCE, Waits
from monitor.delivery.notice import Event, Notice, build_notice
from monitor.delivery.outcome import Outcome, Result
from monitor.state import State

_COLUMNS = "seq, id, channel, notice, attempts, owed, refused, created, digest"
_TOGETHER = (
    "SELECT seq, id FROM outbox o WHERE channel = ? AND state = ? AND seq BETWEEN ? AND ? AND created = ?"
    " AND digest IS NULL AND attempts = 0 AND event != 'test' AND NOT EXISTS"
    " (SELECT 1 FROM outbox e WHERE e.channel = o.channel AND e.state = o.state AND e.alert = o.alert"
    " AND e.seq < o.seq AND e.created != o.created) ORDER BY seq LIMIT ?"
)
MOST_TOGETHER = 50
"""Messages of one digest at most."""
NEAR = 5_000
"""Rows after a message among which others of its evaluation are looked for: all channels' stand among them."""
ALONE = ""
"""In the place of a digest: the message goes by itself."""
_NEXT = (
    f"SELECT {_COLUMNS} FROM outbox o WHERE channel = ? AND state = ?"  # noqa: S608
    " AND (due IS NULL OR due <= ? OR due > ?) AND NOT EXISTS (SELECT 1 FROM outbox e WHERE"
    " e.channel = o.channel AND e.state = o.state AND e.alert = o.alert AND e.seq < o.seq)"
    " AND busy {} ? ORDER BY seq LIMIT 1"
)
LONGEST_LEASE = timedelta(minutes=10)
PENDING, SENT, PARKED = "pending", "sent", "parked"


@dataclass(frozen=True, slots=True)
class Message:
    """One notice for one channel. `id` is the same at each attempt; `owed` names recipients that still wait (empty: no
    attempt has reached any, or the channel has but one)."""

    seq: int
    id: str
    channel: str
    notice: Notice
    attempts: int
    owed: tuple[str, ...]
    refused: tuple[str, ...]
    created: datetime
    digest: str | None = None
    """Id of the digest that it goes in, `ALONE`, or None: not decided yet, for it was never tried."""


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """How a channel does. Times are UTC."""

    channel: str
    pending: int
    parked: int
    sent: int
    oldest: datetime | None
    """When the oldest pending message was put."""
    failures: int
    """Failed attempts since the last success."""
    failing_since: datetime | None
    error: str | None
    next_try: datetime | None
    last_sent: datetime | None


@dataclass(frozen=True, slots=True)
class Parked:
    """A message that nobody tries any more, and why."""

    id: str
    channel: str
    rule: str
    event: str
    created: datetime
    attempts: int
    reason: str


def message_id(alert: str, event: Event, bucket: str, channel: str) -> str:
    """By which a receiver deduplicates: from what the message is about, never from chance."""
    return f"msg_{digest_id('outbox', alert, event.value, bucket, channel, length=32)}"


def stamp(moment: datetime) -> str:
    """UTC, always with microseconds, so that text sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class Outbox:
    """The outbox of a State. `put` takes part in the caller's transaction; everything else makes its own."""

    def __init__(self, state: State) -> None:
        self.state = state

    def put(self, alert: Alert, event: Event, now: datetime, channels: Iterable[str] | None = None) -> list[str]:
        """Records the messages about one event of an alert, to `channels` (default: its recipients), and gives their
        ids. To be called inside `state.writing()`, where the alert itself is recorded. The same event again adds
        nothing: an event is an alert id, its kind, and the alert's `bucket`."""
        notice = build_notice(alert, event, now)
        content = notice.model_dump_json()
        about = alert.id.encode("utf-8", "replace").decode()
        ids = []
        for channel in dict.fromkeys(alert.recipients if channels is None else channels):
            ids.append(message_id(alert.id, event, alert.bucket.isoformat(), channel))
            self.state.db.execute(
                "INSERT INTO outbox (id, channel, alert, event, notice, created, state) VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO NOTHING",
                (ids[-1], channel, about, event.value, content, stamp(now), PENDING),
            )
        return ids

    # what waits ------------------------------------------------------------------------------------------------------

    def waiting(self, now: datetime) -> list[str]:
        """Names of the channels that have something due and are not given a rest."""
        rows = self.state.db.execute(
            "SELECT DISTINCT o.channel FROM outbox o LEFT JOIN outbox_channel c USING (channel) WHERE o.state = ?"
            " AND (c.due IS NULL OR c.due <= ? OR c.due > ?) ORDER BY o.channel",
            (PENDING, stamp(now), stamp(now + LONGEST)),
        )
        return [channel for (channel,) in rows]

    def claim(
        self, channel: str, lease: str, now: datetime, length: timedelta, together: int = 0
    ) -> Message | None:
        """Takes the channel for `length` under the token `lease`, and gives its next message: the oldest that is due,
        of an alert without an older one pending (those that were answered "not now" too often come last). None
        where nothing is due, or another deliverer has the channel. With `together` so many messages that were put by
        one evaluation, or more, become a digest (`members`). Which messages those are is settled here, for good: every
        attempt has the same, under the same id."""
        moment = stamp(now)
        with self.state.writing() as db:
            known = db.execute("SELECT due, lease, lease_until FROM outbox_channel WHERE channel = ?", (channel,))
            due, holder, until = known.fetchone() or (None, None, None)
            if due is not None and moment < due <= stamp(now + LONGEST):
                return None
            if holder not in {None, lease} and moment < (until or "") <= stamp(now + LONGEST_LEASE):
                return None
            given = (channel, PENDING, moment, stamp(now + 2 * LONGEST), PATIENCE)
            # two questions, each answered from the index by its first row, instead of one that sorts all that wait
            row = db.execute(_NEXT.format("<"), given).fetchone() or db.execute(_NEXT.format(">="), given).fetchone()
            if row is None:
                return None
            db.execute(
                "INSERT INTO outbox_channel (channel, lease, lease_until) VALUES (?, ?, ?) ON CONFLICT (channel)"
                " DO UPDATE SET lease = excluded.lease, lease_until = excluded.lease_until",
                (channel, lease, stamp(now + min(length, LONGEST_LEASE))),
            )
            if row[-1] is None:
                row = (*row[:-1], self._gather(db, _message(row), together))
        return _message(row)

    def _gather(self, db: sqlite3.Connection, first: Message, together: int) -> str:
        given = (first.channel, PENDING, first.seq, first.seq + NEAR, stamp(first.created), MOST_TOGETHER)
        rows = db.execute(_TOGETHER, given).fetchall() if together else []
        if len(rows) < together or first.seq not in {seq for seq, _ in rows}:
            rows = []
        digest = f"msg_{digest_id('digest', *(each for _, each in rows), length=32)}" if rows else ALONE
        chosen = [(digest, seq) for seq, _ in rows] or [(digest, first.seq)]
        db.executemany("UPDATE outbox SET digest = ? WHERE seq = ?", chosen)
        return digest

    def members(self, message: Message) -> list[Message]:
        """All that goes with a claimed message, itself too, oldest first."""
        if not message.digest:
            return [message]
        rows = self.state.db.execute(
            f"SELECT {_COLUMNS} FROM outbox WHERE channel = ? AND digest = ? AND state = ? ORDER BY seq",  # noqa: S608
            (message.channel, message.digest, PENDING),
        )
        return [_message(row) for row in rows]

    def release(self, channel: str, lease: str) -> None:
        """Lets go of a channel."""
        with self.state.writing() as db:
            db.execute(
                "UPDATE outbox_channel SET lease = NULL, lease_until = NULL WHERE channel = ? AND lease = ?",
                (channel, lease),
            )

    def record(self, message: Message, outcome: Outcome, lease: str, now: datetime, waits: Waits) -> str:
        """Writes down what came of an attempt; the state the message is in now. A success is true whoever reports it;
        a failure of a deliverer that lost its lease is not counted."""
        return self.record_all([message], outcome, lease, now, waits)[0]

    def record_all(
        self, messages: Sequence[Message], outcome: Outcome, lease: str, now: datetime, waits: Waits
    ) -> list[str]:
        """The same of the messages of a digest, all or none. The channel counts it as one attempt."""
        with self.state.writing() as db:
            held = db.execute("SELECT lease, failures FROM outbox_channel WHERE channel = ?", (messages[0].channel,))
            holder, failures = held.fetchone() or (None, 0)
            came_to = [self._record(db, one, outcome, holder == lease, now, waits) for one in messages]
            reasons = [reason for _, reason in came_to if reason is not None]
            if reasons:
                # a receiver that refuses one message has answered: the channel itself goes on at once
                refused = outcome.result is Result.REFUSED
                rest = None if refused else stamp(now + waits.channel_pause(outcome, failures + 1))
                db.execute(
                    "UPDATE outbox_channel SET failures = failures + 1, failing_since = coalesce(failing_since, ?),"
                    " error = ?, due = ? WHERE channel = ?",
                    (stamp(now), reasons[0], rest, messages[0].channel),
                )
        return [state for state, _ in came_to]

    def _record(
        self, db: sqlite3.Connection, message: Message, outcome: Outcome, leased: bool, now: datetime, waits: Waits
    ) -> tuple[str, str | None]:
        """(state, why it failed: None where that is not the channel's)."""
        moment = stamp(now)
        found = db.execute("SELECT state, attempts, busy FROM outbox WHERE seq = ?", (message.seq,)).fetchone()
        if found is None or found[0] != PENDING:
            return (SENT if found is None else str(found[0])), None
        attempts, busy = int(found[1]) + 1, int(found[2]) + (outcome.result is Result.BUSY)
        if outcome.result is Result.SENT:
            self._sent(db, message, attempts, moment)
            return (PARKED if message.refused else SENT), None
        if not leased:
            return PENDING, None
        refused = (*message.refused, *outcome.refused)
        owed = outcome.owed or message.owed
        final = outcome.result is Result.REFUSED and not outcome.apart
        reason = outcome.reason
        if not final and now - message.created >= waits.give_up:
            reason, final = f"gave up after {attempts} attempts: {reason}", True
            refused, owed = (*refused, *owed), ()
        pause = None if final else stamp(now + waits.message_pause(outcome, busy))
        db.execute(
            "UPDATE outbox SET state = ?, attempts = ?, busy = ?, due = ?, owed = ?, refused = ?, error = ?,"
            " changed = ?, digest = CASE WHEN ? THEN '' ELSE digest END WHERE seq = ?",
            (PARKED if final else PENDING, attempts, busy, pause, _names(owed), _names(refused), reason, moment,
             outcome.apart or final, message.seq),
        )  # fmt: skip
        return (PARKED if final else PENDING), reason

    def _sent(self, db: sqlite3.Connection, message: Message, attempts: int, moment: str) -> None:
        refused = message.refused
        error = f"refused for good by {len(refused)} of the recipients" if refused else None
        db.execute(
            "UPDATE outbox SET state = ?, attempts = ?, due = NULL, owed = '[]', error = coalesce(?, error),"
            " changed = ? WHERE seq = ?",
            (PARKED if refused else SENT, attempts, error, moment, message.seq),
        )
        db.execute(
            "INSERT INTO outbox_channel (channel, last_sent) VALUES (?, ?) ON CONFLICT (channel) DO UPDATE SET"
            " last_sent = excluded.last_sent, failures = 0, failing_since = NULL, error = NULL, due = NULL",
            (message.channel, moment),
        )

    # what people ask and do ------------------------------------------------------------------------------------------

    def health(self) -> list[ChannelHealth]:
        """Every channel that ever had a message, by name."""
        rows = self.state.db.execute(
            "SELECT o.channel, sum(o.state = 'pending'), sum(o.state = 'parked'), sum(o.state = 'sent'),"
            " min(CASE WHEN o.state = 'pending' THEN o.created END), coalesce(c.failures, 0), c.failing_since, c.error,"
            " c.due, c.last_sent FROM outbox o LEFT JOIN outbox_channel c USING (channel) GROUP BY o.channel"
        )
        return [
            ChannelHealth(
                channel=name, pending=pending, parked=parked, sent=sent, oldest=_time(oldest), failures=failures,
                failing_since=_time(since), error=error, next_try=_time(due), last_sent=_time(last),
            )
            for name, pending, parked, sent, oldest, failures, since, error, due, last in rows
        ]  # fmt: skip

    def parked(self) -> list[Parked]:
        """What nobody tries any more, oldest first."""
        rows = self.state.db.execute(
            "SELECT id, channel, notice, event, created, attempts, coalesce(error, '') FROM outbox WHERE state = ?"
            " ORDER BY seq",
            (PARKED,),
        )
        return [
            Parked(each, channel, json.loads(notice)["rule"], event, datetime.fromisoformat(created), attempts, error)
            for each, channel, notice, event, created, attempts, error in rows
        ]

    def retry(self, channel: str, now: datetime) -> int:
        """Takes the parked messages of a channel up again (to the recipients that refused them), and ends its rest;
        how many. They keep their ids, and get the full time anew."""
        with self.state.writing() as db:
            count = db.execute(
                "UPDATE outbox SET state = ?, owed = refused, refused = '[]', due = NULL, created = ? WHERE channel = ?"
                " AND state = ?",
                (PENDING, stamp(now), channel, PARKED),
            ).rowcount
            db.execute("UPDATE outbox SET due = NULL WHERE channel = ? AND state = ?", (channel, PENDING))
            db.execute("UPDATE outbox_channel SET due = NULL WHERE channel = ?", (channel,))
        return count

    def forget_sent(self, before: datetime) -> int:
        """Deletes messages sent before then; how many. The same event put again later would be sent again."""
        with self.state.writing() as db:
            gone = db.execute("DELETE FROM outbox WHERE state = ? AND changed < ?", (SENT, stamp(before)))
            return gone.rowcount

    def forget_naming(self, vendor: str) -> None:
        """Removes the messages that name a vendor, sent or not. Inside the caller's transaction."""
        self.state.db.execute("DELETE FROM outbox WHERE instr(notice, ?) > 0", (vendor,))

    def latest(self, channel: str | None, limit: int, with_seq: int | None = None) -> list[Notice]:
        """The latest notice of each alert, newest first, at most `limit`: of what `channel` was sent (and of the
        message `with_seq`, which is on its way), or of everything ever put where `channel` is None."""
        where = "1" if channel is None else "channel = :channel AND (state = 'sent' OR seq = :seq)"
        rows = self.state.db.execute(
            f"SELECT notice FROM outbox WHERE seq IN (SELECT max(seq) FROM outbox WHERE {where} AND event != 'test'"  # noqa: S608
            " GROUP BY alert) ORDER BY seq DESC LIMIT :limit",
            {"channel": channel, "seq": with_seq, "limit": limit},
        )
        return [Notice.model_validate_json(content) for (content,) in rows]


def _message(row: tuple[int, str, str, str, int, str, str, str, str | None]) -> Message:
    seq, each, channel, notice, attempts, owed, refused, created, digest = row
    return Message(
        seq, each, channel, Notice.model_validate_json(notice), attempts, tuple(json.loads(owed)),
        tuple(json.loads(refused)), datetime.fromisoformat(created), digest,
    )  # fmt: skip


def _names(names: Iterable[str]) -> str:
    return json.dumps(list(dict.fromkeys(names)))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
