"""Why a price is not to be trusted: stated rules, so that every price output can be had with and without them.

- `placeholder`: a package for less than half a US dollar, or an amount of exactly 0 or 1 of the quoting currency for a
  whole gram, unit or more: sellers put it to keep a listing up, or to say "ask".
- `holding`: an amount of at least five digits that are all 9 (99999): put up so that nobody buys while the seller is
  away (Soska & Christin 2015 remove such prices as well).
- `outlier`: a price per base unit outside what any street or wholesale market of the world has shown for a drug: below
  US$ 0.02 or above US$ 20,000 a gram, US$ 5,000 a unit or a millilitre.
- `unit-doubtful`: text and field disagree about what the number counts.
"""

from __future__ import annotations

from decimal import Decimal

from extract.observation import Flag, Kind, Unit

LOWEST_PACKAGE_USD_CENTS = 50
LOWEST_UNIT_USD = 0.02
HIGHEST_UNIT_USD: dict[Unit, float] = {"g": 20_000, "ml": 5_000, "unit": 5_000}


def price_flags(
    *,
    kind: Kind,
    quantity: float | None,
    unit: Unit | None,
    amount: Decimal | None,
    amount_usd: int | None,
    unit_doubtful: bool,
) -> tuple[Flag, ...]:
    """Flags of one offer's price; `amount` in major units of the quoting currency, `amount_usd` in US cents."""
    flags = []
    if amount is not None and kind is Kind.OFFER:
        digits = f"{amount.normalize():f}".replace(".", "")
        if (
            amount == 0
            or (amount == 1 and (quantity or 0) >= 1)
            or (amount_usd is not None and amount_usd < LOWEST_PACKAGE_USD_CENTS)
        ):
            flags.append(Flag.PLACEHOLDER)
        if len(digits) >= 5 and set(digits) == {"9"}:
            flags.append(Flag.HOLDING)
        if amount_usd is not None and quantity and unit and not flags:
            per_unit = amount_usd / 100 / quantity
            if not LOWEST_UNIT_USD <= per_unit <= HIGHEST_UNIT_USD[unit]:
                flags.append(Flag.OUTLIER)
    if unit_doubtful:
        flags.append(Flag.UNIT_DOUBTFUL)
    return tuple(flags)
