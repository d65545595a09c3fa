"""How one number came about: the crawls used and left out, versions, exclusions, rates, expected errors, examples."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson

from config.errors import UsageError
from extract.observation import COMPLETE_ENOUGH, Crawl, Flag, Kind, Record
from index.buckets import By, bucket_end, bucket_of
from index.coverage import ScopeCoverage, crawl_day, scope_coverage
from index.measures import explain_empty, to_json, trends
from index.measures.ask import UNKNOWN, Money, Of
from index.store import Filter, Store

OFFERS_ONLY = frozenset({"price", "price-index", "turnover"})
"""Measures that are about offers unless another kind is asked for."""
PRICED = frozenset({"price", "price-index"})
FLAGS: Mapping[str, str] = {
    Flag.PLACEHOLDER.value: "a price nobody pays, such as 9999",
    Flag.HOLDING.value: "a price set high to keep the listing while there is no stock",
    Flag.OUTLIER.value: "far from what others ask for the same",
    Flag.UNIT_DOUBTFUL.value: "the price does not fit the quantity as read",
}
_FIELDS = (
    "crawl", "listing", "offer", "vendor", "kind", "substance", "flags", "amount", "currency", "amount_usd",
    "unit_price", "fx_rate", "fx_date", "fx_source", "title", "confidence",
)
_CYRILLIC = re.compile("[а-яёіў]", re.IGNORECASE)
Mask = Callable[[str], str]


class Fact(Record):
    """One line of an explanation."""

    part: str
    what: str
    count: int | None = None
    detail: str = ""


class Accuracy(Record):
    """One line of `bench/extraction.py --json`: how right a field is read in one language."""

    language: str
    field: str
    precision: float
    recall: float
    f1: float
    low: float
    high: float


@dataclass
class _Tally:
    """What the observations of a bucket come to."""

    rows: int = 0
    sets: dict[str, set[Any]] = field(default_factory=lambda: defaultdict(set))
    kinds: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    lacks: Counter[str] = field(default_factory=Counter)
    crawls: Counter[str] = field(default_factory=Counter)
    rates: dict[tuple[str, str], list[tuple[str, float]]] = field(default_factory=lambda: defaultdict(list))
    titles: dict[str, None] = field(default_factory=dict)
    cyrillic: int = 0
    unsure: int = 0


def explain_trend(
    store: Store, measure: str, where: Filter, *, bucket: date, by: By, with_flagged: bool = False,
    currency: Money | None = None, method: str = "stock", of: Of | None = None, seed: int = 0,
    accuracy: Sequence[Accuracy] | None = None, mask: Mask = str, examples: int = 3,
) -> list[Fact]:
    """How the value of one bucket came about. `bucket` is any day in it; `accuracy` None: nobody measured it here.

    `mask` is applied to example titles (they are stored masked; a later rule may find more). Days are market-local.
    Raises UsageError as `index.measures.trends` does.
    """
    start = bucket_of(bucket, by)
    first, last = max(start, where.first or start), min(bucket_end(start, by), where.last or date.max)
    if first > last:
        raise UsageError(
            f"The bucket of {bucket} lies outside the dates asked.", remedy="Leave --from and --to out, or move them."
        )
    where = where.model_copy(update={"first": first, "last": last})
    rows = trends(
        store, measure, where, by=by, with_flagged=with_flagged, currency=currency, method=method, of=of, seed=seed
    )
    facts = [_row_fact(to_json(row)) for row in rows if row.bucket == start]
    facts.append(Fact(part="version", what="extractor", detail=store.current_version() or "none: the store is empty"))
    tally = _read(store, where)
    facts += _crawl_facts(store, where, first, last, tally)
    if not tally.rows:
        return [*facts, Fact(part="observations", what="none", count=0, detail=explain_empty(store, where))]
    facts += _count_facts(measure, where, tally, with_flagged=with_flagged)
    facts += _rate_facts(tally)
    facts += _error_facts(tally, accuracy)
    chosen = enumerate(list(tally.titles)[:examples], start=1)
    return facts + [Fact(part="example", what=f"title {number}", detail=mask(title)) for number, title in chosen]


def explain_row(store: Store, key: str, *, accuracy: Sequence[Accuracy] | None = None, mask: Mask = str) -> list[Fact]:
    """How one observation was read. `key` is MARKET/LISTING/OFFER/CRAWL, as `dropline rows` shows them (a listing id
    may hold slashes).

    UsageError: not such a key, or no such observation in the store.
    """
    parts = key.split("/")
    if len(parts) < 4:
        raise UsageError(
            f"'{key}' names no observation.", remedy="Write MARKET/LISTING/OFFER/CRAWL, as `dropline rows` shows them."
        )
    market, listing, offer, crawl = parts[0], "/".join(parts[1:-2]), parts[-2], parts[-1]
    names = [
        "day", "market", "listing", "offer", "crawl", "version", "title", "description", "kind", "substances", "group",
        "form", "quantity_text", "quantity", "unit", "dose_mg", "purity", "price_text", "currency", "amount",
        "unit_price", "unit_price_usd", "fx_rate", "fx_date", "fx_source", "flags", "place", "region", "stash",
        "ships_from", "ships_to", "ready", "preorder", "feedback", "spans", "confidence",
    ]
    where = Filter(market=(market,), listing=(listing,), crawl=(crawl,))
    for batch in store.scan("observation", where, names):
        for at in range(len(batch["offer"])):
            if batch["offer"][at] == offer:
                return _observation_facts(store, {name: batch[name][at] for name in names}, accuracy, mask)
    raise UsageError(
        f"the store has no observation {key}.", remedy="`dropline rows --listing …` shows those there are."
    )


def _row_fact(row: Mapping[str, Any]) -> Fact:
    told = [f"{name} {_number(value)}" for name, value in row.items() if value is not None and name != "value"]
    value = row["value"]
    return Fact(part="row", what="no value" if value is None else f"value {_number(value)}", detail=", ".join(told))


def _number(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def _read(store: Store, where: Filter) -> _Tally:
    tally = _Tally()
    for batch in store.scan("observation", where, _FIELDS):
        for row in zip(*(batch[name] for name in _FIELDS), strict=True):
            _take(tally, dict(zip(_FIELDS, row, strict=True)))
    return tally


def _take(tally: _Tally, row: Mapping[str, Any]) -> None:
    tally.rows += 1
    for name in ("listing", "offer", "vendor"):
        tally.sets[name].add(row[name])
    tally.crawls[row["crawl"]] += 1
    tally.kinds[str(row["kind"])] += 1
    tally.flags.update(map(str, row["flags"] or ()))
    priced = not math.isnan(row["amount"])
    tally.lacks["price"] += not priced
    tally.lacks["main substance"] += row["substance"] is None
    tally.lacks["price per unit"] += priced and math.isnan(row["unit_price"])
    tally.lacks["rate to US dollars"] += priced and math.isnan(row["amount_usd"])
    tally.unsure += row["confidence"] < 1
    if priced and not math.isnan(row["fx_rate"]):
        tally.rates[str(row["currency"]), str(row["fx_source"])].append((str(row["fx_date"]), float(row["fx_rate"])))
    tally.cyrillic += _CYRILLIC.search(row["title"]) is not None
    tally.titles.setdefault(row["title"])


def _crawl_facts(store: Store, where: Filter, first: date, last: date, tally: _Tally) -> list[Fact]:
    """Every crawl begun in the bucket: used, or left out and why."""
    facts, used = [], 0
    crawls = [crawl for crawl in store.crawls(where.market) if first <= crawl_day(crawl) <= last]
    for crawl in crawls:
        scope = scope_coverage(crawl, where.region)
        used += scope.complete_enough
        state = "used" if scope.complete_enough else "left out"
        facts.append(Fact(
            part="crawl", what=f"{state}: {crawl.id}", count=tally.crawls.get(crawl.id, 0), detail=_why(crawl, scope)
        ))
    about = (
        f"complete enough of {len(crawls)} begun on {first} to {last}. Counts rest on these; prices and falls of stock "
        "are taken from the others too, but not without one of these."
    )
    return [Fact(part="crawls", what="used", count=used, detail=about), *facts]


def _why(crawl: Crawl, scope: ScopeCoverage) -> str:
    how = f"{crawl.kind}, {crawl.outcome}, {crawl.started:%Y-%m-%d %H:%M} UTC"
    if scope.value is None:
        return f"{how}; coverage unknown: nothing to hold it against"
    known = f"coverage {math.floor(scope.value * 1000 + 1e-9) / 1000:g} by {scope.basis}"
    return f"{how}; {known}{'' if scope.complete_enough else f', below {COMPLETE_ENOUGH:g}'}"


def _count_facts(measure: str, where: Filter, tally: _Tally, *, with_flagged: bool) -> list[Fact]:
    sizes = ", ".join(f"{len(found - {None})} {name}s" for name, found in tally.sets.items())
    facts = [Fact(part="observations", what="matching the filter", count=tally.rows, detail=sizes)]
    only_offers = measure in OFFERS_ONLY and not where.kind
    for kind, count in sorted(tally.kinds.items()):
        about = "excluded: the measure is about offers" if only_offers and kind != Kind.OFFER.value else ""
        facts.append(Fact(part="kind", what=kind, count=count, detail=about))
    for flag, count in sorted(tally.flags.items()):
        out = measure in PRICED and not with_flagged
        real = measure == "turnover" and not with_flagged and flag in {Flag.PLACEHOLDER.value, Flag.HOLDING.value}
        word = "excluded" if out else "its money excluded" if real else "kept"
        facts.append(Fact(part="flag", what=flag, count=count, detail=f"{word}: {FLAGS.get(flag, '')}"))
    for what, count in tally.lacks.items():
        if count:
            facts.append(Fact(part="missing", what=what, count=count))
    if tally.unsure:
        facts.append(Fact(part="missing", what="certainty", count=tally.unsure, detail="read with confidence below 1"))
    return facts


def _rate_facts(tally: _Tally) -> list[Fact]:
    facts = []
    for (currency, source), rates in sorted(tally.rates.items()):
        values, days = [rate for _, rate in rates], sorted({day for day, _ in rates})
        span = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
        value = f"{min(values):.6g}" if min(values) == max(values) else f"{min(values):.6g} to {max(values):.6g}"
        facts.append(Fact(
            part="rate", what=f"USD for 1 {currency}", count=len(rates), detail=f"{value}, of {span}, source {source}"
        ))
    return facts


def _error_facts(tally: _Tally, accuracy: Sequence[Accuracy] | None) -> list[Fact]:
    shares = {"ru": tally.cyrillic / tally.rows, "en": 1 - tally.cyrillic / tally.rows}
    facts = []
    for language, share in shares.items():
        if not share:
            continue
        about = f"{share:.0%} of the titles"
        measured = [one for one in accuracy or () if one.language == language and one.field in {"main", "quantities"}]
        facts += [Fact(
            part="expected error", what=f"{one.field} ({language})",
            detail=f"precision {one.precision:.3f}, recall {one.recall:.3f}, F1 {one.f1:.3f} "
            f"({one.low:.3f} to {one.high:.3f}), over all substances; {about}",
        ) for one in measured]
        if not measured:
            facts.append(Fact(
                part="expected error", what=f"unknown ({language})",
                detail=f"no measurement at hand: python bench/extraction.py --split test --json > FILE; {about}",
            ))
    return facts


def _observation_facts(
    store: Store, row: Mapping[str, Any], accuracy: Sequence[Accuracy] | None, mask: Mask
) -> list[Fact]:
    hidden = {"spans", "description", "title", "flags"}
    shown = {name: _shown(value) for name, value in row.items() if name not in hidden}
    facts = [Fact(part="read", what=name, detail=text) for name, text in shown.items() if text]
    if not row["substances"]:
        facts.append(Fact(part="read", what="substances", detail=UNKNOWN))
    facts += [Fact(part="flag", what=str(flag), detail=FLAGS.get(str(flag), "")) for flag in row["flags"] or ()]
    facts += [Fact(part="text", what=name, detail=mask(row[name])) for name in ("title", "description") if row[name]]
    facts += _span_facts(row)
    crawl = next((each for each in store.crawls((row["market"],)) if each.id == row["crawl"]), None)
    if crawl is None:
        facts.append(Fact(part="crawl", what=row["crawl"], detail="not finished: no measure counts it yet"))
    else:
        regions = (row["region"],) if row["region"] else ()
        facts.append(Fact(part="crawl", what=crawl.id, detail=_why(crawl, scope_coverage(crawl, regions))))
    tally = _Tally(rows=1, cyrillic=int(_CYRILLIC.search(row["title"]) is not None))
    return facts + _error_facts(tally, accuracy)


def _shown(value: Any) -> str:
    """A value as text; empty where it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _span_facts(row: Mapping[str, Any]) -> Iterable[Fact]:
    for span in orjson.loads(row["spans"] or "[]"):
        where = f"{span['field']}, characters {span['start']} to {span['end']}"
        yield Fact(part="found", what=f"{span['label']} {span['value']}", detail=where)
