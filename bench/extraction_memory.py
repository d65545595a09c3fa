"""Resident memory of an extractor over many documents, each with words that no other has.

Texts are those of `extraction_texts.py` with two made-up words of their own and an amount of its own: nothing that the
extractor remembers of a text helps with the next, and what it keeps must have a bound.

    python bench/extraction_memory.py [documents, default 1,000,000]
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from extraction_texts import Texts

from extract.pipeline import Extractor

_LETTERS = "абвгдежзиклмнопр"
STEPS = 10


def resident_mb() -> float:
    """What the process holds now, in MB (Linux); elsewhere its largest so far."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def own_word(number: int) -> str:
    """A word for each number."""
    return "".join(_LETTERS[int(digit, 16)] for digit in f"{number:07x}")


def texts(count: int) -> Iterator[dict[str, str]]:
    """Made a thousand at a time, so that the texts themselves need no memory."""
    source = Texts(0)
    for first in range(0, count, 1_000):
        for number, text in enumerate(source.make(min(1_000, count - first)), first):
            yield {"description": f"{text} {own_word(number)}, x{own_word(number)} {number} мг"}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    extractor = Extractor()
    start = time.process_time()
    for number, _ in enumerate(extractor.read_many(texts(count)), 1):
        if number % max(1, count // STEPS) == 0:
            spent = time.process_time() - start
            print(f"{number:>9,} documents: {resident_mb():6.1f} MB, {spent:5.0f} s CPU", flush=True)


if __name__ == "__main__":
    main()
