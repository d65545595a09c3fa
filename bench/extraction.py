"""Accuracy of the extraction: precision, recall and F1 for each field and language, with bootstrap intervals.

    python bench/extraction.py [--split tune|test|all|blind|blind-b|blind-c|blind-d|blind-e|blind-f|
                                         blind-g|blind-h|blind-i|blind-j|blind-k|blind-l|blind-m|blind-n|blind-o]
                                [--misses] [--json] [--shared FOLDER]

The labelled sets (`bench/labelled/`) are of our own invention, written before the extractor was asked and frozen by
SHA256SUMS. `blind` and `blind-b` to `blind-o` are sets apart (`blind-2026-11-*.jsonl`, `-11b-` to `-11o-`): written in
November 2026, when the rules had long been worked on, and asked once before any rule or row was changed; the files that
end in `first.json` hold that first answer; from `blind-j` on misleading titles of harmless things (`-harmless.txt`)
are frozen beside them. Where a folder of real data is given, the Matanga labels (agreement with a
keyword study, not truth) and the country spellings of the saved market pages are scored too. Scores compare sets:
substances by id, quantities by base amount (within 1 %) and unit, prices by amount and currency, regions by code and
role, stash by type.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from extract.gazetteer import load_gazetteer
from extract.pipeline import Extractor
from extract.reading import Reading

LABELLED = Path(__file__).parent / "labelled"
BLIND = {"blind": "blind-2026-11-", "blind-b": "blind-2026-11b-", "blind-c": "blind-2026-11c-",
         "blind-d": "blind-2026-11d-", "blind-e": "blind-2026-11e-",
         "blind-f": "blind-2026-11f-", "blind-g": "blind-2026-11g-",
         "blind-h": "blind-2026-11h-", "blind-i": "blind-2026-11i-",
         "blind-j": "blind-2026-11j-", "blind-k": "blind-2026-11k-",
         "blind-l": "blind-2026-11l-", "blind-m": "blind-2026-11m-", "blind-n": "blind-2026-11n-",
         "blind-o": "blind-2026-11o-"}
"""Splits that were asked once before anybody had seen an answer to them, and the beginning of their files' names."""
FIELDS = ("substances", "main", "quantities", "prices", "regions", "codes", "stash", "purity", "kind")
ROUNDS = 2000
COUNTED = frozenset(("offer", "combo", "sample", "lottery", "precursor"))
"""Kinds whose quantities and prices are scored: those of others (wages, the size of a scale) enter no statistic."""
SAME = {
    "2-fdck": "2f-dck", "dxm": "dextromethorphan", "poppers": "alkyl-nitrites",
    "5f-mdmb-pica": "synthetic-cannabinoids", "hgh": "steroids",
}  # fmt: skip
"""Ids of the tables, and how the oldest labels (older than the tables) call the same substance or its group."""
Labels = dict[str, Any]


def read_frozen(file: str) -> list[str]:
    """The lines of one file; ends the run if it is not the frozen one."""
    path = LABELLED / file
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    frozen = dict(line.split()[::-1] for line in (LABELLED / "SHA256SUMS").read_text().splitlines())
    if frozen[path.name] != digest:
        sys.exit(f"{path.name} is not the frozen set ({digest}). Restore it, or say in SHA256SUMS why it changed.")
    return path.read_text(encoding="utf-8").splitlines()


def read_labelled(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read_frozen(f"{name}.jsonl")]


def misled(prefix: str, extractor: Extractor) -> tuple[int, list[str]]:
    """How many harmless titles are frozen beside a blind set, and those of them that find a substance."""
    file = f"{prefix}harmless.txt"
    titles = read_frozen(file) if (LABELLED / file).exists() else []
    readings = extractor.read_many({"title": title} for title in titles)
    return len(titles), [title for title, reading in zip(titles, readings, strict=True) if reading.substances]


def answers(reading: Reading) -> dict[str, set[Any]]:
    """What the extractor said, in the shape of the labels."""
    return {
        "substances": {SAME.get(one.id, one.id) for one in reading.substances},
        "main": {SAME.get(one.id, one.id) for one in reading.substances[:1]},
        "quantities": {(float(one.base_amount), str(one.base_unit)) for one in reading.quantities},
        "prices": {(float(one.amount), one.currency) for one in reading.prices},
        "regions": {(one.code, one.role) for one in reading.regions},
        "codes": {one.code for one in reading.regions},
        "stash": {str(one.type) for one in reading.stash},
        "purity": set() if reading.purity is None else {float(reading.purity)},
        "kind": {str(reading.kind)},
    }


def truth(labels: Labels) -> dict[str, set[Any]]:
    return {
        "substances": {SAME.get(one, one) for one in labels["substances"]},
        "main": {SAME.get(one, one) for one in labels["substances"][:1]},
        "quantities": {(float(amount), unit) for amount, unit in labels["quantities"]},
        "prices": {(float(amount), currency) for amount, currency in labels["prices"]},
        "regions": {(code, role) for code, role in labels["regions"]},
        "codes": {code for code, _ in labels["regions"]},
        "stash": set(labels["stash"]),
        "purity": set() if labels["purity"] is None else {labels["purity"]},
        "kind": {labels["kind"]},
    }


def compare(field: str, want: set[Any], got: set[Any]) -> tuple[int, int, int]:
    """True positives, false positives, false negatives of one listing."""
    if field != "quantities":
        return len(want & got), len(got - want), len(want - got)
    left = set(got)
    hits = 0
    for amount, unit in want:
        near = next((one for one in left if one[1] == unit and abs(one[0] - amount) <= 0.01 * amount), None)
        if near is not None:
            left.remove(near)
            hits += 1
    return hits, len(left), len(want) - hits


