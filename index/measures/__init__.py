"""Measures of the market over time. `trends` is the entry; docs/measures.md has the method of each.

One module a family: `counts`, `price`, `turnover`, `churn` (new, withdrawn, returned), `share`, `concentration`,
`covered` (coverage). They take only `Store.crawls`, `count_distinct` and `scan`, so that both stores give the
same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from config.errors import UsageError
from index.buckets import By
from index.measures import churn, concentration, counts, covered, price, price_index, share, turnover
from index.measures.ask import SPLITS, Ask, Money, Of, build_ask, refuse
from index.measures.empty import explain_empty
from index.measures.row import TrendRow, to_json
from index.measures.turnover import METHODS
from index.store import Filter, Store

__all__ = ["MEASURES", "METHODS", "SPLITS", "TrendRow", "explain_empty", "to_json", "trends"]

MEASURES: Mapping[str, Callable[[Ask], list[TrendRow]]] = {
    "listings": lambda ask: counts.counts(ask, "listings"),
    "offers": lambda ask: counts.counts(ask, "offers"),
    "vendors": lambda ask: counts.counts(ask, "vendors"),
    "new": lambda ask: churn.churn(ask, "new"),
    "withdrawn": lambda ask: churn.churn(ask, "withdrawn"),
    "returned": lambda ask: churn.churn(ask, "returned"),
    "price": price.price,
    "price-index": price_index.price_index,
    "turnover": turnover.turnover,
    "share": share.share,
    "concentration": concentration.concentration,
    "coverage": covered.coverage,
}


def trends(
    store: Store, measure: str, where: Filter, *, by: By, split: Sequence[str] = (), with_flagged: bool = False,
    currency: Money | None = None, method: str = "stock", seed: int = 0, of: Of | None = None,
) -> list[TrendRow]:
    """A measure over time: every bucket from the first to the last day asked (else of the crawls), for every series.

    Days are market-local. Money is in major units. `of` is what `share` (default listings) and `concentration` (default
    turnover) are taken of; `method` is about turnover; `seed` about the intervals. Rows stand by bucket, then series.
    An empty list: the store has no crawl of the markets asked (see `explain_empty`).

    Raises UsageError: an unknown measure, split, bucket, currency or method (the nearest known one is suggested), dates
    in the wrong order. StoreError where the store fails.
    """
    if measure not in MEASURES:
        refuse("measure", measure, MEASURES)
    if method not in METHODS:
        refuse("turnover method", method, METHODS)
    if of is not None and measure not in {"share", "concentration"}:
        raise UsageError(f"'{measure}' is not taken of something.", remedy="Leave --of out.")
    ask = build_ask(
        store, where, by=by, split=split, with_flagged=with_flagged,
        currency=currency or ("quoted" if measure == "price-index" else "usd"), of=of, seed=seed,
        method=method,
    )
    return [] if ask is None else MEASURES[measure](ask)
