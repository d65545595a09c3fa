"""Chat and push services, through Apprise. It says only whether a message went; a status code stands in its log."""

from __future__ import annotations

import re
from collections.abc import Sequence

from monitor.delivery.channels import Channel
from monitor.delivery.chart import draw_png
from monitor.delivery.digest import write_digest
from monitor.delivery.harmless import for_chat
from monitor.delivery.notice import Event, Notice
from monitor.delivery.outbox import Message
from monitor.delivery.outcome import SENT, Outcome, Result, without_secrets
from monitor.delivery.plugins import quieten
from monitor.delivery.words import as_text, write_words

_STATUS = re.compile(r"error=(\d{3})\b")
_NOT_NOW = {"408", "409", "421", "423", "425", "429"}
_LOOK = {"info": "info", "warning": "warning", "critical": "failure"}


def send_chat(
    channel: Channel, message: Message, dashboard: str | None, members: Sequence[Message] = ()
) -> Outcome:
    """One attempt within `channel.timeout` seconds. Chat services know no ids to deduplicate by: the message's id is
    the last line of the text."""
    plugin = channel.plugin  # first: it loads Apprise, without its warning
    from apprise import Apprise, NotifyFormat
    from apprise.attachment.memory import AttachMemory
    from apprise.result import AppriseResultStatus

    quieten()
    several = len(members) > 1
    if several:
        digest = write_digest(members, dashboard)
        subject, text, chart = digest.subject, digest.text, None
    else:
        words = write_words(message.notice, dashboard)
        subject, text = words.subject, f"{as_text(words)}\n{message.id}"
        chart = draw_png(message.notice) if channel.chart and plugin.attachment_support else None
    caller = Apprise()
    caller.add(plugin)
    picture = AttachMemory(chart, name="chart.png", mimetype="image/png") if chart else None  # type: ignore[no-untyped-call]
    result = caller.notify(
        body=for_chat(text),
        title=for_chat(subject),
        notify_type=_look(message.notice),
        body_format=NotifyFormat.TEXT,
        attach=picture,
        interpret_escapes=False,
        timeout=channel.timeout,
    )
    if result:
        return SENT
    said = "; ".join(entry.message for entry in result.logs())
    reason = without_secrets(said or "Apprise gave no reason", channel.secrets())
    if result.status == AppriseResultStatus.TIMEOUT:
        return Outcome(Result.UNREACHED, f"no answer within {channel.timeout:g} s")
    found = _STATUS.search(said)
    if found is None:
        return Outcome(Result.UNREACHED, reason)
    never = found[1].startswith("4") and found[1] not in _NOT_NOW
    return Outcome(Result.REFUSED if never else Result.BUSY, reason, apart=never and several)


def _look(notice: Notice) -> str:
    return "success" if notice.event is Event.RECOVERED else _LOOK[notice.severity.value]
