"""What of a page may be kept: its structure and the listing, without scripts, inline images, or what buyers wrote.

`Scrubber(page_object)` turns a page's body into the body that the archive keeps. The page object reads the same
listings out of both. Cut are: scripts, frames, embedded objects, inline images (`data:` addresses, SVG, style sheets),
event handlers, comments, filled-in form values; blocks of buyers (feedback, reviews, comments: by name of class or id,
or by a table's head), as far as no declared selector reads in them; and whatever `archive.cut` of market.yml names.
"""

from __future__ import annotations

import re

from lxml import html

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
_BLOCKS = "|".join(f"//{name}" for name in ("table", "ul", "ol", "dl", "div", "section", "article", "form"))
_ENDS = (b"</html>", b"</body>")


class Scrubber:
    """Compiled once per market. `scrub(body, content_type)` gives UTF-8 HTML, or b"" for a page with nothing in it."""

    def __init__(self, pages: PageObject) -> None:
        self._pages, self._market = pages, pages.market
        self._cut = tuple(Compiled(selector) for selector in self._market.archive.cut)

    def scrub(self, body: bytes, content_type: str = "") -> bytes:
        """The body without what is not kept. A page that was cut off stays recognisable as such."""
        tree = parse_html(body, content_type=content_type, encoding=self._market.encoding)
        if tree is None:
            return b""
        for selector in self._cut:
            for node in selector.nodes(tree):
                _drop(node)
        read = set(self._pages.read_nodes(tree))
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


def _cut_buyers(tree: Tree, read: set[Tree]) -> None:
    needed = {above for node in read for above in (node, *node.iterancestors())}
    for node in [one for one in tree.xpath(_BLOCKS) if _is_buyers(one)]:
        if node not in needed:
            _drop(node)


def _is_buyers(node: Tree) -> bool:
    if _BUYERS_BLOCK.search(f"{node.get('id') or ''} {node.get('class') or ''}"):
        return True
    if node.tag != "table":
        return False
    head = node.xpath("(.//tr)[1]/*[self::th or self::td]")
    return len(head) > 1 and any(_BUYERS_HEAD.search(text_of(cell)) for cell in head)


def _drop(node: Tree) -> None:
    if node.getparent() is not None:
        node.drop_tree()


def _clean(tree: Tree, read: set[Tree]) -> None:
    for node in list(tree.iter()):
        if node.getparent() is not None and (not isinstance(node.tag, str) or node.tag.lower() in _GONE):
            _drop(node)
            continue
        for name, value in list(node.attrib.items()):
            plain = name.lower()
            if plain.startswith("on") or (
                plain in _ADDRESSES and re.match(r"\s*(?:data|javascript):", value, re.IGNORECASE)
            ) or (plain == "style" and "data:" in value.lower()):
                del node.attrib[name]
        hidden = node.tag == "input" and (node.get("type") or "").lower() == "hidden" and node not in read
        if hidden and len(node.get("value") or "") >= 16:
            node.set("value", "")  # a token of the operator's session; what is shorter may be a listing's id
