"""Rates that texts imply by printing one amount in two currencies."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.fx import Rate, RateTable
from extract.fx_implied import COARSE, Implied, check_rates, find_implied


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4.00 EUR / 0.00050000 BTC", [("BTC", "EUR", 8000.0)]),
        ("฿0.002500 ($30.00)", [("BTC", "USD", 12000.0)]),
        ("USD 6.00 (0.00050000 BTC)", [("BTC", "USD", 12000.0)]),
        ("480.00 USD/112g (0.04800000 BTC/112g)", [("BTC", "USD", 10000.0)]),
        ("1 BTC = 8000.00 EUR = 9000.00 USD", [("BTC", "EUR", 8000.0), ("EUR", "USD", 1.125)]),
        ("1 500 руб ($20.00)", [("RUB", "USD", 20 / 1500)]),
        ("€10.00 / $11.00", [("EUR", "USD", 1.1)]),
        # nothing is said here
        ("0.00 USD / 0.00000000 BTC", []),
        ("Parcel - ฿0.0025 ($27)", []),  # two per cent of rounding
        ("10.00 EUR 20.00 USD", []),
        ("5 g / 20.00 EUR", []),
        ("10.00 USD / 20.00 USD", []),
        ("XMR/GBP 59.52 XMR/AUD 115.94 XMR/CAD 100.97", []),
        ("", []),
    ],
)  # fmt: skip
def test_pairs(text: str, expected: list[tuple[str, str, float]]) -> None:
    found = list(find_implied(text))
    assert [(one.base, one.quote) for one in found] == [each[:2] for each in expected]
    assert [one.rate for one in found] == pytest.approx([each[2] for each in expected])


@given(
    st.decimals(Decimal("0.5"), Decimal(9000), places=2), st.decimals(Decimal("0.5"), Decimal(90_000), places=2),
    st.sampled_from(["{usd} USD / {btc} BTC", "USD {usd} ({btc} BTC)", "${usd} = {btc} BTC"]),
)
def test_the_truth_lies_within_the_rounding(usd: Decimal, rate: Decimal, form: str) -> None:
    btc = f"{usd / rate:.8f}"
    found = list(find_implied(form.format(usd=usd, btc=btc)))
    for one in found:
        assert (one.base, one.quote) == ("BTC", "USD")
        assert one.rounding <= COARSE
        assert one.rate == pytest.approx(float(rate), rel=one.rounding * 1.01 + 1e-9)
    assert found or usd / rate < Decimal("0.0000006") or usd <= 1


@given(st.text(alphabet="0123456789.,/()= $€฿USDEURBTC\u00a0рубkк", max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    for one in find_implied(text):
        assert one.rate > 0
        assert one.base != one.quote


def test_checks_say_what_differs_and_what_has_no_rate() -> None:
    day, other = date(2026, 3, 2), date(2026, 3, 20)
    table = RateTable(
        [Rate(date=day, base="BTC", quote="USD", rate=10_000, source="lab"),
         Rate(date=day, base="EUR", quote="USD", rate=1.25, source="bank")], use_ecb=False)
    statements = [
        (day, Implied("BTC", "USD", 10_400.0, 0.001)), (day, Implied("BTC", "USD", 10_200.0, 0.002)),
        (day, Implied("BTC", "USD", 99_000.0, 0.001)),  # one odd statement does not move the median
        (day, Implied("BTC", "EUR", 9_000.0, 0.0)), (other, Implied("BTC", "USD", 10_000.0, 0.0))]
    usd_late, eur, usd = sorted(check_rates(statements, table), key=lambda one: (-one.day.toordinal(), one.quote))
    assert (usd.implied, usd.pairs, usd.stored, usd.source) == (10_400.0, 3, 10_000.0, "lab")
    assert usd.share == pytest.approx(0.04)
    assert not usd.differs(0.04)  # 0.04 and what rounding allows
    assert usd.differs(0.03)
    assert (eur.stored, eur.source) == (8_000.0, "lab / bank")
    assert eur.share == pytest.approx(0.125)
    assert (usd_late.stored, usd_late.share, usd_late.source) == (None, None, None)  # a rate serves for seven days
    assert not usd_late.differs(0.0)
    assert check_rates([], table) == []
