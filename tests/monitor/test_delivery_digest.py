"""Several messages of one evaluation go as one: which, under which id, and what becomes of them together."""

from __future__ import annotations

import email
import email.policy
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from delivery_lab import NOW, Mails, free_port, http_receiver, make_alert, smtp_server, write_channels
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import UsageError
from monitor.delivery.channels import load_channels
from monitor.delivery.deliver import Delivery, deliver_due
from monitor.delivery.notice import Event
from monitor.delivery.outbox import ALONE, MOST_TOGETHER, Outbox
from monitor.state import STEPS, State, state_path


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State(state_path(tmp_path)) as opened:
        yield opened


def put(state: State, numbers: range, minutes: int = 0, channel: str = "desk", event: Event = Event.FIRED) -> None:
    """What one evaluation puts: as many transactions as it likes, one time."""
    for number in numbers:
        with state.writing():
            alert = make_alert(number, recipients=(channel,), rule=f"rule-{number % 2}")
            Outbox(state).put(alert, event, NOW + timedelta(minutes=minutes))


def deliver(state: State, port: int, minutes: int, more: str = "", to: str = "b@example.org") -> Delivery:
    folder = state.path.parent
    write_channels(
        folder,
        f"channels: {{desk: {{apprise: 'mailto://127.0.0.1:{port}?from=a@example.org&to={to}', chart: false{more}}}}}",
    )
    now = NOW + timedelta(minutes=minutes)
    return deliver_due(state, load_channels(folder), now, lease=f"lease {minutes}", rng=random.Random(1))


def read(content: bytes) -> EmailMessage:
    found = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def rows(state: State) -> list[tuple[str, str]]:
    return list(state.db.execute("SELECT id, state FROM outbox ORDER BY seq"))


def test_one_mail_with_all_of_them(state: State) -> None:
    put(state, range(1, 6))
    put(state, range(6, 8), minutes=1)  # the next evaluation: too few for a digest
    with smtp_server() as mails:
        report = deliver(state, mails.port, 2)
        assert report.complete
        assert report.sent == 7
        whole, *single = [read(content) for _, content in mails.got]
    ids = [each for each, _ in rows(state)]
    assert whole["X-Dropline-Messages"].split() == ids[:5]
    assert whole["Subject"] == "[Dropline] 5 messages (5 fired): rule-1, rule-0"
    for part in ("plain", "html"):
        body = whole.get_body((part,))
        assert body is not None
        text = body.get_content()
        assert all(each in text for each in ids[:5])
        assert not any(each in text for each in ids[5:])
        assert text.count("The median price rose by 51 %.") == 5
        assert "21.5 USD/g" in text
        assert "dropline alerts show 0000000000000003" in text
    assert [mail["Message-ID"].strip("<>").split("@")[0] for mail in single] == ids[5:]


def test_the_same_digest_at_each_attempt_whatever_comes_meanwhile(state: State) -> None:
    port = free_port()
    put(state, range(1, 5))
    assert deliver(state, port, 0).errors  # nobody answers
    put(state, range(5, 9), minutes=0)  # late, but of the same evaluation: a digest of their own
    with smtp_server(Mails(port=port)) as mails:
        assert deliver(state, port, 5).complete
        assert deliver(state, port, 6).sent == 0
        first, second = [read(content) for _, content in mails.got]
    ids = [each for each, _ in rows(state)]
    assert first["X-Dropline-Messages"].split() == ids[:4]
    assert second["X-Dropline-Messages"].split() == ids[4:]
    [(failures,)] = state.db.execute("SELECT failures FROM outbox_channel").fetchall()
    assert failures == 0


def test_a_deliverer_that_dies_after_sending_sends_the_same_again(state: State) -> None:
    put(state, range(1, 5))
    outbox = Outbox(state)
    with smtp_server() as mails:
        claimed = outbox.claim("desk", "dead", NOW, timedelta(seconds=1), 3)
        assert claimed is not None
        members = [message.id for message in outbox.members(claimed)]
        put(state, range(5, 9))
        assert deliver(state, mails.port, 5).complete
        mail = read(mails.got[0][1])
    assert mail["X-Dropline-Messages"].split() == members
    assert mail["Message-ID"].startswith(f"<{claimed.digest}@")


def test_a_channel_that_is_down_counts_one_failure_and_keeps_all(state: State) -> None:
    put(state, range(1, 9))
    port = free_port()
    assert deliver(state, port, 0).counts["desk", "pending"] == 8
    [(failures,)] = state.db.execute("SELECT failures FROM outbox_channel").fetchall()
    assert failures == 1
    with smtp_server(Mails(port=port)) as mails:
        deliver(state, port, 5)
        assert len(mails.got) == 1


