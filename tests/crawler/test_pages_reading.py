"""Page objects by declared selectors: values, counts of what cannot be read, and outcomes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.items import Offer, Page, PageOutcome
from crawler.layouts import split_exceptions
from crawler.market import Market
from crawler.pages import DetailLink, PageObject, ParsedPage
from crawler.select import parse_count, parse_html, parse_real, text_of

MARKET = Market.model_validate(
    {
        "id": "kiosk",
        "name": "Kiosk",
        "languages": ["ru"],
        "markers": [{"outcome": "maintenance", "text": "касса закрыта"}],
        "index": [
            {
                "when": "ul.shelf",
                "row": "li.thing",
                "detail": "a::attr(href)",
                "empty": "p.bare",
                "total": {"css": "span.total", "re": r"[\d ]+", "optional": True},
                "scope": {"kind": "place", "name": {"css": "h1", "optional": True}},
                "links": ["a.next::attr(href)"],
                "fields": {
                    "listing": {"css": "a::attr(href)", "re": r"/i/(\d+)"},
                    "title": "a",
                    "vendor": "b.seller",
                    "category": {"css": "i", "split": " / ", "optional": True},
                    "feedback": {"css": "em", "optional": True},
                    "offers": [
                        {
                            "row": "tr",
                            "price": "td.p",
                            "quantity": "td.q",
                            "ready": {"css": "td.n", "values": {"нет": "0", "много": ""}},
                        }
                    ],
                },
            }
        ],
        "detail": {
            "when": "article",
            "fields": {
                "listing": {"url": r"/i/(\d+)"},
                "title": "article h2",
                "description": {"css": "article div.text", "lines": True},
                "rating": {"css": "u", "optional": True},
            },
        },
    }
)
PAGES = PageObject(MARKET)


def read(body: str | bytes, url: str = "http://shop.test/list?p=1", status: int = 200) -> ParsedPage:
    raw = body.encode() if isinstance(body, str) else body
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    return PAGES.parse(Page(market="kiosk", crawl="c", url=url, status=status, body=raw, fetched_at=moment))


ROWS = """<html><h1>Заречье</h1><span class=total>1 240 шт</span><ul class=shelf>
<li class=thing><a href="/i/7#x">Чай  синий</a><b class=seller>Самовар</b><i>Чай / Синий</i><em>12</em>
 <table><tr><td class=q>1 г</td><td class=p>1 600 руб.</td><td class=n>нет</td></tr>
 <tr><td class=q>2 г</td><td class=p>3 000 руб.</td><td class=n>4</td></tr>
 <tr><td class=q>5 г</td><td class=p>7 000 руб.</td><td class=n>много</td></tr></table></li>
<li class=thing><a href="/i/8">Кофе</a><b class=seller>Самовар</b><em>тьма</em>
 <table><tr><td class=q>1 г</td><td class=p>9</td><td class=n>??</td></tr></table></li>
