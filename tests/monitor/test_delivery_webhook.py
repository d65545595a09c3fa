"""The outbox against a real HTTP receiver: up, down, slow, refusing; order, leases, back-off."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from delivery_lab import NOW, SECRET, Posts, free_port, http_receiver, make_alert, write_channels

from monitor.alerts.alert import Alert
from monitor.delivery.channels import Channels, load_channels
from monitor.delivery.deliver import Delivery, deliver_due
from monitor.delivery.notice import Event
from monitor.delivery.outbox import Outbox
from monitor.state import State, state_path


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State(state_path(tmp_path)) as opened:
        yield opened


def hook(folder: Path, port: int, more: str = "", name: str = "hook") -> Channels:
    spec = f"    webhook: http://127.0.0.1:{port}/in\n    secret: {SECRET}\n    timeout: 2\n"
    write_channels(folder, f"channels:\n  {name}:\n{spec}{more}")
    return load_channels(folder)


def put(state: State, *alerts: Alert, event: Event = Event.FIRED, now: datetime = NOW) -> list[str]:
    with state.writing():
        return [each for alert in alerts for each in Outbox(state).put(alert, event, now)]


def go(state: State, channels: Channels, now: datetime = NOW, lease: str = "one", **options: float) -> Delivery:
    return deliver_due(state, channels, now, lease=lease, rng=random.Random(1), **options)  # type: ignore[arg-type]


def test_a_message_arrives_once_signed_as_standard_webhooks_says(tmp_path: Path, state: State) -> None:
    with http_receiver() as posts:
        channels = hook(tmp_path, posts.port)
        ids = put(state, make_alert())
        assert put(state, make_alert()) == ids  # the same event again adds nothing
        assert go(state, channels).counts == {("hook", "sent"): 1}
        assert go(state, channels, NOW + timedelta(days=1)).counts == {}
    [(headers, body)] = posts.got
    assert headers["webhook-id"] == ids[0]
    assert int(headers["webhook-timestamp"]) == int(NOW.timestamp())
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    told = json.loads(body)
    assert told["type"] == "alert.fired"
    assert (told["data"]["value"], told["data"]["n"], told["data"]["withheld"]) == (21.5, 214, {})


def test_two_secrets_give_two_signatures(tmp_path: Path, state: State) -> None:
    other = "whsec_" + "B" * 40
    with http_receiver() as posts:
        write_channels(
            tmp_path, f"channels:\n  hook: {{webhook: 'http://127.0.0.1:{posts.port}/', secret: [{SECRET}, {other}]}}\n"
        )
        put(state, make_alert())
        go(state, load_channels(tmp_path))
    assert len(set(posts.got[0][0]["webhook-signature"].split(" "))) == 2


def test_nothing_is_lost_while_the_receiver_is_down_and_order_is_kept(tmp_path: Path, state: State) -> None:
    port = free_port()
    channels = hook(tmp_path, port)
    ids = put(state, *(make_alert(number) for number in range(5)))
    now = NOW
    tries = []
    for _ in range(6):
        report = go(state, channels, now)
        assert report.counts == {("hook", "pending"): 1}  # one try, not one for each message
        assert not report.complete
        [health] = Outbox(state).health()
        assert health.next_try is not None
        assert (health.pending, health.failing_since) == (5, health.failing_since)
        assert go(state, channels, now + timedelta(seconds=1)).counts == {}  # it rests
        tries.append((health.next_try - now).total_seconds())
        now = health.next_try
    assert all(2 ** count * 15 <= wait <= 2 ** count * 30 + 3 for count, wait in enumerate(tries))
    assert health.failures == 6
    assert health.failing_since is not None
    assert health.failing_since - NOW < timedelta(seconds=5)
    assert "Connect" in (health.error or "")
    with http_receiver(Posts(port=port)) as posts:
        assert go(state, channels, now).counts == {("hook", "sent"): 5}
    assert posts.ids == ids
    [health] = Outbox(state).health()
    assert (health.pending, health.failures, health.failing_since, health.error) == (0, 0, None, None)


def test_a_slow_receiver_is_cut_off_in_time_and_holds_up_nobody(tmp_path: Path, state: State) -> None:
    slow_alert, quick = make_alert(1, recipients=("hook", "quick")), make_alert(2, recipients=("quick",))
    with http_receiver(Posts(drip=0.2)) as slow, http_receiver() as posts:
        more = f"  quick: {{webhook: 'http://127.0.0.1:{posts.port}/', secret: {SECRET}}}\n"
        channels = hook(tmp_path, slow.port, more)
        put(state, slow_alert, quick)
        order: list[str] = []
        start = time.monotonic()
        report = deliver_due(
            state, channels, NOW, lease="a", rng=random.Random(1),
            each=lambda message, came_to: order.append(message.channel),
        )  # fmt: skip
        took = time.monotonic() - start
    assert report.counts == {("hook", "pending"): 1, ("quick", "sent"): 2}
    assert report.errors == {"hook": "no answer within 2 s"}
    assert order == ["quick", "quick", "hook"]
    assert took < 8


def test_a_thread_that_hangs_is_left_to_itself_and_believed_if_it_succeeds_after_all(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.delivery.deliver.GRACE", -1.5)  # so that a thread is given up before its own limit

    def late(headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        time.sleep(1)
        return 204, {}

    def later(headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        time.sleep(2)
        return 204, {}

    with http_receiver(Posts(answer=late)) as slow, http_receiver(Posts(answer=later)) as other:
        more = f"  other: {{webhook: 'http://127.0.0.1:{other.port}/', secret: {SECRET}, timeout: 5}}\n"
        channels = hook(tmp_path, slow.port, more)
        put(state, make_alert(recipients=("hook", "other")))
        came: list[tuple[str, str]] = []
        report = deliver_due(
            state, channels, NOW, lease="a", rng=random.Random(1),
            each=lambda message, came_to: came.append((message.channel, came_to)),
        )  # fmt: skip
    assert came == [("hook", "pending"), ("hook", "sent"), ("other", "sent")]
    assert "hung" in report.errors["hook"]
    assert [(one.pending, one.failures) for one in Outbox(state).health()] == [(0, 0), (0, 0)]


@pytest.mark.parametrize(("status", "came_to"), [(400, "parked"), (404, "parked"), (410, "parked"), (302, "parked"),
                                                 (500, "pending"), (503, "pending"), (429, "pending")])  # fmt: skip
def test_never_is_parked_and_not_now_is_tried_again(tmp_path: Path, state: State, status: int, came_to: str) -> None:
    with http_receiver(Posts(answer=lambda headers, body: (status, {"location": "/elsewhere"}))) as posts:
        channels = hook(tmp_path, posts.port)
        put(state, make_alert())
        report = go(state, channels)
        assert report.counts == {("hook", came_to): 1}
        assert str(status) in report.errors["hook"]
        later = go(state, channels, NOW + timedelta(hours=3))
        assert bool(later.counts) == (came_to == "pending")
        if came_to == "parked":
            [parked] = Outbox(state).parked()
            assert str(status) in parked.reason
            posts.answer = lambda headers, body: (204, {})
            assert Outbox(state).retry("hook", NOW + timedelta(hours=4)) == 1
            assert go(state, channels, NOW + timedelta(hours=4)).counts == {("hook", "sent"): 1}
            assert len(set(posts.ids)) == 1  # still the same id


def test_a_refused_message_does_not_hold_up_the_next(tmp_path: Path, state: State) -> None:
    def answer(headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        return (422 if b"0000000000000001" in body else 204), {}

    with http_receiver(Posts(answer=answer)) as posts:
        channels = hook(tmp_path, posts.port)
        put(state, make_alert(1), make_alert(2), make_alert(3))
        assert go(state, channels).counts == {("hook", "parked"): 1, ("hook", "sent"): 2}


def test_a_message_that_always_breaks_the_receiver_lets_other_alerts_by_but_not_its_own(
    tmp_path: Path, state: State
) -> None:
    def answer(headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        return (500 if b"0000000000000001" in body else 204), {}

    with http_receiver(Posts(answer=answer)) as posts:
        channels = hook(tmp_path, posts.port)
        [bad] = put(state, make_alert(1))
        [recovered] = put(state, make_alert(1), event=Event.RECOVERED)
        [good] = put(state, make_alert(2))
        now = NOW
        for _ in range(4):
            go(state, channels, now)
            now += timedelta(minutes=5)
        assert good in posts.ids
        assert posts.ids[0] == bad
        assert recovered not in posts.ids
        posts.answer = lambda headers, body: (204, {})
        go(state, channels, now + timedelta(hours=3))
        assert posts.ids.index(recovered) == len(posts.ids) - 1
        assert posts.ids[-2] == bad


def test_a_receiver_that_asks_for_time_gets_it(tmp_path: Path, state: State) -> None:
    with http_receiver(Posts(answer=lambda headers, body: (429, {"retry-after": "900"}))) as posts:
        channels = hook(tmp_path, posts.port)
        put(state, make_alert())
        go(state, channels)
        assert go(state, channels, NOW + timedelta(seconds=890)).counts == {}
        assert go(state, channels, NOW + timedelta(seconds=905)).counts == {("hook", "pending"): 1}


def test_old_failures_are_parked_and_said_so(tmp_path: Path, state: State) -> None:
    channels = hook(tmp_path, free_port(), "    give_up_days: 2\n")
    put(state, make_alert())
    go(state, channels)
    assert go(state, channels, NOW + timedelta(days=1)).counts == {("hook", "pending"): 1}
    assert go(state, channels, NOW + timedelta(days=3)).counts == {("hook", "parked"): 1}
    [parked] = Outbox(state).parked()
    assert parked.reason.startswith("gave up after 3 attempts: ")


def test_a_message_of_a_machine_that_was_off_for_long_is_tried_all_the_same(tmp_path: Path, state: State) -> None:
    with http_receiver() as posts:
        channels = hook(tmp_path, posts.port)
        put(state, make_alert())
        assert go(state, channels, NOW + timedelta(days=300)).sent == 1


def test_one_deliverer_at_a_time_and_a_dead_one_is_taken_over(tmp_path: Path, state: State) -> None:
    with http_receiver() as posts:
        channels = hook(tmp_path, posts.port)
        ids = put(state, make_alert())
        outbox = Outbox(state)
        taken = outbox.claim("hook", "dead", NOW, timedelta(seconds=60))
        assert taken is not None
        assert go(state, channels, NOW + timedelta(seconds=30)).counts == {}
        assert go(state, channels, NOW + timedelta(seconds=61)).counts == {("hook", "sent"): 1}
        assert posts.ids == ids == [taken.id]


def test_a_clock_that_was_turned_back_stops_nothing(tmp_path: Path, state: State) -> None:
    port = free_port()
    channels = hook(tmp_path, port)
    put(state, make_alert(), now=NOW + timedelta(days=30))
    go(state, channels, NOW + timedelta(days=30))  # fails: rests until then and a little
    Outbox(state).claim("hook", "dead", NOW + timedelta(days=31), timedelta(seconds=60))
    with http_receiver(Posts(port=port)):
        assert go(state, channels, NOW).sent == 1


def test_a_failure_of_one_who_lost_its_lease_is_not_counted_but_a_success_is(tmp_path: Path, state: State) -> None:
    from monitor.delivery.backoff import Waits
    from monitor.delivery.outcome import SENT, Outcome, Result

    waits = Waits(timedelta(days=7), random.Random(1))
    put(state, make_alert())
    outbox = Outbox(state)
    first = outbox.claim("hook", "first", NOW, timedelta(seconds=60))
    later = NOW + timedelta(seconds=61)
    assert outbox.claim("hook", "second", later, timedelta(seconds=60)) == first
    assert first is not None
    assert outbox.record(first, Outcome(Result.UNREACHED, "late"), "first", later, waits) == "pending"
    assert outbox.health()[0].failures == 0
    assert outbox.record(first, SENT, "first", later, waits) == "sent"
    assert outbox.record(first, Outcome(Result.REFUSED, "twice"), "second", later, waits) == "sent"
    assert outbox.health()[0].sent == 1


def test_a_message_is_recorded_with_its_alert_or_not_at_all(state: State) -> None:
    def fail() -> None:
        with state.writing():
            Outbox(state).put(make_alert(), Event.FIRED, NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert Outbox(state).health() == []


def test_a_channel_that_is_not_in_the_file_is_named_and_its_messages_wait(tmp_path: Path, state: State) -> None:
    put(state, make_alert(recipients=("gone",)))
    report = go(state, Channels())
    assert report.unknown == ("gone",)
    assert not report.complete
    with http_receiver() as posts:
        assert go(state, hook(tmp_path, posts.port, name="gone")).sent == 1


def test_the_most_and_the_time_of_a_call_are_limits(tmp_path: Path, state: State) -> None:
    with http_receiver() as posts:
        channels = hook(tmp_path, posts.port)
        put(state, *(make_alert(number) for number in range(4)))
        assert go(state, channels, most=3).sent == 3
        assert go(state, channels, seconds=0).sent == 0
        assert go(state, channels, lease="another").sent == 1  # and nobody keeps the lease


def test_what_was_sent_long_ago_can_be_forgotten(tmp_path: Path, state: State) -> None:
    with http_receiver() as posts:
        channels = hook(tmp_path, posts.port)
        put(state, make_alert(1))
        go(state, channels)
        put(state, make_alert(2))
        outbox = Outbox(state)
        assert outbox.forget_sent(NOW) == 0
        assert outbox.forget_sent(NOW + timedelta(days=1)) == 1
        assert [one.pending for one in outbox.health()] == [1]


def test_secrets_stay_out_of_errors(tmp_path: Path, state: State) -> None:
    write_channels(
        tmp_path, f"channels:\n  hook: {{webhook: 'http://127.0.0.1:{free_port()}/t0ken-of-ours', secret: {SECRET}}}\n"
    )
    channels = load_channels(tmp_path)
    put(state, make_alert())
    report = go(state, channels)
    seen = f"{report} {Outbox(state).health()} {channels!r} {channels.channels['hook'].target}"
    assert "t0ken" not in seen
    assert SECRET.removeprefix("whsec_") not in seen
