"""How much of the data could not be read: shares that only rules of quality ask for.

Of offers: prices that were read but have no rate to US dollars, prices and quantities written down that could not be
read, listings of which no substance is known. A rate table that ends, a site that writes its units anew, a new slang
word: each shows here before it bends a figure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from index.measures.counts import SeriesNames, crawled

if TYPE_CHECKING:
    from index.measures.ask import Ask, Series
    from index.store import Columns

FIELDS: Mapping[str, tuple[str, str]] = {
    "unconverted": ("amount", "amount_usd"),
    "unread-price": ("price_text", "amount"),
    "unread-quantity": ("quantity_text", "quantity"),
    "unknown-substance": ("listing", "substance"),
}
"""By measure: what an observation must have to be counted, and what it then lacks."""
UNREAD = frozenset(FIELDS)


def iter_unread(ask: Ask, measure: str) -> Iterator[tuple[int, Series, float, int]]:
    """(bucket position, series, share in [0, 1], n). The share is over the observations of offers in all crawls of the
    bucket; `n` is how many distinct offers (for `unknown-substance` listings) they were: no more evidence than that."""
    base, lacking = FIELDS[measure]
    unit = "listing" if measure == "unknown-substance" else "offer"
    seen: dict[tuple[int, Series], list[int]] = defaultdict(lambda: [0, 0])
    things: dict[tuple[int, Series], set[tuple[str, str]]] = defaultdict(set)
    where = crawled(ask).model_copy(update={"kind": ask.offers_only().kind})
    wanted = list(dict.fromkeys(("crawl", "market", unit, *ask.fields, base, lacking)))
    names = SeriesNames(ask)
    for batch in ask.store.scan("observation", where, wanted):
        counted, bad = _has(batch, base), ~_has(batch, lacking)
        columns = [batch[name][counted].tolist() for name in ("crawl", "market", unit, *ask.fields)]
        for crawl, market, thing, *fields, lacks in zip(*columns, bad[counted].tolist(), strict=True):
            position = ask.panel.position_of.get(crawl)
            if position is None:
                continue
            for key in _keys(fields):
                series = names.of(key)
                cell = seen[position, series]
                cell[0] += 1
                cell[1] += lacks
                things[position, series].add((market, thing))
    for (position, series), (count, without) in seen.items():
        yield position, series, without / count, len(things[position, series])


def _has(batch: Columns, name: str) -> NDArray[np.bool_]:
    column = batch[name]
    if column.dtype == object:
        return np.array([value is not None for value in column.tolist()], dtype=bool)
    found: NDArray[np.bool_] = ~np.isnan(column)
    return found


def _keys(fields: list[str | tuple[str, ...] | None]) -> Iterator[tuple[str | None, ...]]:
    """The series of an observation: one for each place where it ships from or to several."""
    several = [value if isinstance(value, tuple) else (value,) for value in fields]
    found: list[tuple[str | None, ...]] = [()]
    for values in several:
        found = [(*key, value) for key in found for value in (values or (None,))]
    yield from found
