"""Asks two stores of the same content the same questions and compares the answers bit for bit.

    python bench/store_fill.py sqlite:///big.db && python bench/store_fill.py http://HOST:PORT/big
    python bench/store_same.py sqlite:///big.db http://HOST:PORT/big [--only PART]

Every question runs in a process of its own for each store. Prints a line a question (same or not; of each store
seconds, seconds of the processor of the asking process, its peak memory) and one JSON object; exit code 1 where answers
differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson
from store_scale import QUESTIONS, commonest

from index.measures import trends
from index.measures.row import to_json
from index.open import open_store
from index.store import Filter, Store


def ask_trend(store: Store, options: Mapping[str, Any]) -> Any:
    asked = dict(options)
    where = Filter(substance=(commonest(store),)) if asked.pop("where", None) else Filter()
    return [to_json(row) for row in trends(store, asked.pop("measure"), where, by="week", **asked)]


def ask_quantiles(store: Store) -> Any:
    where = Filter(substance=(commonest(store),))
    found = store.quantiles(where, "week", ("region",), "unit_price_usd", (0.25, 0.5, 0.75))
    return [(row.bucket, row.series, row.values) for row in found]


ASKED: dict[str, Callable[[Store], Any]] = {
    **{f"count of {of} by {', '.join(by)}": (
        lambda store, of=of, by=by: store.count_distinct(Filter(), by, of))  # type: ignore[misc]
        for of, by in (
            ("listing", ("crawl",)), ("offer", ("crawl", "substance")), ("vendor", ("day", "region")),
            ("offer", ("market", "form", "stash")), ("listing", ("ships_from", "ships_to")))},
    "quantiles by week and region": ask_quantiles,
    **{f"search for {text!r}": (
        lambda store, text=text: [hit.model_dump() for hit in store.search(text, Filter(), 50)])  # type: ignore[misc]
        for text in ("кристалл fresh", "кристалл 1234", "лаборатория", '"steady morning"', "nothing-of-this")},
    **{f"trends {name}": partial(ask_trend, options=options) for name, options in QUESTIONS.items()},
}


def ask(url: str, name: str) -> dict[str, Any]:
    store = open_store(url)
    start, used = time.perf_counter(), time.process_time()
    answer = ASKED[name](store)
    found = {"s": round(time.perf_counter() - start, 2), "cpu_s": round(time.process_time() - used, 2)}
    store.close()
    digest = hashlib.sha256(orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS)).hexdigest()
    return found | {
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "rows": len(answer), "digest": digest}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("stores", nargs="+")
    parser.add_argument("--only", default="", help="questions with this in their name")
    parser.add_argument("--ask", help="ask this one of the (one) store, in this process")
    given = parser.parse_args()
    if given.ask:
        print(json.dumps(ask(given.stores[0], given.ask)))
        return
    found: dict[str, Any] = {}
    for name in (one for one in ASKED if given.only in one):
        told = []
        for url in given.stores:
            command = [sys.executable, __file__, url, "--ask", name]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            told.append(json.loads(done.stdout))
        same = len({each.pop("digest") for each in told}) == 1
        found[name] = {"same": same, "stores": told}
        print("same  " if same else "OTHER ", name, told, file=sys.stderr, flush=True)
    alike = sum(each["same"] for each in found.values())
    print(json.dumps({"same": alike, "asked": len(found), "questions": found}, indent=1, ensure_ascii=False))
    sys.exit(alike < len(found))


if __name__ == "__main__":
    main()
