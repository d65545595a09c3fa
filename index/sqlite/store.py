"""The Store in one SQLite file. One writer at a time, any number of readers, none of whom is ever blocked."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import date
from pathlib import Path
from typing import Any

from config.collection import no_collection
from config.errors import StoreError, UsageError
from extract.observation import Crawl, Observation
from index.buckets import By
from index.coded import Coded
from index.columns import build_column, check_fields, check_groups, field_kinds, iso_day
from index.content import (
    Fold,
    add_reports,
    check_month,
    check_page,
    clean,
    in_batches,
    last_of_each,
    observation_key,
    started_day,
    storable,
)
from index.offer_day import OfferDay
from index.packed_days import iter_coded
from index.quantiles import PriceField, Quantiles, check_question, quantiles_by_scan
from index.sqlite import day_packs, dropping, packing, price_packs, pricing, sql
from index.sqlite.contents import drop_orphans, forget_rows, iter_contents
from index.sqlite.counting import Counter
from index.sqlite.offer_days import LAST_DAYS, put_days, replace_days
from index.sqlite.packing import Progress
from index.sqlite.rows import build_offer_day, unpack
from index.sqlite.schema import guard, open_reader, open_writer
from index.sqlite.searching import newest_hits
from index.sqlite.writer import Writer
from index.stem import parse_query
from index.store import Columns, Distinct, Filter, RecordName, SearchHit, WriteReport

_FETCH = 20_000
class SqliteStore:
    """`index.store.Store` over the file at `path`, made at the first write."""

    def __init__(self, path: Path, *, timeout: float = 30.0) -> None:
        self.path, self.timeout = path, timeout
        self._lock = threading.RLock()
        self._local = threading.local()
        self._writer: Writer | None = None
        self._readers: list[sqlite3.Connection] = []
        self._closed = False
        self._counter, self._counting = Counter(), threading.Lock()

    # connections

    def _read(self) -> sqlite3.Connection | None:
        """This thread's reading connection; None while there is no file."""
        if self._closed:
            raise StoreError("the store is closed.", file=self.path, remedy="Open it again.")
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = open_reader(self.path, self.timeout)
            if connection is not None:
                self._local.connection = connection
                with self._lock:
                    self._readers.append(connection)
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[Writer]:
        """The write lock: commits at the end, rolls back on any error."""
        with self._lock, guard(self.path):
            if self._closed:
                raise StoreError("the store is closed.", file=self.path, remedy="Open it again.")
            if self._writer is None:
                self._writer = Writer(open_writer(self.path, self.timeout))
            writer = self._writer
            writer.connection.execute("BEGIN IMMEDIATE")
            try:
                yield writer
                day_packs.drop_stale(writer.connection)
                writer.connection.execute("COMMIT")
            except BaseException:
                writer.forget_caches()
                if writer.connection.in_transaction:
                    with suppress(sqlite3.Error):  # the first error is the one to tell
                        writer.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection | None]:
        """Several statements that see one state of the file. None while there is no file."""
        with guard(self.path):
            connection = self._read()
            if connection is None or connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with guard(self.path):
            connection = self._read()
            return [] if connection is None else connection.execute(statement, tuple(values)).fetchall()

    # versions and crawls

    def current_version(self) -> str | None:
        rows = self._rows("SELECT value FROM meta WHERE name = 'current_version'")
        return str(rows[0][0]) if rows else None

    def set_current_version(self, version: str) -> None:
        with self._transaction() as writer:
            writer.connection.execute("INSERT OR REPLACE INTO meta VALUES ('current_version', ?)", (version,))

    def _version(self, version: str | None) -> str | None:
        return self.current_version() if version is None else version

    def write_crawl(self, crawl: Crawl) -> None:
        with self._transaction() as writer:
            _put_crawls(writer.connection, (crawl,))
            packing.pack_crawls(writer, first=crawl.id)

    def write_crawls(self, crawls: Sequence[Crawl]) -> None:
        with self._transaction() as writer:
            _put_crawls(writer.connection, crawls)

    def crawls(self, market: Sequence[str] = (), first: date | None = None, last: date | None = None) -> list[Crawl]:
        rows = self._rows(
            "SELECT market, body FROM crawls WHERE day >= ? AND day <= ?",
            (first.isoformat() if first else "", last.isoformat() if last else "~"))
        found = [Crawl.model_validate_json(body) for name, body in rows if not market or name in market]
        return sorted(found, key=lambda crawl: (crawl.started, crawl.id))

    # writing

    def write(self, observations: Iterable[Observation]) -> WriteReport:
        total = WriteReport()
        for batch in in_batches(observations):
            total = add_reports(total, self._write_batch(batch))
        return total

    def _write_batch(self, batch: list[Observation]) -> WriteReport:
        failed: list[tuple[str, str]] = []
        rows, repeated = last_of_each(batch, observation_key)
        try:
            written = self._put(rows)
        except (OverflowError, TypeError, UnicodeEncodeError):
            # lone surrogates are replaced, integers beyond 64 bits are reported; the rest of the batch is written
            rows, failed = storable(rows, observation_key)
            written = self._put(rows)
        return WriteReport(written=written, unchanged=len(rows) - written + repeated, failed=tuple(failed))

    def _put(self, rows: Sequence[Observation]) -> int:
        if not rows:
            return 0
        with self._transaction() as writer:
            written = writer.put(rows)
            writer.connection.execute("INSERT OR IGNORE INTO meta VALUES ('current_version', ?)", (rows[0].version,))
        return written

    def write_offer_days(self, days: Iterable[OfferDay]) -> WriteReport:
        total = WriteReport()
        for batch in in_batches(days):
            with self._transaction() as writer:
                total = add_reports(total, put_days(writer.connection, batch))
        return total

    def replace_offer_days(self, market: str, version: str, first: date, days: Iterable[OfferDay]) -> WriteReport:
        with no_collection(), self._transaction() as writer:
            return replace_days(writer.connection, market, version, first, days)

    def drop_offer_days(self, market: str, version: str, first: date, last: date | None = None) -> int:
        with self._transaction() as writer:
            price_packs.drop_range(writer.connection, version, market, first, last)
            return writer.connection.execute(
                "DELETE FROM offer_days WHERE version = ? AND market = ? AND day >= ? AND day <= ?",
                (version, market, first.isoformat(), last.isoformat() if last else "~")).rowcount

    # reading

    def last_offer_days(self, market: str, before: date, version: str) -> Iterator[OfferDay]:
        yield from map(build_offer_day, self._rows(LAST_DAYS, (version, market, before.isoformat())))

    def last_day(self, market: str, before: date, version: str) -> date | None:
        ((day,),) = self._rows(
            "SELECT MAX(day) FROM offer_days WHERE version = ? AND market = ? AND day < ?",
            (version, market, before.isoformat())) or [(None,)]
        return None if day is None else date.fromisoformat(day)

    def steady(self) -> AbstractContextManager[None]:
        return nullcontext()

    def scan(
        self, record: RecordName, where: Filter, fields: Sequence[str], version: str | None = None
    ) -> Iterator[Columns]:
        check_fields(record, fields)
        kinds = field_kinds(record)
        wanted = self._version(version)
        if wanted is None:
            return
        statement, values = sql.build_scan(record, where, fields, wanted)
        with guard(self.path):
            connection = self._read()
            if connection is None:
                return
            cursor = connection.execute(statement, values)
        try:
            while True:
                with guard(self.path):
                    rows = cursor.fetchmany(_FETCH)
                if not rows:
                    return
                columns: Columns = {}
                for field, column in zip(fields, zip(*rows, strict=True), strict=False):
                    kind, cells = kinds[field], column
                    if kind == "tuple":
                        cells = tuple(map(unpack, column))
                    elif field == "day" and record == "observation":
                        cells = tuple(map(iso_day, column))
                    columns[field] = build_column(kind, cells)
                yield columns
        finally:
            cursor.close()

    def scan_coded(self, where: Filter, fields: Sequence[str], version: str | None = None) -> Iterator[Coded] | None:
        """`index.coded.CodedStore`: from packs, a batch a market; None where these cannot tell."""
        check_fields("offer_day", fields)
        wanted = self._version(version)
        with self._snapshot() as connection:
            if connection is None or wanted is None:
                return None
            packs = day_packs.read_packs(connection, where, fields, wanted)
        return None if packs is None else iter_coded(day_packs.iter_markets(packs), where, fields)

    def count_distinct(
        self, where: Filter, by: Sequence[str], of: Distinct, version: str | None = None
    ) -> list[tuple[tuple[str | None, ...], int]]:
        check_groups(by)
        wanted = self._version(version)
        if wanted is None:
            return []
        with self._counting, self._snapshot() as connection:
            return [] if connection is None else self._counter.count(connection, where, by, of, wanted)

    def count_each(
        self, where: Filter, crawls: Sequence[tuple[str, ...]], by: Sequence[str], of: Distinct,
        version: str | None = None,
    ) -> Iterator[list[tuple[tuple[str | None, ...], int]]]:
        for some in crawls:
            yield self.count_distinct(where.model_copy(update={"crawl": some}), by, of, version)

    def quantiles(
        self, where: Filter, by: By, split: Sequence[str], field: PriceField, at: Sequence[float],
        *, with_flagged: bool = False, version: str | None = None,
    ) -> list[Quantiles]:
        check_question(by, split, at)
        wanted = self._version(version)
        if not pricing.is_packed(where, split):
            return quantiles_by_scan(self, where, by, split, field, at, with_flagged=with_flagged, version=wanted)
        with self._snapshot() as connection:
            if connection is None or wanted is None:
                return []
            return pricing.quantiles(
                connection, where, by, split, field, at, wanted, with_flagged=with_flagged)

    def search(self, text: str, where: Filter, limit: int = 20, offset: int = 0) -> list[SearchHit]:
        check_page(limit, offset)
        wanted = self._version(None)
        query = parse_query(text)
        if wanted is None or (query.empty and text.strip()):
            return []
        with self._counting, self._snapshot() as connection:
            rows = None if connection is None else newest_hits(
                connection, self._counter, query, where, wanted, limit, offset)
        if rows is None:
            rows = self._rows(*sql.build_search(query, where, wanted, limit, offset))
        return [
            SearchHit(
                market=market, listing=listing, title=title, vendor=vendor, substances=unpack(substances),
                day=date.fromordinal(day), score=1.0)
            for market, listing, title, vendor, substances, day in rows]

    # care

    def forget(self, *, crawl: str | None = None, vendor: str | None = None, market: str | None = None) -> int:
        if [crawl, vendor, market].count(None) != 2:
            raise UsageError("forget takes exactly one of crawl, vendor and market.")
        if self._read() is None:
            return 0
        with self._transaction() as writer:
            removed = forget_rows(writer.connection, crawl=crawl, vendor=vendor, market=market)
            writer.forget_caches()
        packing.pack_crawls_all(self._transaction)
        packing.pack_days_all(self._transaction)
        return removed

    def versions(self) -> list[str]:
        with guard(self.path):
            connection = self._read()
            return [] if connection is None else dropping.versions(connection)

    def drop_version(self, version: str) -> int:
        if version == self.current_version():
            raise UsageError(f"readers see version {version}.", remedy="Flip to another one first.")
        if version not in self.versions():
            return 0
        removed = 0
        with self._transaction() as writer:
            writer.forget_caches()
            dropping.drop_derived(writer.connection, version)
        more: int | None = 1
        while more:
            with self._transaction() as writer:
                more = dropping.drop_days(writer.connection, version)
                removed += more
        more = 0
        while more is not None:
            with self._transaction() as writer:
                more = dropping.drop_observations(writer.connection, version)
                removed += more or 0
        with self._transaction() as writer:
            drop_orphans(writer.connection)
            writer.forget_caches()
        return removed

    def purged_before(self) -> date | None:
        with guard(self.path):
            connection = self._read()
            return None if connection is None else dropping.purged_before(connection)

    def drop_before(self, first_kept: date) -> int:
        check_month(first_kept)
        if self._read() is None:
            return 0
        removed = dropping.purge(self._transaction, first_kept)
        packing.pack_crawls_all(self._transaction)
        packing.pack_days_all(self._transaction)
        return removed

    def rebuild(
        self, progress: Progress = lambda what, done, total: None, *, only_stale: bool = False
    ) -> Mapping[str, int]:
        return {} if self._read() is None else packing.rebuild(self._transaction, progress, only_stale=only_stale)

    def digest(self) -> Mapping[str, str]:
        with guard(self.path):
            connection = self._read()
            return {
                record: Fold(() if connection is None else iter_contents(connection, record)).hexdigest()
                for record in ("observation", "offer_day", "crawl")}

    def iter_contents(self, record: RecordName) -> Iterator[bytes]:
        with guard(self.path):
            connection = self._read()
            if connection is not None:
                yield from iter_contents(connection, record)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for connection in self._readers:
                connection.close()
            if self._writer is not None:
                self._writer.connection.close()
            self._readers, self._writer = [], None


def _put_crawls(connection: sqlite3.Connection, crawls: Sequence[Crawl]) -> None:
    connection.executemany("INSERT OR REPLACE INTO crawls VALUES (?, ?, ?, ?, ?)", [
        (crawl.id, crawl.market, started_day(crawl), crawl.started.isoformat(), crawl.model_dump_json())
        for crawl in map(clean, crawls)])
