"""The connection to the cluster: its errors as ours, and bulk requests that lose nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import elastic_transport
import orjson
from elasticsearch import ApiError, Elasticsearch, OrjsonSerializer

from config.errors import StoreError, UsageError
from index.elastic.documents import Document
from index.store import WriteReport

_BULK_BYTES = 8_000_000
"""Of one request: far below `http.max_content_length`, whatever the texts."""
_BUSY = frozenset({429, 502, 503, 504})
_ACTION = {"create": b'{"create":', "index": b'{"index":', "delete": b'{"delete":'}

Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Patience:
    """How a busy cluster is waited for: seconds before each new try of what it turned away, and how long one request
    may wait for a shard."""

    pauses: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
    shard_wait: str = "20s"
    sleep: Sleep = time.sleep


@dataclass(frozen=True)
class Address:
    """Where the cluster is. `shown` is the address without its password."""

    node: str
    prefix: str
    user: str | None
    password: str | None
    shown: str


def parse_address(url: str) -> Address:
    """`http(s)://[user:pass@]HOST:PORT[/PREFIX]`; the prefix of all index names is `dropline` unless given."""
    parts = urlsplit(url)
    prefix = parts.path.strip("/") or "dropline"
    try:
        port = parts.port or (443 if parts.scheme == "https" else 9200)
    except ValueError as error:
        raise UsageError(f"the store address {parts.hostname!r} has a wrong port.", remedy="Give HOST:PORT.") from error
    if prefix != prefix.lower() or prefix[0] in "-_+" or any(sign in prefix for sign in '\\/*?"<>| ,#:'):
        raise UsageError(
            f"{prefix!r} cannot begin the name of an index.", remedy="Use small letters, digits and hyphens: /my-study."
        )
    node = f"{parts.scheme}://{parts.hostname if ':' not in (parts.hostname or '') else f'[{parts.hostname}]'}:{port}"
    return Address(
        node, prefix, unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None, f"{node}/{prefix}")


def connect(address: Address, timeout: float) -> Elasticsearch:
    """A client; nothing is reached before the first request. Requests that a busy node turns away are tried again."""
    auth = (address.user, address.password or "") if address.user else None
    return Elasticsearch(
        address.node, basic_auth=auth, request_timeout=timeout, max_retries=3, retry_on_timeout=False,
        retry_on_status=(429, 502, 503, 504), serializer=OrjsonSerializer(), connections_per_node=4)


def _reason(error: ApiError) -> str:
    body = error.body
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        cause = body["error"]
        return str(cause.get("reason") or cause.get("type"))
    return error.message


def _explain(error: ApiError) -> tuple[str, str]:
    """What is wrong and what to do about it."""
    status, reason = error.status_code, _reason(error)
    if "flood-stage" in reason or "read-only" in reason:
        return f"the cluster takes no writes: {reason}", (
            "Free disk space; Elasticsearch lifts the block by itself; then run the command again."
        )
    if status in {401, 403}:
        return f"the cluster refuses us ({status}): {reason}", (
            "Give a user who may read and write these indices: https://USER:PASSWORD@HOST:PORT/PREFIX.")
    if status in _BUSY or "all shards failed" in reason or "unavailable" in reason:
        return f"the cluster has shards that do not answer: {reason}", (
            "Look at GET /_cluster/health and bring the missing node back; then run the command again.")
    return f"the cluster answered {status}: {reason}", "Look into the log of Elasticsearch."


@contextmanager
def guard(shown: str) -> Iterator[None]:
    """Turns the client's errors into StoreError with what to do next."""
    try:
        yield
    except elastic_transport.ConnectionTimeout as error:
        raise StoreError(
            f"{shown}: no answer in time.",
            remedy="The cluster is slow or overloaded: look at GET /_cluster/health, then run the command again.",
        ) from error
    except elastic_transport.TlsError as error:
        raise StoreError(
            f"{shown}: the secure connection failed: {error.message}.",
            remedy="Check the certificate, or use http://.",
        ) from error
    except elastic_transport.TransportError as error:
        raise StoreError(
            f"{shown}: cannot be reached: {error.message}.",
            remedy="Check that it runs, and the address given to --store.",
        ) from error
    except ApiError as error:
        message, remedy = _explain(error)
        raise StoreError(f"{shown}: {message}.", remedy=remedy) from error


