"""`event`: did a series change its level or its slope at a date? Interrupted time series by segmented regression.

y(t) = a + b t + level x after(t) + slope x (t - t0) x after(t), where y is the series in per cent of its own mean
before the date, so that series of any size can be compared. With a control series y is the difference of the two. The
bucket that holds the date is left out unless it begins on it. Standard errors are robust to autocorrelation (Newey &
West 1987, Bartlett kernel, 4 (T / 100)^(2/9) lags), with Student's t on T - 4 degrees of freedom.

The same is asked of other dates before the event, with nothing but the buckets before the event: where such placebo
dates show as much, the event shows nothing.
Sources: Wagner et al. 2002, J. Clin. Pharm. Ther. 27; Bernal et al. 2017, Int. J. Epidemiol. 46; Décary-Hétu &
Giommoni 2017, Crime Law Soc. Change 67 (an operation against markets).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from config.errors import UsageError
from index.measures.ask import Ask, Of, Series, build_ask, refuse
from index.measures.regression import Floats, fit, hac_covariance, newey_west_lags, t_cdf, t_quantile
from index.measures.row import Extra, TrendRow
from index.store import Filter

KINDS: tuple[Of, ...] = (
    "listings", "offers", "vendors", "new", "withdrawn", "price", "price-index", "turnover", "concentration")
FEWEST = 5
"""Buckets that each side must have: two terms are fitted on each, and something must be left to judge them by."""
MOST_PLACEBOS = 20
TERMS = ("level", "slope")
_Line = tuple[Series, tuple[Extra, ...]]
"""A series and what its measure splits it by besides (unit, currency, method)."""
_BESIDES = ("unit", "currency", "method")


@dataclass(frozen=True)
class _Estimate:
    """`values`, `errors`, `lows`, `highs` of (level, slope), in % of the mean before."""

    values: Floats
    errors: Floats
    freedom: int
    lags: int
    before: int
    after: int

    def interval(self, term: int) -> tuple[float, float]:
        reach = t_quantile(0.975, self.freedom) * float(self.errors[term])
        return float(self.values[term]) - reach, float(self.values[term]) + reach

    def t(self, term: int) -> float:
        value, error = float(self.values[term]), float(self.errors[term])
        # a series without noise: sure of any change, and what is left of none is rounding
        if abs(value) < 1e-9:
            return 0.0
        return value / error if error > 0 else math.copysign(math.inf, value)

    def p(self, term: int) -> float:
        size = abs(self.t(term))
        return 0.0 if math.isinf(size) else 2 * (1 - t_cdf(size, self.freedom))


def event(ask: Ask, measure: Callable[[Ask], list[TrendRow]]) -> list[TrendRow]:
    """Rows of `event`: for each series the change of `term` level (in % of the mean before) and slope (% points a
    bucket) at the date, then the same at the placebo dates (`role`). `n`: buckets used. Extras: `p`, `lags`,
    `before`, `after` (buckets on each side), `mean_before`, `placebos` and `placebo_share`: how many placebo dates were
    tried and on what part of them the change was at least as large as at the event.

    Raises UsageError: no date, a date outside the days asked.
    """
    of = ask.of or "listings"
    if of not in KINDS:
        refuse("measure for an event", of, KINDS)
    first, last = ask.buckets.first, ask.buckets.last
    if ask.at is None:
        raise UsageError("An event needs its date.", remedy="Give it: --at YYYY-MM-DD.")
    if not first < ask.at <= last:
        raise UsageError(
            f"The event ({ask.at}) must lie after the first day ({first}) and not after the last ({last}).",
            remedy="Widen --from and --to, or mend --at.")
    rows = measure(replace(ask, of=None))
    lines = _lines(ask, rows)
    control = None
    if ask.control is not None:
        control = _control(ask, ask.control, measure)
    position = ask.buckets.position(ask.at)
    whole = ask.buckets.span(position)[0] == ask.at
    crawls: dict[Series, dict[date, int]] = {}
    for row in rows:
        crawls.setdefault(tuple(row.splits.values()), {})[row.bucket] = row.crawls
    found_rows = []
    for (series, besides), values in lines.items():
        estimate, reason = _study(values, control, position, whole=whole)
        placebos = _placebos(values, control, position) if estimate is not None else []
        mean = _mean(values[:position])
        fields: dict[str, Extra] = {
            **{name: value for name, value in zip(_BESIDES, besides, strict=True) if value is not None}, "of": of,
            "mean_before": mean,
        }
        for number in range(len(TERMS)):
            at_least = None
            if estimate is not None and placebos:
                # sizes, not |t|: errors from the few buckets of a placebo are too rough to divide by
                size = abs(_even(estimate.values[number]))
                at_least = sum(abs(_even(other.values[number])) >= size for _, other in placebos) / len(placebos)
            found_rows.append(_row(
                ask, position, series, estimate, number, reason=reason, crawls=sum(crawls[series].values()), **fields,
                role="event", placebos=len(placebos), placebo_share=at_least))
        for at, other in placebos:
            found_rows += [
                _row(ask, at, series, other, number, reason=None, crawls=sum(crawls[series].values()), **fields,
                     role="placebo", placebos=None, placebo_share=None)
                for number in range(len(TERMS))]
    return found_rows


def _row(
    ask: Ask, position: int, series: Series, estimate: _Estimate | None, term: int, *, reason: str | None,
    crawls: int, **fields: Extra,
) -> TrendRow:
    return TrendRow(
        bucket=ask.buckets.starts[position], splits=dict(zip(ask.splits, series, strict=True)),
        value=_even(estimate.values[term]) if estimate else None,
        low=estimate.interval(term)[0] if estimate else None, high=estimate.interval(term)[1] if estimate else None,
        n=estimate.before + estimate.after if estimate else 0, crawls=crawls,
        tz=ask.panel.zone(ask.market_of(series)), reason=None if estimate else reason,
        extras={
            "term": TERMS[term], **fields,
            "p": estimate.p(term) if estimate else None, "lags": estimate.lags if estimate else None,
            "before": estimate.before if estimate else None, "after": estimate.after if estimate else None,
        })


def _even(value: float) -> float:
    """A change of less than 1e-9 % is rounding."""
    return round(float(value), 9)


def _lines(ask: Ask, rows: Sequence[TrendRow]) -> dict[_Line, Floats]:
    """Values by bucket of every series, NaN for gaps. Where a measure has a row for each unit or currency, each is a
    line of its own; a line that never has a value stands only where its series has no other."""
    starts = {start: place for place, start in enumerate(ask.buckets.starts)}
    lines: dict[_Line, Floats] = {}
    for row in rows:
        key = (tuple(row.splits.values()), tuple(row.extras.get(name) for name in _BESIDES))
        values = lines.setdefault(key, np.full(len(starts), np.nan))
        values[starts[row.bucket]] = np.nan if row.value is None else row.value
    told = {series for (series, _), values in lines.items() if np.isfinite(values).any()}
    return {key: values for key, values in lines.items() if key[0] not in told or np.isfinite(values).any()}


def _control(ask: Ask, where: Filter, measure: Callable[[Ask], list[TrendRow]]) -> Floats:
    """The control series, over the same buckets, with the crawls of its own markets."""
    dated = where.model_copy(update={"first": ask.buckets.first, "last": ask.buckets.last})
    other = build_ask(
        ask.store, dated, by=ask.buckets.by, split=(), with_flagged=ask.with_flagged, currency=ask.currency, of=None,
        seed=ask.seed, method=ask.method)
    found = {} if other is None else _lines(ask, measure(other))
    return next(iter(found.values()), np.full(len(ask.buckets), np.nan))


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _study(
    values: Floats, control: Floats | None, position: int, *, whole: bool
) -> tuple[_Estimate | None, str | None]:
    """The segmented regression at one date; with the reason where it cannot be."""
    relative = _relative(values, position)
    if relative is None:
        return None, "the series is zero or unknown before the date"
    if control is not None:
        other = _relative(control, position)
        if other is None:
            return None, "the control series is zero or unknown before the date"
        relative = relative - other
    time = np.arange(len(relative), dtype=np.float64)
    used = np.isfinite(relative)
    if not whole:
        used[position] = False
    start = position if whole else position + 1
    before, after = int(used[:position].sum()), int(used[start:].sum())
    if min(before, after) < FEWEST:
        return None, f"{before} buckets with a value before and {after} after; {FEWEST} are needed on each side"
    later = (time >= start).astype(np.float64)
    x = np.column_stack([np.ones_like(time), time - start, later, (time - start) * later])[used]
    found = fit(x, relative[used])
    lags = newey_west_lags(len(x))
    covariance = hac_covariance(found, np.flatnonzero(used), lags)
    errors = np.sqrt(np.maximum(np.diag(covariance)[2:], 0.0))
    return _Estimate(found.coefficients[2:], errors, len(x) - 4, lags, before, after), None


def _relative(values: Floats, position: int) -> Floats | None:
    mean = _mean(values[:position])
    return None if not mean else 100 * values / mean


def _placebos(values: Floats, control: Floats | None, position: int) -> list[tuple[int, _Estimate]]:
    """Estimates at dates before the event, from the buckets before it alone; at most 20, evenly spread."""
    early = values[:position]
    held = None if control is None else control[:position]
    found = []
    for at in range(FEWEST, position - FEWEST + 1):
        estimate, _ = _study(early, held, at, whole=True)
        if estimate is not None:
            found.append((at, estimate))
    if len(found) <= MOST_PLACEBOS:
        return found
    return [found[int(place)] for place in np.linspace(0, len(found) - 1, MOST_PLACEBOS).round()]
