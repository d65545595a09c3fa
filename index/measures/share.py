"""`share`: what part of the known substances' listings (or turnover) a series has.

The denominator is everything the filter allows, in known substances and with the restriction on the shared field itself
lifted. Unknown substances stand in no denominator; how many there are is shown in every row.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from index.measures.ask import UNKNOWN, Ask, Series
from index.measures.counts import count_buckets
from index.measures.row import TrendRow
from index.measures.turnover import single_method, turnover


def share(ask: Ask) -> list[TrendRow]:
    """Rows of `share` in [0, 1], by substance unless split otherwise: the first split field is the one shared out, the
    others make panels of their own. Rows carry `amount`, `total` and `unknown` (amounts of the series, of the known
    substances of its panel, and of the unknown ones), `of`."""
    ask = ask if ask.splits else replace(ask, splits=("substance",))
    shared = ask.fields[0]
    # the substance is needed to keep the unknown out of the denominator, whatever is shared out
    inner = ("substance",) if "substance" not in ask.splits else ()
    wide = replace(ask, where=ask.narrowed(**{shared: ()}), splits=ask.splits + inner)
    amounts, offers = _amounts(wide)
    kept = len(ask.splits)
    place = wide.splits.index("substance")
    total: dict[tuple[int, Series], float] = defaultdict(float)
    unknown: dict[tuple[int, Series], float] = defaultdict(float)
    own: dict[tuple[int, Series], float] = defaultdict(float)
    count: dict[tuple[int, Series], int] = defaultdict(int)
    for (position, key), amount in amounts.items():
        panel = (position, key[1:kept])
        if key[place] == UNKNOWN:
            unknown[panel] += amount
        else:
            total[panel] += amount
        if key[place] != UNKNOWN or shared == "substance":
            own[position, key[:kept]] += amount
            count[position, key[:kept]] += offers[position, key]
    wanted = set(getattr(ask.where, shared))
    seen = {key for _, key in own if not wanted or _matches(shared, key[0], wanted)}
    rows = []
    for _, position, _, key in ask.cells(ask.series(seen)):
        status = ask.status(position, key)
        panel = (position, key[1:])
        whole, part = total[panel], own[position, key]
        value, reason = None, None
        if shared == "substance" and key[0] == UNKNOWN:
            reason = "unknown substances are outside the denominator"
        elif whole <= 0:
            reason = "nothing known to take a share of"
        else:
            value = part / whole
        told = status.reason is None
        rows.append(ask.row(
            position, key, status, value, reason=reason, n=count[position, key] if told else 0,
            amount=part if told else None, total=whole if told else None, unknown=unknown[panel] if told else None,
            of=ask.of or "listings"))
    return rows


def _matches(field: str, value: str | None, wanted: set[str]) -> bool:
    if field == "region" and value is not None:
        return any(value == code or value.startswith(f"{code}-") for code in wanted)
    return value in wanted


def _amounts(ask: Ask) -> tuple[dict[tuple[int, Series], float], dict[tuple[int, Series], int]]:
    """Listings (or money) and offers by bucket position and series."""
    if ask.of == "turnover":
        starts = {start: position for position, start in enumerate(ask.buckets.starts)}
        rows = turnover(replace(ask, currency="usd", method=single_method(ask)))
        keyed = [((starts[row.bucket], tuple(row.splits.values())), row) for row in rows]
        return {key: row.value or 0.0 for key, row in keyed}, {key: row.n for key, row in keyed}
    counted = count_buckets(ask, "listing", intervals=False)
    return (
        {(row.position, row.series): row.value for row in counted},
        {(row.position, row.series): row.n for row in counted},
    )
