"""The archive: what is kept, what never is, that it reads the same, survives a kill, and ends by age."""

from __future__ import annotations

import asyncio
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from crawler_lab import ITEMS, lab_market, open_shop
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from crawler.archive import Archive, archive_path, purge
from crawler.items import Page, PageOutcome
from crawler.log import iter_log
from crawler.market import list_markets, market_folder
from crawler.pages import PageObject, load_pages
from crawler.privacy import Masker
from crawler.replay import iter_saved_pages, parse_saved, replay_saved
from crawler.run import crawl
from crawler.saved import SavedPage
from crawler.scrub import Scrubber
from crawler.transport import Loopback

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MASKER = Masker("0badcafe", b"1" * 32)
SHOP_PAGE = """<html><head><script>var a='Anna B'</script><style>p{background:url(data:image/png;base64,AAAA)}</style></head>
<body onload="x()"><!-- asked by Anna B --><ul class=shelf><li><a href='/item/1'>Sencha tea 1</a><b>Tea House 1</b>
<i>USD 5</i><img src="data:image/png;base64,AAAA"><img src="/pic/1.jpg"></li></ul>
<div class="buyer-feedback"><p>Anna B: very good</p></div>
<table><tr><th>Buyer</th><th>Date</th></tr><tr><td>Anna B</td><td>1 May</td></tr></table>
<p class=special>Anna B</p><noscript>Anna B</noscript></body></html>"""


def lab_page(body: str | bytes, url: str = "http://shop.invalid/list", crawl_id: str = "lab-20260501T120000Z") -> Page:
    raw = body.encode() if isinstance(body, str) else body
    return Page(market="lab", crawl=crawl_id, url=url, status=200, body=raw, fetched_at=NOW)


def records(path: Path) -> list[tuple[str, bytes]]:
    with path.open("rb") as file:
        return [(record.rec_type, record.content_stream().read()) for record in ArchiveIterator(file)]


def test_scripts_inline_images_and_buyers_are_cut_and_the_listing_stays() -> None:
    market = lab_market(archive={"cut": ["p.special"]})
    kept = Scrubber(PageObject(market)).scrub(SHOP_PAGE.encode(), "text/html").decode()
    for gone in ("Anna", "<script", "<style", "data:", "onload", "<!-- "):
        assert gone not in kept
    before = PageObject(market).parse(lab_page(SHOP_PAGE))
    after = PageObject(market).parse(lab_page(kept))
    assert after == before
    assert before.outcome is PageOutcome.INDEX


def test_a_block_that_a_selector_reads_is_never_cut() -> None:
    page = SHOP_PAGE.replace("<ul class=shelf>", "<div class=reviews><ul class=shelf>").replace("</ul>", "</ul></div>", 1)
    reader = PageObject(lab_market())
    kept = Scrubber(reader).scrub(page.encode(), "")
    assert reader.parse(lab_page(kept)) == reader.parse(lab_page(page))


def test_a_page_that_was_cut_off_stays_cut_off() -> None:
    reader = PageObject(lab_market())
    for body in (SHOP_PAGE[:400], "<html><body><ul class=shelf>"):
        kept = Scrubber(reader).scrub(body.encode(), "")
        assert reader.parse(lab_page(body)).outcome is PageOutcome.TRUNCATED
        assert reader.parse(lab_page(kept)).outcome is PageOutcome.TRUNCATED
    assert Scrubber(reader).scrub(b"", "") == b""


FIXTURES = [
    pytest.param(market, page, id=f"{market}-{page.parent.name}")
    for market in list_markets()
    for page in sorted((market_folder(market) / "fixtures").glob("*/page.html"))
]


@pytest.mark.parametrize(("market", "file"), FIXTURES)
def test_every_fixture_reads_the_same_after_scrubbing(market: str, file: Path) -> None:
    reader = load_pages(market)
    expected = json.loads((file.parent / "expected.json").read_text(encoding="utf-8"))
    page = Page(market=market, crawl="c", url="http://a.invalid/", status=expected.get("status", 200),
                body=file.read_bytes(), fetched_at=NOW)  # fmt: skip
    kept = Scrubber(reader).scrub(page.body, page.content_type)
    scrubbed = page.model_copy(update={"body": kept, "content_type": "text/html; charset=utf-8"})
    assert reader.parse(scrubbed) == reader.parse(page)


@pytest.mark.shared_data
@pytest.mark.parametrize("market", ["dream", "empire", "cryptonia", "apollon", "hydra"])
def test_real_pages_read_the_same_after_scrubbing(market: str, shared_data: Path) -> None:
    reader = load_pages(market)
    scrubber = Scrubber(reader)
    seen = 0
    for saved in iter_saved_pages([shared_data / "pages" / "market-pages.tar.xz"]):
        if f"/{market}" not in f"/{saved.name}".lower() or saved.refused:
            continue
        page = Page(market=market, crawl="c", url=saved.name, status=200, body=saved.body, fetched_at=NOW)
        kept = scrubber.scrub(page.body, page.content_type)
        assert b"<script" not in kept.lower()
        scrubbed = page.model_copy(update={"body": kept, "content_type": "text/html; charset=utf-8"})
        assert reader.parse(scrubbed) == reader.parse(page), saved.name
        seen += 1
    assert seen


