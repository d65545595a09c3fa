"""Mail: plain text and HTML with the chart inside.

Apprise reads the operator's address (servers, security and senders of the usual providers), but does not send: its mail
plugin (2.2) makes a new Message-ID at each attempt and takes none (a `+Message-ID` header gives two), tells "refused"
and "down" apart only in its log, sends to several recipients without saying which of them got it, and gives an image no
alternative text. So the message and the conversation are the standard library's.
"""

from __future__ import annotations

import html
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING

from extract.observation import digest_id
from monitor.alerts.alert import Severity
from monitor.delivery.channels import Channel
from monitor.delivery.chart import draw_png
from monitor.delivery.digest import write_digest
from monitor.delivery.harmless import one_line
from monitor.delivery.notice import Event, Notice
from monitor.delivery.outbox import Message
from monitor.delivery.outcome import SENT, Outcome, Result, without_secrets
from monitor.delivery.plugins import mail_plugin
from monitor.delivery.words import Words, as_text, write_words

if TYPE_CHECKING:
    from apprise.plugins.email.base import NotifyEmail

_COLOURS = {Severity.INFO: "#0b3c5d", Severity.WARNING: "#b35c00", Severity.CRITICAL: "#a4161a"}


def build_mail(
    message: Message, plugin: NotifyEmail, *, dashboard: str | None = None, chart: bytes | None = None
) -> EmailMessage:
    """The mail of a message: the same at each attempt, Message-ID and Date too."""
    words = write_words(message.notice, dashboard)
    mail, domain = _addressed(plugin)
    mail["Subject"] = words.subject
    mail["Date"] = format_datetime(message.notice.at)
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["References"] = f"<alert-{digest_id(message.notice.alert)}@{domain}>"  # one thread an alert
    mail["X-Dropline-Alert"] = message.notice.alert
    mail["X-Dropline-Event"] = message.notice.event.value
    mail.set_content(as_text(words))
    cid = f"chart-{message.id}@{domain}"
    mail.add_alternative(as_html(words, message.notice, cid if chart else None), subtype="html")
    if chart:
        page = mail.get_payload()[-1]  # type: ignore[index]
        assert isinstance(page, EmailMessage)
        page.add_related(chart, "image", "png", cid=f"<{cid}>", filename="chart.png", disposition="inline")
        picture = page.get_payload()[-1]  # type: ignore[index]
        assert isinstance(picture, EmailMessage)
        picture["Content-Description"] = one_line(words.alt, 200)
    return mail


def build_digest_mail(messages: Sequence[Message], plugin: NotifyEmail, dashboard: str | None = None) -> EmailMessage:
    """One mail for the messages of a digest; the same at each attempt. It names the ids of all of them."""
    first = messages[0]
    digest = write_digest(messages, dashboard)
    mail, domain = _addressed(plugin)
    mail["Subject"] = digest.subject
    mail["Date"] = format_datetime(first.notice.at)
    mail["Message-ID"] = f"<{first.digest}@{domain}>"
    mail["X-Dropline-Messages"] = " ".join(message.id for message in messages)
    mail.set_content(digest.text)
    mail.add_alternative(digest.page, subtype="html")
    return mail


def _addressed(plugin: NotifyEmail) -> tuple[EmailMessage, str]:
    """A mail with its sender and recipients, and the sender's domain."""
    sender, address = (str(part or "") for part in plugin.from_addr)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(sender, address)
    mail["To"] = [_address(name, address) for name, address in plugin.targets]
    if plugin.cc:
        mail["Cc"] = [_address(plugin.names.get(address), address) for address in sorted(plugin.cc)]
    if plugin.reply_to:
        mail["Reply-To"] = [_address(plugin.names.get(address), address) for address in sorted(plugin.reply_to)]
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    return mail, address.rsplit("@", 1)[-1]


