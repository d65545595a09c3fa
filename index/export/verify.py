"""Checking a package: its files, its form, and whether the store still gives the same figures."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pydantic import ValidationError

from config.errors import InputError, UsageError
from extract.observation import Record
from index.content import Fold, canonical
from index.export.codebook import build_columns
from index.export.package import SUMS, Sealed, answer
from index.export.suppress import SUPPRESSED
from index.measures import TrendRow
from index.store import Store

TOLD = 5
"""Differences shown of one kind; the others are counted."""
LONGEST = 160
TOLERANCE = 1e-9
Already = Callable[[str, TrendRow], bool]


class Finding(Record):
    """One check: whether it went well, and what was found."""

    check: str
    ok: bool
    detail: str = ""


def read_sealed(folder: Path) -> Sealed:
    """What a package says it was asked. InputError where it is none of ours."""
    return _sealed(read_descriptor(folder), folder)


def read_descriptor(folder: Path) -> dict[str, Any]:
    file = folder / "datapackage.json"
    try:
        loaded = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            "this folder holds no package.", file=folder, remedy="Give the folder that `dropline export` wrote."
        ) from error
    except ValueError as error:
        raise InputError(f"not JSON ({error}).", file=file, remedy="Get the package again.") from error
    if not isinstance(loaded, dict):
        raise InputError("not a data package.", file=file, remedy="Get the package again.")
    return loaded


def _sealed(package: Mapping[str, Any], folder: Path) -> Sealed:
    try:
        return Sealed.model_validate_json(json.dumps(package.get("dropline")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"the package's own record is wrong: {where or 'dropline'}: {first['msg']}.",
            file=folder / "datapackage.json", remedy="It was changed, or made by another version of dropline.",
        ) from error


def verify_package(folder: Path, store: Store | None = None, already: Already | None = None) -> list[Finding]:
    """Every check of a package, in order. `already` is the judge of the earlier packages it was made against
    (`index.export.earlier`), where they are at hand.

    UsageError: no package there. InputError: its record cannot be read. StoreError where the store fails.
    """
    package = read_descriptor(folder)
    findings = [*_check_files(folder), *_check_resources(folder, package), *_check_form(folder)]
    sealed = _sealed(package, folder)
    if all(finding.ok for finding in findings):
        findings += [_check_twins(folder, sealed)]
    if store is not None:
        findings += _check_figures(folder, sealed, store, already)
    return findings


def _finding(check: str, wrong: Sequence[str], right: str) -> Finding:
    if not wrong:
        return Finding(check=check, ok=True, detail=right)
    more = f"; and {len(wrong) - TOLD} more" if len(wrong) > TOLD else ""
    return Finding(check=check, ok=False, detail="; ".join(one[:LONGEST] for one in wrong[:TOLD]) + more)


def _check_files(folder: Path) -> list[Finding]:
    """Every file has the hash that SHA256SUMS says, and there is no other file."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return [Finding(check="hashes", ok=False, detail=f"{SUMS} is missing or unreadable")]
    wrong, named = [], set()
    for number, line in enumerate(lines, start=1):
        digest, gap, name = line.partition("  ")
        named.add(name)
        file = folder / name
        if not gap or not file.resolve().is_relative_to(folder.resolve()):
            wrong.append(f"{SUMS}, line {number}: not a hash and a file of the package")
        elif not file.is_file():
            wrong.append(f"{name} is missing")
        elif hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            wrong.append(f"{name} was changed")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {SUMS}
    wrong += [f"{name} is not in {SUMS}" for name in sorted(there - named)]
    return [_finding("hashes", wrong, f"{len(named)} files")]


def _check_resources(folder: Path, package: Mapping[str, Any]) -> list[Finding]:
    """datapackage.json names the same hashes: SHA256SUMS alone could be rewritten with the files."""
    wrong = []
    resources = package.get("resources")
    for one in resources if isinstance(resources, list) else []:
        path, stated = folder / str(one.get("path")), str(one.get("hash"))
        if not path.is_file():
            wrong.append(f"{one.get('path')} is missing")
        elif f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" != stated:
            wrong.append(f"{one.get('path')} has another hash than datapackage.json says")
    if not resources:
        wrong.append("datapackage.json names no data")
    return [_finding("datapackage.json", wrong, "names the hashes of the data as they are")]


