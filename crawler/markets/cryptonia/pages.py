"""Cryptonia: price tiers, what the rest of an index page says about its rows, and digital goods."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from crawler.items import Listing, Offer, Page
from crawler.pages import PageObject
from crawler.paths import compile_path
from crawler.select import Tree, lines_of, parse_count, squeeze, text_of

_TIER = re.compile(r"(.+) or more:?")
_STOCK = re.compile(r"[\d,.]*\d")
_WORLD = "Worldwide"
_DATA = compile_path("//div[@class='product_data']")
_IN_STOCK = compile_path("//div[@class='product_data'][normalize-space(label) = 'In stock:']/span[1]")
_TYPE = compile_path("//div[@class='product_data'][normalize-space(label) = 'Listing Type:']/span")
_CATEGORIES = compile_path("//div[@class='chksubcats']//a")
_BOXES = compile_path("//div[starts-with(@id, 'prod_')]")
_PRICES = compile_path("./span[contains(@class, 'lgtext')]")


class _Frame(NamedTuple):
    """What an index page says outside its rows; found once a page, as every search runs over the whole of it."""

    root: Tree
    category: tuple[str, ...]
    """The one that the heading names ('Weed Products'), if the side bar knows it."""
    boxes: dict[str, Tree]
    """By listing: the box that a click on its row opens."""


class Pages(PageObject):
    """Page object of Cryptonia."""

    _frame: _Frame | None = None

    def build_offers(self, node: Tree, page: Page, unread: Counter[str]) -> tuple[Offer, ...] | None:
        """Of a detail page: price and quantity ('485.00 USD/112g') with the stock, then a tier each from a number of
        units on, as '112g (5 or more)': their price is per unit too."""
        if node.tag == "tr":
            return None
        offers = []
        for block in _DATA(node):
            label = text_of(block[0]) if len(block) else ""
            tier = _TIER.fullmatch(label)
            if label != "Price:" and tier is None:
                continue
            prices = _PRICES(block)
            price, _, unit = text_of(prices[0]).partition("/") if prices else ("", "", "")
            if not price:
                unread["offer.price"] += 1
            elif tier is None:
                offers.append(Offer(price=price.strip(), quantity=unit.strip() or None, ready=_stock(node, unread)))
            else:
                # '5 112 g or more': where the number ends is known from the unit alone.
                number = tier.group(1).removesuffix(unit).strip()
                if parse_count(number) is None:
                    unread["offer.quantity"] += 1
                else:
                    offers.append(Offer(price=price.strip(), quantity=f"{unit} ({number} or more)"))
        if not offers:
            unread["offer.price"] += 1
        return tuple(offers)

    def adjust(self, listing: Listing, node: Tree, page: Page) -> Listing | None:
        if listing.seen_on == "index":
            root = node.getroottree().getroot()
            if self._frame is None or self._frame.root is not root:
                self._frame = _read_frame(root)
            box = self._frame.boxes.get(listing.listing)
            seen = listing.model_copy(update={"category": self._frame.category})
            return seen if box is None else _with_box(seen, box)
        if listing.ships_from is None and not listing.ships_to and _is_digital(node):
            # Digital goods have no line of countries: they are delivered anywhere, which other listings call so.
            return listing.model_copy(update={"ships_from": _WORLD, "ships_to": (_WORLD,)})
        return listing


def _read_frame(root: Tree) -> _Frame:
    heads = (text_of(head) for head in root.iter("h2"))  # a notice to all may stand before it
    named, _, rest = next((head for head in heads if " Products" in head), "").rpartition(" Products")
    known = (squeeze(link.text or "") for link in _CATEGORIES(root))
    boxes = {box.get("id").removeprefix("prod_"): box for box in _BOXES(root)}
    return _Frame(root, (named,) if not rest and named in known else (), boxes)


def _with_box(listing: Listing, box: Tree) -> Listing:
    """Description and shipping methods, out of the box."""
    texts = box.xpath(".//div[@class='prod_buynow_desc']")
    options = box.xpath("(.//select[@name='shipping_method'])[1]/option[not(@value='0')]")  # others, with a lost tag
    shipping = dict.fromkeys(filter(None, map(text_of, options)))
    description = lines_of(texts[0]) if texts else ""
    return listing.model_copy(update={"description": description, "shipping": tuple(shipping)})


def _stock(tree: Tree, unread: Counter[str]) -> int | None:
    """Packages in stock, of '17 112g' (number and unit)."""
    stated = _IN_STOCK(tree)
    if not stated:
        return None
    found = _STOCK.match(text_of(stated[0]))
    count = parse_count(found.group()) if found else None
    if count is None:
        unread["offer.ready"] += 1
    return count


def _is_digital(tree: Tree) -> bool:
    kinds = _TYPE(tree)
    return bool(kinds) and "Digital" in text_of(kinds[0])