def score(counts: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Micro precision, recall and F1 over listings (n x 3), with the 95 % interval of F1 by resampling listings."""

    def f1(sums: np.ndarray) -> np.ndarray:
        hits, extra, missed = sums.T
        wanted = 2 * hits + extra + missed
        return np.where(wanted > 0, 2 * hits / np.maximum(wanted, 1), 1.0)

    total = counts.sum(axis=0)
    hits, extra, missed = (int(x) for x in total)
    picks = np.random.default_rng(seed).integers(0, len(counts), (ROUNDS, len(counts)))
    low, high = np.quantile(f1(counts[picks].sum(axis=1)), (0.025, 0.975))
    return {
        "precision": hits / (hits + extra) if hits + extra else 1.0,
        "recall": hits / (hits + missed) if hits + missed else 1.0,
        "f1": float(f1(total[None, :])[0]), "low": float(low), "high": float(high),
        "labels": hits + missed, "listings": len(counts),
    }  # fmt: skip


def evaluate(
    items: list[tuple[str, dict[str, str], dict[str, set[Any]]]], extractor: Extractor, fields: tuple[str, ...],
    miss: Callable[[str, dict[str, str], str, set[Any], set[Any]], None],
) -> dict[str, dict[str, float]]:  # fmt: skip
    rows: dict[str, list[tuple[int, int, int]]] = {field: [] for field in fields}
    readings = extractor.read_many(texts for _, texts, _ in items)
    for (name, texts, want), reading in zip(items, readings, strict=True):
        got = answers(reading)
        for field in fields:
            if field in ("quantities", "prices") and want["kind"].isdisjoint(COUNTED):
                continue
            counts = compare(field, want[field], got[field])
            rows[field].append(counts)
            if counts[1] or counts[2]:
                miss(name, texts, field, want[field], got[field])
    return {field: score(np.array(counts)) for field, counts in rows.items()}


def iter_matanga(folder: Path) -> Iterator[tuple[str, dict[str, str], dict[str, set[Any]]]]:
    for number, line in enumerate((folder / "matanga" / "labels-2020-02_03.jsonl").open(encoding="utf-8")):
        row = json.loads(line)
        yield f"matanga-{number + 1:03}", {"title": row["text"]}, {
            "substances": set(row["substances"]), "main": set(row["substances"][:1]),
        }  # fmt: skip


def score_page_countries(folder: Path) -> tuple[int, int, list[str]]:
    """How many destination and origin spellings of the saved pages get a code (the pages hold no codes to compare)."""
    spelt: list[str] = []
    for row in json.loads((folder / "pages" / "expected.json").read_text(encoding="utf-8")):
        if row["field"] in ("origin_country", "destination_countries"):
            spelt += row["gold"] if isinstance(row["gold"], list) else [row["gold"]]
    places = load_gazetteer()
    unknown = [name for name in spelt if places.region_of(name) is None]
    return len(spelt), len(spelt) - len(unknown), unknown


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--split", choices=("tune", "test", "all", *BLIND), default="all")
    options.add_argument("--misses", action="store_true", help="one JSON line for each miss, on stderr")
    options.add_argument("--json", action="store_true")
    options.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    given = options.parse_args()
    extractor = Extractor()
    report: list[dict[str, Any]] = []

    def miss(name: str, texts: dict[str, str], field: str, want: set[Any], got: set[Any]) -> None:
        if given.misses:
            line: dict[str, Any] = {"id": name, "field": field, "expected": sorted(want - got)}
            line |= {"got": sorted(got - want), "text": texts}
            print(json.dumps(line, ensure_ascii=False), file=sys.stderr)

    for language in ("en", "ru"):
        file = f"{BLIND.get(given.split, '')}{language}"
        if not (LABELLED / f"{file}.jsonl").exists():
            continue  # the last sets are English only
        rows = [row for row in read_labelled(file) if given.split in ("all", row["split"], *BLIND)]
        items = [(row["id"], row["fields"], truth(row["labels"])) for row in rows]
        began = time.perf_counter()
        for field, result in evaluate(items, extractor, FIELDS, miss).items():
            report.append({"set": language, "field": field, **result})
        report[-1]["seconds"] = round(time.perf_counter() - began, 3)
    if given.split not in BLIND and (given.shared / "matanga").is_dir():
        items = list(iter_matanga(given.shared))
        for field, result in evaluate(items, extractor, ("substances", "main"), miss).items():
            report.append({"set": "matanga", "field": field, **result})
    if given.json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
        return
    print(f"split {given.split}, extractor {extractor.version}")
    print(f"{'set':8} {'field':11} {'n':>5} {'prec':>6} {'recall':>6} {'F1':>6}   95 %")
    for row in report:
        print(f"{row['set']:8} {row['field']:11} {row['labels']:5} {row['precision']:6.3f} {row['recall']:6.3f} "
              f"{row['f1']:6.3f}   {row['low']:.3f}-{row['high']:.3f}")  # fmt: skip
    if given.split in BLIND:
        total, found = misled(BLIND[given.split], extractor)
        print(f"harmless titles: {len(found)} of {total} with a substance {found if given.misses else ''}".rstrip())
    if given.split not in BLIND and (given.shared / "pages").is_dir():
        total, known, unknown = score_page_countries(given.shared)
        print(f"market pages: {known} of {total} country spellings have a code; without: {unknown}")


if __name__ == "__main__":
    main()