def _check_form(folder: Path) -> list[Finding]:
    """The frictionless library finds the data as the schema says: types, enums, bounds, hashes."""
    from frictionless import Package, system
    from frictionless.exception import FrictionlessException

    try:
        with system.use_context(trusted=False):
            report = Package.from_descriptor(str(folder / "datapackage.json")).validate()
    except FrictionlessException as error:
        return [_finding("frictionless", [error.error.message], "")]
    wrong = [f"{task.name}: {error.message}" for task in report.tasks for error in task.errors]
    wrong += [error.message for error in report.errors]
    return [_finding("frictionless", wrong, f"{len(report.tasks)} tables valid")]


def read_columns(folder: Path, measure: str) -> dict[str, list[Any]]:
    """A measure's columns from its Parquet file; dates are `date`."""
    return {str(k): list(v) for k, v in pq.read_table(folder / "data" / f"{measure}.parquet").to_pydict().items()}


def _check_twins(folder: Path, sealed: Sealed) -> Finding:
    """CSV and Parquet hold the same."""
    wrong = []
    for measure in sealed.rows:
        file = folder / "data" / f"{measure}.parquet"
        schema = pq.read_schema(file)
        types = {field.name: field.type for field in schema}
        options = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""])
        table = pyarrow.csv.read_csv(folder / "data" / f"{measure}.csv", convert_options=options)
        if table.to_pydict() != pq.read_table(file).to_pydict():
            wrong.append(f"{measure}: CSV and Parquet differ")
        elif table.num_rows != sealed.rows[measure]:
            wrong.append(f"{measure}: {table.num_rows} rows where {sealed.rows[measure]} were written")
    return _finding("CSV and Parquet", wrong, "hold the same")


def _check_figures(folder: Path, sealed: Sealed, store: Store, already: Already | None) -> list[Finding]:
    """The same question, asked of the store again."""
    findings = []
    extractor = store.current_version()
    findings.append(Finding(
        check="extractor", ok=extractor == sealed.versions.extractor,
        detail=f"{extractor}" if extractor == sealed.versions.extractor
        else f"the store is read by {extractor or 'nothing yet'}, the package by {sealed.versions.extractor}",
    ))
    crawls = store.crawls(sealed.question.where.market)
    same = Fold(map(canonical, crawls)).hexdigest() == sealed.versions.crawls_sha256
    findings.append(Finding(
        check="crawls", ok=same, detail=f"{len(crawls)}, the same" if same
        else f"the store has other crawls ({len(crawls)}) than the package was made from ({sealed.versions.crawls})",
    ))
    # without the earlier packages nobody knows why more is withheld: then what was told is held against bare figures
    lenient = bool(sealed.against) and already is None
    control = sealed.control.model_copy(update={"level": "restricted"}) if lenient else sealed.control
    release = answer(
        store, sealed.question, control, vendor_key=b"verify", already=already or (lambda measure, row: False)
    )
    for measure, rows in release.rows.items():
        try:
            wrong = compare(read_columns(folder, measure), build_columns(rows), lenient=lenient)
        except (OSError, pa.ArrowException) as error:
            wrong = [f"data/{measure}.parquet cannot be read: {error}"]
        findings.append(_finding(f"figures: {measure}", wrong, f"{len(rows)} rows, the same again"))
    return findings


def compare(
    old: Mapping[str, Sequence[Any]], fresh: Mapping[str, Sequence[Any]], *, lenient: bool = False
) -> list[str]:
    """Differences between two tables of one measure, in words. Vendors are under other keys each time: rows are then
    held against each other without them, as often as they occur. `lenient`: what was withheld is not compared."""
    names = [name for name in dict.fromkeys([*old, *fresh]) if name != "vendor"]
    lacking = [f"column {name} is only in {'the package' if name in old else 'the answer'}"
               for name in names if (name in old) != (name in fresh)]
    if lacking and len(old.get("bucket", ())) + len(fresh.get("bucket", ())):
        return lacking
    before, now = _rows(old, names), _rows(fresh, names)
    if "vendor" in old:
        left, right = Counter(map(str, before)), Counter(map(str, now))
        return [f"only in the package: {row}" for row in left - right] + [f"only now: {row}" for row in right - left]
    if len(before) != len(now):
        return [f"{len(before)} rows in the package, {len(now)} now"]
    reason = names.index("reason") if "reason" in names else -1
    wrong = []
    for one, other in zip(before, now, strict=True):
        if lenient and reason >= 0 and one[reason] == SUPPRESSED:
            continue
        wrong += [
            f"{one[0]}: {name} was {left}, is {right}"
            for name, left, right in zip(names, one, other, strict=True)
            if not _same(left, right) and not (lenient and name == "unknown" and left is None)
        ]
    return wrong


def _rows(columns: Mapping[str, Sequence[Any]], names: Iterable[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(columns[name] for name in names if name in columns), strict=True))


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(left == right)
