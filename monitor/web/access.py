"""Who is asking: sessions in a signed cookie, basic authentication and the start token for programs, slowed attempts.

Keys live as long as the process: a restart logs everybody out. A session also ends when its user is removed, gets
another password, or logs out; a changed role holds at once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from monitor.delivery.plugins import LOOPBACK
from monitor.web.users import MOST_LENGTH, NOBODY, Role, User, fits

LIFE = 12 * 3600
"""Seconds a session lasts."""
FREE_ATTEMPTS = 3
LONGEST_WAIT = 60.0
REMEMBERED = 10_000
"""Names and addresses of failed attempts at most."""


@dataclass(frozen=True)
class Who:
    """Somebody who is known. `session` is None for a program that sends its secret with every request."""

    name: str
    role: Role
    session: str | None = None


class _Session(NamedTuple):
    """What a cookie says. `mark` changes with the user's password."""

    name: str
    until: float
    id: str
    mark: str


class Refused(Exception):
    """A wrong name or password, or too many of them: `wait` seconds until the next attempt is looked at."""

    def __init__(self, wait: float = 0.0) -> None:
        self.wait = wait
        super().__init__()


class Access:
    """`users` gives the present users by name; `token` opens everything for the one `local` operator (None: nobody gets
    in by a token). Times are seconds of `clock`, which never goes back."""

    def __init__(
        self, users: Callable[[], Mapping[str, User]], *, token: str | None = None, local: str = "operator",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._users, self._token, self._local, self._clock = users, token, local, clock
        self._key = secrets.token_bytes(32)
        self._ended: dict[str, float] = {}
        self._failed: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    @property
    def by_token(self) -> bool:
        return self._token is not None

    # ways in

    def by_password(self, name: str, password: str, address: str) -> Who:
        """Raises Refused."""
        # behind a proxy of this machine all have one address: nobody is kept waiting for what others do there
        keys = (f"name {name[:64]}", *([] if address in LOOPBACK else [f"address {address}"]))
        self._check_wait(keys)
        user = self._users().get(name)
        right = fits(password[:MOST_LENGTH], NOBODY if user is None else user.password)
        if user is None or not right:
            self._note_failure(keys)
            raise Refused
        with self._lock:
            self._failed.pop(keys[0], None)
        return Who(name, user.role)

    def with_token(self, token: str) -> Who:
        """Raises Refused. Attempts are not slowed: there are too many tokens to try."""
        if self._token is None or not hmac.compare_digest(token.encode(), self._token.encode()):
            raise Refused
        return Who(self._local, Role.OPERATOR)

    def with_header(self, header: str, address: str) -> Who:
        """`Authorization: Bearer TOKEN` or `Basic …`. Raises Refused."""
        scheme, _, rest = header.partition(" ")
        if scheme.lower() == "bearer":
            return self.with_token(rest.strip())
        try:
            name, separator, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            separator = ""
        if scheme.lower() != "basic" or not separator:
            raise Refused
        return self.by_password(name, password, address)

    # sessions

    def begin(self, who: Who) -> str:
        """The value of a new session's cookie."""
        body = _Session(who.name, self._clock() + LIFE, secrets.token_urlsafe(16), self._mark(who.name))
        raw = base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")
        return f"{raw}.{self._sign('session', raw)}"

    def of_cookie(self, cookie: str) -> Who | None:
        """Who began that session, if it still holds."""
        body = self._read(cookie)
        if body is None or body.until < self._clock() or body.id in self._ended:
            return None
        if not hmac.compare_digest(body.mark, self._mark(body.name)):
            return None
        if self.by_token:
            return Who(body.name, Role.OPERATOR, body.id)
        user = self._users().get(body.name)
        return None if user is None else Who(body.name, user.role, body.id)

    def end(self, cookie: str) -> None:
        """Logs out: the cookie is good for nothing from now on."""
        body = self._read(cookie)
        if body is not None:
            now = self._clock()
            with self._lock:
                self._ended = {one: until for one, until in self._ended.items() if until > now}
                self._ended[body.id] = body.until

    def form_token(self, session: str) -> str:
        """What a form of that session carries, and a page of somebody else's cannot know."""
        return self._sign("form", session)

    def is_form_token(self, session: str, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.form_token(session).encode())

    def _read(self, cookie: str) -> _Session | None:
        raw, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign("session", raw).encode()):
            return None
        return _Session(*json.loads(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))))

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()

    def _mark(self, name: str) -> str:
        user = None if self.by_token else self._users().get(name)
        return self._sign("mark", "" if user is None else user.password)[:16]

    # attempts

    def _check_wait(self, keys: tuple[str, ...]) -> None:
        now = self._clock()
        with self._lock:
            wait = max((self._failed[key][1] for key in keys if key in self._failed), default=now) - now
        if wait > 0:
            raise Refused(wait)

    def _note_failure(self, keys: tuple[str, ...]) -> None:
        now = self._clock()
        with self._lock:
            for key in keys:
                count = self._failed.pop(key, (0, 0.0))[0] + 1
                wait = 0.0 if count < FREE_ATTEMPTS else min(LONGEST_WAIT, 2.0 ** min(count - FREE_ATTEMPTS, 10))
                self._failed[key] = count, now + wait
            while len(self._failed) > REMEMBERED:
                del self._failed[next(iter(self._failed))]
