"""The answer to the question of a group of rules, bucket by bucket; closed buckets are remembered while the crawls they
rest on stay the same."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import cast

import orjson

from extract.observation import digest_id
from index.buckets import By, bucket_end, bucket_of
from index.coverage import crawl_day
from index.measures.ask import Ask, Money, Of, Series, build_ask
from index.store import Store
from monitor.alerts.light import CHURN, Variant, iter_figures
from monitor.alerts.reading import Reading
from monitor.alerts.rule import COUNTED
from monitor.alerts.shape import Group, Shape
from monitor.alerts.unread import UNREAD

Key = tuple[Series, Variant]
Cells = dict[int, tuple[float | None, int]]
"""(value, n) by position of the bucket; absent where nothing was seen."""
STANDARD_DAYS = 91
FORMAT = "4"
"""Of what is remembered: a new one where a row of `_pack` changes, or was wrong."""
WHOLE = frozenset({"turnover", "share"})
"""Measures that give zeros only to series seen in the buckets asked: of a part alone, what ran dry is missing, and all
is asked again."""
LATER_DAYS = 35
"""A fall of stock may be taken back, an absence proven, by crawls up to so many days later."""


@dataclass
class Answer:
    """What was seen, by series. `ask` has the buckets and what the crawls allow in each."""

    ask: Ask
    cells: dict[Key, Cells]
    last_seen: dict[str, date] = field(default_factory=dict)
    """Local day of the last crawl begun of each market."""
    settled: dict[Key, dict[int, int]] = field(default_factory=dict)
    """What the last complete crawls of a bucket bear out (`light.Figure.settled`), by series."""


class RowCache:
    """Figures of closed buckets in state.db, by question and bucket, each with the digest of what it rests on."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def get(self, question: str) -> dict[date, tuple[str, bytes]]:
        rows = self.db.execute("SELECT bucket, content, body FROM alert_cache WHERE question = ?", (question,))
        return {date.fromisoformat(bucket): (content, body) for bucket, content, body in rows}

    def put(self, question: str, rows: Mapping[date, tuple[str, bytes]], oldest: date) -> None:
        """Inside the caller's transaction. Buckets before `oldest` are let go."""
        self.db.execute("DELETE FROM alert_cache WHERE question = ? AND bucket < ?", (question, oldest.isoformat()))
        self.db.executemany(
            "INSERT OR REPLACE INTO alert_cache VALUES (?, ?, ?, ?)",
            [(question, bucket.isoformat(), content, body) for bucket, (content, body) in rows.items()],
        )

    def clear(self, keep: set[str] | None = None) -> None:
        """Forget everything, or all but some questions."""
        asked = {row[0] for row in self.db.execute("SELECT DISTINCT question FROM alert_cache")}
        for question in asked - (keep or set()):
            self.db.execute("DELETE FROM alert_cache WHERE question = ?", (question,))


@dataclass
class Fresh:
    """What a question has to be remembered by."""

    question: str
    rows: dict[date, tuple[str, bytes]]
    oldest: date


def build_group_ask(reading: Reading, group: Group, first: date, last: date) -> Ask | None:
    """The group's question over whole buckets from `first`'s to `last`'s. None: its markets have no crawl."""
    shape = group.shape
    by = cast("By", shape.by)
    where = group.where()
    if not reading.crawls(where.market):
        return None
    dates = {"first": bucket_of(first, by), "last": bucket_end(bucket_of(last, by), by)}
    usual: Money = "quoted" if shape.measure == "price-index" else "usd"
    ask = build_ask(
        cast("Store", reading), where.model_copy(update=dates), by=by, split=shape.splits,
        with_flagged=shape.with_flagged, currency=cast("Money", shape.currency or usual),
        of=cast("Of | None", shape.of), seed=0, method=shape.method,
    )  # fmt: skip
    if ask is not None:
        ask.panel.share(reading.scopes)
    return ask


