"""What may be told of an alert, text made harmless, channels.yml, and the Atom feed."""

from __future__ import annotations

import json
import unicodedata
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from delivery_lab import NOW, SECRET, make_alert, write_channels
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from config.errors import UsageError
from index.export.question import Control
from monitor.delivery.atom import NAMESPACE, build_feed, write_feed
from monitor.delivery.channels import load_channels
from monitor.delivery.harmless import one_line
from monitor.delivery.notice import VENDORS, Event, K, Notice, build_notice
from monitor.delivery.words import as_text, number, write_words
from monitor.state import State, state_path


def notice_of(**changes: Any) -> Notice:
    return build_notice(make_alert(**changes), Event.FIRED, NOW)


@pytest.mark.parametrize("changes", [{"n": 9}, {"vendors": 4}, {"vendors": None}, {"n": 0, "vendors": 0}])
def test_a_figure_about_few_is_withheld_everywhere(changes: dict[str, Any]) -> None:
    notice = notice_of(**changes, why="21.5 after 14.25")
    assert (notice.value, notice.baseline, notice.low, notice.high, notice.score) == (None,) * 5
    assert notice.recent == ()
    told = as_text(write_words(notice)) + notice.model_dump_json()
    for figure in ("21.5", "14.25", "18.5", "23.5", "4.25", "51 %"):
        assert figure not in told
    assert "withheld" in told


def test_the_limits_are_those_of_published_packages() -> None:
    assert (Control.model_fields["k"].default, Control.model_fields["vendors"].default) == (K, VENDORS)


def test_few_listings_read_fewer_than_ten() -> None:
    notice = notice_of(n=9, vendors=6)
    assert (notice.n, notice.vendors) == (None, 6)
    assert "fewer than 10" in as_text(write_words(notice))


def test_a_count_that_is_itself_small_is_withheld_with_what_gives_it_back() -> None:
    notice = notice_of(measure="new", test="surge", value=7.0, baseline=2.0, n=300, why="7 new ones after 2")
    assert (notice.value, notice.baseline, notice.low, notice.high, notice.score) == (None,) * 5
    assert notice.withheld["value"] == "fewer than 10"
    assert "7 new" not in notice.why
    assert notice.n == 300


def test_nobody_is_behind_a_zero_but_somebody_was_behind_what_it_was_before() -> None:
    alert = make_alert(measure="listings", value=0.0, n=0, vendors=0, baseline=40.0)
    crowd = (*((40, 12),) * 11, (0, 0))
    told = build_notice(alert.model_copy(update={"recent_crowd": crowd, "recent": _recent(40.0, 0.0)}), Event.FIRED, NOW)
    assert (told.value, told.baseline) == (0.0, 40.0)
    crowd = (*((40, 12),) * 10, (40, 3), (0, 0))
    kept = build_notice(alert.model_copy(update={"recent_crowd": crowd, "recent": _recent(40.0, 0.0)}), Event.FIRED, NOW)
    assert (kept.value, kept.baseline) == (0.0, None)


def _recent(before: float, last: float) -> tuple[tuple[Any, float], ...]:
    days = [day for day, _ in make_alert().recent]
    return (*((day, before) for day in days[:-1]), (days[-1], last))


def test_the_chart_shows_only_points_with_enough_behind_them() -> None:
    crowd = ((200, 30), (9, 30), (200, None), (200, 4), *((200, 30),) * 8)
    notice = notice_of(recent_crowd=crowd)
    assert [value is None for _, value in notice.recent[:4]] == [False, True, True, True]
    assert [value is None for _, value in notice_of(recent_crowd=()).recent] == [True] * 11 + [False]


def test_the_bound_of_a_rule_is_told_beside_a_zero() -> None:
    few = {"recent_crowd": ()}
    notice = notice_of(test="threshold", value=0.0, baseline=None, low=10.0, high=None, n=0, vendors=0, why="0, usual 10", **few)
    assert (notice.value, notice.low, notice.score) == (0, 10, None)
    assert "10 or more" in as_text(write_words(notice))
    drift = notice_of(test="drift", value=0.0, low=10.0, high=None, n=0, vendors=0, why="0", **few)
    assert drift.low is None


def test_coverage_is_about_nobody() -> None:
    notice = notice_of(measure="coverage", n=0, vendors=None, value=0.2, test="quality")
    assert (notice.value, notice.withheld) == (0.2, {})


