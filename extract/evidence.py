"""Signs that a text sells something: amounts and prices, in the text or in fields of their own."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Set
from decimal import Decimal
from functools import cached_property

from spacy.tokens import Doc

from extract.found import Found, FoundSubstance, found
from extract.number_literals import tidy
from extract.quantity_build import build_quantity, unit_named
from extract.quantity_patterns import COUNT_FIRST, YEAR
from extract.terms import Match

HUGE = 500
"""Grams: nobody sells more under a mere by-word."""
HUGE_AT_STASH = 99
"""Grams: the same for Russian by-words: stash markets sell small packages, and many of the words are kitchen words."""
HUGE_PLANT = 50_000
"""Grams: the same for bare `cannabis`, which is no word of the kitchen."""
HUGE_ML = 1000
SMALL_G = 100
BY_PIECE = frozenset({
    "entactogens", "lysergamides", "benzodiazepines", "gabapentinoids", "phenethylamines", "sedatives", "medicines",
    "psilocybin", "cannabis-concentrate", "cannabis-edible", "amphetamine", "oxycodone", "hydrocodone", "codeine",
    "tramadol", "methadone", "buprenorphine", "inhalants", "methylphenidate", "lisdexamfetamine", "modafinil",
    "armodafinil", "phentermine", "morphine", "hydromorphone", "oxymorphone", "tapentadol", "dihydrocodeine",
    "tilidine", "fentanyl", "nitazenes", "steroids", "ephedrine", "semi-synthetic-cannabinoids", "dxm",
    "cannabis-seeds",
})  # fmt: skip
BY_VOLUME = frozenset({
    "ghb", "lysergamides", "codeine", "methadone", "cannabis-concentrate", "synthetic-cannabinoids", "steroids",
    "inhalants", "ketamine", "morphine", "psilocybin", "semi-synthetic-cannabinoids", "cannabis-edible",
})  # fmt: skip
BY_SYRINGE = frozenset({"methamphetamine", "methcathinone", "heroin", "desomorphine", "tropicamide"})
"""Sold ready to inject, by the `куб` (1 ml)."""
SYRINGE_ML = 10
MEDICINES = frozenset({
    "benzodiazepines", "gabapentinoids", "sedatives", "medicines", "lysergamides", "tramadol", "oxycodone",
    "hydrocodone", "methadone", "buprenorphine", "cannabis-edible",
})  # fmt: skip
"""Groups and substances of which a few milligrams alone are the strength of a piece."""
LARGEST_DOSE_MG = 800
LARGEST_EDIBLE_MG = 5000
"""Tetrahydrocannabinol in the strongest sweets."""
PIECE_MG = {"mdma": (Decimal(100), Decimal(400)), "lsd": (Decimal("0.04"), Decimal("0.5"))}
"""Least and most in an ecstasy tablet (Trans European Drug Information alerts) and in a blotter."""
STREET_G = frozenset(map(Decimal, (
    "0.1", "0.2", "0.25", "0.3", "0.4", "0.5", "0.6", "0.7", "0.75", "0.8", "1", "1.25", "1.5", "1.75", "2", "2.5", "3",
    "3.5", "7", "14", "28",
)))  # fmt: skip
"""Weights that drugs are sold in by the gram and by parts of an ounce, and hardly anything else."""
BY_GRAM = frozenset({
    "cannabis-herb", "cannabis-resin", "cannabis-concentrate", "cocaine", "crack-cocaine", "heroin", "opium",
    "amphetamine", "methamphetamine", "mdma", "mda", "mephedrone", "ketamine", "psilocybin", "dmt",
})  # fmt: skip
"""Drugs that are sold so."""
BUD_G = STREET_G | frozenset(map(Decimal, (4, 5, 10, 20, 21, 25, 42, 56, 84, 112, 113, 224, 448)))
"""The same for herb, and what else counts in such weights only."""
PARTS_OF_OUNCE = frozenset(map(Decimal, ("0.0625", "0.125", "0.25", "0.5")))
_COUNT = r"(?<![\w.,$€£#/-])([1-9][0-9]{0,3}) ?"
PORTIONS = {
    "cannabis-edible": re.compile(rf"{_COUNT}(?:packs?|packets|bags|pouches|tins|jars)(?!\w)", re.IGNORECASE),
    "lysergamides": re.compile(rf"{_COUNT}(?:drops|капель)(?!\w)", re.IGNORECASE),
}
"""What sweets and liquid LSD are counted in (`500mg gummies, 10 packs`), by substance or group."""
FARTHEST = 200
"""Code points from the beginning of a title to a name that it may count."""
_SUM = re.compile(r"([0-9]+(?:[.,][0-9]+)?) ?[^\W\d_]{1,7} ?\+ ?([0-9]+(?:[.,][0-9]+)?) ?[^\W\d_]{1,7}")
NEAR = 12
"""Code points between a name and an amount that belongs to it."""


def is_dosed(seen: Found, substance: str) -> bool:
    """An amount has the dose of one piece as that substance's pieces have (`PIECE_MG`)."""
    least, most = PIECE_MG[substance]
    return any(one.dose_mg is not None and least <= one.dose_mg <= most for one in seen.quantities)


