"""Dream: shipping options (a table of name and price) and how many ratings a listing has."""

from __future__ import annotations

import re

from crawler.items import Listing, Page
from crawler.pages import PageObject
from crawler.paths import compile_path
from crawler.select import Tree, parse_count, text_of

_OPTIONS = compile_path("//tr[.//input[@name='shippingOption']]")
_RATINGS = compile_path("//div[@class='viewProduct']//div[@class='ratings']")
_RATING = compile_path(".//td[contains(@class, 'ratingText')]")
_MORE = re.compile(r"And ([\d,. ]*\d) more rating", re.IGNORECASE)


class Pages(PageObject):
    """Page object of Dream."""

    def adjust(self, listing: Listing, node: Tree, page: Page) -> Listing | None:
        if listing.seen_on != "detail":
            return listing
        rows = _OPTIONS(node)
        shipping = dict.fromkeys(filter(None, map(_shipping, rows)))
        return listing.model_copy(update={"shipping": tuple(shipping), "feedback": _count_ratings(node)})


def _shipping(row: Tree) -> str:
    """`EMS - ฿0.00251 ($27)` of one row: the name, and the price as written."""
    texts = [text for text in (text_of(cell) for cell in row.xpath("./td")) if text]
    return f"{' '.join(texts[1:])} - {texts[0]}" if len(texts) > 1 else "".join(texts)


def _count_ratings(tree: Tree) -> int | None:
    """Ratings of the product; None where the page shows no list of them. Their text and age are not read."""
    blocks = _RATINGS(tree)
    if not blocks:
        return None
    shown = len(_RATING(blocks[0]))
    more = _MORE.search(text_of(blocks[0].getparent()))
    return shown + ((parse_count(more.group(1)) or 0) if more else 0)
