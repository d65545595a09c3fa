"""market.yml: a broken one gives file, line and remedy; the bundled ones load."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import UsageError
from crawler.market import Selector, check_onion_address, list_markets, load_market
from crawler.pages import PageObject, load_pages

GOOD = """\
id: kiosk
name: Kiosk
tz: Europe/Moscow
languages: [ru, no]
start: ["/list"]
index:
  - when: "div.row"
    row: "div.row"
    fields:
      listing: "a::attr(href)"
      title: {css: "a", optional: true}
"""


def write(folder: Path, text: str, name: str = "kiosk") -> Path:
    file = folder / name / "market.yml"
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    return file


def test_own_market_loads_beside_the_bundled_ones(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    market = load_market("kiosk", [tmp_path])
    assert market.languages == ("ru", "no")  # `no` is no boolean here
    assert market.index[0].fields.title == Selector(css="a", optional=True)
    assert {"kiosk", "empire"} <= set(list_markets([tmp_path]))
    assert isinstance(load_pages(market, [tmp_path]), PageObject)


@pytest.mark.parametrize("name", list_markets())
def test_every_bundled_market_loads_and_compiles(name: str) -> None:
    assert load_pages(name).market.id == name


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("Europe/Moscow", "Europe/Atlantis", 3, "Europe/Atlantis"),
        ("name: Kiosk", "nmae: Kiosk", 2, "nmae"),
        ('row: "div.row"', 'row: {css: "a", xpath: "//a"}', 8, "exactly one"),
        ('["/list"]', '["//other.example/x"]', 5, "not a path"),
        ('listing: "a::attr(href)"', 'listing: {css: "a", re: "(["}', 10, "regular expression"),
        ("languages: [ru, no]", "languages: [ru, no", 4, "YAML"),
        ("tz: Europe/Moscow", "id: again", 3, "twice"),
        ('listing: "a::attr(href)"', 'listing: {css: "a", re: "a{99999999999}"}', 10, "regular expression"),
        # values that are none of their tag, or of what they look like
        ("name: Kiosk", "name: !!int x", 2, "no int"),
        ("name: Kiosk", "name: !!bool x", 2, "no bool"),
        ("name: Kiosk", "name: !!timestamp x", 2, "no timestamp"),
        ("name: Kiosk", "name: 2001-99-99", 2, "no timestamp"),
        ("name: Kiosk", f"name: {'9' * 5000}", 2, "no int"),
        ("name: Kiosk", 'name: "\\U00110000"', 2, "YAML"),
        ("name: Kiosk", "name: a\x00b", 2, "U+0000"),
    ],
)
def test_broken_yaml_names_file_line_and_remedy(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    file = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(UsageError) as caught:
        load_market("kiosk", [tmp_path])
    error = caught.value
    assert error.file == file
    assert error.line is not None
    assert abs(error.line - line) <= 1
    assert error.exit_code == 2
    assert error.remedy
    assert words in str(error)


def test_what_is_nested_too_deeply_is_told(tmp_path: Path) -> None:
    file = write(tmp_path, "[" * 5_000)
    with pytest.raises(UsageError, match="nested too deeply") as caught:
        load_market("kiosk", [tmp_path])
    assert caught.value.file == file


def test_a_selector_that_does_not_compile_is_named(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD.replace('when: "div.row"', 'when: "div[["'))
    with pytest.raises(UsageError, match="not a selector") as caught:
        load_pages("kiosk", [tmp_path])
    assert caught.value.file == file


def test_wrong_encoding_and_unknown_market(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "kiosk" / "market.yml").write_bytes(b"id: kiosk\nname: \xcf\xf0\n")
    with pytest.raises(UsageError, match="UTF-8") as caught:
        load_market("kiosk", [tmp_path])
    assert caught.value.line == 2
    with pytest.raises(UsageError, match="no market 'nowhere'") as caught:
        load_market("nowhere")
    assert "empire" in str(caught.value)


def test_pages_py_of_an_own_market_is_used(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    code = "from crawler.pages import PageObject\nclass Pages(PageObject):\n    mine = True\n"
    (tmp_path / "kiosk" / "pages.py").write_text(code)
    assert getattr(load_pages("kiosk", [tmp_path]), "mine", False)
    (tmp_path / "kiosk" / "pages.py").write_text("Pages = 3\n")
    with pytest.raises(UsageError, match="class Pages"):
        load_pages("kiosk", [tmp_path])


def test_onion_addresses() -> None:
    name = "a" * 55 + "d"
    assert check_onion_address(f"{name.upper()}.onion/") == f"http://{name}.onion"
    for wrong in ("a" * 16 + ".onion", "example.org", f"http://{name}.onion/path", f"ftp://{name}.onion", f"1{name}.onion"):
        with pytest.raises(ValueError, match="version-3"):
            check_onion_address(wrong)
