"""Measures of the market over time. `trends` is the entry; docs/measures.md has the method of each.

One module a family: `counts`, `price`, `price_index`, `turnover` (with `sales` by stock, `feedback`, `thinning`),
`churn` (new, withdrawn, returned), `survival`, `share`, `concentration`, `flows`, `availability`, `event`, `covered`
(coverage). They take only `Store.crawls`, `count_distinct` and `scan` (or, where a store has it, the
same rows as codes: `index.coded`), so that both stores give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from config.errors import UsageError
from index.buckets import By
from index.measures import (
    availability,
    churn,
    concentration,
    counts,
    covered,
    event,
    flows,
    price,
    price_index,
    share,
    survival,
    thinning,
    turnover,
)
from index.measures.ask import SPLITS, Ask, Money, Of, build_ask, refuse
from index.measures.empty import explain_empty
from index.measures.row import TrendRow, to_json
from index.measures.turnover import METHODS
from index.store import Filter, Store

__all__ = ["MEASURES", "METHODS", "OF", "SPLITS", "TrendRow", "explain_empty", "misplaced_money", "to_json", "trends"]

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
    "flows": flows.flows,
    "availability": availability.availability,
    "survival": survival.survival,
    "event": lambda ask: event.event(ask, MEASURES[ask.of or "listings"]),
    "coverage": covered.coverage,
}
OF: Mapping[str, tuple[Of, ...]] = {
    "share": ("listings", "turnover"), "concentration": ("turnover", "listings"), "flows": flows.KINDS,
    "event": event.KINDS,
}
"""What each measure may be taken of, the default first; the others are not taken of anything."""
QUOTED = frozenset({"price", "price-index", "turnover"})
"""Measures in money, by themselves or as the subject of an event; shares of turnover are always of US dollars."""


def misplaced_money(measure: str, of: str | None, method: str, currency: str | None) -> str:
    """One sentence where a question has a method or a currency that its measure would pass over; else empty."""
    taken = of or OF.get(measure, (measure,))[0]
    if method != "stock" and taken != "turnover":
        return f"The method {method} is about turnover, which {measure} is not taken of here."
    subject = taken if measure == "event" else measure
    if currency == "quoted" and subject not in QUOTED:
        return f"The currency quoted is about prices and turnover, not about {subject}."
    return ""


def trends(
    store: Store, measure: str, where: Filter, *, by: By, split: Sequence[str] = (), with_flagged: bool = False,
    currency: Money | None = None, method: str = "stock", seed: int = 0, of: Of | None = None, at: date | None = None,
    control: Filter | None = None, sensitivity: bool = False, without_relists: bool = False,
) -> list[TrendRow]:
    """A measure over time: every bucket from the first to the last day asked (else of the crawls), for every series.

    Days are market-local. Money is in major units of `currency` (None: US dollars, for `price-index` what sellers
    quote). `of` is what `share`, `concentration`, `flows` and `event` are taken of (`OF`); `method` is about turnover,
    also below `share`, `concentration` and `event`; `sensitivity` (turnover by stock) adds what fewer crawls would have
    shown; `without_relists` (`new`) leaves out listings put up again under a new id; `at` and `control` (a filter; its
    dates do not count) are about `event`; `seed` about the intervals.
    Rows stand by bucket, then series. An empty list: the store has no crawl of the markets asked (see `explain_empty`).

    Raises UsageError: an unknown measure, split, bucket, currency or method (the nearest known one is suggested),
    a parameter that the measure does not have, dates in the wrong order. StoreError where the store fails.
    """
    if measure not in MEASURES:
        refuse("measure", measure, MEASURES)
    if method not in METHODS:
        refuse("turnover method", method, METHODS)
    if of is not None and measure not in OF:
        raise UsageError(f"'{measure}' is not taken of something.", remedy="Leave --of out.")
    if of is not None and of not in OF[measure]:
        refuse(f"quantity that {measure} is taken of", of, OF[measure])
    if measure != "event" and (at is not None or control is not None):
        raise UsageError(f"'{measure}' has no date or control series.", remedy="Leave --at and --control out.")
    if sensitivity and (measure != "turnover" or method != "stock"):
        raise UsageError("--sensitivity is about turnover by stock.", remedy="Leave it out, or ask for turnover.")
    if without_relists and measure != "new":
        raise UsageError("--without-relists is about new listings.", remedy="Leave it out, or ask for new.")
    if wrong := misplaced_money(measure, of, method, currency):
        raise UsageError(wrong, remedy="Leave it out.")
    inner = of or OF["event"][0] if measure == "event" else measure
    with store.steady():
        ask = build_ask(
            store, where, by=by, split=split, with_flagged=with_flagged,
            currency=currency or ("quoted" if inner == "price-index" else "usd"), of=of, seed=seed, method=method,
            at=at, control=control, without_relists=without_relists,
        )
        if ask is None:
            return []
        return thinning.sensitivity(ask) if sensitivity else MEASURES[measure](ask)