<li class=thing><a href="/other">без номера</a><b class=seller>X</b></li>
</ul><a class=next href="?p=2">дальше</a></html>"""


def test_index_rows_offers_links_and_counts() -> None:
    parsed = read(ROWS)
    assert parsed.outcome is PageOutcome.INDEX
    first, second = parsed.listings
    assert (first.listing, first.title, first.vendor) == ("7", "Чай синий", "Самовар")
    assert (first.category, first.feedback) == (("Чай", "Синий"), 12)
    assert first.offers == (
        Offer(price="1 600 руб.", quantity="1 г", ready=0),
        Offer(price="3 000 руб.", quantity="2 г", ready=4),
        Offer(price="7 000 руб.", quantity="5 г"),
    )
    assert second.feedback is None
    assert parsed.total == 1240
    assert parsed.scope == ("place", "Заречье")
    assert parsed.links == ("http://shop.test/list?p=2",)
    assert parsed.details[0] == DetailLink("7", "http://shop.test/i/7")
    # unreadable: a feedback of words, a stock of question marks, a row without an id
    assert parsed.unread == {"feedback": 1, "offer.ready": 1, "listing": 1}


def test_detail_with_lines_and_id_from_the_address() -> None:
    parsed = read(
        "<html><article><h2>Чай</h2><div class=text>один<br>два\n  три<p>четыре</p></div><u>4,8</u></article></html>",
        url="http://shop.test/i/7",
    )
    assert parsed.outcome is PageOutcome.LISTING
    assert parsed.listings[0].description == "один\nдва три\nчетыре"
    assert parsed.listings[0].rating == 4.8
    assert parsed.listings[0].seen_on == "detail"


PLAIN = "<html><head><title>{title}</title></head><body>{body}</body></html>"


@pytest.mark.parametrize(
    ("body", "status", "outcome"),
    [
        ("<html><ul class=shelf></ul><p class=bare>пусто</p></html>", 200, PageOutcome.EMPTY),
        ("<html><ul class=shelf></ul><form><input name=captcha></form></html>", 200, PageOutcome.CHALLENGE),
        ("<html><ul class=shelf></ul></html>", 200, PageOutcome.UNKNOWN_LAYOUT),
        ("<html><ul class=shelf><li class=thing>?</li></ul></html>", 200, PageOutcome.UNKNOWN_LAYOUT),
        (ROWS[: len(ROWS) // 2], 200, PageOutcome.TRUNCATED),
        ("", 200, PageOutcome.TRUNCATED),
        ("<html><form><input type=Password></form></html>", 200, PageOutcome.LOGIN),
        ("<html><form><input type=password><img src=/captcha.png></form>", 200, PageOutcome.LOGIN),
        (PLAIN.format(title="x", body="You have been logged out."), 200, PageOutcome.LOGIN),
        (PLAIN.format(title="x", body="Your session has expired, <a href=/in>log in</a>"), 200, PageOutcome.LOGIN),
        (PLAIN.format(title="x", body="You must be logged in to see this."), 200, PageOutcome.LOGIN),
        (PLAIN.format(title="x", body="Сессия истекла. Войдите снова."), 200, PageOutcome.LOGIN),
        (PLAIN.format(title="x", body="Session expired. <form><input name=captcha></form>"), 200, PageOutcome.CHALLENGE),
        (PLAIN.format(title="x", body="Down for maintenance, please log in later."), 200, PageOutcome.MAINTENANCE),
        (PLAIN.format(title="x", body="You are number 432 in the queue."), 200, PageOutcome.WAIT),
        (PLAIN.format(title="DDoS", body="Or <a href=/in>click here</a> to login."), 200, PageOutcome.WAIT),
        (PLAIN.format(title="x", body="Are you a robot? Solve this."), 200, PageOutcome.CHALLENGE),
        (PLAIN.format(title="x", body="<form><img src='/captcha/1'><input></form>"), 403, PageOutcome.CHALLENGE),
        (PLAIN.format(title="DDoS protection", body="Checking your browser"), 503, PageOutcome.WAIT),
        ("<html><head><meta http-equiv=REFRESH content='3'></head><body></body></html>", 200, PageOutcome.WAIT),
        (PLAIN.format(title="Технические работы", body="скоро вернёмся"), 503, PageOutcome.MAINTENANCE),
        (PLAIN.format(title="x", body="касса закрыта"), 200, PageOutcome.MAINTENANCE),
        (PLAIN.format(title="x", body="<h1>THIS HIDDEN SITE HAS BEEN SEIZED</h1>"), 200, PageOutcome.SEIZED),
        (PLAIN.format(title="nginx", body="gone"), 404, PageOutcome.NOT_FOUND),
        (PLAIN.format(title="x", body="Товар не найден"), 200, PageOutcome.NOT_FOUND),
        (PLAIN.format(title="502 Bad Gateway", body="nginx"), 502, PageOutcome.SERVER_ERROR),
        (PLAIN.format(title="x", body="slow down"), 429, PageOutcome.SERVER_ERROR),
        (PLAIN.format(title="x", body="502 Bad Gateway"), 200, PageOutcome.SERVER_ERROR),
        (PLAIN.format(title="x", body="Tablets of 500 mg"), 200, PageOutcome.UNKNOWN_LAYOUT),
        (PLAIN.format(title="News", body="<p>Something else altogether.</p>"), 200, PageOutcome.UNKNOWN_LAYOUT),
        (ROWS, 500, PageOutcome.SERVER_ERROR),
    ],
)
def test_outcomes(body: str, status: int, outcome: PageOutcome) -> None:
    parsed = read(body, status=status)
    assert parsed.outcome is outcome
    assert parsed.listings == ()


def test_a_listing_that_speaks_of_captchas_stays_a_listing() -> None:
    page = "<html><article><h2>captcha 404 seized by</h2><div class=text>ddos</div></article></html>"
    parsed = read(page, "http://s.test/i/1")
    assert parsed.outcome is PageOutcome.LISTING


def test_what_a_program_wrote_behind_a_page_does_not_cut_it_off() -> None:
    behind = "[scraper] description: " + "words of the page <br> again " * 300
    page = ROWS.replace("</html>", "</body>\n</HTML>")
    assert read(page + behind).listings == read(ROWS).listings
    # '</html>' somewhere in the middle of a page
    assert read(ROWS + behind).outcome is PageOutcome.TRUNCATED


def test_utf8_with_a_nul_in_it_is_utf8_whatever_it_declares() -> None:
    page = "<html><meta charset=iso-8859-1><article><h2>Чай\0</h2><div class=text>х</div></article></html>"
    assert read(page.encode(), "http://s.test/i/1").listings[0].title == "Чай"


@pytest.mark.parametrize(
    ("written", "goes", "not_there"),
    [
        (("Worldwide",), ("Worldwide",), ()),
        (("Worldwide", "except Australia", "Norway"), ("Worldwide",), ("Australia", "Norway")),
        (("Europe", "Worldwide (except Australia", "Norway)"), ("Europe", "Worldwide"), ("Australia", "Norway")),
        (("World Wide excluding: Virgin Islands (U.S.)",), ("World Wide",), ("Virgin Islands (U.S.)",)),
        (("весь мир, кроме России",), ("весь мир",), ("России",)),
        (("Netherlands", "Antarctica(c)"), ("Netherlands", "Antarctica(c)"), ()),
    ],
)
def test_exceptions_among_destinations(
    written: tuple[str, ...], goes: tuple[str, ...], not_there: tuple[str, ...]
) -> None:
    assert split_exceptions(written) == (goes, not_there)


def test_characters_cut_in_two_do_not_change_the_encoding() -> None:
    page = "<html><meta charset=iso-8859-1><article><h2>Чай чёрн\xff</h2><div class=text>х</div></article></html>"
    title = read(page.encode().replace("\xff".encode(), "ы".encode()[:1]), "http://s.test/i/1").listings[0].title
    assert title == "Чай чёрн\ufffd"


@given(st.text("абвгдеёжзийклмнопрстуфхцчшщъыьэюя АБВЁЖ№«»—", min_size=1), st.sampled_from(["cp1251", "koi8-r"]))
def test_other_encodings_are_not_taken_for_utf8(words: str, encoding: str) -> None:
    words = "".join(letter for letter in words if letter.encode(encoding, "ignore"))
    page = f"<html><meta charset={encoding}><article><h2>Чай {words}</h2><div class=text>х</div></article></html>"
    title = read(page.encode(encoding), "http://s.test/i/1").listings[0].title
    assert title == " ".join(f"Чай {words}".split())


def test_cyrillic_code_pages() -> None:
    page = "<html><meta charset=windows-1251><article><h2>Шишки</h2><div class=text>х</div></article></html>"
    assert read(page.encode("cp1251"), "http://s.test/i/1").listings[0].title == "Шишки"


def test_deep_and_broken_pages_are_read_without_harm() -> None:
    deep = "<div>" * 30_000
    assert read(f"<html>{deep}</html>").outcome is PageOutcome.UNKNOWN_LAYOUT
    assert read(b"<html>\x00\xff\xfe<ul class=shelf></html>").outcome is PageOutcome.UNKNOWN_LAYOUT


@given(st.binary(max_size=400))
def test_no_page_raises(body: bytes) -> None:
    read(body)
    read(b"<html><ul class=shelf><li class=thing><a href='http://[/i/1'>" + body)


@given(st.integers(min_value=0, max_value=10**12), st.sampled_from(["", " ", ",", ".", "\u00a0", "\u202f", "'"]))
def test_counts_with_any_grouping(number: int, mark: str) -> None:
    assert parse_count(f"{number:,}".replace(",", mark)) == number


@given(st.text(max_size=8))
def test_counts_are_digits_or_nothing(text: str) -> None:
    count = parse_count(text)
    assert count is None or str(count) == "".join(c for c in text if c.isdigit()).lstrip("0") or count >= 0


@pytest.mark.parametrize("text", ["1,5", "12 34", "~5", "5 шт", "", "1.2.3", "9" * 16, "9" * 5_000])
def test_what_is_no_count(text: str) -> None:
    assert parse_count(text) is None


def test_reals() -> None:
    assert parse_real("4,85") == 4.85
    assert parse_real("4.857142857142857142") == 4.857142857142857142
    assert parse_real("4.85 of 5") is None
    assert parse_real("9" * 5_000) is None


def test_visible_text_leaves_scripts_out() -> None:
    tree = parse_html(b"<html><body>a<script>bad()</script><style>x</style>b<br>c</body></html>")
    assert tree is not None
    assert text_of(tree) == "ab c"
