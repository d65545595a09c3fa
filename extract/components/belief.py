"""Which of the names in a text are believed: evidence is weighed, not merely matched. Listed names count over words
that have a harmless sense too, and where the title names something, the description adds only what it gives an amount
of."""

from __future__ import annotations

import re
from collections.abc import Set
from functools import cached_property

from spacy.tokens import Doc

from extract.components.denial import ACRONYM, BYWORDS, is_sentence
from extract.components.strangers import CALLED_AFTER, Strangers, are_groceries
from extract.evidence import HUGE, HUGE_AT_STASH, HUGE_PLANT, Amounts, is_dosed
from extract.found import FieldSpan, found, word_at
from extract.terms import Match, is_namesake, matches

_PERCENT = re.compile(r"[\s:=~\-–<>]{0,4}\d[\d.,\-]*\s?%")
EMOJI = "zxx"
JOINERS = frozenset({"+", "&", "and", "и", "/", "|", "plus", "плюс", "or", "или", "та", ","})
ADDED = JOINERS - {","}
STRANGERS, STRANGERS_NEAR = 1, 2
"""So many unknown words in a title make a by-word harmless: far from an amount, and right beside one."""
STRANGERS_IN_TOWN = 3
"""The same in a title that names a place: districts are strangers."""
STRANGERS_STREET, STRANGERS_STREET_FAR = 2, 1
"""So many more where the title gives a weight that hardly anything but drugs is sold in: beside the name, and
elsewhere."""
STRANGERS_CLEAR = 3
"""The same where the name stands clear beside a weight of at most so many grams."""
CLEAR_G = 100
DOSED = frozenset({"press", "print"})
_SIGNS = frozenset(",;|/()[]!-–—•*")
SITE_FIELDS = frozenset({"category", "quantity", "place"})
"""Fields of a market's own page that say what is sold."""
SHELVES = frozenset({
    "drugs", "stimulants", "psychedelics", "psychedelic", "dissociatives", "opiates", "opioids", "benzos",
    "benzodiazepines", "cannabis", "hashish", "weed", "ecstasy", "entactogens", "cathinones", "steroids",
})  # fmt: skip
"""Words for the shelves of a market that hold drugs."""
SHELF_WORDS = 2
"""Most words of a shelf that a by-word names."""
SHELF_REACH = 40
"""Code points of the longest such shelf before and behind the by-word."""
STASH_SITE = frozenset({"quantity", "place"})
"""Fields that together only stash markets have."""
TRAITS = frozenset({
    "brown", "crystal", "crystals", "dope", "flake", "gear", "glass", "loud", "paste", "shards", "white",
    "clear shards", "crystal shards", "мука",
})  # fmt: skip
"""By-words that say what another by-word's drug looks like (`Molly 1g - brown crystal`), or how good it is."""
GENERIC = TRAITS | {
    "bud", "buds", "nug", "nugs", "grass", "green", "wax", "pollen", "pot", "tar", "horse", "snow", "flower", "resin",
    "mushrooms", "truffles", "spice", "skunk", "cheese", "glue", "seeds", "haze", "blow",
}
"""Names that are the kind of many things (`lavender buds 28 g`): what stands before them must be known."""
_WORD = re.compile(r"[^\W\d_]+")
JOIN_REACH = 8
"""Tokens between two names that a joiner can join: room for a brand in quotes and an amount."""


