"""Who stands behind the buckets of an alert: the listings and vendors that decide what of it may be sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import cast

from extract.observation import Kind
from index.buckets import By, bucket_end
from index.export.crowd import count_amounts
from index.export.question import Control, Question
from index.export.suppress import breaks_money_rules
from index.measures.ask import Ask, Series
from index.measures.counts import series_of
from index.store import Distinct, Store
from monitor.alerts.light import CHURN
from monitor.alerts.reading import Reading
from monitor.alerts.shape import Group

PRICED = frozenset({"price", "price-index", "turnover"})


@dataclass
class Crowds:
    """(listings, vendors) by bucket and series, and the cells whose money one vendor dominates."""

    sizes: dict[tuple[date, Series], tuple[int, int]] = field(default_factory=dict)
    unsafe: set[tuple[date, Series]] = field(default_factory=set)

    def of(self, bucket: date, series: Series) -> tuple[int, int | None]:
        """None vendors: the figure must not be told at all."""
        if (bucket, series) in self.unsafe:
            return 0, None
        return self.sizes.get((bucket, series), (0, 0))


def count_crowds(reading: Reading, group: Group, ask: Ask, buckets: Iterable[date]) -> Crowds:
    """For all series of a question over the span of some buckets. Sizes are lower bounds: those of the largest single
    crawl of each market. For what comes and goes, and for money, only the vendors that add to the figure count."""
    wanted = sorted(set(buckets))
    found = Crowds()
    if not wanted or group.shape.measure == "coverage":
        return found
    by = cast("By", group.shape.by)
    where = group.where().model_copy(update={"first": wanted[0], "last": bucket_end(wanted[-1], by)})
    if group.shape.measure in PRICED and not where.kind and "kind" not in group.shape.fields:
        where = where.model_copy(update={"kind": (Kind.OFFER.value,)})
    market_of = {one.id: one.market for one in reading.crawls(where.market)}
    sizes: dict[str, dict[tuple[date, Series], dict[str, int]]] = {"listing": {}, "vendor": {}}
    for of, cells in sizes.items():
        for key, count in reading.count_distinct(where, ("crawl", *group.shape.fields), cast("Distinct", of)):
            crawl = str(key[0])
            position = ask.panel.position_of.get(crawl)
            if position is None:
                continue
            cell = (ask.buckets.starts[position], series_of(ask, key[1:]))
            most = cells.setdefault(cell, defaultdict(int))
            most[market_of[crawl]] = max(most[market_of[crawl]], count)
    for cell, listings in sizes["listing"].items():
        found.sizes[cell] = (sum(listings.values()), sum(sizes["vendor"].get(cell, {}).values()))
    _count_parts(reading, group, where.first or wanted[0], where.last or wanted[-1], found)
    return found


def _count_parts(reading: Reading, group: Group, first: date, last: date, found: Crowds) -> None:
    """Vendors by what they add, where being on the shelf is not what counts."""
    shape = group.shape
    money = "turnover" in (shape.measure, shape.of) or (shape.measure, shape.of) == ("concentration", None)
    if not money and shape.measure not in CHURN:
        return
    question = Question(
        measures=(shape.measure,), where=group.where().model_copy(update={"first": first, "last": last}),
        by=cast("By", shape.by), method=shape.method,
    )  # fmt: skip
    control = Control(as_of=last)
    measure = "turnover" if money else shape.measure
    for cell, variants in count_amounts(cast("Store", reading), question, measure, shape.splits).items():
        amounts = [list(each.values()) for each in variants.values()]
        listings, vendors = found.sizes.get(cell, (0, 0))
        found.sizes[cell] = (listings, min([vendors, *(len(each) for each in amounts)]))
        if money and any(breaks_money_rules(each, control) for each in amounts):
            found.unsafe.add(cell)
