"""The connection to the cluster: its errors as ours, and bulk requests that lose nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import elastic_transport
import orjson
from elasticsearch import ApiError, Elasticsearch, OrjsonSerializer

from config.errors import StoreError
from index.elastic.address import Address
from index.elastic.documents import Document

_BULK_BYTES = 8_000_000
"""Of one request: far below `http.max_content_length`, whatever the texts."""
_BUSY = frozenset({429, 502, 503, 504})

Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Patience:
    """How a busy cluster is waited for: seconds before each new try of what it turned away, and how long one request
    may wait for a shard."""

    pauses: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
    shard_wait: str = "20s"
    sleep: Sleep = time.sleep


def connect(address: Address, timeout: float) -> Elasticsearch:
    """A client; nothing is reached before the first request. Requests that a busy node turns away are tried again."""
    auth = (address.user, address.password or "") if address.user else None
    return Elasticsearch(
        list(address.nodes), basic_auth=auth, request_timeout=timeout, max_retries=max(3, len(address.nodes)),
        retry_on_timeout=False, retry_on_status=(429, 502, 503, 504), serializer=OrjsonSerializer(),
        connections_per_node=4, dead_node_backoff_factor=0.5, max_dead_node_backoff=10)


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
    if status == 401:
        return f"the cluster wants a user and a password, and takes none of ours (401): {reason}", (
            "Give them in the address: https://USER:PASSWORD@HOST:PORT/PREFIX (%40 for an @ in the password).")
    if status == 403:
        return f"the cluster refuses us (403): {reason}", (
            "Give a user who may read and write these indices: https://USER:PASSWORD@HOST:PORT/PREFIX.")
    if is_lost(error):
        return f"a node that held this reading went away: {reason}", "Nothing is lost: run the command again."
    if "index_closed" in str(error) or "closed" in reason:
        return f"an index is closed: {reason}", "Open it (POST /INDEX/_open); then run the command again."
    if is_dropped(error):
        return "an index was deleted while it was written to", "Run the command again: it is made anew."
    if status == 429 or "rejected execution" in reason:
        return f"the cluster is overloaded and turns requests away (429): {reason}", (
            "Nothing is lost: run the command again when it has less to do, or give it more memory.")
    if "too_many_buckets" in str(error):
        return f"the question has more groups than the cluster allows: {reason}", (
            "Narrow the filter or the days, or raise search.max_buckets.")
    if status in _BUSY or "all shards failed" in reason or "unavailable" in reason:
        return f"the cluster has shards that do not answer: {reason}", (
            "Look at GET /_cluster/health and bring the missing node back; then run the command again.")
    return f"the cluster answered {status}: {reason}", "Look into the log of Elasticsearch."


def is_lost(error: ApiError) -> bool:
    """Whether a frozen view went away with its node."""
    return any(word in str(error) + str(error.body) for word in ("search_context_missing", "No search context found"))


def is_dropped(error: ApiError) -> bool:
    """Whether a write met an index that somebody deleted (see `mappings.write_alias`)."""
    return "require_alias" in str(error.body)


T = TypeVar("T")


def persevere(patience: Patience, ask: Callable[[], T]) -> T:
    """The answer to a question that may be put again: a busy cluster, one that is moving its shards to another node, or
    a view that went away with its node is given time; the last error stands."""
    for pause in patience.pauses[:4]:
        try:
            return ask()
        except ApiError as error:
            if not (error.status_code in _BUSY or is_lost(error)):
                raise
        patience.sleep(pause)
    return ask()


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


def _body(action: str, documents: Sequence[Document], *, named: bool) -> bytes:
    """The request's lines. `named`: each names its index, since that does not stand in the request's path."""
    heads = {
        index: b'{"%b":{%b"_id":' % (action.encode(), b'"_index":%b,' % orjson.dumps(index) if named else b"")
        for index in {document.index for document in documents}}
    ids = [orjson.dumps(document.id) for document in documents]
    if action == "delete":
        return b"".join([
            b"%b%b}}\n" % (heads[document.index], name) for name, document in zip(ids, documents, strict=True)])
    return b"".join([
        b"%b%b}}\n%b\n" % (heads[document.index], name, document.source)
        for name, document in zip(ids, documents, strict=True)])


def _parts(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Parts of much the same size, below what one request should hold."""
    whole = sum(len(document.source) + 100 for document in documents)
    most = whole / max(1, -(-whole // _BULK_BYTES))
    part: list[Document] = []
    size = 0
    for document in documents:
        taken = len(document.source) + 100
        if part and size + taken / 2 > most:
            yield part
            part, size = [], 0
        part.append(document)
        size += taken
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
        path = part[0].index if len({document.index for document in part}) == 1 else None
        for pause in (*patience.pauses, None):
            body = _body(action, waiting, named=path is None)
            # the client passes bytes through as they are, though its annotation knows mappings only
            answer = persevere(patience, partial(
                client.bulk, index=path, operations=body,  # type: ignore[arg-type]
                timeout=patience.shard_wait,
                require_alias=action != "delete", filter_path="errors,items.*.status,items.*.error"))
            if not answer["errors"] and action != "delete":  # to delete what is not there is no error
                outcome.done += waiting
                break
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
                elif cause.get("type") == "cluster_block_exception" or status == 404:
                    # read-only, or the index was deleted under our hands
                    raise ApiError(str(cause.get("type")), answer.meta, {"error": cause})
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


