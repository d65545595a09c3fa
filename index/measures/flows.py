"""`flows`: how much is offered from each country to each country, as sellers state it.

An offer that ships from (or to) several places stands under each, so that flows add up to more than the whole; `share`
is of the whole, in which each counts once. `None` is what states no origin or destination.
"""

from __future__ import annotations

from dataclasses import replace

from index.measures.ask import Ask, Of, refuse
from index.measures.counts import MEASURES, count_buckets
from index.measures.row import TrendRow

ENDS = ("ships-from", "ships-to")
KINDS: tuple[Of, ...] = ("listings", "offers", "vendors")


def flows(ask: Ask) -> list[TrendRow]:
    """Rows of `flows`: distinct listings (or `--of offers`, `vendors`) from `ships-from` to `ships-to`, averaged over
    crawls like `listings`; `share` of the bucket's whole, `total`, `of`. Further splits make panels of their own.

    Raises UsageError for another `--of`.
    """
    of = ask.of or "listings"
    if of not in KINDS:
        refuse("quantity of flows", of, KINDS)
    others = tuple(name for name in ask.splits if name not in ENDS)
    wide = replace(ask, splits=(*ENDS, *others))
    panels = count_buckets(replace(ask, splits=others), MEASURES[of], intervals=False)
    totals = {(row.position, row.series): row.value for row in panels}
    rows = []
    for row in count_buckets(wide, MEASURES[of]):
        total = totals.get((row.position, row.series[2:]), 0.0)
        told = row.status.reason is None
        rows.append(wide.row(
            row.position, row.series, row.status, row.value, n=row.n, interval=row.interval,
            share=row.value / total if told and total > 0 else None, total=total if told else None, of=of))
    return rows