def as_html(words: Words, notice: Notice, cid: str | None) -> str:
    """The HTML part: no script, no style sheet, nothing fetched from anywhere."""
    colour = "#2a7f3f" if notice.event is Event.RECOVERED else _COLOURS[notice.severity]
    rows = "\n".join(
        f'<tr><th scope="row" style="text-align:left;vertical-align:top;padding:3px 18px 3px 0;color:#555;'
        f'font-weight:normal;white-space:nowrap">{html.escape(name)}</th>'
        f'<td style="padding:3px 0;overflow-wrap:anywhere">{html.escape(text)}</td></tr>'
        for name, text in words.facts
    )
    picture = (
        f'<p><img src="cid:{html.escape(cid)}" alt="{html.escape(words.alt)}" width="560" '
        'style="max-width:100%;height:auto;border:1px solid #ddd"></p>'
        if cid
        else ""
    )
    link = (
        f'<p><a href="{html.escape(words.link)}" style="color:#0b3c5d">Look at the evidence</a></p>'
        if words.link
        else ""
    )
    command = (
        "<p>Evidence, for those with access to the data:<br>"
        f'<code style="overflow-wrap:anywhere">{"<br>".join(html.escape(each) for each in words.evidence)}</code></p>'
        if words.evidence
        else ""
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(words.subject)}</title></head>
<body style="font-family:system-ui,-apple-system,'Segoe UI',Arial,sans-serif;font-size:15px;line-height:1.45;\
color:#222;max-width:640px;margin:0;padding:12px">
<p style="border-left:5px solid {colour};padding:6px 0 6px 12px;margin:0 0 14px;font-size:17px">\
{html.escape(words.lead)}</p>
{picture}
<table style="border-collapse:collapse;font-size:14px">
{rows}
</table>
{link}{command}
<p style="color:#666;font-size:12px">{"<br>".join(html.escape(line) for line in words.mute)}</p>
</body></html>
"""


def send_mail(
    channel: Channel, message: Message, dashboard: str | None, members: Sequence[Message] = ()
) -> Outcome:
    """One attempt, to the recipients that still wait, within `channel.timeout` seconds (and a chart's drawing). With
    several `members` they go as one digest, without charts."""
    plugin = mail_plugin(channel.plugin)
    everybody = [address for _, address in plugin.targets] + sorted(plugin.cc) + sorted(plugin.bcc)
    gone = set(message.refused)
    owed = [address for address in message.owed if address in everybody] or [
        address for address in dict.fromkeys(everybody) if address not in gone
    ]
    several = len(members) > 1
    if several:
        content = build_digest_mail(members, plugin, dashboard).as_bytes()
    else:
        chart = draw_png(message.notice) if channel.chart else None
        content = build_mail(message, plugin, dashboard=dashboard, chart=chart).as_bytes()
    try:
        with _conversation(plugin, channel.timeout) as smtp:
            answers = smtp.sendmail(str(plugin.from_addr[1]), owed, content)
    except smtplib.SMTPRecipientsRefused as error:
        return _sort_out(error.recipients, owed, channel)
    except smtplib.SMTPDataError as error:
        if error.smtp_code >= 500 and several:  # too long, or one of them is not liked: each by itself
            return replace(_answer(error, Result.REFUSED, channel, owed), refused=(), apart=True)
        return _answer(error, Result.REFUSED if error.smtp_code >= 500 else Result.BUSY, channel, owed)
    except smtplib.SMTPSenderRefused as error:  # every message would be: the channel is wrong, not this message
        return _answer(error, Result.UNREACHED if error.smtp_code >= 500 else Result.BUSY, channel, owed)
    except smtplib.SMTPResponseException as error:  # greeting, TLS or login
        return _answer(error, Result.UNREACHED, channel, owed)
    except TimeoutError:
        return Outcome(Result.UNREACHED, f"no end within {channel.timeout:g} s")
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        return Outcome(Result.UNREACHED, without_secrets(f"{type(error).__name__}: {error}", channel.secrets()))
    return _sort_out(answers, owed, channel) if answers else SENT


@contextmanager
def _conversation(plugin: NotifyEmail, seconds: float) -> Iterator[smtplib.SMTP]:
    """A greeted, secured, logged-in connection that is cut after `seconds`. TimeoutError where that happened."""
    context = ssl.create_default_context()
    if not plugin.verify_certificate:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    smtp = (
        smtplib.SMTP_SSL(timeout=seconds, context=context)
        if plugin.secure_mode == "ssl"
        else smtplib.SMTP(timeout=seconds)
    )
    over = threading.Event()

    def cut() -> None:
        over.set()
        if smtp.sock is not None:
            with suppress(OSError):
                smtp.sock.shutdown(socket.SHUT_RDWR)

    # a socket's own timeout begins anew with every byte
    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        smtp._host = plugin.smtp_host  # type: ignore[attr-defined]  # TLS checks the certificate against it
        code, answer = smtp.connect(plugin.smtp_host, int(plugin.port or 0))
        if code != 220:
            raise smtplib.SMTPConnectError(code, answer)
        if plugin.secure_mode == "starttls":
            smtp.starttls(context=context)
        if plugin.user and plugin.password:
            smtp.login(plugin.user, plugin.password)
        yield smtp
        with suppress(OSError, smtplib.SMTPException):  # it has the message: what it says to "quit" does not matter
            smtp.quit()
    except (OSError, smtplib.SMTPServerDisconnected) as error:
        if over.is_set() or isinstance(error.__context__, TimeoutError):  # smtplib makes a disconnection of it
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
        smtp.close()


def _sort_out(answers: dict[str, tuple[int, bytes]], owed: list[str], channel: Channel) -> Outcome:
    """Of answers by recipient (only refusals): who is to be tried again, and who never."""
    never = tuple(address for address in owed if address in answers and answers[address][0] >= 500)
    later = tuple(address for address in owed if address in answers and answers[address][0] < 500)
    reason = "; ".join(
        f"{address}: {code} {answer.decode('utf-8', 'replace')}" for address, (code, answer) in answers.items()
    )
    result = Result.BUSY if later else Result.REFUSED
    return Outcome(result, without_secrets(reason, channel.secrets()), owed=later, refused=never)


def _answer(
    error: smtplib.SMTPResponseException, result: Result, channel: Channel, owed: list[str]
) -> Outcome:
    said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
    reason = without_secrets(f"SMTP {error.smtp_code} {said}", channel.secrets())
    if result is Result.REFUSED:
        return Outcome(result, reason, refused=tuple(owed))
    return Outcome(result, reason, owed=tuple(owed))


def _address(name: str | bool | None, address: str) -> Address:
    return Address(one_line(name, 100) if isinstance(name, str) else "", addr_spec=address)
