"""How prices and quantities are written on the two sites: by vendor, in one of several habits."""

from __future__ import annotations

OUNCE = 28.349523125
NBSP = "\N{NO-BREAK SPACE}"


def _plain(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _grouped(amount: int, mark: str) -> str:
    return f"{amount:,}".replace(",", mark)


def write_roubles(amount: int, style: int) -> str:
    match style % 5:
        case 0:
            return f"{_grouped(amount, ' ')} руб."
        case 1:
            return f"{amount} ₽"
        case 2:
            return f"{_grouped(amount, NBSP)} ₽"
        case 3:
            return f"{amount}р"
        case _:
            return f"{_grouped(amount, ' ')} RUB"


def write_money(amount: float, currency: str, style: int) -> str:
    """A price of the postal market. Crypto has 5 (BTC) or 4 (XMR) decimals, the others 2."""
    if currency in ("BTC", "XMR"):
        digits = f"{amount:.{5 if currency == 'BTC' else 4}f}"
        return f"{digits} {currency}" if style % 2 else f"{currency} {digits}"
    digits = f"{amount:,.2f}"
    sign = {"USD": "$", "EUR": "€", "GBP": "£", "AUD": "AU$"}[currency]
    if style % 3 == 1:
        return f"{currency} {digits}"
    if style % 3 == 2:
        if currency == "EUR":
            return f"{digits.translate(str.maketrans(',.', '.,'))} €"
        return f"{digits} {currency}"
    return f"{sign}{digits}"


def round_price(amount: float, currency: str) -> float:
    """To the steps people price in; never 0."""
    if currency == "RUB":
        return float(max(50, round(amount / 50) * 50))
    if currency == "BTC":
        return max(0.00001, round(amount, 5))
    if currency == "XMR":
        return max(0.0001, round(amount, 4))
    if amount >= 20:
        return float(round(amount))
    return max(0.5, round(amount * 2) / 2)


def write_quantity_ru(quantity: float, unit: str, form: str | None, style: int) -> str:
    digits = _plain(quantity)
    if style % 2 == 0:
        digits = digits.replace(".", ",")
    if unit == "unit":
        if form == "pill" and style % 3 == 1:
            return f"{digits} таб"
        return (f"{digits} шт", f"{digits} шт.", f"{digits}шт")[style % 3]
    return (f"{digits} г", f"{digits} гр", f"{digits} гр.", f"{digits}г")[style % 4]


def write_quantity_en(quantity: float, unit: str, form: str | None, style: int, imperial: bool) -> tuple[str, float]:
    """The text and the base quantity it really stands for (an ounce is not 28 g)."""
    if unit == "unit":
        noun = {"pill": "pills", "blotter": "tabs", "capsule": "capsules"}.get(form or "", "pcs")
        return f"{_plain(quantity)} {'pcs' if style % 3 == 1 else noun}", quantity
    if unit == "ml":
        if quantity >= 1000 and style % 2:
            return f"{_plain(quantity / 1000)} l", quantity
        return (f"{_plain(quantity)} ml", f"{_plain(quantity)}ml")[style % 2], quantity
    if imperial and quantity >= 28 and quantity % 28 == 0:
        ounces = quantity / 28
        return f"{_plain(ounces)} oz", ounces * OUNCE
    return (f"{_plain(quantity)} g", f"{_plain(quantity)}g", f"{_plain(quantity)} grams")[style % 3], quantity
