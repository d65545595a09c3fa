"""Mail against a real SMTP server, and chat against a real receiver: up, down, slow, refusing; hostile texts."""

from __future__ import annotations

import email
import random
import re
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from delivery_lab import (
    NOW,
    Mails,
    Posts,
    free_port,
    http_receiver,
    make_alert,
    make_certificate,
    smtp_server,
    write_channels,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree, html

from monitor.alerts.alert import Alert
from monitor.delivery.channels import Channels, load_channels
from monitor.delivery.chart import draw_png
from monitor.delivery.deliver import Delivery, deliver_due
from monitor.delivery.mail import as_html, build_mail
from monitor.delivery.notice import Event, build_notice
from monitor.delivery.outbox import Message, Outbox
from monitor.delivery.plugins import load_plugin, mail_plugin
from monitor.delivery.words import write_words
from monitor.state import State, state_path

HOSTILE = (
    "=?utf-8?q?x?=\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script>\u202e\u0000\u2028"
    "<img src=http://evil.example.com/p onerror=x> @everyone \ud800 &amp; \"'`"
)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State(state_path(tmp_path)) as opened:
        yield opened


def mailer(folder: Path, port: int, to: str = "anna@example.org", more: str = "") -> Channels:
    address = f"mailto://127.0.0.1:{port}?from=dropline@example.org&to={to}"
    write_channels(folder, f"channels:\n  mail:\n    apprise: {address}\n    timeout: 2\n    chart: false\n{more}")
    return load_channels(folder)


def put(state: State, *alerts: Alert, event: Event = Event.FIRED) -> list[str]:
    with state.writing():
        return [each for alert in alerts for each in Outbox(state).put(alert, event, NOW, ["mail"])]


def go(state: State, channels: Channels, hours: float = 0) -> Delivery:
    return deliver_due(state, channels, NOW + timedelta(hours=hours), lease="one", rng=random.Random(1))


def read(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=default)


def test_a_mail_says_what_where_how_much_why_and_how_sure(tmp_path: Path, state: State) -> None:
    with smtp_server() as mails:
        channels = mailer(tmp_path, mails.port)
        [each] = put(state, make_alert())
        assert go(state, channels).sent == 1
    [(recipients, content)] = mails.got
    mail = read(content)
    assert recipients == ["anna@example.org"]
    assert mail["Message-ID"] == f"<{each}@example.org>"
    assert mail["Subject"] == "[Dropline] Alert: prices-up (RU-MOW, mephedrone): +51%"
    plain = mail.get_body(("plain",)).get_content()
    for told in ("The median price rose by 51 %.", "RU-MOW", "21.5 USD/g", "14.25 USD/g", "18.5 to 23.5", "214", "37",
                 "97%", "dropline rows --substance mephedrone", "To mute the rule"):  # fmt: skip
        assert told in plain
        assert told in html.fromstring(mail.get_body(("html",)).get_content()).text_content()


def test_the_chart_is_in_the_mail_with_words_for_those_who_do_not_see_it(tmp_path: Path, state: State) -> None:
    with smtp_server() as mails:
        address = f"mailto://127.0.0.1:{mails.port}?from=dropline@example.org&to=anna@example.org"
        write_channels(tmp_path, f"channels:\n  mail: {{apprise: '{address}'}}\n")
        put(state, make_alert())
        assert go(state, load_channels(tmp_path)).sent == 1
    mail = read(mails.got[0][1])
    [picture] = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert picture.get_payload(decode=True)[:8] == b"\x89PNG\r\n\x1a\n"  # type: ignore[index]
    image = html.fromstring(mail.get_body(("html",)).get_content()).find(".//img")
    assert f"<{image.get('src').removeprefix('cid:')}>" == picture["Content-ID"]
    assert image.get("alt") == "Line chart of price: 14 on 2026-03-02, 21.5 on 2026-05-18; lowest 14, highest 21.5."


def test_the_events_of_an_alert_are_one_thread_with_ids_of_their_own(tmp_path: Path, state: State) -> None:
    with smtp_server() as mails:
        channels = mailer(tmp_path, mails.port)
        put(state, make_alert())
        put(state, make_alert(), event=Event.RECOVERED)
        go(state, channels)
    first, second = (read(content) for _, content in mails.got)
    assert first["References"] == second["References"]
    assert first["Message-ID"] != second["Message-ID"]
    assert "Recovered" in second["Subject"]
    assert "This is over" in second.get_body(("plain",)).get_content()


def test_the_same_mail_goes_again_when_the_server_was_down(tmp_path: Path, state: State) -> None:
    port = free_port()
    channels = mailer(tmp_path, port)
    [each] = put(state, make_alert())
    assert go(state, channels).counts == {("mail", "pending"): 1}
    with smtp_server(Mails(port=port)) as mails:
        assert go(state, channels, 1).sent == 1
    assert read(mails.got[0][1])["Message-ID"] == f"<{each}@example.org>"
    assert read(mails.got[0][1])["Date"].datetime == NOW


@pytest.mark.parametrize("where", ["rcpt", "data"])
@pytest.mark.parametrize(("answer", "came_to"), [("550 no such person", "parked"), ("451 try later", "pending")])
def test_refusals_of_the_server(tmp_path: Path, state: State, where: str, answer: str, came_to: str) -> None:
    mails = Mails(**{where: lambda anything: answer})
    with smtp_server(mails):
        channels = mailer(tmp_path, mails.port)
        put(state, make_alert())
        report = go(state, channels)
        assert report.counts == {("mail", came_to): 1}
        assert answer[4:] in report.errors["mail"]
        setattr(mails, where, lambda anything: "250 OK")
        if came_to == "parked":
            assert go(state, channels, 2).counts == {}
            Outbox(state).retry("mail", NOW)
        assert go(state, channels, 3).sent == 1


def test_each_recipient_gets_it_once_whatever_the_others_do(tmp_path: Path, state: State) -> None:
    answers = {"b@example.org": "450 mailbox busy", "c@example.org": "550 gone"}
    mails = Mails(rcpt=lambda address: answers.get(address, "250 OK"))
    with smtp_server(mails):
        channels = mailer(tmp_path, mails.port, "a@example.org,b@example.org,c@example.org&cc=d@example.org")
        put(state, make_alert())
        assert go(state, channels).counts == {("mail", "pending"): 1}
        assert mails.got[0][0] == ["a@example.org", "d@example.org"]
        answers.pop("b@example.org")
        assert go(state, channels, 1).counts == {("mail", "parked"): 1}
        assert [recipients for recipients, _ in mails.got[1:]] == [["b@example.org"]]
        assert go(state, channels, 2).counts == {}
        answers.clear()
        Outbox(state).retry("mail", NOW)
        assert go(state, channels, 3).counts == {("mail", "sent"): 1}
        assert [recipients for recipients, _ in mails.got[2:]] == [["c@example.org"]]
        assert len({read(content)["Message-ID"] for _, content in mails.got}) == 1


def test_a_slow_server_is_cut_off_and_a_dripping_one_too(tmp_path: Path, state: State) -> None:
    with smtp_server(Mails(wait=30)) as mails:
        channels = mailer(tmp_path, mails.port)
        put(state, make_alert())
        start = time.monotonic()
        assert go(state, channels).errors == {"mail": "no end within 2 s"}
        assert time.monotonic() - start < 8


def test_a_server_that_never_finishes_its_greeting_is_cut_off(tmp_path: Path, state: State) -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            peer, _ = server.accept()
            with peer:
                try:
                    for _ in range(100):
                        peer.sendall(b"220-wait\r\n")  # each line is in time; the greeting never ends
                        time.sleep(0.1)
                except OSError:
                    pass

        thread = threading.Thread(target=drip)
        thread.start()
        channels = mailer(tmp_path, server.getsockname()[1])
        put(state, make_alert())
        start = time.monotonic()
        assert go(state, channels).errors == {"mail": "no end within 2 s"}
        assert time.monotonic() - start < 8
        thread.join()


def test_a_login_that_is_refused_is_the_channel_s_fault_and_no_password_is_told(tmp_path: Path, state: State) -> None:
    with smtp_server() as mails:  # it offers no login
        address = f"mailto://us3r:hunter2hunter2@127.0.0.1:{mails.port}?from=dropline@example.org&to=anna@example.org"
        write_channels(tmp_path, f"channels:\n  mail: {{apprise: '{address}'}}\n")
        put(state, make_alert())
        report = go(state, load_channels(tmp_path))
    assert report.counts == {("mail", "pending"): 1}
    assert "hunter2" not in str(report) + str(Outbox(state).health())


@pytest.mark.parametrize(
    ("name", "password", "more", "said"),
    [
        ("127.0.0.1", "right", "", ""),
        ("127.0.0.1", "wrong", "", "535"),
        ("other.example.org", "right", "", "CERTIFICATE_VERIFY_FAILED|certificate"),
        ("other.example.org", "right", "&verify=no", ""),
        ("127.0.0.1", "right", "&mode=ssl", ""),
        ("other.example.org", "right", "&mode=ssl", "CERTIFICATE_VERIFY_FAILED|certificate"),
    ],
)
def test_encrypted_mail_checks_the_server_and_logs_in(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch, name: str, password: str, more: str, said: str
) -> None:
    certificate = make_certificate(tmp_path, name)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # as an operator trusts an authority of their own
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    with smtp_server(Mails(tls=tls, implicit="ssl" in more, password="right")) as mails:
        address = f"mailtos://anna:{password}@127.0.0.1:{mails.port}?from=d@example.org&to=a@example.org{more}"
        write_channels(tmp_path, f"channels:\n  mail: {{apprise: '{address}', chart: false}}\n")
        put(state, make_alert())
        report = go(state, load_channels(tmp_path))
    if said:
        assert report.counts == {("mail", "pending"): 1}
        assert re.search(said, report.errors["mail"])
    else:
        assert report.sent == 1


def test_charts_can_be_drawn_by_several_channels_at_once() -> None:
    notice = build_notice(make_alert(series={"region": "Москва", "term": HOSTILE}), Event.FIRED, NOW)
    with ThreadPoolExecutor(4) as pool:
        pictures = [future.result(60) for future in [pool.submit(draw_png, notice) for _ in range(8)]]
    assert {(picture or b"")[:4] for picture in pictures} == {b"\x89PNG"}


def hostile_alert() -> Alert:
    return make_alert(
        rule=HOSTILE, rule_version=HOSTILE, test=HOSTILE, measure=HOSTILE, owner=HOSTILE, unit=HOSTILE, why=HOSTILE,
        query=HOSTILE, series={"term": HOSTILE, HOSTILE: "x"}, id=HOSTILE,
    )  # fmt: skip


def check_harmless(mail: EmailMessage) -> None:
    sent = email.message_from_bytes(mail.as_bytes(), policy=default)
    assert set(sent.keys()) == {
        "Subject", "From", "To", "Date", "Message-ID", "References", "Auto-Submitted", "X-Dropline-Alert",
        "X-Dropline-Event", "MIME-Version", "Content-Type",
    }  # fmt: skip
    assert [str(address) for address in sent["To"].addresses] == ["anna@example.org"]
    page = sent.get_body(("html",)).get_content()
    tree = html.fromstring(page)
    assert {element.tag for element in tree.iter() if isinstance(element.tag, str)} <= {
        "html", "head", "meta", "title", "body", "p", "table", "tr", "th", "td", "a", "code", "br", "img",
    }  # fmt: skip
    for element in tree.iter():
        assert not [name for name in element.keys() if name.startswith("on")]  # noqa: SIM118
        assert (element.get("href") or "https://d.example.org/").startswith("https://d.example.org/")
    for text in (page, sent.get_body(("plain",)).get_content()):
        assert not set(text) & {"\u202e", "\u0000", "\u2028", "\u200b"}


def test_hostile_text_stays_text(tmp_path: Path, state: State) -> None:
    plugin = mail_plugin(load_plugin("mailto://127.0.0.1:25?from=dropline@example.org&to=anna@example.org"))
    notice = build_notice(hostile_alert(), Event.FIRED, NOW)
    message = Message(1, "msg_1", "mail", notice, 0, (), (), NOW)
    check_harmless(build_mail(message, plugin, dashboard="https://d.example.org", chart=b"\x89PNG"))
    assert "http[:]//evil.example[.]com" in as_html(write_words(notice), notice, None)
    with smtp_server() as mails:
        channels = mailer(tmp_path, mails.port)
        put(state, hostile_alert())
        assert go(state, channels).sent == 1
    [(recipients, content)] = mails.got
    assert recipients == ["anna@example.org"]
    assert read(content)["Bcc"] is None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80), st.floats(allow_nan=True))
