"""Rules as people write them: what is taken, and what is told about what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from alert_market import build_rule
from hypothesis import given
from hypothesis import strategies as st

from config.errors import UsageError
from monitor.alerts.loading import add_file, load_rules, read_file
from monitor.alerts.shape import group_rules, shape_of

GOOD = """\
id: meph-week
title: Mephedrone
measure: listings
filter:
  substance: mephedrone
  ships-from: [DE, NL]
by: week
test:
  kind: threshold
  above: 100
owner: anna
"""


def read(tmp_path: Path, text: str) -> str:
    """What is said about a file."""
    path = tmp_path / "rules.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_file(path)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("title", "titel", 2, ["titel", "did you mean 'title'"]),
        ("listings", "lisings", 3, ["lisings", "did you mean 'listings'"]),
        ("measure: listings", "measure: survival", 3, ["survival"]),
        ("substance:", "substanc:", 5, ["did you mean 'substance'"]),
        ("ships-from", "ship-from", 6, ["did you mean 'ships_from'"]),
        ("threshold", "treshold", 8, ["did you mean 'threshold'"]),
        ("above: 100", "abov: 100", 10, ["did you mean 'above'"]),
        ("above: 100", "above: much", 10, ["above"]),
        ("  above: 100\n", "", 8, ["'above' or 'below'"]),
        ("by: week", "by: month", 7, ["by"]),
        ("owner: anna", "owner: anna\nsplit: [substanse]", 12, ["did you mean 'substance'"]),
        ("owner: anna", "owner: anna\nmuted_until: soon", 12, ["muted_until"]),
        ("owner: anna", "owner: anna\nof: turnover", 1, ["not taken of"]),
        ("owner: anna", "owner: anna\nmethod: kruithof", 1, ["about turnover"]),
        ("measure: listings", "measure: turnover\nmethod: feedback", 4, ["several turnover methods", "kruithof"]),
        ("measure: listings", "measure: concentration\nsplit: [vendor]", 1, ["cannot be split by vendor"]),
        ("owner: anna", "owner: anna\ncurrency: quoted", 1, ["about prices and turnover"]),
        ("owner: anna", "", 1, ["owner"]),
        ("id: meph-week", "id: Meph Week", 1, ["id"]),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, words: list[str]) -> None:
    assert old in GOOD
    said = read(tmp_path, GOOD.replace(old, new, 1))
    assert f"rules.yml, line {line}:" in said
    assert "docs/alerts.md" in said
    for word in words:
        assert word in said


def test_the_line_is_that_of_the_right_rule(tmp_path: Path) -> None:
    entries = ["\n".join(f"  {line}" for line in GOOD.splitlines()) for _ in range(2)]
    text = "rules:\n" + "\n".join("- " + entry[2:] for entry in entries) + "\n"
    text = text.replace("meph-week", "other", 1)
    place = text.rindex("above")
    said = read(tmp_path, text[:place] + "abowe" + text[place + 5 :])
    assert "line 22:" in said
    assert "rules.1.test.abowe" in said


def test_one_rule_many_rules_and_a_bare_list_are_read(tmp_path: Path) -> None:
    many = "rules:\n- " + GOOD.replace("\n", "\n  ").rstrip() + "\n"
    bare = many.removeprefix("rules:\n")
    found = []
    for text in (GOOD, many, bare):
        (tmp_path / "rules.yml").write_text(text, encoding="utf-8")
        [rule] = read_file(tmp_path / "rules.yml")
        found.append(rule)
    assert found[0] == found[1] == found[2]
    assert found[0].filter.ships_from == ("DE", "NL")


def test_files_are_added_whole_or_not_at_all(tmp_path: Path) -> None:
    source, data = tmp_path / "mine.yml", tmp_path / "data"
    source.write_text(GOOD, encoding="utf-8")
    assert [rule.id for rule in add_file(data, source)] == ["meph-week"]
    assert [rule.id for rule in load_rules(data).rules] == ["meph-week"]
    with pytest.raises(UsageError, match="--replace"):
        add_file(data, source)
    source.write_text(GOOD.replace("Mephedrone", "Another"), encoding="utf-8")
    add_file(data, source, replace=True)
    assert load_rules(data).find("meph-week").title == "Another"
    other = tmp_path / "other.yml"
    other.write_text(GOOD, encoding="utf-8")
    with pytest.raises(UsageError, match="stands in mine"):
        add_file(data, other)
    source.write_text(GOOD.replace("above", "abov"), encoding="utf-8")
    with pytest.raises(UsageError, match="abov"):
        add_file(data, source, replace=True)
    assert load_rules(data).find("meph-week").title == "Another"
    with pytest.raises(UsageError, match="Did you mean 'meph-week'"):
        load_rules(data).find("meph-weak")


def test_the_version_is_of_what_a_rule_means() -> None:
    rule = build_rule()
    assert rule.version == build_rule().version
    assert rule.version == build_rule(enabled=False, muted_until="2033-01-01").version
    for change in ({"by": "week"}, {"min_n": 3}, {"test": {"kind": "threshold", "above": 51}}, {"recipients": []}):
        assert build_rule(**change).version != rule.version


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_unknown_word_is_an_error_with_the_known_ones(key: str, value: str) -> None:
    if key in type(build_rule()).model_fields:
        return
    with pytest.raises(ValueError, match="there is no key"):
        build_rule(**{key: value})


def test_rules_share_one_question_where_the_split_says_the_same() -> None:
    rules = [
        build_rule(id=f"r-{substance}-{region.lower()}", filter={"substance": substance, "region": region})
        for substance in ("mdma", "lsd", "dmt") for region in ("GE-TB", "GE-AJ")
    ]
    [group] = group_rules(rules)
    assert group.shape.splits == ("substance", "region")
    assert group.where().substance == ("dmt", "lsd", "mdma")
    assert group.where().region == ("GE-AJ", "GE-TB")
    # several values of one field are one series: they cannot be taken apart again
    two = build_rule(id="two", filter={"substance": ["mdma", "lsd"], "region": "GE-TB"})
    assert len(group_rules([*rules, two])) == 2
    # a rule about everything widens the question, a rule by week is another
    open_rule = build_rule(id="open", filter={"region": "GE-TB"}, split=["substance"])
    [group] = group_rules([*rules, open_rule])
    assert group.where().substance == ()
    assert len(group_rules([*rules, build_rule(id="weekly", by="week", filter={"substance": "mdma", "region": "GE-TB"})])) == 2
    # the standard quantity is of the question: its regions stay apart
    standard = {"measure": "price", "column": "standard", "test": {"kind": "change"}}
    shape, pins = shape_of(build_rule(filter={"substance": "mdma", "region": "GE-TB"}, **standard))
    assert (shape.splits, pins, shape.fixed.region) == (("substance",), {"substance": ("mdma",)}, ("GE-TB",))


@pytest.mark.parametrize(
    ("old", "new", "line"), [("kind: threshold", "kind: [x]", 8), ("measure: listings", "measure: {a: 1}", 3)]
)
def test_a_list_where_a_word_belongs_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int) -> None:
    assert f"rules.yml, line {line}: " in read(tmp_path, GOOD.replace(old, new))
