"""Questions to a big store, with anchors measured in the same run, and the peak memory of every measure.

    python bench/store_fill.py sqlite:///big.db --rows 10000000
    python bench/store_scale.py sqlite:///big.db [--memory] [--load 300000]

Anchors: weekly quantiles by region of the commonest substance against numpy sorting the same prices (already in memory,
as one array of packed (cell, price) keys) and reading the quantiles off; the load of a crawl into the big file against
bare `executemany` (`--load`, of an SQLite file). `--memory` asks every measure in a process of its own and tells its
time and peak. Prints one JSON object; times are the best of several, in milliseconds where not said otherwise.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from store_load import iter_rows, time_bare

from index.buckets import bucket_of
from index.measures import MEASURES, trends
from index.open import open_store
from index.quantiles import of_sorted
from index.store import Filter, Store

AT = (0.25, 0.5, 0.75)
QUESTIONS: dict[str, dict[str, Any]] = {
    **{name: {"measure": name} for name in MEASURES if name != "event"},
    "event": {"measure": "event", "at": date(2031, 7, 7)},
    "price by region, commonest substance": {"measure": "price", "split": ["region"], "where": "common"},
    "price-index, commonest substance": {"measure": "price-index", "where": "common"},
    "listings by substance": {"measure": "listings", "split": ["substance"]},
    "listings by substance and region": {"measure": "listings", "split": ["substance", "region"]},
    "listings by region, commonest substance": {"measure": "listings", "split": ["region"], "where": "common"},
    "turnover by feedback": {"measure": "turnover", "method": "feedback"},
    "turnover by every method": {"measure": "turnover", "method": "all"},
    "turnover --sensitivity": {"measure": "turnover", "sensitivity": True},
    "concentration of listings": {"measure": "concentration", "of": "listings"},
}


def best(ask: Callable[[], Any], times: int = 5) -> tuple[float, Any]:
    """Milliseconds of the quickest of some tries, and the answer."""
    taken, found = float("inf"), None
    for _ in range(times):
        start = time.perf_counter()
        found = ask()
        taken = min(taken, (time.perf_counter() - start) * 1000)
    return round(taken, 2), found


def commonest(store: Store) -> str:
    found = store.count_distinct(Filter(), ("substance",), "offer")
    return max((count, name[0]) for name, count in found if name[0])[1]


def anchor_quantiles(store: Store, substance: str) -> tuple[float, int, Any]:
    """Milliseconds in which numpy sorts the same prices by week and region and reads the quantiles."""
    weeks: dict[str, str] = {}
    cells: dict[tuple[str, str | None], int] = {}
    codes, prices = [], []
    for batch in store.scan("offer_day", Filter(substance=(substance,)), ["day", "region", "unit_price_usd", "flags"]):
        for day, region, price, flags in zip(*batch.values(), strict=True):
            if not flags and price == price:  # noqa: PLR0124 - NaN
                week = weeks.setdefault(day, bucket_of(date.fromisoformat(day), "week").isoformat())
                codes.append(cells.setdefault((week, region), len(cells)))
                prices.append(int(price))
    assert max(prices) < 2**44
    chance = np.random.default_rng(1)
    order = chance.permutation(len(codes))
    keys = (np.array(codes, dtype=np.int64)[order] << 44) | np.array(prices, dtype=np.int64)[order]

    def ask() -> dict[int, tuple[float, ...]]:
        ranked = np.sort(keys)
        cell, price = ranked >> 44, ranked & ((1 << 44) - 1)
        starts = np.flatnonzero(np.diff(cell, prepend=-1))
        return {
            int(cell[begin]): of_sorted(price[begin:end], AT)
            for begin, end in zip(starts.tolist(), [*starts.tolist()[1:], len(price)], strict=True)}

    taken, found = best(ask)
    return taken, len(keys), {cell: found[code] for cell, code in cells.items()}


def bench_questions(url: str) -> dict[str, Any]:
    store = open_store(url)
    substance = commonest(store)
    one = Filter(substance=(substance,))
    first, _ = best(lambda: open_store(url).count_distinct(Filter(), ("crawl",), "listing"), 1)
    anchor, prices, expected = anchor_quantiles(store, substance)
    asked, found = best(lambda: store.quantiles(one, "week", ("region",), "unit_price_usd", AT))
    assert {(row.bucket.isoformat(), row.series[0]): row.values for row in found} == expected
    times = {
        "crawls": best(lambda: store.count_distinct(Filter(), ("crawl",), "listing")),
        "crawls, one substance": best(lambda: store.count_distinct(one, ("crawl",), "listing")),
        "crawls, country": best(lambda: store.count_distinct(Filter(region=("GE",)), ("crawl",), "listing")),
        "crawls by substance": best(lambda: store.count_distinct(Filter(), ("crawl", "substance"), "listing")),
        "days by substance": best(lambda: store.count_distinct(Filter(), ("day", "substance"), "listing"), 2),
        "all offers": best(lambda: store.count_distinct(Filter(), (), "offer"), 2),
    }
    words = {
        "two words": best(lambda: store.search("кристалл fresh", Filter())),
        "word and number": best(lambda: store.search("кристалл 1234", Filter())),
        "word of one substance": best(lambda: store.search("лаборатория", one)),
    }
    store.close()
    return {
        "substance": substance, "prices": prices, "quantiles_ms": asked, "numpy_sort_ms": anchor,
        "quantiles_share": round(asked / anchor, 2), "first_count_in_a_new_process_ms": first,
        "counts_ms": {name: taken for name, (taken, _) in times.items()},
        "search_ms": {name: taken for name, (taken, _) in words.items()},
    }


def bench_load(url: str, rows: int) -> dict[str, Any]:
    """Rows a second of a load into the big file, and the share of bare `executemany`; taken out again at the end."""
    records = list(iter_rows(rows, 5_000, seed=11))
    with tempfile.TemporaryDirectory(dir=Path(url.removeprefix("sqlite:///")).parent) as folder:
        bare = time_bare(Path(folder) / "bare.db", records)
    store = open_store(url)
    start = time.perf_counter()
    assert store.write(records).failed == ()
    taken = time.perf_counter() - start
    start = time.perf_counter()
    store.forget(market="bench")
    forgotten = time.perf_counter() - start
    store.close()
    return {"rows": rows, "bare_rows_s": round(rows / bare), "load_rows_s": round(rows / taken),
            "share": round(bare / taken, 3), "forget_market_s": round(forgotten, 1)}


def ask_measure(url: str, name: str) -> dict[str, Any]:
    """One measure by week, in this process: seconds, those of the processor, rows, peak of the process in MB."""
    options = dict(QUESTIONS[name])
    store = open_store(url)
    where = Filter(substance=(commonest(store),)) if options.pop("where", None) else Filter()
    start, used = time.perf_counter(), time.process_time()
    rows = trends(store, options.pop("measure"), where, by="week", **options)
    taken, used = time.perf_counter() - start, time.process_time() - used
    return {"s": round(taken, 2), "cpu_s": round(used, 2), "rows": len(rows),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("store")
    parser.add_argument("--memory", action="store_true", help="ask every measure, each in a process of its own")
    parser.add_argument("--measure", help="ask this one alone, in this process")
    parser.add_argument("--load", type=int, default=0, help="rows to load into the file and take out again")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(ask_measure(options.store, options.measure)))
        return
    result: dict[str, Any] = bench_questions(options.store)
    if options.load:
        result["load"] = bench_load(options.store, options.load)
    if options.memory:
        result["measures"] = {}
        for name in QUESTIONS:
            command = [sys.executable, __file__, options.store, "--measure", name]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            result["measures"][name] = json.loads(done.stdout)
            print(name, result["measures"][name], file=sys.stderr, flush=True)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
