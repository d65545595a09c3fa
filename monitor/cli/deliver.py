"""Commands about the delivery of alerts: `alerts deliver`, `alerts channels`, `alerts feed`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import DroplineError, InputError, UsageError
from config.remedies import of_system
from monitor.cli.app import current
from monitor.cli.output import note, write_rows

if TYPE_CHECKING:
    from monitor.delivery.channels import Channels
    from monitor.delivery.outbox import Message


def register(app: typer.Typer) -> None:
    """Hangs the commands on the `alerts` application."""
    app.command("deliver")(deliver)
    app.command("channels")(channels)
    app.command("feed")(feed)


def deliver(
    context: typer.Context,
    again: Annotated[
        str | None, typer.Option(help="Take up the parked messages of this channel, and try it now.")
    ] = None,
    only: Annotated[str | None, typer.Option("--channel", help="Only this channel.")] = None,
) -> None:
    """Send the messages that are due. Exit code 3 where some could not be sent or are parked."""
    import random
    import secrets

    from monitor.delivery.channels import load_channels
    from monitor.delivery.deliver import deliver_due
    from monitor.delivery.outbox import SENT, Outbox
    from monitor.state import State, state_path

    state = current(context)
    known = load_channels(state.settings.data_dir)
    for name in (again, only):
        if name is not None:
            _check_known(known, name)
    rows = []

    def tell(message: Message, came_to: str) -> None:
        rows.append(
            {
                "channel": message.channel,
                "rule": message.notice.rule,
                "event": message.notice.event.value,
                "bucket": message.notice.bucket.isoformat(),
                "state": came_to,
                "attempts": message.attempts + 1,
                "id": message.id,
            }
        )

    with State(state_path(state.settings.data_dir)) as kept:
        if again is not None:
            count = Outbox(kept).retry(again, datetime.now(UTC))
            note(f"{count} parked messages of {again} are tried again.")
        report = deliver_due(
            kept,
            known,
            datetime.now(UTC),
            lease=secrets.token_hex(16),
            rng=random.SystemRandom(),
            only=only or again,
            each=tell,
        )
        parked = Outbox(kept).parked()
    if not rows and not report.unknown:
        note("Nothing is due.")
    for name in report.unknown:
        note(f"Messages wait for the channel {name}, which channels.yml does not know. Add it there.")
    for name, reason in report.errors.items():
        note(f"{name}: {reason}")
    if parked:
        names = ", ".join(sorted({one.channel for one in parked}))
        note(f"{len(parked)} messages are parked ({names}): dropline alerts channels shows why; --again NAME sends.")
    write_rows(rows, state.form)
    if not report.complete or any(row["state"] != SENT for row in rows):
        raise typer.Exit(3)


def channels(
    context: typer.Context,
    test: Annotated[str | None, typer.Option(help="Send a test message through this channel now.")] = None,
) -> None:
    """The channels of channels.yml and how they do: what waits, what is parked and why, since when they fail."""
    from monitor.delivery.channels import load_channels
    from monitor.delivery.outbox import Outbox
    from monitor.state import State, state_path

    state = current(context)
    known = load_channels(state.settings.data_dir)
    if test is not None:
        _check_known(known, test)
        _send_test(known, test)
    with State(state_path(state.settings.data_dir)) as kept:
        health = {one.channel: one for one in Outbox(kept).health()}
        parked = Outbox(kept).parked()
    rows = []
    for name in sorted({*known.channels, *health}):
        channel, one = known.channels.get(name), health.get(name)
        reasons = list(dict.fromkeys(each.reason for each in parked if each.channel == name))
        rows.append(
            {
                "channel": name,
                "kind": "not in channels.yml" if channel is None else channel.kind,
                "to": "" if channel is None else channel.target,
                "pending": 0 if one is None else one.pending,
                "parked": 0 if one is None else one.parked,
                "sent": 0 if one is None else one.sent,
                "last sent": _time(None if one is None else one.last_sent),
                "failing since": _time(None if one is None else one.failing_since),
                "next try": _time(None if one is None else one.next_try),
                "last error": None if one is None else one.error,
                "parked because": reasons[:5],
            }
        )
    if not rows:
        note("There is no channel yet: docs/delivery.md shows how to write channels.yml into the data folder.")
    write_rows(rows, state.form, columns=("channel", "kind", "to", "pending", "parked"))


def feed(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Where to write the feed.")],
    channel: Annotated[str | None, typer.Option(help="Only what this Atom channel was sent.")] = None,
    entries: Annotated[int, typer.Option(min=1, max=1_000, help="Most entries.")] = 100,
    title: Annotated[str, typer.Option(help="Title of the feed.")] = "Dropline alerts",
) -> None:
    """Write an Atom feed of the latest alerts that went (or wait to go) to any channel."""
    from monitor.delivery.atom import build_feed, write_feed
    from monitor.delivery.channels import load_channels
    from monitor.delivery.outbox import Outbox
    from monitor.state import State, state_path

    state = current(context)
    known = load_channels(state.settings.data_dir)
    if channel is not None:
        _check_known(known, channel)
    with State(state_path(state.settings.data_dir)) as kept:
        notices = Outbox(kept).latest(channel, entries)
    content = build_feed(notices, title=title, name=channel or "all alerts", dashboard=known.dashboard)
    try:
        write_feed(out, content)
    except OSError as error:
        remedy = of_system(error)  # a full disk is no wrong use
        kind = UsageError if remedy is None else InputError
        raise kind(f"The feed cannot be written ({error.strerror}).", file=out, remedy=remedy) from error
    write_rows([{"file": str(out), "entries": len(notices)}], state.form)


def _check_known(known: Channels, name: str) -> None:
    if name not in known.channels:
        names = ", ".join(sorted(known.channels)) or "none"
        raise UsageError(f"channels.yml has no channel {name!r}.", remedy=f"It has: {names}.")


def _send_test(known: Channels, name: str) -> None:
    from monitor.delivery.deliver import attempt
    from monitor.delivery.outcome import Result
    from monitor.delivery.testing import build_test_message

    now = datetime.now(UTC)
    channel = known.channels[name]
    if channel.atom is not None:
        raise UsageError(
            "A feed takes no test message: its readers would keep it.",
            remedy="dropline alerts feed --out FILE writes a feed to look at.",
        )
    outcome = attempt(channel, build_test_message(name, now), now, known.dashboard, b"")
    if outcome.result is not Result.SENT:
        raise DroplineError(f"{name}: {outcome.reason}.", remedy="Correct channels.yml, or try again later.")
    note(f"{name}: sent. Look whether it arrived.")


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
