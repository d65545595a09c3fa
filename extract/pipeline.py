"""The pipeline as others use it: fields of a listing in, a `Reading` out, never an exception for any text."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path

from spacy.lang.xx import MultiLanguage
from spacy.language import Language
from spacy.tokens import Doc

import extract.components
from extract.found import FIELDS, KEY, FieldSpan, Found, found
from extract.reading import (
    PriceMention,
    QuantityMention,
    Reading,
    RegionMention,
    StashMention,
    SubstanceMention,
    UnknownTerm,
)
from extract.terms import build_nlp_parts
from extract.vocabulary import TABLES, Vocabulary, digest_tables, load_vocabulary

COMPONENTS = (
    "dropline_terms", "dropline_quantities", "dropline_prices", "dropline_purity", "dropline_places", "dropline_stash",
    "dropline_substances", "dropline_form", "dropline_unknown", "dropline_kind",
)  # fmt: skip
WITH_TABLES = frozenset({"dropline_terms", "dropline_substances", "dropline_unknown", "dropline_kind"})
LONGEST = 100_000
"""Code points read of one field; what follows is ignored (a listing of 100,000 characters is not a listing)."""
ZONE = 10_000
"""Documents between two releases of spaCy's string memory: fewer cost speed, more cost memory."""
CACHE = 5_000
"""Readings kept for equal texts, the least recently used dropped first (about 5 to 10 kB each)."""
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def clean(text: str) -> str:
    """Text that spaCy can hold, code point for code point: lone surrogates become U+FFFD."""
    text = text[:LONGEST]
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.translate(_SURROGATES)
    return text


@lru_cache(maxsize=8)
def digest_extractor(tables: Path) -> str:
    """`1-` and 8 hex digits over the code of `extract` and the tables, line ends unified."""
    root = Path(__file__).parent
    digest = hashlib.sha256(digest_tables(tables).encode())
    for file in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes().replace(b"\r\n", b"\n"))
    if tables.resolve() != TABLES.resolve():
        digest.update(digest_tables(TABLES).encode())
    return f"1-{digest.hexdigest()[:8]}"


def build_nlp(tables: Path, vocabulary: Vocabulary) -> Language:
    """The spaCy pipeline with all components in their order."""
    extract.components.register()
    tokenizer = build_nlp_parts(vocabulary)
    nlp = MultiLanguage(tokenizer.vocab, create_tokenizer=lambda _: tokenizer, max_length=20 * LONGEST)
    for name in COMPONENTS:
        nlp.add_pipe(name, config={"tables": str(tables)} if name in WITH_TABLES else {})
    return nlp


