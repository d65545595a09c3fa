"""Saved pages through the same page objects as a crawl: for `dropline parse` and `dropline replay`.

`parse_saved` gives what stands on each page; `replay_saved` makes of them one masked Crawl with its log, as if they had
been crawled at one moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

from config.collection import no_collection
from config.errors import InputError
from crawler.encryption import Identities
from crawler.items import (
    Coverage,
    Crawl,
    CrawlKind,
    CrawlOutcome,
    Listing,
    PageOutcome,
    build_crawl_id,
)
from crawler.job import ListingMasker
from crawler.log import CrawlLog, iter_log, log_path
from crawler.market import Market
from crawler.pages import PageObject, load_pages
from crawler.readings import fill
from crawler.saved import SavedPage, iter_saved_pages

__all__ = ["ParsedFile", "SavedPage", "iter_saved_pages", "parse_saved", "replay_saved"]

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """One saved page, parsed. `outcome` is None where it could not be read at all (`reason` says why)."""

    file: str
    outcome: PageOutcome | None
    items: tuple[Listing, ...] = ()
    """Masked."""
    reason: str = ""
    unread: tuple[tuple[str, int], ...] = ()


def parse_saved(
    market: Market | str,
    pages: Iterable[SavedPage],
    *,
    masker: ListingMasker,
    observed_at: datetime,
    crawl: str = "",
    page_object: PageObject | None = None,
) -> Iterator[ParsedFile]:
    """Each saved page through the market's page object; its listings masked.

    `observed_at` (aware) is used where the archive knows no time of its own; `crawl` defaults to a replay's id.
    """
    reader = page_object or load_pages(market)
    record = reader.market
    ident = crawl or build_crawl_id(record.id, observed_at, "parse")
    for saved in pages:
        if saved.refused:
            yield ParsedFile(saved.name, None, reason=saved.refused)
            continue
        parsed = reader.parse(saved.as_page(record.id, ident, observed_at))
        items = tuple(masker.mask_listing(listing) for listing in parsed.listings)
        yield ParsedFile(saved.name, parsed.outcome, items, parsed.reason, tuple(sorted(parsed.unread.items())))


def _digest_paths(paths: Sequence[Path]) -> str:
    """Digest of names and contents, read in pieces."""
    digest = hashlib.sha256()
    for path in paths:
        if not path.exists():
            raise InputError("There is no such file or folder.", file=path, remedy="Check the path.")
        for file in sorted(path.rglob("*")) if path.is_dir() else (path,):
            if file.is_file() and not file.is_symlink():
                digest.update(file.relative_to(path.parent).as_posix().encode("utf-8", "surrogateescape") + b"\0")
                with file.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _gather(
    pages: Iterator[ParsedFile], progress: Callable[[ParsedFile], None] | None
) -> tuple[dict[str, Listing], dict[PageOutcome, int], dict[str, int]]:
    """Each listing once, with all that was seen of it; pages by outcome; what was dropped, by reason."""
    found: dict[str, Listing] = {}
    counts: dict[PageOutcome, int] = {}
    dropped: dict[str, int] = {}
    for first in pages:
        with no_collection():  # not for all of them at once: whoever shows the progress leaves cycles
            for parsed in chain((first,), islice(pages, _AT_ONCE - 1)):
                if progress is not None:
                    progress(parsed)
                if parsed.outcome is None:
                    dropped["page not readable"] = dropped.get("page not readable", 0) + 1
                    continue
                counts[parsed.outcome] = counts.get(parsed.outcome, 0) + 1
                for name, count in parsed.unread:
                    dropped[f"unread {name}"] = dropped.get(f"unread {name}", 0) + count
                for listing in parsed.items:
                    before = found.get(listing.listing)
                    if before is None:
                        found[listing.listing] = listing
                    elif listing.seen_on == "detail":
                        found[listing.listing] = fill(listing, before)
                    else:
                        found[listing.listing] = fill(before, listing)
    return found, counts, dropped


def replay_saved(
    market: Market | str,
    paths: Sequence[Path],
    *,
    masker: ListingMasker,
    observed_at: datetime,
    data_dir: Path,
    progress: Callable[[ParsedFile], None] | None = None,
    page_object: PageObject | None = None,
    identities: Identities = (),
) -> tuple[Crawl, Iterator[Listing]]:
    """Saved pages as one crawl of kind replay: logged, then read back as (Crawl, listings, each once).

    The id comes from `observed_at` and the files' contents, so that replaying the same again gives the same; coverage
    is unknown, because nobody knows what was not saved. `progress` sees each page; `identities` open encrypted
    archives. Raises InputError for a path that is not there, UsageError for an archive that another key opens.
    """
    reader = page_object or load_pages(market)
    record = reader.market
    ident = build_crawl_id(record.id, observed_at, _digest_paths(paths))
    begun = Crawl(
        id=ident,
        market=record.id,
        kind=CrawlKind.REPLAY,
        started=observed_at,
        outcome=CrawlOutcome.PARTIAL,
        tz=record.tz,
        country=record.country,
        pieces_as_grams=record.pieces_as_grams,
        source=", ".join(path.name for path in paths)[:200] or None,
    )
    path = log_path(data_dir / "logs", begun)
    if path.is_file():
        crawl, listings = iter_log(path)
        if crawl.finished is not None:
            return crawl, listings
        path.unlink()  # an interrupted replay: the pages are all here, so it begins anew
    saved = iter_saved_pages(paths, identities)
    found, counts, dropped = _gather(
        parse_saved(record, saved, masker=masker, observed_at=observed_at, crawl=ident, page_object=reader), progress
    )
    with CrawlLog(data_dir / "logs", begun) as log:
        log.append(found.values())
        finished = begun.model_copy(
            update={
                "finished": observed_at,
                "outcome": CrawlOutcome.PARTIAL if found else CrawlOutcome.FAILED,
                "pages": counts,
                "listings": len(found),
                "coverage": (Coverage(seen=len(found)),),
                "dropped": dict(sorted(dropped.items())),
            }
        )
        log.finish(finished)
    return iter_log(path)
