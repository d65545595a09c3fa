"""Compiled selectors: from a `Selector` of market.yml to texts of an lxml tree.

Values are texts with white space collapsed (NBSP and the like too); with `lines`, block elements and <br> end lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from lxml import etree, html
from parsel.csstranslator import HTMLTranslator
from w3lib.encoding import html_to_unicode

from config.errors import UsageError
from crawler.market import Selector

Tree: TypeAlias = html.HtmlElement

_BLOCKS = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote br dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 header hr li main nav"
        " ol p pre section table tbody td tfoot th thead tr ul",
    )
)
_HIDDEN = frozenset({"script", "style", "noscript", "template", "head", "title"})
_TRANSLATOR = HTMLTranslator()
_GROUPED = re.compile(r"[+]?\d{1,3}(?:[ ,.'’]\d{3})+|[+]?\d+")
_REAL = re.compile(r"[+-]?\d+(?:[.,]\d+)?")


def squeeze(text: str) -> str:
    """White space collapsed to single spaces, ends trimmed."""
    return " ".join(text.split())


def _is_preformatted(node: Tree) -> bool:
    return node.tag in {"pre", "textarea"} or "pre" in (node.get("style") or "").partition("white-space:")[2][:9]


def _walk(element: Tree, pieces: list[str]) -> None:
    # a line break of the source is white space; only elements (and preformatted text) break lines
    stack: list[tuple[Tree, Iterator[Tree], bool]] = []

    def put(text: str | None, keep: bool) -> None:
        if text:
            pieces.append(text if keep else re.sub(r"\s+", " ", text))

    def enter(node: Tree, keep: bool) -> None:
        keep = keep or _is_preformatted(node)
        if node.tag in _BLOCKS:
            pieces.append("\n")
        put(node.text, keep)
        stack.append((node, iter(node), keep))

    enter(element, False)
    while stack:  # not recursion: hostile pages nest thousands deep
        node, children, keep = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
            if stack:
                if node.tag in _BLOCKS:
                    pieces.append("\n")
                put(node.tail, stack[-1][2])
        elif isinstance(child.tag, str) and child.tag not in _HIDDEN:
            enter(child, keep)
        else:
            put(child.tail, keep)


def lines_of(element: Tree) -> str:
    """Text of an element with its line structure: block elements and <br> end lines, no empty lines."""
    if not len(element) and not _is_preformatted(element):
        return squeeze(element.text or "")  # most fields are an element with nothing but text
    pieces: list[str] = []
    _walk(element, pieces)
    return "\n".join(line for line in (squeeze(raw) for raw in "".join(pieces).split("\n")) if line)


def text_of(element: Tree) -> str:
    """Visible text of an element on one line; words of different blocks do not run together."""
    text = lines_of(element)
    return squeeze(text) if "\n" in text else text


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


_PARSER = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
"""Made once, not for every page."""


def parse_html(body: bytes, *, content_type: str = "", encoding: str | None = None) -> Tree | None:
    """The tree of a page; None where nothing is in it.

    Its encoding: BOM, header; UTF-8 where it is that beyond doubt, whatever it says itself (sites declare ISO-8859-1
    and send UTF-8); <meta>; else `encoding`, UTF-8, cp1252 (the first that decodes).
    """
    if "charset" not in content_type.lower() and not body.isascii() and _is_utf8(body):
        content_type = "text/html; charset=utf-8"

    def guess(raw: bytes) -> str:
        for name in filter(None, (encoding, "utf-8")):
            try:
                raw.decode(name)
            except (UnicodeDecodeError, LookupError):
                continue
            return name
        return "cp1252"

    _, text = html_to_unicode(content_type or None, body, auto_detect_fun=guess)
    text = text.replace("\0", "")
    if not text.strip():
        return None
    try:
        tree = html.document_fromstring(text.encode("utf-8", "replace"), parser=_PARSER)
    except etree.ParserError:
        return None
    return tree


def parse_count(text: str) -> int | None:
    """A count as sites write it (`1 234`, `1,234`, `12`); None where the text is something else."""
    value = squeeze(text)
    if not _GROUPED.fullmatch(value):
        return None
    return int(re.sub(r"\D", "", value))


def parse_real(text: str) -> float | None:
    """A plain decimal number with point or comma; None where the text is something else."""
    value = squeeze(text)
    return float(value.replace(",", ".")) if _REAL.fullmatch(value) else None


class Compiled:
    """A `Selector`, compiled once. `nodes(tree)` gives elements, `texts(tree, url)` values."""

    def __init__(self, selector: Selector) -> None:
        self.selector = selector
        self.optional = selector.optional
        self._find: Callable[[Tree], object] | None = None
        if selector.css is not None or selector.xpath is not None:
            try:
                path = selector.xpath
                if path is None and selector.css is not None:
                    path = _TRANSLATOR.css_to_xpath(selector.css, prefix="descendant-or-self::")
                self._find = etree.XPath(path or "", namespaces={"re": "http://exslt.org/regular-expressions"})
            except (etree.XPathError, SyntaxError, ValueError) as error:
                written = selector.css or selector.xpath
                raise UsageError(f"{written!r} is not a selector ({error}).", remedy="Correct it there.") from error
        self._url = None if selector.url is None else re.compile(selector.url)
        self._cut = None if selector.re is None else re.compile(selector.re, re.DOTALL)
        self._split = None if selector.split is None else re.compile(selector.split)

    def raw(self, tree: Tree) -> list[object]:
        if self._find is None:
            return []
        found = self._find(tree)
        if isinstance(found, list):
            return found
        return [] if found is False or found in ("", None) else [found]

    def nodes(self, tree: Tree) -> list[Tree]:
        """Matching elements (texts and attributes are left out)."""
        return [node for node in self.raw(tree) if isinstance(node, html.HtmlElement)]

    def touched(self, tree: Tree) -> list[Tree]:
        """Matching elements, and those that matching texts and attributes belong to."""
        found = []
        for one in self.raw(tree):
            node = one if isinstance(one, html.HtmlElement) else getattr(one, "getparent", lambda: None)()
            if isinstance(node, html.HtmlElement):
                found.append(node)
        return found

    def matches(self, tree: Tree) -> bool:
        return bool(self.raw(tree))

    def _strings(self, tree: Tree, url: str) -> Iterator[str]:
        if self.selector.text is not None:
            yield self.selector.text
        elif self._url is not None:
            match = self._url.search(url)
            if match:
                yield match.group(1 if self._url.groups else 0) or ""
        for node in self.raw(tree):
            if isinstance(node, html.HtmlElement):
                yield lines_of(node) if self.selector.lines else text_of(node)
            elif isinstance(node, float):
                yield str(int(node)) if node.is_integer() else str(node)
            else:
                yield str(node) if self.selector.lines else squeeze(str(node))

    def read(self, tree: Tree, url: str = "") -> tuple[list[str], bool]:
        """(values in the page's order, whether something is unread).

        Unread: nothing was found though the field is not optional, or what was found could not be cut. A value that
        `values` maps to the empty text is read, and means 'not stated'.
        """
        values: list[str] = []
        failed, found = False, False
        for string in self._strings(tree, url):
            value = string.strip()
            if not value:
                continue
            found = True
            if self._cut is not None:
                match = self._cut.search(value)
                value = (match.group(1 if self._cut.groups else 0) or "").strip() if match else ""
                failed = failed or not value
            for piece in self._split.split(value) if self._split else (value,):
                part = (piece or "").strip()
                part = self.selector.values.get(part, part)
                if part:
                    values.append(part)
        return values, not values and (failed or not (found or self.optional))

    def texts(self, tree: Tree, url: str = "") -> list[str]:
        """Values, in the page's order, empty ones left out."""
        return self.read(tree, url)[0]


def compile_selector(selector: Selector | None) -> Compiled | None:
    """`Compiled(selector)`, or None for none. Raises UsageError for a selector that does not compile."""
    return None if selector is None else Compiled(selector)
