"""Rules made and changed in the dashboard: the same files as the command's, nothing else of them touched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from command_lab import answer, call
from web_lab import Answer, Client, build_data, day, serving

from config.errors import UsageError
from config.settings import Settings
from monitor.alerts.editing import add_rule, change_rule, read_rule, set_key, source_of
from monitor.alerts.kinds import KINDS
from monitor.alerts.loading import load_rules
from monitor.web.rule_form import check, fields_of, from_form, from_text, measures_for, to_mapping, to_text

FILE = """\
# our rules
rules:
  # the first
  - id: one   # its id
    title: "Одно: с двоеточием"
    measure: listings
    filter:
      market: m
    test:
      kind: threshold   # simple
      above: 3
    owner: anna  # of the desk
  # the second
  - {id: two, title: Two, measure: listings, owner: ben,
     test: {kind: threshold, above: 1}}  # on two lines

  -   id: three
      title: >
        folded
        text
      measure: price
      test: {kind: change}
      owner: eve
# the end
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "mine.yml").write_text(FILE, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_a_key_is_set_where_the_rule_stands_and_nothing_else_changes(folder: Path, name: str) -> None:
    before = {rule.id: rule for rule in load_rules(folder).rules}
    source = source_of(folder, name)
    assert read_rule(source.text) == before[name]
    change_rule(folder, name, set_key(source.text, "muted_until", "2040-01-01"), source.digest)
    after = {rule.id: rule for rule in load_rules(folder).rules}
    assert after[name].muted_until == datetime(2040, 1, 1, tzinfo=UTC)
    assert after[name].version == before[name].version
    assert {**after, name: before[name]} == before
    text = (folder / "alerts" / "mine.yml").read_text(encoding="utf-8")
    for comment in re.findall(r"#.*", FILE):
        assert comment in text
    again = source_of(folder, name)
    change_rule(folder, name, set_key(again.text, "muted_until", "null"), again.digest)
    assert {rule.id: rule for rule in load_rules(folder).rules} == before
    third = source_of(folder, name)
    change_rule(folder, name, third.text, third.digest)
    assert source_of(folder, name).text == third.text


def test_a_text_is_put_in_the_place_of_another(folder: Path) -> None:
    source = source_of(folder, "two")
    text = "# why it is so\nid: two\ntitle: Zwei\n\nmeasure: offers\nowner: ben\ntest:\n  kind: threshold\n  below: 7\n"
    rule = change_rule(folder, "two", text, source.digest)
    assert (rule.measure, rule.test.settings.below) == ("offers", 7)
    assert source_of(folder, "two").text.endswith("below: 7\n")
    assert [one.id for one in load_rules(folder).rules] == ["one", "two", "three"]
    with pytest.raises(UsageError, match="changed two meanwhile"):
        change_rule(folder, "two", text, source.digest)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id: two\ntitle: x\nmeasur: listings\n", "line 3.*measur"),
        ("id: other\ntitle: x\nmeasure: listings\nowner: a\ntest: {kind: down}", "stays"),
        ("rules:\n- {id: two, title: x, measure: listings, owner: a, test: {kind: down}}", "not one rule"),
        ("- {id: two, title: x, measure: listings, owner: a, test: {kind: down}}", "not one rule"),
        ("id: [", "not valid YAML"), ("[" * 1_000, "not valid YAML"), ("", "not one rule|missing|required|Field"),
    ],
)  # fmt: skip
def test_what_is_no_such_rule_is_refused_and_changes_nothing(folder: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        change_rule(folder, "two", text, source_of(folder, "two").digest)
    assert (folder / "alerts" / "mine.yml").read_text(encoding="utf-8") == FILE


def test_a_file_that_repeats_itself_by_anchors_is_left_to_its_author(folder: Path) -> None:
    (folder / "alerts" / "mine.yml").write_text(
        "- &a {id: one, title: One, measure: listings, owner: anna, test: &t {kind: threshold, above: 1}}\n"
        "- {id: two, title: Two, measure: listings, owner: anna, test: *t}\n"
    )
    with pytest.raises(UsageError, match="by hand"):
        source_of(folder, "two")


def test_a_new_rule_gets_a_file_and_no_id_twice(folder: Path) -> None:
    text = "id: four\ntitle: x\nmeasure: listings\nowner: a\ntest: {kind: down}\n"
    add_rule(folder, text)
    assert (folder / "alerts" / "four.yml").read_text() == text
    with pytest.raises(UsageError, match="already"):
        add_rule(folder, text)
    with pytest.raises(UsageError, match=r"mine\.yml already"):
        add_rule(folder, text.replace("four", "two"))


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_form_of_every_kind_makes_a_rule_that_reads_back(kind: str) -> None:
    values = {"id": "r", "title": "no", "owner": "07", "measure": measures_for(kind)[0], "by": "day"}
    values |= {"threshold": {"test.above": "3"}, "quality": {"test.most": "0.5"}}.get(kind, {})
    if kind == "first":
        values["split"] = "market, substance"
    if kind == "standing":
        values["filter.market"] = "m"
    sent = {name: [text] for name, text in values.items()}
    if kind == "first":
        sent["split"] = ["market", "substance"]
    rule, filled = check(kind, from_form(kind, sent))
    assert rule is not None, filled.wrong
    assert (rule.owner, rule.title, rule.test.kind) == ("07", "no", kind)
    text = to_text(to_mapping(kind, filled.values))
    assert read_rule(text) == rule
    found = from_text(text)
    assert found is not None
    assert check(*found)[0] == rule


def test_every_field_of_a_form_leads_into_the_rule() -> None:
    for kind in KINDS:
        mapping = to_mapping(kind, {one.name: "1" for one in fields_of(kind)})
        keys = {*mapping, *(f"filter.{name}" for name in mapping["filter"]), *(f"test.{name}" for name in mapping["test"])}
        assert {one.name for one in fields_of(kind)} <= keys


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return build_data(tmp_path_factory.mktemp("web-rules"))


@pytest.fixture(scope="module")
def browser(data: Settings) -> Iterator[Client]:
    with serving(data) as client:
        yield client.open()


def wrong_fields(page: Answer) -> dict[str, str]:
    """What is said at each field."""
    return dict(re.findall(r'id="f-([\w-]+)-wrong">([^<]*)<', page.body))


FORM = {
    "kind": "threshold", "id": "many", "title": "Many", "owner": "anna", "measure": "listings", "by": "day",
    "filter.substance": "mephedrone", "test.above": "50", "recipients": "desk", "min_n": "",
}  # fmt: skip


def test_a_mistake_is_told_at_its_field_and_the_rest_is_kept(browser: Client, data: Settings) -> None:
    page = browser.send("/rules/draft", {**FORM, "id": "Many!", "test.above": "fifty", "coverage": "2", "do": "test"})
    assert page.status == 400
    assert set(wrong_fields(page)) == {"id", "test-above", "coverage"}
    assert 'value="fifty"' in page.body
    assert 'value="mephedrone"' in page.body
    assert re.search(r"<details[^>]* open", page.body)
    none = browser.send("/rules/draft", {**FORM, "test.above": "", "do": "save"})
    assert "needs" in none.text
    assert load_rules(data.data_dir).rules == ()


def test_a_rule_is_tested_saved_changed_muted_and_run(browser: Client, data: Settings) -> None:
    tested = browser.send("/rules/draft", {**FORM, "do": "test"})
    assert tested.status == 200
    assert str(day(10)) in tested.text
    assert "buckets were judged" in tested.text
    assert "No channel is named desk yet" in tested.text
    assert load_rules(data.data_dir).rules == ()
    text = re.search(r'name="text" value="([^"]*)"', tested.body)
    assert text is not None
    saved = browser.send("/rules/draft", {"text": text[1].replace("\n", "\r\n"), "do": "save"})
    assert saved.headers["location"] == "/rules/many?saved=yes"
    shown = answer(data.data_dir, "--store", data.store_url, "alerts", "test", "many")
    assert [row["bucket"] for row in shown] == re.findall(r'<a href="/trends[^"]*">([\d-]+)</a>', tested.body)[::-1]
    page = browser.ask("/rules/many/edit")
    digest = re.search(r'name="digest" value="(\w+)"', page.body)
    assert digest is not None
    change = {**FORM, "original": "many", "digest": digest[1], "test.above": "60", "do": "save"}
    assert browser.send("/rules/draft", change).status == 303
    assert load_rules(data.data_dir).find("many").test.settings.above == 60
    again = browser.send("/rules/draft", change)
    assert again.status == 400
    assert "changed many meanwhile" in again.text
    until = (datetime.now(UTC) + timedelta(days=3)).date()
    assert browser.send("/rules/many/mute", {"until": until}).status == 303
    assert "muted until" in browser.ask("/rules/many").text
    [row] = answer(data.data_dir, "alerts", "list")
    assert row["muted_until"] == f"{until}T00:00:00+00:00"
    assert browser.send("/rules/many/mute", {"until": "1999-01-01"}).status == 400
    assert browser.send("/rules/many/mute", {}).status == 303
    assert browser.send("/rules/many/switch", {"on": "no"}).status == 303
    assert not load_rules(data.data_dir).find("many").enabled
    assert browser.send("/rules/many/switch", {"on": "yes"}).status == 303
    assert call(data.data_dir, "--store", data.store_url, "alerts", "run").returncode == 0


def test_what_would_have_fired_leads_to_the_very_figure(browser: Client) -> None:
    text = ("id: part\ntitle: Part\nmeasure: share\nof: listings\nby: day\nowner: anna\nmin_n: 0\n"
            "test: {kind: threshold, above: 0.1}\n")  # fmt: skip
    tested = browser.send("/rules/draft", {"text": text, "do": "test"}).body
    link = re.search(r'<a href="(/trends[^"]*measure=share[^"]*)">', tested)
    assert link is not None
    assert {"of=listings", "split=substance", "by=day"} <= set(link[1].replace("&amp;", "&").partition("?")[2].split("&"))
    assert browser.ask(link[1].replace("&amp;", "&")).status == 200


def test_as_text_errors_point_at_the_line(browser: Client) -> None:
    page = browser.send("/rules/draft", {"text": "id: x\ntitle: y\nmeasure: listngs\n", "do": "test"})
    assert page.status == 400
    assert "the rule, line 3" in page.text
    assert "did you mean 'listings'" in page.text
    assert "measure: listngs" in page.body
    kept = browser.send("/rules/draft", {"text": "id: x\nunheard: y\ntest: {kind: down}\n", "do": "form"})
    assert "stays as text" in kept.text
    form = browser.send("/rules/draft", {"text": "id: x\ntitle: <b>\ntest: {kind: surge, spans: [1, 2]}\n", "do": "form"})
    assert 'value="&lt;b&gt;"' in form.body
    assert 'name="test.spans" value="1, 2"' in form.body
    assert "kind: surge" in browser.send("/rules/draft", {**FORM, "kind": "surge", "do": "text"}).body


def test_a_form_sends_back_what_it_was_given(browser: Client) -> None:
    text = 'id: x\ntitle: "a\u200fb \U0001f468\u200d\U0001f469 \t <i>"\nmeasure: listings\nowner: a\ntest: {kind: down}\n'
    page = browser.send("/rules/draft", {"text": text, "do": "edit"})
    area = re.search(r"<textarea[^>]*>\n(.*)</textarea>", page.body, re.DOTALL)
    assert area is not None
    assert unescape(area[1]) == text
    form = browser.send("/rules/draft", {"text": text, "do": "form"})
    title = re.search(r'name="title" value="([^"]*)"', form.body)
    assert title is not None
    assert unescape(title[1]) == read_rule(text).title
    tested = browser.send("/rules/draft", {"text": text, "do": "test"})
    hidden = re.search(r'name="text" value="([^"]*)"', tested.body)
    assert hidden is not None
    assert unescape(hidden[1]) == text


@pytest.mark.parametrize("kind", [*KINDS, "text"])
def test_there_is_a_form_for_every_kind(browser: Client, kind: str) -> None:
    page = browser.ask(f"/rules/new?kind={kind}")
    assert page.status == 200
    labelled = set(re.findall(r'<label for="([^"]+)"', page.body))
    fields = re.findall(r'<(?:input|select|textarea) id="([^"]+)"', page.body)
    assert set(fields) <= labelled
    assert len(fields) == len(set(fields))
    assert browser.ask("/rules/new?kind=magic").status == 404


def test_what_has_no_past_says_so(browser: Client) -> None:
    page = browser.send("/rules/draft", {"kind": "standing", "id": "waits", "title": "x", "owner": "a", "measure": "held"})
    assert page.status == 200
    assert "of the past nothing is kept" in page.text
