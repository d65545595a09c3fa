"""Archives made of real saved listing pages, which are no part of the project (`--shared`: a folder that holds
`pages/market-pages.tar.xz`): each page many times, under ids of its own, so that none counts as seen before.

Words of title and description are exchanged for words of the same market's pages, so that no text is read twice and
all stay words of listings; numbers, units and short words stay. Everything else of a page is as saved. Pure functions
of the numbers given; nothing is kept.
"""

from __future__ import annotations

import random
import re
import tarfile
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from lxml import etree
from parsel.csstranslator import HTMLTranslator

from crawler.items import Page
from crawler.pages import PageObject, load_pages
from crawler.select import Tree, parse_html

MARKETS = ("apollon", "cryptonia", "dream", "empire")
_FIRST_ID = 40_000_000
_POOLED = 300
"""Words that one page gives to its market's pool: one listing has 8,000."""
_WORD = re.compile(r"[^\W\d_]{4,}")


@dataclass
class _Source:
    """A saved page cut at whatever changes: texts as they are, an int for a word, None for the listing's id."""

    market: str
    parts: list[str | int | None]
    words: list[str]


@dataclass
class RealPages:
    """The listing pages found, by market."""

    readers: dict[str, PageObject] = field(default_factory=dict)
    sources: list[_Source] = field(default_factory=list)
    pools: dict[str, list[str]] = field(default_factory=dict)

    def market(self, number: int) -> str:
        return self.sources[number % len(self.sources)].market

    def page(self, number: int, crawl: int = 0) -> bytes:
        """Listing `number` as `crawl` would have found it: the same but for a line of the page's own clock."""
        source = self.sources[number % len(self.sources)]
        dice = random.Random(number)
        pool = self.pools[source.market]
        words = [dice.choice(pool) for _ in source.words]
        ident = str(_FIRST_ID + number)
        filled = (ident if part is None else words[part] if isinstance(part, int) else part for part in source.parts)
        return "".join(filled).replace("</body>", f"<p>served in round {crawl}</p></body>").encode()


def read_real_pages(shared: Path, longest: int) -> RealPages | None:
    """Those whose description has at most `longest` characters; None where the folder has none."""
    archive = shared / "pages" / "market-pages.tar.xz"
    if not archive.is_file():
        return None
    found = RealPages({name: load_pages(name) for name in MARKETS})
    with tarfile.open(archive) as packed:
        for member in sorted(packed.getmembers(), key=lambda one: one.name):
            market, folder = member.name.split("/")[1:3] if member.name.count("/") == 3 else ("", "")
            stream = packed.extractfile(member) if market in MARKETS and folder == "listings" else None
            source = None if stream is None else _cut(found.readers[market], stream.read(), longest)
            if source is not None:
                found.sources.append(source)
    for name in MARKETS:
        found.pools[name] = [word for one in found.sources if one.market == name for word in one.words[:_POOLED]]
    return found


def write_crawl(pages: RealPages, market: str, numbers: list[int], crawl: int, path: Path) -> list[bytes]:
    """Those listings of a market as a zip of saved pages; their bodies."""
    bodies = [pages.page(number, crawl) for number in numbers if pages.market(number) == market]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for place, body in enumerate(bodies):
            packed.writestr(f"{place:08}.html", body)
    return bodies


def _cut(reader: PageObject, body: bytes, longest: int) -> _Source | None:
    market = reader.market.id
    page = Page(market=market, crawl="", url="", status=200, body=body, fetched_at=datetime(2020, 1, 1, tzinfo=UTC))
    (listing,) = reader.parse(page).listings
    tree = parse_html(body)
    if tree is None or len(listing.description) > longest:
        return None
    text = body.decode()
    spans = [(found.start(), found.end(), listing.listing) for found in re.finditer(re.escape(listing.listing), text)]
    for chunk in _chunks(reader, tree):
        for found in re.finditer(re.escape(chunk), text):
            at = found.start()
            spans += [(at + word.start(), at + word.end(), word.group()) for word in _WORD.finditer(chunk)]
    source, end = _Source(market, [], []), 0
    known: dict[str, int] = {}
    for start, stop, word in sorted(set(spans)):
        if start < end:
            continue
        source.parts.append(text[end:start])
        if word == listing.listing:
            source.parts.append(None)
        elif word in listing.title:  # the same wherever the page repeats the title
            if word not in known:
                known[word] = len(source.words)
                source.words.append(word)
            source.parts.append(known[word])
        else:
            source.parts.append(len(source.words))
            source.words.append(word)
        end = stop
    source.parts.append(text[end:])
    return source


def _chunks(reader: PageObject, tree: Tree) -> set[str]:
    """Pieces of title and description, as they stand in the source."""
    assert reader._detail is not None
    selectors = (reader._detail.fields.by_name[name] for name in ("title", "description"))
    nodes = [node for selector in selectors for node in selector.nodes(tree)]
    pieces = {str(piece).strip() for node in nodes for piece in node.itertext() if _WORD.search(piece)}
    return {escape(piece, quote=False) for piece in pieces} | pieces


def field_paths(reader: PageObject) -> list[etree.XPath]:
    """What a plain scraper evaluates on a listing page: the paths of the market's definition, as they stand there."""
    assert reader._detail is not None
    fields = reader._detail.fields
    offers = [one for block in fields.offers for one in (*block.texts.values(), *block.counts.values())]
    declared = [one.selector for one in (*fields.by_name.values(), *offers)]
    css = HTMLTranslator()
    paths = [one.xpath or (css.css_to_xpath(one.css) if one.css else None) for one in declared]
    return [etree.XPath(path) for path in paths if path is not None]
