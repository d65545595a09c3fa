"""Elasticsearch at scale: load, weekly quantiles, counts and search, each beside an anchor measured in the same run.

    python bench/elastic_scale.py --rows 1000000 [--elastic http://127.0.0.1:9200] [--heap 2048] [--anchor 200000]

Without --elastic a throw-away node on loopback is started. Prints one JSON object. Anchors: the same documents as
NDJSON made beforehand, sent over two connections and made visible, in turns with the load; the percentile query with
Elasticsearch's default settings; a search that finds nothing (an empty round trip). Values are compared with numpy's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, get_args

import numpy as np
from elasticsearch import Elasticsearch

from extract.observation import Observation, Stash
from index.content import BATCH, in_batches
from index.elastic.documents import Body, build_observation
from index.elastic.mappings import alias_name, build_mapping, build_settings
from index.elastic.searching import Searching
from index.elastic.store import ElasticStore
from index.offer_day import OfferDay
from index.stem import Query, parse_query
from index.store import Distinct, Filter
from monitor.demo.elastic_server import ElasticServer

START = date(2031, 1, 1)
DAYS = 365
SUBSTANCES = ("mephedrone", "alpha-pvp", "cannabis-resin", "mdma", "cocaine", "amphetamine", "heroin", "lsd")
WEIGHTS = (30, 20, 15, 10, 8, 8, 5, 4)
REGIONS = ("GE-TB", "GE-AJ", "GE-IM", "GE-KA", "RU-MOW", "RU-SPE", "RU-SVE", "RU-KDA", "RU-ROS", "RU-TA")
WORDS = [
    *"свежий кристалл закладка центр район качество проверено лаборатория быстро тайник чистый новый город".split(),
    *"north quick fresh lab sealed bright river stone lamp paper".split()]
WEEKLY = {"date_histogram": {"field": "day", "calendar_interval": "week"}}
AT = (0.25, 0.5, 0.75)
CHUNK = 100_000


class World:
    """Offers seen four times a day over a year; texts of 46 words, one in forty with a word of its own."""

    def __init__(self, rows: int, seed: int = 7) -> None:
        self.chance = random.Random(seed)
        self.offers = max(100, rows // DAYS)
        self.known = [self._offer(number) for number in range(self.offers)]

    def _offer(self, number: int) -> dict[str, Any]:
        chance = self.chance
        words = chance.choices(WORDS, k=40)
        if number % 40 == 0:
            words.append(f"rare{number}")
        return {
            "market": f"market{number % 3}", "listing": f"L{number // 3}", "offer": f"{number:016x}", "version": "1",
            "vendor": f"k1:{number % 600:032x}", "title": " ".join(chance.choices(WORDS, k=6)),
            "description": " ".join(words), "substances": (chance.choices(SUBSTANCES, WEIGHTS)[0],),
            "group": "stimulants", "form": chance.choice(("crystal", "powder", None)), "quantity_text": "1г",
            "quantity": 1.0, "unit": "g", "currency": "RUB", "place": "Тбилиси", "region": chance.choice(REGIONS),
            "stash": chance.choice(tuple(Stash)), "base": chance.randrange(1000, 9000)}

    def observations(self, rows: int) -> Iterator[Observation]:
        """In order of time: `rows` over the year."""
        made = 0
        for number in range(DAYS):
            day = START + timedelta(days=number)
            moment = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
            for place, offer in enumerate(self.known):
                price = offer["base"] * (95 + self.chance.randrange(11))
                fields = {name: value for name, value in offer.items() if name != "base"}
                yield Observation.model_construct(None, **(_DEFAULTS | fields | {
                    "crawl": f"{offer['market']}-{number:04d}", "observed_at": moment + timedelta(seconds=place),
                    "day": day, "amount": price, "unit_price": price * 100, "unit_price_usd": price * 2,
                    "price_text": f"{price // 100} руб.", "ready": price % 20}))
                made += 1
                if made == rows:
                    return

    def offer_days(self, rows: int) -> Iterator[OfferDay]:
        names = ("market", "listing", "offer", "version", "vendor", "group", "form", "quantity", "unit", "region",
                 "stash", "currency")
        made = 0
        for number in range(DAYS):
            day = START + timedelta(days=number)
            moment = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
            for offer in self.known:
                price = offer["base"] * 2 * (9500 + self.chance.randrange(1100)) // 100
                yield OfferDay.model_construct(None, **(_DAY_DEFAULTS | {name: offer[name] for name in names} | {
                    "day": day, "substance": offer["substances"][0], "sightings": 1, "first_seen": moment,
                    "last_seen": moment, "unit_price": price * 50, "unit_price_usd": price, "price_low_usd": price}))
                made += 1
                if made == rows:
                    return


_DEFAULTS = {name: info.default for name, info in Observation.model_fields.items() if not info.is_required()}
_DAY_DEFAULTS = {name: info.default for name, info in OfferDay.model_fields.items() if not info.is_required()}


def timed(call: Callable[[], Any], times: int = 7) -> float:
    """Median seconds, after one call to warm up."""
    call()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


class Meter:
    """Wall seconds, and seconds of the processor of this process and of Elasticsearch together."""

    def __init__(self, client: Elasticsearch) -> None:
        self._client = client
        self.wall = self.cpu = 0.0

    def _used(self) -> float:
        nodes = self._client.nodes.stats(metric="process")["nodes"].values()
        return time.process_time() + float(sum(node["process"]["cpu"]["total_in_millis"] for node in nodes)) / 1000

    def measure(self, call: Callable[[], Any]) -> Any:
        used, start = self._used(), time.perf_counter()
        found = call()
        self.wall += time.perf_counter() - start
        self.cpu += self._used() - used
        return found


def make_bodies(rows: list[Observation]) -> list[bytes]:
    """The same documents as the store writes, as bulk requests of the same number of rows."""
    return [
        b"".join(b'{"create":{"_id":"%s"}}\n%s\n' % (each.id.encode(), each.source) for each in part)
        for part in in_batches([build_observation(row, "") for row in rows], BATCH)]


def bench_load(store: ElasticStore, world: World, rows: int, anchored: int) -> dict[str, Any]:
    """Chunks by turns: the anchor first, then the store first. `seen` is making the anchor's documents visible, which
    the store does at the end of each write."""
    anchor = f"{store.prefix}-anchor"
    store.client.indices.create(
        index=anchor, mappings=build_mapping("observation", "1"), settings=build_settings("observation"))
    bare, seen, load, rest = (Meter(store.client) for _ in range(4))
    both = alone = 0

    def send(body: bytes) -> None:
        answer = store.client.bulk(index=anchor, operations=body, filter_path="errors")  # type: ignore[arg-type]
        assert not answer["errors"]

    def send_all(bodies: list[bytes]) -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(send, bodies))

    def ask_anchor(chunk: list[Observation]) -> None:
        bodies = make_bodies(chunk)
        bare.measure(lambda: send_all(bodies))
        seen.measure(lambda: store.client.indices.refresh(index=anchor))

    def write(chunk: list[Observation], meter: Meter) -> None:
        report = meter.measure(lambda: store.write(chunk))
        assert (report.written, report.failed) == (len(chunk), ())

    source = world.observations(rows)
    while chunk := list(islice(source, min(CHUNK, anchored // 2 or CHUNK))):
        if both < anchored:
            turn = (partial(ask_anchor, chunk), partial(write, chunk, load))
            for step in turn if both // len(chunk) % 2 == 0 else turn[::-1]:
                step()
            both += len(chunk)
        else:
            write(chunk, rest)
            alone += len(chunk)
        sys.stderr.write(f"\r{both + alone} observations")
    store.client.indices.delete(index=anchor)
    return {
        "ndjson_docs_s": round(both / bare.wall), "ndjson_seen_docs_s": round(both / (bare.wall + seen.wall)),
        "load_docs_s": round(both / load.wall), "load_share": round((bare.wall + seen.wall) / load.wall, 3),
        "load_share_cpu": round((bare.cpu + seen.cpu) / load.cpu, 3),
        "load_share_of_unseen": round(bare.wall / load.wall, 3),
        "later_docs_s": round(alone / rest.wall) if alone else None}


def bench_quantiles(store: ElasticStore, world: World, rows: int) -> dict[str, Any]:
    kept: dict[tuple[date, str | None], list[int]] = {}

    def watched() -> Iterator[OfferDay]:
        for row in world.offer_days(rows):
            if row.substance == "mephedrone":
                monday = row.day - timedelta(days=row.day.weekday())
                kept.setdefault((monday, row.region), []).append(row.unit_price_usd or 0)
            yield row

    start = time.perf_counter()
    store.write_offer_days(watched())
    load = time.perf_counter() - start
    where = Filter(substance=("mephedrone",))
    rows_ = store.quantiles(where, "week", ["region"], "unit_price_usd", AT)
    worst = 0.0
    assert len(rows_) == len(kept)
    for row in rows_:
        right = np.quantile(np.array(kept[row.bucket, row.series[0]]), AT)
        worst = max(worst, float(np.max(np.abs(np.array(row.values) / right - 1))))
    return {
        "offer_days": rows, "offer_days_docs_s": round(rows / load), "cells": len(rows_),
        "largest_cell": max(row.n for row in rows_), "worst_relative_error": worst,
        **time_quantiles(store, "mephedrone")}


def time_quantiles(store: ElasticStore, substance: str) -> dict[str, Any]:
    """Weekly quartiles by region beside the percentile query with default settings."""
    default: Body = {"regions": {"terms": {"field": "region", "size": 100}, "aggs": {"weeks": {**WEEKLY, "aggs": {
        "prices": {"percentiles": {"field": "unit_price_usd", "percents": [25, 50, 75]}}}}}}}
    query = {"bool": {"filter": [{"term": {"substance": substance}}, {"exists": {"field": "unit_price_usd"}}]}}

    def ask_default() -> Any:
        return store.client.search(
            index=alias_name(store.prefix, "offer_day"), size=0, query=query, aggs=default, request_cache=False)

    where = Filter(substance=(substance,))
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(5):  # in turns, so that a busy machine weighs on both
        theirs.append(timed(ask_default, 3))
        ours.append(timed(lambda: store.quantiles(where, "week", ["region"], "unit_price_usd", AT), 3))
    return {
        "default_percentiles_s": round(statistics.median(theirs), 4), "quantiles_s": round(statistics.median(ours), 4),
        "ratio": round(statistics.median(ours) / statistics.median(theirs), 2)}


def bench_search(store: ElasticStore, texts: dict[str, str], times: int = 40) -> dict[str, Any]:
    """Searches and the empty round trip in turns, so that a busy machine weighs on all; medians. `first`: by a store
    that was never asked for that text."""
    alias = alias_name(store.prefix, "observation")
    calls: dict[str, Callable[[], Any]] = {
        "empty_round_trip": lambda: store.client.search(index=alias, query={"match_none": {}}, size=0)}
    for name, text in texts.items():
        calls[f"search_{name}"] = partial(store.search, text, Filter())
        calls[f"search_{name}_first"] = partial(_ask_anew, store.client, alias, parse_query(text))
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(times + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn > 1:  # two to warm up
                taken[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(each) for name, each in taken.items()}
    return {f"{name}_ms": round(each * 1000, 2) for name, each in medians.items()} | {
        f"{name}_ratio": round(each / medians["empty_round_trip"], 1) for name, each in medians.items()}


def _ask_anew(client: Elasticsearch, index: str, query: Query) -> Any:
    return Searching(client).ask(index, query, Filter(), 20, 0)


def bench_questions(store: ElasticStore) -> dict[str, Any]:
    result = bench_search(store, {
        "two_common_words": "кристаллы fresh", "phrase": '"быстро тайник"', "rare_word": "rare400"})
    for of in get_args(Distinct):
        start = time.perf_counter()
        found = store.count_distinct(Filter(), ["crawl", "substance"], of)
        result[f"count_{of}_by_crawl_and_substance_first_s"] = round(time.perf_counter() - start, 3)
        start = time.perf_counter()
        store.count_distinct(Filter(), ["crawl", "substance"], of)
        result[f"count_{of}_by_crawl_and_substance_s"] = round(time.perf_counter() - start, 3)
        result[f"groups_{of}"] = len(found)
    last = START + timedelta(days=DAYS - 1)
    result["count_listings_of_a_month_s"] = round(timed(
        lambda: store.count_distinct(Filter(first=last - timedelta(days=30)), ["crawl"], "listing"), 3), 3)
    return result


def sizes(store: ElasticStore) -> dict[str, Any]:
    store.client.options(request_timeout=600).indices.flush(index=f"{store.prefix}-*")
    stats = store.client.indices.stats(index=f"{store.prefix}-*", metric="store,docs")["indices"]
    found: dict[str, Any] = {}
    for record in ("observation", "offer_day"):
        of = [body["primaries"] for name, body in stats.items() if name.startswith(alias_name(store.prefix, record))]
        docs, size = (sum(each[a][b] for each in of) for a, b in (("docs", "count"), ("store", "size_in_bytes")))
        found[f"{record}_bytes_row"] = round(size / docs, 1) if docs else None
    return found


def run(url: str, options: argparse.Namespace) -> dict[str, Any]:
    prefix = options.prefix or f"bench-{uuid.uuid4().hex[:8]}"
    store = ElasticStore(f"{url.rstrip('/')}/{prefix}", timeout=600)
    result: dict[str, Any] = {"rows": options.rows}
    try:
        world = World(options.history or options.rows)
        result["load"] = bench_load(store, world, options.rows, options.anchor)
        if not options.only_load:
            days = options.days or options.rows
            result["questions"] = bench_questions(store)
            result["quantiles"] = bench_quantiles(store, World(days), days)
        result["sizes"] = sizes(store)
        result["peak_mb_of_this_process"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    finally:
        if not options.prefix:
            store.destroy()
        store.close()
    return result


def ask_filled(url: str, prefix: str) -> dict[str, Any]:
    """Questions to what `store_fill.py` has filled."""
    store = ElasticStore(f"{url.rstrip('/')}/{prefix}", timeout=600)
    try:
        return {"search": bench_search(store, {
            "two_common_words": "кристалл fresh", "phrase": '"быстро тайник"', "rare_word": "1234"}),
            "quantiles": time_quantiles(store, "mephedrone"), "sizes": sizes(store)}
    finally:
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=0, help="offer-days (default: as many as rows)")
    parser.add_argument("--history", type=int, default=0, help="rows of the year that --rows begin (default: all)")
    parser.add_argument("--only-load", action="store_true", help="ask nothing")
    parser.add_argument("--anchor", type=int, default=200_000, help="rows loaded in turns with the anchor")
    parser.add_argument("--heap", type=int, default=2048, help="MiB of heap of the throw-away node")
    parser.add_argument("--elastic", help="address of a running Elasticsearch")
    parser.add_argument("--prefix", help="keep what was loaded under this prefix")
    parser.add_argument("--filled", help="load nothing: ask what store_fill.py wrote there (with --elastic)")
    options = parser.parse_args()
    if options.filled:
        result = ask_filled(options.elastic, options.filled)
    elif options.elastic:
        result = run(options.elastic, options)
    else:
        with ElasticServer(os.environ, heap_mb=options.heap) as server:
            result = run(server.url, options)
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
