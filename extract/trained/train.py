"""Trains the trained component and scores it on texts it has not seen.

    python -m extract.trained.train --data FOLDER [--out FOLDER] [--steps N]

`--data` holds the two corpora (see `extract.trained.data`). Writes `weights.bin` and `scores.json` (exact spans:
precision, recall, F1 for each corpus, held-out part) into `--out`, which is this folder if not given. About ten minutes
on one core; the same data and machine give the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.pipeline import EntityRecognizer
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config

from extract.trained.data import FORUM, NEWS, Labelled, build_doc, part_of, read_corpora
from extract.trained.lines import make_titles, swap_names
from extract.trained.model import CONFIG, SCORES, WEIGHTS

TITLES = 1200
"""Made-up listing titles beside the corpora, in the part that is learnt from."""
SWAPPED = 0.1
"""Share of the texts with names that are shown a second time with invented names."""
SEED = 7


def train_component(folder: Path, out: Path, *, steps: int | None = None) -> dict[str, Any]:
    """Trains on the corpora in `folder`; returns what is written to `scores.json`. Raises UsageError: bad corpora."""
    parts: dict[str, list[Labelled]] = {"train": [], "dev": [], "test": []}
    for one in read_corpora(folder):
        parts[part_of(one.text)].append(one)
    known = sorted({one.text[start:end] for one in parts["train"] for start, end in one.names})
    parts["train"] += swap_names(parts["train"], SWAPPED, SEED) + make_titles(known, TITLES, SEED)
    config = load_config(CONFIG)
    if steps is not None:
        config["training"]["max_steps"] = steps
        config["training"]["eval_frequency"] = min(steps, config["training"]["eval_frequency"])
    with tempfile.TemporaryDirectory() as scratch:
        blank = spacy.blank(config["nlp"]["lang"])
        for part in ("train", "dev"):
            path = Path(scratch, f"{part}.spacy")
            DocBin(docs=[build_doc(blank, one) for one in parts[part]]).to_disk(path)
            config["paths"][part] = str(path)
        # what it prints is its progress: the result alone goes to stdout
        train(init_nlp(config, use_gpu=-1), Path(scratch), use_gpu=-1, stdout=sys.stderr, stderr=sys.stderr)
        nlp = spacy.load(Path(scratch, "model-best"))  # what train() returns are the weights of the last step
    ner = nlp.get_pipe("ner")
    assert isinstance(ner, EntityRecognizer)
    weights = ner.to_bytes(exclude=["vocab"])
    out.mkdir(parents=True, exist_ok=True)
    (out / WEIGHTS.name).write_bytes(weights)
    scores = {
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "data_sha256": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (FORUM, NEWS)},
        "texts": {part: len(texts) for part, texts in parts.items()},
        "spacy": version("spacy"),
        "test": {corpus: score(nlp, [one for one in parts["test"] if one.corpus == corpus])
                 for corpus in ("forum", "news")},
    }  # fmt: skip
    (out / SCORES.name).write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    return scores


def score(nlp: Language, texts: list[Labelled]) -> dict[str, float]:
    """Exact spans, micro-averaged: {texts, names, precision, recall, f1}, the last three in [0, 1]."""
    hits = said = there = 0
    for one, doc in zip(texts, nlp.pipe(each.text for each in texts), strict=True):
        want = {(span.start_char, span.end_char) for span in build_doc(nlp, one).ents}
        got = {(span.start_char, span.end_char) for span in doc.ents}
        hits, said, there = hits + len(want & got), said + len(got), there + len(want)
    precision, recall = hits / max(said, 1), hits / max(there, 1)
    f1 = 2 * hits / max(said + there, 1)
    return {"texts": len(texts), "names": there, "precision": round(precision, 4), "recall": round(recall, 4),
            "f1": round(f1, 4)}  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, default=Path(__file__).parent)
    options.add_argument("--steps", type=int, help="instead of those of config.cfg")
    given = options.parse_args(arguments)
    sys.stdout.write(json.dumps(train_component(given.data, given.out, steps=given.steps), indent=1) + "\n")


if __name__ == "__main__":
    main()
