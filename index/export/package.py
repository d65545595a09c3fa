"""Writing a package: CSV and Parquet of each measure, datapackage.json, datacite.json, methods, README, SHA256SUMS."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from config.errors import InputError, StoreError, UsageError
from extract.observation import Record
from index.content import Fold, canonical
from index.export.codebook import build_columns, build_schema
from index.export.metadata import Publication, Versions, build_datacite, build_methods, build_readme
from index.export.question import Control, Question, check_question, rename_vendors, run_question
from index.export.suppress import Release, Released, release_rows
from index.measures import TrendRow
from index.store import Store

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
SUMS = "SHA256SUMS"
_ARROW = {"date": pa.date32(), "integer": pa.int64(), "number": pa.float64(), "string": pa.string()}


class Sealed(Record):
    """What stands in datapackage.json under `dropline`: enough to ask the same question again."""

    question: Question
    control: Control
    versions: Versions
    against: tuple[str, ...] = ()
    """Ids of the earlier packages this one was checked against."""
    rows: dict[str, int]
    suppressed: dict[str, int]
    undue: int


def answer(
    store: Store, question: Question, control: Control, *, vendor_key: bytes,
    already: Callable[[str, TrendRow], bool] = lambda measure, row: False,
) -> Release:
    """The rows of a package: asked, withheld where they must be, vendors under the package's own key.

    UsageError for a question that cannot be published.
    """
    check_question(question, control)
    release = release_rows(store, question, control, run_question(store, question), already)
    renamed = {}
    for measure, rows in release.rows.items():
        plain = rename_vendors([each.row for each in rows], vendor_key)
        # a split by vendor is only ever released whole, so that the flags need not be moved along
        renamed[measure] = tuple(
            Released(row=row, suppressed=each.suppressed) for row, each in zip(plain, rows, strict=True)
        )
    return release.model_copy(update={"rows": renamed})


def read_versions(
    store: Store, question: Question, *, dropline: str, vocabulary: str | None = None, whole: bool = False
) -> Versions:
    """What the figures rest on. With `whole` the digest of the entire store, which reads all of it.

    StoreError: the store is empty.
    """
    extractor = store.current_version()
    if extractor is None:
        raise StoreError("the store is empty.", remedy="Crawl a market or import a table first.")
    crawls = store.crawls(question.where.market)
    return Versions(
        dropline=dropline, extractor=extractor, vocabulary=vocabulary, crawls=len(crawls),
        crawls_sha256=Fold(map(canonical, crawls)).hexdigest(),
        first_crawl=crawls[0].started if crawls else None, last_crawl=crawls[-1].started if crawls else None,
        store=dict(store.digest()) if whole else None,
    )


def write_package(
    folder: Path, release: Release, question: Question, control: Control, versions: Versions,
    publication: Publication, *, created: datetime, against: Sequence[str] = (),
) -> Sealed:
    """Write a package into a new folder, whole or not at all.

    UsageError: the folder holds something already. InputError: it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("the folder for the package is not empty.", file=folder, remedy="Name a new one with --out.")
    rough = folder.with_name(f".{folder.name}.part")
    try:
        if rough.exists():
            shutil.rmtree(rough)  # left by a run that was killed
        (rough / "data").mkdir(parents=True)
        sealed = _fill(rough, release, question, control, versions, publication, created, against)
        if folder.exists():
            folder.rmdir()
        rough.replace(folder)
    except OSError as error:
        shutil.rmtree(rough, ignore_errors=True)
        raise InputError(
            f"the package cannot be written: {error.strerror}.", file=folder, remedy="Check the disk and the folder."
        ) from error
    return sealed