def answer_group(
    reading: Reading, group: Group, first: date, last: date, cache: RowCache | None = None
) -> tuple[Answer, Fresh | None] | None:
    """The answer over the buckets from `first` to `last`; what is newly known, for `RowCache.put`. None: no crawl."""
    ask = build_group_ask(reading, group, first, last)
    if ask is None:
        return None
    last_seen: dict[str, date] = {}
    for crawl in reading.crawls(ask.where.market):
        last_seen[crawl.market] = max(crawl_day(crawl), last_seen.get(crawl.market, date.min))
    shape = group.shape
    named = "vendor" in shape.fields or bool(shape.fixed.vendor)
    # sellers' pseudonyms stay in the store, where `forget` finds them; an index hangs on the first bucket asked
    if cache is None or named or shape.measure == "price-index":
        answer = Answer(ask, {}, last_seen)
        _read(ask, shape, answer, 0)
        return answer, None
    question = digest_id(FORMAT, repr(shape), group.where().model_dump_json(), reading.current_version() or "")
    contents = _contents(reading, ask, shape)
    held = cache.get(question)
    starts = ask.buckets.starts
    stale = [at for at, bucket in enumerate(starts) if held.get(bucket, ("", b""))[0] != contents[at]]
    answer = Answer(ask, {}, last_seen)
    fresh: dict[date, tuple[str, bytes]] = {}
    if stale:
        low, high = stale[0], stale[-1]
        _read_part(reading, group, answer, low, high)
        if shape.measure in WHOLE and _ran_dry(answer, [held[bucket][1] for bucket in starts if bucket in held]):
            answer, low, high = Answer(ask, {}, last_seen), 0, len(starts) - 1
            _read_part(reading, group, answer, low, high)
        fresh = _pack(answer, ask, contents, low, high)
    for at, bucket in enumerate(starts):
        if bucket not in fresh and bucket in held:
            _unpack(answer, at, held[bucket][1])
    return answer, Fresh(question, fresh, starts[0])


def _read_part(reading: Reading, group: Group, answer: Answer, low: int, high: int) -> None:
    starts = answer.ask.buckets.starts
    part = build_group_ask(reading, group, starts[low], starts[high])
    assert part is not None
    _read(part, group.shape, answer, low)


def _ran_dry(part: Answer, remembered: Sequence[bytes]) -> bool:
    """A series of other buckets has no figure in this part."""
    known = Answer(part.ask, {}, {})
    for at, body in enumerate(remembered):
        _unpack(known, at, body)
    told = {key for key, cells in part.cells.items() if any(value is not None for value, _ in cells.values())}
    return not known.cells.keys() <= told


def _read(ask: Ask, shape: Shape, answer: Answer, offset: int) -> None:
    for figure in iter_figures(ask, shape.measure, shape.column):
        _put(answer, (figure.series, figure.variant), figure.position + offset, figure.value, figure.n, figure.settled)


def _put(answer: Answer, key: Key, at: int, value: float | None, n: int, settled: int) -> None:
    if settled:
        answer.settled.setdefault(key, {})[at] = settled
    if value is not None or not settled:
        answer.cells.setdefault(key, {})[at] = (value, n)


def _pack(answer: Answer, ask: Ask, contents: list[str], low: int, high: int) -> dict[date, tuple[str, bytes]]:
    rows: dict[int, list[object]] = {at: [] for at in range(low, high + 1)}
    for (series, variant), cells in answer.cells.items():
        for at, (value, n) in cells.items():
            rows[at].append([series, variant, value, n, answer.settled.get((series, variant), {}).get(at, 0)])
    for key, settled in answer.settled.items():
        for at, count in settled.items():
            if at not in answer.cells.get(key, {}):
                rows[at].append([*key, None, 0, count])
    return {
        ask.buckets.starts[at]: (contents[at], zlib.compress(orjson.dumps(found), 1)) for at, found in rows.items()
    }


def _unpack(answer: Answer, at: int, body: bytes) -> None:
    for series, variant, value, n, settled in orjson.loads(zlib.decompress(body)):
        _put(answer, (tuple(series), tuple(variant)), at, value, n, settled)


def _contents(reading: Reading, ask: Ask, shape: Shape) -> list[str]:
    """Digest, for every bucket, of the crawls that its figures rest on."""
    crawls = sorted((crawl_day(one), reading.digest_of(one), one.market) for one in reading.crawls(ask.where.market))
    days, digests = [day for day, _, _ in crawls], [digest for _, digest, _ in crawls]
    life: dict[str, tuple[date, date]] = {}
    for day, _, market in crawls:
        first, last = life.get(market, (day, day))
        life[market] = (min(first, day), max(last, day))
    found = []
    for position in range(len(ask.buckets)):
        start, end = ask.buckets.span(position)
        if (shape.measure in COUNTED and shape.measure not in CHURN) or shape.measure in {"coverage", *UNREAD}:
            since, until = start, end
        elif shape.measure == "price":
            since, until = end - timedelta(days=STANDARD_DAYS), end
        elif shape.measure == "new":
            since, until = date.min, end
        elif shape.measure in CHURN:
            since, until = date.min, date.max  # a later crawl proves an absence, or that there was none
        else:
            since, until = date.min, end + timedelta(days=LATER_DAYS)
        # a market takes part from its first attempt to its last: a new one makes gaps of the days between
        panel = [market for market, (first, last) in life.items() if first <= end and last >= start]
        text = "\0".join([*sorted(panel), *digests[bisect_left(days, since) : bisect_right(days, until)]])
        found.append(hashlib.sha256(text.encode()).hexdigest()[:16])
    return found