def states_amount(seen: Found) -> bool:
    """The title gives an amount, or the market's own field does."""
    at = [(one.start, one.end) for one in seen.fields if one.name in {"title", "quantity"}]
    return any(start <= one.start < end for one in seen.quantities for start, end in at)


class Amounts:
    """The amounts of one Doc. `groups`: the group of each substance."""

    def __init__(self, doc: Doc, groups: Mapping[str, str]) -> None:
        self._text, self._groups = doc.text, groups
        self._seen = found(doc)
        self._starts: list[int] | None = None
        self._ends: list[int] = []
        self._plausible: dict[tuple[str, float], bool] = {}

    def near(self, hit: Match) -> bool:
        """An amount stands right before or after the match, on the same line."""
        quantities = self._seen.quantities
        if not quantities:
            return False
        if self._starts is None:
            self._starts = sorted([one.start for one in quantities])
            self._ends = sorted([one.end for one in quantities])
        text, start, end = self._text, hit.start, hit.end
        # the nearest on each side: where a line ends before it, the others are on other lines too
        before = bisect_right(self._ends, start) - 1
        if before >= 0 and start - self._ends[before] <= NEAR and "\n" not in text[self._ends[before] : start]:
            return True
        after = bisect_left(self._starts, end)
        if after == len(self._starts) or self._starts[after] - end > NEAR:
            return False
        return "\n" not in text[end : self._starts[after]]

    def street(self, substance: str) -> bool:
        """The title gives a weight that the drug is sold in, and hardly anything else (`3.5 g`, `1/4 oz`)."""
        return substance in BY_GRAM and self._street

    @cached_property
    def _street(self) -> bool:
        return self._weighs(STREET_G, PARTS_OF_OUNCE)

    @cached_property
    def bud(self) -> bool:
        """The title gives a weight that herb is sold in, and food hardly ever (`56 g`, `1 oz`, `QP`)."""
        return self._weighs(BUD_G, PARTS_OF_OUNCE | {Decimal(1)})

    @cached_property
    def small(self) -> bool:
        """The title gives a weight of at most so many grams as one buyer uses."""
        end = self._seen.fields[0].end
        stated = (one for one in self._seen.quantities if one.start < end)
        return any(one.base_unit == "g" and one.base_amount <= SMALL_G for one in stated)

    def _weighs(self, grams: Set[Decimal], ounces: Set[Decimal]) -> bool:
        end = self._seen.fields[0].end
        return any(
            one.unit == "qp" or (one.unit == "g" and one.amount in grams) or (one.unit == "oz" and one.amount in ounces)
            for one in self._seen.quantities if one.start < end
        )

    def plausible(self, substance: str, *, below: float = HUGE) -> bool:
        """An amount the substance is sold in: powders by the gram, pills by the piece, a few by volume. `Flour 2 kg`,
        `pot, 3 l` and `snow boots, 2 pcs` say nothing, nor more grams than `below`, but of precursors. A price alone
        will do where there is no amount."""
        known = self._plausible.get((substance, below))
        if known is None:
            known = self._plausible[substance, below] = self._is_plausible(substance, self._groups[substance], below)
        return known

    def _is_plausible(self, substance: str, group: str, below: float) -> bool:
        seen = self._seen
        fields = {one.name for one in seen.fields}
        if "quantity" in fields:
            return True
        if not seen.quantities:
            return bool(seen.prices) or "price" in fields
        return any(
            (one.base_unit == "g" and (one.base_amount <= below or group == "precursors"))
            or (one.base_unit == "unit" and (group in BY_PIECE or substance in BY_PIECE))
            or (one.base_unit == "ml" and group == "precursors")
            or (one.base_unit == "ml" and one.base_amount <= HUGE_ML and (group in BY_VOLUME or substance in BY_VOLUME))
            or (substance == "heroin" and one.base_unit == "unit" and "bag" in self._text[one.start : one.end].lower())
            or (substance in BY_SYRINGE and one.base_unit == "ml"
                and (one.base_amount <= SYRINGE_ML or "куб" in self._text[one.start : one.end]))
            for one in seen.quantities
        )


