"""The Atom feed (RFC 4287): one entry an alert, with an id that stays; a later event updates the entry."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lxml import etree

from monitor.delivery.mail import as_html
from monitor.delivery.notice import Notice
from monitor.delivery.outcome import SENT, Outcome, Result
from monitor.delivery.words import write_words

NAMESPACE = "http://www.w3.org/2005/Atom"
_SPACE = uuid.UUID("6e1b6a5e-58c4-5e0f-8a83-0f5c3f4d1a77")
"""Ours, so that ids are the same whoever computes them."""
EMPTY_SINCE = datetime(1970, 1, 1, tzinfo=UTC)


def build_feed(
    notices: Sequence[Notice], *, title: str, name: str, link: str | None = None, dashboard: str | None = None
) -> bytes:
    """The feed of notices, the latest of each alert, newest first. `name` (of the channel) and `link` make its id. The
    same notices give the same bytes."""
    root = etree.Element(f"{{{NAMESPACE}}}feed", nsmap={None: NAMESPACE})  # type: ignore[dict-item]
    _add(root, "id", uuid.uuid5(_SPACE, f"feed {link or name}").urn)
    _add(root, "title", title)
    _add(root, "updated", max((notice.at for notice in notices), default=EMPTY_SINCE).isoformat())
    _add(_add(root, "author"), "name", "Dropline")
    _add(root, "generator", "Dropline")
    if link:
        _add(root, "link", rel="self", href=link, type="application/atom+xml")
    for notice in notices:
        words = write_words(notice, dashboard)
        entry = _add(root, "entry")
        _add(entry, "id", uuid.uuid5(_SPACE, f"alert {notice.alert}").urn)
        _add(entry, "title", words.subject)
        _add(entry, "updated", notice.at.isoformat())
        _add(entry, "published", notice.fired_at.astimezone(UTC).isoformat())
        for term in (notice.event.value, notice.severity.value, notice.test):
            _add(entry, "category", term=term)
        if words.link:
            _add(entry, "link", rel="alternate", href=words.link)
        _add(entry, "summary", words.lead, type="text")
        _add(entry, "content", as_html(words, notice, None), type="html")
    return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)


def write_feed(path: Path, content: bytes) -> None:
    """Puts the feed there, whole or not at all; readers of the old one go on undisturbed. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def send_feed(path: Path, content: bytes) -> Outcome:
    """The feed as a channel: it is sent when it is written."""
    try:
        write_feed(path, content)
    except OSError as error:
        return Outcome(Result.UNREACHED, f"the feed cannot be written ({error.strerror})")
    return SENT


def _add(parent: etree._Element, tag: str, text: str | None = None, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{tag}", attributes)
    element.text = text
    return element
