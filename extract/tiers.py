"""Steps of a price list as sites write them in the quantity of an offer: what one costs where so many are bought."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

_NUMBER = r"(?P<least>\d{1,3}(?:[ ,.]\d{3})+|\d{1,7})"
_STEP = re.compile(
    rf"(?:(?P<unit>.*?)\s*\(\s*)?(?:from (?:qty|quantity)\s*)?{_NUMBER}"
    r"(?:\s*(?:to|-|–)\s*\d[\d ,.]*|\s*(?:or more|and more|and up|и более|и больше)|\s*\+)\s*\)?",
    re.IGNORECASE,
)
_SIGNS = re.compile(r"qty|quantity|or more|and more|and up|и более|и больше", re.IGNORECASE)
LONGEST = 120
"""Code points of a step; longer fields are something else."""
LEAST_SHARE, MOST_SHARE = Decimal("0.2"), Decimal("1.5")
"""Of the listing's own price per unit: what a step may cost, for it to be of the same goods."""


class Tier(NamedTuple):
    """The price is for one `unit` (as written; empty: one of what the listing sells) from `least` of them on."""

    unit: str
    least: int


@lru_cache(maxsize=4096)
def parse_tier(text: str) -> Tier | None:
    """`Each (5 or more)`, `g (112 or more)`, `From qty 10 to 49`; None for anything else."""
    if len(text) > LONGEST or _SIGNS.search(text) is None:
        return None
    match = _STEP.fullmatch(text.strip())
    if match is None:
        return None
    least = int(re.sub(r"\D", "", match["least"]))
    return Tier((match["unit"] or "").strip(), least) if least > 0 else None


def is_of_same(each: Decimal, own: Decimal) -> bool:
    """Whether a step's price per unit goes with the listing's own."""
    return LEAST_SHARE * own <= each <= MOST_SHARE * own