def test_same_bodies_are_kept_once_and_other_tools_read_it(tmp_path: Path) -> None:
    archive = Archive(tmp_path, PageObject(lab_market()))
    for address in ("/list", "/list?again", "/other"):
        archive.keep(lab_page(SHOP_PAGE, f"http://shop.invalid{address}"))
    archive.keep(lab_page("<html><p>Something else</p></html>"))
    path = archive_path(tmp_path, "lab", "lab-20260501T120000Z")
    assert [kind for kind, _ in records(path)] == ["warcinfo", "response", "revisit", "revisit", "response"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    class Wanted:
        inputs, verbose = [str(path)], False

    class Loud(Checker):  # type: ignore[misc]
        def process_one(self, filename: str) -> None:
            super().process_one(filename)
            assert not self.exit_value

    Loud(Wanted).process_all()  # digests and lengths, as `warcio check` sees them
    pages = list(iter_saved_pages([path]))
    assert [page.address for page in pages][1:3] == ["http://shop.invalid/list?again", "http://shop.invalid/other"]
    assert pages[0].body == pages[1].body == pages[2].body
    assert [page.fetched_at for page in pages] == [NOW] * 4
    # the same again gives the same file: ids come from content and time
    again = Archive(tmp_path / "again", PageObject(lab_market()))
    for page in ("/list", "/list?again", "/other"):
        again.keep(lab_page(SHOP_PAGE, f"http://shop.invalid{page}"))
    again.keep(lab_page("<html><p>Something else</p></html>"))
    assert archive_path(tmp_path / "again", "lab", "lab-20260501T120000Z").read_bytes() == path.read_bytes()


def test_a_cut_anywhere_is_said_and_never_half_a_page(tmp_path: Path) -> None:
    path = archive_path(tmp_path, "lab", "lab-20260501T120000Z")
    archive = Archive(tmp_path, PageObject(lab_market()))
    archive.keep(lab_page(SHOP_PAGE))
    whole = path.stat().st_size
    archive.keep(lab_page("<html><p>second page</p></html>"))
    data = path.read_bytes()
    first, second = iter_saved_pages([path])
    for size in range(whole + 1, len(data)):
        path.write_bytes(data[:size])
        found = list(iter_saved_pages([path]))
        assert found[0] == first
        assert found[1:] == [second] or "damaged" in found[-1].refused
        assert all(page.body == second.body for page in found[1:] if not page.refused)


def test_an_address_writes_no_headers_of_its_own(tmp_path: Path) -> None:
    path = archive_path(tmp_path, "lab", "lab-20260501T120000Z")
    archive = Archive(tmp_path, PageObject(lab_market()))
    archive.keep(lab_page(SHOP_PAGE, "http://shop.invalid/a\r\nWARC-Type: metadata\r\n\r\nx\u2028y"))
    assert [kind for kind, _ in records(path)] == ["warcinfo", "response"]
    (page,) = iter_saved_pages([path])
    assert page.address == "http://shop.invalid/a%20%20WARC-Type:%20metadata%20%20%20%20x%20y"


def test_a_torn_member_is_cut_off_and_the_archive_goes_on(tmp_path: Path) -> None:
    path = archive_path(tmp_path, "lab", "lab-20260501T120000Z")
    Archive(tmp_path, PageObject(lab_market())).keep(lab_page(SHOP_PAGE))
    whole = path.read_bytes()
    Archive(tmp_path, PageObject(lab_market())).keep(lab_page("<html>second</html>"))
    torn = path.read_bytes()[:-200]
    path.write_bytes(torn)
    (*_, last) = iter_saved_pages([path])
    assert "damaged" in last.refused
    archive = Archive(tmp_path, PageObject(lab_market()))
    archive.keep(lab_page(SHOP_PAGE, "http://shop.invalid/third"))
    assert path.read_bytes().startswith(whole)
    assert [kind for kind, _ in records(path)] == ["warcinfo", "response", "revisit"]


def test_replay_of_a_crawls_archive_gives_its_listings(tmp_path: Path) -> None:
    market = lab_market()
    reader = PageObject(market)
    with open_shop() as shop:
        shop.extra = ["/login", "/to//list"]
        done = asyncio.run(
            crawl(
                market,
                started=NOW,
                transport=Loopback(shop.address, demo=True),
                masker=MASKER,
                data_dir=tmp_path,
                clock=lambda: NOW,
                keep=Archive(tmp_path / "archive", reader).keep,
            )
        )
    assert done.listings == ITEMS
    path = archive_path(tmp_path / "archive", "lab", done.id)
    _, logged = iter_log(tmp_path / "logs" / "lab" / f"{done.id}.jsonl")
    replayed, listings = replay_saved(market, [path], masker=MASKER, observed_at=NOW, data_dir=tmp_path)
    assert replayed.pages == done.pages

    def told(items: object) -> dict[str, object]:
        return {item.listing: item.model_copy(update={"crawl": ""}) for item in items}  # type: ignore[attr-defined]

    assert told(listings) == told(logged)
    parsed = list(parse_saved(market, iter_saved_pages([path]), masker=MASKER, observed_at=NOW, page_object=reader))
    assert sum(page.outcome is PageOutcome.LOGIN for page in parsed) == 1


def test_purge_removes_by_age(tmp_path: Path) -> None:
    archive = Archive(tmp_path, PageObject(lab_market()))
    archive.keep(lab_page(SHOP_PAGE, crawl_id="lab-20260101T000000Z"))
    archive.keep(lab_page(SHOP_PAGE, crawl_id="lab-20260430T000000Z"))
    assert purge(tmp_path, timedelta(days=365), NOW) == []
    gone = purge(tmp_path, timedelta(days=90), NOW)
    assert [one.path.name for one in gone] == ["lab-20260101T000000Z.warc.gz"]
    assert gone[0].size > 0
    assert [path.name for path in tmp_path.glob("*/*")] == ["lab-20260430T000000Z.warc.gz"]


def test_a_strange_warc_is_no_danger(tmp_path: Path) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(b"no gzip at all")
    assert all(isinstance(page, SavedPage) and page.refused for page in iter_saved_pages([path]))
