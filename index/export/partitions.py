"""Observations as Parquet partitions for analysts: DuckDB, pandas, R (arrow) and Spark read the folder as one table.

    OUT/observations/market=<id>/month=<YYYY-MM>/part-0.parquet   (Hive layout: market and month are in the path)
    OUT/crawls.parquet                                            (one row a crawl, with the coverage of its market)
    OUT/about.json                                                (what was asked, version, rows, fields)

Rows are single observations: restricted material, never for publication. Vendors stand under a key made for this folder
alone; titles, descriptions and whatever else is quoted as written are left out unless asked for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from config.errors import StoreError, UsageError
from extract.observation import CoverageBasis, Crawl, Record
from index.columns import FieldKind, field_kinds
from index.coverage import scope_coverage
from index.export.question import fresh_pseudonym
from index.store import Columns, Filter, Store

TEXT = ("title", "description", "category", "quantity_text", "price_text", "place")
"""Fields that quote the market: written only where text is asked for."""
NEVER = ("spans", "version", "market")
"""Offsets into texts; the same for all rows; in the path."""
AT_ONCE = 200_000
"""Rows held before the fullest partition is written: bounds memory, whatever is exported."""
ROW_GROUP = 50_000

Progress = Callable[[int], None]
"""Told how many rows are done."""

_ARROW: dict[FieldKind, Any] = {
    "text": pa.string(), "number": pa.float64(), "integer": pa.int64(), "time": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(), "tuple": pa.list_(pa.string())}
_FRACTIONS = ("quantity", "dose_mg", "purity", "fx_rate", "confidence")
_DATES = ("day", "fx_date")


class Partitions(Record):
    """What was written."""

    rows: int
    crawls: int
    files: int
    version: str


def fields_of(*, text: bool) -> tuple[str, ...]:
    """Columns of the observations' table, in their order."""
    kinds = field_kinds("observation")
    return tuple(name for name in kinds if name not in NEVER and (text or name not in TEXT))


def build_schema(*, text: bool) -> Any:
    """The Arrow schema: whole numbers as int64, prices x 10^4 and minor units as in the Observation's schema."""
    kinds = field_kinds("observation")

    def kind_of(name: str) -> Any:
        whole = kinds[name] == "number" and name not in _FRACTIONS
        return pa.date32() if name in _DATES else pa.int64() if whole else _ARROW[kinds[name]]

    return pa.schema([pa.field(name, kind_of(name)) for name in fields_of(text=text)])


