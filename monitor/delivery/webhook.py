"""Webhooks, signed by the convention of Standard Webhooks (standardwebhooks.com, specification 1.0): the headers
`webhook-id` (the same at each attempt), `webhook-timestamp` (seconds, of this attempt) and `webhook-signature`
(`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; one for each secret, a space between)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
import orjson

from monitor.delivery.channels import Channel, webhook_key
from monitor.delivery.notice import Notice
from monitor.delivery.outbox import Message
from monitor.delivery.outcome import SENT, Outcome, Result, without_secrets

_NOT_NOW = frozenset({408, 409, 421, 423, 425, 429})
_MAX_ANSWER = 10_000


def build_body(notice: Notice) -> bytes:
    """`{"type": "alert.fired", "timestamp": …, "data": …}`; the same bytes at each attempt."""
    kind, at = f"alert.{notice.event.value}", notice.at.isoformat()
    return orjson.dumps({"type": kind, "timestamp": at, "data": notice.model_dump(mode="json")})


def sign(keys: Sequence[bytes], message: str, seconds: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = f"{message}.{seconds}.".encode() + body
    return " ".join(
        f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}" for key in keys
    )


def send_webhook(channel: Channel, message: Message, now: datetime) -> Outcome:
    """One attempt within `channel.timeout` seconds, whatever the receiver does. Redirects are not followed."""
    assert channel.webhook is not None
    body = build_body(message.notice)
    seconds = int(now.timestamp())
    headers = {
        "content-type": "application/json",
        "user-agent": "Dropline",
        "webhook-id": message.id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": sign([webhook_key(one) for one in channel.secret], message.id, seconds, body),
    }
    try:
        return asyncio.run(asyncio.wait_for(_post(channel, headers, body, now), channel.timeout))
    except TimeoutError:
        return Outcome(Result.UNREACHED, f"no answer within {channel.timeout:g} s")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        reason = without_secrets(f"{type(error).__name__}: {error}", channel.secrets())
        return Outcome(Result.UNREACHED, reason)


async def _post(channel: Channel, headers: dict[str, str], body: bytes, now: datetime) -> Outcome:
    assert channel.webhook is not None
    proxy = None if channel.proxy is None else channel.proxy.get_secret_value()
    # no proxy, netrc or certificate out of the environment: what an operator means stands in channels.yml
    async with (
        httpx2.AsyncClient(proxy=proxy, trust_env=False, follow_redirects=False, timeout=channel.timeout) as client,
        client.stream("POST", channel.webhook.get_secret_value(), content=body, headers=headers) as response,
    ):
        status = response.status_code
        said = b""
        if not response.is_success:
            async for chunk in response.aiter_raw():
                said += chunk
                if len(said) >= _MAX_ANSWER:
                    break
        after = _retry_after(response.headers.get("retry-after"), now)
    if 200 <= status < 300:
        return SENT
    reason = f"HTTP {status} {said[:200].decode('utf-8', 'replace')}"
    if 300 <= status < 400:
        reason = f"HTTP {status}: redirects are not followed; write the final address into channels.yml"
    reason = without_secrets(reason, channel.secrets())
    if status >= 500 or status in _NOT_NOW:
        return Outcome(Result.BUSY, reason, after=after)
    return Outcome(Result.REFUSED, reason)


def _retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3: seconds or a date); None where it makes no sense."""
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
