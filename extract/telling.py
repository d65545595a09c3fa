"""A quick look whether a Doc holds any of some words, so that most texts cost a component almost nothing."""

from __future__ import annotations

from collections.abc import Iterable

from spacy.attrs import LOWER, ORTH
from spacy.strings import get_string_id
from spacy.tokens import Doc


class Telling:
    """`words` in lower case (`ё` written `е`), `exact` as written. A Doc with `ё` always counts as telling."""

    def __init__(self, words: Iterable[str], exact: tuple[str, ...] = ()) -> None:
        self._hashes = frozenset(get_string_id(word) for word in (*words, *exact))

        self._attributes = [ORTH, LOWER] if exact else [LOWER]

    def __call__(self, doc: Doc, text: str) -> bool:
        """May the Doc hold one of them? `text` is `doc.text` (joining it costs, so the caller does it once)."""
        hashes = doc.to_array(self._attributes).ravel().tolist()
        return not self._hashes.isdisjoint(hashes) or "ё" in text or "Ё" in text
