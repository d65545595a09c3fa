"""All logs again, with the present extractor, into a new version beside the one that readers see; then the flip.

Nothing is edited in place: observations of the new version are written under its name, offer-days derived for it,
crawl records kept. What is done is marked crawl by crawl (`monitor.versions`) after it is durable in the store, so that
a run that was killed goes on. Meanwhile `monitor.ingest` writes new crawls to both versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from config.errors import UsageError
from config.settings import Settings
from crawler.items import Crawl
from crawler.log import log_path
from index.derive import derive_offer_days
from index.store import Filter, Store
from monitor.rereading import Part, Reader, Work
from monitor.review import ReviewQueue
from monitor.state import State
from monitor.versions import UNSETTLED, Mark, Versions, store_name

Progress = Callable[[str, int, int], None]
"""What is being done, how far (bytes of logs, or markets), of how much."""


@dataclass
class ReextractReport:
    """What a run did. `missing`: stored crawls without a log; `failed`: logs or rows, with the reason."""

    version: str
    crawls: int = 0
    listings: int = 0
    observations: int = 0
    done_before: int = 0
    offer_days: int = 0
    missing: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return not self.missing and not self.failed


class Reextractor:
    """Re-extraction of one store. `version`: the present extractor's; `clock` gives aware times."""

    def __init__(
        self, store: Store, settings: Settings, state: State, version: str, read: Reader, clock: Callable[[], datetime]
    ) -> None:
        self.store, self.settings, self.version, self.read, self.clock = store, settings, version, read, clock
        self.versions = Versions(state, store_name(settings))
        self.review = ReviewQueue(state, settings.data_dir)

    def run(self, progress: Progress) -> ReextractReport:
        """Reads what is not done yet into the present extractor's version. Readers see no difference until `flip`.

        UsageError where there is nothing to re-extract."""
        current = self.store.current_version()
        if current is None:
            raise UsageError("the store is empty.", remedy="Import or crawl something first.")
        known = self.versions.find(self.version)
        if current != self.version:
            known = self.versions.begin(self.version, current, self.clock())
        elif known is None:
            return ReextractReport(self.version)
        report = self._fill(self.version, progress, finished=known.finished is not None)
        if report.complete:
            self.versions.finish(self.version, self.clock())
        return report

    def again(self, progress: Progress) -> ReextractReport:
        """Reads all logs again into the version that readers see: what later rates make of prices is put in the place
        of what stood there. Broken off it is simply run again.

        UsageError where the present extractor is not the one that readers see."""
        if self.store.current_version() != self.version:
            raise UsageError(
                "readers do not see what the present extractor reads.", remedy="Run `dropline reextract` instead."
            )
        report, since = ReextractReport(self.version), dict[str, date]()
        crawls = {crawl.id: crawl for crawl in self.store.crawls()}
        todo = self._logs(crawls.values(), report)
        self._read(todo, self.version, report, progress, {})
        _note_days((crawls[work.crawl] for work in todo), since)
        self._derive(since, self.version, report, progress)
        return report

    def flip(self, *, partly: bool = False) -> str:
        """Readers see the present extractor's version from now on; returns the version they saw.

        UsageError where it is not all read yet (`partly`: flip all the same)."""
        current = self.store.current_version()
        known = self.versions.find(self.version)
        if known is None or current is None or current == self.version or known.base != current:
            raise UsageError("there is no re-extraction to flip to.", remedy="Run `dropline reextract` first.")
        if known.finished is None and not partly:
            raise UsageError(
                "not everything is in the new version.",
                remedy="Run `dropline reextract` again, or flip without what is missing: --flip --partly.",
            )
        self.store.set_current_version(self.version)
        return current

    def back(self, progress: Progress) -> tuple[str, ReextractReport]:
        """Readers see again what they saw before the flip. Crawls that came in since are read into that version first
        (by the present extractor), so that no gap opens. Returns that version and what was read."""
        current = self.store.current_version()
        known = None if current is None else self.versions.find(current)
        if known is None:
            raise UsageError(
                "readers have not been flipped to another version.", remedy="`dropline status` shows what they see."
            )
        report = self._fill(known.base, progress, finished=True, unless_there=True)
        self.store.set_current_version(known.base)
        return known.base, report

    def drop(self, version: str) -> int:
        """Removes a version that readers do not see; returns rows removed. Broken off it may be run again.

        UsageError for the version that readers see, and for one that is not there."""
        there = self.store.versions()
        if version not in there:
            raise UsageError(
                f"the store holds no version {version!r}.",
                remedy=f"There is: {', '.join(there)}." if there else "The store is empty.",
            )
        if version == self.store.current_version():
            raise UsageError(
                f"readers see version {version}.", remedy="Flip to another one first: dropline reextract --flip"
            )
        # first of all, so that a drop that is broken off does not leave crawls marked as done
        self.versions.forget(version)
        return self.store.drop_version(version)

    def _fill(
        self, version: str, progress: Progress, *, finished: bool, unless_there: bool = False
    ) -> ReextractReport:
        report = ReextractReport(version)
        since: dict[str, date] = {}
        settled: dict[str, Mark] = {}
        tried: set[str] = set()
        gone = self.versions.marks(version).keys() - {crawl.id for crawl in self.store.crawls()}
        if gone:  # forgotten since: the store dropped the offer-days they touched, here too
            finished = False
        while True:  # crawls that came in meanwhile, by a process that knew nothing of us, are in the next round
            crawls = self.store.crawls()
            pending = self._pending(crawls, version, report, unless_there=unless_there)
            if not tried:
                report.done_before = len(crawls) - len(pending) - len(report.missing)
            todo = [work for work in pending if work.crawl not in tried]
            if not todo:
                break
            self.versions.reopen(version)
            wanted = {work.crawl for work in todo}
            tried |= wanted
            _note_days((crawl for crawl in crawls if crawl.id in wanted), since)
            if unless_there:
                for work in todo:
                    self.versions.mark(version, work.crawl, Mark(work.size, UNSETTLED))
            self._read(todo, version, report, progress, settled)
            if not unless_there:
                settled.clear()
        if not finished:  # a run that was killed may have read crawls and derived nothing
            _note_days(self.store.crawls(), since)
        self._derive(since, version, report, progress)
        self.versions.unmark(version, gone)
        for crawl_id, mark in settled.items():
            self.versions.mark(version, crawl_id, mark)
        return report

    def _derive(self, since: dict[str, date], version: str, report: ReextractReport, progress: Progress) -> None:
        for number, (market, day) in enumerate(sorted(since.items())):
            progress(f"offer-days of {market}", number, len(since))
            report.offer_days += derive_offer_days(self.store, market, version, day)

    def _logs(self, crawls: Iterable[Crawl], report: ReextractReport) -> list[Work]:
        """The logs of crawls, by market and time; `report.missing` takes the crawls that have none."""
        todo, report.missing = [], []
        for crawl in sorted(crawls, key=lambda one: (one.market, one.started, one.id)):
            path = log_path(self.settings.logs_dir, crawl)
            if path.is_file():
                todo.append(Work(crawl.id, path, path.stat().st_size, crawl.finished is not None))
            else:
                report.missing.append(crawl.id)
        return todo

    def _pending(
        self, crawls: Sequence[Crawl], version: str, report: ReextractReport, *, unless_there: bool
    ) -> list[Work]:
        """Logs still to be read, by market and time. A mark counts only while log and store still agree with it."""
        marks = self.versions.marks(version)
        counts = {key[0]: count for key, count in self.store.count_distinct(Filter(), ("crawl",), "offer", version)}
        wanted = [
            crawl for crawl in crawls
            if not (unless_there and counts.get(crawl.id, 0))
            or ((mark := marks.get(crawl.id)) is not None and mark.offers == UNSETTLED)
        ]  # fmt: skip
        logs = self._logs(wanted, report)
        return [work for work in logs if marks.get(work.crawl) != Mark(work.size, counts.get(work.crawl, 0))]

    def _read(
        self,
        todo: Sequence[Work],
        version: str,
        report: ReextractReport,
        progress: Progress,
        settled: dict[str, Mark],
    ) -> None:
        """Reads and writes; each crawl is marked when it is through, but for those marked as unsettled before (their
        marks come later, from `settled`)."""
        unsettled = {crawl for crawl, mark in self.versions.marks(version).items() if mark.offers == UNSETTLED}
        total, done = sum(work.size for work in todo), 0
        offers: dict[str, set[str]] = {}
        broken: set[str] = set()
        progress("reading logs", 0, total)
        for part in self.read(todo, version):
            crawl = part.work.crawl
            seen = offers.setdefault(crawl, set())
            if not self._write(part, seen, report):
                broken.add(crawl)
            if not part.last:
                continue
            del offers[crawl]
            done += part.work.size
            progress("reading logs", done, total)
            if part.failed is not None:
                report.failed.append((crawl, part.failed))
            elif crawl not in broken:
                settled[crawl] = Mark(part.work.size, len(seen))
                if crawl not in unsettled:
                    self.versions.mark(version, crawl, settled[crawl])
                report.crawls += 1

    def _write(self, part: Part, seen: set[str], report: ReextractReport) -> bool:
        """Writes the part; False where rows could not be written."""
        if not part.observations:
            return True
        written = self.store.write(part.observations)
        self.review.add(part.unknown)
        seen.update(one.offer for one in part.observations)
        report.listings += part.listings
        report.observations += len(part.observations)
        report.failed += written.failed
        return not written.failed


def _note_days(crawls: Iterable[Crawl], since: dict[str, date]) -> None:
    """By market the first local day of these crawls: offer-days are derived from there on."""
    for crawl in crawls:
        day = crawl.started.astimezone(ZoneInfo(crawl.tz)).date()
        since[crawl.market] = min(day, since.get(crawl.market, day))
