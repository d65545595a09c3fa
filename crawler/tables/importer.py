"""Tables to logs: every row is written to its crawl's durable log, or counted under a reason with file and line.

The log is the permanent record; extraction reads it afterwards. Running an import again changes nothing: a crawl's id
comes from its content, and a crawl whose log is finished is passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from config.errors import InputError
from crawler.items import Coverage, Crawl, CrawlKind, CrawlOutcome, Listing, build_crawl_id
from crawler.log import CrawlLog, is_finished, log_path
from crawler.privacy import Masker
from crawler.tables.files import Row, Table, iter_rows, iter_tables
from crawler.tables.mapping import Mapping
from crawler.tables.rows import RowReader, offer_key

EXAMPLES = 5
"""Rejected rows kept in the report (all are counted, and handed to `on_reject`)."""


BATCH = 1_000
"""Listings written to a log at a time."""


@dataclass(frozen=True)
class Rejected:
    file: str
    line: int
    reason: str
    detail: str


@dataclass
class ImportReport:
    """What an import did. `rows` = `stored` + all of `reasons`, for the tables that were read this time."""

    tables: int = 0
    unchanged_tables: int = 0
    rows: int = 0
    stored: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Tables or archives that could not be read, or not to their end."""
    logs: list[Path] = field(default_factory=list)
    """Finished logs of this import, those of earlier runs included."""


class Importer:
    """Imports tables by one mapping into `logs_dir`, masked by `masker`."""

    def __init__(self, mapping: Mapping, masker: Masker, logs_dir: Path, on_reject: Callable[[Rejected], None]) -> None:
        self.mapping, self.masker, self.logs_dir, self.on_reject = mapping, masker, logs_dir, on_reject
        self.reader = RowReader(mapping)
        self.report = ImportReport()

    def _reject(self, table: Table, row: Row, reason: str, detail: str) -> None:
        rejected = Rejected(table.name, row.line, reason, detail)
        self.report.reasons[reason] += 1
        if len(self.report.rejected) < EXAMPLES:
            self.report.rejected.append(rejected)
        self.on_reject(rejected)

    def run(self, path: Path, progress: Callable[[str, int], None]) -> Iterator[Path]:
        """Import all tables of `path`; yields each finished log, new or old, as soon as it is there.

        `progress` is told the table's name and the rows done so far. A table that cannot be read is noted in
        `report.problems` and the others go on; UsageError (a column the mapping needs is missing) ends the run.
        """
        try:
            for table in iter_tables(path):
                self.report.tables += 1
                try:
                    yield from self._table(table, progress)
                except InputError as error:
                    self.report.problems.append(f"{error} Nothing of this table is stored.")
        except InputError as error:
            if not self.report.tables:
                raise
            self.report.problems.append(str(error))

    def _table(self, table: Table, progress: Callable[[str, int], None]) -> Iterator[Path]:
        known = self._finished_earlier(table)
        if known:
            self.report.unchanged_tables += 1
            self.report.logs += known
            yield from known
            return
        open_crawls: dict[str, _OpenCrawl] = {}
        stored = self.report.stored
        try:
            with closing(iter_rows(table, self.mapping.encoding, self.mapping.delimiter)) as rows:
                for row in rows:
                    if isinstance(row, list):
                        self.report.unmapped.update(self.mapping.check_columns(row, table.name))
                        continue
                    self.report.rows += 1
                    if self.report.rows % 500 == 0:
                        progress(table.name, self.report.rows)
                    if row.problem is not None:
                        self._reject(table, row, "unreadable", row.problem)
                        continue
                    self._row(table, row, open_crawls)
        except InputError:
            # half a table would pass for the whole one ever after
            for crawl in open_crawls.values():
                crawl.discard()
            self.report.rows -= self.report.stored - stored
            self.report.stored = stored
            raise
        for crawl in open_crawls.values():
            path = crawl.finish()
            self.report.logs.append(path)
            yield path
        progress(table.name, self.report.rows)

    def _row(self, table: Table, row: Row, open_crawls: dict[str, _OpenCrawl]) -> None:
        moment = self.reader.observed_at(row.cells)
        name = ""  # one crawl a file, or one a day
        if self.mapping.crawl == "day" and moment is not None:
            name = moment.astimezone(self.reader.zone).date().isoformat()
        crawl = open_crawls.get(name)
        if crawl is None and moment is not None:
            crawl = open_crawls[name] = self._begin(table, moment)
        reading = self.reader.read(row.cells, crawl.header.id if crawl else "")
        self.report.unread.update(reading.unread)
        if reading.listing is None or crawl is None:
            self._reject(table, row, reading.reason or "unreadable", reading.detail)
            if crawl is not None:
                crawl.dropped[reading.reason or "unreadable"] += 1
        elif crawl.add(reading.listing, self.masker):
            self.report.stored += 1
        else:
            self._reject(table, row, "duplicate", "repeats an offer of this crawl")

    def _begin(self, table: Table, started: datetime) -> _OpenCrawl:
        header = Crawl(
            id=build_crawl_id(self.mapping.market, started, table.digest),
            market=self.mapping.market,
            kind=CrawlKind.IMPORT,
            started=started,
            outcome=CrawlOutcome.PARTIAL,
            tz=self.mapping.tz,
            country=self.mapping.country,
            pieces_as_grams=self.mapping.pieces_as_grams,
            source=table.name,
        )
        log_path(self.logs_dir, header).unlink(missing_ok=True)  # left unfinished by a run that was killed
        return _OpenCrawl(CrawlLog(self.logs_dir, header), by_place=self.mapping.scope == "place")

    def _finished_earlier(self, table: Table) -> list[Path]:
        """Logs of a table with the same content, if there are any and all were finished."""
        any_time = build_crawl_id(self.mapping.market, datetime.fromtimestamp(0, UTC), table.digest)
        suffix = any_time.rsplit("-", 1)[1]
        paths = sorted((self.logs_dir / self.mapping.market).glob(f"*-{suffix}.jsonl"))
        return paths if all(is_finished(path) for path in paths) else []


