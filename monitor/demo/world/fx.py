"""The world's own daily exchange rates: seeded random walks, the same table for the truth and for the extractor."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta

from monitor.demo.world.records import FxRow

# US dollars for one unit on the first day, and the daily volatility of its logarithm. Round numbers, not a quotation.
_START = {
    "RUB": (0.0102, 0.004), "EUR": (1.04, 0.003), "GBP": (1.25, 0.003), "AUD": (0.63, 0.004), "CAD": (0.70, 0.003),
    "CHF": (1.11, 0.003), "KZT": (0.0019, 0.003), "UAH": (0.0238, 0.002), "BYN": (0.305, 0.002), "GEL": (0.357, 0.002),
    "BTC": (94_000.0, 0.02), "XMR": (205.0, 0.02), "LTC": (104.0, 0.02), "USDT": (1.0, 0.0002),
}  # fmt: skip


def build_rates(seed: int, start: date, days: int) -> list[FxRow]:
    """Rates to USD for every calendar day, oldest first. A day before the start is included, so that a zone ahead of
    UTC never lacks one."""
    rows: list[FxRow] = []
    for base, (first, volatility) in _START.items():
        dice = random.Random(f"fx/{seed}/{base}")
        level = math.log(first)
        for offset in range(-1, days + 1):
            rows.append(FxRow(start + timedelta(days=offset), base, "USD", float(f"{math.exp(level):.7g}")))
            # Pulled back a little, so that no seed makes a currency worthless.
            level += dice.gauss(0, volatility) + 0.01 * (math.log(first) - level)
    rows.sort(key=lambda row: (row.date, row.base))
    return rows
