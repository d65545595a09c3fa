"""An alert in words: one sentence, and the command that shows what stands behind it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import timedelta

from index.buckets import bucket_end
from index.detect.series import Judgement
from index.measures import explain_empty
from index.store import Store
from monitor.alerts.rule import COVERAGE, STANDING, Rule
from monitor.alerts.shape import mergeable
from monitor.alerts.unread import UNREAD
from monitor.alerts.walk import Firing

SHOWN = 12
"""Buckets before the fired one that the evidence goes back."""


def number(value: float) -> str:
    """A figure for people: no more digits than it is worth."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def tell_why(rule: Rule, labels: Mapping[str, str | None], unit: str, firing: Firing) -> str:
    """One plain sentence: what, where, when, how much, against what."""
    judgement = firing.judgement
    when = f"{'in the week of' if rule.by == 'week' else 'on'} {judgement.bucket}"
    where = ", ".join(str(value or "not stated") for name, value in labels.items() if name not in ("unit", "currency"))
    what = f"{rule.title}{f' ({where})' if where else ''}"
    lead = f"Still so after {firing.again} buckets: " if firing.again else ""
    tail = " It was so already when the rule first ran." if firing.already else ""
    return f"{lead}{what}: {_figure(rule, unit, judgement, when)}.{tail}"


def _figure(rule: Rule, unit: str, judgement: Judgement, when: str) -> str:
    of = f"{rule.measure}{f' ({unit})' if unit and unit != rule.measure else ''}"
    if rule.test.kind == "first":
        return f"first seen {when}, with {judgement.n} {rule.measure}"
    if judgement.value is None:
        cause = str(judgement.notes.get("cause", "nothing to be read"))
        return f"{cause} {when}"
    end = " at the last crawl" if judgement.notes.get("crawl") == "last" else ""
    text = f"{of} {number(judgement.value)}{end} {when}"
    if judgement.baseline is not None:
        text += f", where {number(judgement.baseline)} was to be expected"
    bounds = [
        f"{word} {number(bound)}" for word, bound in (("from", judgement.low), ("to", judgement.high))
        if bound is not None
    ]  # fmt: skip
    return text + (f" ({' '.join(bounds)} would have been usual)" if bounds else "")


def tell_nothing(store: Store, rule: Rule) -> str:
    """That a rule's filter matches nothing in the store, and what is there instead; empty where something matches."""
    if rule.measure == COVERAGE or rule.measure in STANDING:  # these are about crawls
        return ""
    empty = explain_empty(store, rule.filter.to_filter())
    return f"So far it watches nothing. {empty}" if empty else ""


def tell_query(rule: Rule, labels: Mapping[str, str | None], judgement: Judgement) -> str:
    """The `dropline trends` command that shows the series up to the bucket."""
    days = 7 if rule.by == "week" else 1
    if rule.measure in UNREAD:
        market = labels.get("market") or ",".join(rule.filter.market)
        span = ["--from", judgement.bucket.isoformat(), "--to", bucket_end(judgement.bucket, rule.by).isoformat()]
        return shlex.join(["dropline", "rows", *(["--market", market] if market else []), *span])
    parts = ["dropline", "trends", rule.measure, "--by", rule.by]
    filters: dict[str, str] = {
        name.replace("_", "-"): ",".join(values) for name, values in rule.filter.model_dump().items() if values
    }
    for name in rule.split:
        value = labels.get(name)
        # the standard quantity of a substance is that of the whole question: less of it may have another
        if value is not None and (rule.column != "standard" or name == "substance"):
            filters[name] = value
    for name, text in filters.items():
        if name != "vendor":  # no option of `trends`
            parts += [f"--{name}", text]
    split = rule.split
    if len(rule.filter.vendor) == 1 and "vendor" in mergeable(rule):
        split = tuple(dict.fromkeys((*split, "vendor")))  # the one watched is a row of its own, and named to nobody
    if split:
        parts += ["--split", ",".join(split)]
    if rule.of:
        parts += ["--of", rule.of]
    if rule.currency:
        parts += ["--currency", rule.currency]
    if rule.method != "stock":
        parts += ["--method", rule.method]
    if rule.with_flagged:
        parts.append("--with-flagged")
    # an index is 100 in the first bucket asked: as far back as the rule reads
    shown = rule.buckets_read if rule.measure == "price-index" else SHOWN
    first = judgement.bucket - timedelta(days=days * shown)
    parts += ["--from", first.isoformat(), "--to", bucket_end(judgement.bucket, rule.by).isoformat()]
    return shlex.join(parts)