class Belief:
    """Judges the names of one Doc: in text order, none inside another. `words`: those of drug listings;
    `talk`: those of them that say nothing."""

    def __init__(self, doc: Doc, hits: list[Match], amounts: Amounts, words: Set[str], talk: Set[str]) -> None:
        self._doc, self._amounts, self._words, self._talk = doc, amounts, words, talk
        self._hits = hits = self._of_products(hits)
        self._named: set[str] = set()
        """Substances with a strong name."""
        self._in_title: set[str] = set()
        """Substances that the title names by more than a by-word."""
        self._category: set[str] = set()
        self._first = ""
        """The first strong name of the description."""
        self._telling: set[str] = set()
        """Fields with a name that is more than a by-word."""
        self._classes = 0
        self._title_names = False
        self._letters: dict[str, tuple[int, int]] = {}
        for hit in hits:
            term, field = hit.term, hit.field
            value, strength = term.value, term.strength
            if strength == "strong":
                self._named.add(value)
                if field == "description" and not self._first:
                    self._first = value
            elif strength == "class":
                self._classes += 1
            if strength != "weak":
                self._telling.add(field)
            if field == "title":
                self._title_names = self._title_names or not is_namesake(hit)
                if strength != "weak":
                    self._in_title.add(value)
            elif field == "category":
                self._category.add(value)

    def _of_products(self, hits: list[Match]) -> list[Match]:
        """`CBD 1,6 %` is a property of the cannabis sold, not a product, where anything else is named; pictures
        count only where no word does."""
        for hit in hits:
            if hit.term.value == "cbd" or hit.term.lang == EMOJI:
                break
        else:
            return hits
        text = self._doc.text
        hits = [hit for hit in hits if hit.term.value != "cbd" or _PERCENT.match(text, hit.end) is None] or hits
        return [hit for hit in hits if hit.term.lang != EMOJI] or hits

    def believed(self) -> list[Match]:
        """Strong names, and weak ones beside enough other evidence; those of the category only where there is no
        other."""
        if (self._named and self._is_foreign()) or (self._hits[0].term.type == "strain" and self._is_food()):
            return []
        main = self._in_title or {self._first}
        kept: list[Match] = []
        elsewhere, last = False, -JOIN_REACH
        for number, hit in enumerate(self._hits):
            strength, field = hit.term.strength, hit.field
            if strength == "strong":
                good = field != "description" or hit.term.value in main or self._amounts.near(hit)
                if not good and hit.first - last <= JOIN_REACH and not self._in_title:
                    good = self._joins_last(hit, kept)
            elif strength == "class":
                good = (field == "title" or not self._in_title) and (self._is_ours(hit) or self._is_class_sold(hit))
            else:
                good = self._fills_shelf(hit) if field == "category" else self._is_weak_good(hit, number)
            if good:
                kept.append(hit)
                last = max(last, hit.last)
                elsewhere = elsewhere or field != "category"
        return [hit for hit in kept if hit.field != "category"] if elsewhere and self._category else kept

    def _is_foreign(self) -> bool:
        """A title that names a substance once among words that drug listings do not have: by slang only (`Dope wheels
        BMX`), or where nothing is offered (`Fentanyl awareness training`)."""
        seen, named = found(self._doc), [one for one in self._hits if one.term.strength != "weak"]
        hit = named[0]
        alone = len(named) == 1 and all(one is hit or one.term.value != hit.term.value for one in self._hits)
        if not alone or hit.field != "title" or any(one.name in SITE_FIELDS for one in seen.fields):
            return False
        offered = bool(seen.quantities) or any(one.start < self._field("title").end for one in seen.prices)
        sold = self._amounts.plausible(hit.term.value)
        acronym = hit.end - hit.start <= ACRONYM and self._doc.text[hit.start : hit.end].isupper()
        # several words (`mdma champagne`) are hardly those of another thing
        byword = (hit.term.type in BYWORDS and hit.last - hit.first == 1) or (acronym and not sold)
        if (offered and not byword) or self._says_drug or self._in_town or is_sentence(self._doc):
            return False
        strangers = self._strange.beside(hit)
        if sold:
            portioned = self._amounts.near(hit) and self._amounts.street(hit.term.value)
            return strangers > STRANGERS_NEAR + (STRANGERS_STREET if portioned else 0)
        return strangers >= (STRANGERS if byword else STRANGERS + 1)

    def _is_ours(self, hit: Match) -> bool:
        """Another word names the same substance, or another product of the same plant."""
        value = hit.term.value
        if value in self._named or value in self._category:
            return True
        return value.startswith("cannabis") and any(
            one.startswith("cannabis") for known in (self._named, self._category) for one in known
        )

    def _is_class_sold(self, hit: Match) -> bool:
        if any(not value.startswith("cannabis") for value in self._named):
            return False
        if hit.field == "title" and self._is_counted_product:
            return True
        return self._classes > 1 or self._is_sold(hit) or self._is_alone(hit)

    @cached_property
    def _is_counted_product(self) -> bool:
        """`Amnesia Haze seeds x 3`, `Gummies Amnesia, 10 pieces`: a count of seeds or sweets beside the name of a
        strain."""
        title = self._field("title")
        counted = any(one.base_unit == "unit" and one.start < title.end for one in found(self._doc).quantities)
        return counted and self._strange.all < STRANGERS_NEAR and any(
            one.term.value in {"seeds", "edible"} and one.field == "title" for one in matches(self._doc, "form")
        )

    def _is_weak_good(self, hit: Match, number: int) -> bool:
        field, ours = hit.field, self._is_ours(hit)
        if is_namesake(hit):
            return self._is_namesake_sold(hit)
        if not ours and (
            (hit.term.type == "press" and not self._is_pressed) or (hit.term.type == "print" and not self._is_dripped)
        ):
            return False
        if ours or self._is_propped(hit) or self._is_doubled(hit, number):
            # what the title does not name, a description of it may only be praised with (`kief-caked`)
            told = field != "description" or not self._title_names or hit.term.value in self._in_title
            return told or self._amounts.near(hit)
        if self._is_trait(hit, number):
            return False
        if field in self._telling:
            return field == "title" and self._joins_any(number)
        if field == "description":
            named = self._title_names or bool(self._telling)
            return not named and self._amounts.near(hit) and self._is_sold(hit)
        return not self._first and (self._is_alone(hit) or self._is_sold(hit))

    @cached_property
    def _is_pressed(self) -> bool:
        """The name of a tablet's stamp (`Tesla 2 pcs, 260 mg`): pieces of the strength of ecstasy, or a stash market's
        own fields."""
        return self._at_stash or is_dosed(found(self._doc), "mdma")

    @cached_property
    def _is_dripped(self) -> bool:
        """The name of a blotter's print (`Hofmann 150 ug x 25`): pieces of the strength of LSD."""
        return is_dosed(found(self._doc), "lsd")

    def _is_namesake_sold(self, hit: Match) -> bool:
        """A strain that is called like everyday things (`Banana Bread 3.5 g`) counts in weights that herb is sold in,
        or where words say that drugs are sold; not beside another name or words that no table knows."""
        if hit.field != "title" or self._title_names or not (self._amounts.bud or self._says_drug):
            return False
        return self._strange.beside(hit) < STRANGERS

    def _fills_shelf(self, hit: Match) -> bool:
        """`Stimulants > Speed`: the step of the category's path is hardly more than this word."""
        if hit.term.type in CALLED_AFTER:
            return False
        category = self._field("category")
        first, last = max(category.start, hit.start - SHELF_REACH), min(category.end, hit.end + SHELF_REACH)
        before = self._doc.text[first : hit.start].rsplit(">", 1)[-1]
        behind = self._doc.text[hit.end : last].split(">", 1)[0]
        return len(_WORD.findall(before + self._written(hit) + behind)) <= SHELF_WORDS

    def _is_trait(self, hit: Match, number: int) -> bool:
        """A by-word that only describes: another one in the title names another drug, with no `+` or `and` between."""
        if hit.field != "title" or self._written(hit) not in TRAITS or self._described <= {hit.term.value}:
            return False
        around = self._hits[max(0, number - JOIN_REACH - 1) : number + JOIN_REACH + 2]
        return not any(
            self._joined(hit, one, ADDED) if one.start > hit.start else self._joined(one, hit, ADDED)
            for one in around if one.term.value != hit.term.value and one.field == "title"
        )

    @cached_property
    def _described(self) -> set[str]:
        """What the title names by other words than those of looks."""
        return {hit.term.value for hit in self._hits if hit.field == "title" and self._written(hit) not in TRAITS}

    def _written(self, hit: Match) -> str:
        return self._doc.text[hit.start : hit.end].lower()

    @cached_property
    def _at_stash(self) -> bool:
        return {one.name for one in found(self._doc).fields} >= STASH_SITE

    @cached_property
    def _in_town(self) -> bool:
        """The title names the place: stash markets write it there, with a district that no table has
        (`СК 1г НСК Академгородок`)."""
        end = next((one.end for one in found(self._doc).fields if one.name == "title"), 0)
        return any(one.role == "place" and one.start < end for one in found(self._doc).regions)

    def _is_propped(self, hit: Match) -> bool:
        """Two words of one plant prop each other up: `hybrid, feminised`, `OG Kush wax`."""
        return hit.term.value.startswith("cannabis") and len(self._plants[hit.field]) > 1

    def _is_doubled(self, hit: Match, number: int) -> bool:
        """`Кислота марки Шива`: two by-words of one drug stand side by side in the title, beside an amount it is sold
        in."""
        if hit.field != "title" or hit.term.type in CALLED_AFTER or not self._amounts.plausible(hit.term.value):
            return False
        return any(
            one.term.value == hit.term.value and one.term.type not in CALLED_AFTER and one.field == "title"
            and (one.first == hit.last or one.last == hit.first)
            for one in (*self._hits[max(0, number - 1) : number], *self._hits[number + 1 : number + 2])
        )

    @cached_property
    def _plants(self) -> dict[str, set[int]]:
        """Where the names of cannabis begin, by field."""
        plants: dict[str, set[int]] = {}
        for hit in self._hits:
            if hit.term.value.startswith("cannabis") and not is_namesake(hit):
                plants.setdefault(hit.field, set()).add(hit.start)
        return plants

    def _joins_last(self, hit: Match, before: list[Match]) -> bool:
        """`MDMA + speed`: nothing but a joiner (and amounts) between the name and one of those before it."""
        return hit.first >= 0 and any(self._joined(other, hit) for other in before[-JOIN_REACH - 1 :])

    def _joins_any(self, number: int) -> bool:
        """A joiner between the name and the next one on either side that is more than a by-word: `speed + MDMA`, not
        `Ket/Ketamine, long shards`."""
        hits, hit = self._hits, self._hits[number]
        if hit.first < 0:
            return False
        sides = hits[max(0, number - JOIN_REACH - 1) : number][::-1], hits[number + 1 : number + JOIN_REACH + 2]
        for side in sides:
            other = next((one for one in side if one.field == hit.field and one.term.strength != "weak"), None)
            if other is not None and (
                self._joined(hit, other) if other.start > hit.start else self._joined(other, hit)
            ):
                return True
        return False

    def _joined(self, left: Match, right: Match, by: Set[str] = JOINERS) -> bool:
        if left.first < 0 or right.first < 0 or right.first - left.last > JOIN_REACH:
            return False
        for at in range(left.last, right.first):  # noqa: SIM110  (a generator takes twice as long)
            if word_at(self._doc, at) in by and not self._is_sum(at):
                return True
        return False

    def _is_sum(self, at: int) -> bool:
        """`5+1g`, `purity 98+`: the plus belongs to a number."""
        return word_at(self._doc, at) == "+" and word_at(self._doc, at - 1).isdigit()

    def _is_alone(self, hit: Match) -> bool:
        """The field is little more than this word, or a strain between words that say nothing (`NEW! Easy Bud!
        SALE!`)."""
        first, last = self._letters_of(hit.field)
        if first >= hit.start and last < hit.end:
            return True
        if hit.term.strength != "class":
            return False
        text = self._doc.text
        rest = _WORD.findall(f"{text[first : hit.start]} {text[hit.end : last + 1]}".lower())
        return all(word in self._talk for word in rest)

    def _letters_of(self, field: str) -> tuple[int, int]:
        """Code points of the first and the last letter of a field; where it has none, its end and its start."""
        known = self._letters.get(field)
        if known is None:
            span, text = self._field(field), self._doc.text
            first = next((at for at in range(span.start, span.end) if text[at].isalpha()), span.end)
            last = next((at for at in range(span.end - 1, first - 1, -1) if text[at].isalpha()), span.start)
            known = self._letters[field] = first, last
        return known

    def _field(self, name: str) -> FieldSpan:
        return next(one for one in found(self._doc).fields if one.name == name)

    def _is_sold(self, hit: Match) -> bool:
        """Something says that this is a drug listing: the words such listings use, or an amount the substance is sold
        in, with not much beside it that our tables have never heard of."""
        value = hit.term.value
        below = HUGE_AT_STASH if hit.term.lang == "ru" and hit.term.strength == "weak" else HUGE
        if hit.term.strength == "class" and (hit.term.type == "name" or self._is_full_name(hit)):
            below = HUGE_PLANT
        plausible = self._says_drug or self._amounts.plausible(value, below=below)
        if not plausible or hit.field != "title":
            return plausible
        return self._strange.beside(hit) < self._bearable(hit)

    def _is_full_name(self, hit: Match) -> bool:
        """`Amnesia Haze 1000g`: a strain of two words and more, and no stranger in the title."""
        return hit.field == "title" and hit.term.type == "strain" and hit.last - hit.first > 1 and not self._strange.all

    def _bearable(self, hit: Match) -> int:
        """So many strangers make a name of the title harmless."""
        if self._in_town:
            return STRANGERS_IN_TOWN
        beside = self._amounts.near(hit)
        street = 0
        if self._amounts.street(hit.term.value) and self._written(hit) not in GENERIC and not self._strange.follow(hit):
            street = STRANGERS_STREET if beside else STRANGERS_STREET_FAR
        if self._stands_clear(hit):
            return max(STRANGERS_CLEAR, STRANGERS + street)
        # nor is the dose of a stamp or a print that of anything else
        near = self._says_drug or self._at_stash or (hit.term.strength == "class" and beside) or hit.term.type in DOSED
        return (STRANGERS_NEAR if near else STRANGERS) + street

    @cached_property
    def _weights(self) -> tuple[set[int], set[int]]:
        """Where small weights start and end."""
        weights = [one for one in found(self._doc).quantities if one.base_unit == "g" and one.base_amount <= CLEAR_G]
        return {one.start for one in weights}, {one.end for one in weights}

    def _stands_clear(self, hit: Match) -> bool:
        """`50 gr speed, blue`, `Ice 5g - fire`: nothing beside the name but a small weight, a sign or the end."""
        text, title = self._doc.text, self._field("title")
        starts, ends = self._weights
        left = hit.start in ends or hit.start - 1 in ends
        right = hit.end in starts or hit.end + 1 in starts
        if left == right:
            return left
        if left:
            return hit.end >= title.end or text[hit.end] in _SIGNS
        return hit.start <= title.start or text[title.start : hit.start].rstrip()[-1:] in {*_SIGNS, ""}

    @cached_property
    def _strange(self) -> Strangers:
        return Strangers(self._doc, self._words)

    def _is_food(self) -> bool:
        sold = self._says_drug or any(one.name in SITE_FIELDS for one in found(self._doc).fields)
        return not sold and are_groceries(self._doc, self._hits)

    @cached_property
    def _says_drug(self) -> bool:
        """A word that only drug listings use, a way of hiding in a town, or a shelf of drugs."""
        if any(cue.term.value == "drug" for cue in matches(self._doc, "cue")):
            return True
        if found(self._doc).stash and self._in_town:
            return True
        shelf = next((one for one in found(self._doc).fields if one.name == "category"), None)
        text = "" if shelf is None else self._doc.text[shelf.start : shelf.end].lower()
        return not SHELVES.isdisjoint(_WORD.findall(text))