def test_a_digest_that_is_refused_goes_message_by_message(state: State) -> None:
    put(state, range(1, 5))
    answers = iter(["552 too much mail data"])
    with smtp_server(Mails(data=lambda envelope: next(answers, "250 OK"))) as mails:
        assert not deliver(state, mails.port, 0).complete
        assert deliver(state, mails.port, 5).complete
        ids = [read(content)["Message-ID"].strip("<>").split("@")[0] for _, content in mails.got]
    assert rows(state) == [(each, "sent") for each in ids]
    assert len(ids) == 4


def test_recipients_are_accounted_for_by_themselves(state: State) -> None:
    put(state, range(1, 5))
    with smtp_server(Mails(rcpt=lambda address: "550 no" if address.startswith("c") else "250 OK")) as mails:
        deliver(state, mails.port, 0, to="b@example.org,c@example.org")
        deliver(state, mails.port, 5, to="b@example.org,c@example.org")
        assert [people for people, _ in mails.got] == [["b@example.org"]]
        assert {state for _, state in rows(state)} == {"parked"}
        mails.rcpt = lambda address: "250 OK"
        Outbox(state).retry("desk", NOW + timedelta(minutes=6))
        deliver(state, mails.port, 7, to="b@example.org,c@example.org")
        assert all(people == ["c@example.org"] for people, _ in mails.got[1:])
        assert {state for _, state in rows(state)} == {"sent"}


def test_off_webhooks_and_the_largest(state: State) -> None:
    put(state, range(1, 4))
    with smtp_server() as mails:
        deliver(state, mails.port, 0, more=", digest: 0")
        assert len(mails.got) == 3
    put(state, range(10, 10 + MOST_TOGETHER + 3), minutes=1)
    with smtp_server() as mails:
        deliver(state, mails.port, 2)
        assert len(mails.got) == 2
    put(state, range(100, 105), minutes=3, channel="hook")
    with http_receiver() as posts:
        write_channels(
            state.path.parent,
            f"channels: {{hook: {{webhook: 'http://127.0.0.1:{posts.port}/', secret: whsec_{'QUJD' * 8}}}}}",
        )
        deliver_due(state, load_channels(state.path.parent), NOW + timedelta(hours=1), lease="x", rng=random.Random(1))
        assert len(posts.got) == 5


def test_a_setting_that_means_nothing_is_refused(tmp_path: Path) -> None:
    write_channels(tmp_path, "channels: {desk: {apprise: 'mailto://127.0.0.1?from=a@b.org&to=c@b.org', digest: 1}}")
    with pytest.raises(UsageError, match="2 or more messages go as one"):
        load_channels(tmp_path)


def test_an_outbox_of_before_is_taken_over_as_it_was(tmp_path: Path) -> None:
    """What an earlier Dropline had tried goes on under its own id: some of it may have arrived."""
    path = state_path(tmp_path)
    with State(path) as state:
        put(state, range(1, 5))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("ALTER TABLE outbox DROP COLUMN digest")
        db.execute("UPDATE outbox SET attempts = 1")
        db.execute("UPDATE schema_version SET version = ? WHERE concern = 'outbox'", (len(STEPS["outbox"]) - 1,))
    with State(path) as state, smtp_server() as mails:
        deliver(state, mails.port, 0)
        assert len(mails.got) == 4


@settings(max_examples=30, deadline=None)
@given(puts=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3), st.sampled_from(["desk", "room"])), max_size=25))
def test_every_message_is_in_one_group_and_no_alert_is_overtaken(
    puts: list[tuple[int, int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with State(tmp_path_factory.mktemp("outbox") / "state.db") as state:
        outbox = Outbox(state)
        for place, (number, minutes, channel) in enumerate(puts):
            with state.writing():
                day = make_alert().bucket + timedelta(days=place)
                alert = make_alert(number, recipients=(channel,), bucket=day, recent=(), recent_crowd=())
                outbox.put(alert, Event.FIRED_AGAIN, NOW + timedelta(minutes=minutes))
        seen: list[int] = []
        while (claimed := outbox.claim("desk", "a", NOW + timedelta(hours=2), timedelta(minutes=1), 2)) is not None:
            group = outbox.members(claimed)
            assert claimed.seq == group[0].seq
            assert len({one.created for one in group}) == 1
            assert (len(group) == 1) or claimed.digest != ALONE
            seen += [one.seq for one in group]
            with state.writing() as db:
                db.executemany("UPDATE outbox SET state = 'sent' WHERE seq = ?", [(one.seq,) for one in group])
        mine = state.db.execute("SELECT seq, alert FROM outbox WHERE channel = 'desk' ORDER BY seq").fetchall()
        assert sorted(seen) == [seq for seq, _ in mine]
        for alert in {alert for _, alert in mine}:
            order = [seq for seq in seen if seq in {one for one, of in mine if of == alert}]
            assert order == sorted(order)
