"""XPath that was made quicker gives the same elements in the same order, and is made quicker only where it may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from crawler.market import list_markets, load_market, market_folder
from crawler.paths import compile_path, hasten
from crawler.select import parse_html

NAMES = st.sampled_from(["div", "p", "b", "*"])
ATOMS = st.one_of(
    st.sampled_from(["@a", "@a = '1'", "not(@a)", "contains(., 'x]')", "starts-with(@a, '//p[')", "1", "2", "last()"]),
    st.sampled_from(
        ["position() = 2", "count(*)", "string-length(@a)", "p[1]", "b", ".//b[@a]", "b | p", "count(*) - 1"]
    ),
    st.sampled_from(["../p", "preceding-sibling::*[1][self::b]", "string(.)", "//p[2]/b", "-1", "number(@a)", "b * 2"]),
)
PREDICATES = st.one_of(
    ATOMS,
    st.builds("{} and {}".format, ATOMS, ATOMS),
    st.builds("({}) or ({})".format, ATOMS, ATOMS),
    st.builds("{} + {}".format, ATOMS, ATOMS),
    st.builds("not({})".format, ATOMS),
)
STEPS = st.builds(
    lambda slash, name, predicates: slash + name + "".join(f"[{one}]" for one in predicates),
    st.sampled_from(["//", "/", "//"]),
    NAMES,
    st.lists(PREDICATES, max_size=2),
)
PATHS = st.one_of(
    st.lists(STEPS, min_size=1, max_size=3).map("".join),
    st.lists(STEPS, min_size=1, max_size=2).map(lambda steps: "." + "".join(steps)),
    st.lists(STEPS, min_size=1, max_size=2).map(lambda steps: f"({''.join(steps)})[1]"),
    st.tuples(STEPS, STEPS).map(lambda both: f"({both[0]} | {both[1]})[last()]"),
    STEPS.map(lambda step: f"descendant-or-self::*[@id = '1']{step}"),
    STEPS.map(lambda step: f"{step}/descendant::*[@id='1'][p][1]"),
    st.just("descendant::*[@id = '1']"),
)


def nodes(depth: int) -> st.SearchStrategy[str]:
    inner = st.text("x1", max_size=1) if depth == 0 else st.lists(nodes(depth - 1), max_size=3).map("".join)
    return st.builds(
        lambda name, value, text: f"<{name}{value}>{text}</{name}>",
        st.sampled_from(["div", "p", "b"]),
        st.sampled_from(["", " a='1'", " a='2'", " id='1'"]),
        inner,
    )


@given(PATHS, nodes(4))
def test_quick_paths_find_the_same(path: str, page: str) -> None:
    tree = etree.fromstring(f"<body>{page}{page}</body>")
    for node in (tree, tree[0]):
        assert etree.XPath(hasten(path))(node) == etree.XPath(path)(node), hasten(path)


@pytest.mark.parametrize(
    ("path", "quick"),
    [
        ("//td[b = 'Price']/following-sibling::td[1]", "/descendant::td[b = 'Price']/following-sibling::td[1]"),
        (".//a[contains(@href, 'x')]/@href", "./descendant::a[contains(@href, 'x')]/@href"),
        ("//div[@id='a']//b[not(p)][@c and @d]", "/descendant::div[@id='a']/descendant::b[not(p)][@c and @d]"),
        ("descendant-or-self::*[@id = 'x']/p[1]", "descendant-or-self::*/@id[. = 'x']/../p[1]"),
        ("//li[preceding-sibling::*[1][self::b]]", "/descendant::li[preceding-sibling::*[1][self::b]]"),
    ],
)
def test_steps_that_cannot_count_are_rewritten(path: str, quick: str) -> None:
    assert hasten(path) == quick


@pytest.mark.parametrize(
    "path",
    ["//td[1]", "//td[last()]", "//td[position() < 3]", "//td[count(b)]", "//td[@a + 1]", "//td[string(.)]", "//td",
     "//@href", "//text()[. = 'a']", "//li/self::td[b]", "p[. = '//td[b]']", "//td[b - 1]", "//td[b][2]", "//td[-1]",
     "descendant::*[@id = 'x'][1]", "p[. = \"::*[@id = 'x']\"]", "descendant::p[@id = 'x']"],
)  # fmt: skip
def test_steps_that_may_count_stay(path: str) -> None:
    assert hasten(path) == path


def declared(market: str) -> list[str]:
    """Every XPath of a market.yml, with those of its CSS left out (cssselect writes no `//`)."""
    found: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name == "xpath" and isinstance(inner, str):
                    found.append(inner)
                walk(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                walk(inner)

    walk(load_market(market).model_dump())
    return found


@pytest.mark.parametrize("market", sorted(list_markets()))
def test_every_declared_path_reads_the_fixtures_as_before(market: str) -> None:
    trees = [parse_html(page.read_bytes()) for page in (market_folder(market) / "fixtures").glob("*/page.html")]
    for path in declared(market):
        quick, plain = compile_path(path), etree.XPath(path, namespaces={"re": "http://exslt.org/regular-expressions"})
        for tree in trees:
            if tree is not None:
                for node in (tree, *tree.iter("tr")):
                    assert quick(node) == plain(node), path