def count_named(doc: Doc, substance: FoundSubstance, group: str) -> None:
    """`5 MDMA`, `25 Roxy 30mg`: a title that begins with a count of its main substance and gives no amount but a
    strength. Only of what is sold by the piece, and where no field of its own says how much (`5 MDMA` may be grams)."""
    seen = found(doc)
    title = seen.fields[0]
    if title.name != "title" or not title.end:
        return
    if BY_PIECE.isdisjoint((substance.id, group)) or any(one.name == "quantity" for one in seen.fields):
        return
    amounts = [one for one in seen.quantities if one.start < title.end]
    if any(one.unit not in {"mg", "ug"} for one in amounts) or len(amounts) > 1:
        return
    named = substance.start
    if named >= title.end and amounts:
        named = amounts[0].start  # the category names it: `10 purple skulls 250mg`
    count = COUNT_FIRST.fullmatch(doc.text, 0, named) if 1 < named < min(title.end, FARTHEST) else None
    portion = PORTIONS.get(substance.id) or PORTIONS.get(group)
    if count is None and amounts and portion is not None:
        count = portion.search(doc.text, 0, title.end)
    if count is None or int(count[1]) < 2 or YEAR.fullmatch(count[1]):
        return
    pieces = build_quantity(Decimal(count[1]), unit_named("unit"), *count.span(1))
    if amounts:
        pieces = pieces._replace(dose_mg=tidy(amounts[0].base_amount * 1000))
    seen.quantities = [pieces, *(one for one in seen.quantities if one not in amounts)]


def split_sums(doc: Doc) -> None:
    """`Coke & weed deal: 1g + 3.5g`: beside two substances a sum is an amount of each."""
    seen, text = found(doc), doc.text
    title = seen.fields[0]
    named = sum(one.start < title.end for one in seen.substances)
    if title.name != "title" or named < 2 or "+" not in text[: title.end]:
        return
    quantities = []
    for one in seen.quantities:
        parts = _SUM.fullmatch(text, one.start, one.end) if one.start < title.end else None
        if parts is None:
            quantities.append(one)
            continue
        unit = unit_named(one.unit)
        for group in (1, 2):
            start, end = parts.span(group)
            quantities.append(build_quantity(Decimal(parts[group].replace(",", ".")), unit, start, end))
    seen.quantities = quantities


def mark_lone_doses(doc: Doc, substance: str, group: str) -> None:
    """`Xanax 2 mg`: of a medicine, a lone weight of that size is the strength of one piece, not what is sold."""
    quantities = found(doc).quantities
    if MEDICINES.isdisjoint((substance, group)) or any(one.base_unit == "unit" for one in quantities):
        return
    largest = LARGEST_EDIBLE_MG if substance == "cannabis-edible" else LARGEST_DOSE_MG
    for place, one in enumerate(quantities):
        if one.unit in {"mg", "ug"} and one.dose_mg is None and one.base_amount * 1000 <= largest:
            quantities[place] = one._replace(dose_mg=tidy(one.base_amount * 1000))
