"""Where names of several words may begin: most words that begin one are common (`в` подъезде, `новый` Оскол), so that
they are looked at only where the second word of such a name follows."""

from __future__ import annotations

from collections.abc import Iterable

from spacy.language import Language
from spacy.tokens import Doc

from extract.found import word_at
from extract.listing_doc import ListingDoc
from extract.marks import lower_word
from extract.tokenizer import tokenizer_of


class Beginnings:
    """`alone`: names of one word; `codes`: such that count in this spelling only; `pairs`: first and second word of the
    longer ones; `reach`: tokens from one word to the next."""

    def __init__(
        self, nlp: Language, alone: Iterable[str], pairs: Iterable[tuple[str, str]], reach: int,
        codes: Iterable[str] = (),
    ) -> None:  # fmt: skip
        add = tokenizer_of(nlp).add_mark
        looked_at = set(alone)
        longer = [pair for pair in pairs if pair[0] not in looked_at]
        self._alone = add(looked_at, codes)
        self._first, self._second = add(first for first, _ in longer), add(second for _, second in longer)
        self._pairs = frozenset(longer)
        self._reach = reach

    def find(self, doc: Doc) -> list[int]:
        """The tokens at which a name may begin, in order."""
        assert isinstance(doc, ListingDoc)
        alone, first, second, reach = self._alone, self._first, self._second, self._reach
        waited = alone | first | second
        looked: list[int] = []
        newest, begun = -1, -1 - reach
        for token, bits in zip(doc.marked, doc.bits, strict=True):
            if not bits & waited:
                continue
            # between the first word and the second stands no other word
            if bits & second and token - begun <= reach and newest < begun and self._go_together(doc, begun, token):
                newest = begun
                looked.append(begun)
            if bits & alone:
                newest = token
                looked.append(token)
            elif bits & first:
                begun = token
                if bits & second and not word_at(doc, token).isalpha():
                    newest = token  # `на\u200bмагните`: both words in one token
                    looked.append(token)
        return looked

    def _go_together(self, doc: Doc, begun: int, token: int) -> bool:
        one, other = lower_word(word_at(doc, begun)), lower_word(word_at(doc, token))
        return (one, other) in self._pairs or not (one.isalpha() and other.isalpha())
