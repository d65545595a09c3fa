"""Money: how many decimals a currency has, and `parse_price` for the text of a price field.

Amounts are Decimals in major units; `to_minor` makes the integers that records keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from types import MappingProxyType

from config.errors import DroplineError
from extract.found import FoundPrice
from extract.number_scan import scan
from extract.price_rules import read_prices

MINOR_DIGITS: Mapping[str, int] = MappingProxyType(
    {
        # ISO 4217 exponents (list one)
        "RUB": 2, "KZT": 2, "UAH": 2, "BYN": 2, "UZS": 2, "KGS": 2, "TJS": 2, "GEL": 2, "AMD": 2, "AZN": 2, "MDL": 2,
        "USD": 2, "EUR": 2, "GBP": 2, "AUD": 2, "CAD": 2, "NZD": 2, "CHF": 2, "SEK": 2, "NOK": 2, "DKK": 2, "PLN": 2,
        "CZK": 2, "TRY": 2, "ILS": 2, "INR": 2, "CNY": 2, "JPY": 0,
        "THB": 2, "VND": 0, "AED": 2, "IDR": 2, "HUF": 2, "BGN": 2, "RSD": 2, "RON": 2, "ZAR": 2, "MXN": 2, "BRL": 2,
        "HKD": 2, "SGD": 2, "TWD": 2, "KRW": 0, "PHP": 2, "NGN": 2,
        # the smallest unit of each coin: satoshi, piconero, photon, and Tether's six decimals
        "BTC": 8, "XMR": 12, "LTC": 8, "USDT": 6,
    }
)  # fmt: skip
"""Decimals of the minor unit of every currency this project reads."""


class MoneyError(DroplineError):
    """A currency whose minor unit is not known, or an amount that is no amount."""


def to_minor(amount: Decimal, currency: str) -> int:
    """`amount` (major units) in integer minor units of `currency`, half to even: 2.5 RUB -> 250, 1 BTC -> 10^8.

    Raises MoneyError for a code that is not in MINOR_DIGITS, and for an amount that is not finite.
    """
    digits = MINOR_DIGITS.get(currency)
    if digits is None:
        raise MoneyError(
            f"Currency {currency!r} is not known.", remedy=f"Use one of {', '.join(sorted(MINOR_DIGITS))}."
        )
    try:
        with localcontext(prec=60):
            return int(amount.scaleb(digits).quantize(Decimal(1), ROUND_HALF_EVEN))
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise MoneyError(f"Amount {amount} {currency} cannot be kept as an integer.") from error


def parse_price(text: str, default_currency: str | None = None) -> FoundPrice | None:
    """The price a short field text states ('2 500₽', '$1,106.71', '190.0 USD'), or None.

    With `default_currency` (a code) a lone number without currency ('1 600', 'от 800') is a price in it. Where a text
    states several prices the first one counts. Never raises.
    """
    prices = read_prices(text, scan(text), default_currency=default_currency, bare=default_currency is not None)
    return prices[0] if prices else None
