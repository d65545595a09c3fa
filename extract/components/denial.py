"""Substances a text mentions without selling them: negated, compared with, or given away as a bonus."""

from __future__ import annotations

from collections.abc import Set

from spacy.tokens import Doc

from extract.terms import Match, matches

REACH = 5
"""Tokens between a denying word and the name, all of them fillers or other names."""
GIFT_REACH = 3
JOINERS = frozenset({",", "/", "or", "и", "или", "nor", "and", "чи", "та", "(", '"', "«"})
BUT_NOT_LISTS = frozenset({"не", "not", "isn't", "is not"})
"""`не меф, амфетамин` denies the first only; `без мефа, амфетамина` denies both."""


class Denial:
    """Reads the cues of one Doc."""

    def __init__(self, doc: Doc, fillers: Set[str]) -> None:
        self._doc = doc
        self._ends: dict[int, Match] = {}
        self._after: dict[int, Match] = {}
        self._gifts: list[Match] = []
        self._fillers = fillers
        for cue in matches(doc, "cue"):
            kind = cue.term.value
            if kind in {"no", "like"}:
                self._ends[cue.last] = cue
            elif kind == "after-no":
                self._after[cue.first] = cue
            elif kind == "gift":
                self._gifts.append(cue)

    def denies(self, hit: Match, names: list[Match]) -> bool:
        """True if a negation or comparison stands before the name with nothing but fillers and other names between,
        or directly after it."""
        if not (self._ends or self._after) or hit.first < 0:
            return False
        if hit.last in self._after or (hit.last < len(self._doc) and self._hyphen_free(hit)):
            return True
        covered = {at for name in names if name.first >= 0 for at in range(name.first, name.last)}
        at, steps, comma = hit.first, 0, False
        while at > 0 and steps <= REACH:
            cue = self._ends.get(at)
            if cue is not None and cue.field == hit.field:
                return not self._is_number_sign(cue) and not (comma and self._only_next(cue))
            word = self._doc[at - 1].lower_
            if at - 1 not in covered and word not in self._fillers and word not in JOINERS:
                return False
            if word == ",":
                if self._doc[at].lower_ in self._fillers:
                    return False
                comma = True
            at, steps = at - 1, steps + (at - 1 not in covered)
        return False

    def _only_next(self, cue: Match) -> bool:
        return cue.term.value == "like" or self._doc.text[cue.start : cue.end].lower() in BUT_NOT_LISTS

    def _hyphen_free(self, hit: Match) -> bool:
        """`fentanyl-free`"""
        return self._doc[hit.last].text == "-" and hit.last + 1 in self._after

    def _is_number_sign(self, cue: Match) -> bool:
        """`No. 1`, `no 4`: a number follows the cue."""
        rest = [token.text for token in self._doc[cue.last : cue.last + 2]]
        return bool(rest) and (rest[0].isdigit() or (rest[0] == "." and len(rest) > 1 and rest[1].isdigit()))

    def is_gift(self, hit: Match) -> bool:
        """`+ 1g hash as a gift`"""
        return hit.first >= 0 and any(
            gift.field == hit.field and (0 <= hit.first - gift.last <= GIFT_REACH or 0 <= gift.first - hit.last <= 2)
            for gift in self._gifts
        )
