"""From one store to another, of either kind, whole: every version, held against the digests at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from config.errors import StoreError
from extract.observation import Observation, Record
from index.content import Fold, add_reports, canonical, in_batches
from index.offer_day import OfferDay
from index.store import Store, WriteReport

R = TypeVar("R", bound=Record)
Progress = Callable[[str, int], None]
"""Told what is being copied and how many are done."""


class CopyReport(Record):
    """What a copy moved. `unchanged` were in the target already."""

    crawls: int
    observations: int
    offer_days: int
    written: int
    unchanged: int
    version: str


def copy_store(source: Store, target: Store, progress: Progress = lambda what, done: None) -> CopyReport:
    """Copy crawls, observations and offer-days of every version, then the current version.

    The crawls come after their observations: until then no measure takes them for complete. A copy that was broken off
    is simply run again. The target must be empty, or hold part of the same.

    Raises StoreError: the source is empty, the target holds something else, a record could not be written, or the
    digests differ at the end.
    """
    version = source.current_version()
    if version is None:
        raise StoreError("there is nothing to copy: the store is empty.", remedy="Name the store to copy with --store.")
    crawls = source.crawls()
    strange = {crawl.id for crawl in target.crawls()} - {crawl.id for crawl in crawls}
    if strange:
        raise StoreError(
            f"the target holds {len(strange)} crawls that the source has not, such as {min(strange)}.",
            remedy="Copy into an empty store.",
        )
    folds = {"observation": Fold(), "offer_day": Fold(), "crawl": Fold(map(canonical, crawls))}
    days = _read(source.iter_contents("offer_day"), OfferDay, folds["offer_day"])
    seen = _read(source.iter_contents("observation"), Observation, folds["observation"])
    observed, total = _pour(seen, target.write, "observations", progress)
    offered, more = _pour(days, target.write_offer_days, "offer-days", progress)
    total = add_reports(total, more)
    target.write_crawls(crawls)
    progress("crawls", len(crawls))
    target.set_current_version(version)
    kept_from = source.purged_before()
    if kept_from is not None:
        target.drop_before(kept_from)  # removes nothing: the target shall know what gaps they are
    target.rebuild(lambda what, done, whole: progress(what, done), only_stale=True)
    progress("digests", 0)
    _compare({record: fold.hexdigest() for record, fold in folds.items()}, target)
    if source.crawls() != crawls or source.current_version() != version:
        raise StoreError(
            "the source was written to while it was copied.", remedy="Run the same command again for what came since.")
    return CopyReport(
        crawls=len(crawls), observations=observed, offer_days=offered, written=total.written,
        unchanged=total.unchanged, version=version,
    )


def _read(contents: Iterable[bytes], record: type[R], fold: Fold) -> Iterator[R]:
    """The records behind contents, each put into the digest of what is copied."""
    for content in contents:
        fold.add(content)
        yield record.model_validate_json(content)


def _pour(
    records: Iterable[R], write: Callable[[Iterable[R]], WriteReport], what: str, progress: Progress
) -> tuple[int, WriteReport]:
    """One write, so that the target builds a batch while it sends others, and shows all at once."""
    done = 0

    def iter_told() -> Iterator[R]:
        nonlocal done
        for batch in in_batches(records):
            yield from batch
            done += len(batch)
            progress(what, done)

    report = write(iter_told())
    if report.failed:
        key, reason = report.failed[0]
        raise StoreError(
            f"{len(report.failed)} {what} could not be written, the first: {key}: {reason}.",
            remedy="Mend that and run the same command again.",
        )
    return done, report


def _compare(ours: Mapping[str, str], target: Store) -> None:
    """StoreError where the target differs in any record from what was read of the source."""
    theirs = target.digest()
    differ = [record for record in ours if ours[record] != theirs[record]]
    if differ:
        raise StoreError(
            f"the copy differs from the source in: {', '.join(differ)}.",
            remedy="Something wrote to it meanwhile, or it held more: copy into an empty one.",
        )
