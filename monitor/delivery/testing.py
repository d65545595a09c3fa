"""A message that tests a channel: like a real one, about nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.alerts.alert import Alert, Severity
from monitor.delivery.notice import Event, build_notice
from monitor.delivery.outbox import Message, message_id


def build_test_message(channel: str, now: datetime) -> Message:
    """A test message to `channel`. Its figures are invented, and say so."""
    today = now.date()
    recent = tuple((today - timedelta(days=7 * back), 100.0 + 3 * (back % 3)) for back in range(8, 0, -1))
    alert = Alert(
        id=f"test-{now:%Y%m%dT%H%M%S}",
        rule="test",
        rule_version="test",
        test="threshold",
        measure="listings",
        series={"substance": "an invented one"},
        severity=Severity.INFO,
        owner="the operator",
        recipients=(channel,),
        first_bucket=today,
        bucket=today,
        fired_at=now,
        value=150.0,
        baseline=102.0,
        n=150,
        vendors=20,
        coverage=1.0,
        why="Its figures are invented.",
        query="dropline alerts channels",
        recent=(*recent, (today, 150.0)),
        recent_crowd=((100, 20),) * 9,
        unit="listings",
    )
    each = message_id(alert.id, Event.TEST, today.isoformat(), channel)
    return Message(0, each, channel, build_notice(alert, Event.TEST, now), 0, (), (), now)
