"""Holds the CAS numbers of extract/vocab/substances.csv against those of PubChem. Not needed to run Dropline.

    python -m venv V && V/bin/pip install --no-deps chemicals==1.5.2
    V/bin/python bench/check_cas.py

Source: identifiers and synonyms from PubChem, as the package `chemicals` (MIT) brings them for some 75,000 compounds.
Prints every row whose number PubChem gives to a compound that bears no name of the row, or whose name it gives to
other numbers only (a salt, a namesake): to be looked at by a person, since most are right. Then how many agree, and
how many PubChem's part knows nothing of.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "extract" / "vocab" / "substances.csv"


def iter_compounds() -> Iterator[tuple[str, list[str]]]:
    """CAS number and lower-case names."""
    for file in files("chemicals") or ():
        if file.suffix == ".tsv" and file.name.startswith("chemical identifiers"):
            for line in file.read_text(encoding="utf-8").splitlines():
                cells = line.split("\t")
                yield cells[1], [name.strip().lower() for name in cells[7:]]


def names_of(row: dict[str, str]) -> set[str]:
    """The ways a row's name may be written."""
    plain = {row["id"], row["name"].lower(), *re.split(r" \(|\)", row["name"].lower())} - {""}
    return plain | {name.replace("-", " ") for name in plain} | {name.replace(" ", "-") for name in plain}


def main() -> None:
    known: dict[str, list[str]] = {}
    numbers: dict[str, set[str]] = defaultdict(set)
    for cas, names in iter_compounds():
        known[cas] = names
        for name in names:
            numbers[name].add(cas)
    found: Counter[str] = Counter()
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            named = {cas for name in names_of(row) for cas in numbers.get(name, ())}
            cas = row["cas"]
            if not cas:
                said = "no number" if named else "no number, and none known"
            elif cas in named:
                said = "agrees"
            elif cas in known:
                said = "number of a compound of other names"
            else:
                said = "name of other numbers" if named else "unknown to PubChem's part"
            found[said] += 1
            if said in ("number of a compound of other names", "name of other numbers", "no number"):
                print(f"{row['id']}: {cas or '-'}: {said}: {', '.join(known.get(cas, [])[:4] or sorted(named))}")
    for said, count in found.most_common():
        print(f"{count:5} {said}")


if __name__ == "__main__":
    main()
