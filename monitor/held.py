"""Crawls that were not accepted: kept aside until a person has looked.

`DATA/logs/<market>/held/<crawl>.jsonl` is the log, `<crawl>.held.json` its mark: why, and two pages to compare. Nothing
in there is stored, read again or counted; the store keeps the last good state, and the crawl is a gap. What the crawl
read of listings' own pages is not carried forward either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from config.errors import InputError, UsageError
from crawler.archive import archive_files
from crawler.drift import Broken, filled_fields
from crawler.encryption import Identities
from crawler.items import Crawl, Listing, PageOutcome, Record, UtcTime
from crawler.job import ListingMasker
from crawler.log import iter_log
from crawler.pages import PageObject, ParsedPage
from crawler.private_file import write_private
from crawler.readings import Readings
from crawler.saved import SavedPage, iter_saved_pages

FOLDER = "held"
LOOKED_AT = 400
"""Archived pages of a crawl that are looked through for an example."""


class Reason(Record):
    """One broken bound. `bad` and `good`: `ARCHIVE#RECORD`, a page of this crawl that shows it, and one of the last
    accepted crawl that does not; only `ARCHIVE` where the pages cannot be read here (encrypted), None where there are
    none."""

    field: str
    text: str
    bad: str | None = None
    good: str | None = None


class Held(Record):
    """The mark of a crawl that waits for its operator."""

    crawl: str
    market: str
    since: UtcTime
    listings: int
    reasons: tuple[Reason, ...]


def held_folder(data_dir: Path, market: str) -> Path:
    return data_dir / "logs" / market / FOLDER


def iter_held(data_dir: Path) -> Iterator[Held]:
    """Every held crawl, by market and time. InputError for a mark that cannot be read."""
    for path in sorted((data_dir / "logs").glob(f"*/{FOLDER}/*.held.json")):
        try:
            yield Held.model_validate_json(path.read_bytes())
        except (ValidationError, OSError) as error:
            raise InputError("This mark of a held crawl cannot be read.", file=path) from error


def find_held(data_dir: Path, crawl: str) -> Held:
    """The held crawl of that id. UsageError where there is none."""
    every = list(iter_held(data_dir))
    for held in every:
        if held.crawl == crawl:
            return held
    known = ", ".join(held.crawl for held in every) or "none"
    raise UsageError(f"{crawl} is no held crawl.", remedy=f"Held are: {known}.")


def hold(
    data_dir: Path, log: Path, broken: Sequence[Broken], pages: PageObject, masker: ListingMasker, *, now: datetime,
    good: Iterable[str] = (), identities: Identities = (),
) -> Held:  # fmt: skip
    """Puts an ended crawl aside. `good`: ids of accepted crawls, the latest first, whose pages may be compared with.

    The mark is written before the log is moved, so that a kill leaves it held or to be judged again, never both.
    """
    crawl = iter_log(log)[0]
    archive = data_dir / "archive"
    bad_files = archive_files(archive, crawl.market, crawl.id)
    good_files = next((files for one in good if (files := archive_files(archive, crawl.market, one))), [])
    finder = _Finder(pages, masker, identities, now)
    reasons = []
    for one in broken:
        kind, bad = finder.find(bad_files, _shows(one))
        _, sound = finder.find(good_files, _is_sound(one, kind))
        reasons.append(Reason(field=one.field, text=one.text, bad=bad, good=sound))
    held = Held(crawl=crawl.id, market=crawl.market, since=now, listings=crawl.listings, reasons=tuple(reasons))
    folder = held_folder(data_dir, crawl.market)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(folder / f"{crawl.id}.held.json", held.model_dump_json(indent=1).encode())
    log.replace(folder / log.name)
    with Readings(data_dir, crawl.market) as readings:
        readings.forget_crawl(crawl)
    return held


def take_back(data_dir: Path, held: Held) -> Path:
    """Puts the log of a held crawl back where it is stored from; the path. The mark is gone then."""
    folder = held_folder(data_dir, held.market)
    log = data_dir / "logs" / held.market / f"{held.crawl}.jsonl"
    if (folder / log.name).is_file():
        (folder / log.name).replace(log)
    (folder / f"{held.crawl}.held.json").unlink(missing_ok=True)
    return log


def discard(data_dir: Path, held: Held) -> None:
    """Removes a held crawl for good: log, mark and archived pages."""
    for path in archive_files(data_dir / "archive", held.market, held.crawl):
        path.unlink(missing_ok=True)
    folder = held_folder(data_dir, held.market)
    (folder / f"{held.crawl}.jsonl").unlink(missing_ok=True)
    (folder / f"{held.crawl}.held.json").unlink(missing_ok=True)


def write_pages(data_dir: Path, held: Held, folder: Path, identities: Identities = ()) -> list[Path]:
    """The example pages as HTML files, mode 0600 (vendors' names are in them): `1-field-bad.html`, `1-field-good.html`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = []
    for number, reason in enumerate(held.reasons, start=1):
        for kind, place in (("bad", reason.bad), ("good", reason.good)):
            file, _, record = (place or "").partition("#")
            if not record.isdigit():
                continue
            path = data_dir / "archive" / held.market / file
            saved = next(islice(iter_saved_pages([path], identities), int(record) - 1, None), None)
            if saved is not None and not saved.refused:
                target = folder / f"{number}-{reason.field}-{kind}.html"
                write_private(target, saved.body)
                written.append(target)
    return written


_Test = Callable[[ParsedPage, tuple[Listing, ...]], bool]
_COUNTED = frozenset({"listings", "pages"})
_READ = (PageOutcome.LISTING, PageOutcome.INDEX)


def _shows(broken: Broken) -> _Test:
    """Whether a page shows what is wrong."""
    if broken.field in _COUNTED:
        return lambda parsed, _: parsed.outcome is PageOutcome.UNKNOWN_LAYOUT or (
            broken.field == "listings" and parsed.outcome is PageOutcome.INDEX
        )
    examples = set(broken.examples)
    if examples:
        return lambda parsed, items: parsed.outcome in _READ and any(item.listing in examples for item in items)
    return lambda parsed, _: parsed.outcome in _READ and bool(parsed.unread.get(broken.field))


def _is_sound(broken: Broken, kind: PageOutcome | None) -> _Test:
    """Whether a page of an accepted crawl is fit to be held against it: of the same kind, the field filled."""
    wanted = (PageOutcome.INDEX,) if broken.field in _COUNTED or kind is None else (kind,)

    def test(parsed: ParsedPage, items: tuple[Listing, ...]) -> bool:
        known = broken.field in {"substance", *_COUNTED}
        return parsed.outcome in wanted and any(known or broken.field in filled_fields(item) for item in items)

    return test


class _Finder:
    """Looks through archived pages."""

    def __init__(self, pages: PageObject, masker: ListingMasker, identities: Identities, now: datetime) -> None:
        self._pages, self._masker, self._identities, self._now = pages, masker, identities, now

    def find(self, files: Sequence[Path], test: _Test) -> tuple[PageOutcome | None, str | None]:
        """The first page that passes, a listing's own before an index page: (outcome, `ARCHIVE#RECORD`)."""
        if not files:
            return None, None
        if any(file.suffix == ".age" for file in files) and not self._identities:
            return None, files[0].name
        found: tuple[PageOutcome | None, str | None] = (None, None)
        for file in files:
            for number, saved in enumerate(islice(iter_saved_pages([file], self._identities), LOOKED_AT), start=1):
                parsed, items = self._parse(saved)
                if parsed is None or not test(parsed, items):
                    continue
                if parsed.outcome is not PageOutcome.INDEX:
                    return parsed.outcome, f"{file.name}#{number}"
                if found[1] is None:
                    found = parsed.outcome, f"{file.name}#{number}"
        return found

    def _parse(self, saved: SavedPage) -> tuple[ParsedPage | None, tuple[Listing, ...]]:
        if saved.refused:
            return None, ()
        parsed = self._pages.parse(saved.as_page(self._pages.market.id, "held", self._now))
        return parsed, tuple(self._masker.mask_listing(item) for item in parsed.listings)


def accepted_before(crawls: Iterable[Crawl]) -> list[str]:
    """Ids of the stored crawls (oldest first) that a held one may be compared with, the latest first."""
    return [crawl.id for crawl in reversed(list(crawls)) if crawl.listings]