def write_partitions(
    store: Store, where: Filter, out: Path, key: bytes | None, *, text: bool = False, now: datetime,
    progress: Progress = lambda done: None,
) -> Partitions:
    """Write the observations of a filter, and the crawls of its markets and dates.

    `key`: the vendors' key of this folder; None keeps the store's own pseudonyms. The folder appears whole or not at
    all: it is written beside and renamed. UsageError: there is something at `out`, or no observation matches.
    StoreError: it cannot be written.
    """
    version = store.current_version()
    if version is None:
        raise UsageError("the store is empty.", remedy="Import or crawl something first.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already.", remedy="Give a new folder with --out.")
    draft = out.with_name(f"{out.name}.partial")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        writer = _Writer(draft / "observations", build_schema(text=text), key)
        for batch in store.scan("observation", where, ["market", *fields_of(text=text)], version):
            writer.add(batch)
            progress(writer.rows)
        writer.close()
        if not writer.rows:
            raise UsageError("no observation matches.", remedy="Leave out some of the filters.")
        crawls = [
            crawl for crawl in store.crawls(where.market, where.first, where.last)
            if not where.crawl or crawl.id in where.crawl]
        pq.write_table(_crawl_table(crawls), draft / "crawls.parquet")
        about = {
            "version": version, "made": now.astimezone(UTC).isoformat(timespec="seconds"),
            "filter": where.model_dump(mode="json", exclude_defaults=True), "rows": writer.rows,
            "crawls": len(crawls), "fields": writer.schema.names, "text": text,
            "vendors": "the store's own pseudonyms" if key is None else "under a key of this folder alone",
        }
        (draft / "about.json").write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2))
        if out.exists():
            out.rmdir()
        draft.rename(out)
    except OSError as error:
        raise StoreError(
            f"the export cannot be written: {error.strerror or error}.", file=out,
            remedy="Free space or give another folder with --out; nothing was left half done.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Partitions(rows=writer.rows, crawls=len(crawls), files=writer.files, version=version)


class _Writer:
    """Rows by partition; those of one market come together, so that few files are open at a time."""

    def __init__(self, folder: Path, schema: Any, key: bytes | None) -> None:
        self.folder, self.schema, self.key = folder, schema, key
        self.rows = self.files = 0
        self._market: str | None = None
        self._waiting: dict[str, list[Any]] = {}
        self._held = 0
        self._open: dict[str, Any] = {}
        self._names: dict[str, str] = {}

    def add(self, batch: Columns) -> None:
        """Takes a batch of a scan: by market, then offer."""
        table = pa.table(
            [_column(self._renamed(batch[name]) if name == "vendor" else batch[name], self.schema.field(name).type)
             for name in self.schema.names], schema=self.schema)
        months = np.array([day[:7] for day in batch["day"]])
        for market in dict.fromkeys(batch["market"].tolist()):
            if market != self._market:
                self.close()
                self._market = market
            of_market = batch["market"] == market
            for month in np.unique(months[of_market]).tolist():
                rows = np.flatnonzero(of_market & (months == month))
                self._waiting.setdefault(month, []).append(table.take(rows))
                self._held += len(rows)
                self.rows += len(rows)
            while self._held > AT_ONCE:
                self._flush(max(self._waiting, key=lambda month: sum(part.num_rows for part in self._waiting[month])))

    def _renamed(self, vendors: Any) -> Any:
        if self.key is None:
            return vendors
        for vendor in set(vendors.tolist()) - self._names.keys() - {None}:
            self._names[vendor] = fresh_pseudonym(vendor, self.key)
        return np.array([self._names.get(vendor) for vendor in vendors], dtype=object)

    def _flush(self, month: str) -> None:
        table = pa.concat_tables(self._waiting.pop(month))
        self._held -= table.num_rows
        writer = self._open.get(month)
        if writer is None:
            folder = self.folder / f"market={self._market}" / f"month={month}"
            folder.mkdir(parents=True)
            writer = self._open[month] = pq.ParquetWriter(folder / "part-0.parquet", self.schema, compression="zstd")
            self.files += 1
        writer.write_table(table, row_group_size=ROW_GROUP)

    def close(self) -> None:
        """Finishes the files of the market at hand."""
        try:
            for month in list(self._waiting):
                self._flush(month)
        finally:
            for writer in self._open.values():
                writer.close()
            self._open.clear()


def _column(values: Any, kind: Any) -> Any:
    if pa.types.is_integer(kind) and values.dtype.kind == "f":
        missing = np.isnan(values)
        return pa.array(np.where(missing, 0, values).astype(np.int64), mask=missing)
    if pa.types.is_timestamp(kind):
        return pa.array((values * 1e6).round().astype(np.int64)).cast(kind)
    if pa.types.is_date(kind):
        return pa.array(np.array(values, dtype="datetime64[D]"))
    if pa.types.is_floating(kind):
        return pa.array(values, mask=np.isnan(values))
    if pa.types.is_list(kind):
        return pa.array([list(value) for value in values], type=kind)
    return pa.array([None if value is None else str(value) for value in values], type=kind)


def _crawl_table(crawls: list[Crawl]) -> Any:
    scopes = [scope_coverage(crawl) for crawl in crawls]
    return pa.table({
        "crawl": pa.array([crawl.id for crawl in crawls], pa.string()),
        "market": pa.array([crawl.market for crawl in crawls], pa.string()),
        "kind": pa.array([crawl.kind.value for crawl in crawls], pa.string()),
        "outcome": pa.array([crawl.outcome.value for crawl in crawls], pa.string()),
        "started": pa.array([crawl.started for crawl in crawls], _ARROW["time"]),
        "finished": pa.array([crawl.finished for crawl in crawls], _ARROW["time"]),
        "tz": pa.array([crawl.tz for crawl in crawls], pa.string()),
        "listings": pa.array([crawl.listings for crawl in crawls], pa.int64()),
        "coverage": pa.array([scope.value for scope in scopes], pa.float64()),
        "basis": pa.array(
            [None if scope.basis is CoverageBasis.UNKNOWN else scope.basis.value for scope in scopes], pa.string()),
    })