class Extractor:
    """Reads listings. Not thread-safe: one for each thread.

    `tables` is a folder like `extract/vocab` (the default). Making one takes about half a second.
    """

    def __init__(self, *, tables: Path | None = None) -> None:
        folder = tables or TABLES
        self.vocabulary = load_vocabulary(folder)
        self.version = digest_extractor(folder)
        self.nlp = build_nlp(folder, self.vocabulary)
        self._components = [component for _, component in self.nlp.pipeline]
        self._cache: OrderedDict[tuple[str, ...], Reading] = OrderedDict()

    def read(self, fields: Mapping[str, str]) -> Reading:
        """The Reading of one listing. `fields`: any of title, description, price, quantity, place, ships_from,
        ships_to, ships_except, category; others raise KeyError."""
        return next(self.read_many([fields]))

    def read_many(self, listings: Iterable[Mapping[str, str]]) -> Iterator[Reading]:
        """Readings in the order of the listings, batch by batch; equal texts are read once."""
        stream = iter(listings)
        while batch := [self._key(fields) for fields in islice(stream, ZONE)]:
            yield from self._read_batch(batch)

    @staticmethod
    def _key(fields: Mapping[str, str]) -> tuple[str, ...]:
        unknown = fields.keys() - set(FIELDS)
        if unknown:
            raise KeyError(f"unknown fields: {', '.join(sorted(unknown))}; known are {', '.join(FIELDS)}")
        return tuple(fields.get(name) or "" for name in FIELDS)

    def _read_batch(self, batch: list[tuple[str, ...]]) -> list[Reading]:
        readings = {key: self._cache[key] for key in batch if key in self._cache}
        new = [key for key in dict.fromkeys(batch) if key not in readings]
        if new:
            with self.nlp.memory_zone():
                for key in new:
                    doc = self._make_doc(key)
                    for component in self._components:  # as nlp.pipe does, without its generator for each component
                        doc = component(doc)
                    readings[key] = self._reading(doc, key)
        for key in batch:
            self._cache[key] = readings[key]
            self._cache.move_to_end(key)
        while len(self._cache) > CACHE:
            self._cache.popitem(last=False)
        return [readings[key] for key in batch]

    def _make_doc(self, key: tuple[str, ...]) -> Doc:
        spans, texts, at = [], [], 0
        for name, raw in zip(FIELDS, key, strict=True):
            if raw:
                text = clean(raw)
                spans.append(FieldSpan(name, at, at + len(text)))
                texts.append(text)
                at += len(text) + 1
        doc = self.nlp.make_doc("\n".join(texts))
        doc.user_data[KEY] = Found(fields=tuple(spans) or (FieldSpan("title", 0, 0),))
        return doc

    def _reading(self, doc: Doc, key: tuple[str, ...]) -> Reading:
        seen = found(doc)
        raw = dict(zip(FIELDS, key, strict=True))

        def where(start: int, end: int) -> tuple[str, str, int, int]:
            """Text as written, field, start, end. A span never crosses fields: its end is cut at the field's."""
            span = next((one for one in reversed(seen.fields) if start >= one.start), seen.fields[0])
            left, right = start - span.start, min(end, span.end) - span.start
            return raw[span.name][left:right], span.name, left, right

        substances, quantities, prices = [], [], []
        for one in seen.substances:
            text, name, start, end = where(one.start, one.end)
            substances.append(SubstanceMention(id=one.id, text=text, field=name, start=start, end=end))
        for quantity in seen.quantities:
            text, name, start, end = where(quantity.start, quantity.end)
            quantities.append(QuantityMention(
                amount=quantity.amount, unit=quantity.unit, base_amount=quantity.base_amount,
                base_unit=quantity.base_unit, count=quantity.count, dose_mg=quantity.dose_mg,
                text=text, field=name, start=start, end=end,
            ))  # fmt: skip
        for price in seen.prices:
            text, name, start, end = where(price.start, price.end)
            prices.append(PriceMention(
                amount=price.amount, currency=price.currency, minimum=price.minimum,
                text=text, field=name, start=start, end=end,
            ))  # fmt: skip
        regions = []
        for region in seen.regions:
            text, name, start, end = where(region.start, region.end)
            regions.append(RegionMention(
                code=region.code, role=region.role, text=text, field=name, start=start, end=end,
            ))  # fmt: skip
        stash = []
        for cache in seen.stash:
            text, name, start, end = where(cache.start, cache.end)
            stash.append(StashMention(type=cache.type, text=text, field=name, start=start, end=end))
        unknown = []
        for term in seen.unknown_terms:
            _, name, start, end = where(term.start, term.end)
            unknown.append(UnknownTerm(term=term.term, field=name, start=start, end=end, rule=term.rule))
        main = self.vocabulary.substances.get(seen.substances[0].id) if seen.substances else None
        return Reading(
            kind=seen.kind, substances=tuple(substances), group=main.group if main else None, form=seen.form,
            quantities=tuple(quantities), prices=tuple(prices), regions=tuple(regions), stash=tuple(stash),
            purity=seen.purity, unknown_terms=tuple(unknown),
        )  # fmt: skip
