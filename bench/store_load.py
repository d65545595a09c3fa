"""How fast the stores take observations, against anchors measured in the same run.

    python bench/store_load.py [--rows 200000] [--elastic http://127.0.0.1:9200]

Anchor of SQLite: bare `executemany` of the same values (one flat table without key or index, same journal mode, same
batches). Anchor of Elasticsearch: the same documents as prebuilt NDJSON over one connection. Prints one JSON object;
times are wall seconds, making of the records is left out of every figure. Peak memory is of the SQLite load alone.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from extract.observation import Observation, Stash
from index.content import BATCH, in_batches
from index.derive import derive_offer_days
from index.sqlite.rows import plain
from index.sqlite.store import SqliteStore
from index.store import Filter, WriteReport

START = datetime(2031, 1, 1, tzinfo=UTC)
WORDS = [
    "свежий",
    "кристалл",
    "закладка",
    "центр",
    "район",
    "качество",
    "проверено",
    "лаборатория",
    "быстро",
    "тайник",
    "north",
    "quick",
    "fresh",
    "lab",
    "sealed",
]
SUBSTANCES = ("mephedrone", "alpha-pvp", "cannabis-resin", "mdma", "cocaine", "amphetamine")


def iter_rows(count: int, offers: int, seed: int = 7) -> Iterator[Observation]:
    """`count` observations: crawls of `offers` offers, of which one in a hundred is new at each crawl."""
    chance = random.Random(seed)
    known: list[Observation] = []
    made, crawl, serial = 0, 0, 0
    while made < count:
        moment = START + timedelta(hours=6 * crawl)
        for place in range(offers):
            if place >= len(known) or chance.random() < 0.01:
                serial += 1
                offer = _offer(chance, serial)
                known[place : place + 1] = [offer]
            price = chance.randrange(1000, 9000) * 100
            row = known[place]
            # the validation of records is not what is measured
            yield Observation.model_construct(None, **(row.__dict__ | {
                "crawl": f"bench-{crawl:05d}", "observed_at": moment + timedelta(seconds=place // 10),
                "day": moment.date(), "amount": price, "unit_price": price * 100, "unit_price_usd": price * 2,
                "amount_usd": price // 60, "ready": chance.randrange(20), "price_text": f"{price // 100} руб."}))
            made += 1
            if made == count:
                return
        crawl += 1


def _offer(chance: random.Random, serial: int) -> Observation:
    return Observation(
        market="bench", listing=f"L{serial // 3}", offer=f"{serial:016x}", crawl="", version="1", observed_at=START,
        day=START.date(), vendor=f"k1:{serial % 400:032x}", title=" ".join(chance.choices(WORDS, k=6)),
        description=f"{serial} " + " ".join(chance.choices(WORDS, k=40)), category=("a", "b"),
        substances=(chance.choice(SUBSTANCES),), group="stimulants", form="crystal", quantity_text="1г", quantity=1.0,
        unit="g", currency="RUB", fx_rate=0.0157, fx_date=START.date(), fx_source="bench", place="Тбилиси",
        region=chance.choice(("GE-TB", "GE-AJ")), stash=chance.choice(tuple(Stash)), feedback=serial % 50)


def time_bare(path: Path, rows: list[Observation]) -> float:
    """Seconds of the anchor."""
    names = list(Observation.model_fields)
    flat = [tuple(plain(row.__dict__[name]) for name in names) for row in rows]
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    columns = ", ".join(f'"{name}"' for name in names)
    connection.execute(f"CREATE TABLE flat ({columns})")
    start = time.perf_counter()
    for batch in in_batches(flat):
        connection.execute("BEGIN")
        connection.executemany(f"INSERT INTO flat VALUES ({', '.join('?' * len(names))})", batch)
        connection.execute("COMMIT")
    taken = time.perf_counter() - start
    connection.close()
    return taken


def bench_sqlite(rows: list[Observation], folder: Path) -> dict[str, float]:
    bare = time_bare(folder / "bare.db", rows)
    store = SqliteStore(folder / "store.db")
    start = time.perf_counter()
    report: WriteReport = store.write(rows)
    load = time.perf_counter() - start
    assert (report.written, report.failed) == (len(rows), ())
    start = time.perf_counter()
    assert store.write(rows).unchanged == len(rows)
    again = time.perf_counter() - start
    start = time.perf_counter()
    days = derive_offer_days(store, "bench", "1", START.date())
    derive = time.perf_counter() - start
    start = time.perf_counter()
    scanned = sum(
        len(batch["offer"])
        for batch in store.scan("observation", Filter(), ["offer", "observed_at", "ready", "substance"])
    )
    scan = time.perf_counter() - start
    start = time.perf_counter()
    store.count_distinct(Filter(), ["crawl", "substance"], "listing")
    count = time.perf_counter() - start
    start = time.perf_counter()
    store.search("кристаллы fresh", Filter())
    search = time.perf_counter() - start
    store.close()
    assert scanned == len(rows)
    size = (folder / "store.db").stat().st_size
    return {
        "bare_rows_s": round(len(rows) / bare),
        "load_rows_s": round(len(rows) / load),
        "load_share": round(bare / load, 3),
        "again_rows_s": round(len(rows) / again),
        "derive_rows_s": round(len(rows) / derive),
        "offer_days": days,
        "scan_rows_s": round(scanned / scan),
        "count_s": round(count, 3),
        "search_s": round(search, 4),
        "bytes_row": round(size / len(rows), 1),
        "bare_bytes_row": round((folder / "bare.db").stat().st_size / len(rows), 1),
    }


def bench_memory(count: int, offers: int, folder: Path) -> dict[str, float]:
    """Growth of the peak while `count` rows stream in, in MB."""
    store = SqliteStore(folder / "memory.db")
    store.write(iter_rows(20_000, offers))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    store.write(iter_rows(count, offers, seed=8))
    taken = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store.close()
    return {"streamed_rows": count, "seconds_with_making": round(taken, 1), "peak_mb": round(after / 1024),
            "growth_mb": round((after - before) / 1024)}


def bench_elastic(rows: list[Observation], url: str) -> dict[str, float]:
    from index.elastic.documents import build_observation
    from index.elastic.mappings import build_mapping, build_settings
    from index.elastic.store import ElasticStore

    store = ElasticStore(f"{url.rstrip('/')}/bench-{uuid.uuid4().hex[:8]}")
    anchor = f"{store.prefix}-anchor"
    store.client.indices.create(
        index=anchor, mappings=build_mapping("observation", "1"), settings=build_settings("observation"))
    documents = [build_observation(row, anchor) for row in rows]
    bodies = [
        [
            line
            for document in batch
            for line in (json.dumps({"create": {"_id": document.id}}).encode(), document.source)
        ]
        for batch in in_batches(documents, BATCH)
    ]
    start = time.perf_counter()
    for body in bodies:
        assert not store.client.bulk(index=anchor, operations=body)["errors"]
    bare = time.perf_counter() - start
    start = time.perf_counter()
    report = store.write(rows)
    load = time.perf_counter() - start
    assert (report.written, report.failed) == (len(rows), ())
    start = time.perf_counter()
    assert store.write(rows).unchanged == len(rows)
    again = time.perf_counter() - start
    start = time.perf_counter()
    derive_offer_days(store, "bench", "1", START.date())
    derive = time.perf_counter() - start
    start = time.perf_counter()
    store.count_distinct(Filter(), ["crawl", "substance"], "listing")
    count = time.perf_counter() - start
    start = time.perf_counter()
    store.search("кристаллы fresh", Filter())
    search = time.perf_counter() - start
    store.destroy()
    store.close()
    return {
        "ndjson_docs_s": round(len(rows) / bare),
        "load_docs_s": round(len(rows) / load),
        "load_share": round(bare / load, 3),
        "again_docs_s": round(len(rows) / again),
        "derive_rows_s": round(len(rows) / derive),
        "count_s": round(count, 3),
        "search_s": round(search, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--offers", type=int, default=5_000)
    parser.add_argument("--stream", type=int, default=0, help="rows of the memory run (1000000 for the documented one)")
    parser.add_argument("--elastic", help="address of a running Elasticsearch")
    options = parser.parse_args()
    result: dict[str, object] = {"rows": options.rows, "offers_per_crawl": options.offers}
    with tempfile.TemporaryDirectory() as name:
        if options.stream:
            result["memory"] = bench_memory(options.stream, options.offers, Path(name))
        rows = list(iter_rows(options.rows, options.offers))
        result["sqlite"] = bench_sqlite(rows, Path(name))
        if options.elastic:
            result["elastic"] = bench_elastic(rows, options.elastic)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
