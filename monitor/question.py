"""A question of `dropline trends`, read from options as they are written: in the command, in an address, in a form."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from config.errors import UsageError
from index.buckets import By
from index.measures import MEASURES, TrendRow, trends
from index.measures.ask import Money, Of, refuse
from index.store import Filter, Store

FILTERS = (
    "substance", "group", "form", "region", "ships-from", "ships-to", "market", "stash", "kind",
)  # fmt: skip
"""Options that narrow, as the command spells them."""
FLAGS = ("with-flagged", "without-relists", "sensitivity")
OPTIONS = (*FILTERS, "from", "to", "by", "split", *FLAGS, "currency", "method", "of", "at", "control", "seed")
"""All options of `dropline trends`."""
Many = Sequence[str] | None


@dataclass(frozen=True)
class Trend:
    """The question, not yet checked against the measure: `rows` does that."""

    measure: str
    where: Filter
    by: str = "week"
    split: tuple[str, ...] = ()
    with_flagged: bool = False
    without_relists: bool = False
    currency: str | None = None
    method: str = "stock"
    of: str | None = None
    at: date | None = None
    control: Filter | None = None
    sensitivity: bool = False
    seed: int = 0

    def rows(self, store: Store) -> list[TrendRow]:
        """The answer. UsageError as `index.measures.trends` says it; StoreError where the store fails."""
        return trends(
            store, self.measure, self.where, by=cast("By", self.by), split=self.split, with_flagged=self.with_flagged,
            without_relists=self.without_relists, currency=cast("Money | None", self.currency), method=self.method,
            of=cast("Of | None", self.of), at=self.at, control=self.control, sensitivity=self.sensitivity,
            seed=self.seed,
        )  # fmt: skip


def words(values: Many) -> tuple[str, ...]:
    """Repeated or comma-separated values."""
    return tuple(part.strip() for value in values or () for part in value.split(",") if part.strip())


def build_filter(*, first: str | None = None, last: str | None = None, **values: Many) -> Filter:
    """A Filter from options: repeated or comma-separated values, ISO dates."""
    split = {name: words(given) for name, given in values.items()}
    return Filter(**split, first=parse_day(first, "--from"), last=parse_day(last, "--to"))


def parse_day(text: str | None, option: str) -> date | None:
    """A market-local day. UsageError for what is none."""
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a market-local day has no zone
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is no date.", remedy="Write YYYY-MM-DD, such as 2020-03-01.") from error


def parse_control(pairs: Many) -> Filter | None:
    """FIELD=VALUE pairs as a filter."""
    if not pairs:
        return None
    known = [name for name in Filter.model_fields if name not in ("first", "last")]
    fields: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        key = name.strip().replace("-", "_")
        if not value.strip() or key not in known:
            remedy = f"Fields: {', '.join(known).replace('_', '-')}."
            raise UsageError(f"--control {pair!r} is no FIELD=VALUE.", remedy=remedy)
        fields[key] = (*fields.get(key, ()), value.strip())
    return Filter.model_validate(fields)


def read_trend(measure: str, options: Mapping[str, Sequence[str]]) -> Trend:
    """A question from options by their names in the command; empty values are not given. UsageError for a name or value
    nobody knows, with the nearest known one."""
    given = {name: values for name in options if (values := [one for one in options[name] if one.strip()])}
    for name in given:
        if name not in OPTIONS:
            refuse("option of trends", name, OPTIONS)
    if measure not in MEASURES:
        refuse("measure", measure, MEASURES)

    def last(name: str) -> str | None:
        return given[name][-1].strip() if name in given else None

    seed = last("seed") or "0"
    if not seed.isdecimal() or not seed.isascii() or len(seed) > 18:
        raise UsageError(f"--seed {seed!r} is no number.", remedy="Give a whole number, such as 1.")
    narrowed = {name.replace("-", "_"): given.get(name) for name in FILTERS}
    return Trend(
        measure, build_filter(first=last("from"), last=last("to"), **narrowed), last("by") or "week",
        words(given.get("split")),
        with_flagged=_flag("with-flagged", last("with-flagged")),
        without_relists=_flag("without-relists", last("without-relists")),
        sensitivity=_flag("sensitivity", last("sensitivity")),
        currency=last("currency"), method=last("method") or "stock", of=last("of"), at=parse_day(last("at"), "--at"),
        control=parse_control(given.get("control")), seed=int(seed),
    )  # fmt: skip


def _flag(name: str, text: str | None) -> bool:
    if text is None or text in {"false", "0", "no"}:
        return False
    if text in {"true", "1", "yes", "on"}:
        return True
    raise UsageError(f"--{name} {text!r} is neither true nor false.", remedy="Write true, or leave it out.")


def write_options(trend: Trend) -> list[tuple[str, str]]:
    """What differs from the defaults, as options of the command: `read_trend` of it is the same question."""
    found: list[tuple[str, str]] = []
    for name in FILTERS:
        found += [(name, value) for value in getattr(trend.where, name.replace("-", "_"))]
    found += [("from", trend.where.first.isoformat())] if trend.where.first else []
    found += [("to", trend.where.last.isoformat())] if trend.where.last else []
    found += [("by", trend.by)] if trend.by != "week" else []
    found += [("split", name) for name in trend.split]
    found += [(name, "true") for name in FLAGS if getattr(trend, name.replace("-", "_"))]
    found += [("currency", trend.currency)] if trend.currency else []
    found += [("method", trend.method)] if trend.method != "stock" else []
    found += [("of", trend.of)] if trend.of else []
    found += [("at", trend.at.isoformat())] if trend.at else []
    if trend.control is not None:
        for name, values in trend.control.model_dump(exclude_defaults=True).items():
            found += [("control", f"{name}={value}") for value in values]
    return [*found, *([("seed", str(trend.seed))] if trend.seed else [])]


def write_command(trend: Trend) -> str:
    """The command that gives the same rows."""
    parts = ["dropline", "trends", trend.measure]
    for name, value in write_options(trend):
        parts += [f"--{name}"] if name in FLAGS else [f"--{name}", value]
    return shlex.join(parts)