def test_a_share_is_about_somebody_whatever_the_test() -> None:
    notice = notice_of(measure="share", n=40, vendors=2, value=0.2, test="quality")
    assert notice.value is None


def test_a_market_that_is_down_says_so_and_what_few_are_left_is_not_told() -> None:
    down = {"measure": "listings", "test": "down", "series": {"market": "lab"}, "low": None, "high": None}
    why = "No complete crawl since 2026-05-01."
    assert notice_of(**down, value=None, n=0, vendors=0, baseline=400.0, why=why).why == why
    left = notice_of(**down, value=3.0, n=3, vendors=2, baseline=400.0, why="3 listings are left")
    assert left.value is None
    assert "3 listings" not in left.why


def test_a_vendor_is_not_named() -> None:
    one, two = "k1:0123456789abcdef", "k1:fedcba9876543210"
    notice = notice_of(
        series={"vendor": f"{one},{two}"}, query=f"dropline rows --vendor {one}", why=f"{two} has 21.5", vendors=9
    )
    told = notice.model_dump_json()
    assert one not in told
    assert two not in told
    assert notice.value is None


def test_a_figure_that_is_no_number_is_no_figure() -> None:
    notice = notice_of(value=float("nan"), baseline=float("inf"))
    assert (notice.value, notice.baseline) == (None, None)
    json.loads(notice.model_dump_json())


