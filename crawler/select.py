"""Compiled selectors: from a `Selector` of market.yml to texts of an lxml tree.

Values are texts with white space collapsed (NBSP and the like too); with `lines`, block elements and <br> end lines.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from lxml import etree, html
from parsel.csstranslator import HTMLTranslator
from w3lib.encoding import html_to_unicode

from config.errors import UsageError
from crawler.market import Selector
from crawler.paths import compile_path

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
_MOST_DIGITS, _LONGEST_REAL = 15, 40
"""Of a count; characters of a number."""


def squeeze(text: str) -> str:
    """White space collapsed to single spaces, ends trimmed."""
    return " ".join(text.split())


def _is_preformatted(node: Tree) -> bool:
    if node.tag in {"pre", "textarea"}:
        return True
    style = node.get("style")
    return style is not None and "pre" in style.partition("white-space:")[2][:9]


def _walk(element: Tree, pieces: list[str]) -> None:
    # a line break of the source is white space; only elements (and preformatted text) break lines
    stack: list[tuple[Tree, Iterator[Tree], bool]] = []

    def put(text: str | None, keep: bool) -> None:
        if text:
            pieces.append(text if keep else text.replace("\n", " "))

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


_PARSER = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
"""Made once, not for every page."""
_PARSER.set_element_class_lookup(etree.ElementDefaultClassLookup(element=html.HtmlElement))  # one class, found in C
_WHOLE = 4
"""Whole characters beyond ASCII for each one cut in two: fewer, and the page is in another encoding."""
_OTHER_CHARSET = re.compile(r"charset(?!\s*=\s*[\"']?utf-?8\b)", re.IGNORECASE)


def parse_html(body: bytes, *, content_type: str = "", encoding: str | None = None) -> Tree | None:
    """The tree of a page; None where nothing is in it.

    Its encoding: BOM, header; UTF-8 where it is that beyond doubt, whatever it says itself (sites declare ISO-8859-1
    and send UTF-8), but for characters that were cut in two; <meta>; else `encoding`, UTF-8, cp1252 (the first that
    decodes).
    """
    utf8 = None if _OTHER_CHARSET.search(content_type) else _as_utf8(body)
    if utf8 is None:
        utf8 = _recode(body, content_type, encoding)
    if not utf8:
        return None
    tree: Tree | None = etree.fromstring(utf8, _PARSER)
    return tree


def _as_utf8(body: bytes) -> bytes | None:
    """The body, if it is UTF-8 as it stands; b"" where nothing is in it. Sites cut long titles by bytes: a character
    cut in two is U+FFFD as long as whole ones are many times as many (in other encodings hardly one comes out whole).
    """
    if body.startswith(codecs.BOM_UTF8):
        return None
    body = body.replace(b"\0", b"")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("utf-8", "replace")
        cut = text.count("\ufffd")
        whole = len(text) - len(text.encode("ascii", "ignore")) - cut
        return text.encode() if whole > _WHOLE * cut else None
    return b"" if not text or text.isspace() else body


def _recode(body: bytes, content_type: str, encoding: str | None) -> bytes:
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
    return text.encode("utf-8", "replace") if text.strip() else b""


def parse_count(text: str) -> int | None:
    """A count as sites write it (`1 234`, `1,234`, `12`); None where the text is something else, or no count of this
    world (`crawler.items.COUNTABLE`)."""
    value = squeeze(text)
    if not _GROUPED.fullmatch(value):
        return None
    digits = re.sub(r"\D", "", value)
    return int(digits) if len(digits) <= _MOST_DIGITS else None


def parse_real(text: str) -> float | None:
    """A plain decimal number with point or comma; None where the text is something else."""
    value = squeeze(text)
    return float(value.replace(",", ".")) if len(value) <= _LONGEST_REAL and _REAL.fullmatch(value) else None


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
                self._find = compile_path(path or "")
            except (etree.XPathError, SyntaxError, ValueError) as error:
                written = selector.css or selector.xpath
                raise UsageError(f"{written!r} is not a selector ({error}).", remedy="Correct it there.") from error
        self._last: tuple[Tree, list[object]] | None = None
        self._url = None if selector.url is None else re.compile(selector.url)
        self._cut = None if selector.re is None else re.compile(selector.re, re.DOTALL)
        self._split = None if selector.split is None else re.compile(selector.split)
        self._plain = self._cut is None and self._split is None and not selector.values
        self._shown = lines_of if selector.lines else text_of

    def raw(self, tree: Tree) -> list[object]:
        if self._find is None:
            return []
        found = self._find(tree)
        if not isinstance(found, list):
            found = [] if found is False or found in ("", None) else [found]
        self._last = (tree, found)
        return found

    def nodes(self, tree: Tree) -> list[Tree]:
        """Matching elements (texts and attributes are left out)."""
        return [node for node in self.raw(tree) if isinstance(node, html.HtmlElement)]

    def touched(self, tree: Tree) -> list[Tree]:
        """Matching elements, and those that matching texts and attributes belong to; as `raw` found them, where it was
        last asked about this very element."""
        found = []
        for one in self._last[1] if self._last is not None and self._last[0] is tree else self.raw(tree):
            node = one if isinstance(one, html.HtmlElement) else getattr(one, "getparent", lambda: None)()
            if isinstance(node, html.HtmlElement):
                found.append(node)
        return found

    def matches(self, tree: Tree) -> bool:
        return bool(self.raw(tree))

    def _strings(self, tree: Tree, url: str) -> list[str]:
        """What stands there, as yet uncut; without ends of white space."""
        strings: list[str] = []
        if self.selector.text is not None:
            strings.append(self.selector.text.strip())
        elif self._url is not None:
            match = self._url.search(url)
            if match:
                strings.append((match.group(1 if self._url.groups else 0) or "").strip())
        for node in self.raw(tree):
            if isinstance(node, html.HtmlElement):
                strings.append(self._shown(node))
            elif isinstance(node, float):
                strings.append(str(int(node)) if node.is_integer() else str(node))
            else:
                strings.append(str(node).strip() if self.selector.lines else squeeze(str(node)))
        return strings

    def read(self, tree: Tree, url: str = "") -> tuple[list[str], bool]:
        """(values in the page's order, whether something is unread).

        Unread: nothing was found though the field is not optional, or what was found could not be cut. A value that
        `values` maps to the empty text is read, and means 'not stated'.
        """
        strings = [string for string in self._strings(tree, url) if string]
        if self._plain:
            return strings, not (strings or self.optional)
        values: list[str] = []
        failed = False
        for string in strings:
            value = string
            if self._cut is not None:
                match = self._cut.search(string)
                value = (match.group(1 if self._cut.groups else 0) or "").strip() if match else ""
                failed = failed or not value
            for piece in self._split.split(value) if self._split else (value,):
                part = (piece or "").strip()
                part = self.selector.values.get(part, part)
                if part:
                    values.append(part)
        return values, not values and (failed or not (strings or self.optional))

    def texts(self, tree: Tree, url: str = "") -> list[str]:
        """Values, in the page's order, empty ones left out."""
        return self.read(tree, url)[0]


def compile_selector(selector: Selector | None) -> Compiled | None:
    """`Compiled(selector)`, or None for none. Raises UsageError for a selector that does not compile."""
    return None if selector is None else Compiled(selector)
