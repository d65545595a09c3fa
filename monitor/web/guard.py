"""What holds for every request, whatever page it asks for: the name it calls us by, how much it sends, the headers of
the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 300_000
"""Of a form."""
MOST_FIELDS = 500
SECONDS = 30.0
"""In which a form must have come in."""
HEADERS: Mapping[str, str] = {
    # no script, nothing of anybody else's; charts are part of the page
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # not `no-referrer`: a form's Origin would be null then, and nobody could tell it from a stranger's
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex, nofollow",
}
Fields = dict[str, list[str]]


class BadForm(Exception):
    """A form that is too large, too slow or unreadable."""


class Guard:
    """Answers only to names of our own (a web page can make its name lead to this machine), and sets the headers."""

    def __init__(self, app: ASGIApp, names: Iterable[str], *, secure: bool) -> None:
        self._app, self._names, self._secure = app, frozenset(name.lower() for name in names), secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                if self._secure:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or _name_of(hosts[0]) not in self._names:
            refusal = PlainTextResponse("Ask by a name of this dashboard's own (docs/dashboard.md: names).\n", 421)
            await refusal(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


def _name_of(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def comes_from_us(request: Request) -> bool:
    """Whether a browser says that a page of ours made the request. A program that is no browser says nothing."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in {None, "same-origin", "none"}:
        return False
    try:
        return origin is None or (origin != "null" and urlsplit(origin).netloc == request.headers["host"])
    except ValueError:
        return False


async def read_form(request: Request) -> Fields:
    """Fields of an urlencoded form. Raises BadForm."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {"application/x-www-form-urlencoded", ""}:
        raise BadForm("forms come as application/x-www-form-urlencoded.")
    raw = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for part in request.stream():
                raw += part
                if len(raw) > MOST_BYTES:
                    raise BadForm(f"the form is larger than {MOST_BYTES} bytes.")
    except TimeoutError as error:
        raise BadForm(f"the form did not come in within {SECONDS:.0f} s.") from error
    return read_fields(bytes(raw))


def read_fields(raw: bytes) -> Fields:
    """Fields of a query or form. Raises BadForm."""
    try:
        pairs: Sequence[tuple[str, str]] = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise BadForm(f"it is not written as a form is, or has more than {MOST_FIELDS} fields.") from error
    found: Fields = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found