def test_any_text_and_any_figure_make_a_harmless_mail(rule: str, why: str, figure: float) -> None:
    plugin = mail_plugin(load_plugin("mailto://127.0.0.1:25?from=dropline@example.org&to=anna@example.org"))
    alert = make_alert(rule=rule, why=why, value=figure, baseline=figure, series={"term": why, rule: rule}, id=rule)
    notice = build_notice(alert, Event.FIRED, NOW)
    check_harmless(build_mail(Message(1, "msg_1", "mail", notice, 0, (), (), NOW), plugin))
    etree.fromstring(etree.tostring(html.fromstring(as_html(write_words(notice), notice, None))))


def test_chat_goes_through_apprise_and_its_refusals_are_told_apart(tmp_path: Path, state: State) -> None:
    with http_receiver(Posts(answer=lambda headers, body: (200, {}))) as posts:
        write_channels(tmp_path, f"channels:\n  mail: {{apprise: 'json://127.0.0.1:{posts.port}/s3cret-path'}}\n")
        channels = load_channels(tmp_path)
        assert channels.channels["mail"].kind == "chat"
        put(state, make_alert(1, why=HOSTILE))
        assert go(state, channels).sent == 1
        assert b"prices-up" in posts.got[0][1]
        assert b"@everyone" not in posts.got[0][1]
        posts.answer = lambda headers, body: (503, {})
        put(state, make_alert(2))
        assert go(state, channels).counts == {("mail", "pending"): 1}
        posts.answer = lambda headers, body: (404, {})
        assert go(state, channels, 1).counts == {("mail", "parked"): 1}
    put(state, make_alert(3))
    report = go(state, channels, 2)
    assert report.counts == {("mail", "pending"): 1}
    assert "s3cret" not in str(report)
