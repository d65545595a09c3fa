"""How long many rules take over a store, cold and tick by tick, against the same rules asked one by one.

    python bench/alert_rules.py --store sqlite:///PATH|http://… [--rules 1000] [--alone 10] [--ticks 3] [--until DAY]

The store is read only (but for packs that Elasticsearch lacks); state goes to a temporary folder. Rules are spread over
the substances, regions and markets that the store has: listings, offers, vendors, prices and new listings, by day and
week, with threshold, change, surge and drift. The first tick reads the whole history that the rules look back on; then
the clock goes on by a day a tick up to `--until`, the last day of the store where it is not given. The anchor, `alone`,
is `--alone` of the rules each by a question of its own, scaled up. Prints one JSON object: `s` is wall seconds, `cpu_s`
seconds of the processor (one thread), `elastic_cpu_s` those of Elasticsearch.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

from index.elastic.store import ElasticStore
from index.open import open_store
from index.store import Filter, Store
from monitor.alerts.evaluate import evaluate_all
from monitor.alerts.rule import Rule, RuleFile
from monitor.delivery.outbox import Outbox
from monitor.state import State

KINDS: tuple[dict[str, Any], ...] = (
    {"measure": "listings", "by": "day", "test": {"kind": "change", "percent": 40}},
    {"measure": "offers", "by": "week", "test": {"kind": "threshold", "above": 1_000_000}},
    {"measure": "price", "by": "week", "test": {"kind": "drift"}},
    {"measure": "new", "by": "week", "test": {"kind": "surge"}},
    {"measure": "listings", "by": "week", "test": {"kind": "change"}},
    {"measure": "vendors", "by": "week", "test": {"kind": "change", "percent": 40}},
)


def values_of(store: Store, field: str) -> list[str]:
    """What a field holds, the commonest first."""
    counts = store.count_distinct(Filter(), (field,), "listing")
    return [str(key[0]) for key, _ in sorted(counts, key=lambda each: -each[1]) if key[0] is not None]


def iter_rules(store: Store) -> Iterator[Rule]:
    substances, regions, markets = (values_of(store, field) for field in ("substance", "region", "market"))
    shapes = [{"substance": a, "region": b} for a, b in itertools.product(substances, regions)]
    shapes += [{"substance": a, "market": b} for a, b in itertools.product(substances, markets)]
    shapes += [{"substance": a} for a in substances]
    for number, (where, kind) in enumerate(itertools.product(shapes, KINDS)):
        yield RuleFile.model_validate({"rules": [
            {"id": f"rule-{number}", "title": "bench", "owner": "bench", "filter": where, "on_first_run": "hold"} | kind
        ]}).rules[0]


def elastic_cpu(store: Store) -> float:
    """Seconds of the processor that Elasticsearch has used; 0 where the store is none."""
    if not isinstance(store, ElasticStore):
        return 0.0
    nodes = store.client.nodes.stats(metric="process")["nodes"].values()
    return float(sum(node["process"]["cpu"]["total_in_millis"] for node in nodes)) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True)
    parser.add_argument("--rules", type=int, default=1000)
    parser.add_argument("--alone", type=int, default=10)
    parser.add_argument("--ticks", type=int, default=3)
    parser.add_argument("--until", type=date.fromisoformat)
    given = parser.parse_args()
    store = open_store(given.store)
    every = list(iter_rules(store))
    random.Random(7).shuffle(every)
    rules = every[: given.rules]
    days = [crawl.started for crawl in store.crawls()]
    last = (given.until or max(days).date()) - timedelta(days=given.ticks)
    now = datetime.combine(last, time_of_day(18), tzinfo=UTC)
    found: dict[str, Any] = {"rules": len(rules), "crawls": len(days)}
    with tempfile.TemporaryDirectory() as folder, State(Path(folder) / "state.db") as state:
        for tick in range(given.ticks + 2):
            moment = now + timedelta(days=min(tick, given.ticks))
            start, used, theirs = time.perf_counter(), time.process_time(), elastic_cpu(store)
            report = evaluate_all(store, state, rules, moment, outbox=Outbox(state))
            taken, used = time.perf_counter() - start, time.process_time() - used
            theirs = elastic_cpu(store) - theirs
            name = "cold" if tick == 0 else "idle" if tick == given.ticks + 1 else f"tick_{tick}"
            found[name] = {
                "s": round(taken, 2), "cpu_s": round(used, 2), "elastic_cpu_s": round(theirs, 2),
                "questions": report.questions, "series": report.series, "unchanged": report.unchanged,
                "fired": len(report.changes.fired), "failed": len(report.failed),
            }
            print(name, found[name], file=sys.stderr, flush=True)
        alone = rules[:: max(1, len(rules) // max(1, given.alone))][: given.alone]
        with State(Path(folder) / "alone.db") as other:
            used = time.process_time()
            for rule in alone:
                evaluate_all(store, other, [rule], now, outbox=Outbox(other), fresh=True)
            used = time.process_time() - used
            found["alone"] = {
                "rules": len(alone), "cpu_s_for_all": round(used / max(1, len(alone)) * len(rules), 1)}
    found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    store.close()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
