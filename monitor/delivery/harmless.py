"""Hostile text made harmless for messages: names of rules, terms and places may come out of a listing."""

from __future__ import annotations

import re
import unicodedata

MAX_TEXT = 1_000
_SCHEME = re.compile(
    r"(?i)\b([a-z][a-z0-9+.-]{1,15}):(?=//)|\b(mailto|tg|javascript|data|magnet|tel|xmpp|bitcoin|monero):"
)
_HOST = re.compile(
    r"(?i)(?<=[\w-])\.(?=(?:onion|com|net|org|ru|io|me|to|cc|info|link|xyz|top|su|i2p|is|biz)\b)|(?<=\bwww)\."
)
_INVISIBLE = {"\u00ad", "\u034f", "\u115f", "\u1160", "\u3164", "\uffa0"}
"""Drawn as nothing, though Unicode calls them letters, marks or a format."""


def one_line(text: str, limit: int = MAX_TEXT) -> str:
    """`text` as one line of at most `limit` characters, safe as the value of a header.

    Control characters, line and paragraph separators become spaces; bidirectional overrides, other invisible characters
    and lone surrogates go; links are defanged (`https[:]//`, `shop[.]onion`), so that no mail or chat program makes
    something to click of what a listing says.
    """
    kept = []
    for char in text[: 4 * limit]:
        if char in _INVISIBLE:
            continue
        category = unicodedata.category(char)
        if category in {"Cf", "Cs", "Co", "Cn"}:
            continue
        kept.append(" " if category in {"Cc", "Zl", "Zp", "Zs"} else char)
    line = defang(" ".join("".join(kept).split()))
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def defang(text: str) -> str:
    """Links that a program will not make clickable."""
    return _HOST.sub("[.]", _SCHEME.sub(lambda match: f"{match[1] or match[2]}[:]", text))


def for_chat(text: str) -> str:
    """Without what chat services read as a mention or markup of their own: `@everyone`, `<!channel>`, back-ticks."""
    return text.replace("@", "@\u200b").replace("<", "‹").replace(">", "›").replace("`", "'")