class _OpenCrawl:
    """A crawl being imported: its log, and what its record will say."""

    def __init__(self, log: CrawlLog, *, by_place: bool) -> None:
        self.log, self.header, self.by_place = log, log.crawl, by_place
        self.batch: list[Listing] = []
        self.dropped: Counter[str] = Counter()
        self.offers: set[bytes] = set()
        self.listings: dict[str, set[str]] = {}
        self.first = self.last = self.header.started

    def add(self, listing: Listing, masker: Masker) -> bool:
        """Log a listing; False where this crawl has its offer already."""
        key = offer_key(listing)
        if key in self.offers:
            self.dropped["duplicate"] += 1
            return False
        self.offers.add(key)
        place = (listing.offers[0].place or "") if self.by_place else ""
        self.listings.setdefault(place, set()).add(listing.listing)
        self.first, self.last = min(self.first, listing.observed_at), max(self.last, listing.observed_at)
        self.batch.append(masker.mask_listing(listing))
        if len(self.batch) == BATCH:
            self._flush()
        return True

    def _flush(self) -> None:
        self.log.append(self.batch)
        self.batch.clear()

    def discard(self) -> None:
        """Leaves nothing of this crawl."""
        self.log.close()
        self.log.path.unlink()

    def finish(self) -> Path:
        self._flush()
        seen = len(set().union(*self.listings.values()))
        places = tuple(
            Coverage(scope="place", name=place, seen=len(found))
            for place, found in sorted(self.listings.items())
            if place
        )
        self.log.finish(
            self.header.model_copy(
                update={
                    "started": self.first,
                    "finished": self.last,
                    "listings": seen,
                    "dropped": dict(self.dropped),
                    "coverage": (Coverage(seen=seen), *places),
                }
            )
        )
        return self.log.path
