"""The texts that the trained component learns from, cut into parts.

Two published corpora, both MIT, which stay outside this repository: `drugs_training.jsonl` (forum posts;
`explosion/projects`, ner_drugs) and `unodc-train.spacy` (news; `shirkattack/drugdetection`). Of their labels DRUG alone
is used. The part of a text is decided by its digest, so that it is the same whatever else is in the folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from config.errors import UsageError

LABEL = "DRUG"
FORUM, NEWS = "drugs_training.jsonl", "unodc-train.spacy"
Part = Literal["train", "dev", "test"]


class Labelled(NamedTuple):
    """A text with the offsets (code points) of the drug names in it."""

    corpus: str
    text: str
    names: tuple[tuple[int, int], ...]


def part_of(text: str) -> Part:
    """70 % train, 10 % dev (chooses the step to keep), 20 % test (scores only), by the digest of the text."""
    spot = hashlib.sha256(" ".join(text.casefold().split()).encode()).digest()[0]
    return "train" if spot < 179 else "dev" if spot < 205 else "test"


def read_corpora(folder: Path) -> list[Labelled]:
    """Both corpora; of texts that come twice the first. Raises UsageError: a file is missing or not as expected."""
    found: dict[str, Labelled] = {}
    for name, read in ((FORUM, _read_forum), (NEWS, _read_news)):
        path = folder / name
        if not path.is_file():
            raise UsageError("A corpus is missing.", file=path, remedy=f"Put {FORUM} and {NEWS} into that folder.")
        for one in read(path):
            found.setdefault(" ".join(one.text.casefold().split()), one)
    return list(found.values())


def _read_forum(path: Path) -> Iterator[Labelled]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                spans = [one for one in row.get("spans") or [] if one["label"] == LABEL]
                yield Labelled("forum", row["text"], tuple((int(one["start"]), int(one["end"])) for one in spans))
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    f"Not a labelled text ({error}).", file=path, line=number,
                    remedy="One JSON object a line, with text and spans (start, end, label).",
                ) from error  # fmt: skip


def _read_news(path: Path) -> Iterator[Labelled]:
    vocab = Vocab()
    for doc in DocBin().from_disk(path).get_docs(vocab):
        yield Labelled("news", doc.text, tuple((e.start_char, e.end_char) for e in doc.ents if e.label_ == LABEL))


def build_doc(nlp: Language, one: Labelled) -> Doc:
    """The text as a Doc with its names as entities; names that end inside a token take the whole token."""
    doc = nlp.make_doc(one.text)
    taken: list[Span] = []
    for start, end in one.names:
        span = doc.char_span(start, end, label=LABEL, alignment_mode="expand")
        if span is not None and not any(span.start < other.end and other.start < span.end for other in taken):
            taken.append(span)
    doc.set_ents(taken)
    return doc