@given(st.text(), st.integers(1, 300))
def test_one_line_is_one_line_of_visible_text(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert not [char for char in line if unicodedata.category(char)[0] == "C"]
    line.encode()


@pytest.mark.parametrize(
    "text", ["https://shop.example.com/x", "tg://resolve", "javascript:alert(1)", "abcdefgh.onion", "www.example.org"]
)
def test_links_cannot_be_clicked(text: str) -> None:
    line = one_line(text)
    assert "://" not in line
    assert ".onion" not in line
    assert not line.startswith(("www.", "javascript:"))


@given(st.floats(min_value=-1e300, max_value=1e300))
def test_numbers_read_back_to_four_digits(figure: float) -> None:
    assert float(number(figure).replace(",", "")) == pytest.approx(figure, rel=6e-4, abs=1e-9 if figure == 0 else 0)


# channels.yml ----------------------------------------------------------------------------------------------------------


def test_no_file_is_no_channel(tmp_path: Path) -> None:
    assert load_channels(tmp_path).channels == {}


def test_others_must_not_read_the_file(tmp_path: Path) -> None:
    path = write_channels(tmp_path, "channels: {}\n")
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        load_channels(tmp_path)


WRONG = [
    ("a: {webhook: 'https://x.example.org/t0ken12'}", "has a secret"),
    ("a: {webhook: 'https://x.example.org/t0ken12', secret: whsec_t0ken12}", "24 to 64"),
    (f"a: {{webhook: 'http://x.example.org/t0ken12', secret: {SECRET}}}", "in the clear"),
    (f"a: {{webhook: 'gopher://t0ken12', secret: {SECRET}}}", "https address"),
    ("a: {apprise: 'nosuch://t0ken12'}", "cannot read this address"),
    ("a: {apprise: 'mailto://example.org/t0ken12'}", "sender and recipients|names no recipient"),
    ("a: {apprise: 'mailto://u:t0ken12@mail.example.org?from=a@example.org&to=b@example.org&mode=insecure'}", "clear"),
    ("a: {apprise: 'mailtos://u:t0ken12@mail.example.org?from=a@example.org&to=b@example.org&pgp=sign'}", "pgp"),
    ("a: {}", "one of apprise"),
    ("a: {atom: x.atom, apprise: 'json://t0ken12'}", "one of apprise"),
    ("a: {atom: x.atom, secret: t0ken12}", "24 to 64"),
    ("a: {atom: x.atom, retries: 4}", "no such key"),
    ("A b: {atom: x.atom}", "names of channels"),
    ("a: {atom: x.atom, timeout: 0}", "greater than or equal"),
    ("a: {atom: x.atom, link: 'https://u:t0ken12@example.org/'}", "password"),
]


@pytest.mark.parametrize(("line", "said"), WRONG)
def test_a_wrong_channel_is_named_with_its_line_and_without_its_secret(tmp_path: Path, line: str, said: str) -> None:
    write_channels(tmp_path, f"channels:\n  good: {{atom: y.atom}}\n  {line}\n")
    with pytest.raises(UsageError, match=said) as caught:
        load_channels(tmp_path)
    assert caught.value.line == (1 if said == "names of channels" else 3)
    assert "docs/delivery.md" in str(caught.value)
    assert "t0ken12" not in str(caught.value)


def test_two_channels_do_not_write_one_file(tmp_path: Path) -> None:
    write_channels(tmp_path, "channels:\n  a: {atom: x.atom}\n  b: {atom: x.atom}\n")
    with pytest.raises(UsageError, match="same feed"):
        load_channels(tmp_path)


# the feed --------------------------------------------------------------------------------------------------------------


def tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def check_feed(content: bytes) -> etree._Element:
    """The rules of RFC 4287, 4.1.1 and 4.1.2, that a feed can break."""
    root = etree.fromstring(content)
    assert root.tag == tag("feed")
    for element in (root, *root.findall(tag("entry"))):
        for name in ("id", "title", "updated"):
            assert len(element.findall(tag(name))) == 1
        assert element.findtext(tag("id"), "").startswith("urn:uuid:")
        for name in ("updated", "published"):
            for moment in element.findall(tag(name)):
                assert etree.QName(moment).localname == name
                assert (moment.text or "").endswith("+00:00")
        if element.tag == tag("entry"):
            assert element.find(tag("content")) is not None or element.find(tag("link")) is not None
    assert root.findall(tag("author"))
    ids = [entry.findtext(tag("id")) for entry in root.findall(tag("entry"))]
    assert len(ids) == len(set(ids))
    return root


def test_an_entry_keeps_its_id_and_is_updated() -> None:
    fired = notice_of()
    over = build_notice(make_alert(), Event.RECOVERED, NOW + timedelta(days=2))
    one, two = (check_feed(build_feed([notice], title="t", name="f")) for notice in (fired, over))
    before, after = one.find(tag("entry")), two.find(tag("entry"))
    assert before is not None
    assert after is not None
    assert before.findtext(tag("id")) == after.findtext(tag("id"))
    assert before.findtext(tag("updated"), "") < after.findtext(tag("updated"), "")
    assert before.findtext(tag("published")) == after.findtext(tag("published"))
    assert one.findtext(tag("id")) == two.findtext(tag("id"))
    assert "Recovered" in after.findtext(tag("title"), "")


@given(st.text(), st.text())
def test_any_text_makes_a_valid_feed(rule: str, why: str) -> None:
    notices = [notice_of(rule=rule, why=why, id=rule, series={rule: why})]
    root = check_feed(build_feed(notices, title="t", name="f", link="https://e.example.org/f", dashboard="https://e"))
    content = root.findtext(f"{tag('entry')}/{tag('content')}", "")
    assert "<script" not in content


def test_an_empty_feed_is_a_feed() -> None:
    check_feed(build_feed([], title="t", name="f"))


def test_a_feed_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "alerts.atom"
    write_feed(path, b"old")
    with path.open("rb") as reader:
        write_feed(path, b"new and longer")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new and longer"
    assert list(tmp_path.iterdir()) == [path]


def test_a_feed_is_a_channel_like_the_others(tmp_path: Path) -> None:
    import random

    from monitor.delivery.deliver import deliver_due
    from monitor.delivery.outbox import Outbox

    path = tmp_path / "www" / "alerts.atom"
    write_channels(tmp_path, f"channels:\n  feed: {{atom: '{path}', entries: 3}}\n")
    channels = load_channels(tmp_path)
    with State(state_path(tmp_path)) as state:

        def go(hours: int) -> dict[tuple[str, str], int]:
            moment = NOW + timedelta(hours=hours)
            return dict(deliver_due(state, channels, moment, lease="one", rng=random.Random(1)).counts)

        with state.writing():
            for number_ in range(5):
                Outbox(state).put(make_alert(number_), Event.FIRED, NOW + timedelta(seconds=number_), ["feed"])
        assert go(0) == {("feed", "pending"): 1}  # there is no such folder
        path.parent.mkdir()
        assert go(2) == {("feed", "sent"): 5}
        with state.writing():
            Outbox(state).put(make_alert(2), Event.RECOVERED, NOW + timedelta(hours=2), ["feed"])
        assert go(3) == {("feed", "sent"): 1}
    root = check_feed(path.read_bytes())
    titles = [entry.findtext(tag("title"), "") for entry in root.findall(tag("entry"))]
    assert len(titles) == 3
    assert "Recovered" in titles[0]
