"""The durable log: torn ends, masking, each listing once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.errors import InputError
from crawler.items import Crawl, CrawlKind, CrawlOutcome, Listing, Offer
from crawler.log import CrawlLog, iter_log
from crawler.privacy import Masker

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
MASKER = Masker("0badcafe", b"0" * 32)


def begun(ident: str = "lab-1") -> Crawl:
    return Crawl(id=ident, market="lab", kind=CrawlKind.FULL, started=NOW, outcome=CrawlOutcome.PARTIAL)


def listing(number: int, **changes: object) -> Listing:
    raw = Listing(
        market="lab",
        listing=str(number),
        crawl="lab-1",
        observed_at=NOW,
        title=f"Tea {number}",
        vendor="Самовар",
        offers=(Offer(price="1 600 руб.", quantity="1 г"),),
        parser="lab-1",
    )
    return MASKER.mask_listing(raw).model_copy(update=changes)


def test_written_and_read_back(tmp_path: Path) -> None:
    with CrawlLog(tmp_path, begun()) as log:
        log.append([listing(1), listing(2)])
        log.append([listing(1, title="Tea 1, more of it"), listing(3)])
        log.finish(begun().model_copy(update={"outcome": CrawlOutcome.COMPLETE, "finished": NOW, "listings": 3}))
    assert log.path == tmp_path / "lab" / "lab-1.jsonl"
    crawl, items = iter_log(log.path)
    assert (crawl.outcome, crawl.listings) == (CrawlOutcome.COMPLETE, 3)
    titles = [(item.listing, item.title) for item in items]
    assert titles == [("2", "Tea 2"), ("1", "Tea 1, more of it"), ("3", "Tea 3")]
    assert "Самовар" not in log.path.read_text()


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_torn_last_line_is_dropped(tmp_path: Path, cut: int) -> None:
    with CrawlLog(tmp_path, begun()) as log:
        log.append([listing(1), listing(2)])
    raw = log.path.read_bytes()
    log.path.write_bytes(raw[:-cut])
    crawl, items = iter_log(log.path)
    assert crawl.outcome is CrawlOutcome.PARTIAL
    assert crawl.finished is None
    assert [item.listing for item in items] == ["1"]


def test_a_log_cut_anywhere_gives_a_prefix(tmp_path: Path) -> None:
    with CrawlLog(tmp_path, begun()) as log:
        log.append([listing(number) for number in range(4)])
        log.finish(begun().model_copy(update={"finished": NOW}))
    raw = log.path.read_bytes()
    first = raw.index(b"\n") + 1
    for end in range(first, len(raw), 97):
        log.path.write_bytes(raw[:end])
        _, items = iter_log(log.path)
        assert [item.listing for item in items] == [str(number) for number in range(raw[:end].count(b"\n") - 1)]
    log.path.write_bytes(raw[: first - 5])
    with pytest.raises(InputError, match="first line"):
        iter_log(log.path)


def test_damage_in_the_middle_is_an_error_with_its_line(tmp_path: Path) -> None:
    with CrawlLog(tmp_path, begun()) as log:
        log.append([listing(1), listing(2)])
    lines = log.path.read_bytes().split(b"\n")
    lines[1] = lines[1][:20]
    log.path.write_bytes(b"\n".join(lines))
    with pytest.raises(InputError) as caught:
        iter_log(log.path)
    assert caught.value.line == 2


def test_unmasked_vendors_and_strange_crawls_are_refused(tmp_path: Path) -> None:
    with CrawlLog(tmp_path, begun()) as log:
        with pytest.raises(InputError, match="pseudonym"):
            log.append([listing(1, vendor="Самовар")])
        with pytest.raises(InputError, match="does not belong"):
            log.append([listing(1, crawl="lab-2")])
        log.append([listing(1, vendor=None)])
    assert [item.listing for item in iter_log(log.path)[1]] == ["1"]
    with pytest.raises(InputError, match="already"):
        CrawlLog(tmp_path, begun())
    with pytest.raises(InputError, match="closed"):
        log.append([listing(2)])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ((b'"started"', b'"tz":"/etc/passwd","started"'), 1), ((b'"started"', b'"tz":"Mars","started"'), 1),
        ((b'"2026-03-04T05:06:00Z","title":"Tea 2"', b'"9999-12-31T23:59:59-12:00","title":"Tea 2"'), 3),
        ((b'"crawl":"lab-1","observed_at":"2026-03-04T05:06:00Z","title":"Tea 2"',
          b'"crawl":"lab-9","observed_at":"2026-03-04T05:06:00Z","title":"Tea 2"'), 3),
        ((b'{"finished":{"id":"lab-1"', b'{"finished":{"id":"lab-9"'), None),
    ],
)  # fmt: skip
def test_lines_that_cannot_be_of_this_crawl_are_errors_with_a_remedy(
    tmp_path: Path, change: tuple[bytes, bytes], line: int | None
) -> None:
    with CrawlLog(tmp_path, begun()) as log:
        log.append([listing(1), listing(2)])
        log.finish(begun().model_copy(update={"finished": NOW}))
    whole = log.path.read_bytes()
    assert change[0] in whole
    log.path.write_bytes(whole.replace(*change, 1))
    with pytest.raises(InputError, match="backup") as caught:
        list(iter_log(log.path)[1])
    assert (caught.value.file, caught.value.line) == (log.path, line)