def _lines(action: str, document: Document) -> list[bytes]:
    target = _ACTION[action] + orjson.dumps({"_index": document.index, "_id": document.id}) + b"}"
    return [target] if action == "delete" else [target, document.source]


def _parts(documents: Sequence[Document]) -> Iterator[list[Document]]:
    part: list[Document] = []
    size = 0
    for document in documents:
        if part and size + len(document.source) > _BULK_BYTES:
            yield part
            part, size = [], 0
        part.append(document)
        size += len(document.source) + 120
    if part:
        yield part


@dataclass
class Outcome:
    """What became of the documents of one bulk: done, already there (409), gone (404), or failed with a reason."""

    done: list[Document]
    there: list[Document]
    gone: list[Document]
    failed: list[tuple[str, str]]


def bulk(client: Elasticsearch, action: str, documents: Sequence[Document], patience: Patience) -> Outcome:
    """Runs `create`, `index` or `delete` over all documents. Items that a busy cluster turns away are tried again with
    growing pauses; what then still fails is in the outcome. A cluster that is read-only is told at once (ApiError)."""
    outcome = Outcome([], [], [], [])
    for part in _parts(documents):
        waiting = part
        for pause in (*patience.pauses, None):
            operations = [line for document in waiting for line in _lines(action, document)]
            # the client passes lines that are bytes through as they are, though its annotation knows mappings only
            answer = client.bulk(operations=operations, timeout=patience.shard_wait)  # type: ignore[arg-type]
            again: list[Document] = []
            reasons: list[tuple[str, str]] = []
            for document, item in zip(waiting, answer["items"], strict=True):
                result: dict[str, Any] = item[action]
                status, cause = result["status"], result.get("error") or {}
                if status < 300:
                    outcome.done.append(document)
                elif status == 409:
                    outcome.there.append(document)
                elif status == 404 and action == "delete":
                    outcome.gone.append(document)
                elif cause.get("type") == "cluster_block_exception":
                    raise ApiError("cluster_block_exception", answer.meta, {"error": cause})
                elif status in _BUSY:
                    again.append(document)
                    reasons.append((document.key, str(cause.get("reason", status))))
                else:
                    outcome.failed.append((document.key, _why(cause, status)))
            if not again:
                break
            if pause is None:
                if len(again) == len(part):
                    raise ApiError(f"every item of a bulk was turned away: {reasons[0][1]}", answer.meta, {
                        "error": {"reason": f"shards are unavailable or overloaded: {reasons[0][1]}"}})
                outcome.failed += reasons
                break
            patience.sleep(pause)
            waiting = again
    return outcome


def _why(cause: dict[str, Any], status: int) -> str:
    inner = cause.get("caused_by") or {}
    return str(inner.get("reason") or cause.get("reason") or status)


def upsert(client: Elasticsearch, documents: Sequence[Document], patience: Patience) -> WriteReport:
    """Creates what is not there, compares the rest by digest and writes what differs: as many requests as needed, and
    none to read on a first load."""
    created = bulk(client, "create", documents, patience)
    written, unchanged, failed = len(created.done), 0, created.failed
    for place in range(0, len(created.there), 5000):
        there = created.there[place : place + 5000]
        answer = client.mget(
            docs=[{"_index": document.index, "_id": document.id, "_source": ["digest"]} for document in there])
        changed = [
            document for document, stored in zip(there, answer["docs"], strict=True)
            if not stored.get("found") or stored["_source"]["digest"] != document.digest]
        unchanged += len(there) - len(changed)
        replaced = bulk(client, "index", changed, patience)
        written += len(replaced.done)
        failed = failed + replaced.failed
    return WriteReport(written=written, unchanged=unchanged, failed=tuple(failed))