def _fill(
    folder: Path, release: Release, question: Question, control: Control, versions: Versions,
    publication: Publication, created: datetime, against: Sequence[str],
) -> Sealed:
    resources: list[dict[str, Any]] = []
    for measure, rows in release.rows.items():
        columns = build_columns(rows)
        schema = build_schema(columns, tuple(rows[0].row.splits) if rows else ())
        for form, kind in (("csv", schema), ("parquet", _nullable(columns, schema))):
            content = to_csv(columns) if form == "csv" else to_parquet(columns, kind)
            path = f"data/{measure}.{form}"
            (folder / path).write_bytes(content)
            about: dict[str, Any] = {"mediatype": "application/vnd.apache.parquet"}
            if form == "csv":
                # frictionless 5.21 counts no bytes of a Parquet file, and takes a stated number for wrong
                about = {"mediatype": "text/csv", "encoding": "utf-8", "bytes": len(content),
                         "dialect": {"delimiter": ",", "lineTerminator": "\n"}}
            resources.append({
                "name": measure if form == "csv" else f"{measure}-parquet", "type": "table", "path": path,
                "title": f"{measure} by {question.by}", "format": form, **about,
                "hash": f"sha256:{hashlib.sha256(content).hexdigest()}", "schema": kind,
            })
    sealed = Sealed(
        question=question, control=control, versions=versions, against=tuple(against),
        rows={measure: len(rows) for measure, rows in release.rows.items()},
        suppressed={measure: release.count_suppressed(measure) for measure in release.rows}, undue=release.undue,
    )
    counts = {name: f"{sealed.rows[name]}, {sealed.suppressed[name]} suppressed" for name in sealed.rows}
    texts = {
        "README.md": build_readme(publication, question, control, versions, counts),
        "methods.md": build_methods(question.measures),
        "datacite.json": to_json(build_datacite(publication, question, control, versions, created)),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    package = {
        "$schema": PROFILE, "name": "dropline-trends", "id": build_id(resources), "title": publication.title,
        "created": created.isoformat(timespec="seconds"), "version": "1.0.0",
        **({"licenses": [{"name": publication.licence}]} if publication.licence else {}),
        **({"contributors": [{"title": name, "roles": ["creator"]} for name in publication.creators]}
           if publication.creators else {}),
        "resources": resources, "dropline": sealed.model_dump(mode="json"),
        "files": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in texts},
    }
    (folder / "datapackage.json").write_text(to_json(package), encoding="utf-8", newline="\n")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / SUMS).write_text("".join(sums), encoding="ascii", newline="\n")
    return sealed


def build_id(resources: Sequence[Mapping[str, Any]]) -> str:
    """Id of a package's content: the same figures have the same id."""
    hashes = sorted(f"{one['path']} {one['hash']}\n" for one in resources if one["format"] == "csv")
    return f"sha256:{hashlib.sha256(''.join(hashes).encode()).hexdigest()}"


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=False) + "\n"


def to_csv(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """RFC 4180 with line feeds; an empty cell is a missing value. Numbers read back the same."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for cells in zip(*columns.values(), strict=True):
        writer.writerow([_csv_cell(cell) for cell in cells])
    return stream.getvalue().encode()


def _csv_cell(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return repr(cell)
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _nullable(columns: Mapping[str, Sequence[Any]], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the Parquet file: whole numbers that may be missing are floating there, as pandas and R (and
    frictionless, which reads by pandas) have them."""
    fields = []
    for one in schema["fields"]:
        field = dict(one)
        if None in columns[field["name"]] and field["type"] in {"integer", "number"}:
            field["type"] = "number"
            field.pop("constraints", None)  # a missing number comes to frictionless as NaN, which has no bounds
        fields.append(field)
    return {**schema, "fields": fields}


def to_parquet(columns: Mapping[str, Sequence[Any]], schema: Mapping[str, Any]) -> bytes:
    """The same columns; descriptions stand in the fields' metadata."""
    fields = [
        pa.field(one["name"], _ARROW[one["type"]], metadata={"description": one["description"]})
        for one in schema["fields"]
    ]
    table = pa.table([pa.array(columns[field.name], type=field.type) for field in fields], schema=pa.schema(fields))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())
