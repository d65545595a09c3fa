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
from config.collection import no_collection
from extract.compose import build_reading
from extract.found import FIELDS, KEY, FieldSpan, Found
from extract.reading import Reading
from extract.terms import build_tokenizer
from extract.tokenizer import tokenizer_of
from extract.vocabulary import TABLES, Vocabulary, digest_tables, load_vocabulary

COMPONENTS = (
    "dropline_terms", "dropline_numbers", "dropline_places", "dropline_stash", "dropline_substances", "dropline_form",
    "dropline_unknown", "dropline_kind",
)  # fmt: skip
WITH_TABLES = frozenset({"dropline_terms", "dropline_substances", "dropline_unknown", "dropline_kind"})
LONGEST = 100_000
"""Code points read of one field; what follows is ignored (a listing of 100,000 characters is not a listing)."""
BATCH = 256
"""Listings read ahead: a slow source waits for no more."""
CACHE = 5_000
"""Readings kept for equal texts, the least recently used dropped first (about 5 to 10 kB each)."""
_KNOWN = frozenset(FIELDS)
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
    reading = (file for file in root.rglob("*.py") if file.parent.name != "trained")  # decides nothing that is stored
    for file in sorted(reading, key=lambda path: path.relative_to(root).as_posix()):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes().replace(b"\r\n", b"\n"))
    if tables.resolve() != TABLES.resolve():
        digest.update(digest_tables(TABLES).encode())
    return f"1-{digest.hexdigest()[:8]}"


def build_nlp(tables: Path, vocabulary: Vocabulary) -> Language:
    """The spaCy pipeline with all components in their order."""
    extract.components.register()
    tokenizer = build_tokenizer(vocabulary)
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
        with no_collection():  # a quarter of the start-up: every object made here stays
            self.vocabulary = load_vocabulary(folder)
            self.version = digest_extractor(folder)
            self.nlp = build_nlp(folder, self.vocabulary)
        self._tokenizer = tokenizer_of(self.nlp)
        self._components = [component for _, component in self.nlp.pipeline]
        self._groups = {one.id: one.group for one in self.vocabulary.substances.values()}
        self._cache: OrderedDict[tuple[str, ...], Reading] = OrderedDict()

    def read(self, fields: Mapping[str, str]) -> Reading:
        """The Reading of one listing. `fields`: any of title, description, price, quantity, place, ships_from,
        ships_to, ships_except, category; others raise KeyError."""
        return next(self.read_many([fields]))

    def read_many(self, listings: Iterable[Mapping[str, str]]) -> Iterator[Reading]:
        """Readings in the order of the listings, `BATCH` by `BATCH`; equal texts are read once."""
        stream = iter(listings)
        while batch := [self._key(fields) for fields in islice(stream, BATCH)]:
            yield from self._read_batch(batch)

    @staticmethod
    def _key(fields: Mapping[str, str]) -> tuple[str, ...]:
        if not fields.keys() <= _KNOWN:
            unknown = ", ".join(sorted(fields.keys() - _KNOWN))
            raise KeyError(f"unknown fields: {unknown}; known are {', '.join(FIELDS)}")
        return tuple([fields.get(name) or "" for name in FIELDS])

    def _read_batch(self, batch: list[tuple[str, ...]]) -> list[Reading]:
        cache = self._cache
        readings: dict[tuple[str, ...], Reading] = {}
        new: dict[tuple[str, ...], None] = {}
        for key in batch:
            known = cache.get(key)
            if known is None:
                new[key] = None
            else:
                readings[key] = known
                cache.move_to_end(key)
        # component by component: the processor keeps the code of one at hand (a third faster than Doc by Doc)
        with no_collection():
            docs = [self.make_doc(key) for key in new]
            for component in self._components:
                docs = [component(doc) for doc in docs]
            for key, doc in zip(new, docs, strict=True):
                cache[key] = readings[key] = build_reading(doc, key, self._groups)
            docs.clear()
        while len(cache) > CACHE:
            cache.popitem(last=False)
        return [readings[key] for key in batch]

    def make_doc(self, key: tuple[str, ...]) -> Doc:
        spans, texts, at = [], [], 0
        for name, raw in zip(FIELDS, key, strict=True):
            if raw:
                text = clean(raw)
                end = at + len(text)
                spans.append(FieldSpan(name, at, end))
                texts.append(text)
                at = end + 1
        doc = self._tokenizer.read(texts[0] if len(texts) == 1 else "\n".join(texts))
        doc.user_data[KEY] = Found(fields=tuple(spans) or (FieldSpan("title", 0, 0),))
        return doc
