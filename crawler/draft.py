"""A first draft of a market's folder from its saved pages: for `dropline market new`. Guesses are guesses: `dropline
market check` shows what they read, and a person corrects them.

Index pages are recognised by repetition: the class of elements that stands at least three times with a link, a price
and a text in each. Detail pages are the ones with a heading, a price and no such repetition.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lxml import etree

from crawler.saved import SavedPage
from crawler.select import Tree, parse_html, text_of

_MONEY = (
    "USDT|USD|EUR|GBP|AUD|CAD|CHF|JPY|SEK|NOK|DKK|PLN|CZK|TRY|RUB|UAH|KZT|BYN|GEL|BTC|XMR|LTC|ETH|руб|грн|тг"
    "|[$€£¥₽₸₴₾฿]"
)
_PRICE = re.compile(rf"(?:{_MONEY})\.?\s?\d|\d[\d\s.,]*\s?(?:{_MONEY})", re.IGNORECASE)
_QUANTITY = re.compile(
    r"\d[\d.,]*\s?(?:kg|mg|ml|gr?|pcs|tabs?|pills?|oz|кг|мг|мл|гр?|шт|таб)\.?(?!\w)", re.IGNORECASE
)
_VENDOR_LINK = re.compile(r"/(?:u|user|vendor|seller|shop|store|profile|market)s?[/?=]", re.IGNORECASE)
_NEXT = re.compile(r"^(?:next|»|>|›|вперед|вперёд|далее|следующая|\d+)$", re.IGNORECASE)
_IDENT = re.compile(r"\d{2,}|[0-9a-f]{8,}")
_NO_TEXT = frozenset({"script", "style", "noscript", "head", "title", etree.Comment, etree.ProcessingInstruction})
_LEAST = 3
_MAX_TEXT = 1_500


@dataclass(frozen=True, slots=True)
class Guess:
    """`market.yml` in words, and how sure each part is."""

    text: str
    notes: tuple[str, ...]


def draft_market(ident: str, pages: Iterable[SavedPage]) -> Guess:
    """The draft of market.yml for those saved pages. Never raises for what a page holds."""
    index: tuple[int, str, Tree, list[Tree]] | None = None
    details: list[Tree] = []
    others: list[Tree] = []
    notes: list[str] = []
    for page in pages:
        tree = None if page.refused else parse_html(page.body, content_type=page.content_type)
        if tree is None:
            notes.append(f"{page.name}: {page.refused or 'nothing in it'}")
            continue
        found = _find_rows(tree)
        if found is not None and (index is None or found[0] > index[0]):
            index = (*found[:2], tree, found[2])
        if found is None and tree.xpath("//h1|//h2") and _PRICE.search(text_of(tree)):
            details.append(tree)
        else:
            others.append(tree)
    lines = [
        f"# Drafted from saved pages: every selector is a guess. Check with `dropline market check {ident} FILE…`.",
        f"id: {ident}", f"name: {ident}", "tz: UTC", "languages: [en]", 'parser: "1"', 'start: ["/"]',
    ]  # fmt: skip
    if index is None:
        notes.append("no index page was recognised (three or more like elements with a link and a price)")
    else:
        lines += _index_lines(index[1], index[2], index[3], notes)
    if details:
        details.sort(key=lambda tree: len(text_of(tree)), reverse=True)
        lines += _detail_lines(details[0], others, notes)
    else:
        notes.append("no detail page was recognised (a heading and a price)")
        lines.append("details: false")
    lines += [
        "# What a crawl must yield to be accepted. Not crawled until all four are stated (docs/crawling.md).",
        "bounds:",
        "  min_listings: 0",
        "  # fill: {vendor: 0.9, offer.price: 0.9}",
        "  # max_unknown_share: 0.3",
        "  # price_usd: {min: 1, max: 50000}",
    ]
    return Guess("\n".join(lines) + "\n", tuple(notes))


def _name_of(node: Tree) -> str | None:
    """`tag.class` of an element, by its first class that is a plain name without digits."""
    for word in (node.get("class") or "").split():
        if re.fullmatch(r"[A-Za-z][A-Za-z_-]*", word):
            return f"{node.tag}.{word}"
    return None


def _find_rows(tree: Tree) -> tuple[int, str, list[Tree]] | None:
    """(how many, selector, rows) of the commonest element with a link and exactly a listing's worth of text."""
    groups: dict[str, list[Tree]] = defaultdict(list)
    for node in tree.iter("div", "li", "tr", "article", "section", "td"):
        name = _name_of(node)
        if name is None and node.tag in {"tr", "li"}:
            above = _holder_of(node)
            name = f"{above} {node.tag}" if above else None
        if name is not None and node.find(".//a") is not None:
            text = text_of(node)
            if len(text) <= _MAX_TEXT and _PRICE.search(text):
                groups[name].append(node)
    best: tuple[int, str, list[Tree]] | None = None
    for name, rows in groups.items():
        # of elements within one another the outermost that still repeats holds the whole listing
        if len(rows) >= _LEAST and (best is None or (len(rows), _size(rows)) > (best[0], _size(best[2]))):
            best = (len(rows), name, rows)
    return best


def _size(rows: Sequence[Tree]) -> int:
    return sum(len(text_of(row)) for row in rows)


def _id_or_class(node: Tree) -> str | None:
    ident = node.get("id") or ""
    return f"{node.tag}#{ident}" if re.fullmatch(r"[A-Za-z][A-Za-z_-]*", ident) else _name_of(node)


