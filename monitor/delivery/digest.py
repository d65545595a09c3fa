"""Several messages of one evaluation as one: what happened, each with its few figures, evidence and id."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.delivery.harmless import one_line
from monitor.delivery.outbox import Message
from monitor.delivery.words import MAX_SUBJECT, Words, write_words

SHOWN = ("When", "Value", "Compared with", "Usual", "Listings (n)", "Vendors", "Severity", "Owner")
"""Facts of each message; the whole of it is with its alert."""
RULES_NAMED = 3
_MUTE = "To hear no more of one of them while it lasts: dropline alerts ack ALERT"


@dataclass(frozen=True, slots=True)
class Digest:
    """In words: a title, plain text, an HTML page that fetches nothing."""

    subject: str
    text: str
    page: str


def write_digest(messages: Sequence[Message], dashboard: str | None = None) -> Digest:
    """Pure: the same messages give the same words."""
    events = Counter(message.notice.event.value for message in messages)
    rules = Counter(message.notice.rule for message in messages)
    what = ", ".join(f"{count} {event}" for event, count in sorted(events.items()))
    named = ", ".join(rule for rule, _ in rules.most_common(RULES_NAMED)) + (" …" if len(rules) > RULES_NAMED else "")
    subject = one_line(f"[Dropline] {len(messages)} messages ({what}): {named}", MAX_SUBJECT)
    parts = [(message, write_words(message.notice, dashboard)) for message in messages]
    text = "\n".join(
        [f"{len(messages)} messages of one evaluation.", "", *(_as_text(*part) for part in parts), _MUTE, ""]
    )
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(subject)}</title></head>\n'
        "<body style=\"font-family:system-ui,-apple-system,'Segoe UI',Arial,sans-serif;font-size:15px;line-height:1.45;"
        'color:#222;max-width:640px;margin:0;padding:12px">\n'
        f"<p>{len(messages)} messages of one evaluation.</p>\n"
        + "\n".join(_as_html(*part) for part in parts)
        + f'\n<p style="color:#666;font-size:12px">{html.escape(_MUTE)}</p>\n</body></html>\n'
    )
    return Digest(subject, text, page)


def _facts(words: Words) -> list[tuple[str, str]]:
    return [(name, value) for name, value in words.facts if name in SHOWN]


def _as_text(message: Message, words: Words) -> str:
    title = words.subject.removeprefix("[Dropline] ")
    facts = "; ".join(f"{name}: {value}" for name, value in _facts(words))
    evidence = [words.link] if words.link else list(words.evidence)
    return "\n".join([f"* {title}", f"  {words.lead}", f"  {facts}", *(f"  {one}" for one in evidence),
                      f"  {message.id}", ""])  # fmt: skip


def _as_html(message: Message, words: Words) -> str:
    title = html.escape(words.subject.removeprefix("[Dropline] "))
    if words.link:
        title = f'<a href="{html.escape(words.link)}" style="color:#0b3c5d">{title}</a>'
    facts = "; ".join(f"{html.escape(name)}: {html.escape(value)}" for name, value in _facts(words))
    evidence = "" if words.link else "<br>".join(f"<code>{html.escape(one)}</code>" for one in words.evidence)
    return (
        f'<div style="border-left:5px solid #b35c00;padding:2px 0 2px 12px;margin:0 0 14px;overflow-wrap:anywhere">'
        f"<b>{title}</b><br>{html.escape(words.lead)}<br>"
        f'<span style="color:#555;font-size:13px">{facts}</span>{"<br>" if evidence else ""}{evidence}<br>'
        f'<span style="color:#888;font-size:11px">{html.escape(message.id)}</span></div>'
    )
