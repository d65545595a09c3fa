"""Rates that a text states by printing one amount in two currencies: `5.27 EUR / 0.00055854 BTC`, `฿0.0025 ($27)`,
`1 BTC = 8275.40 EUR = 9237.02 USD`.

They say what a site converts with, which is a check on the table of rates and never a rate to convert with: rounding
(`$27` may be 26.50 or 27.49) bounds each, and a site may charge a margin.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from extract.found import FoundPrice
from extract.fx import RateTable
from extract.number_scan import scan
from extract.observation import Record
from extract.price_rules import read_prices

_BETWEEN = re.compile(r"(?:\s?/\s?[\w]{1,12})?\s{0,3}[(/=≈~]\s{0,3}")
"""What may stand between the two: a bracket, a slash, an equals sign, perhaps with a unit before it (`USD/112g (`)."""
_COINS = ("BTC", "XMR", "LTC")
COARSE = 0.01
"""Pairs whose rounding alone may move the rate by more than this share say too little."""


class Implied(NamedTuple):
    """One unit of `base` is worth `rate` units of `quote`; `rounding` is the share by which it may be off."""

    base: str
    quote: str
    rate: float
    rounding: float


class RateCheck(Record):
    """One day and pair: the median implied rate over `pairs` statements, beside the stored one (None: there is none).
    `share` is implied / stored - 1, `rounding` the least share that any of the statements may be off by."""

    day: date
    base: str
    quote: str
    implied: float
    pairs: int
    rounding: float
    stored: float | None
    share: float | None
    source: str | None

    def differs(self, tolerance: float) -> bool:
        """Whether the two differ by more than that share, whatever rounding did."""
        return self.share is not None and abs(self.share) > tolerance + self.rounding


def find_implied(text: str) -> Iterator[Implied]:
    """Every pair of neighbouring amounts in two currencies, as a rate; pairs with a zero, and those too coarse to say
    anything (`COARSE`), are passed over. A coin is the base before money, other money before US dollars."""
    prices = sorted(read_prices(text, scan(text)), key=lambda price: price.start)
    for left, right in pairwise(prices):
        if left.currency == right.currency or not _BETWEEN.fullmatch(text, left.end, right.start):
            continue
        if text[left.end : right.start] == "/" and text[right.start].isalpha():
            continue  # `XMR/EUR 70.21 XMR/GBP 59.52`: a ticker, in which the slash joins two names
        base, quote = sorted((left, right), key=_rank)
        if base.amount <= 0 or quote.amount <= 0:
            continue
        rounding = _rounding(text, base) + _rounding(text, quote)
        if rounding <= COARSE:
            yield Implied(base.currency, quote.currency, float(quote.amount / base.amount), rounding)


def _rank(price: FoundPrice) -> tuple[int, str]:
    if price.currency in _COINS:
        return _COINS.index(price.currency), price.currency
    return (100 if price.currency in {"USD", "USDT"} else 10), price.currency


def _rounding(text: str, price: FoundPrice) -> float:
    """Half a unit of the last decimal written, as a share of the amount; 0 for a plain 1 (`1 BTC = …`), 1 where the
    decimals cannot be told."""
    digits = "".join(char for char in text[price.start : price.end] if char.isdigit())
    if price.amount == 1 and digits == "1":
        return 0.0
    whole = Decimal(digits or 0)
    for places in range(len(digits) + 1):
        if whole.scaleb(-places) == price.amount:
            return float(Decimal("0.5").scaleb(-places) / price.amount)
    return 1.0


def check_rates(statements: Iterable[tuple[date, Implied]], rates: RateTable) -> list[RateCheck]:
    """Implied against stored rates by day and pair, in order."""
    found: dict[tuple[date, str, str], list[Implied]] = defaultdict(list)
    for day, implied in statements:
        found[day, implied.base, implied.quote].append(implied)
    checks = []
    for (day, base, quote), group in sorted(found.items()):
        ranked = sorted(one.rate for one in group)
        middle = (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2
        ours, theirs = rates.to_usd(base, day), rates.to_usd(quote, day)
        stored = ours.rate / theirs.rate if ours is not None and theirs is not None else None
        sources = dict.fromkeys(
            one.source for one in (ours, theirs) if one is not None and one.source != "identity")
        checks.append(RateCheck(
            day=day, base=base, quote=quote, implied=middle, pairs=len(group),
            rounding=min(one.rounding for one in group), stored=stored,
            share=None if stored is None else middle / stored - 1,
            source=" / ".join(sources) if stored is not None else None))
    return checks