def _holder_of(node: Tree) -> str | None:
    """The nearest element around it that has a name."""
    return next((name for up in node.iterancestors() if (name := _id_or_class(up))), None)


def _inner(row: Tree, node: Tree) -> str:
    """A selector for `node` inside `row`: its class, else its tag, else both with the parent's class."""
    own = _name_of(node)
    if own is not None:
        return own
    parent = node.getparent()
    above = None if parent is None or parent is row else _name_of(parent)
    return f"{above} > {node.tag}" if above else str(node.tag)


def _leaf(row: Tree, pattern: re.Pattern[str]) -> Tree | None:
    """The smallest element whose text matches."""
    fits = [node for node in row.iter() if node.tag not in _NO_TEXT and pattern.search(text_of(node))]
    return min(fits, key=lambda node: len(text_of(node)), default=None)


def _css(text: str) -> str:
    return f'"{text}"'


def _index_lines(name: str, tree: Tree, rows: Sequence[Tree], notes: list[str]) -> list[str]:
    row = rows[0]
    links = [link for link in row.iter("a") if link.get("href") and text_of(link)]
    plain = [link for link in links if not _VENDOR_LINK.search(link.get("href") or "")] or links
    title = max(plain, key=lambda link: len(text_of(link)), default=None)
    vendor = next((link for link in links if _VENDOR_LINK.search(link.get("href") or "") and link is not title), None)
    lines = ["index:", f"  - when: {_css(name)}", f"    row: {_css(name)}"]
    if title is None:
        notes.append("rows have no link with a text: give title, listing and detail yourself")
        return [*lines, "    fields: {}"]
    where = _inner(row, title)
    lines.append(f"    detail: {_css(where + '::attr(href)')}")
    pages = [link for link in tree.iter("a") if _NEXT.match(text_of(link)) and link.getparent() is not None]
    holder = _holder_of(pages[0]) if pages else None
    if holder:
        lines.append(f"    links: [{_css(holder + ' a::attr(href)')}]")
    else:
        notes.append("no pagination was recognised: give `links`")
    ident = re.search(r"(\d{2,}|[0-9a-f]{8,})(?!.*\d)", title.get("href") or "")
    cut = f', re: "{_cut_of(ident)}"' if ident else ""
    lines += ["    fields:", f"      listing: {{css: {_css(where + '::attr(href)')}{cut}}}"]
    lines.append(f"      title: {_css(where)}")
    if vendor is not None:
        lines.append(f"      vendor: {_css(_inner(row, vendor))}")
    else:
        notes.append("no vendor was recognised in the rows")
    return lines + _offer_lines(row)


def _cut_of(match: re.Match[str]) -> str:
    return r"(\\d+)\\D*$" if match.group(1).isdigit() else "([0-9a-f]{8,})"


def _offer_lines(place: Tree) -> list[str]:
    price, quantity = _leaf(place, _PRICE), _leaf(place, _QUANTITY)
    lines = []
    if price is not None:
        lines += ["      offers:" if place.tag != "html" else "    offers:"]
        pad = "        " if place.tag != "html" else "      "
        lines.append(f"{pad}- price: {_css(_inner(place, price))}")
        if quantity is not None and quantity is not price and quantity.tag not in {"a", "h1", "h2"}:
            lines.append(f"{pad}  quantity: {{css: {_css(_inner(place, quantity))}, optional: true}}")
    return lines


def _detail_lines(tree: Tree, others: Sequence[Tree], notes: list[str]) -> list[str]:
    heading = (tree.xpath("//h1") or tree.xpath("//h2"))[0]
    elsewhere = {name for other in others for node in other.iter() if isinstance(node.tag, str)
                 for name in (_id_or_class(node),) if name}  # fmt: skip
    own = [name for node in (heading, *heading.iterancestors(), *tree.iter("div", "article", "section", "table"))
           if (name := _id_or_class(node)) and name not in elsewhere]  # fmt: skip
    if not own:
        notes.append("detail pages: nothing was found that stands on them alone; correct `when`")
    lines = ["detail:", f"  when: {_css(own[0] if own else str(heading.tag))}", "  fields:"]
    ident = next(
        (f"{name}::attr({key})" for node in tree.iter() if isinstance(node.tag, str) and (name := _id_or_class(node))
         for key, value in node.attrib.items() if key.startswith("data-") and _IDENT.fullmatch(value)),
        None,
    )  # fmt: skip
    if ident is not None:
        lines.append(f"    listing: {_css(ident)}")
    else:
        lines.append('    listing: {url: "(\\\\d{2,}|[0-9a-f]{8,})"}')
        notes.append("detail pages: the id is taken from the address; better give one that stands in the page itself")
    holder = _holder_of(heading)
    lines.append(f"    title: {_css(f'{holder} {heading.tag}' if holder else str(heading.tag))}")
    vendor = next((link for link in tree.iter("a") if _VENDOR_LINK.search(link.get("href") or "")), None)
    if vendor is not None:
        pattern = _VENDOR_LINK.search(vendor.get("href") or "")
        if pattern is not None:
            lines.append(f"    vendor: {_css(f'a[href*={chr(39)}{pattern.group(0)}{chr(39)}]')}")
    named = [node for node in tree.iter("div", "p", "pre") if _id_or_class(node)]
    blocks = [node for node in named if not node.xpath(".//h1|.//h2|.//form|.//table")]
    text = max(blocks, key=lambda node: len(text_of(node)), default=None)
    if text is not None:
        lines.append(f"    description: {{css: {_css(_id_or_class(text) or 'p')}, lines: true}}")
    return lines + _offer_lines(tree)
