"""The form a substance is sold in: herb, resin, concentrate, crystal, powder, pill, blotter, liquid and so on."""

from __future__ import annotations

from spacy.language import Language
from spacy.tokens import Doc

from extract.evidence import PIECE_MG, is_dosed
from extract.found import found
from extract.terms import Match, matches

IMPLIED = {
    "cannabis-herb": "herb", "cannabis-resin": "resin", "cannabis-concentrate": "concentrate",
    "cannabis-edible": "edible", "cannabis-seeds": "seeds",
}  # fmt: skip
"""Forms that the substance id itself says."""
BLOTTER_IDS = frozenset({"lsd", "1p-lsd", "1cp-lsd", "1v-lsd", "1d-lsd", "ald-52", "al-lad", "eth-lad", "25i-nbome",
                         "25b-nbome", "25c-nbome", "25n-nbome", "dob", "doc", "doi", "dom"})  # fmt: skip
NOT_WITH = {
    "mdma": frozenset({"herb", "resin", "concentrate", "seeds", "edible", "blotter", "mushroom"}),
    "cocaine": frozenset({"herb", "resin", "seeds", "mushroom", "blotter"}),
}
WEAK = frozenset({"liquid", "edible", "gas", "seeds", "strip", "gel"})
"""Words for these are common in descriptions that sell something else: read from the title only."""

STARTING = frozenset({"crystal", "powder"})
"""What blotters are said to be made from (`laid from needlepoint crystal`)."""
FIELDS = ("title", "quantity", "description", "category")
"""Those that say a form, the most trusted first."""


class FormFinder:
    """Component: `found(doc).form`."""

    def __call__(self, doc: Doc) -> Doc:
        seen = found(doc)
        main = seen.substances[0].id if seen.substances else None
        if main in IMPLIED:
            seen.form = IMPLIED[main]
            return doc
        hits = matches(doc, "form")
        if hits:
            seen.form = self._of_fields(doc, hits, main)
        if seen.form is None and main == "psilocybin":
            seen.form = "mushroom"
        if seen.form is None and main is not None and main in PIECE_MG and (
            is_dosed(seen, main) and any(one.base_unit == "unit" for one in seen.quantities)
        ):
            seen.form = "blotter" if main in BLOTTER_IDS else "pill"
        return doc

    def _of_fields(self, doc: Doc, hits: list[Match], main: str | None) -> str | None:
        """The form that the first field says which says one."""
        harmless = matches(doc, "false")
        if harmless:
            inside = {at for hit in harmless for at in range(hit.first, hit.last)}
            hits = [hit for hit in hits if hit.first not in inside]
        said = {hit.field for hit in hits}
        if "category" in said:  # of a path the last step: `Ecstasy > MDMA` is no pill
            path = doc.text.rfind(">", found(doc).fields[-1].start)
            hits = [hit for hit in hits if hit.field != "category" or hit.start > path]
        for name in FIELDS:
            if name in said and (form := self._best(hits, main, name)) is not None:
                return form
        return None

    @staticmethod
    def _best(hits: list[Match], main: str | None, field: str) -> str | None:
        """The first form that goes with the substance; a longer phrase wins over the word inside it."""
        for hit in hits:
            if hit.field != field:
                continue
            form = hit.term.value
            if form == "tab":
                form = "blotter" if main in BLOTTER_IDS else "pill"
            if form == "blotter" and main not in BLOTTER_IDS and main is not None:
                continue
            if form in NOT_WITH.get(main or "", frozenset()):
                continue
            if form == "herb" and main is not None and not main.startswith(("cannabis", "synthetic", "kratom")):
                continue
            if field == "description" and (form in WEAK or (main in BLOTTER_IDS and form in STARTING)):
                continue
            return form
        return None


@Language.factory("dropline_form")
def create_form(nlp: Language, name: str) -> FormFinder:
    """No settings: forms come from the tables that `dropline_terms` was given."""
    return FormFinder()
