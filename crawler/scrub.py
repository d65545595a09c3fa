"""What of a page may be kept: its structure and the listing, without scripts, inline images, or what buyers wrote.

`Scrubber(page_object)` turns a page's body into the body that the archive keeps. The page object reads the same
listings out of both. Cut are: scripts, frames, embedded objects, inline images (`data:` addresses, SVG, style sheets),
event handlers, comments, filled-in form values; blocks of buyers (feedback, reviews, comments: by name of class or id,
or by a table's head), as far as no declared selector reads in them; and whatever `archive.cut` of market.yml names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lxml import etree, html

from crawler.outcomes import is_truncated
from crawler.pages import PageObject
from crawler.select import Compiled, Tree, parse_html, text_of

_GONE = frozenset(
    {"script", "style", "noscript", "template", "svg", "canvas", "iframe", "frame", "object", "embed", "applet",
     "video", "audio", "source", "picture", "link", "base"}
)  # fmt: skip
_ADDRESSES = ("src", "srcset", "href", "poster", "background", "data", "style")
_BUYERS_BLOCK = re.compile(
    r"(?:^|[\s_-])(?:feedbacks?|reviews?|comments?|testimonials?|buyers?|otzyv\w*|отзыв\w*)(?=[\s_-]|$)", re.IGNORECASE
)
_BUYERS_HEAD = re.compile(
    r"^\W*(?:buyer|customer|reviewer|author|comment|feedback|review|from|покупател\w*|отзыв\w*|комментари\w*|автор)s?"
    r"(?:\W|$)",
    re.IGNORECASE,
)
_BLOCKS = ("table", "ul", "ol", "dl", "div", "section", "article", "form")
# the HTML parser has put every name into lower case
_DOUBTFUL: Callable[[Tree], Any] = etree.XPath("//@*[starts-with(name(), 'on') or contains(., ':')]")
_ENDS = (b"</html>", b"</body>")


class Scrubber:
    """Compiled once per market. `scrub(body, content_type)` gives UTF-8 HTML, or b"" for a page with nothing in it."""

    def __init__(self, pages: PageObject) -> None:
        self._pages, self._market = pages, pages.market
        self._cut = tuple(Compiled(selector) for selector in self._market.archive.cut)

    def scrub(self, body: bytes, content_type: str = "") -> bytes:
        """The body without what is not kept. A page that was cut off stays recognisable as such."""
        tree = self._pages.take_tree(body)
        if tree is None:
            tree = parse_html(body, content_type=content_type, encoding=self._market.encoding)
        if tree is None:
            return b""
        for selector in self._cut:
            for node in selector.nodes(tree):
                _drop(node)
        found: list[set[Tree]] = []

        def read() -> set[Tree]:  # only asked for where something might have to go
            if not found:
                found.append(set(self._pages.read_nodes(tree)))
            return found[0]

        if self._market.archive.cut_buyers:
            _cut_buyers(tree, read)
        _clean(tree, read)
        kept: bytes = html.tostring(tree, encoding="utf-8", doctype="<!DOCTYPE html>")
        closing = self._market.closing
        if is_truncated(body, closing):  # serialising closes every element: it must not look whole afterwards
            for end in _ENDS:
                kept = kept.rstrip().removesuffix(end)
        elif is_truncated(kept, closing):  # what a whole page ends with was itself cut (a comment)
            kept += f"\n{closing}".encode()
        return kept


def _cut_buyers(tree: Tree, read: Callable[[], set[Tree]]) -> None:
    blocks = [one for one in tree.iter(*_BLOCKS) if one is not tree and _is_buyers(one)]
    if blocks:
        needed = {above for node in read() for above in (node, *node.iterancestors())}
        for node in blocks:
            if node not in needed:
                _drop(node)


def _is_buyers(node: Tree) -> bool:
    named = node.get("id") or node.get("class")
    if named and _BUYERS_BLOCK.search(f"{node.get('id') or ''} {node.get('class') or ''}"):
        return True
    if node.tag != "table":
        return False
    head = node.xpath("(.//tr)[1]/*[self::th or self::td]")
    return len(head) > 1 and any(_BUYERS_HEAD.search(text_of(cell)) for cell in head)


def _drop(node: Tree) -> None:
    if node.getparent() is not None:
        node.drop_tree()


def _clean(tree: Tree, read: Callable[[], set[Tree]]) -> None:
    for node in [one for one in tree.iter(*_GONE, etree.Comment, etree.ProcessingInstruction, etree.Entity)
                 if one is not tree]:  # fmt: skip
        _drop(node)
    for value in _DOUBTFUL(tree):  # few of all attributes: the parser's own search finds them
        name, node = value.attrname, value.getparent()
        if name.startswith("on") or (
            name in _ADDRESSES and re.match(r"\s*(?:data|javascript):", value, re.IGNORECASE)
        ) or (name == "style" and "data:" in value.lower()):
            node.attrib.pop(name, "")
    for node in tree.iter("input"):
        hidden = (node.get("type") or "").lower() == "hidden" and len(node.get("value") or "") >= 16
        if hidden and node not in read():
            node.set("value", "")  # a token of the operator's session; what is shorter may be a listing's id
