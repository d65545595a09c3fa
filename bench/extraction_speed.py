"""Documents a second of the whole pipeline on texts it has not seen, beside an anchor measured in the same run.

Anchor: lower-casing, `ahocorasick_rs` over 3,000 terms and a digit-anchored regular expression, on the same texts. The
texts are those of `extraction_texts.py`. Pipeline and anchor take turns (256 texts each) and the ratio of
a run is that of its sums; every run has new texts and an extractor that has read nothing, so that the first words of
all kinds are paid for too, and is as long as a small crawl. Beside it stand two plain spaCy pipelines on the same texts
(`extraction_reference.py`): their shares of the anchor are known from where the aims were set. Times are CPU seconds of
this process (one core), so that other work on the machine disturbs less; it still does: the pipeline needs the caches
of the processor far more than the anchor.

    python bench/extraction_speed.py [documents a run] [runs]
"""

from __future__ import annotations

import gc
import random
import re
import statistics
import sys
import time
from collections import Counter
from itertools import islice

import ahocorasick_rs
from extraction_reference import MEASURED, Reference
from extraction_texts import Texts

from extract.compose import build_reading
from extract.pipeline import BATCH, Extractor

_DIGITS = re.compile(r"\d+(?:[.,]\d+)?\s?(?:г|гр|g|mg|ml|kg|шт|pcs|руб|%)")


def time_anchor(automaton: ahocorasick_rs.AhoCorasick, texts: list[str]) -> float:
    """CPU seconds of the anchor."""
    start = time.process_time()
    for text in texts:
        lower = text.lower()
        automaton.find_matches_as_indexes(lower)
        _DIGITS.findall(lower)
    return time.process_time() - start


def time_both(automaton: ahocorasick_rs.AhoCorasick, extractor: Extractor, texts: list[str]) -> tuple[float, float]:
    """CPU seconds of anchor and pipeline, by turns; the pipeline reads one stream, as from a file."""
    stream = extractor.read_many({"description": text} for text in texts)
    anchor = ours = 0.0
    for first in range(0, len(texts), BATCH):
        anchor += time_anchor(automaton, texts[first : first + BATCH])
        start = time.process_time()
        for _ in islice(stream, BATCH):
            pass
        ours += time.process_time() - start
    return anchor, ours


def time_parts(extractor: Extractor, texts: list[str]) -> Counter[str]:
    """CPU seconds of tokenizer, components and the building of the Reading, on one batch after another."""
    spent: Counter[str] = Counter()
    clock = time.process_time
    gc.disable()  # as in a batch of the pipeline
    for first in range(0, len(texts), BATCH):
        keys = [("", text, *[""] * 7) for text in texts[first : first + BATCH]]
        start = clock()
        docs = [extractor.make_doc(key) for key in keys]
        spent["tokenizer"] += clock() - start
        for name, component in extractor.nlp.pipeline:
            start = clock()
            docs = [component(doc) for doc in docs]
            spent[name] += clock() - start
        start = clock()
        readings = [build_reading(doc, key, {}) for doc, key in zip(docs, keys, strict=True)]
        spent["reading"] += clock() - start
        start = clock()
        del docs, keys, readings
        spent["letting go"] += clock() - start
    gc.enable()
    return spent


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    start = time.process_time()
    extractor = Extractor()
    print(f"start-up {time.process_time() - start:.2f} s CPU; {runs} runs of {count} texts of 69 words")
    terms = random.Random(1).sample(sorted(extractor.vocabulary.phrases), 3_000)
    automaton = ahocorasick_rs.AhoCorasick(terms)
    ratios = []
    plain: dict[str, list[float]] = {name: [] for name in MEASURED}
    for run in range(runs):
        texts = Texts(run).make(count)
        extractor = Extractor()  # nothing of an earlier run is remembered
        anchor, ours = time_both(automaton, extractor, texts)
        ratios.append(anchor / ours)
        print(f"run {run + 1}: anchor {count / anchor:,.0f} docs/s; pipeline {count / ours:,.0f} docs/s; "
              f"ratio {ratios[-1]:.3f}")  # fmt: skip
        for name, found in plain.items():
            taken = Reference(name, terms).time(texts)
            found.append(time_anchor(automaton, texts) / taken)
            print(f"  {name} spaCy pipeline {count / taken:,.0f} docs/s; ratio {found[-1]:.3f}")
    print(f"ratio: median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")
    for name, found in plain.items():
        ratio = statistics.median(found)
        print(f"{name} spaCy pipeline: median {ratio:.3f}, where the aims were set {MEASURED[name]}")
    spent = time_parts(Extractor(), Texts(runs).make(min(count, 2_000)))
    print("share of each part:")
    for name, seconds in spent.items():
        print(f"  {name:22} {seconds / min(count, 2_000) * 1e6:7.1f} us a text {seconds / spent.total():6.1%}")


if __name__ == "__main__":
    main()
