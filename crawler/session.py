"""The operator's own session with a market: cookies made in a browser by a person, kept for the crawler.

`DATA/sessions/<market>.json`, mode 0600, `{"set": time, "cookies": {name: value}}`. Values are never logged, shown or
put into a message. Dropline logs in nowhere: without a session a market that wants one stays paused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from config.errors import InputError, UsageError
from crawler.items import Record, UtcTime
from crawler.private_file import check_private, write_private

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,200}")
_VALUE = re.compile(r"[\x21-\x3a\x3c-\x7e][\x20-\x3a\x3c-\x7e]{0,4095}|")
_MAX = 50
_REMEDY = "Give a cookies.txt (Netscape format) or one line: name=value; name=value."


class Session(Record):
    """A stored session. `cookies` stays out of every representation."""

    set: UtcTime
    cookies: dict[str, str] = Field(default_factory=dict, repr=False)


def session_path(data_dir: Path, market: str) -> Path:
    return data_dir / "sessions" / f"{market}.json"


def parse_cookies(text: str, hosts: Iterable[str], now: datetime) -> dict[str, str]:
    """Cookies out of a Netscape cookies.txt or a `Cookie` header's value (with or without `Cookie:` before it).

    Of a cookies.txt only those of the market's `hosts` (or of any onion, where none are known) that have not expired.
    Raises InputError (with the line, never the content).
    """
    lines = text.lstrip("\ufeff").splitlines()
    if any(line.count("\t") >= 6 for line in lines):
        found = _parse_netscape(lines, {host.partition(":")[0].lower() for host in hosts}, now)
    else:
        found = _parse_header(lines)
    if not found:
        raise InputError("There is no cookie for this market in it.", remedy=_REMEDY)
    if len(found) > _MAX:
        raise InputError(f"There are {len(found)} cookies; a session has at most {_MAX}.", remedy=_REMEDY)
    return found


def _parse_netscape(lines: list[str], hosts: set[str], now: datetime) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, raw in enumerate(lines, 1):
        line = raw.removeprefix("#HttpOnly_")
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split("\t")
        if len(parts) != 7 or not re.fullmatch(r"-?\d{1,18}", parts[4].strip()):
            raise InputError("This is no line of a cookies.txt (seven fields, tabs between).", line=number)
        domain, expires = parts[0].strip().lstrip(".").lower(), int(parts[4])
        ours = any(host == domain or host.endswith(f".{domain}") for host in hosts) if hosts else True
        if not domain.endswith(".onion") or not ours or (0 < expires < now.timestamp()):
            continue
        found[parts[5].strip()] = _checked(parts[5].strip(), parts[6].strip(), number)
    return found


def _parse_header(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        for part in re.sub(r"^\s*cookie:", "", line, flags=re.IGNORECASE).split(";"):
            name, equals, value = part.strip().partition("=")
            if not name and not equals:
                continue
            if not equals:
                raise InputError("A part of this line is no name=value.", line=number, remedy=_REMEDY)
            found[name.strip()] = _checked(name.strip(), value.strip(), number)
    return found


def _checked(name: str, value: str, line: int) -> str:
    # a line break or semicolon inside would become a header or a cookie of its own
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise InputError("A cookie's name or value has characters that no cookie may have.", line=line, remedy=_REMEDY)
    return value


def hosts_of(addresses: Iterable[str]) -> list[str]:
    """Host names of onion addresses (`http://….onion`)."""
    return [urlsplit(address).netloc for address in addresses]


def save_session(data_dir: Path, market: str, cookies: dict[str, str], now: datetime) -> Path:
    """Stores the session, replacing the last one whole. The file is never readable by others, not even while it is
    written."""
    path = session_path(data_dir, market)
    write_private(path, json.dumps({"set": now.isoformat(), "cookies": cookies}).encode())
    return path


def load_session(data_dir: Path, market: str) -> Session | None:
    """The stored session; None where there is none. Raises UsageError where others may read it or it is broken."""
    path = session_path(data_dir, market)
    try:
        check_private(path, "The session", ", and log in anew if others had access.")
        return Session.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        remedy = f"Set it again: dropline session set {market} --file cookies.txt"
        raise UsageError("The stored session cannot be read.", file=path, remedy=remedy) from (
            None if isinstance(error, ValidationError) else error  # its text would show the values
        )
